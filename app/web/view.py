"""What the page shows, and the pages that are open: what all handlers share.

All HTML comes from `parts`, all running work from `jobs`. The conversation's id lives in the page, not in server
memory, so a restarted server loses nothing. Of Gradio this uses only its event types.
"""

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.accounts.limits import Limits
from app.bot import MESSAGE_LIMIT
from app.errors import AppError
from app.library.catalogue import last_places, source_count
from app.store.opinions import Opinions
from app.store.shares import Shares
from app.store.versions import matches
from app.web.documents import KINDS, UPLOAD_LIMIT
from app.web.following import Following
from app.web.jobs import Jobs
from app.web.parts import frame, library, settings, sources, transcript, welcome, why
from app.web.parts.conversations import conversations
from app.web.parts.models import QUOTE, answering
from app.web.pictures import Held
from app.web.undo import Undo
from app.web.uploads import Uploads
from app.web.who import known, principal
from app.web.words import ENGLISH, Language, count, read_languages, said, speaking
from dialogue.models import AUTO, chosen
from dialogue.roles import DEFAULT
from dialogue.types import DialogueError, Role
from retrieval.text import each

if TYPE_CHECKING:
    from app.bot import Bot
    from app.library.catalogue import StoredSource
    from app.store.conversations import StoredTurn

PAGE = 30  # turns shown at first
ROWS = 50  # conversations shown at first
SESSIONS = 2000  # pages remembered
GONE = "That conversation no longer exists."
COOKIE = "candor-language"

Data = dict[str, Any]


@dataclass(slots=True)
class Session:
    """What one open page shows: which conversation, how the lists are cut, the role chosen for a new one."""

    conversation: str = ""
    search: str = ""
    rows: int = ROWS
    turns: int = PAGE
    busy: bool = False
    role: str = ""
    library: str = ""
    bare: bool = False  # whether it was last told that there are no documents


class View:
    """Paints the page; each handler returns what is painted, in the order of `view`."""

    def __init__(
        self, bot: "Bot", jobs: Jobs, uploads: Callable[[], Uploads], examples: Sequence[str], undo: Undo
    ) -> None:
        self._whole, self.jobs, self._uploads, self.examples = bot, jobs, uploads, tuple(each(examples))
        self.undo, self.held, self.following = undo, Held(), Following()
        self.limits = Limits(bot.library.database, bot.settings.turns_per_minute, bot.settings.turns_per_day)
        self.opinions, self.shares = Opinions(bot.library.database), Shares(bot.library.database)
        self.languages = read_languages(bot.settings.data_dir / "languages")
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._serial = itertools.count(1)
        self._started = chosen(bot.settings.model)

    # --- who is asking

    @property
    def account(self) -> str | None:
        """The id of whose request is served, None without accounts. Raises Unknown for nobody's."""
        return known().account if self._whole.settings.accounts == "on" else None

    @property
    def bot(self) -> "Bot":
        """The bot as who is served sees it."""
        account = self.account
        return self._whole if account is None else self._whole.of(account)

    @property
    def uploads(self) -> Uploads:
        """The uploads of who is served."""
        return self._uploads()

    def manages(self, row: "StoredSource | None" = None) -> bool:
        """Whether who is served may change a source, or, without one, what all share."""
        if self.account is None or known().may("admin"):
            return True
        return row is not None and row.account == self.account

    def sources(self) -> list["StoredSource"]:
        """The sources that who is served sees."""
        return self.bot.library.sources(self.account)

    def owns(self, conversation: str) -> bool:
        """Whether a conversation is that of who is served; all are where there are no accounts."""
        if self.account is None:
            return True
        try:
            self.bot.history.conversation(conversation)
        except AppError:
            return False
        return True

    def language(self, request: gr.Request) -> str:
        """The language of a page: its choice, else the first that its browser asks for."""
        chosen = str(getattr(request, "cookies", {}).get(COOKIE, ""))
        wished = str(request.headers.get("accept-language", ""))
        asked = [chosen, *(part.partition(";")[0].strip().partition("-")[0].lower() for part in wished.split(","))]
        return next((code for code in asked if code in self.languages), ENGLISH)

    @contextmanager
    def told(self, request: gr.Request) -> Iterator[None]:
        """Paint everything within in the language of the page."""
        with speaking(self.languages.get(self.language(request), Language())):
            yield

    def session(self, request: gr.Request, conversation: str | None = None) -> Session:
        """The session of a page; a new one takes over the page's conversation."""
        key = f"{self.account} {request.session_hash}"
        session = self._sessions.pop(key, None) or Session(conversation or "")
        self._sessions[key] = session
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return session

    # --- what is painted

    def signal(self, session: Session, **words: object) -> Data:
        """A message to the script of the page; a serial number makes each one new."""
        return {"conversation": session.conversation, "busy": session.busy, "serial": next(self._serial), **words}

    def rows(self, session: Session) -> str:
        """The list of conversations, without those that are being deleted."""
        listed = self.bot.history.conversations(limit=session.rows + 1, search=session.search)
        more = len(listed) > session.rows
        shown = [row for row in listed[: session.rows] if not self.undo.waits(("conversation", row.id))]
        found = matches(self._whole.library.database, [row.id for row in shown], session.search)
        roles = {row.role: self.role(row.role).name for row in shown if row.role != DEFAULT}
        return conversations(shown, session.conversation, session.search, more, found=found, roles=roles)

    def view(self, session: Session, conversation: str, fresh: bool = False, **words: object) -> list[Any]:
        """Everything about one conversation, for (id, signal, header, log, live, list, sources, why)."""
        job = self.jobs.live(conversation)
        turns: list[StoredTurn] = []
        title, earlier, held = said("New conversation"), 0, session.role or self._whole.settings.role
        if conversation != session.conversation:
            session.turns = max(PAGE, session.turns if words.get("seek") else 0)
        if conversation:
            try:
                if self.undo.waits(("conversation", conversation)):
                    raise AppError(GONE)
                about = self.bot.history.conversation(conversation)
                turns = self.bot.history.turns(conversation, limit=session.turns)
                title, earlier, held = about.title, about.turns - len(turns), about.role
            except AppError:
                conversation, words = "", {"toast": said(GONE), **words}
        session.conversation, session.busy = conversation, job is not None
        if job is not None and turns and turns[-1].state == "pending":
            turns = turns[:-1]
        last = next((turn for turn in reversed(turns) if turn.reply is not None), None)
        return [
            conversation,
            self.signal(session, title=title, turn=str(last.id) if last else "", **words),
            frame.header(title, not conversation, self.role(held).name),
            self._log(session, turns, earlier, held, fresh),
            transcript.working(job) if job else "",
            self.rows(session),
            *self.beside(last),
        ]

    def beside(self, turn: "StoredTurn | None") -> list[str]:
        """The sources of a turn and why its reply was chosen."""
        if turn is None or turn.reply is None:
            return [sources.sources("", "", None), why.why("", "", None)]
        preferred = turn.id in self._preferred([turn])
        about = (turn.question, str(turn.id), turn.reply)
        asked, mask = f"{turn.question} {turn.reply.trace.query}", self.bot.responder.mask
        return [sources.sources(*about), why.why(*about, preferred, lambda words: mask(words, asked))]

    def _preferred(self, turns: Sequence["StoredTurn"]) -> set[int]:
        return self.opinions.taken([turn.id for turn in turns])

    def _log(self, session: Session, turns: "Sequence[StoredTurn]", earlier: int, held: str, fresh: bool) -> str:
        """The turns of a conversation, or the empty page."""
        conversation = session.conversation
        if not conversation:
            return self._welcome(session, held)
        shape = transcript.Shape(self.opinions.ratings([turn.id for turn in turns]), fresh)
        log = transcript.transcript(turns, earlier, shape)
        refused = self.jobs.refused(conversation)
        if refused is not None and refused.before == len(turns) + earlier:
            log += transcript.refused(refused.question, refused.error, refused.shown)
        return log if earlier else welcome.opening(self.role(held)) + log

    def empty(self, session: Session) -> str:
        """The page without a conversation, as it is now."""
        return self._welcome(session, session.role or self.bot.settings.role)

    def _welcome(self, session: Session, held: str) -> str:
        offered = self.examples if held == self.bot.settings.role else ()
        coming = sum(row.state != "failed" for row in self.uploads.rows())
        count = len(self.sources()) if self.account else source_count(self._whole.library.database)
        documents = count + coming
        session.bare = not documents
        return welcome.welcome(offered, self.offered_roles(), held, documents)

    def role(self, name: str) -> Role:
        """A role; one whose file has gone keeps its name."""
        try:
            return self._whole.role(name)
        except DialogueError:
            return Role(name)

    def offered_roles(self) -> dict[str, Role]:
        """The roles that can be talked to: without a language model the default and those that a subject speaks in."""
        quoting = chosen(self._whole.settings.model) == QUOTE
        roles = self._whole.roles().items()
        return {name: role for name, role in roles if not quoting or role.subject or name == DEFAULT}

    def documents(self, session: Session | None = None) -> str:
        """The list of documents, with those on their way, without those that are being removed."""
        database = self._whole.library.database
        stored = [row for row in self.sources() if not self.undo.waits(("source", row.id))]
        search = session.library if session else ""
        return library.documents(stored, self.uploads.rows(), search, last_places(database))

    def settings(self, request: gr.Request, session: Session) -> str:
        """The panel of settings."""
        roles, role = self.offered_roles(), session.role or self.bot.settings.role
        given, language = self.bot.settings, self.language(request)
        if not self.manages():  # where things lie on the server is not everybody's business
            given = replace(given, data_dir=Path("…"))
        return settings.settings(given, self.languages, language, roles, role, self.models(request))

    def models(self, request: gr.Request) -> tuple[str, ...]:
        """The models that this page may change to: what the server was started with and what is packaged.

        No others: to name one is to have files opened and addresses asked. None where nothing may be changed.
        """
        packaged = tuple(dict.fromkeys((QUOTE, chosen(AUTO))))
        return tuple(dict.fromkeys((self._started, *packaged))) if self.may_change(request) else ()

    def may_change(self, request: gr.Request) -> bool:
        """Whether who asks may change settings of the server: who manages it, without accounts all who reach it."""
        return self.manages()

    def frame(self) -> list[str]:
        """What stands still, in the language spoken now: the head and foot of the list, the message box, the tabs."""
        return [
            frame.nav_head(),
            frame.nav_foot(who.name if (who := principal()) else ""),
            frame.composer(self.notice(), MESSAGE_LIMIT),
            frame.side_tabs(),
            library.drop(UPLOAD_LIMIT, KINDS),
        ]

    def notice(self) -> str:
        """Which model answers, in words."""
        return answering(chosen(self._whole.settings.model))

    def ready(self, citations: int) -> str:
        """What is said when a reply is there."""
        return said("Reply ready. {sources}.", sources=count(citations, "source"))


def data(event: gr.EventData) -> Data:
    """What the page sent along; anything may come, for anybody can send an event."""
    found = getattr(event, "_data", None)
    return found if isinstance(found, dict) else {}


def text(event: gr.EventData, name: str) -> str:
    """A word that the page sent along, "" where it is none."""
    value = data(event).get(name, "")
    return value if isinstance(value, str) else ""
