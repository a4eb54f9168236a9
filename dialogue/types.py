"""The nouns and seams of a dialogue turn.

Knows nothing of SQL, the web, the environment or the user's files. A conversation is a sequence of turns;
ids, timestamps and owners belong to whoever stores it.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from retrieval.text import each
from retrieval.types import Evidence, Passage
from safety.types import Verdict

Speaker = Literal["system", "user", "assistant"]
Outcome = Literal["answered", "abstained", "refused"]
UNDERSTOOD: Final = "understood as: "
EARLY: Final = "stopped early: a draft passed every gate with room to spare"


class DialogueError(Exception):
    """A turn cannot be taken. The message is fit to be shown to a user."""


class ModelError(DialogueError):
    """A language model cannot be loaded or asked. The message says what to do next."""


class Unavailable(ModelError):
    """A model that could be asked before or later cannot be asked now, such as one whose server is down."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in a turn: the name it is shown and cited by, and its encoded bytes (PNG, JPEG, WebP, GIF)."""

    name: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """One utterance of a conversation, with the pictures that came with it."""

    role: Speaker
    text: str
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Role:
    """Who the system speaks as, set by the first turns of the dialogue (Thoppilan et al. 2022, section 8).

    `opening` are those turns; `style` is one or two sentences for models that follow instructions; `sources`
    are glob patterns of the source names it may use (empty: all); `tightened` maps safety objectives or their
    groups to the share of the usual threshold that holds in this role, in (0, 1]. `subject` is what speaks of
    itself here ("Mount Everest"), so that "you" asks for it; `about` tells people who choose a role.
    """

    name: str = "Candor"
    opening: tuple[Turn, ...] = ()
    style: str = ""
    sources: tuple[str, ...] = ()
    tightened: tuple[tuple[str, float], ...] = ()
    subject: str = ""
    about: str = ""

    def __post_init__(self) -> None:
        """Take a single pattern for a list of one."""
        object.__setattr__(self, "sources", tuple(each(self.sources)))


@dataclass(frozen=True, slots=True)
class Intent:
    """What a message is taken for: its kind, "question" or a kind of talk, and the ISO 639-1 code of its language."""

    kind: str = "question"
    language: str = "en"


@dataclass(slots=True)
class Working:
    """What the parts count and note while one turn runs; it ends in the Trace.

    `tokens` holds, for models that count: "prompt" (to be read), of these "reused" from earlier turns or drafts,
    "sampled", "asked" (of questions to `weigh`, and of drafts it had not kept) and "encoded", all that passed
    through the model: what is new of the prompt, every sampled token but the last of each draft, and what was asked.
    `prompt` is what a language model was last sent to write drafts from.
    `sampled` counts what a small model wrote, text by text, for the judge that compares its drafts; what a repair made
    of one counts 0.
    """

    tokens: Counter[str] = field(default_factory=Counter)
    sampled: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """All that a model may write from and a judge may judge by, at one turn.

    `turns` ends with the user's; `query` is that turn made to stand alone; `research` is the exchange with the
    toolset that followed it; `complaints` are the reasons why earlier drafts of this same turn were dropped
    (empty on the first round); `about` names the sources that the message asks for as a whole, so that what they say
    answers it, whatever it is. `intent` is the kind of the user's message and `language` that it is said in; where it
    asks about an earlier reply, `earlier` are the turns up to that reply. `doubts` are the safety objectives by which
    the message itself is doubtful.
    `parts` are the questions that the query comes to, each standing alone, () where it is one. `shaped` are drafts that
    answer it whole, such as a list or both facts of a comparison with what was worked out from them, each with the
    least probability that it does; what says only a part of one is worth less.

    Two fields are for evaluations: `only` names the scores that are asked for, so that a judge may leave out the
    others; `exhaustive` asks for a judgement of every sentence of a draft as a claim and as an answer, small talk too.
    """

    turns: tuple[Turn, ...]
    query: str
    evidence: tuple[Evidence, ...] = ()
    complaints: tuple[str, ...] = ()
    research: tuple[Turn, ...] = ()
    parts: tuple[str, ...] = ()
    shaped: tuple[tuple[str, float], ...] = ()
    role: Role = field(default_factory=Role)
    about: tuple[str, ...] = ()
    only: Literal["", "quality", "grounded", "answers"] = ""
    exhaustive: bool = False
    intent: str = "question"
    language: str = "en"
    earlier: tuple[Turn, ...] = ()
    doubts: tuple[str, ...] = ()
    working: Working = field(default_factory=Working, compare=False, repr=False)

    @property
    def question(self) -> str:
        """The last user turn as it was typed."""
        return self.turns[-1].text

    def wants(self, scores: Literal["quality", "grounded", "answers"]) -> bool:
        """Say whether these scores are asked for."""
        return self.only in ("", scores)


@dataclass(frozen=True, slots=True)
class Sampling:
    """How many drafts to sample and how. `top_k` is LaMDA's 40; the paper publishes no temperature."""

    n: int = 8
    top_k: int = 40
    top_p: float = 1.0
    min_p: float = 0.0
    temperature: float = 1.0
    max_new_tokens: int = 160
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of a draft and how the evidence bears on it.

    `start` and `end` are offsets into the draft. `support` is the probability that the best evidence
    supports it, None when the sentence claims nothing about the world (small talk, a question, the
    persona). `passage` is the supporting passage with the offsets `quote_start`, `quote_end` of its sentence
    into the passage's text; None when nothing supports the claim, and then `reason` says why.
    Of a supported claim `reason` says what it changed of the sentence, "" for nothing.
    """

    text: str
    start: int
    end: int
    support: float | None
    supported: bool = False
    passage: Passage | None = None
    quote_start: int = 0
    quote_end: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scores:
    """A judge's probabilities for one draft; None means not judged or not applicable, never zero.

    `answers` is the probability that the draft answers the question; `grounded` is the probability
    that the evidence supports all it claims, None when it claims nothing. `safe` is a judge's own opinion beside the
    guard's verdict; `in_role` is the probability that the agent in its role would say this; `preferred` that the
    people like it whose ratings a judge was trained on.
    """

    sensible: float | None = None
    specific: float | None = None
    interesting: float | None = None
    answers: float | None = None
    grounded: float | None = None
    claims: tuple[Claim, ...] = ()
    notes: tuple[str, ...] = ()
    safe: float | None = None
    in_role: float | None = None
    preferred: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A judged draft. `dropped` is the reason it may not be served, empty when it may.

    `writer` is the name of what wrote it, "quote" for what is quoted or worked out from the sources.
    """

    text: str
    verdict: Verdict
    scores: Scores
    quality: float
    dropped: str = ""
    repaired: bool = False
    writer: str = ""


@dataclass(frozen=True, slots=True)
class Citation:
    """A numbered mark in a reply and the sentence behind it.

    `quote` is verbatim: ``document.text[start:end] == quote`` for the stored text of `source`.
    """

    number: int
    source: str
    title: str
    headings: tuple[str, ...]
    place: str
    passage: Passage
    quote: str
    start: int
    end: int
    support: float


@dataclass(frozen=True, slots=True)
class Trace:
    """The working behind a reply: everything needed to say why this one won.

    `timings` maps a stage to seconds, in order; `candidates` are ranked, losers included; `model`, `judges`
    and `policy` are fingerprints; `research` is the exchange with the toolset; `tokens` is `Working.tokens`, and
    `prompt` is `Working.prompt`, "" where no language model was asked.
    The note that begins with UNDERSTOOD says what the message was taken for, where it was no question in English.
    """

    asked: Verdict
    query: str = ""
    queries: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    withheld: tuple[tuple[Evidence, str], ...] = ()
    candidates: tuple[Candidate, ...] = ()
    rounds: int = 0
    timings: dict[str, float] = field(default_factory=dict)
    model: str = ""
    judges: str = ""
    policy: str = ""
    notes: tuple[str, ...] = ()
    role: str = ""
    research: tuple[Turn, ...] = ()
    tokens: dict[str, int] = field(default_factory=dict)
    prompt: str = ""

    @property
    def intent(self) -> str:
        """What the message was taken for: "question" or a kind of talk, with its language where that is not English."""
        return next((n.removeprefix(UNDERSTOOD) for n in self.notes if n.startswith(UNDERSTOOD)), "question")

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes that a user reads beside the reply: all but those on how it was made."""
        return tuple(note for note in self.notes if not note.startswith(UNDERSTOOD) and note != EARLY)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is served. `text` carries citation marks such as ``[1]``; `citations` resolve them in order.

    `conversation` is the id under which the turn was stored, empty when nothing stores it.
    """

    text: str
    outcome: Outcome
    citations: tuple[Citation, ...]
    trace: Trace
    conversation: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """Progress of a running turn: the stage begun, and what is known so far, fit to be shown to a user."""

    stage: Literal["guard", "look", "search", "sample", "research", "judge", "rank"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Drafted:
    """A draft of the running turn: once as it is written, and again, under the same `index`, once it is judged.

    `index` counts all drafts of the turn from 0; `of` is how many are expected so far, which may grow. `candidate` is
    None until the draft is judged; what was only written may not be shown as an answer, nor at all unless it is `safe`:
    passed by the guard. Personal data is masked as in a reply.
    """

    text: str
    writer: str
    index: int
    of: int
    candidate: Candidate | None = None
    safe: bool = False


@dataclass(frozen=True, slots=True)
class Attribute:
    """A yes-or-no property of a draft that a language model can weigh.

    `name` is the word that LaMDA's discriminative format puts after the response ("SENSIBLE"), `desired` the
    rating wanted there ("1", or "0" for UNSAFE); `question` asks an instruction model, `answer` being the
    wanted one of "yes" and "no".
    """

    name: str
    question: str
    desired: Literal["0", "1"] = "1"
    answer: Literal["yes", "no"] = "yes"


class LanguageModel(Protocol):
    """Writes drafts and weighs options. `name` is shown to users; `fingerprint` identifies the weights."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def sample(self, context: Context, sampling: Sampling) -> "Iterable[Step | str]":
        """Yield up to `sampling.n` drafts as they are finished, duplicates allowed, and progress between them.

        Closing the iterator frees what the drafts hold. Raises ModelError.
        """
        ...

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Return P(desired rating | context, draft, attribute), one row per draft (same paper, section 6.1).

        Raises ModelError when the model offers no probabilities; never guesses.
        """
        ...


class Listener(Protocol):
    """Understands what a message is. `fingerprint` identifies the weights."""

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def hear(self, text: str, role: Role) -> Intent:
        """Say what a message is, spoken to a role."""
        ...


class Judge(Protocol):
    """Scores drafts of one turn, all in one batch. `fingerprint` identifies the weights."""

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        """Return one Scores per draft, in order. What cannot be judged is None."""
        ...
