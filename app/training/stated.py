"""What rules, manuals and notices say, asked for in words of people's own, for the reader.

`statements.txt` holds them, `statements_held.txt` those that are not learnt from. The words of the questions are seldom
those of the statements, which stand in no order on a page. About half of the pages do not hold what is asked for.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from app.training.asked import Asked
from app.training.values import value_of
from retrieval.reading import Page

_TITLES = (
    "House rules", "Handbook", "Information for visitors", "Manual", "Notice", "Minutes", "Regulations", "FAQ", "Guide",
    "Members' letter", "Recipe", "Instructions", "About us", "Terms", "",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Statement:
    """A fact without a name: its kind of value, how people ask for it, and how it is written."""

    value: str
    asked: tuple[str, ...]
    said: tuple[str, ...]


def statements(held: bool = False) -> list[Statement]:
    """Return those of `statements.txt`, or those `held` back from training."""
    name = "statements_held.txt" if held else "statements.txt"
    lines = Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        if line and not line.startswith("#"):
            value, asked, said = (part.strip() for part in line.split("|"))
            found.append(Statement(value, *(tuple(form.strip() for form in part.split(";")) for part in (asked, said))))
    return found


def stated(count: int, seed: int = 0, held: bool = False) -> Iterator[Asked]:
    """Yield `count` questions on pages of statements, of those `held` back or of the others."""
    rng, known = random.Random(seed), statements(held)
    for _ in range(count):
        yield _posed(known, rng)


def _posed(known: list[Statement], rng: random.Random) -> Asked:
    wanted, *others = rng.sample(known, rng.randrange(3, 9))
    shown = others if rng.random() < 0.4 else [wanted, *others]
    rng.shuffle(shown)
    mark, end = rng.choice((("", " "), ("", " "), ("", "\n"), ("- ", "\n")))
    text, place = "", None
    for statement in shown:
        before, value, after = _said(statement, rng)
        text += mark + before
        if statement is wanted:
            place = (len(text), len(text) + len(value))
        text += value + after + end
    question = rng.choice(wanted.asked)
    page = Page(text.rstrip(), rng.choice(_TITLES))
    return Asked(question, page, (place,) if place else (), float(place is not None), 1.0 if place else 0.2)


def _said(statement: Statement, rng: random.Random) -> tuple[str, str, str]:
    """What stands before the value, the value, what stands after it."""
    form = rng.choice(statement.said)
    if statement.value == "-":
        before, _, rest = form.partition("«")
        value, _, after = rest.partition("»")
    else:
        before, _, after = form.partition("{v}")
        value = value_of(statement.value, rng)
    return (before, value, after) if before else ("", value[:1].upper() + value[1:], after)
