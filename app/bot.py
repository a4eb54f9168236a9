"""The bot: a question in, a stored reply out. Concrete classes are named here and in `app.parts` alone.

A turn is committed before anything is generated and acknowledged after its reply is committed. Knows
nothing of the command line or the web.
"""

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final

from app.checking import claims_of
from app.config import Settings, changed, load_settings
from app.doctor import Finding, examine
from app.errors import AppError, DataError, InputError, SettingsError
from app.housekeeping import Housekeeping
from app.library.library import Library
from app.library.lock import FolderLock, made_folder
from app.library.upkeep import Publisher, Updatable
from app.parts import (
    Speakers,
    judged_by,
    notice_of,
    options_of,
    reading,
    scoped,
    searching,
    shared_words,
    tools_of,
    understanding,
)
from app.pictures import read_pictures
from app.store.conversations import StoredConversation
from app.store.database import open_database
from app.store.history import History
from dialogue.pictures import QUESTION, checked, named
from dialogue.respond import Responder
from dialogue.roles import load_role, role_names
from dialogue.types import (
    Claim,
    DialogueError,
    Drafted,
    Judge,
    Picture,
    Reply,
    Role,
    Step,
    Turn,
)
from retrieval.text import clean
from retrieval.types import RetrievalError
from safety.types import SafetyError

MESSAGE_LIMIT: Final = 32_000  # characters
USER_ERRORS: Final = (AppError, DialogueError, RetrievalError, SafetyError)  # messages fit for users
_UNSEEN: Final = "\u200b\u200c\u200d\u2060\ufeff\u00ad\ufe0f"
_log = logging.getLogger(__name__)


@dataclass(eq=False)
class Bot(Updatable):
    """An open data folder with everything needed to answer from it. Made by `open_bot`; a context manager.

    `notice` is a line to show to users, empty when there is nothing to say. Safe to use from several
    threads, one turn of a conversation at a time. `change` replaces `settings` and `responder`, each as a whole.
    """

    settings: Settings
    history: History
    library: Library
    responder: Responder
    judge: Judge
    notice: str = ""
    _held: ExitStack = field(default_factory=ExitStack, repr=False)
    _responder_of: Callable[[str], Responder] | None = field(default=None, repr=False)
    _forget: Callable[[], None] | None = field(default=None, repr=False)
    _speakers: Speakers | None = field(default=None, repr=False)
    _changing: Lock = field(default_factory=Lock, repr=False)

    def of(self, account: str) -> "Bot":
        """Return the bot as the account with this id sees it: its own conversations, shared documents and its own."""
        return replace(self, history=self.history.of(account))

    def responder_of(self, account: str | None) -> Responder:
        """Return what answers an account, from what it sees; without one, from everything."""
        return self.responder if account is None or self._responder_of is None else self._responder_of(account)

    def ask(
        self,
        text: str,
        conversation: str | None = None,
        role: str | None = None,
        *,
        images: str | Path | bytes | Sequence[str | Path | bytes] = (),
    ) -> Reply:
        """Answer a message and return the stored reply; its `conversation` continues the conversation.

        `images` are picture files, or their bytes, one or many, that the message is about; then `text` may be empty.
        `role` is the one to begin a conversation in; a conversation keeps its role. Raises InputError for an empty
        or too long message, an unknown conversation or one in another role, and whatever stopped the turn:
        DialogueError, RetrievalError, SafetyError, DataError.
        """
        steps = self.steps(text, conversation, role, read_pictures(images))
        return next(step for step in steps if isinstance(step, Reply))

    def steps(
        self,
        text: str,
        conversation: str | None = None,
        role: str | None = None,
        pictures: Sequence[Picture] = (),
        instead: int | None = None,
        earlier: Sequence[Turn] | None = None,
        new: bool = False,
    ) -> Generator[Step | Drafted | Reply]:
        """Yield progress, then the stored reply; raises as `ask` does, from the first step on.

        The message is stored before the first step, `instead` of the last turn as another version of it where that is
        named. Closing the iterator marks the turn cancelled. `earlier` are the turns before, where the conversation
        does not hold them, with what a system says among them. With `new` the conversation is begun with this turn,
        under the id that is given, a UUID.
        """
        message, given = checked_message(text, pictured=bool(pictures)), checked(pictures)
        identity = conversation if conversation is not None else self.start(role)
        if new:
            held, owner = role or self.settings.role, self.history.account
        else:
            about = self.history.conversation(identity)
            held, owner = _held(about, role), about.account
        spoken = self.role(held) if new else None  # one that cannot be loaded stores nothing
        before, style = (self.history.context(identity, instead), "") if earlier is None else told_apart(earlier)
        given = named(given, {picture.name for turn in before for picture in turn.pictures})
        turn = self.history.begin(identity, message or QUESTION, given, instead, held if new else None)
        try:
            told = styled(spoken or self.role(held), style)
            for step in self.responder_of(owner).steps((*before, Turn("user", message, given)), told):
                if isinstance(step, Reply):
                    reply = replace(step, conversation=identity)
                    break
                yield step
            else:
                raise DialogueError("the turn ended without a reply")
            self.history.finish(turn, reply)
        except (GeneratorExit, KeyboardInterrupt):
            self.history.fail(turn, "cancelled", "stopped before the reply was ready")
            raise
        except Exception as error:
            self._mark_failed(turn, error)
            raise
        yield reply

    def unstored(
        self, turns: Sequence[Turn], role: str | None = None, account: str | None = None
    ) -> Generator[Step | Drafted | Reply]:
        """Yield as `steps` does of a turn of which nothing is kept; `turns` end with the message of this account.

        Raises InputError for an empty or too long message, and whatever stops the turn.
        """
        before, style = told_apart(turns[:-1])
        last = turns[-1]
        message = checked_message(last.text, pictured=bool(last.pictures))
        given = named(checked(last.pictures), {picture.name for turn in before for picture in turn.pictures})
        asked, told = (*before, Turn("user", message, given)), styled(self.role(role), style)
        yield from self.responder_of(account).steps(asked, told)

    def start(self, role: str | None = None, identity: str = "") -> str:
        """Store a new conversation in a role, by default that of the settings, and return its id; see `History.start`.

        Raises DialogueError when the role cannot be loaded.
        """
        name = role or self.settings.role
        self.role(name)
        return self.history.start(role=name, identity=identity)

    def role_of(self, conversation: str, wanted: str | None = None) -> str:
        """Return the name of the role of a conversation.

        Raises InputError for an unknown one or another wanted role.
        """
        return _held(self.history.conversation(conversation), wanted)

    def role(self, name: str | None = None) -> Role:
        """Return a role, by default that of the settings; see `dialogue.roles.load_role`."""
        return load_role(name or self.settings.role, self.settings.role_folder)

    def roles(self) -> dict[str, Role]:
        """Return the roles that can be loaded, by name, the default first; the others are logged."""
        found: dict[str, Role] = {}
        for name in role_names(self.settings.role_folder):
            try:
                found[name] = self.role(name)
            except DialogueError as error:
                _log.warning("%s", error)
        return found

    def change(self, **values: object) -> None:
        """Take other values of some settings, see `app.config.LIVE`, from the next turn on, until the bot is closed.

        Raises SettingsError, and ModelError for a model that cannot be loaded; then all is as it was.
        """
        with self._changing:
            settings = changed(self.settings, values)
            if self._speakers is None:
                raise SettingsError("the settings of this bot stay as they are")
            if "model" in values and settings.judges == "generator":
                raise SettingsError("the model judges its own drafts here: start candor again with another --model")
            speaker, quotes = self._speakers(settings)
            options = options_of(settings, speaker)
            self.responder = replace(self.responder, model=speaker, quotes=quotes, options=options)
            if self._forget is not None:
                self._forget()
            self.settings, self.notice = settings, notice_of(speaker, quotes)

    def check(self, text: str, evidence: str | Sequence[str]) -> tuple[Claim, ...]:
        """Say of each sentence of `text` whether the evidence, one text or many, supports it. Raises InputError."""
        return claims_of(self.judge, checked_message(text), evidence)

    def doctor(self) -> list[Finding]:
        """Examine the data folder; see `app.doctor.examine`."""
        return examine(self.settings, self.library.embedder.fingerprint)

    def close(self) -> None:
        """Close the database and let others have the data folder; what needs it raises DataError from then on."""
        self._held.close()

    def __enter__(self) -> "Bot":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _mark_failed(self, turn: int, error: Exception) -> None:
        reason = str(error) if isinstance(error, USER_ERRORS) else f"unexpected: {type(error).__name__}"
        try:
            self.history.fail(turn, "failed", reason[:500])
        except DataError as failure:  # the first error is the one to tell
            _log.error("the turn could not be marked as failed: %s", failure)


def open_bot(data_dir: str | Path = "candor-data", model: str = "auto", **settings: object) -> Bot:
    """Open or make a data folder and load what answers from it. Other settings as in `Settings`.

    Raises SettingsError, InUse when another process holds the folder, DataError, and ModelError,
    SafetyError or RetrievalError when a part cannot be loaded.
    """
    return assemble(load_settings({"data_dir": data_dir, "model": model, **settings}, {}))


def assemble(settings: Settings, command: str = "python", hosts: bool = False) -> Bot:  # noqa: PLR0915, part by part
    """Open the bot of these settings, holding the folder as `command`; raises as `open_bot` does.

    With `hosts`, what other processes store in the folder meanwhile is taken up, see `app.library.upkeep`.
    """
    with ExitStack() as stack:
        folder = made_folder(settings.data_dir)
        load_role(settings.role, settings.role_folder)  # an unknown one is reported before anything is loaded
        stack.enter_context(FolderLock(folder, command, hosts=hosts))
        database = open_database(folder, url=settings.database)
        stack.callback(database.close)
        history = History(database)
        stopped = history.interrupt()
        if stopped:
            _log.warning("%d turns were interrupted when candor last stopped", stopped)

        # imported late: a folder that is in use or damaged is reported before these take their seconds
        from dialogue.intent import load_listener
        from dialogue.judges.embedded import load_judge
        from dialogue.models import load_viewer
        from dialogue.models.checkpoints.plan import Needs
        from dialogue.shapes.shaper import load_shaper
        from retrieval.encoder.adapters import load_reader
        from retrieval.encoder.embed import load_encoder
        from retrieval.reader import load_passage_reader
        from safety.guards.embedded import SHIPPED, WEIGHTS, EmbeddedGuard
        from safety.guards.sources import load_source
        from safety.policy import load_policy

        policy = load_policy(Path(settings.policy) if settings.policy else None, settings.preset or None)
        encoder = load_encoder()
        source = load_source(settings.guard, settings.guard_key) if settings.guard else None
        guard = EmbeddedGuard(load_reader(encoder, WEIGHTS, SHIPPED), policy, source)
        guard.prove()
        reader = load_passage_reader(encoder)
        speakers = Speakers(reader)
        speaker, quotes = speakers(settings)
        judge = judged_by(settings, load_judge(encoder, reader), speaker)
        viewer = load_viewer(settings.viewer, speaker, needs=Needs(dtype=settings.dtype))
        searcher = load_encoder(settings.encoder) if settings.encoder else encoder
        library, index, vocabulary = searching(settings, database, searcher, stack)
        read = reading(settings, library, index, reader)
        retriever, tool = read(None)
        options = options_of(settings, speaker)
        listener, shaper = load_listener(encoder.encode), load_shaper(reader, library.passages)
        words = shared_words(database, vocabulary)
        told = (*tools_of(settings, searcher, tool), *understanding(encoder, words), listener, shaper)
        responder = Responder(speaker, retriever, guard, judge, options, viewer, *told, quotes=quotes, mask=policy.mask)
        if hosts:
            stack.callback(Publisher(library).close)
            stack.callback(Housekeeping(database, settings.retention).close)

        @lru_cache(maxsize=256)
        def of(account: str) -> Responder:
            return scoped(bot.responder, read, library, account)

        notice, forget = notice_of(speaker, quotes), of.cache_clear
        bot = Bot(settings, history, library, responder, judge, notice, stack.pop_all(), of, forget, speakers)
        return bot


def _held(about: StoredConversation, wanted: str | None) -> str:
    """Return the role a conversation is held in. Raises InputError for another wanted one."""
    if wanted not in (None, about.role):
        raise InputError(
            f"conversation {about.id!r} is held in the role {about.role!r}: begin a new one for {wanted!r}"
        )
    return about.role


def told_apart(turns: Sequence[Turn]) -> tuple[tuple[Turn, ...], str]:
    """Return what users and assistants said, and what systems said to the assistant, as one text."""
    told = " ".join(turn.text.strip() for turn in turns if turn.role == "system")
    return tuple(turn for turn in turns if turn.role != "system"), told


def styled(role: Role, style: str) -> Role:
    """Return the role with a further word on its style, for models that follow instructions."""
    return replace(role, style=f"{role.style} {style}".strip()) if style else role


def checked_message(text: str, pictured: bool = False) -> str:
    """Return the message without what cannot be seen; it may be empty where it comes with pictures.

    Raises InputError when it is empty or too long.
    """
    if len(text) > MESSAGE_LIMIT:
        raise InputError(
            f"the message has {len(text):,} characters, the limit is {MESSAGE_LIMIT:,}: "
            "shorten it, or ingest it as a document"
        )
    message = clean(text).strip()
    if not message.strip(_UNSEEN + " \t\n"):
        if pictured:
            return ""
        raise InputError("the message is empty")
    return message


def packaged_judge() -> Judge:
    """Return the judge that a bot would use, without a data folder."""
    from dialogue.judges.embedded import load_judge
    from retrieval.encoder.embed import load_encoder
    from retrieval.reader import load_passage_reader

    encoder = load_encoder()
    return load_judge(encoder, load_passage_reader(encoder))
