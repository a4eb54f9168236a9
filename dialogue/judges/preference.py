"""A judge trained on people's ratings: the probability that those people like a draft.

A logistic regression on what the quality judges read, the words the draft shares with the sources and their names, how
it is laid out, and its sentence vector. It stands around the judges that ship and changes none of their scores, so that
a draft passes the same gates with it. Knows nothing of ranking, or of how the head was trained
(`app.training.preference`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from dialogue.judges.embedded import EmbeddedJudge
from dialogue.judges.heads import Head
from dialogue.judges.quality import Array, clean, read
from dialogue.judges.shipped import load_head
from dialogue.prompts import is_abstention
from dialogue.types import Context, ModelError, Scores, Turn
from retrieval.text import each
from retrieval.types import RetrievalError

NAME: Final = "preferred"
FEATURES: Final = "preference-1"  # changes whenever the rows below change, so that old heads are refused
FILE: Final = "preferred.safetensors"
LAYOUT: Final = 6
_MARK: Final = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s", re.MULTILINE)


@dataclass(frozen=True)
class PreferenceJudge:
    """The scores of `judge` with those of `head` added as `preferred`; None for an abstention."""

    judge: EmbeddedJudge
    head: Head

    @property
    def fingerprint(self) -> str:
        """Identifies the weights of both."""
        return f"{self.judge.fingerprint}+preference/{self.head.fingerprint}"

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        """Return one Scores per draft."""
        drafts = each(drafts)
        scores = self.judge.score(context, drafts)
        if not drafts or not context.wants("quality"):
            return scores
        liked = self.head(feature_rows(self.judge, context, drafts))
        return [
            score if is_abstention(draft) else replace(score, preferred=float(p))
            for score, draft, p in zip(scores, drafts, liked, strict=True)
        ]

    def forget(self) -> None:
        """Drop what is kept of texts that were read; see `EmbeddedJudge.forget`."""
        self.judge.forget()

    def grounded_each(self, pairs: Sequence[tuple[Context, str]]) -> list[Scores]:
        """Return how evidence bears on drafts; see `EmbeddedJudge.grounded_each`."""
        return self.judge.grounded_each(pairs)


def feature_rows(judge: EmbeddedJudge, context: Context, drafts: Sequence[str]) -> Array:
    """Return the features (drafts, 28 + LAYOUT + dimension): the row of the quality judges, what `layout` says, and
    the sentence vector."""
    [rows] = feature_rows_each(judge, [(context, drafts)])
    return rows


def feature_rows_each(judge: EmbeddedJudge, asked: Sequence[tuple[Context, Sequence[str]]]) -> list[Array]:
    """Return what `feature_rows` does for the drafts of each context, all read together."""
    rows = judge.quality.rows_each(asked)
    vectors = judge.quality.encode([clean(draft) for _, drafts in asked for draft in drafts])
    found, at = [], 0
    for (context, drafts), own in zip(asked, rows, strict=True):
        told = np.asarray([layout(context, draft) for draft in drafts], dtype=np.float32)
        found.append(np.concatenate([own, told, vectors[at : at + len(drafts)]], axis=1).astype(np.float32))
        at += len(drafts)
    return found


def layout(context: Context, draft: str) -> tuple[float, ...]:
    """Return LAYOUT numbers: words and lines (logarithms), whether it is a list, whether it names a source, what share
    of its content words the sources hold, and whether it begins like the question."""
    own = read(draft)
    passages = [item.passage for item in context.evidence]
    named = [read(passage.title or Path(passage.source).stem.replace("-", " ")).content for passage in passages]
    held = frozenset[str]().union(*(read(passage.text).content for passage in passages))
    return (
        float(np.log1p(len(draft.split()))),
        float(np.log1p(draft.count("\n"))),
        float(bool(_MARK.search(draft))),
        float(any(name and name <= own.content for name in named)),
        len(own.content & held) / max(len(own.content), 1),
        float(draft.split()[:1] == context.question.split()[:1]),
    )


def load_preference(folder: Path, judge: EmbeddedJudge) -> PreferenceJudge:
    """Put the head of a folder that `candor train judges --ratings` wrote around a judge.

    Raises ModelError when the folder holds none, a damaged one, or one trained on other features or by other judges.
    """
    again = "train it again with: candor train judges --ratings"
    try:
        head = load_head(folder / FILE, {})
    except RetrievalError as error:
        raise ModelError(f"{str(folder)!r} holds no judge of ratings: {error}") from error
    tried = feature_rows(judge, Context((Turn("user", "Hello"),), "Hello"), ["Hello."])
    if head.features != FEATURES or head.mean.shape != tried.shape[1:]:
        raise ModelError(f"the judge in {str(folder)!r} was trained on other features: {again}")
    return PreferenceJudge(judge, head)
