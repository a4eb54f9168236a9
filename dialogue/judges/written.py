"""How likely it is that what a small language model wrote is right.

Such a model says readily of the thing asked about what the passage says of another, in a sentence that reads like an
answer. Three witnesses know better: the reader, by whether the draft holds the span that it finds likeliest; the other
drafts of the same model, by how far they say the same (Wang et al. 2022); and the judge of groundedness. A sum without
negative weights, fitted on drafts of the model that it judges, as LaMDA's discriminators were. It also adds to what it
copies ("31 desks and a roof terrace"): a draft with a word that neither the question nor the sentences it rests on have
is not right, nor is a row of a table, which such a model mixes with others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from dialogue.judges.facts import content_stems
from dialogue.judges.heads import Array, Head
from dialogue.judges.shipped import WEIGHTS, load_head
from dialogue.prompts import is_abstention
from dialogue.types import Claim, Context
from retrieval.reading import FAR, page_of
from retrieval.text import BAR, sentences

if TYPE_CHECKING:
    from retrieval.reader import PassageReader

FEATURES: Final = "written-1"  # span, agreement, answerable, grounded
SPANS: Final = 12  # of a passage
LONGEST: Final = 24  # tokens of a span
MOST: Final = 12.0  # by which one span counts as likelier than another
ALONE: Final = 0.5  # the agreement of a draft without others
SURE: Final = 0.005  # a probability is kept so far from 0 and 1 before it becomes a logit

Stems = frozenset[str]


@dataclass(frozen=True)
class WrittenScorer:
    """Probability that a draft of a small model is right."""

    reader: "PassageReader"
    head: Head

    @classmethod
    def load(cls, reader: "PassageReader", path: Path = WEIGHTS / "written.safetensors") -> "WrittenScorer":
        """Return the scorer with the weights that ship. Raises RetrievalError when they are missing or damaged."""
        return cls(reader, load_head(path))

    @property
    def fingerprint(self) -> str:
        """Identifies the weights."""
        return self.head.fingerprint

    def score(
        self,
        context: Context,
        drafts: Sequence[str],
        grounded: Sequence[float | None],
        claims: Sequence[Sequence[Claim]],
    ) -> list[float]:
        """Return one probability per draft, whose groundedness and claims are given."""
        found: list[float] = self.head(self.rows(context, drafts, grounded)).tolist() if drafts else []
        adds = [added(draft, made, context) for draft, made in zip(drafts, claims, strict=True)]
        return [0.0 if more else right for more, right in zip(adds, found, strict=True)]

    def rows(self, context: Context, drafts: Sequence[str], grounded: Sequence[float | None]) -> Array:
        """Return the rows (drafts, 4) that the head takes.

        By how many logits the likeliest span that the draft holds is likelier than any it does not hold, in a question
        of several parts the least of theirs; the mean share of what it says that the model's other drafts say too; the
        logit of the likeliest passage, and that of the groundedness.
        """
        asked = context.parts or (context.query,)
        spans = [self._spans(question, context) for question in asked]
        questions = [content_stems(question) for question in asked]
        said = [content_stems(draft) for draft in drafts]
        known = frozenset[str]().union(*questions)
        times = context.working.sampled
        samples = {text: None if is_abstention(text) else content_stems(text) - known for text in times}
        margins = [
            min(_margin(one, row, question) for row, question in zip(spans, questions, strict=True)) for one in said
        ]
        agreed = [_agreement(draft, one - known, samples, times) for draft, one in zip(drafts, said, strict=True)]
        likeliest = _logit(max((item.probability or 0.0 for item in context.evidence), default=0.0))
        borne = [_logit(value or 0.0) for value in grounded]
        return np.column_stack([margins, agreed, [likeliest] * len(drafts), borne]).astype(np.float32)

    def _spans(self, question: str, context: Context) -> list[tuple[float, Stems]]:
        """The likeliest spans of all passages with what they say, those without a word of their own left out."""
        pages = list(dict.fromkeys(page_of(i.passage) for i in context.evidence if i.passage.kind == "document"))
        found = []
        for page, reading in zip(pages, self.reader.read(question, pages), strict=True):
            for logit, start, end in reading.likely(SPANS, LONGEST):
                found.append((max(logit, -FAR), content_stems(page.text[start:end])))
        return found


def added(draft: str, claims: Sequence[Claim], context: Context) -> Stems:
    """Return the words of a draft that neither the question has nor the one sentence that each of its claims rests on.

    Of two sentences together a name of the one and a figure of the other would be taken. All words of a row of a table.
    """
    if BAR in draft:
        return content_stems(draft)
    asked = content_stems(" ".join((context.query, *context.parts)))
    found: Stems = frozenset()
    for claim in claims:
        said = content_stems(claim.text) - asked
        found |= min((said - borne for borne in _sentences(claim)), key=len, default=said)
    return found


def _sentences(claim: Claim) -> list[Stems]:
    """What the sentences say that a claim rests on, each with the title that it stands under."""
    if claim.passage is None:
        return []
    page, quote = page_of(claim.passage), claim.passage.text[claim.quote_start : claim.quote_end]
    return [content_stems(page.title) | content_stems(quote[start:end]) for start, end in sentences(quote)]


def _margin(said: Stems, spans: Sequence[tuple[float, Stems]], asked: Stems) -> float:
    held = max((logit for logit, span in spans if span <= said and span - asked), default=-FAR)
    other = max((logit for logit, span in spans if not span <= said), default=-FAR)
    return max(-MOST, min(MOST, held - other))


def _agreement(draft: str, said: Stems, samples: Mapping[str, Stems | None], times: Mapping[str, int]) -> float:
    """The mean share of words in common with the other samples, 0 with one that declines."""
    others = {text: max(0, times[text] - (text == draft)) for text in samples}
    count = sum(others.values())
    if not count:
        return ALONE
    alike = ((len(said & own) / max(1, len(said | own)) if own is not None else 0.0) for own in samples.values())
    return sum(share * others[text] for text, share in zip(samples, alike, strict=True)) / count


def _logit(probability: float) -> float:
    p = min(max(probability, SURE), 1 - SURE)
    return float(np.log(p / (1 - p)))
