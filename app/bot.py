"""The bot: a question in, a stored reply out. Concrete classes are named here and in `app.parts` alone.

A turn is committed before anything is generated and acknowledged after its reply is committed. Knows
nothing of the command line or the web.
"""

import logging
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import TYPE_CHECKING, Final

from app.config import Settings, changed, load_settings
from app.doctor import Finding, examine
from app.errors import AppError, DataError, InputError, SettingsError
from app.library.library import Library
from app.library.lock import FolderLock, made_folder
from app.library.upkeep import Publisher, Updatable
from app.parts import Speakers, judged_by, notice_of, options_of, reading, searching, tools_of, understanding
from app.pictures import read_pictures
from app.store.database import open_database
from app.store.history import History
from dialogue.pictures import QUESTION, checked, named
from dialogue.respond import Responder
from dialogue.roles import load_role, role_names
from dialogue.types import (
    Claim,
    Context,
    DialogueError,
    Drafted,
    Judge,
    Picture,
    Reply,
    Role,
    Step,
    Turn,
)
from retrieval.text import clean, each
from retrieval.types import Evidence, Passage, RetrievalError
from safety.types import SafetyError

if TYPE_CHECKING:
    pass

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
    _speakers: Speakers | None = field(default=None, repr=False)
    _changing: Lock = field(default_factory=Lock, repr=False)

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
    ) -> Generator[Step | Drafted | Reply]:
        """Yield progress, then the stored reply; raises as `ask` does, from the first step on.

        The message is stored before the first step, `instead` of the last turn as another version of it where that is
        named. Closing the iterator marks the turn cancelled.
        """
        message, given = checked_message(text, pictured=bool(pictures)), checked(pictures)
        identity = conversation if conversation is not None else self.start(role)
        held = self.role_of(identity, role)
        before = self.history.context(identity, instead)
        given = named(given, {picture.name for turn in before for picture in turn.pictures})
        turn = self.history.begin(identity, message or QUESTION, given, instead)
        try:
            turns = (*before, Turn("user", message, given))
            for step in self.responder.steps(turns, self.role(held)):
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

    def start(self, role: str | None = None) -> str:
        """Store a new conversation in a role, by default that of the settings, and return its id.

        Raises DialogueError when the role cannot be loaded.
        """
        name = role or self.settings.role
        self.role(name)
        return self.history.start(role=name)

    def role_of(self, conversation: str, wanted: str | None = None) -> str:
        """Return the name of the role of a conversation.

        Raises InputError for an unknown one or another wanted role.
        """
        held = self.history.conversation(conversation).role
        if wanted not in (None, held):
            raise InputError(
                f"conversation {conversation!r} is held in the role {held!r}: begin a new one for {wanted!r}"
            )
        return held

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
            self.settings, self.notice = settings, notice_of(speaker, quotes)

    def check(self, text: str, evidence: str | Sequence[str]) -> tuple[Claim, ...]:
        """Say of each sentence of `text` whether the evidence, one text or many, supports it. Raises InputError."""
        return checked_claims(self.judge, text, evidence)

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


def assemble(settings: Settings, command: str = "python", hosts: bool = False) -> Bot:
    """Open the bot of these settings, holding the folder as `command`; raises as `open_bot` does.

    With `hosts`, what other processes store in the folder meanwhile is taken up, see `app.library.upkeep`.
    """
    with ExitStack() as stack:
        folder = made_folder(settings.data_dir)
        load_role(settings.role, settings.role_folder)  # an unknown one is reported before anything is loaded
        stack.enter_context(FolderLock(folder, command, hosts=hosts))
        database = open_database(folder)
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
        library, retriever, vocabulary = searching(settings, database, searcher, stack)
        retriever, tool = reading(settings, database, library, retriever, reader)
        options = options_of(settings, speaker)
        listener, shaper = load_listener(encoder.encode), load_shaper(reader, library.passages)
        told = (*tools_of(settings, searcher, tool), *understanding(encoder, vocabulary), listener, shaper)
        responder = Responder(speaker, retriever, guard, judge, options, viewer, *told, quotes=quotes, mask=policy.mask)
        if hosts:
            stack.callback(Publisher(library).close)
        notice = notice_of(speaker, quotes)
        return Bot(settings, history, library, responder, judge, notice, stack.pop_all(), speakers)


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


def checked_claims(judge: Judge, text: str, evidence: str | Sequence[str]) -> tuple[Claim, ...]:
    """Return the sentences of `text`, each judged against the evidence, one text or many. Raises InputError."""
    text = checked_message(text)
    cleaned = [clean(item) for item in each(evidence)]
    found = tuple(
        Evidence(Passage(number, item, f"evidence {number}", "", (), 0, len(item)), 1.0)
        for number, item in enumerate(cleaned, start=1)
        if item.strip()
    )
    return judge.score(Context((Turn("user", text),), text, found), [text])[0].claims
