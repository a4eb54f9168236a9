"""Invented documents of the kinds that people keep: rows, lists, notes and questions with answers, for the reader.

Many things of one kind stand side by side with the same facts, so that only the name tells whose value is asked for;
and a thing that is named may lack the fact. What there is to tell stands in `invented.toml`; names and values are
drawn.
"""

import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from app.training.asked import Asked
from app.training.values import FIRST, LISTS, WORDS, code, person_name, place_name, value_of
from retrieval.reading import Page

_TOLD = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
del _TOLD["values"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A fact that things of a kind have: how it is asked for, said, and said of what was named before."""

    label: str
    value: str
    asked: tuple[str, ...]
    said: tuple[str, ...]
    further: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of thing, see `invented.toml`."""

    named: tuple[str, ...]
    group: tuple[str, ...]
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Thing:
    """One of its kind with the values of its facts, by label."""

    name: str
    values: dict[str, str]


def kinds() -> list[Kind]:
    """Return the kinds of things of `invented.toml`."""
    return [
        Kind(tuple(k["named"]), tuple(k["group"]), tuple(map(_fact, k["facts"].strip().splitlines())))
        for k in _TOLD.values()
    ]


def _fact(line: str) -> Fact:
    label, value, *forms = (part.strip() for part in line.split("|"))
    asked, said, further = (tuple(form.strip() for form in part.split(";")) for part in forms)
    return Fact(label, value, asked, said, further)


def invented(count: int, seed: int = 0) -> Iterator[Asked]:
    """Yield `count` questions on invented pages, about half of which hold the answer."""
    rng, known = random.Random(seed), kinds()
    for _ in range(count):
        yield _posed(rng.choice(known), rng)


def _posed(kind: Kind, rng: random.Random) -> Asked:
    facts = rng.sample(kind.facts, rng.randrange(2, min(5, len(kind.facts)) + 1))
    pattern = rng.choice(kind.named)
    names = dict.fromkeys(
        _name(rng.choice(kind.named) if rng.random() < 0.2 else pattern, rng) for _ in range(rng.randrange(2, 8))
    )
    if "{code}" in pattern or "{model}" in pattern:  # codes that differ in a sign are things of their own
        names |= dict.fromkeys(_near(name, rng) for name in list(names)[:3] if rng.random() < 0.6)
    things = [Thing(name, {fact.label: value_of(fact.value, rng) for fact in facts}) for name in names]
    subject, fact = rng.choice(things), rng.choice(facts)
    fate = rng.random()
    shown = things
    if fate < 0.2 and len(things) > 1:  # the page is about others
        shown = [thing for thing in things if thing is not subject]
    elif fate < 0.45:  # the page says something else of it
        kept = {label: value for label, value in subject.values.items() if label != fact.label}
        shown = [replace(subject, values=kept) if thing is subject else thing for thing in things]
    page, place = rng.choice(_FORMS)(kind, shown, facts, subject, fact, rng)
    question = rng.choice(fact.asked).format(n=subject.name, N=_upper(subject.name))
    form = rng.random()
    if form < 0.12:
        question = f"{fact.label} {subject.name.removeprefix('the ')}"
    elif form < 0.22:
        question = _claimed(subject, fact, rng)
    named = subject in shown or any(thing.name == subject.name for thing in shown)
    return Asked(question, page, (place,) if place else (), float(bool(place)), 1.0 if place else 0.6 if named else 0.1)


def _claimed(subject: Thing, fact: Fact, rng: random.Random) -> str:
    """A statement of the fact to be confirmed, as often as not with another value than the true one."""
    value = subject.values[fact.label] if rng.random() < 0.5 else value_of(fact.value, rng)
    form = rng.choice(("{s}, right?", "{s}, isn't it?", "{s}?", "Is it true that {s}?", "is it right that {s}"))
    names = {"N": subject.name, "n": subject.name} if "that" in form else {"N": _upper(subject.name), "n": subject.name}
    return form.format(s=rng.choice(fact.said).format(v=value, **names).rstrip("."))


_COMMON_NOUNS = ("club", "group", "soup", "stew", "bread", "beetles", "server", "database", "service")


def _name(pattern: str, rng: random.Random) -> str:
    word = rng.choice(WORDS)
    return pattern.format(
        place=place_name(rng),
        place2=place_name(rng),
        person=person_name(rng),
        code=code(rng),
        number=rng.randrange(1, 400),
        word=word if pattern.endswith(_COMMON_NOUNS) else word.title(),
        model=f"{rng.choice('ABCGKLMRSTX')}{rng.randrange(1, 99)}",
        year=rng.randrange(2012, 2027),
        subject=rng.choice(LISTS["subject"]),
        version=f"{rng.randrange(1, 9)}.{rng.randrange(0, 9)}",
        thing1=rng.choice(LISTS["thing1"]),
    )


def _near(name: str, rng: random.Random) -> str:
    """The name with two neighbouring digits exchanged, or another digit or letter in the place of one."""
    digits = [place for place, sign in enumerate(name) if sign.isdigit()]
    if not digits:
        return name
    place = rng.choice(digits)
    if place + 1 in digits and name[place] != name[place + 1] and rng.random() < 0.5:
        return name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    other = rng.choice([sign for sign in "0123456789" if sign != name[place]])
    return name[:place] + other + name[place + 1 :]


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


Rendered = tuple[Page, tuple[int, int] | None]


class _Text:
    """A text as it grows, and the place of the value that is asked for."""

    def __init__(self) -> None:
        self.text, self.place = "", None  # type: tuple[str, tuple[int, int] | None]

    def add(self, form: str, value: str, wanted: bool, **names: str) -> None:
        before, _, after = form.partition("{v}")
        start = len(self.text) + len(before.format(**names))
        upper = _upper(value) if start == len(self.text) else value
        self.text += before.format(**names) + upper + after.format(**names)
        if wanted:
            self.place = (start, start + len(value))

    def page(self, title: str) -> Rendered:
        return Page(self.text.rstrip(), title), self.place


def _rows(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """Lines that name their columns, as the library writes tables; the name stands in any of the first columns."""
    text, column = _Text(), rng.choice(("name", "Name", kind.group[0].rstrip("s"), "item", "Item"))
    upper, at = rng.random() < 0.7, rng.choice((0, 0, 0, 1, 2))
    for thing in things:
        joint, told = "", [each for each in facts if each.label in thing.values]
        for each in (*told[:at], None, *told[at:]):
            if each is None:
                text.text += f"{joint}{column}: {thing.name.removeprefix('the ')}"
            else:
                label, wanted = _upper(each.label) if upper else each.label, thing.name == subject.name and each is fact
                text.add(f"{joint}{label}: {{v}}", thing.values[each.label], wanted)
            joint = " | "
        text.text += "\n"
    return text.page(rng.choice(kind.group))


def _lines(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """List lines: the thing, then its facts."""
    text, mark, dash = _Text(), rng.choice(("- ", "", "• ")), rng.choice((": ", " – ", ", "))
    labelled = rng.random() < 0.7
    for thing in things:
        text.text += mark + _upper(thing.name)
        joint = dash
        for each in facts:
            if each.label in thing.values:
                form = (
                    f"{joint}{each.label} {{v}}"
                    if labelled or each.value in ("number", "year", "fee")
                    else f"{joint}{{v}}"
                )
                text.add(form, thing.values[each.label], thing.name == subject.name and each is fact)
                joint = ", "
        text.text += "\n"
    return text.page(rng.choice(kind.group))


def _programme(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """Lines that begin with the value, as programmes and price lists do."""
    text, mark, joint = _Text(), rng.choice(("- ", "", "• ")), rng.choice((" ", ": ", " – ", "  "))
    for thing in things:
        if fact.label in thing.values:
            name = _upper(thing.name.removeprefix("the "))
            text.add(f"{mark}{{v}}{joint}{name}\n", thing.values[fact.label], thing.name == subject.name)
    return text.page(f"{rng.choice(kind.group)}: {fact.label}")


def _prose(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """Running text: each thing is named once, then gone on about."""
    text = _Text()
    for thing in things[: rng.randrange(2, 6)] if subject not in things[:2] else things[:4]:
        first = True
        for each in rng.sample(facts, len(facts)):
            if each.label in thing.values:
                form = rng.choice(each.said if first or rng.random() < 0.2 else each.further)
                wanted = thing.name == subject.name and each is fact
                text.add(form + " ", thing.values[each.label], wanted, n=thing.name, N=_upper(thing.name))
                first = False
    return text.page(rng.choice(kind.group) if rng.random() < 0.8 else "")


def _pairs(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """Questions with answers."""
    text = _Text()
    pairs = [(thing, each) for thing in things for each in facts if each.label in thing.values]
    wanted = [(thing, each) for thing, each in pairs if thing.name == subject.name and each is fact]
    others = [pair for pair in pairs if pair not in wanted]
    for thing, each in rng.sample(wanted + rng.sample(others, min(3, len(others))), len(wanted) + min(3, len(others))):
        question = rng.choice(each.asked).format(n=thing.name, N=_upper(thing.name))
        asks, says = rng.choice((("Q: ", "A: "), ("", ""), ("Question: ", "Answer: ")))
        text.text += f"{asks}{question}\n{says}"
        form = rng.choice(("{v}.", *each.further, *each.said))
        text.add(form + "\n", thing.values[each.label], (thing, each) in wanted, n=thing.name, N=_upper(thing.name))
    return text.page(rng.choice(("FAQ", "Questions and answers", *kind.group)))


def _headed(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """A section of one thing, which only its heading names."""
    text = _Text()
    thing = next((thing for thing in things if thing.name == subject.name), None) or rng.choice(things)
    for each in rng.sample(facts, len(facts)):
        if each.label in thing.values:
            form = rng.choice((*each.further, f"{_upper(each.label)}: {{v}}."))
            wanted = thing.name == subject.name and each is fact
            text.add(form + " ", thing.values[each.label], wanted, n=thing.name, N=_upper(thing.name))
    return text.page(f"{rng.choice(kind.group)}: {_upper(thing.name)}")


def _settings(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """A paragraph that gives all values of one fact, thing by thing: "the one costs 3, the other 5"."""
    text = _Text()
    told = [each for each in facts if each is fact or rng.random() < 0.5]
    for each in told:
        having = [thing for thing in things if each.label in thing.values]
        text.text += f"{_upper(each.label)}: " if having else ""
        for place, thing in enumerate(having):
            wanted = thing.name == subject.name and each is fact
            text.add(f"{thing.name} {{v}}", thing.values[each.label], wanted)
            text.text += "; " if place + 1 < len(having) else ".\n"
    return text.page(rng.choice(kind.group))


def _bare(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """A table whose first row names the columns."""
    text, mark = _Text(), rng.choice((" | ", " | ", "\t", ", "))
    upper = rng.random() < 0.7
    names = [rng.choice(("Name", "", "Item")), *((_upper(each.label) if upper else each.label) for each in facts)]
    text.text += mark.join(names) + "\n"
    for thing in things:
        text.text += _upper(thing.name.removeprefix("the "))
        for each in facts:
            value = thing.values.get(each.label, rng.choice(("-", "", "n/a")))
            wanted = thing.name == subject.name and each is fact and each.label in thing.values
            text.add(mark + "{v}", value, wanted)
        text.text += "\n"
    return text.page(rng.choice(kind.group))


def _chat(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """Messages of a chat, each with its time and who wrote it."""
    text, day = _Text(), f"{rng.randrange(1, 29):02}/{rng.randrange(1, 13):02}/{rng.randrange(2019, 2027)}"
    people = [rng.choice(FIRST) for _ in range(3)]
    stamp = rng.choice(("[{d}, {t}] {p}: ", "{t} {p}: ", "{p} ({t}): ", "{p}: "))
    if rng.random() < 0.4:  # somebody asks the same, which is no answer
        asked = rng.choice(fact.asked).format(n=subject.name, N=subject.name).rstrip("?").lower()
        text.text += stamp.format(d=day, t=f"{rng.randrange(7, 23)}:{rng.randrange(60):02}", p=people[0]) + asked + "\n"
    for thing in things[:4] if subject in things[:4] else [*things[:3], *(t for t in things if t.name == subject.name)]:
        for each in rng.sample(facts, min(len(facts), 2)) if thing.name != subject.name else facts:
            if each.label in thing.values:
                text.text += stamp.format(
                    d=day, t=f"{rng.randrange(7, 23)}:{rng.randrange(60):02}", p=rng.choice(people)
                )
                form = rng.choice(each.said).rstrip(".")
                if rng.random() < 0.7:
                    form = form.replace("{N}", "{n}")
                wanted = thing.name == subject.name and each is fact
                text.add(form + "\n", thing.values[each.label], wanted, n=thing.name, N=_upper(thing.name))
    return text.page(rng.choice(("", "Chat", *kind.group)))


def _spoken(
    kind: Kind, things: list[Thing], facts: list[Fact], subject: Thing, fact: Fact, rng: random.Random
) -> Rendered:
    """What somebody says, written down without marks or capitals."""
    page, place = _prose(kind, things, facts, subject, fact, rng)
    plain = page.text
    for mark, other in ((". ", rng.choice(("  ", "; "))), (", ", "  ")):
        if len(mark) == len(other):
            plain = plain.replace(mark, other)
    return Page(plain.lower(), page.title), place


_FORMS = (_rows, _rows, _bare, _bare, _lines, _programme, _prose, _prose, _pairs, _headed, _settings, _chat, _spoken)
