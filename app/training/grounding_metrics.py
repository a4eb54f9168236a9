"""What the groundedness judge is measured by: rows with a verdict, and the metrics of a set of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dialogue.judges.alignment import ALIGNED, Array
from dialogue.judges.claims import split
from dialogue.judges.facts import words
from dialogue.judges.grounding import ALIKE, COPIED, beside, best_support, copied
from dialogue.judges.heads import Head
from dialogue.judges.settling import Weighed
from dialogue.judges.windows import Layout
from retrieval.types import Passage

DRAWS = 300  # bootstrap samples behind each interval


@dataclass(frozen=True, slots=True)
class Row:
    """A response with the evidence it is to be judged by.

    `kind` is the alteration, where one was made; rows of one `group` stay on one side of a split.
    """

    source: str
    evidence: tuple[str, ...]
    question: str
    response: str
    supported: bool
    kind: str = ""
    refuted: bool = False
    group: str = ""

    @property
    def passages(self) -> list[Passage]:
        """The evidence."""
        return [Passage(i, text, "", "", (), 0, len(text)) for i, text in enumerate(self.evidence)]

    def layout(self) -> Layout:
        """Cut the row into texts, the response as one claim."""
        return Layout.make(self.question, [self.response], self.passages)

    def claims(self) -> "list[Row]":
        """Return a row for each sentence of the response that claims something, for each of all where none does."""
        cut = split(self.response)
        return [replace(self, response=s.text) for s in cut if s.claims] or [
            replace(self, response=s.text) for s in cut
        ]


@dataclass(frozen=True, slots=True, eq=False)
class GroundingExample:
    """A row made ready: features and logits of its evidence windows (windows, features), which of them contradict it.

    Then the two baselines, the share of its words found in the evidence and the cosine of the two; and the same two
    with the passage that is nearest.
    """

    row: Row
    windows: Array
    contradicts: tuple[bool, ...]
    overlap: float
    cosine: float
    near: tuple[float, float]


def overlap(row: Row) -> float:
    """Return the baseline: the share of the response's words (stems) that the evidence holds."""
    present = {word.stem for text in row.evidence for word in words(text)}
    mine = [word.stem in present for word in words(row.response)]
    return sum(mine) / len(mine) if mine else 0.0


def supports(head: Head, claim: Head, examples: Sequence[GroundingExample]) -> Array:
    """Return the judge's support of every example (n,), as it would be served."""
    return np.asarray([_support(head, claim, example) for example in examples], dtype=np.float32)


def _support(head: Head, claim: Head, example: GroundingExample) -> float:
    if copied(example.row.response, example.row.passages):
        return COPIED
    scores = claim(beside(head, example.windows, *example.near)).tolist()
    return best_support(scores, example.contradicts, claim.threshold)[0]


def weighed(head: Head, claim: Head, claims: Sequence[GroundingExample]) -> list[Weighed]:
    """Return what is known of the claims of one reply."""
    return [
        Weighed(
            support,
            len(words(e.row.response)),
            *((*e.near, float(e.windows[:, ALIGNED].max())) if support < COPIED else (1.0, ALIKE, ALIKE)),
        )
        for e, support in zip(claims, supports(head, claim, claims).tolist(), strict=True)
    ]


def balanced(y: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> float:
    """Return balanced accuracy, with the one class there is when the other is missing."""
    return float(np.mean([(predicted[y == label] == label).mean() for label in (True, False) if (y == label).any()]))


def numbers(examples: Sequence[GroundingExample], scores: Array, threshold: float) -> dict[str, float]:
    """Return the metrics of one set: AUROC with 95 % bootstrap intervals, of the baselines too; balanced accuracy.

    Where claims were altered, for each false kind (``auroc.KIND``) its AUROC against all true claims, for every kind
    (``right.KIND``) the share judged right at the threshold, and how many there are (``n.KIND``).
    """
    y = np.asarray([e.row.supported for e in examples])
    found = {"n": float(len(y)), "supported": float(y.mean()), "balanced_accuracy": balanced(y, scores >= threshold)}
    columns = {
        "auroc": scores,
        "overlap_auroc": np.asarray([e.overlap for e in examples]),
        "cosine_auroc": np.asarray([e.cosine for e in examples]),
    }
    for name, column in columns.items():
        found |= _auroc(name, y, column)
    kinds = np.asarray([e.row.kind for e in examples])
    for kind in sorted({e.row.kind for e in examples if e.row.kind}):
        here = kinds == kind
        found[f"n.{kind}"] = float(here.sum())
        found[f"right.{kind}"] = float(((scores >= threshold) == y)[here].mean())
        if not y[here].any():
            found |= _auroc(f"auroc.{kind}", y[here | y], scores[here | y])
    return found


def _auroc(name: str, y: NDArray[np.bool_], column: Array) -> dict[str, float]:
    from sklearn.metrics import roc_auc_score

    if y.all() or not y.any():
        return {}
    rng = np.random.default_rng(0)
    draws = [rng.integers(0, len(y), len(y)) for _ in range(DRAWS)]
    spread = [roc_auc_score(y[d], column[d]) for d in draws if 0 < y[d].sum() < len(d)]
    low, high = np.quantile(spread, [0.025, 0.975]).tolist()
    return {name: float(roc_auc_score(y, column)), f"{name}_low": low, f"{name}_high": high}
