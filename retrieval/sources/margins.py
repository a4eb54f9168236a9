"""What recurs in the margins of pages: headers, footers and page numbers, which belong to no sentence."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from retrieval.sources.grids import text_of
from retrieval.sources.words import Page, Word

_MARGIN: Final = 0.11  # of the height of a page, at its top and bottom
_SHARE: Final = 0.4  # of the pages on which a line recurs at least
_STEP: Final = 6.0  # points by which it may move
_FIGURE: Final = re.compile(r"\d+|\b[ivxlc]+\b", re.IGNORECASE)
_NUMBER: Final = re.compile(r"(?:[^\W\d_]{1,7}\.? ?|[-–—] ?|\| ?)?#(?: ?(?:/|[^\W\d_]{2,3}|[-–—|]) ?#?| ?[-–—|])?")
_LONGEST: Final = 200  # characters

_Mark = tuple[str, int]


class Margins:
    """The lines that recur in the margins of the pages looked at."""

    def __init__(self, pages: Iterable[Page]) -> None:
        self._seen = Counter[_Mark]()
        count = 0
        for page in pages:
            count += bool(page.words)
            self._seen.update({mark for _, _, mark in _pieces(page)})
        self._least = max(2, round(_SHARE * count))
        self._said: dict[str, set[str]] = {}
        self._headers: set[str] = set()  # those that stand at the top

    def taken_off(self, page: Page) -> list[Word]:
        """Return the words of a page without those lines, which are remembered."""
        gone: set[int] = set()
        for words, text, mark in _pieces(page):
            recurs = sum(self._seen[mark[0], mark[1] + step] for step in (-1, 0, 1)) >= self._least
            number = _NUMBER.fullmatch(mark[0]) is not None
            if recurs or (number and len(text) < 20 and _stands_alone(words, page)):
                gone |= {id(word) for word in words}
                if not number and len(said := self._said.setdefault(mark[0], set())) < 2:
                    said.add(text)
                    if words[0].bottom < page.height / 2:
                        self._headers.add(text)
        return [word for word in page.words if id(word) not in gone]

    @property
    def title(self) -> str:
        """What stands at the top of the pages, which often is their title."""
        return next((line for line in self.lines if line in self._headers), "")

    @property
    def lines(self) -> list[str]:
        """What the lines say, each once; page numbers and those that differ from page to page are left out."""
        return [line for said in self._said.values() if len(said) == 1 for line in said]


def _stands_alone(words: Sequence[Word], page: Page) -> bool:
    """Whether nothing else stands at the height of a page number, and nothing close to it."""
    height = words[0].bottom - words[0].top
    top, bottom = words[0].top - 0.8 * height, words[0].bottom + 0.8 * height
    own = {id(word) for word in words}
    return all(word.bottom < top or word.top > bottom for word in page.words if id(word) not in own)


def _pieces(page: Page) -> Iterator[tuple[list[Word], str, _Mark]]:
    """Yield what stands in the margins, in pieces that stand apart, with the mark by which it is known again."""
    margin = _MARGIN * page.height
    edge = sorted(
        (word for word in page.words if word.bottom < margin or word.top > page.height - margin),
        key=lambda word: (round(word.middle / 2), word.left),
    )
    piece: list[Word] = []
    for word in edge:
        near = (
            piece and abs(word.middle - piece[-1].middle) < 3 and word.left - piece[-1].right < 2 * max(word.size, 4.0)
        )
        if piece and not near:
            yield _marked(piece)
            piece = []
        piece.append(word)
    if piece:
        yield _marked(piece)


def _marked(words: list[Word]) -> tuple[list[Word], str, _Mark]:
    text = text_of(words)[:_LONGEST]
    return words, text, (_FIGURE.sub("#", text.casefold()), round(words[0].middle / _STEP))
