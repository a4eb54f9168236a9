"""The quality judges: how sensible, specific and interesting is a draft under its context (LaMDA's SSI).

Three small heads on one shared row of features: what the adapter makes of the draft after its context, cosines of
frozen sentence vectors, and counts of words. Knows nothing of evidence, of safety, of ranking, or of how the adapter
and the heads were trained (`app.training.quality`).
"""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dialogue.judges.heads import Head
from dialogue.judges.shipped import WEIGHTS as FOLDER
from dialogue.judges.shipped import load_head
from dialogue.types import Context, DialogueError, Turn
from safety.types import PairReader

Array = NDArray[np.float32]
Encode = Callable[[Sequence[str]], Array]

NAMES = ("sensible", "specific", "interesting")
FEATURES = "quality-2"  # changes whenever the rows below change, so that old heads are refused
INTEREST = "quality-2/interest"
LOGITS = ("sensible", "specific")  # outputs of the adapter, the leading columns of a row; counts follow
WEIGHTS = FOLDER / "reply.safetensors"  # of the adapter; the heads lie beside it
WINDOW = 12  # turns looked back upon
LONGEST = 2000  # characters of a text that are read
RECENT = 1000  # characters of a context that the adapter reads, about 224 tokens, as many as it was trained on
SEPARATOR = " [SEP] "  # between turns, as the tokenizer writes it
MANY_WORDS = 60  # beyond this a longer draft counts as no longer

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_INVISIBLE = re.compile(r"[\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff\u00ad\x00]")
_FUNCTION_WORDS = frozenset(
    re.findall(
        r"\S+",
        """
        a about after again all also am an and any are as at be because been before being but by
        can could did do does doing down each even for from had has have having he her here him
        his how i i'd i'll i'm i've if in into is it it's its just like me more most much my no
        not now of off on once only or other our out over really same she should so some such than
        that that's the their them then there these they they're this those through to too under
        until up us very was we well were what what's when where which while who why will with
        would yes yeah you you're your oh ok okay
        """,
    )
)
_PERSONAL = frozenset({"i", "i'm", "i've", "i'd", "i'll", "me", "my", "mine", "we", "our", "us"})
_NEGATION = frozenset({"no", "not", "never", "nobody", "nothing", "none", "neither", "nor", "cannot", "without"})


@dataclass(frozen=True, slots=True)
class ReadText:
    """A text as the judges read it: its words, the words that carry content, and counts of its surface."""

    content: frozenset[str]
    negated: bool
    question: bool
    surface: tuple[float, ...]


def clean(text: str) -> str:
    """Return `text` without invisible characters, spaces collapsed, no longer than LONGEST."""
    return " ".join(_INVISIBLE.sub("", text[: 2 * LONGEST])[:LONGEST].split())


def reading(turns: Sequence[str]) -> str:
    """Return a context as the adapter reads it, the newest turn first, so that the oldest is what is cut."""
    return SEPARATOR.join(clean(turn) for turn in reversed(turns[-WINDOW:]))[:RECENT]


def read(text: str) -> ReadText:
    """Return what the word counts need to know of one cleaned text."""
    found = [(match.group(), match.start()) for match in _WORD.finditer(text)]
    words = [word.lower().replace("’", "'") for word, _ in found]
    count = max(len(words), 1)
    content = [word for word in words if word not in _FUNCTION_WORDS]
    pairs = list(pairwise(words))
    named = sum(word[0].isupper() and start > 0 and text[start - 2 : start - 1] not in ".!?" for word, start in found)
    negated = sum(word in _NEGATION or word.endswith("n't") for word in words) % 2 == 1
    surface = (
        np.log1p(min(len(words), MANY_WORDS)),
        len(content) / count,
        np.log1p(min(len(content), MANY_WORDS)),
        float(any(character.isdigit() for character in text)),
        np.log1p(min(named, 10)),
        len(set(words)) / count,
        1 - len(set(pairs)) / max(len(pairs), 1),
        float("?" in text),
        float("!" in text),
        float(negated),
        sum(word in _PERSONAL for word in words) / count,
        float(np.mean([len(word) for word in words])) if words else 0.0,
    )
    return ReadText(frozenset(content), negated, "?" in text, tuple(map(float, surface)))


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A context as the judges see it: vectors (turns, dimension) of the turns, oldest first, and of the query."""

    texts: tuple[ReadText, ...]
    own: NDArray[np.bool_]  # which turns were the assistant's
    vectors: Array
    query: Array  # (dimension,)
    words: ReadText  # of the query


def row(seen: Seen, draft: ReadText, vector: Array, logits: Array) -> Array:
    """Return the features of one draft, shape (len(LOGITS) + 26,): logits, counts of the pair, counts of the draft.

    `vector` (dimension,) is the draft's, unit length; `logits` are the adapter's of LOGITS. Of the last turn and the
    resolved query, whichever is nearer to the draft is what it is compared with.
    """
    last, before, own = seen.vectors[-1], seen.vectors[:-1], seen.own[:-1]
    near = last if float(vector @ last) >= float(vector @ seen.query) else seen.query
    past = before.mean(axis=0) if len(before) else np.zeros_like(vector)
    similar = before @ vector
    flips = np.asarray([text.negated != draft.negated for text in seen.texts[:-1]], dtype=bool)
    question_words = seen.texts[-1].content | seen.words.content
    known = question_words.union(*(text.content for text in seen.texts))
    others = before[~own]
    counts = (
        float(vector @ near),
        float(vector @ before[-1]) if len(before) else 0.0,
        float(vector @ past),
        float(np.max(similar, where=own, initial=0.0)),
        float(np.max(similar, where=~own, initial=0.0)),
        float(np.max(similar, where=own & flips, initial=0.0)),
        float(np.max(others @ last, initial=0.0)),
        float(last @ before[-1]) if len(before) else 0.0,
        len(question_words & draft.content) / max(len(question_words), 1),
        len(known & draft.content) / max(len(draft.content), 1),
        len(question_words & draft.content) / max(len(draft.content), 1),
        float(seen.texts[-1].question),
        seen.texts[-1].surface[0],
        float(np.log1p(len(before))),
    )
    return np.concatenate([logits, counts, draft.surface]).astype(np.float32)


def interest_rows(rows: Array, sensible: Array, specific: Array) -> Array:
    """Return what the interesting head reads, shape (n, 26 + 2): the counts of each row and the log odds of the others.

    `sensible` and `specific` are the probabilities (n,) of the other two heads.
    """
    odds = [np.log(p / (1 - p)) for p in (sensible.clip(1e-4, 1 - 1e-4), specific.clip(1e-4, 1 - 1e-4))]
    return np.column_stack([rows[:, len(LOGITS) :], *odds]).astype(np.float32)


class QualityJudge:
    """Probabilities that a draft is sensible, specific and interesting, by three heads on shared features.

    `encode` maps texts to unit vectors (n, dimension); `read` maps pairs (text before, text) to logits (n, outputs),
    LOGITS among the outputs; `heads` are those of NAMES. `fingerprint` identifies the reader's weights and the heads'.
    Raises DialogueError when an output or a head is missing, or a head was trained on other features.
    """

    def __init__(self, encode: Encode, read: PairReader, heads: Mapping[str, Head]) -> None:
        for name in LOGITS:
            if name not in read.outputs:
                raise DialogueError(f"the adapter has no output {name!r}: train it again with: candor train judges")
        for name, features in zip(NAMES, (FEATURES, FEATURES, INTEREST), strict=True):
            if name not in heads or heads[name].features != features:
                raise DialogueError(
                    f"the head {name!r} is missing or was not trained on the features {features!r}: "
                    "train it again with: candor train judges"
                )
        self.encode, self.read = encode, read
        self.heads = {name: heads[name] for name in NAMES}
        weights = " ".join([read.fingerprint, *(head.fingerprint for head in self.heads.values())])
        self.fingerprint = f"{FEATURES}/{hashlib.sha256(weights.encode()).hexdigest()[:12]}"

    def score(self, context: Context, drafts: Sequence[str]) -> list[tuple[float, float, float]]:
        """Return (sensible, specific, interesting) per draft, each in [0, 1], in order.

        One encode call for all turns, the query and the drafts, and one of the reader. A draft without a single
        letter or digit says nothing and scores zero. Raises ValueError when the context has no turn to reply to,
        DialogueError when the reader returns no finite numbers.
        """
        if not drafts:
            return []
        rows, speaks = self.rows(context, drafts)
        scores = self.judge(rows) * speaks[:, None]
        return [(float(a), float(b), float(c)) for a, b, c in scores]

    def judge(self, rows: Array) -> Array:
        """Return the probabilities (n, 3) of feature rows (n, width), in the order of NAMES."""
        sensible, specific = self.heads["sensible"](rows), self.heads["specific"](rows)
        interesting = self.heads["interesting"](interest_rows(rows, sensible, specific))
        return np.stack([sensible, specific, interesting], axis=1)

    def rows(self, context: Context, drafts: Sequence[str]) -> tuple[Array, NDArray[np.bool_]]:
        """Return the features (drafts, width) and which drafts hold a word at all (drafts,)."""
        [rows] = self.rows_each([(context, drafts)])
        return rows, np.asarray([bool(_WORD.search(clean(draft))) for draft in drafts])

    def rows_each(self, asked: Sequence[tuple[Context, Sequence[str]]]) -> list[Array]:
        """Return the features (drafts, width) of the drafts of each context, all read in one call."""
        turns = [spoken(context.turns) for context, _ in asked]
        texts = [[clean(turn.text) for turn in each] for each in turns]
        replies = [[clean(draft) for draft in drafts] for _, drafts in asked]
        queries = [clean(context.query) or said[-1] for (context, _), said in zip(asked, texts, strict=True)]
        together = zip(texts, queries, replies, strict=True)
        vectors = self.encode([text for said, query, made in together for text in (*said, query, *made)])
        pairs = [(reading(said), reply) for said, made in zip(texts, replies, strict=True) for reply in made]
        logits = logits_of(self.read, pairs)
        found, at, first = [], 0, 0
        for each, said, query, made in zip(turns, texts, queries, replies, strict=True):
            own = np.asarray([turn.role == "assistant" for turn in each])
            beside = at + len(said)
            seen = Seen(tuple(map(read, said)), own, vectors[at:beside], vectors[beside], read(query))
            at = beside + 1 + len(made)
            drafts = zip(made, vectors[beside + 1 : at], logits[first : first + len(made)], strict=True)
            found.append(np.stack([row(seen, read(reply), vector, those) for reply, vector, those in drafts]))
            first += len(made)
        return found


def logits_of(reader: PairReader, pairs: Sequence[tuple[str, str]]) -> Array:
    """Return the reader's logits of LOGITS (pairs, 2). Raises DialogueError when they are not finite numbers."""
    found = np.asarray(reader(pairs), dtype=np.float32)
    if found.shape != (len(pairs), len(reader.outputs)) or not np.isfinite(found).all():
        raise DialogueError(
            f"the reader {reader.fingerprint} gave no finite number per pair and output: "
            "train the adapter again with: candor train judges"
        )
    return found[:, [reader.outputs.index(name) for name in LOGITS]]


def spoken(turns: Sequence[Turn]) -> list[Turn]:
    """Return the last WINDOW turns of user and assistant. Raises ValueError when there is none."""
    kept = [turn for turn in turns if turn.role != "system"][-WINDOW:]
    if not kept:
        raise ValueError("a draft is judged as a reply: the context must hold at least one turn")
    return kept


def load_quality(encode: Encode, read: PairReader, folder: Path = FOLDER) -> QualityJudge:
    """Return the judge with the heads of `folder`, by default the shipped ones; `read` is the adapter WEIGHTS.

    Raises RetrievalError when a head is missing or damaged, DialogueError when it is too old.
    """
    return QualityJudge(encode, read, {name: load_head(folder / f"{name}.safetensors") for name in NAMES})
