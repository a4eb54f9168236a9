"""A sequence classifier as judge of quality: labels sensible, specific, interesting of a draft after its context.

Replaces those scores of another judge that it has labels for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from dialogue.types import Context, DialogueError, Judge, ModelError, Scores
from retrieval.text import each
from safety.guards.classifier import Classifier, load_classifier
from safety.types import SafetyError

NAMES: Final = ("sensible", "specific", "interesting")
TURNS: Final = 4  # of the conversation that are read before the draft, the last ones


@dataclass(frozen=True)
class ClassifierJudge:
    """A judge whose quality scores come from `classifier` where it has a label of their name; all else is `judge`'s.

    The classifier reads the pair of the last TURNS turns, one a line, and the draft.
    """

    judge: Judge
    classifier: Classifier

    @property
    def fingerprint(self) -> str:
        """Identifies the weights of both."""
        return f"{self.judge.fingerprint}+classifier/{self.classifier.fingerprint}"

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        """Return one Scores per draft. Raises DialogueError when the classifier fails."""
        drafts = each(drafts)
        scores = self.judge.score(context, drafts)
        if not context.wants("quality"):
            return scores
        before = "\n".join(turn.text for turn in context.turns[-TURNS:])
        try:
            found = self.classifier.probabilities([before] * len(drafts), drafts)
        except (SafetyError, RuntimeError) as error:
            raise DialogueError(f"the drafts could not be judged: {error}") from error
        places = {label.lower(): place for place, label in enumerate(self.classifier.labels)}
        return [
            replace(
                score,
                sensible=float(row[places["sensible"]]) if "sensible" in places else score.sensible,
                specific=float(row[places["specific"]]) if "specific" in places else score.specific,
                interesting=float(row[places["interesting"]]) if "interesting" in places else score.interesting,
            )
            for score, row in zip(scores, found, strict=True)
        ]


def load_classifier_judge(spec: str, judge: Judge) -> ClassifierJudge:
    """Load ``hf:NAME`` before another judge. Raises ModelError when it cannot be loaded or judges no quality."""
    try:
        classifier = load_classifier(spec.removeprefix("hf:"))
    except SafetyError as error:
        raise ModelError(str(error)) from error
    if not any(label.lower() in NAMES for label in classifier.labels):
        raise ModelError(
            f"{spec!r} has the labels {', '.join(classifier.labels)}: a judge needs some of {', '.join(NAMES)}"
        )
    return ClassifierJudge(judge, classifier)
