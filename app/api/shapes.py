"""Replies as JSON: what a client is told of a reply beside its text, and how its tokens are counted."""

import re
from collections.abc import Sequence
from typing import Any, Final

from pydantic_core import to_json

from dialogue.types import Candidate, Citation, Claim, Reply, Trace, Turn
from retrieval.types import Evidence

Json = dict[str, Any]
_TOKEN: Final = re.compile(r"\w+|[^\w\s]")


def as_bytes(value: object) -> bytes:
    """Return JSON; a number that is not finite is null, and half a character becomes U+FFFD."""
    try:
        return to_json(value, inf_nan_mode="null")
    except ValueError:  # of half characters
        import json

        text = json.dumps(value, ensure_ascii=False, default=str)
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def told(reply: Reply, ignored: Sequence[str] = ()) -> Json:
    """What stands in the field `candor` of a reply: outcome, citations, trace, and where it is stored.

    `ignored` are the parameters of the request that changed nothing.
    """
    return {
        "outcome": reply.outcome,
        "conversation": reply.conversation or None,
        "citations": [citation_of(citation) for citation in reply.citations],
        "notes": list(reply.trace.remarks),
        "ignored": list(ignored),
        "trace": trace_of(reply.trace),
    }


def citation_of(citation: Citation) -> Json:
    """A numbered mark and the sentence behind it, with its offsets in the stored text of the source."""
    return {
        "number": citation.number,
        "source": citation.source,
        "title": citation.title,
        "headings": list(citation.headings),
        "place": citation.place,
        "quote": citation.quote,
        "start": citation.start,
        "end": citation.end,
        "support": citation.support,
    }


def trace_of(trace: Trace) -> Json:
    """The working behind a reply, without the texts of passages that nothing rests on."""
    return {
        "intent": trace.intent,
        "query": trace.query,
        "queries": list(trace.queries),
        "rounds": trace.rounds,
        "timings": trace.timings,
        "tokens": trace.tokens,
        "model": trace.model,
        "judges": trace.judges,
        "policy": trace.policy,
        "asked": {"safe": trace.asked.safe, "risk": trace.asked.risk, "objective": trace.asked.objective},
        "candidates": [candidate_of(candidate) for candidate in trace.candidates],
        "evidence": [_found(item) for item in trace.evidence],
        "withheld": [{**_found(item), "reason": reason} for item, reason in trace.withheld],
    }


def candidate_of(candidate: Candidate) -> Json:
    """A judged draft with its scores and, where it may not be served, the reason."""
    scores = candidate.scores
    return {
        "text": candidate.text,
        "writer": candidate.writer,
        "quality": candidate.quality,
        "dropped": candidate.dropped,
        "repaired": candidate.repaired,
        "risk": candidate.verdict.risk,
        "sensible": scores.sensible,
        "specific": scores.specific,
        "interesting": scores.interesting,
        "answers": scores.answers,
        "grounded": scores.grounded,
        "claims": [_claim(claim) for claim in scores.claims],
    }


def evidence_of(item: Evidence) -> Json:
    """A passage that was found, with its text and offsets."""
    passage = item.passage
    return {**_found(item), "text": passage.text, "start": passage.start, "end": passage.end}


def _found(item: Evidence) -> Json:
    passage = item.passage
    return {
        "passage": passage.id,
        "source": passage.source,
        "title": passage.title,
        "headings": list(passage.headings),
        "place": passage.place,
        "kind": passage.kind,
        "score": item.score,
        "similarity": item.similarity,
        "probability": item.probability,
    }


def _claim(claim: Claim) -> Json:
    passage = claim.passage
    quote = passage.text[claim.quote_start : claim.quote_end] if passage else ""
    return {
        "text": claim.text,
        "support": claim.support,
        "supported": claim.supported,
        "source": passage.source if passage else None,
        "quote": quote,
        "reason": claim.reason,
    }


def usage_of(turns: Sequence[Turn], reply: Reply, texts: Sequence[str]) -> tuple[int, int]:
    """Return how many tokens were read and written, as the model counts them.

    For models that do not count, words and signs: those of the conversation, and those of the `texts` that are given.
    """
    tokens = reply.trace.tokens
    if tokens.get("prompt"):
        return tokens["prompt"], tokens.get("sampled", 0)
    return sum(map(_count, (turn.text for turn in turns))), sum(map(_count, texts))


def _count(text: str) -> int:
    return len(_TOKEN.findall(text))
