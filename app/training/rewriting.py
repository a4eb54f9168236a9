"""Training of the rewriter: which of the ways to read a follow-up comes nearest to what people wrote.

Also counts which words are verbs, for the chunker. Measures by exact match, by BLEU-4 (Papineni et al. 2002), and by
the words of the rewrite that are found.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from app.training.perceptron import fit_choice
from app.training.quality_data import rows as lines
from app.training.rewriting_data import (
    COMMON,
    GECOR,
    INVENTED,
    QRECC,
    FollowUp,
    common,
    held,
    invented,
    people,
    strange,
    talk,
    unanswered,
)
from dialogue.judges.heads import Array, Head
from dialogue.proposals import Said, proposals
from dialogue.rewriter import FEATURES, LOOK_BACK, Embeddings, features

if TYPE_CHECKING:
    from retrieval.encoder.embed import Encoder

HIDDEN = 64
UNSEEN = 300  # invented follow-ups to grade on
SHARP = 0.05  # of the likeness by which readings share what is wanted
ORDER = 0.3  # weight of pairs of words beside words
_TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

_MODAL = frozenset("to will would can could may might must should cannot shall".split())
_BEFORE_NOUN = frozenset("the a an his her their its my your our of some any each every no these those".split())
_BE = frozenset("was were been be being is are had has have".split())
_SUBJECT = frozenset("who which it he she they we you i".split())


def train(data: Path, encoder: "Encoder", seed: int = 0, share: float = 1.0) -> tuple[Head, dict[str, Any]]:
    """Return the head and how it measures on conversations that are kept apart."""
    known = [row for name in (QRECC, GECOR) for row in people(data, name) if not held(row)]
    rows = [*unanswered(known, seed), *strange(data, known, seed), *talk(known, seed), *common(COMMON, seed)]
    rows = [*rows[:: max(1, round(1 / share))], *invented(int(INVENTED * share), seed)]
    like = Embeddings(encoder)
    head = fit_choice("rewriting", FEATURES, [group for row in rows if (group := _group(row, like))], HIDDEN, seed)
    return head, {"examples": len(rows)}


def grade(data: Path, rewrite: Callable[[str, Sequence[Said]], str]) -> dict[str, float]:
    """Return the mean likeness of what `rewrite` makes of follow-ups that nothing was trained on, by source."""
    sets = {name: [row for row in people(data, name) if held(row)] for name in (QRECC, GECOR)}
    sets["invented"] = list(invented(UNSEEN, seed=1_000_003))
    return {name: measured(rows, rewrite)["likeness"] for name, rows in sets.items()}


def _group(row: FollowUp, like: Embeddings) -> tuple[Array, Array] | None:
    said = row.said[-LOOK_BACK:]
    found = proposals(row.question, said)
    if len(found) < 2:
        return None
    near = np.array([likeness(each.text, row.meant) for each in found])
    shares = np.exp((near - near.max()) / SHARP)
    return features(row.question, said, found, like), (shares / shares.sum()).astype(np.float32)


def likeness(text: str, wanted: str) -> float:
    """Return how near a text comes to the one wanted, by its words and pairs of words: 0 to 1."""
    one, two = tokens(text), tokens(wanted)
    return (1 - ORDER) * _shared(one, two) + ORDER * _shared(list(pairwise(one)), list(pairwise(two)))


def _shared(one: Sequence[object], two: Sequence[object]) -> float:
    return 2 * sum((Counter(one) & Counter(two)).values()) / max(1, len(one) + len(two))


def tokens(text: str) -> list[str]:
    """Return the words of a text, case aside, "Ada's" as two."""
    return _TOKEN.findall(re.sub(r"['’]s\b", " s", text.casefold()))


def measured(rows: Sequence[FollowUp], rewrite: Callable[[str, Sequence[Said]], str]) -> dict[str, float]:
    """Return exact match, BLEU-4 and the share of found words of what `rewrite` makes of the rows."""
    made = [rewrite(row.question, row.said) for row in rows]
    pairs = [(tokens(text), tokens(row.meant)) for text, row in zip(made, rows, strict=True)]
    new = [
        (Counter(two) - Counter(tokens(row.question)), Counter(one))
        for (one, two), row in zip(pairs, rows, strict=True)
    ]
    asked = sum(sum(wanted.values()) for wanted, _ in new)
    return {
        "rows": len(rows),
        "exact_match": sum(one == two for one, two in pairs) / max(1, len(rows)),
        "bleu_4": bleu(pairs),
        "added_words_found": sum(sum((wanted & got).values()) for wanted, got in new) / max(1, asked),
        "likeness": float(np.mean([likeness(text, row.meant) for text, row in zip(made, rows, strict=True)])),
    }


def bleu(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> float:
    """Return the BLEU-4 of a corpus of (made, wanted), one reference each."""
    pairs = list(pairs)
    right, made = [0] * 4, [0] * 4
    for one, two in pairs:
        for n in range(1, 5):
            grams = [Counter(zip(*(side[at:] for at in range(n)), strict=False)) for side in (one, two)]
            right[n - 1] += sum((grams[0] & grams[1]).values())
            made[n - 1] += max(0, len(one) - n + 1)
    if not all(right):
        return 0.0
    lengths = [sum(len(pair[side]) for pair in pairs) for side in (0, 1)]
    short = min(0.0, 1 - lengths[1] / lengths[0])
    return math.exp(short + sum(math.log(a / b) for a, b in zip(right, made, strict=True)) / 4)


def verbs(data: Path) -> list[str]:
    """Return the words that are verbs, or follow a form of be, more often than nouns in SQuAD's paragraphs.

    Counted by the word before; participles that end in -ed are told by their form.
    """
    counts: dict[str, Counter[str]] = {}
    for paragraph in dict.fromkeys(row["paragraph"] for row in lines(data / "reading" / "squad1_train.jsonl.gz")):
        for before, word in pairwise(re.findall(r"[a-z][a-z'’-]*|[A-Z]\w*|[.,;:()]|\d+", paragraph)):
            if word.isalpha() and word.islower() and len(word) > 2:
                counts.setdefault(word, Counter())[_slot(before.lower())] += 1
    found = [
        word
        for word, seen in counts.items()
        if (seen["verb"] >= 2 and seen["verb"] > seen["noun"])
        or (seen["be"] >= 3 and seen["be"] > seen["noun"] and not word.endswith("ly"))
    ]
    return sorted(word for word in found if not word.endswith("ed"))


def _slot(before: str) -> str:
    if before in _MODAL or before in _SUBJECT:
        return "verb"
    return "noun" if before in _BEFORE_NOUN else "be" if before in _BE else "other"
