"""The explicit comparison of a claim with a source sentence: numbers, dates, names, negation, direction, order.

Each finding can only speak against a claim. Knows nothing of embeddings or probabilities.
"""

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

from dialogue.quantities import Quantity, agrees, comparable, read

_WORD = re.compile(
    r"\d+(?:[.,]\d+)+|[^\W\d_]+-\d+\w*|(?:[^\W_]\.){2,}|[^\W_]+(?:['’](?!s\b)[^\W\d_]+)?(?:['’]s\b)?"
)

FUNCTION_WORDS = frozenset(
    "a an the this that these those it its he she they we i you his her their our my your him them us me who whom whose "
    "which what when where why how there here of to in on at by for from with as into onto upon over under about after "
    "before between among through during within without against and or but nor so yet if then than because while although "
    "though since until is are was were be been being am has have had having do does did doing will would can could may "
    "might shall should must not no also too very just only even still such each every both some any all most many much "
    "more less other another own same up down out off again ever never s t".split()
)
_INITIALS = FUNCTION_WORDS | frozenset(
    "yes well today now later first finally however according like unlike despite once one two three four five six seven "
    "eight nine ten several few no nobody nothing people someone everyone".split()
)
_IRREGULAR = dict(
    pair.split(":")
    for pair in "began:begin begun:begin made:make found:find wrote:write written:write led:lead won:win became:become "
    "built:build held:hold gave:give given:give took:take taken:take went:go gone:go said:say came:come knew:know "
    "known:know grew:grow grown:grow left:leave ran:run sang:sing saw:see seen:see sold:sell sent:send spent:spend "
    "stood:stand told:tell thought:think understood:understand bought:buy brought:bring caught:catch taught:teach "
    "children:child men:man women:woman people:person feet:foot mice:mouse fought:fight died:die dies:die lay:lie "
    "lies:lie met:meet paid:pay kept:keep felt:feel fell:fall fallen:fall drew:draw drawn:draw chose:choose "
    "chosen:choose broke:break broken:break spoke:speak spoken:speak rose:rise risen:rise flew:fly flown:fly".split()
)
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|hardly|rarely|seldom|unlike|"
    r"(?:fail|refuse|decline|cease)(?:s|d|ed)?\s+to|no longer)\b(?!\s+only)|n['’]t\b",
    re.IGNORECASE,
)
_CLAUSE_END = re.compile(
    r"[,;:.!?()]|\b(?:but|although|though|because|while|whereas|which|and)\b", re.IGNORECASE
)

_OPPOSITES = (
    "more/less|fewer higher/lower highest/lowest taller/shorter tallest/shortest longer/shorter "
    "longest/shortest larger|bigger|greater/smaller largest|biggest|greatest/smallest|least most/least high/low "
    "large|big/small hot/cold hotter|warmer/colder|cooler hottest|warmest/coldest|coolest warm/cool faster/slower "
    "fastest/slowest fast/slow older/younger|newer oldest/youngest|newest early/late earlier/later earliest/latest "
    "before/after first/last increase/decrease increased/decreased|reduced|fell rise/fall rose/fell grow/shrink "
    "gain/lose won/lost win/lose north/south northern/southern east/west eastern/western northeast/southwest "
    "southeast/northwest northeast/southeast northeast/northwest southwest/northwest southwest/southeast above/below over/under "
    "upper/lower inside/outside heavier/lighter heaviest/lightest heavy/light deep/shallow deeper/shallower "
    "deepest/shallowest rich/poor strong/weak stronger/weaker strongest/weakest always/never|sometimes all/none|some "
    "begin/end began/ended open/closed opened/closed best/worst better/worse good/bad true/false possible/impossible "
    "alive/dead born/died male/female man/woman men/women boy/girl father/mother son/daughter brother/sister "
    "king/queen husband/wife positive/negative import/export accept/reject accepted/rejected|refused allow/forbid "
    "allowed/banned|forbidden cause/prevent causes/prevents common/rare public/private major/minor majority/minority "
    "maximum/minimum safe/dangerous left/right day/night summer/winter morning/evening wet/dry easy/difficult|hard "
    "easier/harder steeper/gentler nearest/farthest|furthest closer/farther|further often/rarely|seldom same/different "
    "success/failure succeeded/failed agree/disagree agreed/disagreed support/oppose supported/opposed buy/sell "
    "bought/sold arrived/left|departed with/without full/empty thick/thin wide/narrow wider/narrower widest/narrowest"
)


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: lower-case stem, spelling and place."""

    stem: str
    text: str
    start: int
    end: int

    @property
    def content(self) -> bool:
        """Whether it carries meaning of its own."""
        return self.text.lower() not in FUNCTION_WORDS


@dataclass(frozen=True, slots=True)
class Difference:
    """What a source sentence says otherwise, or does not say, in words fit to be shown; empty for nothing.

    `reason` is the first explicit contradiction and settles the verdict. `lacking` is a figure or name which the
    source does not have: in a free paraphrase that is a hint (a pronoun, another way to count), in a near copy
    it is a contradiction.
    """

    numbers: int = 0
    numbers_missing: tuple[str, ...] = ()
    names: int = 0
    names_missing: tuple[str, ...] = ()
    negation: str = ""
    direction: str = ""
    order: str = ""
    lacking: str = ""
    reason: str = ""


@lru_cache(maxsize=4096)
def words(text: str) -> tuple[Word, ...]:
    """Return the words of a text; figures with separators and names such as GPT-3 stay whole."""
    return tuple(Word(stem(match[0]), match[0], match.start(), match.end()) for match in _WORD.finditer(text))


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """Return a crude stem: enough to join "climbs", "climbed" and "climbing"."""
    word = word.lower().replace("’", "'").replace(".", "").removesuffix("'s").replace(",", "")
    if word in _IRREGULAR:
        return _IRREGULAR[word].removesuffix("e")
    for ending in ("ing", "ied", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith(("ss", "us", "is")):
            word = word.removesuffix(ending) + ("y" if ending in ("ied", "ies") else "")
            break
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word.removesuffix("e") if len(word) > 3 else word


def names(text: str, known: Collection[str] = ()) -> tuple[str, ...]:
    """Return the words of names: capitalised inside a sentence, holding capitals or digits, or known as names.

    The first word of a sentence counts only when `known` holds its stem or another capital follows it.
    """
    found = []
    last_end = 0
    sequence = words(text)
    for place, word in enumerate(sequence):
        opens = place == 0 or bool(re.search(r"[.!?:;\"“(\n]\s*$", text[last_end : word.start]))
        last_end = word.end
        bare = re.sub(r"['’]s$", "", word.text)
        if not bare[0].isupper() or len(bare) < 2 or bare.lower() in FUNCTION_WORDS:
            continue
        if opens and not any(c.isupper() or c.isdigit() for c in bare[1:]):
            following = sequence[place + 1] if place + 1 < len(sequence) else None
            follows = (
                following is not None and following.text[0].isupper() and following.start == word.end + 1
            )
            if bare.lower() in _INITIALS or not (word.stem in known or follows):
                continue
        found.append(bare)
    return tuple(found)


def compare(
    claim: str, source: str, background: str = "", known: Collection[str] = (), near: bool = False
) -> Difference:
    """Compare a claim with a source sentence.

    `background` (title, headings, neighbours) may supply names, and nothing else. `known` holds stems of names seen
    anywhere in the evidence. `near` says the claim is the sentence but for a few words: then every other word counts.
    """
    claimed, given = words(claim), words(source)
    numbers, missing_numbers, reason, lacking = _numbers(claim, source)
    claim_names = names(claim, known)
    present = {word.stem for word in (*given, *words(background))}
    initials = _initials(source) | _initials(background)
    missing_names = tuple(
        name for name in claim_names if not _name_in(name, present) and name.upper() not in initials
    )
    if missing_names and not lacking:
        lacking = f"the name {missing_names[0]!r} is not in the source"
    if near and not reason:
        reason = lacking or _first_words(claimed, given, claim_names)
    negation = _negation(claim, source)
    direction = _direction(claimed, given)
    order = _order(claimed, given)
    return Difference(
        numbers,
        missing_numbers,
        len(claim_names),
        missing_names,
        negation,
        direction,
        order,
        lacking,
        reason or (negation if not direction else "") or (direction if not negation else "") or order,
    )


def _numbers(claim: str, source: str) -> tuple[int, tuple[str, ...], str, str]:
    """Return how many numbers and dates the claim states, those not in the source, a contradiction, a lack."""
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


def _name_in(name: str, present: Collection[str]) -> bool:
    """Whether a name, or a near form of it (Nepal, Nepalese), is among the stems."""
    key = stem(name)
    if key in present:
        return True
    return (
        not any(c.isdigit() for c in key)
        and len(key) >= 5
        and any(
            len(other) >= 4
            and abs(len(other) - len(key)) <= 4
            and _common(key, other) >= max(4, len(key) - 3)
            for other in present
        )
    )


def _common(one: str, other: str) -> int:
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _initials(text: str) -> set[str]:
    """Return acronyms that runs of capitalised words would give ("United Kingdom": UK)."""
    runs = re.findall(r"(?:\b[A-Z][\w-]*\s+(?:(?:of|and|for|the)\s+)?){1,5}[A-Z][\w-]*", text)
    return {
        "".join(part[0] for part in run.removeprefix("The ").split() if part[0].isupper()) for run in runs
    }


def _first_words(claimed: Sequence[Word], given: Sequence[Word], claim_names: Sequence[str]) -> str:
    """Catch another subject put at the head of a copied sentence, where a capital does not tell a name."""
    mine = next((word for word in claimed if word.content), None)
    if mine is None or mine.text in claim_names or not mine.text[0].isupper() or not given:
        return ""
    stems = {word.stem for word in given}
    if (
        mine is claimed[0]
        and not _name_in(mine.text, stems)
        and given[0].content
        and given[0].text[0].isupper()
    ):
        return f"the source says {given[0].text!r}, not {mine.text!r}"
    return ""


def _negation(claim: str, source: str) -> str:
    """Compare what stands under a negation on either side with what the other side states plainly."""
    mine, theirs = _negated(claim), _negated(source)
    plain_claim = {word.stem for word in words(claim) if word.content}
    plain_source = {word.stem for word in words(source) if word.content}
    my_scope = {s for _, scope in mine for s in scope}
    their_scope = {s for _, scope in theirs for s in scope}
    for cue, scope in mine:
        if scope and len(scope & plain_source - their_scope) >= max(1, 0.5 * len(scope)):
            return f"{cue!r} is in the reply but not in the source"
    for cue, scope in theirs:
        if scope and len(scope & plain_claim - my_scope) >= max(1, 0.5 * len(scope)):
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


@lru_cache(maxsize=1)
def opposites() -> dict[str, frozenset[str]]:
    """Return each direction word with its opposites."""
    table: dict[str, set[str]] = {}
    for pair in _OPPOSITES.split():
        left, right = (side.split("|") for side in pair.split("/"))
        for one in left:
            table.setdefault(one, set()).update(right)
        for one in right:
            table.setdefault(one, set()).update(left)
    return {word: frozenset(others) for word, others in table.items()}


def _direction(claimed: Sequence[Word], given: Sequence[Word]) -> str:
    """Find a word of the claim whose opposite alone stands in the source, the rest being shared."""
    mine, theirs = {word.text.lower() for word in claimed}, {word.text.lower() for word in given}
    for word in sorted(mine - theirs):
        rivals = opposites().get(word, frozenset()) & theirs - mine
        others = {w.stem for w in claimed if w.content and w.text.lower() != word}
        shared = others & {w.stem for w in given}
        if rivals and len(shared) >= 0.6 * len(others):
            return f"the source says {sorted(rivals)[0]!r}, not {word!r}"
    return ""


def _order(claimed: Sequence[Word], given: Sequence[Word]) -> str:
    """Find subject and object exchanged: three shared content words, a word that is no name between, in reverse.

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
