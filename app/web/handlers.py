"""What every event of the page does, and what is painted back.

All HTML comes from `render` and `panels`, all running work from `jobs`. The conversation's id lives in the
page, not in server memory, so a restarted server loses nothing. Of Gradio this uses only its event types.
"""

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import gradio as gr

from app.bot import USER_ERRORS, checked_message
from app.errors import AppError
from app.web import panels, render, welcome
from app.web.jobs import Busy, Jobs
from app.web.pictures import Held, Shown, sent, waiting
from app.web.uploads import Uploads
from dialogue.types import Citation, DialogueError, Picture, Role
from retrieval.text import each

if TYPE_CHECKING:
    from app.bot import Bot
    from app.store.conversations import StoredTurn

POLL = 0.08  # seconds between two looks at a running job
PAGE = 30  # turns shown at first
ROWS = 50  # conversations shown at first
SESSIONS = 2000  # pages remembered
GONE = "That conversation no longer exists."

Data = dict[str, Any]
Given = tuple[tuple[Picture, ...], tuple[Shown, ...]]  # the pictures of a message, and how they are shown


@dataclass(slots=True)
class Session:
    """What one open page shows: which conversation, how the list on the left is cut, the role chosen for a new one."""

    conversation: str = ""
    search: str = ""
    rows: int = ROWS
    turns: int = PAGE
    busy: bool = False
    role: str = ""


class Handlers:
    """The handlers of all events; each returns what is painted, in the order of `view`."""

    def __init__(self, bot: "Bot", jobs: Jobs, uploads: Uploads, examples: Sequence[str]) -> None:
        self.bot, self.jobs, self.uploads, self.examples = bot, jobs, uploads, tuple(each(examples))
        self.held = Held()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._serial = itertools.count(1)

    # --- what is painted

    def signal(self, session: Session, **words: object) -> Data:
        """A message to the script of the page; a serial number makes each one new."""
        return {
            "conversation": session.conversation,
            "busy": session.busy,
            "serial": next(self._serial),
            **words,
        }

    def rows(self, session: Session) -> str:
        """The list of conversations."""
        found = self.bot.history.conversations(limit=session.rows + 1, search=session.search)
        more = len(found) > session.rows
        return render.conversations(found[: session.rows], session.conversation, session.search, more)

    def view(self, session: Session, conversation: str, fresh: bool = False, **words: object) -> list[Any]:
        """Everything about one conversation, for (id, signal, header, log, live, list, sources, why)."""
        job = self.jobs.live(conversation)
        turns: list[StoredTurn] = []
        title, earlier, held = "New conversation", 0, session.role or self.bot.settings.role
        if conversation:
            try:
                about = self.bot.history.conversation(conversation)
                turns = self.bot.history.turns(conversation, limit=session.turns)
                title, earlier, held = about.title, about.turns - len(turns), about.role
            except AppError:
                conversation, words = "", {"toast": GONE, **words}
        if conversation != session.conversation:
            session.turns = PAGE
        session.conversation, session.busy = conversation, job is not None
        if job is not None and turns and turns[-1].state == "pending":
            turns = turns[:-1]
        refused = self.jobs.refused(conversation)
        role = self._role(held)
        log = render.transcript(turns, earlier, fresh)
        if refused is not None and refused.before == len(turns) + earlier:
            log += render.refused(refused.question, refused.error, refused.shown)
        live = render.working(job) if job else ""
        last = next((turn for turn in reversed(turns) if turn.reply is not None), None)
        empty = not conversation
        if empty:
            offered = self.examples if held == self.bot.settings.role else ()
            log = welcome.welcome(offered, self.bot.roles(), held)
        elif not earlier:
            log = welcome.opening(role) + log
        return [
            conversation,
            self.signal(session, title=title, turn=str(last.id) if last else "", **words),
            render.header(title, empty, role.name),
            log,
            live,
            self.rows(session),
            panels.sources(last),
            panels.why(last),
        ]

    def _role(self, name: str) -> Role:
        """A role; one whose file has gone keeps its name."""
        try:
            return self.bot.role(name)
        except DialogueError:
            return Role(name)

    def documents(self) -> str:
        """The list of documents, with those on their way."""
        return panels.documents(self.bot.library.sources(), self.uploads.rows())

    def session(self, request: gr.Request, conversation: str | None = None) -> Session:
        """The session of a page; a new one takes over the page's conversation."""
        key = str(request.session_hash)
        session = self._sessions.pop(key, None) or Session(conversation or "")
        self._sessions[key] = session
        while len(self._sessions) > SESSIONS:
            self._sessions.popitem(last=False)
        return session

    # --- conversations

    def load(self, request: gr.Request) -> list[Any]:
        """A page was opened: ``?c=`` names its conversation."""
        wanted = str(dict(request.query_params).get("c", ""))
        return [*self.view(self.session(request), wanted), self.documents()]

    def open(self, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A conversation was chosen, or a new one asked for (an empty id)."""
        return self.view(self.session(request), _text(event, "id"), focus=True)

    def choose(self, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A role was chosen for a new conversation."""
        session, wanted = self.session(request), _text(event, "role")
        session.role = wanted if wanted in self.bot.roles() else ""
        return self.view(session, "")

    def earlier(self, conversation: str, request: gr.Request) -> list[Any]:
        """All turns of a long conversation."""
        session = self.session(request, conversation)
        session.conversation, session.turns = conversation, 10_000
        return self.view(session, conversation)

    def find(self, conversation: str, request: gr.Request, event: gr.EventData) -> str:
        """Words were typed into the search, or more rows asked for."""
        session = self.session(request, conversation)
        search = " ".join(_text(event, "search").split())[:200]
        session.rows = session.rows + ROWS if _data(event).get("more") else ROWS
        session.search = search
        return self.rows(session)

    def change(self, conversation: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A conversation was renamed, pinned, downloaded or deleted."""
        session, history = self.session(request, conversation), self.bot.history
        identity, words = _text(event, "id"), Data()
        try:
            about = history.conversation(identity)
            match _text(event, "act"):
                case "rename":
                    history.rename(identity, _text(event, "title"))
                case "pin":
                    history.pin(identity, not about.pinned)
                case "export":
                    form: Literal["json", "md"] = "json" if _text(event, "form") == "json" else "md"
                    words["file"] = {
                        "name": f"{about.title[:80]}.{form}",
                        "text": history.export(identity, form),
                    }
                case "delete":
                    self.jobs.stop(identity)
                    history.delete(identity)
                    conversation = "" if identity == conversation else conversation
                    words["toast"] = "Conversation deleted"
        except AppError as error:
            words["toast"] = render.sentence(str(error))
        return self.view(session, conversation, **words)

    # --- replies

    def send(self, conversation: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A message was sent. It is stored before this returns; refused words stay in the box."""
        role = _text(event, "role") or None
        words = _data(event).get("pictures")
        words = [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
        session = self.session(request, conversation)
        try:
            given = self.held.get(words)
        except AppError as error:
            return self._unsent(session, render.sentence(str(error)))
        return self._begin(session, conversation, _text(event, "text"), role, (given, waiting(words, given)))

    def retry(self, conversation: str, request: gr.Request) -> list[Any]:
        """The last message is sent again."""
        session, refused = self.session(request, conversation), self.jobs.refused(conversation)
        try:
            turns = self.bot.history.turns(conversation, limit=1) if conversation else []
        except AppError:
            return self._unsent(session, GONE)
        question = refused.question if refused else turns[-1].question if turns else ""
        given: Given = ((), ())
        if refused:
            given = (refused.pictures, refused.shown)
        elif turns:
            given = (self.bot.history.pictures(turns[-1].id), sent(turns[-1]))
        return self._begin(session, conversation, question, given=given)

    def _begin(
        self,
        session: Session,
        conversation: str,
        text: str,
        role: str | None = None,
        given: Given = ((), ()),
    ) -> list[Any]:
        history, begun = self.bot.history, ""
        try:
            message = checked_message(text, pictured=bool(given[0]))
            begun = "" if conversation else self.bot.start(role)
            conversation = conversation or begun
            self.jobs.start(conversation, message, history.conversation(conversation).turns, *given)
        except Busy as busy:
            if begun:
                history.delete(begun)
            return self._unsent(session, str(busy))
        except USER_ERRORS as error:
            return self._unsent(session, render.sentence(str(error)))
        session.search = ""
        return self.view(session, conversation, sent=True, say="Message sent. A reply is being written.")

    def _unsent(self, session: Session, problem: str) -> list[Any]:
        return [gr.skip(), self.signal(session, toast=problem), *[gr.skip()] * 6]

    async def follow(self, conversation: str, request: gr.Request) -> AsyncIterator[list[Any]]:
        """Paint the stages of a running reply, then the reply; stop when the page shows something else."""
        session = self.session(request, conversation)
        job = self.jobs.live(conversation) if conversation else None
        seen: tuple[int, int, bool] | None = None
        yield [gr.skip()] * 8
        while job is not None and not job.ended:
            if session.conversation != conversation:
                return
            now = (len(job.steps), job.ahead, job.stopping)
            if now != seen:
                seen = now
                yield [*[gr.skip()] * 4, render.working(job), *[gr.skip()] * 3]
            await asyncio.sleep(POLL)
        if session.conversation == conversation and session.busy:
            yield await asyncio.to_thread(self._ended, session, conversation)

    def _ended(self, session: Session, conversation: str) -> list[Any]:
        last = self.bot.history.turns(conversation, limit=1)
        message = "Stopped."
        if last and last[0].reply is not None:
            message = f"Reply ready. {render.count(len(last[0].reply.citations), 'source')}."
        elif self.jobs.refused(conversation):
            message = "The reply failed."
        return self.view(session, conversation, fresh=True, say=message)

    def stop(self, conversation: str, request: gr.Request) -> Data:
        """Stop was pressed; the running job sees it at its next step."""
        stopping = self.jobs.stop(conversation)
        return self.signal(self.session(request, conversation), say="Stopping" if stopping else "Nothing to stop")

    # --- panel

    def show(self, conversation: str, event: gr.EventData) -> list[Any]:
        """The sources and scores of one turn."""
        turn = self._turn(conversation, event)
        return [panels.sources(turn), panels.why(turn)]

    def document(self, conversation: str, event: gr.EventData) -> str:
        """The document behind one citation."""
        turn = self._turn(conversation, event)
        cited = turn.reply.citations if turn and turn.reply else ()
        citation = next((c for c in cited if str(c.number) == _text(event, "number")), None)
        if turn is None or citation is None:
            return panels.sources(turn)
        text = self._document(citation)
        return panels.document(text, citation.title, citation, str(turn.id))

    def _document(self, citation: Citation) -> str:
        """The text of the document a citation came from, empty when it was removed."""
        library = self.bot.library
        try:
            named = [row for row in library.sources() if row.name == citation.source]
            texts = [library.document(row.id).text for row in named]
        except AppError:
            return ""
        whole = (text for text in texts if text[citation.start : citation.end] == citation.quote)
        return next(whole, texts[0] if texts else "")

    def _turn(self, conversation: str, event: gr.EventData) -> "StoredTurn | None":
        try:
            turn = self.bot.history.turn(int(_text(event, "turn")))
        except (AppError, ValueError):
            return None
        return turn if turn.conversation == conversation else None

    # --- documents

    async def follow_uploads(self) -> AsyncIterator[str]:
        """Paint the documents while files are being read."""
        seen = -1
        while self.uploads.working:
            if self.uploads.revision != seen:
                seen = self.uploads.revision
                yield await asyncio.to_thread(self.documents)
            await asyncio.sleep(POLL)
        yield await asyncio.to_thread(self.documents)

    def remove(self, conversation: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A document was removed. Earlier replies keep their quotes."""
        session, message = self.session(request, conversation), "There is no such document any more"
        wanted = _text(event, "source")
        try:
            for row in self.bot.library.sources():
                if str(row.id) == wanted:
                    self.bot.remove(row.id)
                    message = "Document removed"
        except AppError as error:
            message = render.sentence(str(error))
        return [self.signal(session, toast=message), self.documents()]


def _data(event: gr.EventData) -> Data:
    """What the page sent along; anything may come, for anybody can send an event."""
    data = getattr(event, "_data", None)
    return data if isinstance(data, dict) else {}


def _text(event: gr.EventData, name: str) -> str:
    value = _data(event).get(name, "")
    return value if isinstance(value, str) else ""
