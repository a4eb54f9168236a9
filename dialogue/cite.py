"""Citation marks for a chosen draft: which sentence rests on which sentence of which source.

Marks come from the grounding judge alone, never from what a model wrote.
"""

import re

from dialogue.types import Candidate, Citation, Claim

MARK = re.compile(r"\s*[\[【]\d+(?:\s*[,–-]\s*\d+)*[\]】]")


def without_marks(text: str) -> str:
    """Remove citation marks such as ``[1]`` or ``[2, 3]`` that a model or an earlier reply wrote."""
    return MARK.sub("", text)


def cited(candidate: Candidate) -> tuple[str, tuple[Citation, ...]]:
    """Return the draft with a mark after each supported sentence, and the citations in order of first use."""
    numbers: dict[tuple[int, int, int], Citation] = {}
    pieces, place = [], 0
    for claim in candidate.scores.claims:
        if not claim.supported or claim.passage is None:
            continue
        key = (claim.passage.id, claim.quote_start, claim.quote_end)
        citation = numbers.setdefault(key, _citation(len(numbers) + 1, claim))
        pieces += [candidate.text[place : claim.end], f" [{citation.number}]"]
        place = claim.end
    pieces.append(candidate.text[place:])
    return "".join(pieces), tuple(numbers.values())


def _citation(number: int, claim: Claim) -> Citation:
    passage = claim.passage
    assert passage is not None
    return Citation(
        number=number,
        source=passage.source,
        title=passage.title,
        headings=passage.headings,
        place=passage.place,
        passage=passage,
        quote=passage.text[claim.quote_start : claim.quote_end],
        start=passage.start + claim.quote_start,
        end=passage.start + claim.quote_end,
        support=claim.support or 0.0,
    )
