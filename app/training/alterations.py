"""Claims with a known verdict from encyclopaedic paragraphs: true extracts, and copies with one change.

Everything is drawn from one seeded generator.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from dialogue.judges.facts import names, words
from dialogue.judges.lexicon import FUNCTION_WORDS, OPPOSITES
from retrieval.text import sentences

_FIGURE = re.compile(r"(?<![\w.,-])\d[\d,]*(?:\.\d+)?(?![\w-])")
_MONTHS = ("January", "February", "March", "April", "June", "July", "August", "September", "October", "November")
_MONTH = re.compile(rf"\b(?:{'|'.join(_MONTHS)}|December)\b")
_YEAR = re.compile(r"(?<![\w.,-])(?:1\d{3}|20[0-2]\d)(?![\w,-]|\.\d)")
_QUANTITIES = tuple(  # words of one kind, any of which makes another statement of the same form
    (re.compile(rf"(?<![\w-])(?:{'|'.join(group)})(?![\w-])", re.IGNORECASE), group)
    for group in (
        ("all", "none", "half", "few"),
        ("most", "few", "none"),
        ("many", "few"),
        ("every", "hardly any", "no"),
        ("both", "neither"),
        ("more than", "less than", "exactly half of"),
        ("at least", "at most"),
        ("over", "under"),
        ("twice", "three times", "half"),
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve"),
        ("first", "second", "third", "fourth", "fifth"),
        ("dozens", "hundreds", "thousands", "millions"),
        ("hundred", "thousand", "million", "billion"),
        ("metres", "feet", "miles", "kilometres"),
        ("years", "months", "days", "hours", "minutes", "centuries"),
        ("tonnes", "pounds", "kilograms"),
        ("always", "never", "sometimes"),
        ("usually", "rarely"),
        ("single", "double", "triple"),
        ("largest", "second largest", "third largest"),
    )
)
_AUXILIARY = re.compile(r"\b(?:is|are|was|were|can|could|will|would|has|had|have|did|does|may|must|should)\b(?! not)")
_NOT = re.compile(r"\b(?:not|never)\s+|n['’]t\b")
_TAIL = re.compile(r",\s+(?:which|who|where|and|while|although|with|including|after|before|when|as)\b[^,]*[.]$")
_ASIDE = re.compile(r"\s*\([^()]*\)|,\s[^,]{3,60},(?=\s(?:is|was|were|are|had|has|made|became)\b)")
_FRONTED = re.compile(r"^((?:In|On|At|During|After|Before|By|From|Since) [^,]{3,40}),\s+(.+?)\.$")


@dataclass(frozen=True, slots=True)
class Altered:
    """A claim against a paragraph: `kind` says what was done to the sentence it came from."""

    paragraph: str
    claim: str
    supported: bool
    kind: str


def alter(paragraphs: Sequence[str], seed: int, per_paragraph: int = 6) -> list[Altered]:
    """Return up to `per_paragraph` true and as many false claims for each paragraph."""
    rng = random.Random(seed)
    lexicon = _lexicon(paragraphs)
    found = []
    for place, paragraph in enumerate(paragraphs):
        cut = [paragraph[a:b] for a, b in sentences(paragraph)]
        usable = [s for s in cut if 6 <= len(words(s)) <= 45 and s[-1] in ".!" and s[0].isupper()]
        rng.shuffle(usable)
        for sentence in usable[:per_paragraph]:
            shorter = _shorten(sentence, rng)
            if shorter:
                found.append(Altered(paragraph, shorter[0], True, shorter[1]))
            base = shorter[0] if shorter and rng.random() < 0.5 else sentence
            kinds = list(_ALTERATIONS)
            rng.shuffle(kinds)
            for kind in kinds:
                changed = _ALTERATIONS[kind](base, cut, lexicon, rng)
                if changed and changed != base:
                    found.append(Altered(paragraph, changed, False, kind))
                    break
        other = rng.choice(paragraphs)
        strange = [other[a:b] for a, b in sentences(other)]
        if place and other != paragraph and strange:
            found.append(Altered(paragraph, rng.choice(strange), False, "elsewhere"))
    return found


def _lexicon(paragraphs: Sequence[str]) -> dict[str, list[str]]:
    """Return lower-case content words and names of all paragraphs, by a crude class of form."""
    table: dict[str, set[str]] = {"name": set()}
    for paragraph in paragraphs:
        table["name"].update(n for n in names(paragraph) if n.isalpha() and len(n) > 3)
        for word in words(paragraph):
            if word.text.islower() and word.text.isalpha() and len(word.text) > 3:
                table.setdefault(_form(word.text), set()).add(word.text)
    drawn_sentences = {p[a:b] for p in paragraphs for a, b in sentences(p) if b - a < 200}
    return {form: sorted(found) for form, found in table.items()} | {"sentence": sorted(drawn_sentences)}


def _form(word: str) -> str:
    return next((e for e in ("ing", "tion", "ed", "ly", "al", "er", "s") if word.endswith(e)), "")


def _shorten(sentence: str, rng: random.Random) -> tuple[str, str] | None:
    """Return a true extract of a sentence: an aside or tail cut, or a fronted phrase put last."""
    made = []
    if match := _FRONTED.match(sentence):
        made.append((f"{match[2][0].upper()}{match[2][1:]} {match[1][0].lower()}{match[1][1:]}.", "reordered"))
    if _ASIDE.search(sentence):
        made.append((_ASIDE.sub("", sentence, count=1), "extract"))
    if _TAIL.search(sentence):
        made.append((_TAIL.sub(".", sentence), "extract"))
    made = [(text, kind) for text, kind in made if len(words(text)) >= 5 and text != sentence]
    return rng.choice(made) if made else None


def _put(sentence: str, match: re.Match[str], new: str) -> str:
    return sentence[: match.start()] + new + sentence[match.end() :]


def _number(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    found = list(_FIGURE.finditer(sentence))
    if not found:
        return ""
    match = rng.choice(found)
    digits = [i for i, c in enumerate(match[0]) if c.isdigit()]
    place = rng.choice(digits[-3:])
    new = rng.choice([d for d in "123456789" if d != match[0][place]])
    return _put(sentence, match, match[0][:place] + new + match[0][place + 1 :])


def _name(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    mine = [n for n in names(sentence) if n.isalpha() and len(n) > 3]
    here = [n for other in cut for n in names(other) if n.isalpha() and n not in sentence]
    pool = here if here and rng.random() < 0.5 else [n for n in lexicon["name"] if n not in sentence]
    if not mine or not pool:
        return ""
    old = rng.choice(mine)
    return re.sub(rf"\b{re.escape(old)}\b", rng.choice(pool), sentence)


def _date(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    found = [*_MONTH.finditer(sentence), *_YEAR.finditer(sentence)]
    if not found:
        return ""
    match = rng.choice(found)
    if match[0].isdigit():
        years = [other for text in cut for other in _YEAR.findall(text) if other != match[0]]
        shifted = str(int(match[0]) + rng.choice((-30, -11, -4, -2, -1, 1, 3, 7, 20)))
        return _put(sentence, match, rng.choice(years) if years and rng.random() < 0.4 else shifted)
    return _put(sentence, match, rng.choice([month for month in _MONTHS if month != match[0]]))


def _quantity(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    found = [(m, group) for group in _QUANTITIES for m in group[0].finditer(sentence)]
    if not found:
        return ""
    match, (_, words_of) = rng.choice(found)
    new = rng.choice([word for word in words_of if word != match[0].lower()])
    return _put(sentence, match, new.capitalize() if match[0][0].isupper() else new)


def _mixed(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    """The subject of this sentence with what a sentence of another paragraph says of its own."""
    own = _AUXILIARY.search(sentence)
    drawn_sentences = [
        text for text in rng.sample(lexicon["sentence"], min(12, len(lexicon["sentence"]))) if text not in cut
    ]
    others = [(text, match) for text in drawn_sentences if (match := _AUXILIARY.search(text)) and match.start() > 8]
    if not own or own.start() < 4 or not others:
        return ""
    same = [pair for pair in others if pair[1][0] == own[0]] or others
    text, match = rng.choice(same)
    return sentence[: own.start()] + text[match.start() :]


def _negate(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    if match := _NOT.search(sentence):
        return _put(sentence, match, "")
    aux = _AUXILIARY.search(sentence)
    return _put(sentence, aux, f"{aux[0]} {rng.choice(['not', 'not', 'never'])}") if aux else ""


def _opposite(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    found = [m for m in re.finditer(r"\b[a-z]{3,}\b", sentence) if m[0] in OPPOSITES]
    if not found:
        return ""
    match = rng.choice(found)
    return _put(sentence, match, rng.choice(sorted(OPPOSITES[match[0]])))


def _relation(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    """A word of relation turned round, or two names exchanged."""
    ways = [_opposite, _swap]
    rng.shuffle(ways)
    return ways[0](sentence, cut, lexicon, rng) or ways[1](sentence, cut, lexicon, rng)


def _swap(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    runs = [
        m for m in re.finditer(r"\b[A-Z][a-z]{2,}(?: [A-Z][a-z]+)*", sentence) if m[0].lower() not in FUNCTION_WORDS
    ]
    runs = [m for m in runs if m[0].split()[0].lower() not in FUNCTION_WORDS]
    if len(runs) < 2:
        return ""
    i = rng.randrange(len(runs) - 1)
    one, two = runs[i], runs[i + 1]
    between = sentence[one.end() : two.start()]
    if one[0] == two[0] or len(words(between)) < 2 or re.fullmatch(r",?\s*(?:and|or)?\s*", between):
        return ""
    return sentence[: one.start()] + two[0] + between + one[0] + sentence[two.end() :]


def _word(sentence: str, cut: Sequence[str], lexicon: dict[str, list[str]], rng: random.Random) -> str:
    found = [m for m in re.finditer(r"\b[a-z]{4,}\b", sentence) if m[0] not in FUNCTION_WORDS]
    if not found:
        return ""
    match = rng.choice(found)
    pool = lexicon.get(_form(match[0]), [])
    return _put(sentence, match, rng.choice(pool)) if pool else ""


_Alteration = Callable[[str, Sequence[str], dict[str, list[str]], random.Random], str]
_ALTERATIONS: dict[str, _Alteration] = {
    "number": _number,
    "name": _name,
    "date": _date,
    "quantity": _quantity,
    "negation": _negate,
    "relation": _relation,
    "mixed": _mixed,
    "word": _word,
}
