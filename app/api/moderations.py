"""``POST /v1/moderations``: what the guard says of texts, in OpenAI's shape."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Literal
from uuid import uuid4

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.callers import Checking
from app.api.errors import ApiError
from app.api.messages import Part
from app.api.service import Service
from app.api.shapes import Json, as_bytes
from safety.guards.embedded import EmbeddedGuard
from safety.types import Guard, Verdict

LONGEST: Final = 32_000  # characters of a text
Text = Annotated[str, Field(max_length=LONGEST)]
THEIRS: Final[Mapping[str, tuple[str, ...]]] = {  # OpenAI's categories, and the objectives of ours they correspond to
    "harassment": ("harassment",),
    "harassment/threatening": (),
    "hate": ("hate",),
    "hate/threatening": (),
    "illicit": ("crime_howto",),
    "illicit/violent": ("weapons_mass",),
    "self-harm": ("self_harm",),
    "self-harm/intent": (),
    "self-harm/instructions": (),
    "sexual": ("sexual",),
    "sexual/minors": ("child_safety",),
    "violence": ("violence",),
    "violence/graphic": (),
}


class ModerationRequest(BaseModel):
    """Texts to be judged: as requests of a user, or as replies to one."""

    model_config = ConfigDict(extra="allow")
    input: (
        Text
        | Annotated[list[Text], Field(min_length=1, max_length=64)]
        | Annotated[list[Part], Field(min_length=1, max_length=64)]
    )
    model: Annotated[str | None, Field(max_length=500)] = None
    stage: Literal["request", "reply"] = "request"


def add_moderations(router: APIRouter, service: Service) -> None:
    """Answer at ``/moderations``."""

    @router.post("/moderations", tags=["OpenAI"], summary="Judge the safety of texts", response_class=Response)
    async def moderate(body: ModerationRequest, asking: Checking) -> Response:
        texts = _texts(body.input)
        guard = service.bot.responder.guard
        stage: Literal["request", "served"] = "request" if body.stage == "request" else "served"
        verdicts = await service.call(lambda: guard.check(texts, stage))
        thresholds = _thresholds(guard, stage)
        found = {
            "id": f"modr-{uuid4().hex}",
            "model": guard.fingerprint,
            "results": [_result(verdict, thresholds) for verdict in verdicts],
        }
        return Response(as_bytes(found), media_type="application/json")


def _texts(given: str | Sequence[str | Part]) -> list[str]:
    """The texts that are judged apart; the parts of one message are one text."""
    if isinstance(given, str):
        return [given]
    texts = [text for text in given if isinstance(text, str)]
    parts = [part for part in given if isinstance(part, Part)]
    if any(part.type != "text" for part in parts):
        raise ApiError(400, "input: only text is judged", "unsupported_parameter", "input")
    return texts or ["\n\n".join(part.text or "" for part in parts)]


def _thresholds(guard: Guard, stage: Literal["request", "served"]) -> dict[str, float]:
    """The risk from which each objective fires, by objective."""
    if not isinstance(guard, EmbeddedGuard):
        return {}
    return {name: objective.threshold for name, objective in guard.policy.at(stage).items()}


def _result(verdict: Verdict, thresholds: Mapping[str, float]) -> Json:
    """One verdict: our objectives as categories, and OpenAI's where they correspond; the others are never flagged."""
    risks = dict.fromkeys(thresholds, 0.0) | dict(verdict.risks)
    scores = dict(risks)
    flags = {name: risk >= thresholds.get(name, 0.5) for name, risk in risks.items()}
    for name, ours in THEIRS.items():
        scores[name] = max((risks.get(each, 0.0) for each in ours), default=0.0)
        flags[name] = any(flags.get(each, False) for each in ours)
    told = {
        "safe": verdict.safe,
        "risk": verdict.risk,
        "objective": verdict.objective or None,
        "action": verdict.action or None,
        "reason": verdict.reason,
    }
    types = {name: ["text"] if ours else [] for name, ours in {**dict.fromkeys(risks, True), **THEIRS}.items()}
    return {
        "flagged": verdict.flagged,
        "categories": flags,
        "category_scores": scores,
        "category_applied_input_types": types,
        "candor": told,
    }
