"""From what is known of a claim, or of a whole reply, to the probability that the evidence supports it.

Logistic sums in which no weight is negative: neither what the head says nor plain overlap and cosine can count against
a claim, so what these two know is not lost. Knows nothing of windows, passages or adapters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dialogue.judges.heads import Array, Head

CLAIM = "claim-1"  # logit of the head, overlap, cosine, alignment, less the shares of figures and names missing
REPLY = "reply-1"  # logit of the weakest claim and of all in the mean, overlap, cosine, alignment
_SURE = 0.01  # a probability is kept so far from 0 and 1 before it becomes a logit


@dataclass(frozen=True, slots=True)
class Weighed:
    """A claim's support, its length in words, and how near its evidence is: share of words, cosine, alignment."""

    support: float
    words: int
    overlap: float
    cosine: float
    aligned: float


def claim_rows(logits: Array, overlap: float, cosine: float, aligned: Array, figures: Array, names: Array) -> Array:
    """Return the rows (windows, 6) of one claim; `figures` and `names` are the shares missing in each window."""
    beside = np.tile(np.asarray([[overlap, cosine]], np.float32), (len(logits), 1))
    return np.column_stack([logits, beside, aligned, -figures, -names]).astype(np.float32)


def reply_row(claims: Sequence[Weighed]) -> Array:
    """Return the row (5,) of a reply with these claims, at least one."""
    p = np.asarray([claim.support for claim in claims]).clip(_SURE, 1 - _SURE)
    logits, length = np.log(p / (1 - p)), np.asarray([max(1, claim.words) for claim in claims], dtype=np.float32)
    share = length / length.sum()
    near = np.asarray([(claim.overlap, claim.cosine, claim.aligned) for claim in claims])
    return np.asarray([logits.min(), share @ logits, *(share @ near)], dtype=np.float32)


def settled(head: Head, claims: Sequence[Weighed]) -> float | None:
    """Return the probability that the evidence supports all of a reply, None for one that claims nothing."""
    return float(head(reply_row(claims)[None])[0]) if claims else None
