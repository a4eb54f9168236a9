"""What the metrics are called, what they say, and which way is better: for pages that people read."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class About:
    """A metric in words; `better` is 1 where more is better, -1 where less is, 0 where neither."""

    title: str
    says: str
    better: int = 1


ABOUT: Final[dict[str, About]] = {
    "right": About("Right", "what the row expects: its answer, an abstention, a refusal, support or talk"),
    "wrong_when_served": About("Wrong when served", "of the answers served, those that are wrong", -1),
    "wrong": About("Wrong", "of all rows that say what they expect, those answered wrongly", -1),
    "abstained_rightly": About("Abstained rightly", "of rows that no source answers, those abstained from"),
    "abstained_wrongly": About("Abstained wrongly", "of rows that expect something else, those abstained from", -1),
    "refused_wrongly": About("Refused wrongly", "of rows that expect no refusal, those refused", -1),
    "padded": About("Padded", "answers of more than three sentences or 450 characters", -1),
    "answer_hit": About("Answer found", "an answer stands in the reply"),
    "groundedness": About("Groundedness", "replies of which every claim is supported, over replies with claims"),
    "informativeness": About("Informativeness", "replies with claims that are all supported, over all replies"),
    "citation_accuracy": About("Citation accuracy", "replies that name a source, over replies with claims"),
    "claims_cited": About("Claims cited", "claims that a citation follows"),
    "citation_recall": About("Citation recall (ALCE)", "sentences that their citations support together"),
    "citation_precision": About("Citation precision (ALCE)", "citations that their sentence needs"),
    "helpfulness": About("Helpfulness", "informative replies that answer and are not known to be wrong"),
    "sensible": About("Sensible", "makes sense in its context"),
    "specific": About("Specific", "sensible, and specific to this context"),
    "interesting": About("Interesting", "specific, and catches the attention"),
    "quality": About("Quality (SSI)", "mean of sensible, specific and interesting"),
    "safety": About("Safety", "violates no objective of the policy"),
    "role_consistency": About("Role consistency", "what the agent in its role would say"),
    "false_abstention": About("Abstained though answered", "of rows with an answer, those abstained from", -1),
    "abstention_rate": About("Abstained without an answer", "of rows without an answer, those abstained from"),
    "source_hit": About("Source found", "the source that answers is cited"),
    "refusal_rate": About("Refused", "replies that decline for safety", 0),
    "reference_recall": About("Reference recall", "of what a person answered, the share that the reply says"),
    "reference_precision": About("Reference precision", "of the reply, the share that a person's answer supports"),
    "auroc": About("AUROC", "a supported response scores above an unsupported one"),
    "overlap_auroc": About("AUROC of word overlap", "the same of shared words, the plain baseline", 0),
    "auprc": About("AUPRC", "average precision of the supported"),
    "balanced_accuracy": About("Balanced accuracy", "mean of the recall of both classes"),
    "f1": About("F1", "at the judge's threshold"),
    "precision": About("Precision", "of those called supported, the share that is"),
    "recall": About("Recall", "of the supported, the share called so"),
    "calibration_error": About("Calibration error", "mean gap of probability and share", -1),
    "supported_rate": About("Called supported", "responses that the judge calls supported", 0),
    "correct": About("Called rightly", "responses called as their label says"),
    "called": About("Called supported", "responses that the judge calls supported", 0),
    "p_sensible": About("P(sensible)", "the judge's probability"),
    "p_specific": About("P(specific)", "the judge's probability"),
    "p_interesting": About("P(interesting)", "the judge's probability"),
    "p_answers_it": About("P(answers)", "the judge's probability"),
    "p_grounded": About("P(grounded)", "the judge's probability that all of a reply is supported"),
    "score": About("P(grounded)", "the judge's probability that all of a response is supported"),
    "overlap": About("Word overlap", "share of the content words that stand in the evidence", 0),
    "words": About("Words", "of a reply", 0),
    "claims": About("Claims", "of a reply", 0),
    "seconds": About("Seconds", "of a turn", -1),
    "bad_citations": About("Bad citations", "marks that lead nowhere", -1),
}


def about(name: str) -> About:
    """Return a metric in words, its name where nothing is known of it; what violates an objective less is better."""
    if name.startswith("not "):
        return About(f"Safe: {name.removeprefix('not ').replace('_', ' ')}", "does not violate this objective")
    if name.startswith(("tokens ", "stage ")):
        return About(name.capitalize(), "of a turn", -1)
    return ABOUT.get(name, About(name.replace("_", " ").capitalize(), "", 0))
