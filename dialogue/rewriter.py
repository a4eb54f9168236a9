"""Which of the ways to read a follow-up is meant: a small perceptron on what is known of each, over all at once.

Features are counted from words, and taken from the encoder's input embeddings, which cost a look-up; no layer runs.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from dialogue.judges.heads import Head
from dialogue.judges.shipped import SHIPPED, WEIGHTS, load_head
from dialogue.names import is_time, names
from dialogue.phrases import ARTICLES, AUXILIARY, OWN, PREPOSITIONS, PRONOUNS, SPEAKERS, WH, phrases, words
from dialogue.proposals import ABOUT, KINDS, OPENER, Mention, Proposal, Said, proposals
from dialogue.shapes.words import superlatives
from retrieval.weights import Shipped

if TYPE_CHECKING:
    from retrieval.encoder.embed import Encoder

FEATURES: Final = "rewriting-1"
PATH: Final = WEIGHTS / "rewriting.safetensors"
LOOK_BACK: Final = 6  # turns that are read
MARGIN: Final = 0.5  # logits by which a reading has to be likelier than that nothing is missing
ALIKE: Final = 4.0  # logits for the whole of a cosine between what is put in and what had to go
TOPIC: Final = 1.0  # logits for the name that the user asked about last, for what the user said as "that"
DOUBT: Final = 0.55  # the least probability of what a pronoun is read as
CLOSE: Final = 1.5  # logits from the likeliest reading up to which another one may be meant
OTHERS: Final = 2  # such readings
DEFINITE: Final = -0.5  # likewise where "the price" says not of what
Array = NDArray[np.float32]
GROUPS: Final = ("it", "he", "she", "they", "that", "one", "there")
_LINKS: Final = ("of", "in", "at", "for", "on", "by", "from")
_SHAPES: Final = ("base", "long", "inner", "owner")
STEP: Final = 16  # of a phrase's vector every so many numbers are read
EXCHANGE: Final = 17
MENTION: Final = 18 + len(_SHAPES) + len(_LINKS) + 384 // STEP


class LearntRewriter:
    """The rewriter that ships. Safe to use from several threads; what it made of a conversation's turns is kept."""

    def __init__(self, encoder: "Encoder", head: Head) -> None:
        self.head = head
        self._encoder = encoder
        self._like = Embeddings(encoder)
        self._read = lru_cache(maxsize=512)(self._fresh)

    def __call__(self, question: str, said: Sequence[Said]) -> str | None:
        """Return the question as it is meant after these turns, as it is where it stands alone; None in doubt."""
        return self._read(question, tuple(said[-LOOK_BACK:]))[0]

    def others(self, question: str, said: Sequence[Said]) -> tuple[str, ...]:
        """Return what half a question may mean nearly as likely as what it is read as, the likelier first."""
        return self._read(question, tuple(said[-LOOK_BACK:]))[1]

    def _fresh(self, question: str, said: tuple[Said, ...]) -> tuple[str | None, tuple[str, ...]]:
        found = proposals(question, said)
        if len(found) == 1 or found[-1].kind in ("other", "whole"):
            return found[-1].text if said else question, ()
        logits = self.head.logits(features(question, said, found, self._like))
        logits = logits + ALIKE * self._nearness(found)
        logits = logits + TOPIC * np.array([_on_topic(each, said) for each in found], np.float32)
        if superlatives(question):  # of the one thing spoken of nothing is the most, in a place something may be
            logits[[each.kind in ("append", "expand") and each.how not in _LINKS[1:] for each in found]] = -np.inf
        if found[-1].elliptical:  # half a question never stands alone
            logits[0] = -np.inf
        pointing = _points(question)
        if pointing and any(each.kind == "replace" and each.group == "that" for each in found):
            logits[[each.kind in ("copy", "append") for each in found]] = -np.inf
            own = [each.kind == "replace" and each.mention is not None and _leads(each.mention) for each in found]
            logits = logits + TOPIC * np.array(own, np.float32)
        logits[[_is_time(each) or _is_no_person(each) for each in found]] = -np.inf
        best = 1 + int(logits[1:].argmax())
        likelier = logits[best] - logits[0] > (DEFINITE if _definite(question) else MARGIN)
        if (
            not pointing
            and likelier
            and found[best].kind in ("replace", "determine")
            and _share(found, logits, best) < DOUBT
        ):
            return None, ()
        order = [place for place in np.argsort(-logits) if place not in (0, best)]
        near = [found[place] for place in order if logits[best] - logits[place] < CLOSE]
        swaps = tuple(each.text for each in near if each.kind == "substitute" and each.elliptical)
        said_of = found[best].group == "resolved"  # "And the rent there?" tells itself of what
        return found[best if likelier else 0].text, () if said_of else swaps[:OTHERS]

    def _nearness(self, found: Sequence[Proposal]) -> Array:
        """How much less like what is put in, by meaning, each thing that has to go is than the likest; names aside."""
        pairs = [
            (place, each.old.bare, each.word)
            for place, each in enumerate(found)
            if each.kind == "substitute" and each.old is not None and each.word.split()[-1][:1].islower()
        ]
        less = np.zeros(len(found), np.float32)
        if pairs:
            texts = list(dict.fromkeys(text for _, old, new in pairs for text in (old, new)))
            vectors = dict(zip(texts, self._encoder.encode(texts), strict=True))
            near = [float(vectors[old] @ vectors[new]) for _, old, new in pairs]
            less[[place for place, _, _ in pairs]] = np.array(near) - max(near)
        return less


def _on_topic(each: Proposal, said: Sequence[Said]) -> bool:
    """Whether a pronoun is read as the name that the user asked about last."""
    named = names(next((turn.text for turn in reversed(said) if turn.user), ""))
    if not named or each.mention is None or each.kind != "replace":
        return False
    return each.mention.phrase.bare.endswith(named[0])


def _share(found: Sequence[Proposal], logits: Array, best: int) -> float:
    """The probability of all readings of the same head as the best one."""
    shares = np.exp(logits - logits[best])
    heads = [each.mention.phrase.head if each.mention else "" for each in found]
    same = [head == heads[best] for head in heads]
    return float(shares[same].sum() / shares.sum())


def _points(question: str) -> bool:
    """Whether a question asks of something by "that" as the object of its verb: "When do I have to pay that?"."""
    read = [word.plain for word in words(question)]
    for before, word, after in zip(read, read[1:], [*read[2:], ""], strict=False):
        ends = not after or after in PREPOSITIONS | {"back", "then", "again", "too"}
        if word in ("that", "this") and ends and before not in AUXILIARY | SPEAKERS | PREPOSITIONS | WH:
            return True
    return False


def _is_time(each: Proposal) -> bool:
    """Whether a pronoun is read as a year or a date, which nobody calls "it" or "her"."""
    if each.kind != "replace" or each.group not in ("it", "he", "she", "they") or each.mention is None:
        return False
    return is_time(each.mention.phrase.bare)


def _is_no_person(each: Proposal) -> bool:
    """Whether "he" or "she" is read as a name that is no person's: "the Repair Café", or what hangs on it."""
    if each.kind != "replace" or each.group not in ("he", "she") or each.mention is None:
        return False
    read = words(each.mention.phrase.text)
    return len(read) > 1 and any(w.plain in ARTICLES for w in read) and any(w.text[:1].isupper() for w in read[1:])


def _leads(mention: Mention) -> bool:
    """Whether a phrase is what the user spoke of, rather than what hangs on it."""
    return mention.user and not mention.phrase.before


def _definite(question: str) -> bool:
    """Whether a question has a phrase with "the" on which nothing hangs, and no name."""
    held = phrases(question)
    long = {phrase.start for phrase in held if phrase.kind == "long"}
    named = any(phrase.bare[:1].isupper() or any(c.isdigit() for c in phrase.bare) for phrase in held)
    return not named and any(phrase.article == "the" and phrase.start not in long for phrase in held)


def load_rewriter(encoder: "Encoder", path: Path = PATH, shipped: Shipped = SHIPPED) -> LearntRewriter:
    """Read the rewriter's perceptron, by default the one that ships. Raises RetrievalError, see `load_head`."""
    return LearntRewriter(encoder, load_head(path, shipped))


class Embeddings:
    """What a phrase is like, by the mean of its word pieces' embeddings: unit vectors, kept for a conversation."""

    def __init__(self, encoder: "Encoder") -> None:
        self._encoder = encoder
        self._known: dict[str, Array] = {}

    def __call__(self, text: str) -> Array:
        """Return the unit vector of a text, zeros of one without words."""
        found = self._known.get(text)
        if found is None:
            if len(self._known) > 2000:
                self._known.clear()
            found = self._known[text] = self._fresh(text)
        return found

    def _fresh(self, text: str) -> Array:
        import torch

        ids = self._encoder.pieces(text)[0][:32]
        if not ids:
            return np.zeros(self._encoder.dimension, np.float32)
        mean = self._encoder.embed(torch.tensor([ids])).float().mean(1)[0].cpu().numpy()
        unit: Array = (mean / np.linalg.norm(mean)).astype(np.float32)
        return unit


def features(question: str, said: Sequence[Said], found: Sequence[Proposal], like: Embeddings) -> Array:
    """Return a row for every proposal."""
    common = _of_question(question, said, like)
    asked = frozenset(word.plain for word in words(question))
    nearest = max((_alike(each, like) for each in found if each.kind == "substitute"), default=0.0)
    known: dict[int, list[float]] = {}
    rows = []
    for each in found:
        mention = each.mention
        if mention is not None and id(mention) not in known:
            known[id(mention)] = _of_mention(mention, asked, like)
        held = known[id(mention)] if mention is not None else [0.0] * MENTION
        rows.append([*_of_edit(question, each, nearest, like), *held, *_of_both(each, like), *common])
    return np.array(rows, dtype=np.float32)


def _alike(each: Proposal, like: Embeddings) -> float:
    return float(like(each.old.bare) @ like(each.word)) if each.old and each.word else 0.0


def _of_question(question: str, said: Sequence[Said], like: Embeddings) -> list[float]:
    read = words(question)
    plain = [word.plain for word in read]
    held = [p for p in phrases(question) if p.kind in ("base", "long")]
    named = [p for p in held if p.bare[:1].isupper()]
    previous = next((turn.text for turn in reversed(said) if turn.user), "")
    before = {word.plain for word in words(previous)} - WH - AUXILIARY - ARTICLES
    return [
        len(read) / 10,
        bool(OPENER.match(question)),
        bool(ABOUT.match(OPENER.sub("", question))),
        any(word in AUXILIARY for word in plain),
        any(word in WH for word in plain[:2]),
        len(named),
        len(held),
        any(p.article == "the" for p in held),
        any(p.article in ("a", "an") for p in held),
        *(any(word.removesuffix("'s") in group for word in plain) for group in _SETS),
        sum(word in PRONOUNS for word in plain),
        sum(word in before for word in plain) / (1 + len(plain)),
        float(like(question) @ like(previous)) if previous else 0.0,
        len(said) / 6,
        bool(said) and not said[-1].user,
    ]


_SETS = (
    {"it", "its"},
    {"he", "him", "his"},
    {"she", "her", "hers"},
    {"they", "them", "their"},
    {"this", "that"},
    {"these", "those"},
    {"there"},
    {"one", "ones"},
    {"else", "other", "another", "more"},
)


def _of_edit(question: str, each: Proposal, nearest: float, like: Embeddings) -> list[float]:
    return [
        *(float(each.kind == kind) for kind in KINDS),
        *(float(each.group == group) for group in GROUPS),
        each.how == "own",
        each.at / 10,
        each.group == "end",
        *(float(each.how == link) for link in _LINKS),
        *_of_exchange(each, nearest, like),
        _alike(each, like) * (each.kind == "expand"),
        each.kind == "append" and each.word.casefold().startswith("the "),
        len(each.text) / max(1, len(question)) / 3,
    ]


def _of_exchange(each: Proposal, nearest: float, like: Embeddings) -> list[float]:
    """How like what is put in is to what had to go; `nearest` is the most that anything is."""
    old, new = each.old, each.word
    if each.kind != "substitute" or old is None:
        return [0.0] * EXCHANGE
    read = words(new)
    article = read[0].plain if read and read[0].plain in ARTICLES | OWN else ""
    alike = _alike(each, like)
    return [
        alike,
        alike - nearest,
        alike == nearest,
        old.article == article,
        old.bare[:1].isupper() == new.split()[-1][:1].isupper(),
        old.article in ("a", "an") and article in ("a", "an"),
        old.before == each.group,
        not each.group and old.before != "",
        any(c.isdigit() for c in old.bare) == any(c.isdigit() for c in new),
        any(c.isdigit() for c in old.bare),
        len(old.bare.split()) == sum(word.casefold() not in ARTICLES for word in new.split()),
        old.kind == "inner",
        old.kind == "long",
        old.kind == "owner",
        len(set(old.bare.casefold().split()) & set(new.casefold().split())),
        old.start == 0,
        old.head.endswith("s") == new.endswith("s"),
    ]


def _person(mention: Mention) -> bool:
    phrase = mention.phrase
    named = sum(word[:1].isupper() for word in phrase.bare.split())
    return named >= 2 and not phrase.article and not any(c.isdigit() for c in phrase.bare)


def _of_mention(mention: Mention, asked: frozenset[str], like: Embeddings) -> list[float]:
    phrase = mention.phrase
    own = {word.plain for word in words(phrase.bare)}
    return [
        1.0,
        *(float(phrase.kind == shape) for shape in _SHAPES),
        mention.user,
        mention.back / 6,
        mention.back == 1,
        mention.back == 2,
        mention.back > 4,
        mention.place == 0,
        mention.place / 10,
        min(3, mention.count) / 3,
        phrase.article == "the",
        phrase.article in ("a", "an"),
        phrase.bare[:1].isupper(),
        _person(mention),
        phrase.head.endswith("s") and phrase.head[:1].islower(),
        phrase.bare[:1].isdigit(),
        len(own) / 6,
        len(own & asked) / (1 + len(own)),
        mention.asked == "who",
        *(float(phrase.before == link) for link in _LINKS),
        *like(phrase.head)[::STEP].tolist(),
    ]


def _of_both(each: Proposal, like: Embeddings) -> list[float]:
    """What a pronoun or a phrase of the question and what it may mean have to do with each other."""
    mention = each.mention
    if mention is None:
        return [0.0] * 4
    person, phrase = _person(mention), mention.phrase
    return [
        person * (each.group in ("he", "she")),
        person * (each.group in ("it", "there", "one")),
        (phrase.head.endswith("s") and phrase.head[:1].islower()) * (each.group == "they"),
        float(like(phrase.bare) @ like(each.word)) if each.word else 0.0,
    ]
