"""``POST /v1/check``: a reply judged against evidence or the library, without anything being generated."""

from typing import Annotated, Final

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.callers import Checking
from app.api.service import Service
from app.api.shapes import as_bytes
from app.bot import MESSAGE_LIMIT, checked_message
from app.checking import claims_in_library, claims_of, judged
from app.store.jsonform import to_json
from dialogue.types import Claim

MOST_EVIDENCE: Final = 200_000  # characters of one text
Text = Annotated[str, Field(max_length=MOST_EVIDENCE)]


class CheckRequest(BaseModel):
    """A text to be judged sentence by sentence; without `evidence` by what the library holds."""

    model_config = ConfigDict(extra="forbid")
    text: Annotated[str, Field(min_length=1, max_length=MESSAGE_LIMIT)]
    evidence: Text | Annotated[list[Text], Field(max_length=64)] | None = None
    question: Annotated[str, Field(max_length=MESSAGE_LIMIT)] = ""


def add_check(router: APIRouter, service: Service) -> None:
    """Answer at ``/check``."""

    @router.post("/check", tags=["Candor"], summary="Judge a reply against evidence", response_class=Response)
    async def check(body: CheckRequest, asking: Checking) -> Response:
        evidence = body.evidence

        def work() -> tuple[Claim, ...]:
            text = checked_message(body.text)
            if evidence is None:
                return claims_in_library(asking.responder, text, body.question)
            return claims_of(service.bot.judge, text, evidence, body.question)

        claims = await service.call(work)
        return Response(as_bytes(to_json(judged(claims))), media_type="application/json")
