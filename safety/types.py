"""The nouns and the seam of safety: verdicts and what gives them.

Speaks strings, and the logits of whatever reads them; knows nothing of retrieval, dialogue, SQL or the user interface.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Stage = Literal["request", "evidence", "candidate", "quotation", "served"]
UNSAFE: Final = "unsafe"  # the name of a risk of no objective in particular


class SafetyError(Exception):
    """A guard could not judge, or a policy is not valid. The message says what to mend."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a guard says of one text.

    `risk` is the probability of the worst objective, None when it could not be judged (then `safe` is
    False: judgement fails closed). `objective` is the policy id of the worst objective that fired or was
    noted, empty when none. `risks` keeps every objective apart. `reason` is fit to be shown to a user.
    `action` is what the policy asks for: "" (nothing), "refuse", "support", "drop", "annotate". `flagged` says
    that some objective reached its threshold, acted upon or only noted; an unsafe text always is, an unjudged too.
    """

    safe: bool
    risk: float | None
    objective: str = ""
    reason: str = ""
    action: str = ""
    risks: tuple[tuple[str, float], ...] = ()
    flagged: bool = False


class Guard(Protocol):
    """Judges texts against the safety objectives of a policy. `fingerprint` identifies weights and policy."""

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def check(
        self,
        texts: Sequence[str],
        stage: Stage,
        context: Sequence[str] = (),
        tightened: Sequence[tuple[str, float]] = (),
    ) -> list[Verdict]:
        """Return one verdict per text; `context` holds the earlier turns, oldest first.

        At `quotation` the texts are drafts that quote the user's own documents word for word, in answer to a request
        that was safe. `tightened` names objectives or groups of them with the share, in (0, 1], of their usual
        threshold that holds for these texts: what is safe with it is safe without. Never raises for a text it cannot
        judge: such a text gets an unsafe verdict with risk None.
        """
        ...


class PairReader(Protocol):
    """Reads texts, each after the turn before it, to logits. Thread-safe.

    `outputs` names the columns. `about` is the model card: under the name of a judging output its calibration,
    ``{"temperature", "shift", "threshold"}``. `fingerprint` identifies the weights.
    """

    @property
    def outputs(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def about(self) -> Mapping[str, Any]: ...  # noqa: D102

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def __call__(self, pairs: Sequence[tuple[str, str]], /) -> NDArray[np.float32]:
        """Return logits (pairs, outputs) of (turn before, text), in order. The turn before is "" for none."""
        ...

    def encode(self, texts: Sequence[str], /) -> NDArray[np.float32]:
        """Return unit vectors (texts, dimension) of what texts mean by themselves."""
        ...


class RiskSource(Protocol):
    """Adds risks to a guard's own; the larger one counts. Thread-safe.

    `fingerprint` identifies the model and what its answers are taken to mean.
    """

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def tells(self, stage: Stage) -> Collection[str]:
        """Return the objectives, and UNSAFE, that it can judge at `stage`; empty when it need not be asked."""
        ...

    def risks(self, pairs: Sequence[tuple[str, str]], stage: Stage) -> list[dict[str, float]]:
        """Return for each (turn before, text) the probabilities in [0, 1] of objectives, UNSAFE being none in
        particular.

        The turn before is "" for none. At `request` the text is a user's, at `candidate` and `served` a reply.
        What is not named has no risk. Raises SafetyError when a text cannot be judged.
        """
        ...
