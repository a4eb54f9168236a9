"""Plain text: sentence spans, and the removal of characters that no reader can see.

Knows nothing of documents, passages or files. Everything here runs in time linear in the text.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

LONGEST_SENTENCE = 1000  # characters
UNMARKED = 600  # characters of running text without a full stop from which on it is cut as speech is
CLAUSES = 180  # characters of a run of clauses of it
BAR = " | "  # between the cells of a row

_OPEN = "\"'“‘«(["
_CLOSE = "\"'”’»›)\\]}"
_STOP = re.compile(
    # The look-behind makes a run of stops one attempt, which keeps "......" linear.
    rf"(?<![.!?…])[.!?…]++[{_CLOSE}]*+(?:\[\d{{1,3}}\])*+(?=\s)|(?<![。！？｡])[。！？｡]++[」』”’）]*+"
)
_WORD = re.compile(r"\w[\w'’.-]{0,30}")
_PAUSE = re.compile(  # words with which somebody who speaks begins anew
    r"\s(?:(?:and|but|or) )?(?:(?:okay|ok|um+|uh+|er+m?|anyway|alright|so(?! (?:that|much|many|far|long)\b)|"
    r"now(?= (?:the|we|you|i|it|this|that|if)\b)|well(?= (?:the|we|you|i|it|this|that)\b))\b ?)+",
    re.IGNORECASE,
)
_MARK = re.compile(r"[.,;:!?…。，；：！？()\[\]|=<>{}/]")  # what text that was written has, and speech has not
_CLAUSE = re.compile(
    r"[,;:]\s|(?<!hundred)(?<!thousand)(?<!million)"
    r"\s(?=(?:and|but|because|when|where|which|who|while|then|until|although)\s)",
    re.IGNORECASE,
)
_ITEM = re.compile(r"(?:[-*+•–—·‣▪◦#|>]|\d{1,3}[.)]|[a-z]\))\s")
_LABEL = re.compile(r"[(\[]?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})\.")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER_LAST = _words(  # a full stop after these ends no sentence
    "dr mr mrs ms mx prof rev fr hon gen capt cmdr lt sgt maj adm gov sen rep pres supt messrs mme mlle hr "
    "vs v viz cf ca approx esp incl e.g i.e eg ie dipl ing trans"
)
_BEFORE_NUMBER = _words(  # these stay open when a figure follows
    "no nos nr p pp fig figs eq eqs sec sect ch chap art tab app par para ver v vol vols "
    "ext tel fax jan feb mar apr jun jul aug sep sept oct nov dec c ca b d r"
)
_SOMETIMES_LAST = _words(  # these end one only when the next word is one that likes to begin sentences
    "inc ltd co corp bros jr sr esq dept univ est assn ave blvd rd st mt ft col nos nr al etc ph.d m.d ed eds vol vols"
)
_STARTERS = _words(
    "the a an this that these those it its he she they we i you his her their our my there here in on at "
    "for from by with after before when while if as but and or so however although because since during "
    "what who why how where which is are was were do does did can could will would should not no yes all "
    "some many most each every both one two another other then also instead today later"
)


def each(texts: Sequence[str]) -> Sequence[str]:
    """Return the texts; a single string is one text and not its letters."""
    return [texts] if isinstance(texts, str) else texts


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the character spans of the sentences: in order, disjoint, stripped, at most 1,000 characters.

    Together they hold every character that is not white space. Blank lines, list items and line ends
    that are no wrapping of running text are borders as hard as a full stop. A row of a table, its cells parted by bars,
    is one sentence whatever stands in them. Long text without full stops, such as a transcript, is cut into clauses.
    """
    return [
        span
        for start, end in _blocks(text)
        for sentence in _split(text, start, end)
        for run in _runs(text, *sentence)
        for span in _bounded(text, *run)
    ]


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield stretches without a hard border; line ends inside them wrap running text."""
    paragraph: list[tuple[int, str]] = []
    place = 0
    for line in text.splitlines(keepends=True):
        if line.isspace():
            yield from _unwrapped(paragraph)
            paragraph = []
        else:
            paragraph.append((place, line))
        place += len(line)
    yield from _unwrapped(paragraph)


def _unwrapped(lines: list[tuple[int, str]]) -> Iterator[tuple[int, int]]:
    """Join the lines of one paragraph where a line end is only the right margin."""
    if not lines:
        return
    filled = _fills_margin([line.strip() for _, line in lines])
    start = lines[0][0]
    for (_, line), (place, following) in pairwise(lines):
        first = following.lstrip()
        wraps = filled or (first[0].islower() and 30 <= len(line.rstrip()) <= 160)
        if not wraps or _ITEM.match(first) or BAR in line or BAR in following:
            yield start, place
            start = place
    yield start, lines[-1][0] + len(lines[-1][1])


def _fills_margin(lines: list[str]) -> bool:
    """Whether each line but the last stops only because the next word had no room."""
    width = max(len(line) for line in lines)
    return (
        len(lines) > 2
        and 40 <= width <= 120
        and all(len(line) + 1 + len(following.split(maxsplit=1)[0]) > width for line, following in pairwise(lines))
    )


def _split(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the stripped sentences of one block."""
    if text.find(BAR, start, end) >= 0:
        yield from _stripped(text, start, end)
        return
    begin = start
    for stop in _STOP.finditer(text, start, end):
        if _ends_sentence(text, begin, stop, end):
            yield from _stripped(text, begin, stop.end())
            begin = stop.end()
    yield from _stripped(text, begin, end)


def _ends_sentence(text: str, begin: int, stop: re.Match[str], end: int) -> bool:
    mark = stop.group()
    if mark[0] in "。！？｡":
        return True
    following = _WORD.search(text, stop.end(), min(end, stop.end() + 60))
    if following is None:
        return True
    word = following.group()
    closed = mark[-1] not in ".!?…"
    if mark[0] != "." or len(mark.rstrip(_CLOSE)) > 1:
        soft = closed or mark[0] == "…" or mark.startswith("..")
        return not (word[0].islower() and soft)
    before = text[max(begin, stop.start() - 32) : stop.start()].split()
    token = before[-1].lstrip(_OPEN) if before else ""
    label = stop.end() - begin < 12 and _LABEL.fullmatch(text[begin : stop.end()].strip()) is not None
    return _full_stop_ends(token, word, closed=closed, label=label)


def _full_stop_ends(token: str, word: str, *, closed: bool, label: bool) -> bool:
    """Whether one full stop after `token` and before `word` ends a sentence."""
    name = token.casefold()
    starter = word.casefold() in _STARTERS and not word[0].islower()
    if label or (word[0].isdigit() and name in _BEFORE_NUMBER) or (name in _NEVER_LAST and not closed):
        return False
    if word[0].islower():
        return name.isalpha() and len(name) > 3 and name not in _SOMETIMES_LAST and not closed
    initial = len(token) == 1 and token.isalpha() and token.isupper()
    if initial or "." in token.strip(".") or name in _SOMETIMES_LAST:
        return starter or closed
    return True


def _runs(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what nobody marked the ends of, as what was spoken, into runs of clauses; other sentences stay whole."""
    longest = UNMARKED if _MARK.search(text, start, end) else CLAUSES
    if end - start <= longest or text.find(BAR, start, end) >= 0:
        yield start, end
        return
    pauses = [start, *(pause.start() + 1 for pause in _PAUSE.finditer(text, start, end)), end]
    for first, last in pairwise(pauses):
        begin = stop = first
        for clause in [*(found.end() for found in _CLAUSE.finditer(text, first, last)), last]:
            if clause - begin > CLAUSES and stop > begin:
                yield from _stripped(text, begin, stop)
                begin = stop
            stop = clause
        yield from _stripped(text, begin, last)


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what is longer than a sentence may be, at white space where there is some."""
    while end - start > LONGEST_SENTENCE:
        head = text[start : start + LONGEST_SENTENCE + 1]
        cut = next((i for i in range(LONGEST_SENTENCE, 0, -1) if head[i].isspace()), LONGEST_SENTENCE)
        yield from _stripped(text, start, start + cut)
        start += cut
    yield from _stripped(text, start, end)


def _stripped(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    kept = piece.lstrip()
    start += len(piece) - len(kept)
    if kept:
        yield start, start + len(kept.rstrip())


_LINE_END = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff9-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_EMOJI = (
    "\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u2328\u23cf-\u23fa\u24c2\u25aa-\u27bf"
    "\u2934\u2935\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_STRAY_SELECTOR = re.compile(rf"(?<![{_EMOJI}0-9#*©®])\ufe0f")
_JOINING = "\u0600-\u0fff\u1000-\u109f\u1780-\u17ff\u1800-\u18af"  # scripts spelt with joiners
_STRAY_JOINER = re.compile(rf"(?<![{_EMOJI}{_JOINING}\ufe0f])[\u200c\u200d]|[\u200c\u200d](?![{_EMOJI}{_JOINING}])")


def paired(text: str) -> str:
    """Return the text with the halves of a character that stand side by side joined, and U+FFFD for one alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def clean(text: str) -> str:
    """Return the text in NFC, with LF line ends and without what cannot be seen or stored.

    Lone surrogates become U+FFFD. Control characters except tab and line feed, zero-width, bidirectional,
    tag and variation characters go; joiners stay where an emoji or a script is spelt with them.
    """
    text = _SURROGATE.sub("\ufffd", _LINE_END.sub("\n", text))
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", _STRAY_JOINER.sub("", _STRAY_SELECTOR.sub("", text)))
