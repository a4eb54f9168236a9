"""What users think of replies: ratings with a reason, and candidates that they took instead of what was served."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal, get_args

from sqlalchemy import delete, exists, or_, select, true

from app.errors import InputError
from app.store.database import Database
from app.store.tables import CandidateRow, CitationRow, ConversationRow, PreferenceRow, RatingRow, SourceRow, TurnRow

Reason = Literal["", "wrong", "unsupported", "unsafe", "padded", "refused", "other"]
REASONS: Final = get_args(Reason)
AGAINST: Final = ("wrong", "unsupported")  # reasons that speak against what a reply cites
LONGEST: Final = 2000  # characters of the words of a rating


@dataclass(frozen=True, slots=True)
class Rating:
    """What a user thinks of a reply: `good` or not, for which `reason`, and in what `words` of their own."""

    good: bool
    reason: Reason = ""
    words: str = ""


@dataclass(frozen=True, slots=True)
class Preference:
    """The text that a user preferred, the one it was preferred to, the question that both answer, and its turn."""

    question: str
    chosen: str
    rejected: str
    turn: int = field(default=0, compare=False)


class Opinions:
    """Ratings and preferences of one database. Every method raises DataError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rate(self, turn: int, rating: Rating | None) -> None:
        """Store what somebody thinks of a reply, in place of what was stored before; None takes it back.

        Raises InputError for an unknown turn or reason.
        """
        if rating and rating.reason not in REASONS:
            raise InputError(f"{rating.reason!r} is no reason: give one of {', '.join(filter(None, REASONS))}")
        with self._database.write() as session:
            if session.get(TurnRow, turn, with_for_update=True) is None:
                raise InputError(f"there is no turn {turn!r}")
            session.execute(delete(RatingRow).where(RatingRow.turn_id == turn))
            if rating:
                session.add(
                    RatingRow(
                        turn_id=turn,
                        good=rating.good,
                        reason=rating.reason,
                        words=rating.words[:LONGEST],
                        created_at=datetime.now(UTC),
                    )
                )

    def ratings(self, turns: Sequence[int] | None) -> dict[int, Rating]:
        """Return the ratings of these turns, or of all, that have one, by turn."""
        query = select(RatingRow) if turns is None else select(RatingRow).where(RatingRow.turn_id.in_(turns))
        with self._database.read() as session:
            rows = session.scalars(query).all()
        return {row.turn_id: Rating(row.good, row.reason, row.words) for row in rows}  # type: ignore[arg-type]

    def against(self, sources: Sequence[str], account: str | None = None) -> dict[str, int]:
        """Return, of these sources, how many more replies that cite one were found wrong or unsupported than good.

        A reply counts once, by the rating that it has now, and whoever gave it; of a document of one account, which
        `account` may see, only what was asked by that account counts.
        """
        if not sources:
            return {}
        mine = exists().where(SourceRow.name == CitationRow.source, SourceRow.account_id.is_not(None))
        owned = ConversationRow.account_id == account if account is not None else true()
        query = (
            select(RatingRow.turn_id, CitationRow.source, RatingRow.good)
            .join(CitationRow, CitationRow.turn_id == RatingRow.turn_id)
            .join(TurnRow, TurnRow.id == RatingRow.turn_id)
            .join(ConversationRow, ConversationRow.id == TurnRow.conversation_id)
            .where(CitationRow.source.in_(sources), or_(RatingRow.good, RatingRow.reason.in_(AGAINST)))
            .where(or_(~mine, owned))
            .distinct()
        )
        votes: Counter[str] = Counter()
        with self._database.read() as session:
            for _, source, good in session.execute(query):
                votes[source] += -1 if good else 1
        return {source: count for source, count in votes.items() if count > 0}

    def prefer(self, turn: int, chosen: int, rejected: int) -> None:
        """Store that a candidate of a turn was taken instead of another, both by rank. Raises InputError."""
        with self._database.write() as session:
            if any(session.get(CandidateRow, (turn, rank)) is None for rank in (chosen, rejected)):
                raise InputError(f"turn {turn!r} has no such candidates")
            session.add(PreferenceRow(turn_id=turn, chosen=chosen, rejected=rejected, created_at=datetime.now(UTC)))

    def taken(self, turns: Sequence[int]) -> set[int]:
        """Return those of these turns whose reply a user took instead of another."""
        with self._database.read() as session:
            return set(session.scalars(select(PreferenceRow.turn_id).where(PreferenceRow.turn_id.in_(turns))))

    def preferences(self) -> list[Preference]:
        """Return all preferences, the oldest first."""
        with self._database.read() as session:
            rows = session.scalars(select(PreferenceRow).order_by(PreferenceRow.id)).all()
            found = []
            for row in rows:
                chosen, rejected = (
                    session.get_one(CandidateRow, (row.turn_id, rank)).text for rank in (row.chosen, row.rejected)
                )
                found.append(Preference(session.get_one(TurnRow, row.turn_id).question, chosen, rejected, row.turn_id))
        return found
