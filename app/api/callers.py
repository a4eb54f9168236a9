"""Who asks: the one place that decides who may use the API, and what of conversations, documents and uploads they see.

Without accounts everybody is who can reach the server, which listens on this machine alone. With accounts a request has
to bring an API key, ``Authorization: Bearer KEY``, with the scope of its route.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from app.accounts.audit import Audit
from app.accounts.keys import Keys
from app.accounts.principal import Forbidden, Principal, Scope, Unknown
from app.api.errors import ApiError
from app.errors import InputError
from app.web.who import serving

if TYPE_CHECKING:
    from app.api.parts import Parts
    from app.bot import Bot
    from app.library.catalogue import StoredSource
    from app.store.conversations import StoredConversation
    from app.web.uploads import Uploads
    from dialogue.respond import Responder

LONGEST: Final = 500  # characters of a key


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request; `who` is None where there are no accounts."""

    service: "Parts"
    who: Principal | None = None

    @property
    def account(self) -> str | None:
        """The id of the account, None where there are none."""
        return self.who.account if self.who else None

    @property
    def bot(self) -> "Bot":
        """The bot as this one sees it."""
        return self.service.bot.of(self.who.account) if self.who else self.service.bot

    @property
    def responder(self) -> "Responder":
        """What answers from the documents that this one sees."""
        return self.service.bot.responder_of(self.account)

    def uploads(self) -> "Uploads":
        """Return the uploads of this one."""
        with serving(self.who):
            return self.service.uploads()

    def sources(self) -> list["StoredSource"]:
        """Return the sources that this one sees."""
        return self.service.bot.library.sources(self.account)

    def manages(self, row: "StoredSource") -> bool:
        """Whether this one may remove a source: an admin every one, others their own."""
        return self.who is None or self.who.may("admin") or row.account == self.who.account

    def conversation(self, identity: str) -> "StoredConversation":
        """Return a conversation of this one's. Raises ApiError, the same for one of somebody else as for none."""
        try:
            return self.bot.history.conversation(identity)
        except InputError:
            words = "there is no such conversation: GET /v1/conversations lists them"
            raise ApiError(404, words, "conversation_not_found") from None

    def note(self, action: str, detail: str = "") -> None:
        """Store in the audit log what this one did, where there are accounts. Raises DataError."""
        if self.who is not None:
            Audit(self.service.bot.library.database).note(action, self.who.account, detail)

    def take_turn(self) -> None:
        """Count a turn that is about to be taken. Raises Limited."""
        if self.who is not None:
            self.service.limits.turn(self.who)


def allowed(scope: Scope | None = None) -> Any:  # noqa: ANN401, FastAPI's own type of a dependency
    """Return the dependency of a route: who asks, if they may do what the scope stands for."""

    async def caller(request: Request) -> Caller:
        service: Parts = request.app.state.service
        if service.bot.settings.accounts != "on":
            return Caller(service)
        who = await run_in_threadpool(_known, service, request.headers.get("authorization", ""))
        if scope is not None:
            try:
                who.require(scope)
            except Forbidden as error:
                raise ApiError(403, str(error), "missing_scope") from None
        return Caller(service, who)

    return Depends(caller)


def _known(service: "Parts", header: str) -> Principal:
    """Return whose key a header holds. Raises ApiError."""
    kind, _, word = header.partition(" ")
    challenge = {"WWW-Authenticate": "Bearer"}
    if kind.lower() != "bearer" or not word.strip():
        raise ApiError(401, "send an API key: Authorization: Bearer KEY", "missing_key", headers=challenge)
    try:
        return Keys(service.bot.library.database).check(word.strip()[:LONGEST])
    except Unknown as error:
        raise ApiError(401, str(error), "invalid_key", headers=challenge) from None


Anybody = Annotated[Caller, allowed()]  # who is known
Chatting = Annotated[Caller, allowed("chat")]
Checking = Annotated[Caller, allowed("check")]
Sourcing = Annotated[Caller, allowed("sources")]
