"""What invented documents hold for values: names, amounts, dates, times and codes, drawn by their kind."""

import random
import tomllib
from collections.abc import Callable
from pathlib import Path

LISTS: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("invented.toml").read_text(encoding="utf-8"))[
    "values"
]  # what a value of a kind may be, where it is one of a few
_STARTS = "Al Bar Bel Cor Dar El Fen Gal Har Is Kel Lam Mor Nor Os Pen Quar Ros Sel Tor Ul Ver Wes Yar Zel".split()
_ENDS = (
    "borough by dale den field ford gate ham holm ley mere mond mouth ness stead ton vik wick worth ina osa ado".split()
)
_REAL = (
    "Oslo Bergen Porto Utrecht Lyon Graz Turin Cork Leeds Bath Ghent Malmö Tartu Vigo Lagos Quito Osaka Perth Austin "
    "Denver Geneva Basel Bonn Kiel Riga Split Nantes Dover Hull York Truro Oban Kirkwall Lerwick Bodø Turku"
).split()
FIRST = (
    "Ada Anton Bea Carl Dana Elif Emil Farid Greta Hugo Ines Ivan Jana Kofi Lena Luis Maya Nils Noor Olga Pavel Priya "
    "Rosa Sami Tess Tomas Una Viktor Wanda Xenia Yusuf Zoe"
).split()
WORDS = (
    "amber anchor apple aster autumn beacon birch blue bramble cedar chalk cherry clover copper coral crown dawn delta "
    "eagle ember falcon fern garnet granite harbour hazel heron indigo iris ivory jade juniper kestrel lantern lark "
    "lentil maple marble meadow nettle oak olive onyx orchid otter pearl pine poplar quartz raven river robin ruby "
    "saffron silver sparrow summit swift thistle tulip velvet walnut willow winter chess choir pottery walking bread "
    "sewing"
).split()
_MONTHS = "January February March April May June July August September October November December".split()
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()


def _money(rng: random.Random, top: float) -> str:
    amount = rng.choice(
        [round(rng.uniform(2, top)), round(rng.uniform(2, top) / 50) * 50 or 50, rng.randrange(2, 99) + 0.5]
    )
    shown = f"{amount:,.2f}" if amount % 1 else f"{amount:,.0f}"
    return rng.choice(["£{}", "€{}", "${}", "{} euros", "{} €", "{} pounds", "EUR {}"]).format(shown)


def _time(rng: random.Random) -> str:
    hour, minute = rng.randrange(6, 23), rng.choice((0, 0, 15, 30, 45, 10, 40))
    late = "pm" if hour > 11 else "am"
    return rng.choice([f"{hour}:{minute:02}", f"{(hour - 1) % 12 + 1}:{minute:02} {late}", f"{hour:02}.{minute:02}"])


def _date(rng: random.Random) -> str:
    day, month, year = rng.randrange(1, 29), rng.choice(_MONTHS), rng.randrange(1988, 2032)
    return rng.choice([f"{day} {month} {year}", f"{month} {day}, {year}", f"{day} {month}", f"{month} {year}"])


def code(rng: random.Random) -> str:
    """Draw an identifier, such as of a part or an error."""
    letters = "".join(rng.choices("ABCDEFGHKLMNPRSTUVWXYZ", k=rng.randrange(1, 4)))
    shape = rng.choice(["{a}{n}", "{a}-{n}", "{a}{m}-{n}-{b}", "{n}-{b}"])
    return shape.format(a=letters, n=rng.randrange(10, 9999), m=rng.randrange(1, 99), b=rng.choice("ABCDX"))


def _span(rng: random.Random) -> str:
    unit = rng.choice(("minutes", "hours", "days", "weeks", "months", "years"))
    number = rng.choice((2, 3, 4, 5, 6, 8, 10, 14, 20, 25, 30, 35, 45, 90, 120))
    words = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six", 8: "eight", 10: "ten"}
    return f"{words[number]} {unit}" if number in words and rng.random() < 0.5 else f"{number} {unit}"


def place_name(rng: random.Random) -> str:
    """Draw the name of a place: a real town, or an invented one."""
    return rng.choice(_REAL) if rng.random() < 0.4 else rng.choice(_STARTS) + rng.choice(_ENDS)


def person_name(rng: random.Random) -> str:
    """Draw the name of a person."""
    family = rng.choice(_STARTS) + rng.choice(("berg", "son", "ler", "shaw", "ova", "etti", "mann", "kin", "ard"))
    return f"{rng.choice(FIRST)} {family}"


_VALUES: dict[str, Callable[[random.Random], str]] = {
    "money": lambda r: _money(r, 80_000),
    "rent": lambda r: f"{_money(r, 20_000)} {r.choice(('a month', 'per month', 'monthly'))}",
    "fee": lambda r: "free" if r.random() < 0.05 else f"{_money(r, 90)}{r.choice(('', '', ' a year', ' per person'))}",
    "pence": lambda r: r.choice(["{}p", "{} cents", "£0.{}"]).format(r.randrange(20, 90)),
    "number": lambda r: str(r.choice((r.randrange(2, 30), r.randrange(30, 900)))),
    "date": _date,
    "year": lambda r: str(r.randrange(1780, 2026)),
    "month": lambda r: r.choice(_MONTHS),
    "time": _time,
    "day": lambda r: f"{r.choice(_DAYS)}s",
    "slot": lambda r: f"{r.choice(('every', 'on', 'each'))} {r.choice(_DAYS)} at {_time(r)}",
    "person": person_name,
    "span": _span,
    "town": place_name,
    "metres": lambda r: f"{r.randrange(2, 4000):,} {r.choice(('metres', 'm', 'feet'))}",
    "km": lambda r: f"{r.randrange(40, 700)} {r.choice(('km', 'kilometres', 'miles'))}",
    "kilos": lambda r: f"{r.randrange(2, 1500):,} {r.choice(('kg', 'kilograms', 'pounds'))}",
    "grams": lambda r: f"{r.randrange(2, 60)} {r.choice(('g', 'grams'))}",
    "kmh": lambda r: f"{r.randrange(2, 140)} {r.choice(('km/h', 'kilometres an hour', 'miles per hour'))}",
    "million": lambda r: f"{r.randrange(2, 4000)} million {r.choice(('km', 'kilometres', 'miles'))}",
    "thousands": lambda r: r.choice(["{:,}", "about {:,}", "some {:,}"]).format(r.randrange(200, 9_000_000)),
    "tonnes": lambda r: f"{r.randrange(2, 60)} {r.choice(('tonnes', 't'))}",
    "degrees": lambda r: f"{r.randrange(14, 24) * 10} {r.choice(('°C', 'degrees'))}",
    "percent": lambda r: f"{r.randrange(3, 99)} {r.choice(('%', 'per cent', 'percent'))}",
    "port": lambda r: str(r.randrange(1024, 60_000)),
    "memory": lambda r: f"{r.choice((2, 4, 8, 16, 24, 64))} GB",
    "phone": lambda r: r.choice(["0{} {}", "+44 {} {}", "ext. {1}"]).format(
        r.randrange(20, 99), r.randrange(1000, 999_999)
    ),
    "code": code,
    "room": lambda r: r.choice([f"room {r.randrange(1, 40)}", f"the {r.choice(WORDS).title()} Room", "the library"]),
    "address": lambda r: (
        f"{r.randrange(1, 180)} {r.choice(WORDS).title()} {r.choice(('Street', 'Lane', 'Road', 'Quay'))}"
    ),
    **{name: (lambda r, found=found: r.choice(found)) for name, found in LISTS.items()},  # type: ignore[misc]
}  # fmt: skip


def value_of(kind: str, rng: random.Random) -> str:
    """Draw a value of a kind, as it is written."""
    return _VALUES[kind](rng)
