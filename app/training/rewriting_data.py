"""What the rewriter learns from: follow-ups with what people made of them, and follow-ups on invented things.

People's rewrites are QReCC's (Anantha et al. 2021) and GECOR's (Quan et al. 2019). Invented ones are of the kinds that
these hardly hold: another thing asked the same, another fact of the same thing, and new questions that hang on nothing.
"""

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.training.invented import Fact, Kind, _name, _upper, kinds
from app.training.quality_data import rows as lines
from app.training.quality_data import share
from app.training.smalltalk import PAIRS
from app.training.values import value_of
from dialogue.proposals import Said

HELD = 0.1  # of the conversations, kept apart to measure on
INVENTED = 4_000  # conversations on invented things
COMMON = 1_000  # on things without names
QRECC, GECOR = "qrecc_train4k_human", "gecor_camrest"
_OPENERS = ("", "", "And ", "and ", "But ", "And ", "Ok, and ", "So ")
_ABOUT = ("And {}?", "and {}?", "What about {}?", "How about {}?", "what about {}", "And what about {}?", "{}?")


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A question after the turns before it, and what it means when it stands alone."""

    said: tuple[Said, ...]
    question: str
    meant: str
    group: str


def people(data: Path, name: str) -> list[FollowUp]:
    """Return the follow-ups of a file of rewrites; of TREC CAsT only the user's turns are known."""
    alone = name.startswith("cast")
    return [_followed(row, name, alone) for row in lines(data / "rewriting" / f"{name}.jsonl.gz")]


def _followed(row: Mapping[str, Any], name: str, alone: bool) -> FollowUp:
    turns = row["context"]
    said = tuple(Said(text, alone or (len(turns) - place) % 2 == 0) for place, text in enumerate(turns))
    return FollowUp(said, row["question"], row["rewrite"], f"{name} {turns[0] if turns else row['question']}")


def common(count: int, seed: int = 0) -> Iterator[FollowUp]:
    """Yield follow-ups on things without names, of which like takes the place of like ("And for a horse?")."""
    rng = random.Random(seed)
    for _ in range(count):
        pattern, first, second = rng.choice(_PATTERNS)
        one, other = rng.sample(_THINGS[first], 2)
        of, another = rng.sample(_THINGS[second], 2)
        asked, answer = (
            pattern.format(_a(one, pattern), _a(of, pattern)),
            f"{_upper(_a(one, ''))}: {rng.randrange(3, 99)}.",
        )
        if rng.random() < 0.5:
            one, put = other, _a(other, "")
        else:
            of, put = another, _a(another, "")
        link = rng.choice(("for ", "")) if put == _a(another, "") and " for {1}" in pattern else ""
        if link or rng.random() < 0.7:
            question = rng.choice(_ABOUT).format(link + put)
        else:
            question = rng.choice(("{}s?", "And {}s?", "what about {}s")).format(put.split(maxsplit=1)[1])
        meant = pattern.format(_a(one, pattern), _a(of, pattern))
        yield _typed(FollowUp((Said(asked, user=True), Said(answer, user=False)), question, meant, "common"), rng)


def _a(noun: str, pattern: str) -> str:
    article = "the" if "the {0}" in pattern else "an" if noun[0] in "aeiou" else "a"
    return f"{article} {noun}"


_THINGS = {
    "animal": "horse cat parrot rabbit goat hamster tortoise pony donkey ferret budgie".split(),
    "care": "vaccination,check-up,blood test,dental clean,microchip,bath,worming,x-ray".split(","),
    "vehicle": "bicycle tricycle scooter moped lorry coach tractor caravan trailer canoe".split(),
    "work": "inspection,repair,respray,rental,brake test,oil change,polish,parking permit".split(","),
    "guest": "child,student,pensioner,member,visitor,soldier,group leader,adult".split(","),
    "ticket": "day ticket,guided tour,audio guide,locker,return ticket,season pass,reservation".split(","),
    "room": "studio,hall,office,kitchen,cellar,classroom,single room,double room".split(","),
    "stay": "cleaning,booking,deposit,cancellation,key,heating surcharge,late check-out".split(","),
}
_PATTERNS = [
    (pattern, first, second)
    for first, second in (("care", "animal"), ("work", "vehicle"), ("ticket", "guest"), ("stay", "room"))
    for pattern in (
        "How much is {0} for {1}?",
        "What does {0} for {1} cost?",
        "How long does {0} for {1} take?",
        "When can I get {0} for {1}?",
        "Do you offer {0} for {1}?",
        "Who is in charge of {0} for {1}?",
    )
]


def talk(before: Sequence[FollowUp], seed: int = 0) -> Iterator[FollowUp]:
    """Yield what people say that is no question on anything, after turns on something."""
    rng = random.Random(seed)
    for said, _ in PAIRS:
        for _ in range(3):
            yield FollowUp(rng.choice(before).said, said, said, "talk")


def strange(data: Path, before: Sequence[FollowUp], seed: int = 0) -> Iterator[FollowUp]:
    """Yield questions that hang on nothing (WikiQA's, Yang et al. 2015) after turns on something else."""
    rng = random.Random(seed)
    asked = dict.fromkeys(str(row["question"]) for row in lines(data / "retrieval" / "wikiqa.train.jsonl.gz"))
    for question in asked:
        said = rng.choice(before).said
        typed = rng.choice((question, f"{_upper(question)}?", f"{question.rstrip('?')}?"))
        yield FollowUp(said, rng.choice(_OPENERS[:3]) + typed, typed, f"wikiqa {question}")


def unanswered(rows: Sequence[FollowUp], seed: int = 0) -> Iterator[FollowUp]:
    """Yield the rows, a quarter of them without the replies, as where the user's questions are all that is known."""
    rng = random.Random(seed)
    for row in rows:
        alone = tuple(turn for turn in row.said if turn.user)
        yield FollowUp(alone, row.question, row.meant, row.group) if rng.random() < 0.25 else row


def held(row: FollowUp) -> bool:
    """Whether a conversation is kept apart."""
    return share(f"rewriting {row.group}") < HELD


def invented(count: int, seed: int = 0) -> Iterator[FollowUp]:
    """Yield follow-ups on invented things."""
    rng, known = random.Random(seed), kinds()
    while count > 0:
        made = _conversation(rng.choice(known), known, rng)
        if made:
            count -= 1
            yield _typed(made, rng)


def _conversation(kind: Kind, known: Sequence[Kind], rng: random.Random) -> FollowUp | None:
    pattern = rng.choice(kind.named)
    thing, other = _name(pattern, rng), _name(pattern if rng.random() < 0.8 else rng.choice(kind.named), rng)
    facts = rng.sample(kind.facts, min(3, len(kind.facts)))
    if thing == other or len(facts) < 2:
        return None
    person = "{person}" in pattern
    pronoun = rng.choice(("he", "she")) if person else "it"
    said: tuple[Said, ...] = _exchange(facts[0], thing, rng)
    if len(facts) > 2 and rng.random() < 0.35:
        question, meant = _referring(facts[2], thing, pronoun, rng)
        said = (
            *said,
            Said(meant if rng.random() < 0.7 else question, user=True),
            Said(_reply(facts[2], thing, rng), user=False),
        )
    way = rng.random()
    if way < 0.4:
        question, meant = _referring(facts[1], thing, pronoun, rng)
    elif way < 0.6 and len(said) == 2:
        question, meant = rng.choice(_ABOUT).format(_shortened(other, thing, rng)), _again(said[0].text, thing, other)
    elif way < 0.8:
        question, meant = _aspect(facts[1], thing, rng)
    else:
        strange = rng.choice(known)
        fact = rng.choice(strange.facts)
        alone = rng.choice(fact.asked).format(n=(name := _name(rng.choice(strange.named), rng)), N=_upper(name))
        question, meant = rng.choice(_OPENERS) + alone, alone
    return FollowUp(said, question, meant, "invented") if question and meant else None


def _exchange(fact: Fact, thing: str, rng: random.Random) -> tuple[Said, Said]:
    asked = _upper(rng.choice(fact.asked).format(n=thing, N=_upper(thing)))
    return Said(asked, user=True), Said(_reply(fact, thing, rng), user=False)


def _reply(fact: Fact, thing: str, rng: random.Random) -> str:
    said = rng.choice(fact.said if rng.random() < 0.7 else fact.further)
    return _upper(said.format(n=thing, N=_upper(thing), v=value_of(fact.value, rng)))


def _referring(fact: Fact, thing: str, pronoun: str, rng: random.Random) -> tuple[str, str]:
    """A question on another fact of the thing, which a pronoun stands for or nothing."""
    asked = rng.choice(fact.asked)
    meant = asked.format(n=thing, N=_upper(thing))
    owned = re.search(r"\{[nN]\}['’]s\b", asked)
    own = {"it": "its", "he": "his", "she": "her"}[pronoun]
    noun = re.match(r"(?:the|a) ([a-z]+) (?:at|in|to|of) ", thing)
    if owned:
        question = asked.replace(owned.group(), own)
    elif rng.random() < 0.35 and re.search(r" (?:of|for|at|in|on) (?:the )?\{n\}", asked):
        question = re.sub(r" (?:of|for|at|in|on) (?:the )?\{n\}", "", asked)
    elif noun and rng.random() < 0.3:
        question = asked.format(n=f"{rng.choice(('the', 'this', 'that'))} {noun[1]}", N=f"The {noun[1]}")
    else:
        objective = {"it": "it", "he": "him", "she": "her"}[pronoun]
        before = asked[: asked.casefold().index("{n}")].split() if "{n}" in asked.casefold() else []
        subject = bool(before) and before[-1].casefold() in _BEFORE_SUBJECT
        question = re.sub(r"\{[nN]\}", pronoun if subject else objective, asked)
    opener = rng.choice(_OPENERS)
    return opener + (question[:1].lower() + question[1:] if opener else question), meant


_BEFORE_SUBJECT = frozenset("do does did is are was were can could will has have had".split())


def _shortened(other: str, thing: str, rng: random.Random) -> str:
    """Another thing as one names it beside the first: whole, as "the one at X", or by what differs."""
    words, known = other.split(), thing.split()
    place = re.match(r"(the|a) ([a-z-]+) ((?:at|in|to|of|from|for) .+)", other)
    if place and f" {place[2]} " in thing and rng.random() < 0.7:
        return rng.choice((f"the one {place[3]}", place[3]))
    if rng.random() < 0.4 or len(words) != len(known):
        return other
    differs = [word for word, old in zip(words, known, strict=True) if word != old]
    if differs and all(word[:1].isupper() or word[:1].isdigit() for word in differs):
        kept = " ".join(differs)
        return rng.choice((kept, f"in {kept}" if "office" in other or "library" in other else kept))
    return other


def _again(question: str, thing: str, other: str) -> str:
    return question.replace(thing, other).replace(_upper(thing), _upper(other))


def _aspect(fact: Fact, thing: str, rng: random.Random) -> tuple[str, str]:
    """Another fact of the thing by its name alone: "And the rent?"."""
    fit = [asked for asked in fact.asked if fact.label.split()[-1] in asked.casefold()]
    if not fit:
        return "", ""
    asked = rng.choice(fit)
    article = re.search(rf"\b(the|a|an) (?:[a-z]+ )?{re.escape(fact.label)}\b", asked, re.IGNORECASE)
    name = article.group() if article else f"the {fact.label}"
    return rng.choice(_ABOUT[:-1]).format(name[:1].lower() + name[1:]), asked.format(n=thing, N=_upper(thing))


def _typed(row: FollowUp, rng: random.Random) -> FollowUp:
    """The follow-up, now and then as people type: without capitals or marks."""
    if rng.random() > 0.25:
        return row
    said = tuple(Said(turn.text.casefold().rstrip("?"), user=True) if turn.user else turn for turn in row.said)
    return FollowUp(said, row.question.casefold().rstrip("?"), row.meant, row.group)
