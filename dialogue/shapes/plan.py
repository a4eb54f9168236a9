"""What a question of several facts asks for: its parts, what each is about, and what is worked out from them.

Plain data, made by the grammars beside this module before anything is searched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from dialogue.judges.quantities import Date, Quantity
from dialogue.shapes.words import Degree


@dataclass(frozen=True, slots=True)
class Value:
    """What a source states in answer to a part: a quantity or a date, the words it stands in, and whose it is."""

    label: str
    said: str
    quantity: Quantity | None = None
    date: Date | None = None

    @property
    def year(self) -> int:
        """The year, 0 for none."""
        if self.date is not None:
            return self.date.year
        return int(self.quantity.value) if self.quantity is not None and self.quantity.dimension == "year" else 0

    @property
    def measure(self) -> str:
        """What its quantity is in, "" for a date or none."""
        return self.quantity.kind if self.quantity is not None else ""

    @property
    def moment(self) -> float:
        """The year with the part of it that has passed by the day, as far as that is known."""
        return self.year + ((self.date.month - 1) / 12 + self.date.day / 372 if self.date and self.date.month else 0)


Fits = Callable[[Quantity], bool]
Work = Callable[[Sequence[Value]], str]  # the calculator's sentence of the values, "" where there is none


@dataclass(frozen=True, slots=True)
class Most:
    """What a superlative or a comparison asks of the rows of a table.

    `noun` is their kind, "" for persons, `said` what else is said of them, as where they are; `of` is what they have
    more or less of and `verb` what they do; `lasting` asks how long they have been what they are. `by` is the column by
    which they were compared, where that is not what the question says.
    """

    degree: Degree
    question: str
    noun: str = ""
    said: str = ""
    of: str = ""
    verb: str = ""
    lasting: bool = False
    by: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a question is answered from parts.

    `parts` are questions that stand alone, each searched and answered; `typed` what a part reads like without what it
    was completed with, "" where it needs that; `about` what each part is about, in the words of the question: a source
    has to name it. `work` makes the calculator's sentence of the values found, which are quantities that fit or, with
    `dates`, days and years; `money` says that they are sums of it. With `every`, the question with {} for a thing, all
    things of the kind are wanted that the first part is about. `most` is what is asked of the rows of tables, of which
    `ranked` makes the calculator's sentence. Nothing is worked out where a source says itself what the pattern `stated`
    finds: the price of a card for ten. There are `count`
    things of the kind, if that is known.
    """

    parts: tuple[str, ...]
    about: tuple[str, ...] = ()
    work: Work | None = None
    fits: Fits | None = None
    dates: bool = False
    money: bool = False
    every: str = ""
    kind: Literal["parts", "compare", "derive"] = "parts"
    typed: tuple[str, ...] = ()
    most: Most | None = None
    ranked: Callable[[Sequence[Value], Most], str] | None = None
    stated: str = ""
    count: int = 0

    @property
    def forms(self) -> tuple[tuple[str, ...], ...]:
        """What is searched for each part: as it is completed and as it was typed."""
        typed = self.typed or ("",) * len(self.parts)
        return tuple((part, own) if own else (part,) for part, own in zip(self.parts, typed, strict=True))
