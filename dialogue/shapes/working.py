"""What is worked out from the likeliest facts of each part of a plan, or from all rows like the likeliest."""

import re
from collections.abc import Sequence
from typing import Final

from dialogue.shapes.facts import BORN, CAME, DIED, FOUNDED, Fact, is_about, like, mentions, name_of, usable, value_of
from dialogue.shapes.plan import Plan, Value
from dialogue.shapes.rows import cells
from dialogue.units import setting
from retrieval.types import Passage

SHOWN: Final = 4  # facts of a superlative that are all quoted; of more the winner alone
LIKELY: Final = 0.03  # the least probability that a fact answers a part, for anything to be worked out from it

_BORN = re.compile(r"when (?:was|were) .+ born\b", re.IGNORECASE)
_DIES = re.compile(r"when did .+ die\b", re.IGNORECASE)


def says_itself(plan: Plan, row: Sequence[Fact]) -> bool:
    """Say whether one of the likely facts states what a plan would work out: "Card for ten lessons: 243 pounds"."""
    saying = re.compile(plan.stated, re.IGNORECASE) if plan.stated else None
    return saying is not None and any(
        fact.probability >= LIKELY and saying.search(fact.text) and value_of(fact, plan, "", plan.parts[0])
        for fact in row
    )


def each(plan: Plan, ranked: Sequence[Sequence[Fact]]) -> tuple[str, list[Fact]] | None:
    """Return what is worked out from the best fact of each part that names its thing and states a value, with these
    facts. Where no beginning is told, things are compared by the days when they came to where they are."""
    founded = any("established" in part for part in plan.parts)
    ways = [FOUNDED, *([CAME] if plan.kind == "compare" else [])] if founded else [None]
    return next((made for way in ways if (made := _each(plan, ranked, way))), None)


def _each(plan: Plan, ranked: Sequence[Sequence[Fact]], dated: re.Pattern[str] | None) -> tuple[str, list[Fact]] | None:
    assert plan.work is not None
    values: list[Value] = []
    quoted: list[Fact] = []
    for part, about, row in zip(plan.parts, plan.about, ranked, strict=True):
        found = next(
            (
                (value, fact)
                for exactly in (True, False)
                for fact in row
                if usable(fact) and is_about(about, fact, exactly) and fact.probability >= LIKELY
                if "established" not in part or dated is None or dated.search(fact.text)
                if not _BORN.match(part) or BORN.search(fact.text)
                if not _DIES.match(part) or DIED.search(fact.text)
                if (value := value_of(fact, plan, about if plan.kind == "compare" else fact.text, part))
                if plan.kind == "compare" or value.said not in [other.said for other in values]
            ),
            None,
        )
        if found is None:
            return None
        values.append(found[0])
        quoted.append(found[1])
    sentence = plan.work(values)
    return (sentence, quoted) if sentence else None


def rows_like(plan: Plan, rows: Sequence[Fact], passages: Sequence[Passage]) -> tuple[str, list[Fact]] | None:
    """What is worked out from all rows like the best one that states a value of a thing of the kind."""
    assert plan.work is not None
    [noun], [asked] = plan.about, plan.parts
    kind = noun.split()[-1]
    asked = re.sub(rf"\bthe {re.escape(noun)}\b", "it", asked)  # a column of that name tells which it is, not how much
    fits = [
        fact
        for fact in rows
        if usable(fact) and mentions(kind, setting(fact.offer)) and value_of(fact, plan, "", asked)
    ]
    if not fits:
        return None
    values, quoted = dict[str, Value](), dict[str, Fact]()
    for fact in like(fits[0], fits, passages, kind):
        name = name_of(fact, kind)
        if name in values:  # rows of one name are told apart by their first cells
            name = f"{name} ({next(iter(cells(fact.offer.text).values()), '')})"
        value = value_of(fact, plan, name, asked)
        if name and value and name not in values:
            values[name], quoted[name] = value, fact
    sentence = plan.work(list(values.values())) if len(values) > 1 else ""
    if not sentence:
        return None
    winner = [fact for name, fact in quoted.items() if won(name, sentence)]
    return sentence, list(quoted.values()) if len(quoted) <= SHOWN else winner


def won(name: str, sentence: str) -> bool:
    """Say whether a sentence of what is the most names that thing."""
    return any(f", {name} {verb} the " in sentence for verb in ("is", "has"))
