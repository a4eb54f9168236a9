"""Replies on a terminal: the text with its sources, the table of candidates, and the chat loop.

Text of models, documents and users is shown as it is: no control sequences, no markup. Holds no answers.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING, Final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.errors import InputError
from app.pictures import read_pictures
from dialogue.pictures import checked
from dialogue.research import lookups
from dialogue.talk import ASKING
from dialogue.types import Citation, DialogueError, Drafted, Picture, Reply, Role, Step
from retrieval.text import clean

if TYPE_CHECKING:
    from app.bot import Bot
    from app.store.conversations import StoredTurn

STAGES: Final = {
    "guard": "Reading the message",
    "look": "Looking at the pictures",
    "search": "Searching your documents",
    "research": "Looking further",
    "sample": "Writing replies",
    "judge": "Checking safety and grounding",
    "rank": "Choosing",
}
HELP: Final = """\
/why       how the last reply was chosen
/sources   the documents that replies can cite
/history   earlier conversations; /history ID opens one
/image     /image FILE sends a picture with the next message
/new       start a new conversation
/role      the roles; /role NAME starts a new conversation in one
/quit      leave; so do Ctrl-D, and Ctrl-C at the prompt
Ctrl-C     stop the reply that is being written"""


def plain(text: str) -> Text:
    """Text to print, without anything a terminal or rich would obey."""
    return Text(clean(text))


def show_reply(console: Console, reply: Reply) -> None:
    """Print the reply, numbered the sentences it cites, and what is to be known of how it came about."""
    wide = not console.is_terminal  # piped text is left to the reader to wrap
    console.print(plain(reply.text), soft_wrap=wide)
    if reply.citations:
        console.print()
    for cited in reply.citations:
        quote = " ".join(cited.quote.split())
        line = Text.assemble((f"[{cited.number}] ", "bold"), plain(place_of(cited)), ": “", plain(quote), "”")
        console.print(line, soft_wrap=wide, style="dim" if console.is_terminal else "")
    for note in reply.trace.remarks:
        console.print(Text("Note: ").append(plain(note)), soft_wrap=wide, style="yellow" if console.is_terminal else "")


def show_turn(console: Console, turn: "StoredTurn", why: bool = False) -> None:
    """Print a stored turn: the question, then the reply or what became of it."""
    sent = "".join(f"[{name}] " for name in turn.pictures)
    console.print(plain(f"> {sent}{turn.question}"), soft_wrap=True, style="bold" if console.is_terminal else "")
    if turn.reply is None:
        console.print(plain(f"({turn.state}{': ' if turn.reason else ''}{turn.reason})"), soft_wrap=True)
    else:
        show_reply(console, turn.reply)
        if why:
            show_candidates(console, turn.reply)
    console.print()


def show_opening(console: Console, role: Role) -> None:
    """Print the turns that a role opens a conversation with."""
    for turn in role.opening:
        by_user = turn.role == "user"
        console.print(plain(f"> {turn.text}" if by_user else turn.text), soft_wrap=not console.is_terminal)
    if role.opening:
        console.print()


def show_candidates(console: Console, reply: Reply) -> None:
    """Print why this reply won: the drafts with their scores, and the stages with their times."""
    trace = reply.trace
    if trace.role not in ("", Role().name):
        console.print(Text("In the role of: ").append(plain(trace.role)), soft_wrap=True)
    if trace.intent != ASKING:
        console.print(Text(f"Understood as: {trace.intent}"), soft_wrap=True)
    if trace.query:
        console.print(Text("Searched for: ").append(plain(trace.query)), soft_wrap=True)
    acted = any(draft.scores.in_role is not None for draft in trace.candidates)
    liked = any(draft.scores.preferred is not None for draft in trace.candidates)
    role = [*(["Role"] if acted else []), *(["Liked"] if liked else [])]
    for query, found in lookups(trace.research):
        line = (
            Text("Asked the toolset: ").append(plain(query)).append(f" → {found or 'no'} passage{'s' * (found != 1)}")
        )
        console.print(line, soft_wrap=True)
    several = len({draft.writer for draft in trace.candidates}) > 1
    table = Table("", "Quality", "Sens.", "Spec.", "Int.", "Answ.", "Grnd.", *role, "Reply", box=SIMPLE_HEAD)
    for rank, draft in enumerate(trace.candidates, start=1):
        scores = draft.scores
        marks = [scores.sensible, scores.specific, scores.interesting, scores.answers, scores.grounded]
        marks += [*([scores.in_role] if acted else []), *([scores.preferred] if liked else [])]
        text = plain(draft.text) if draft.verdict.safe else Text("(hidden: it failed a safety check)")
        if several and draft.writer:
            text.append("\nWritten by: ").append(plain(draft.writer))
        if draft.dropped:
            text.append("\nDropped: ").append(plain(draft.dropped))
        table.add_row(str(rank), f"{draft.quality:.2f}", *map(_mark, marks), text)
    console.print(table if trace.candidates else Text("No reply was written."))
    if trace.timings:
        console.print(Text(" · ".join(f"{stage} {took:.2f} s" for stage, took in trace.timings.items())))


def place_of(cited: Citation) -> str:
    """Where a citation stands: the file, then headings or page."""
    return " › ".join(part for part in (cited.source, *cited.headings, cited.place) if part)


def chat(bot: "Bot", console: Console, conversation: str | None = None) -> None:
    """Talk until the input ends or the user leaves. Ctrl-C stops a running reply, at the prompt it leaves."""
    if sys.stdin is None:
        raise InputError("stdin is closed: use `candor ask`")
    loop = _Loop(bot, console, conversation)
    if bot.notice:
        console.print(plain(bot.notice), style="dim")
    if sys.stdin.isatty():
        console.print("Ask a question; /help lists the commands.", style="dim")
    loop.open()
    while True:
        try:
            line = _line(console)
        except (EOFError, KeyboardInterrupt):
            console.print()
            return
        if line in ("/quit", "/exit"):
            return
        if line:
            loop.take(line)


def _line(console: Console) -> str:
    if sys.stdin.isatty():
        return console.input("[bold]> [/bold]").strip()
    line = sys.stdin.buffer.readline()
    if not line:
        raise EOFError
    return line.decode("utf-8", "replace").strip()


class _Loop:
    """The state of one chat: the bot, the open conversation and its last reply."""

    def __init__(self, bot: "Bot", console: Console, conversation: str | None) -> None:
        self._bot = bot
        self._console = console
        self._conversation = conversation
        self._last: Reply | None = None
        self._pictures: tuple[Picture, ...] = ()  # of the next message
        self._speaks_as = bot.settings.role if conversation is None else bot.history.conversation(conversation).role
        self._commands: dict[str, Callable[[str], None]] = {
            "/why": self._why,
            "/sources": self._sources,
            "/history": self._history,
            "/new": self._new,
            "/role": self._role,
            "/image": self._image,
            "/help": lambda rest: self._console.print(HELP, markup=False),
        }

    def take(self, line: str) -> None:
        """Run a command, or answer a message; what goes wrong is reported and the chat goes on."""
        from app.bot import USER_ERRORS

        name, _, rest = line.partition(" ")
        try:
            if name in self._commands:
                self._commands[name](rest.strip())
            elif name.startswith("/") and name[1:].isalpha():
                self._console.print(plain(f"There is no command {name}; /help lists them."))
            else:
                self._answer(line)
        except USER_ERRORS as error:
            self._console.print(plain(f"candor: {error}"), style="red")

    def open(self) -> None:
        """Print the turns that the role opens with."""
        show_opening(self._console, self._bot.role(self._speaks_as))

    def _answer(self, text: str) -> None:
        if self._conversation is None:
            self._conversation = self._bot.start(self._speaks_as)
        steps = self._bot.steps(text, self._conversation, pictures=self._pictures)
        self._pictures = ()
        try:
            self._last = follow(steps, Console(stderr=True))
            show_reply(self._console, self._last)
        except KeyboardInterrupt:
            self._console.print(Text("Stopped before a reply was chosen."))
        finally:
            steps.close()
        self._console.print()

    def _image(self, rest: str) -> None:
        if rest:
            self._pictures = checked((*self._pictures, *read_pictures([rest])))
        names = ", ".join(picture.name for picture in self._pictures)
        self._console.print(plain(f"With the next message: {names}" if names else "Say which: /image FILE"))

    def _why(self, rest: str) -> None:
        if self._last is None:
            self._console.print("There is no reply yet.")
        else:
            show_candidates(self._console, self._last)

    def _sources(self, rest: str) -> None:
        sources = self._bot.library.sources()
        for source in sources:
            self._console.print(plain(f"{source.name}  ({source.passages} passages)"))
        if not sources:
            self._console.print("No documents yet: run `candor ingest PATH` in another terminal.")

    def _history(self, rest: str) -> None:
        if rest:
            turns = self._bot.history.turns(rest)
            self._conversation, self._speaks_as = rest, self._bot.history.conversation(rest).role
            self.open()
            for turn in turns:
                show_turn(self._console, turn)
            return
        for found in self._bot.history.conversations(limit=20):
            when = found.updated_at.astimezone().strftime("%Y-%m-%d %H:%M")
            self._console.print(plain(f"{found.id}  {when}  {found.title}"), soft_wrap=True)

    def _new(self, rest: str) -> None:
        self._conversation, self._last = None, None
        self._console.print("A new conversation.")
        self.open()

    def _role(self, rest: str) -> None:
        if rest:
            self._bot.role(rest)
            self._speaks_as = rest
            self._new("")
            return
        for name, role in self._bot.roles().items():
            mark, about = "*" if name == self._speaks_as else " ", f": {role.about}" if role.about else ""
            self._console.print(plain(f"{mark} {name:<12} {role.name}{about}"), soft_wrap=True)


def follow(steps: Iterable[Step | Drafted | Reply], console: Console) -> Reply:
    """Run a turn to its reply, showing the stage on `console` while that is a terminal."""
    with console.status("") if console.is_terminal else nullcontext() as status:
        for step in steps:
            if isinstance(step, Reply):
                return step
            if status is not None and isinstance(step, Step):
                status.update(Text(f"{STAGES[step.stage]}…"))
    raise DialogueError("the turn ended without a reply")


def _mark(score: float | None) -> str:
    return "–" if score is None else f"{score:.2f}"
