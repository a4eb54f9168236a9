"""A reply as rows and back, exactly or not at all: rows that do not match their checksums are no reply.

A passage is written once per turn, with the evidence it came from; claims and citations name it by rank.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.library.checksums import WORKING, of_turn, of_working
from app.store.jsonform import Json, from_json, to_json
from app.store.tables import Base, CandidateRow, CitationRow, EvidenceRow, PictureRow, TurnRow
from dialogue.types import Candidate, Citation, Claim, Outcome, Reply, Scores, Trace, Turn
from retrieval.types import Evidence, Kind, Passage
from safety.types import Verdict

_OLD_TOOLS: Final = 1 << 32  # of what tools and pages said, the ids lay beyond; those of pictures counted down from -1
Beside = dict[type[Base], list[dict[str, Any]]]  # rows that are about to be stored, by table
Rows = TypeVar("Rows", EvidenceRow, CandidateRow, CitationRow, PictureRow)


@dataclass(frozen=True, slots=True)
class Working:
    """What stands beside a turn: its reply, None unless it is done, and the names of its pictures.

    Of a turn that is not `whole`, because its rows do not match their checksums, it has neither.
    """

    whole: bool
    reply: Reply | None = None
    pictures: tuple[str, ...] = ()


def reply_rows(turn: int, reply: Reply) -> tuple[dict[str, Any], Beside]:
    """Return the columns of the turn's own row and the rows beside it, by table."""
    trace = reply.trace
    found = [(evidence, None) for evidence in trace.evidence] + list(trace.withheld)
    ranks = {evidence.passage: rank for rank, (evidence, _) in reversed(list(enumerate(found)))}
    rows: Beside = {
        EvidenceRow: [
            {
                "turn_id": turn,
                "rank": rank,
                "source": evidence.passage.source,
                "passage": to_json(evidence.passage),
                "score": evidence.score,
                "similarity": evidence.similarity,
                "probability": evidence.probability,
                "withheld": reason,
            }
            for rank, (evidence, reason) in enumerate(found)
        ],
        CandidateRow: [_candidate_row(turn, rank, draft, ranks) for rank, draft in enumerate(trace.candidates)],
        CitationRow: [_citation_row(turn, rank, cited, ranks) for rank, cited in enumerate(reply.citations)],
    }
    columns: dict[str, Any] = {
        "reply": reply.text,
        "outcome": reply.outcome,
        "asked": to_json(trace.asked),
        "query": trace.query,
        "queries": list(trace.queries),
        "rounds": trace.rounds,
        "timings": dict(trace.timings),
        "model": trace.model,
        "judges": trace.judges,
        "policy": trace.policy,
        "notes": list(trace.notes),
        "role": trace.role,
        "research": to_json(trace.research),
        "tokens": dict(trace.tokens),
        "prompt": trace.prompt or None,
    }
    return columns, rows


def load_working(session: Session, turns: Sequence[TurnRow]) -> dict[int, Working]:
    """Return what stands beside each of these turns by turn id, with four queries for them all."""
    ids = [turn.id for turn in turns]
    evidence = _by_turn(session, EvidenceRow, ids)
    candidates = _by_turn(session, CandidateRow, ids)
    citations = _by_turn(session, CitationRow, ids)
    pictures = _by_turn(session, PictureRow, ids)
    found: dict[int, Working] = {}
    for turn in turns:
        rows = evidence.get(turn.id, []), candidates.get(turn.id, []), citations.get(turn.id, [])
        sent = pictures.get(turn.id, [])
        if of_turn(turn) != turn.checksum or of_working(*rows, sent) != turn.working_checksum:
            found[turn.id] = Working(whole=False)
            continue
        reply = _reply(turn, *rows) if turn.state == "done" else None
        found[turn.id] = Working(True, reply, tuple(picture.name for picture in sent))
    return found


def _by_turn(session: Session, table: type[Rows], ids: Sequence[int]) -> dict[int, list[Rows]]:
    grouped: dict[int, list[Rows]] = {}
    rank: Any = getattr(table, WORKING[table][0])
    for first in range(0, len(ids), 500):  # databases bound the number of parameters
        query = select(table).where(table.turn_id.in_(ids[first : first + 500]))
        for row in session.scalars(query.order_by(table.turn_id, rank)):
            grouped.setdefault(row.turn_id, []).append(row)
    return grouped


def _reply(
    turn: TurnRow,
    evidence: Sequence[EvidenceRow],
    candidates: Sequence[CandidateRow],
    citations: Sequence[CitationRow],
) -> Reply:
    passages = [from_json(Passage, _of_a_kind(row.passage)) for row in evidence]
    found = [
        (Evidence(passage, row.score, row.similarity, row.probability), row.withheld)
        for passage, row in zip(passages, evidence, strict=True)
    ]
    trace = Trace(
        asked=from_json(Verdict, turn.asked),
        query=turn.query or "",
        queries=tuple(turn.queries or ()),
        evidence=tuple(item for item, reason in found if reason is None),
        withheld=tuple((item, reason) for item, reason in found if reason is not None),
        candidates=tuple(_candidate(row, passages) for row in candidates),
        rounds=turn.rounds or 0,
        timings=turn.timings or {},
        model=turn.model or "",
        judges=turn.judges or "",
        policy=turn.policy or "",
        notes=tuple(turn.notes or ()),
        role=turn.role or "",
        research=from_json(tuple[Turn, ...], turn.research or []),
        tokens=turn.tokens or {},
        prompt=turn.prompt or "",
    )
    cited = tuple(_citation(row, passages) for row in citations)
    outcome: Outcome = turn.outcome  # type: ignore[assignment]
    return Reply(turn.reply or "", outcome, cited, trace, turn.conversation_id)


def _candidate_row(turn: int, rank: int, draft: Candidate, ranks: dict[Passage, int]) -> dict[str, Any]:
    scores = draft.scores
    return {
        "turn_id": turn,
        "rank": rank,
        "text": draft.text,
        "quality": draft.quality,
        "dropped": draft.dropped,
        "repaired": draft.repaired,
        "writer": draft.writer or None,
        "verdict": to_json(draft.verdict),
        "sensible": scores.sensible,
        "specific": scores.specific,
        "interesting": scores.interesting,
        "answers": scores.answers,
        "grounded": scores.grounded,
        "safe": scores.safe,
        "in_role": scores.in_role,
        "preferred": scores.preferred,
        "claims": [
            {**to_json(replace(claim, passage=None)), "passage": _written(claim.passage, ranks)}
            for claim in scores.claims
        ],
        "notes": list(scores.notes),
    }


def _candidate(row: CandidateRow, passages: Sequence[Passage]) -> Candidate:
    claims = tuple(
        from_json(Claim, {**claim, "passage": _restored(claim["passage"], passages)}) for claim in row.claims
    )
    scores = Scores(
        row.sensible,
        row.specific,
        row.interesting,
        row.answers,
        row.grounded,
        claims,
        tuple(row.notes),
        row.safe,
        row.in_role,
        row.preferred,
    )
    verdict = from_json(Verdict, row.verdict)
    return Candidate(row.text, verdict, scores, row.quality, row.dropped, row.repaired, row.writer or "")


def _citation_row(turn: int, rank: int, cited: Citation, ranks: dict[Passage, int]) -> dict[str, Any]:
    return {
        "turn_id": turn,
        "rank": rank,
        "number": cited.number,
        "source": cited.source,
        "title": cited.title,
        "headings": list(cited.headings),
        "place": cited.place,
        "passage": _written(cited.passage, ranks),
        "quote": cited.quote,
        "start": cited.start,
        "end": cited.end,
        "support": cited.support,
    }


def _citation(row: CitationRow, passages: Sequence[Passage]) -> Citation:
    return Citation(
        row.number,
        row.source,
        row.title,
        tuple(row.headings),
        row.place,
        from_json(Passage, _restored(row.passage, passages)),
        row.quote,
        row.start,
        row.end,
        row.support,
    )


def _written(passage: Passage | None, ranks: dict[Passage, int]) -> Json:
    """A passage as the rank of the evidence that holds it, else in full."""
    return None if passage is None else ranks[passage] if passage in ranks else to_json(passage)


def _restored(written: Json, passages: Sequence[Passage]) -> Json:
    return to_json(passages[written]) if isinstance(written, int) else _of_a_kind(written)


def _of_a_kind(written: Json) -> Json:
    """A passage with its kind; one stored before there were kinds has an id that tells it."""
    if written is None or "kind" in written:
        return written
    kind: Kind = "document"
    if written["id"] <= -_OLD_TOOLS:
        kind = "page" if written["source"].startswith(("http://", "https://")) else "tool"
    elif written["id"] < 0:
        kind = "picture"
    return {**written, "kind": kind}
