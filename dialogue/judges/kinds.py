"""What kind of answer a question asks for, and whether a sentence holds something new of that kind.

Rules on words alone, for English. Knows nothing of vectors, heads or sources.
"""

import re
from collections.abc import Set
from functools import lru_cache

WORD = re.compile(r"[^\W_]+(?:[’'.,-][^\W_]+)*")
STOP = frozenset(
    "a an and are as at be been being but by can could did do does for from had has have he her him his how i if "
    "in into is it its itself many me much my of on or our she so some that the their them then there these they "
    "this those to too us was we were what when where which while who whom whose why will with would you your about "
    "tell please also any not no than up out s t".split()
)

_MONEY_ASKED = (
    r"\b(?:cost|costs|price|prices|pa(?:y|id)|worth|charged?|salary|wages?|spen[dt]|budget|funding|fee|fees)\b"
)
_AGE_ASKED = r"\bhow old\b|\bwhat age\b|\bage of\b"
_KINDS: tuple[tuple[str, str], ...] = (
    ("money", rf"\bhow much\b[^?]*{_MONEY_ASKED}|\bwhat\b[^?]*\b(?:cost|price|salary|wage|fee|budget)\b|\bhow (?:expensive|cheap)\b"),
    ("reason", r"\bwhy\b|\bhow come\b|\bwhat (?:was |is )?the (?:reason|cause)\b|\bwhat (?:causes?|caused|made)\b"),
    ("age", _AGE_ASKED),
    ("duration", r"\bhow long\b|\bhow many (?:years|days|hours|months|weeks|minutes|seconds)\b|\bfor how many\b"),
    ("percent", r"\bwhat (?:percent|percentage|share|proportion|fraction)\b|\bhow many percent\b"),
    ("count", r"\bhow many\b|\bwhat number\b|\bnumber of\b"),
    ("speed", r"\bhow (?:fast|quick(?:ly)?)\b|\bspeed\b"),
    ("heat", r"\bhow (?:hot|cold|warm)\b|\btemperature\b|\b(?:melt|boil|freez)\w*\b.*\bat\b"),
    ("measure", r"\bhow (?:much|tall|high|deep|far|big|large|heavy|wide|small|long)\b"
                r"|\bwhat\b[^?]*\b(?:height|depth|size|weight|distance|length|width|mass|area|diameter)\b"),
    ("time", r"^(?:\W*(?:and|but|so|then|or|ok|okay)\b)*\W*(?:since |until |till )?when\b|,? and when\b|\b(?:what|which|in what|in which) (?:year|date|day|month|time|century|decade)\b"),
    ("place", r"\bwhere\b|\b(?:what|which|in what|in which) (?:country|city|place|continent|state|town|region|island|river|street)\b"),
    ("person", r"\bwho(?:m|se)?\b|\b(?:what|which) (?:two |three )?(?:person|people|man|woman|men|women|scientist|king|president|emperor|"
               r"general|player|author|explorer|astronomer|employee|engineer)s?\b"),
    ("body", r"\b(?:what|which) (?:\w+ )?(?:compan(?:y|ies)|organi[sz]ations?|teams?|groups?|universit(?:y|ies)|labs?|laborator(?:y|ies))\b"),
    ("manner", r"\bhow\b"),
    ("thing", r"\bwhat\b|\bwhich\b"),
)  # fmt: skip
KINDS = (*(name for name, _ in _KINDS), "other")

_NUMERAL = (
    r"(?:\d[\d,.]*|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    r"twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|hundreds|thousand|thousands|million|billion|dozen|half|"
    r"both|single|several|no)(?:-\w+)?)"
)
_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_HELD = {
    "money": re.compile(
        rf"[$€£¥]\s?\d|{_NUMERAL}(?: \w+)? (?:dollars?|euros?|pounds?|cents?|yen|francs?|marks?|guineas?|shillings?)\b|\bUSD\b|\bfree\b",
        re.I),
    "reason": re.compile(
        r"\bbecause\b|\bdue to\b|\bsince\b|\bso that\b|\bin order to\b|\btherefore\b|\bas a result\b|\bcaus(?:e|es|ed|ing)\b|"
        r"\breasons?\b|\bowing\b|\bthanks to\b|\bto (?:avoid|prevent|keep|make|reduce|protect|help|allow|save|honou?r)\b|"
        r"\bwhich (?:makes?|means?)\b|\bso\b|\bfeared\b|\bmeans?\b|\bcontains?\b", re.I),
    "age": re.compile(rf"\b{_NUMERAL}[- ](?:years?|months?|days?|million|billion)\b|\baged?\b|\bborn\b", re.I),
    "duration": re.compile(
        rf"{_NUMERAL}(?:[ -]\w+)?[ -](?:years?|days?|hours?|months?|weeks?|minutes?|seconds?|decades?|centur(?:y|ies)|generations?|"
        r"kilomet(?:re|er)s?|metres?|meters?|miles?|feet|km)\b", re.I),
    "percent": re.compile(rf"%|\bper ?cent\b|\b(?:half|third|quarter|fifth|tenth|two-thirds|three-quarters)\b|{_NUMERAL} in {_NUMERAL}", re.I),
    "count": re.compile(rf"\b{_NUMERAL}\b", re.I),
    "speed": re.compile(r"\b(?:per|an?|every) (?:hour|second|minute|day)\b|\bkm/h\b|\bmph\b|\bknots?\b|\bhertz\b|\b\w*hertz\b|\btimes (?:faster|as fast)\b|"
                        r"\b[\d.,]+ ?[GMk]Hz\b", re.I),
    "heat": re.compile(r"°|\bdegrees?\b|\bkelvin\b", re.I),
    "measure": re.compile(
        rf"{_NUMERAL}(?:[ -]\w+)?[ -]?(?:%|percent|metres?|meters?|kilomet(?:re|er)s?|km|cm|mm|m|miles?|feet|foot|inch(?:es)?|kilograms?|"
        r"kilos?|kg|grams?|tons?|tonnes?|litres?|liters?|\w*bytes?|[KMGT]B|bits?|words|tokens|times|parameters|squared?|hectares?|watts?|\w*watts?|"
        r"light-?years?|million|billion|trillion|acres?|volts?|barrels?|cups?)\b|\btwice\b|\bhalf\b|\bthird of\b", re.I),
    "time": re.compile(rf"\b(?:1\d\d\d|20\d\d)s?\b|\b(?:{_MONTH})\b|\bcentur(?:y|ies)\b|\b\d+ (?:BC|AD|BCE|CE)\b|\bago\b", re.I),
    "place": re.compile(r"\b(?:in|at|near|from|to|on|of|across|between|through|off|over|into)\s+(?:the\s+|a\s+)?(?:\w+\s+){0,2}?[A-Z]"),
    "manner": re.compile(r"\bby\b|\busing\b|\bthrough\b|\bwith\b|\bvia\b|\bwhen\b", re.I),
}  # fmt: skip
STRICT = frozenset({"money", "duration", "percent", "count", "speed", "heat", "time", "age", "person", "body", "place"})
HARD = STRICT - {"count", "place"}  # kinds that show in the words, so that a sentence without one does not answer
_NOT_PEOPLE = frozenset(
    f"{_MONTH.replace('|', ' ')} monday tuesday wednesday thursday friday saturday sunday europe asia africa america american british "
    "english french german italian spanish russian chinese japanese european asian african earth sun north south east west".split()
)


def kind_of(question: str) -> str:
    """Return the kind of answer that the question asks for, one of KINDS."""
    lowered = question.casefold()
    return next((name for name, pattern in _KINDS if re.search(pattern, lowered)), "other")


def meets(kind: str, question: str, sentence: str, known: Set[str]) -> float:
    """Return how well a sentence holds an answer of this kind: 1 it does, 0 it does not, 0.5 nothing can be said.

    `known` holds the stems of the question and the title, which cannot be the answer to a who or a where.
    """
    if kind in ("person", "body"):
        shape = _PERSON if kind == "person" else _NAME
        found = (stem(name.casefold()) for name in _names(sentence) if shape.fullmatch(name))
        return float(any(name not in known and name not in _NOT_PEOPLE for name in found))
    if kind == "count":
        return _counts(question, sentence)
    pattern = _HELD.get(kind)
    return 0.5 if pattern is None else float(bool(pattern.search(sentence)))


def _counts(question: str, sentence: str) -> float:
    """1 when a number stands close before the thing that is counted, 0.6 when both are there, 0.3 a number only."""
    asked = re.search(r"(?:how many|number of)\s+((?:\w+[\s-]?){1,3})", question, re.I)
    if not _HELD["count"].search(sentence):
        return 0.0
    nouns = {stem(word)[:4] for word in re.findall(r"\w+", asked[1].casefold()) if word not in STOP} if asked else set()
    words = [word.casefold() for word in WORD.findall(sentence)]
    things = [place for place, word in enumerate(words) if stem(word)[:4] in nouns]
    numbers = [place for place, word in enumerate(words) if re.fullmatch(_NUMERAL, word, re.I)]
    if any(0 < thing - number <= 4 for thing in things for number in numbers):
        return 1.0
    return 0.6 if things else 0.3


def _names(sentence: str) -> list[str]:
    """Capitalised words; the first of the sentence only where the next is one, too."""
    words = WORD.findall(sentence)
    capital = [word[:1].isupper() for word in words]
    return [word for i, word in enumerate(words) if capital[i] and (i or capital[1:2] == [True])]


_NAME = re.compile(r"[^\W\d_].*")
_PERSON = re.compile(
    r"[^\W\d_a-z](?:[’'.-]?[^\W\d_A-Z]+(?:[’'-][^\W\d_a-z]?[^\W\d_A-Z]+)*)?\.?"
)  # Hillary, O'Neill, J, not IBM


def content_words(text: str) -> list[str]:
    """Return the stems of the words that carry meaning, in order."""
    return [stem(word) for word in map(str.casefold, WORD.findall(text)) if word not in STOP]


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """Strip the commonest English endings, so that `climbed` meets `climb`."""
    word = re.sub(r"['’]s$", "", word)
    for ending, rest in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + rest
    return word


_ENDINGS = (
    ("ies", "y"), ("sses", "ss"), ("ing", ""), ("edly", ""), ("ed", ""), ("es", ""), ("ly", ""), ("s", ""), ("e", ""),
)  # fmt: skip
