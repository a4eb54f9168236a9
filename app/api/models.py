"""``GET /v1/models``: the roles of a bot as models, for clients that choose by model."""

from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path
from fastapi.responses import Response
from pydantic import BaseModel

from app.api.callers import Anybody
from app.api.errors import ApiError
from app.api.service import Service
from app.api.shapes import as_bytes
from dialogue.roles import role_names

if TYPE_CHECKING:
    from app.bot import Bot

NAME: Final = "candor"  # in the role of the settings; ``candor:ROLE`` in another
CREATED: Final = 1767225600  # models have a date in this API; ours is that of the first release's year


class Model(BaseModel):
    """A role to speak to; `model` is what writes the drafts."""

    id: str
    object: str = "model"
    created: int = CREATED
    owned_by: str = NAME
    role: str
    model: str


class Models(BaseModel):
    """All roles."""

    object: str = "list"
    data: list[Model]


def models_of(bot: "Bot") -> list[Model]:
    """Return the models of a bot, the default first."""
    own, writes = bot.settings.role, bot.settings.model
    others = [name for name in role_names(bot.settings.role_folder) if name != own]
    return [Model(id=NAME, role=own, model=writes)] + [
        Model(id=f"{NAME}:{name}", role=name, model=writes) for name in others
    ]


def checked_model(bot: "Bot", model: str | None, role: str | None) -> tuple[str, str | None]:
    """Return the id of a model and the role it stands for, None for that of the settings or of the conversation.

    A `role` that is named counts. Raises ApiError for a model or a role that there is not.
    """
    if role is not None and role not in role_names(bot.settings.role_folder):
        words = f"there is no role {role!r}: GET /v1/models lists them"
        raise ApiError(404, words, "role_not_found", "role")
    if model is None or model == NAME:
        return NAME, role
    found = next((each for each in models_of(bot) if each.id == model), None)
    if found is None:
        words = f"there is no model {model[:100]!r}: GET /v1/models lists them"
        raise ApiError(404, words, "model_not_found", "model")
    return found.id, role or found.role


def add_models(router: APIRouter, service: Service) -> None:
    """Answer at ``/models``."""

    @router.get("/models", tags=["OpenAI"], summary="List the models", response_model=Models)
    def list_models(asking: Anybody) -> Response:
        return Response(as_bytes(Models(data=models_of(service.bot))), media_type="application/json")

    @router.get("/models/{model:path}", tags=["OpenAI"], summary="One model", response_model=Model)
    def one_model(model: Annotated[str, Path(max_length=500)], asking: Anybody) -> Response:
        name, _ = checked_model(service.bot, model, None)
        found = next(each for each in models_of(service.bot) if each.id == name)
        return Response(as_bytes(found), media_type="application/json")
