"""Questions that compare: which of two is more, by how much, and which of all is the most.

By form alone: the two things, what is asked of each, and the calculator's sentence of what was found.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from dialogue.judges.facts import stem
from dialogue.judges.quantities import Quantity
from dialogue.shapes.outcomes import Asked, confirmed, extreme, verdict
from dialogue.shapes.parts import like
from dialogue.shapes.plan import Fits, Most, Plan, Value
from dialogue.shapes.words import DIMENSIONS, NUMBERS, Degree, degree, singular

_BE = r"(?:is|are|was|were)"
_VERB = rf"(?:{_BE}|has|have|had|does|do|did|costs?|weighs?|takes?|lasts?|gets?|comes?|offers?)"
_DOES = (  # what any verb may look like where a comparative or a superlative follows it
    rf"(?:{_VERB}|[a-z]{{2,}}(?:s|ed)|won|ran|sold|made|held|took|lost|got|gave|drew|wrote|built|paid|spent|drank|ate|grew|"
    r"stood|kept|led|sent|met|sang|drove|rode|swam|flew|brought)"
)
_WHICH = re.compile(
    rf"(?:and )?(?:which|what|who)(?: one)?(?: of (?:the|these) two)?(?: (?P<noun>[\w -]+?))??\s"
    rf"(?P<pred>{_DOES}\s.+?)\s*[,:;–-]\s*"
    r"(?P<a>.+?),? or (?P<b>.+)",
    re.IGNORECASE,
)
_EITHER = re.compile(rf"{_BE} (?P<a>.+?) or (?P<b>.+?) (?P<pred>(?:the )?\w+(?: to \w+)?)", re.IGNORECASE)
_THAN = re.compile(
    rf"(?:by )?how (?:much|many(?: \w+)?)"
    rf"(?P<more> (?:more|less|fewer)(?: (?!does|do|did|is|are|was|has)\w+)?| \w+er)? "
    rf"(?:{_BE}|does|do|did|has|have|had) "
    rf"(?P<a>.+?)(?: (?P<verb>have|cost|weigh|last|take|pay)(?P<place> (?:at|in|for|on|to|with) .+?)?)?"
    rf"(?P<late> more| less)? than (?P<b>.+)",
    re.IGNORECASE,
)
_BE_MORE = re.compile(rf"^(?:by )?how much (?:more|less) {_BE}\b", re.IGNORECASE)
_IS_THAN = re.compile(
    rf"(?:{_BE}|does|do|did|has|have|had) (?P<a>.+?) (?P<pred>(?:(?:cost|weigh|have|take|last)s? )?"
    r"(?:(?:more|less|fewer) [\w-]+|\w+er|worse|more|less)) than (?P<b>.+)",
    re.IGNORECASE,
)
_DIFFERENCE = re.compile(
    r"(?:what(?: is|'s| was)|how (?:big|large|great) is|calculate|tell me)? ?(?:the )?"
    r"(?:difference in |(?P<before>[\w-]+) difference )"
    r"(?P<noun>(?(before)|[\w -]+?)) ?between (?P<a>.+?) and (?P<b>.+)",
    re.IGNORECASE,
)
_MOST = re.compile(
    rf"(?:which|what|who)(?: of the)? ?(?P<noun>[\w -]*?) ?(?P<verb>{_DOES})(?: (?:the|its))? "
    r"(?P<most>most|least|\w+st)(?P<rest> [\w -]+)?",
    re.IGNORECASE,
)
_ONE_OF = re.compile(
    r"(?:which|what|who)(?: one)?(?P<of> (?:of|out of|among) (?:all )?(?:the|our|my|your|their|these|those)"
    rf"(?: (?P<count>{'|'.join(NUMBERS[1:10])}|\d+))?)(?= (?!two\b)[a-z])",
    re.IGNORECASE,
)
_WERE = re.compile(  # "In which month were the takings highest"
    rf"(?:in|on|at|for|during) (?:which|what) (?P<noun>[\w -]+?) {_BE} (?:the )?(?P<of>[\w -]+?) (?:the )?"
    r"(?P<most>most|least|fewest|\w+st)(?P<rest> [\w -]+)?",
    re.IGNORECASE,
)
_MORE_OF_TWO = re.compile(
    rf"(?:which|what) [\w -]+? {_DOES}(?: (?:the|a|an|its))? (?P<more>more|less|fewer|worse|[a-z]{{2,}}er)"
    r"(?P<rest> (?!.*\bthan\b)(?!.*\bor\b)[\w -]+)?",
    re.IGNORECASE,
)
_MOST_OF = {"more": "most", "less": "least", "fewer": "fewest", "worse": "worst", "elder": "eldest"}
_MOST_OF |= {"further": "furthest", "farther": "farthest"}
_RUNS = (
    r"(?:runs?|goes|go|leaves?|departs?|arrives?|opens?|closes?|starts?|begins?|ends?|finish(?:es)?|stays? open|"
    r"(?:gets?|comes?|is) (?:back|home)|returns?|sets? off)"
)
_WHEN = re.compile(
    rf"(?:which|what) (?P<noun>[\w -]+?) (?P<verb>{_RUNS})(?: the)? "
    r"(?P<most>latest|earliest|(?:most|least) (?:often|frequently))(?P<rest> [\w -]+)?",
    re.IGNORECASE,
)
_LASTED = re.compile(
    r"(?:(?P<who>who)|(?:which|what) (?P<noun>[\w -]+?)) (?:(?:has|have|had) (?:already )?(?:been|served|worked)|"
    r"is|was|were|served|stayed|reigned|ruled|worked)(?P<rest>(?: [\w'’-]+)*?)"
    r"(?: for)?(?: the)? (?P<most>longest|longer|shortest|shorter)(?P<more>(?: [\w'’-]+)*)",
    re.IGNORECASE,
)
_OFFICE = re.compile(r"\b(?:in|of) (?:office|power|service|post|charge)\b|\bbeen\b", re.IGNORECASE)
_ANYTHING = ("thing", "things", "item", "one", "article", "product")
_PLURAL = re.compile(r"\w+(?<!s)s|people|children|men|women", re.IGNORECASE)
_PLACE = re.compile(r" (?:of|in|at|on|for|from|to|with|near|around|that|which|you|we|I)\b")
_MONEY = re.compile(r"price|cost|fee|fare|rent|charge|salary|deposit", re.IGNORECASE)


def read_comparison(question: str) -> Plan | None:
    """Return how a question that compares is answered, None for any other."""
    text = re.sub(r"^(what|who|which)['’]s\b", r"\1 is", " ".join(question.split()).rstrip("?!. "), flags=re.IGNORECASE)
    if lasting := _of_lasting(text):
        return lasting
    if one := _ONE_OF.match(text):
        text = f"{text[: one.start('of')]}{text[one.end() :]}"
    for pattern, asked_of in (
        (_DIFFERENCE, _of_difference),
        (_THAN, _of_than),
        (_WHICH, _of_which),
        (_EITHER, _of_which),
    ):
        match = pattern.fullmatch(text)
        asked = asked_of(match) if match else None
        if match and asked:
            noun, who = match.groupdict().get("noun") or "", text[:4].casefold() == "who "
            if pattern is _WHICH and ", " in match["a"]:
                things = (*match["a"].split(", "), match["b"])
                plan = _several(things, asked, noun, who)
                return _ranked(plan, asked, text, extreme)
            return _ranked(_two(match["a"], match["b"], asked, noun, who), asked, text, verdict)
    match = _IS_THAN.fullmatch(text)
    asked = _of_words(match["pred"].split()) if match else None
    if match and asked and (plan := _two(match["a"], match["b"], asked, "", who=False)):
        return _ranked(replace(plan, work=partial(confirmed, asked=asked)), asked, text, confirmed)
    match = _WHEN.fullmatch(text)
    if match and (found := _frequent(match["most"]) or degree(match["most"])):
        asked = Asked(f"How {found.adjective} does {{}} {match['verb']}?", found)
        plan = _all(match["noun"], asked)
        return _ranked(plan, asked, text, extreme, match["noun"], match["rest"] or "", match["verb"])
    return _most(text, _number(one["count"]) if one and one["count"] else 0)


def _most(text: str, count: int) -> Plan | None:
    """How a question is answered which of all is the most, or which of the two that there are is more."""
    if were := _WERE.fullmatch(text):
        text = f"which {were['noun']} had the {were['most']} {were['of']}{were['rest'] or ''}"
    of_all, of_two = _superlative(text) if count in (0, 2) else ("", None)
    match = _MOST.fullmatch(of_all or text)
    asked, noun, place = _of_most(match) if match else (None, "", "")
    if match is None or asked is None or asked.degree is None:
        return None
    worded = extreme
    if of_two:
        word = " ".join([of_two, *asked.degree.word.split()[1:]])
        asked = replace(asked, degree=replace(asked.degree, word=word, superlative=False))
    if of_two or count:
        worded = partial(_of_so_many, count=count or 2, worded=verdict if of_two else extreme)
    plan = _all(noun, asked)
    plan = replace(plan, work=partial(worded, asked=asked), count=count or 2 * bool(of_two)) if plan else None
    return _ranked(plan, asked, text, worded, noun, place, match["verb"])


def _superlative(text: str) -> tuple[str, str | None]:
    """A question which of two is more ("Which pool is warmer") as one which is the most, and its comparative."""
    match = _MORE_OF_TWO.fullmatch(text)
    found = degree(match["more"]) if match else None
    if match is None or found is None or found.superlative:
        return "", None
    word = match["more"].casefold()
    most = _MOST_OF.get(word) or f"{word[:-2]}est"
    return f"{text[: match.start('more')]}{most}{match['rest'] or ''}", word


def _of_so_many(
    values: Sequence[Value], asked: Asked, count: int, worded: Callable[[Sequence[Value], Asked], str]
) -> str:
    """The sentence of just so many values, "" for more or fewer: of which things a question speaks is known then."""
    return worded(values, asked) if len(values) == count else ""


def _number(word: str) -> int:
    return int(word) if word.isdigit() else NUMBERS.index(word.casefold()) + 1


def _frequent(words: str) -> Degree | None:
    """The degree of "most often", which is told by the time in between."""
    most, _, often = words.casefold().partition(" ")
    return Degree(f"{most} frequent", "often", "frequency", most == "most", superlative=True) if often else None


def _ranked(
    plan: Plan | None,
    asked: Asked,
    question: str,
    worded: Callable[[Sequence[Value], Asked], str],
    noun: str = "",
    place: str = "",
    verb: str = "",
) -> Plan | None:
    """The plan with what it asks of the rows of tables."""
    if plan is None or asked.degree is None:
        return plan
    if noun.casefold() in _ANYTHING and place.strip():  # "the cheapest thing on the price list" is a row of that
        noun, place = re.sub(r"^(?:of|in|on|at|from) (?:the |our |your )?", "", place.strip()), ""
        plan = replace(plan, parts=(f"{question}?",), about=(noun,))
    at = _PLACE.search(noun)
    most = Most(asked.degree, question, noun[: at.start()] if at else noun, "", asked.noun, verb or asked.verb)
    most = replace(most, said=f"{noun[at.start() :] if at else ''} {place}")
    return replace(plan, most=most, ranked=partial(_of_ranked, worded=worded))


def _of_ranked(values: Sequence[Value], most: Most, worded: Callable[[Sequence[Value], Asked], str]) -> str:
    verb = "is" if most.verb == "is" else ""
    return worded(values, Asked("", most.degree, most.of, most.by, verb=verb))


def _of_lasting(text: str) -> Plan | None:
    """How a question is answered who or what has been something for the longest time, or which of two for longer."""
    head, _, tail = text.partition(", ")
    match = _LASTED.fullmatch(head)
    found = degree(match["most"]) if match else None
    if match is None or found is None or found.superlative == bool(tail):
        return None
    said = f"{match['rest'] or ''} {match['more'] or ''}"
    if not match["who"] and not (_OFFICE.search(text) or re.search(r" for (?:the )?long", head)):
        return None
    noun = match["noun"] or ""
    most = Most(found, text, noun, said, lasting=True)
    both = re.fullmatch(r"(?P<a>.+?),? or (?P<b>.+)", tail)
    if both:
        parts = tuple(f"How long was {thing}{match['rest']}?" for thing in (both["a"], both["b"]))
        ranked = partial(_of_ranked, worded=verdict)
        return Plan(parts, (both["a"], both["b"]), _nothing, kind="compare", most=most, ranked=ranked)
    if tail:
        return None
    ranked = partial(_of_ranked, worded=extreme)
    return Plan((f"{text}?",), (noun,), _nothing, every=f"{text}?", kind="compare", most=most, ranked=ranked)


def _nothing(values: Sequence[Value]) -> str:
    return ""


def _two(first: str, second: str, asked: Asked, noun: str, who: bool) -> Plan | None:
    first = like(first, second)
    second = like(second, first)
    return _several((first, second), asked, noun, who)


def _several(named: tuple[str, ...], asked: Asked, noun: str, who: bool) -> Plan | None:
    """The plan of things that are named, of which one is asked for that is more, or of many the most."""
    if who:
        asked = replace(asked, question=asked.question.replace("established", "born"))
    alike = len({name.casefold() for name in named}) < len(named)
    if (
        alike
        or len(" ".join(named).split()) > 24
        or (len(named) > 2 and not (asked.degree and asked.degree.superlative))
    ):
        return None
    things = [_whole(thing, noun if asked.noun != noun else "") for thing in named]
    return Plan(
        tuple(asked.question.format(thing) for thing in things),
        named,
        partial(verdict if len(named) == 2 else extreme, asked=asked),
        _fits(asked),
        dates=asked.degree is not None and asked.degree.measure == "date",
        money=bool(_MONEY.search(asked.question)),
        kind="compare",
    )


def _all(noun: str, asked: Asked) -> Plan | None:
    if not noun or noun.casefold() in ("one", "ones", "of them"):
        return None
    return Plan(
        (asked.question.format(f"the {singular(noun)}"),),
        (noun,),
        partial(extreme, asked=asked),
        _fits(asked),
        dates=asked.degree is not None and asked.degree.measure == "date",
        money=bool(_MONEY.search(asked.question)),
        every=asked.question,
        kind="compare",
    )


def _whole(thing: str, noun: str) -> str:
    """A thing with its kind: "Bergen" of offices is "Bergen office"."""
    return thing if not noun or stem(noun) in map(stem, thing.split()) or len(thing.split()) > 3 else f"{thing} {noun}"


def _of_which(match: re.Match[str]) -> Asked | None:
    return _of_words(match["pred"].split())


def _of_than(match: re.Match[str]) -> Asked | None:
    words = (match["more"] or match["late"] or "").split()
    verb = match["verb"]
    if verb and len(words) == 1:
        words = [verb, *words]
    counted = re.match(r"(?:by )?how many (?!more|less|fewer)(\w+)", match.group(), re.IGNORECASE)
    if counted and not match["more"]:
        return None
    if not verb and words[:1] and words in (["more"], ["less"]) and _BE_MORE.search(match.group()):
        words = ["costs", *words]  # "How much more is a return?"
    asked = _of_words(words)
    if asked and verb and verb.casefold() == "pay":
        return replace(asked, question=f"How much does {{}} pay{match['place'] or ''}?", verb="pays")
    place = match["place"] or ""
    return replace(asked, question=f"{asked.question.rstrip('?')}{place}?") if asked and place else asked


def _of_difference(match: re.Match[str]) -> Asked | None:
    noun = (match["before"] or match["noun"] or "").strip()
    return Asked(f"What is the {noun} of {{}}?", None, noun) if noun and noun != "the" else None


def _of_most(match: re.Match[str]) -> tuple[Asked | None, str, str]:
    """What a superlative asks of each thing, the noun of what there are many of, and what else is said of them."""
    found = degree(match["most"])
    if found is None or not found.superlative:
        return None, "", ""
    rest, noun = (match["rest"] or "").split(), (match["noun"] or "").strip()
    if not found.measure and rest and degree(f"{rest[0]}er"):  # "the most expensive part"
        behind, rest = rest[:1], rest[1:]
    else:
        behind = rest if noun else []
    at = _PLACE.search(f" {' '.join(rest)}")
    place = f" {' '.join(rest)}"[at.start() :] if at else ""
    if noun and place:
        behind = behind[: len(behind) - len(place.split())]
    return _of_words([match["verb"], match["most"], *behind]), noun or _PLACE.split(" ".join(rest))[0], place


def _of_words(words: Sequence[str]) -> Asked | None:
    """What a predicate asks of a thing: "has more desks", "is cheaper", "has a longer range", "costs less"."""
    for place, word in enumerate(words):
        found = degree(word)
        if found is None:
            continue
        behind = [w for w in words[place + 1 :] if w.casefold() not in ("the", "of")]
        behind = behind[: behind.index("to")] if "to" in behind else behind  # "quicker to get"
        if not found.measure and behind:
            adjective = degree(f"{behind[0]}er") or degree(f"{behind[0]}r")  # "more expensive"
            if adjective:
                less = adjective.less != found.less
                return _asked(
                    Degree(f"{word} {behind[0]}", adjective.adjective, adjective.measure, less, found.superlative), []
                )
            much = "many" if _PLURAL.fullmatch(behind[-1]) else "much"  # "more desks", "more power"
            verb = "is" if words[0] in ("is", "are") else ""  # "is the most bitter"
            return Asked(f"How {much} {' '.join(behind)} does {{}} have?", found, behind[-1], verb=verb)
        if not found.measure:
            verb = next((w for w in words[:place] if w.casefold().startswith(("cost", "weigh", "pay"))), "")
            if not verb:
                return None
            money = not verb.casefold().startswith("weigh")
            found = Degree(word, found.adjective, "money" if money else "mass", found.less, found.superlative)
        return _asked(found, behind)
    return None


def _asked(found: Degree, behind: Sequence[str]) -> Asked:
    of = " ".join(behind)
    if behind:  # "has a larger tank", "has the warmer water", "has a longer range"
        asked = {
            "size": f"How large is the {of} of {{}}?",
            "temperature": f"How {found.adjective} is the {of} of {{}}?",
        }
        return Asked(asked.get(found.measure, f"What is the {of} of {{}}?"), found, behind[-1])
    asked = {
        "money": "How much does {} cost?",
        "date": "When was {} established?",
        "mass": "How much does {} weigh?",
    }
    return Asked(asked.get(found.measure, f"How {found.adjective} is {{}}?"), found)


def _fits(asked: Asked) -> Fits | None:
    """What a quantity has to be to be compared, None for anything."""
    if asked.degree is None:
        dimensions = DIMENSIONS["money"] if _MONEY.search(asked.noun) else ()
    elif not asked.degree.measure:
        return partial(_counts, noun=stem(asked.noun))
    else:
        dimensions = DIMENSIONS.get(asked.degree.measure, ())
    return partial(_in, dimensions=dimensions) if dimensions else None


def _counts(quantity: Quantity, noun: str) -> bool:
    return not quantity.dimension and stem(quantity.noun) == noun


def _in(quantity: Quantity, dimensions: tuple[str, ...]) -> bool:
    return quantity.dimension in dimensions
