"""The explicit comparison of a claim with a source sentence: figures, names, negation, direction, order.

Each finding can only speak against a claim. Knows nothing of embeddings or probabilities.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

from dialogue.judges.lexicon import FUNCTION_WORDS, INITIALS, IRREGULAR, OPPOSITES
from dialogue.judges.quantities import Quantity, agrees, comparable, read
from retrieval.text import sentences

_WORD = re.compile(r"\d+(?:[.,]\d+)+|[^\W\d_]+-\d+\w*|(?:[^\W_]\.){2,}|[^\W_]+(?:['’](?!s\b)[^\W\d_]+)?(?:['’]s\b)?")

_NEGATION = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|hardly|rarely|seldom|unlike|"
    r"(?:fail|refuse|decline|cease)(?:s|d|ed)?\s+to|no longer)\b(?!\s+only)|n['’]t\b",
    re.IGNORECASE,
)
_NEGATIVE = re.compile(  # words that deny without a cue of their own
    _NEGATION.pattern + r"|\b(?:unable|impossible|lack\w*|absen\w+|den(?:y|ie[sd])|refus\w+|prevent\w*|fail\w*)\b",
    re.IGNORECASE,
)
_SUBJECT_WORDS = 6
LONG = 3  # digits of a figure that few sentences share by chance
_PREPOSITIONS = frozenset(
    ("in", "at", "on", "from", "after", "before", "since", "during", "by", "until", "with", "for", "under", "near")
)
_VERBS = frozenset("is are was were has had have stands stood lies lay became made built".split())
_CLAUSE_END = re.compile(
    r"[,.](?!\d)|[;:!?()]|\b(?:but|although|though|because|while|whereas|which|and)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: lower-case stem, spelling, place, and whether it carries meaning of its own."""

    stem: str
    text: str
    start: int
    end: int
    content: bool


@dataclass(frozen=True, slots=True)
class Difference:
    """What a source sentence says otherwise, or does not say, in words fit to be shown; empty for nothing.

    `reason` is the first explicit contradiction and settles the verdict. `lacking` is a figure or name the
    source does not have: in a free paraphrase a hint, in a near copy a contradiction.
    """

    numbers: int = 0
    numbers_missing: tuple[str, ...] = ()
    names: int = 0
    names_missing: tuple[str, ...] = ()
    negation: str = ""
    direction: str = ""
    order: str = ""
    stray: str = ""
    lacking: str = ""
    reason: str = ""


@lru_cache(maxsize=4096)
def words(text: str) -> tuple[Word, ...]:
    """Return the words of a text; figures with separators and names such as GPT-3 stay whole."""
    return tuple(
        Word(stem(match[0]), match[0], *match.span(), match[0].lower() not in FUNCTION_WORDS)
        for match in _WORD.finditer(text)
    )


def stems(text: str) -> frozenset[str]:
    """Return the stems of all words of a text."""
    return frozenset(word.stem for word in words(text))


def content_stems(text: str) -> frozenset[str]:
    """Return the stems of the words of a text that carry its meaning."""
    return frozenset(word.stem for word in words(text) if word.content)


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """Return a crude stem: enough to join "climbs", "climbed" and "climbing"."""
    word = word.lower().replace("’", "'").replace(".", "").removesuffix("'s").replace(",", "")
    if word in IRREGULAR:
        return IRREGULAR[word].removesuffix("e")
    for ending in ("ing", "ied", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word.removesuffix(ending) + ("y" if ending in ("ied", "ies") else "")
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def names(text: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """Return the words of names: capitalised inside a sentence, with inner capitals or digits, or known.

    The first word of a sentence counts only when `known` holds its stem or another capital follows it.
    """
    found = []
    last_end = 0
    sequence = words(text)
    for place, word in enumerate(sequence):
        opens = place == 0 or bool(re.search(r"[.!?:;\"“(\n]\s*$", text[last_end : word.start]))
        last_end = word.end
        bare = re.sub(r"['’]s$", "", word.text)
        if not bare[0].isupper() or len(bare) < 2 or (bare.lower() in FUNCTION_WORDS and bare != "May"):
            continue
        if opens and not any(c.isupper() or c.isdigit() for c in bare[1:]):
            following = sequence[place + 1] if place + 1 < len(sequence) else None
            follows = following is not None and following.text[0].isupper() and following.start == word.end + 1
            if bare.lower() in INITIALS or not (word.stem in known or follows):
                continue
        found.append(bare)
    return tuple(found)


def compare(
    claim: str, source: str, background: str = "", known: Collection[str] = (), leans: Sequence[tuple[str, str]] = ()
) -> Difference:
    """Compare a claim with a source sentence.

    `background` (title, headings, neighbours) may supply names, and nothing else. `known` holds stems of
    names seen anywhere in the evidence. `leans` holds the sentences of the source, each with the one that its pronoun
    leans on, "" for none. How much a difference proves depends on how nearly the claim copies
    the source, by the share of its lower-case content words found there: a figure contradicts from 0.4, an
    opposite from 0.6, a missing name, a negation or an exchange from 0.8 (measured on RTE, LingNLI and
    Climate-FEVER, where looser limits were wrong as often as right).
    """
    claimed, given = words(claim), words(source)
    numbers, missing_numbers, contradicted, lacking = _numbers(claim, source)
    claim_names = names(claim, known)
    present = {word.stem for word in (*given, *words(background))}
    initials = _initials(source) | _initials(background)
    missing_names = tuple(name for name in claim_names if not name_in(name, present) and name.upper() not in initials)
    if missing_names and not lacking:
        lacking = f"the name {missing_names[0]!r} is not in the source"
    near = _nearness(claimed, given)
    negation = _negation(claim, source)
    direction = _direction(claimed, given)
    alike = [row for row in map(words, _cut(source)) if _nearness(row, claimed) >= 0.6]
    order = next((found for row in alike if (found := _order(claimed, row))), "")
    stray = _stray(claim, claim_names, leans, known) if claim_names else ""
    reasons = [
        contradicted if near >= 0.4 else "",
        stray,
        (lacking or _first_words(claimed, given, claim_names)) if near >= 0.8 else "",
        negation if near >= 0.8 and not direction else "",
        direction if near >= 0.6 and bool(_NEGATION.search(claim)) == bool(_NEGATION.search(source)) else "",
        order if near >= 0.8 else "",
    ]
    return Difference(
        numbers,
        missing_numbers,
        len(claim_names),
        missing_names,
        negation,
        direction,
        order,
        stray,
        lacking or contradicted,
        next((reason for reason in reasons if reason), ""),
    )


def _stray(claim: str, claim_names: Sequence[str], leans: Sequence[tuple[str, str]], known: Collection[str]) -> str:
    """Find another subject: the sentence that says nearly what the claim says, but of something with another name.

    Its subject is what it begins with, or where it begins with a pronoun, what the sentence before is about.
    """
    claimed = words(claim)
    figures = {word.stem for word in claimed if word.text[0].isdigit()}

    def alike(leaning: tuple[str, str]) -> tuple[int, float]:
        given = words(leaning[0])
        return len(figures & {word.stem for word in given}), _nearness(claimed, given)

    sentence, lead = max(leans, key=alike, default=("", ""))
    due = 0.4 if any(len(figure) >= LONG for figure in figures) else 0.8  # a long figure tells which sentence is meant
    if _nearness(claimed, words(sentence)) < due or not figures <= {word.stem for word in words(sentence)}:
        return ""
    present = {word.stem for word in words(f"{lead} {sentence}")}
    mine = {stem(name) for name in claim_names}
    if any(name_in(name, present) for name in _first_name(claimed, claim_names)):
        return ""
    rivals = [name for name in names(_subject(lead or sentence), known) if not name_in(name, mine)]
    return f"the source says this of {rivals[0]!r}, not of {claim_names[0]!r}" if rivals else ""


def _first_name(claimed: Sequence[Word], claim_names: Sequence[str]) -> list[str]:
    """Return the words of the first name, as far as they stand side by side."""
    marked = [re.sub(r"['’]s$", "", word.text) in claim_names for word in claimed]
    first = marked.index(True) if True in marked else 0
    return [word.text for word, _ in takewhile(lambda pair: pair[1], zip(claimed[first:], marked[first:], strict=True))]


def _subject(sentence: str) -> str:
    """Return what a sentence begins with, up to its verb as far as that can be told, and "" after a preposition."""
    begins = words(sentence)[:_SUBJECT_WORDS]
    if not begins or begins[0].text.lower() in _PREPOSITIONS:
        return ""
    ends = next((word.start for word in begins[1:] if word.text.lower() in _VERBS), begins[-1].end)
    return sentence[:ends]


def _cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


def _nearness(claimed: Sequence[Word], given: Sequence[Word]) -> float:
    """Return the share of lower-case content words that the other side has too, 1 when there are none."""
    stems = {word.stem for word in given}
    plain = [word.stem in stems for word in claimed if word.content and word.text.islower()]
    return sum(plain) / len(plain) if plain else 1.0


def _numbers(claim: str, source: str) -> tuple[int, tuple[str, ...], str, str]:
    """Return how many figures the claim states, those not in the source, a contradiction, a lack."""
    mine, my_dates = read(claim)
    theirs, their_dates = read(source)
    missing, reason, lacking = [], "", ""
    for quantity in mine:
        rivals = [other for other in theirs if comparable(quantity, other) and quantity.kind]
        if any(agrees(quantity, other) for other in rivals or theirs):
            continue
        missing.append(quantity.text)
        if rivals:
            reason = reason or f"the source says {_nearest(quantity, rivals).text}, not {quantity.text}"
        elif not (quantity.word and quantity.value <= 12):  # "two climbers" may be two names in the source
            lacking = lacking or f"the number {quantity.text} is not in the source"
    for date in my_dates:
        if not any(date.within(other) for other in their_dates):
            missing.append(date.text)
            if their_dates:
                reason = reason or f"the source says {their_dates[0].text}, not {date.text}"
            else:
                lacking = lacking or f"the date {date.text} is not in the source"
    return len(mine) + len(my_dates), tuple(missing), reason, lacking


def _nearest(quantity: Quantity, rivals: Sequence[Quantity]) -> Quantity:
    return min(rivals, key=lambda other: abs(other.value * other.size - quantity.value * quantity.size))


def name_in(name: str, present: Collection[str]) -> bool:
    """Whether a name, or a near form of it (Nepal, Nepalese), is among the stems."""
    key = stem(name)
    if key in present:
        return True
    return (
        not any(c.isdigit() for c in key)
        and len(key) >= 5
        and any(
            len(other) >= 4 and abs(len(other) - len(key)) <= 4 and _common(key, other) >= max(4, len(key) - 3)
            for other in present
        )
    )


def _common(one: str, other: str) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _initials(text: str) -> set[str]:
    """Return acronyms that runs of capitalised words would give ("United Kingdom": UK)."""
    runs = re.findall(r"(?:\b[A-Z][\w-]*\s+(?:(?:of|and|for|the)\s+)?){1,5}[A-Z][\w-]*", text)
    return {"".join(part[0] for part in run.removeprefix("The ").split() if part[0].isupper()) for run in runs}


def _first_words(claimed: Sequence[Word], given: Sequence[Word], claim_names: Sequence[str]) -> str:
    """Catch another subject put at the head of a copied sentence, where a capital does not tell a name."""
    mine = next((word for word in claimed if word.content), None)
    if mine is None or mine.text in claim_names or not mine.text[0].isupper() or not given:
        return ""
    stems = {word.stem for word in given}
    if mine is claimed[0] and not name_in(mine.text, stems) and given[0].content and given[0].text[0].isupper():
        return f"the source says {given[0].text!r}, not {mine.text!r}"
    return ""


def _negation(claim: str, source: str) -> str:
    """Compare what stands under a negation on either side with what the other side asserts."""
    mine, theirs = _negated(claim), _negated(source)
    plain_claim = content_stems(claim)
    plain_source = content_stems(source)
    my_scope = {s for _, scope in mine for s in scope}
    their_scope = {s for _, scope in theirs for s in scope}
    for cue, scope in mine:
        shared = scope & plain_source - their_scope
        if scope and not _NEGATIVE.search(source) and len(shared) >= max(1, 0.5 * len(scope)):
            return f"{cue!r} is in the reply but not in the source"
    for cue, scope in theirs:
        shared = scope & plain_claim - my_scope
        if scope and not _NEGATIVE.search(claim) and len(shared) >= max(1, 0.5 * len(scope)):
            return f"{cue!r} is in the source but not in the reply"
    return ""


@lru_cache(maxsize=4096)
def _negated(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return (cue, stems of the content words in its scope): up to the end of the clause, at most four."""
    found = []
    for match in _NEGATION.finditer(text):
        rest = text[match.end() :]
        end = _CLAUSE_END.search(rest)
        scope = [word.stem for word in words(rest[: end.start()] if end else rest) if word.content]
        found.append((match[0].lower().replace("’", "'"), frozenset(scope[:4])))
    return tuple(found)


def _direction(claimed: Sequence[Word], given: Sequence[Word]) -> str:
    """Find a word of the claim whose opposite alone stands in the source, the rest being shared."""
    mine, theirs = {word.text.lower() for word in claimed}, {word.text.lower() for word in given}
    for word in sorted(mine - theirs):
        rivals = OPPOSITES.get(word, frozenset()) & theirs - mine
        others = {w.stem for w in claimed if w.content and w.text.lower() != word}
        shared = others & {w.stem for w in given}
        if rivals and len(shared) >= 0.6 * len(others):
            return f"the source says {sorted(rivals)[0]!r}, not {word!r}"
    return ""


def _order(claimed: Sequence[Word], given: Sequence[Word]) -> str:
    """Find subject and object exchanged: two shared names and the word between them, in reverse.

    A passive turns the order round as well, so a "by" on one side only says nothing.
    """
    if ("by" in {w.stem for w in claimed}) != ("by" in {w.stem for w in given}):
        return ""
    counts = Counter(word.stem for word in given) + Counter(word.stem for word in claimed)
    places = {word.stem: place for place, word in enumerate(given) if word.content and counts[word.stem] == 2}
    content = [word for word in claimed if word.content]
    shared = [(places[word.stem], word) for word in content if word.stem in places]
    compared = "than" in {word.text for word in claimed}
    if len(shared) < max(3, 0.7 * len(content)):
        return ""
    for i, (first, left) in enumerate(shared):
        for j in range(i + 1, len(shared) - 1):
            middle, verb = shared[j]
            if middle >= first or verb.text[0].isupper():
                continue
            for last, right in shared[j + 1 :]:
                named = left.text[0].isupper() and right.text[0].isupper()
                if last < middle and (named or compared):
                    return f"the source has {left.text!r} and {right.text!r} the other way round"
    return ""
