"""How the sources help to read a question: the other of two things, what it keeps of the one before, dates as written.

Each way is a reading that is tried; how likely a passage answers it decides.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from dialogue.dates import as_written, moved, tells_time, told, untimed
from dialogue.others import OTHER, kinds, of_the_other
from dialogue.phrases import PRONOUNS, phrases, words
from dialogue.query import Reading, Rewriter, before, dated, depends, forms_of, likeliest, points_back
from dialogue.types import Turn
from retrieval.types import Evidence

KEPT: Final = 0.2  # how much less likely a question is answered that keeps the time of the one before it, to be read so
CLEARER: Final = 0.1  # how much likelier it has to be answered that keeps its place or variant
_POINTS: Final = frozenset(PRONOUNS | {"then"}) - {"one", "ones", "here"}
_TIMELESS = re.compile(
    r"(?:(?:since|until|till|from|by) )?(?:when\b|(?:what|which) (?:year|date|day|week|month|time)s?\b)|"
    r"how (?:old|long ago)\b|.*\b(?:born|die|died|birthday)\b",
    re.IGNORECASE,
)
_HUNG: Final = ("for", "at", "in", "on", "with")

Search = Callable[[Sequence[str]], Sequence[Evidence]]


def reading(turns: Sequence[Turn], subject: str, rewriter: Rewriter | None, search: Search) -> Reading:
    """Return what the last user turn means, as `likeliest` does, with what only the sources know.

    `search` returns the passages found for some forms of a question, with the probability that each answers it.
    """

    @lru_cache
    def found(forms: tuple[str, ...]) -> Sequence[Evidence]:
        return search(forms)

    def likely(forms: Sequence[str]) -> float:
        return max((item.probability or 0.0 for item in found(tuple(forms))), default=0.0)

    def texts(forms: Sequence[str]) -> list[str]:
        return [item.passage.text for item in found(tuple(forms))]

    earlier = turns[:-1]
    previous = before(earlier, rewriter) if earlier else ""
    day = dated(earlier, rewriter) if earlier else ""
    typed = turns[-1].text
    other = moved(typed, day)
    if not other and OTHER.search(typed) and (of := kinds(previous)):
        named = _by_source(found((previous, *(f"the other {kind}" for kind in of))))
        other = of_the_other(typed, previous, named)
    if other and not points_back(OTHER.sub("", untimed(typed))):
        query, forms = other, forms_of(other, turns)
    else:
        turns = [*earlier, replace(turns[-1], text=other or typed)]
        query, forms = likeliest(turns, subject, rewriter, likely)
    for more, margin in _keeping(typed, query, previous, day):
        written = as_written(more, texts((more, *forms)))
        kept = tuple(dict.fromkeys((written, more)))
        if likely(kept) >= likely(forms) - margin:
            return written, tuple(dict.fromkeys((*kept, *forms[1:])))
    if (time := told(query)) and time.date:
        written = as_written(query, texts(forms))
        if written != query and likely((written, *forms)) > likely(forms):
            return written, (written, *forms)
    return query, forms


def _by_source(found: Sequence[Evidence]) -> list[str]:
    """The passages' texts, those of one source together."""
    texts: dict[str, str] = {}
    for item in found:
        texts[item.passage.source] = f"{texts.get(item.passage.source, '')}\n{item.passage.text}"
    return list(texts.values())


def _keeping(typed: str, query: str, previous: str, day: str) -> Iterator[tuple[str, float]]:
    """Yield the query with the time, place or variant that the question before it told and it does not, and how much
    less likely it may be answered so. `day` is the question that told the time."""
    points = any(word.plain in _POINTS for word in words(typed))
    if not previous or previous in query or not (points or depends(typed)):
        return
    rest = query.rstrip("?!. ")
    if (time := told(day)) and not tells_time(query) and not _TIMELESS.match(query):
        yield f"{rest} {time.phrase(day)}?", KEPT if points else 0.0
    elif points and not query.casefold().startswith("where"):
        hung = [p for p in phrases(previous) if p.kind == "base" and p.before in _HUNG]
        own = {p.before for p in phrases(query) if p.before}
        if hung and hung[-1].before not in own and hung[-1].bare.casefold() not in query.casefold():
            yield f"{rest} {hung[-1].before} {hung[-1].text}?", -CLEARER
