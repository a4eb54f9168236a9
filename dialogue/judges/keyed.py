"""A line ``name: value`` looked up by its name: settings, forms, data sheets, front matter.

Compared by words alone: such a line holds no sentence that a reader could tell the answer by.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dialogue.judges.facts import Word, content_stems, stem, words
from dialogue.judges.lookup import signs
from dialogue.phrases import AUXILIARY, PREPOSITIONS, WH, verbs
from dialogue.shapes.words import measures
from retrieval.text import BAR

_LINE = re.compile(r"[-*•]?\s*(?P<name>[^\n:=]{2,60}?)(?:: | = )(?P<value>\S[^\n]{0,120})")
_MAIL = frozenset("from to cc bcc date sent subject attached".split())  # of the message, not of what it is about
_JOINT = re.compile(r"[\[\]()_.,/-]+|(?<=[a-z])(?=[A-Z])")
_ASKS = re.compile(r"\b(?:what|which|who|when|where|how)\b", re.IGNORECASE)
_FULL_NAME = re.compile(r"(?<=[a-z] )[A-Z][a-z]+(?: [A-Z][a-z]+)+")
_WHICH = re.compile(r"(?:which|what|how many)$", re.IGNORECASE)
_TARGET = re.compile(r"^(?:\w+ )?(?:what|which|how many)\b", re.IGNORECASE)  # before what is asked for
_GENERIC = frozenset(
    map(stem, "give tell show find have please number value setting make take use get run file document".split())
)
_OPENS = frozenset("never always please if when once before after do don't not".split())  # an order or a condition
_AT = {"most": "max", "least": "min"}
_HOW = re.compile(r"\bhow (\w+)", re.IGNORECASE)
_SIGNS_ALONE = re.compile(r"[b-df-hj-np-tv-xz]{2,4}")
_NOUN = re.compile(r"(?:ment|al|er|or|ation|ion|ing)")
LONG = 4  # words of a name up to which none is taken for a verb
SHORT = 3  # letters from which on "max" may stand for "maximum"


@dataclass(frozen=True, slots=True)
class _Line:
    """The stems of the name of a line, those of its last part, and the stems of all that stands around it."""

    name: frozenset[str]
    leaf: frozenset[str]
    around: frozenset[str]
    signs: frozenset[str]


def named(question: str, lines: Sequence[tuple[str, str, str]]) -> int | None:
    """Return which of the lines, each with its title and its page, a question asks for; None for no single one.

    What is asked for has to stand in the last part of the name (``port`` of ``server.port``), and every other word of
    the question in the name, the title or the page, but for a verb that asks for a value ("does it listen", "which
    firm makes").
    """
    if not _ASKS.search(question):
        return None
    asked = [word for word in words(question) if word.content]
    free, full = _verbs(question, asked), _FULL_NAME.findall(question)  # "Sophia Holt" is not who the page is about
    proper = {word.text for word in asked[1:] if word.text[:1].isupper() and word.text[1:].islower()}
    names = [_name(line) for line, _, _ in lines]
    whole: dict[str, str] = {}
    for title, page in dict.fromkeys((title, page) for _, title, page in lines):
        whole[_document(title)] = f"{whole.get(_document(title), '')}\n{title}\n{page}"
    target = next((word for word in asked if word.stem not in _idle(question)), None)
    ranked = []
    for place, (line, title, page) in enumerate(lines):
        if not names[place] or any(name not in f"{title}\n{line}" for name in full):
            continue
        beside = [name for name, row in zip(names, lines, strict=True) if row[2] == page]
        of = _read(names[place], whole[_document(title)], beside)
        told = {word.stem for word in asked if _stands(word, of.name)}
        known = told | _idle(question)
        lacking = [word for word in asked if word.stem not in known and not _stands(word, of.around)]
        asks = any(_stands(word, of.leaf) for word in asked if word.text not in proper)
        beside_it = [word for word in asked if word.stem not in _idle(question) and word not in lacking]
        alone = bool(lacking) and len(beside_it) < 2  # "Day: Friday" tells not on which day people are paid
        if asks and not alone and _signs(question) <= of.signs and all(word.stem in free for word in lacking):
            unsaid = max(0, len(of.name) - len(told))
            first = bool(_TARGET.search(question) and target and _stands(target, of.leaf))
            ranked.append(((len(told), -len(lacking), first, -unsaid), place, line))
    if not ranked:
        return None
    most = max(key for key, _, _ in ranked)
    best = [(place, line) for key, place, line in ranked if key == most]
    return best[0][0] if len({line for _, line in best}) == 1 and -most[1] <= most[0] else None


def _name(line: str) -> str:
    found = _LINE.fullmatch(line) if BAR not in line else None
    name = found["name"].strip() if found else ""
    return "" if name.casefold() in _MAIL or _is_clause(name) else name


def _is_clause(name: str) -> bool:
    """Whether what stands before a colon says something: "The cup was won three times: in 1967", "ten make them:"."""
    said = [word.text.lower() for word in words(name)]
    if said[:1] and said[0] in _OPENS and len(said) > LONG:
        return True
    verb = (verbs() - PREPOSITIONS - WH) & {*said[1:]} if len(said) > LONG else ()
    return bool(AUXILIARY & {*said[1:-1]} or verb)


def _read(name: str, around: str, beside: Sequence[str]) -> _Line:
    """Take a name apart. What all names beside it begin with tells what they are of, and is asked for by none."""
    parts = [_stems(other) for other in beside if other]
    common = frozenset.intersection(*parts) if len(parts) > 1 else frozenset()
    own = _stems(name) - common
    leaf = (_stems(name.rpartition(".")[2]) - common) or own
    return _Line(own, leaf, _stems(around) | common, _signs(f"{name}\n{around}"))


def _document(title: str) -> str:
    return title.partition(": ")[0]


def _idle(question: str) -> frozenset[str]:
    """The stems of what tells nothing of the thing: what follows "how", and words of any question."""
    return _GENERIC | frozenset(map(stem, _HOW.findall(question)))


def _verbs(question: str, asked: Sequence[Word]) -> set[str]:
    """The stems of what may be a verb of the question: its last word, and what follows "which NOUN"."""
    if not asked:
        return set()
    every = words(question)
    found = set[str]()
    if every[-1].stem == asked[-1].stem and every[-1].text.islower() and len(asked) > 2:
        found.add(asked[-1].stem)
    for first, noun, verb in zip(every, every[1:], every[2:], strict=False):
        if _WHICH.match(first.text) and noun.content and verb.content:
            found.add(verb.stem)
    return found


def _stands(word: Word, there: frozenset[str]) -> bool:
    """Whether a word stands there, a noun made of it ("pay", "payment"), what it measures or what is short for it."""
    if word.stem in there or measures(word.text) & there:
        return True
    if any(other.startswith(word.stem) and _NOUN.fullmatch(other, len(word.stem)) for other in there):
        return True
    text = word.text.casefold()
    return _AT.get(text) in there or any(_is_short(short, text) for short in there if len(short) < len(text) - 2)


def _is_short(short: str, text: str) -> bool:
    """Whether one word is short for another: "max" for "maximum", "db" for "database"."""
    if len(short) >= SHORT and text.startswith(short):
        return True
    return _SIGNS_ALONE.fullmatch(short) is not None and bool(re.match(".*".join(short), text))


def _signs(text: str) -> frozenset[str]:
    return frozenset(map(str.casefold, signs(text)))


def _stems(text: str) -> frozenset[str]:
    return content_stems(_JOINT.sub(" ", text))
