"""What raters answer about replies by the paper's questions, what most of them say, and where they disagree."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import delete, select

from app.errors import InputError
from app.store.database import Database
from app.store.tables import AnnotationRow, TurnRow

QUESTIONS: Final = ("sensible", "specific", "interesting", "grounded", "safe", "helpful")
ABOVE: Final = {"specific": "sensible", "interesting": "specific"}  # not asked where that is not so, and then no
LONGEST: Final = 60  # characters of a rater's name
Answers = Mapping[str, bool | None]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What one rater answered about the reply of a turn, by QUESTIONS; None where a question does not apply."""

    turn: int
    rater: str
    answers: Answers


class Annotations:
    """The annotations of one database. Every method raises DataError when the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, turn: int, rater: str, answers: Answers) -> None:
        """Store what a rater answers, in place of what they answered before.

        Raises InputError for an unknown turn, an empty or long name, an unknown question, or where sensible or safe is
        left open.
        """
        name = named(rater)
        if unknown := set(answers) - set(QUESTIONS):
            raise InputError(f"{', '.join(sorted(unknown))} is not asked: the questions are {', '.join(QUESTIONS)}")
        if any(answers.get(question) is None for question in ("sensible", "safe")):
            raise InputError("say of every reply whether it is sensible and whether it is safe")
        with self._database.write() as session:
            if session.get(TurnRow, turn, with_for_update=True) is None:
                raise InputError(f"there is no turn {turn!r}")
            mine = (AnnotationRow.turn_id == turn) & (AnnotationRow.rater == name)
            session.execute(delete(AnnotationRow).where(mine))
            told = cascaded(answers)
            session.add(AnnotationRow(turn_id=turn, rater=name, created_at=datetime.now(UTC), **told))

    def by(self, rater: str) -> dict[int, Annotation]:
        """Return the annotations of one rater, by turn."""
        with self._database.read() as session:
            rows = session.scalars(select(AnnotationRow).where(AnnotationRow.rater == named(rater))).all()
        return {row.turn_id: _annotation(row) for row in rows}

    def of(self, turns: Sequence[int] | None = None) -> dict[int, list[Annotation]]:
        """Return the annotations of these turns, or of all, by turn and each in the order of the raters' names."""
        query = select(AnnotationRow).order_by(AnnotationRow.turn_id, AnnotationRow.rater)
        if turns is not None:
            query = query.where(AnnotationRow.turn_id.in_(turns))
        found: dict[int, list[Annotation]] = {}
        with self._database.read() as session:
            for row in session.scalars(query):
                found.setdefault(row.turn_id, []).append(_annotation(row))
        return found

    def sample(self, most: int, seed: int) -> list[int]:
        """Return up to `most` turns that have a reply and are shown, in an order that only the seed decides."""
        query = select(TurnRow.id).where(TurnRow.state == "done", ~TurnRow.hidden)
        with self._database.read() as session:
            turns = session.scalars(query).all()
        return sorted(turns, key=lambda turn: hashlib.sha256(f"{seed} {turn}".encode()).digest())[:most]


def named(rater: str) -> str:
    """Return a rater's name without spaces around it. Raises InputError where it is empty or long."""
    name = " ".join(rater.split())
    if not name or len(name) > LONGEST:
        raise InputError(f"a rater's name has 1 to {LONGEST} characters")
    return name


def cascaded(answers: Answers) -> dict[str, bool | None]:
    """Return an answer to every question; what is not sensible is not specific, and so on down."""
    told = {question: answers.get(question) for question in QUESTIONS}
    for below, above in ABOVE.items():
        if told[above] is False:
            told[below] = False
    return told


def majority(annotations: Sequence[Annotation]) -> dict[str, bool]:
    """Return what more than half of the raters say, by question; a tie, or what nobody was asked, is left out."""
    counted = counts(annotations)
    return {question: yes > no for question, (yes, no) in counted.items() if yes != no}


def disagreement(annotations: Sequence[Annotation]) -> dict[str, float]:
    """Return the share of raters who say the rarer thing, by question: 0 where all agree, 0.5 at a tie."""
    return {question: min(pair) / sum(pair) for question, pair in counts(annotations).items()}


def counts(annotations: Sequence[Annotation]) -> dict[str, tuple[int, int]]:
    """Return how many say yes and how many no, by the questions that anybody answered."""
    said = {question: [one.answers[question] for one in annotations] for question in QUESTIONS}
    found = {question: (answers.count(True), answers.count(False)) for question, answers in said.items()}
    return {question: pair for question, pair in found.items() if any(pair)}


def _annotation(row: AnnotationRow) -> Annotation:
    return Annotation(row.turn_id, row.rater, {question: getattr(row, question) for question in QUESTIONS})
