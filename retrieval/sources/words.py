"""What stands on a page, whoever read it: words with their boxes, ruled lines, pictures.

Boxes are (left, bottom, right, top) in points as a PDF has them; once a page is `turned`, they are
(left, top, right, bottom), counted from the top left corner of the page as it is read.
"""

from collections import Counter
from dataclasses import dataclass

Box = tuple[float, float, float, float]
Rule = Box  # a line is a thin box


@dataclass(frozen=True, slots=True)
class Word:
    """A word, or anything else that is never parted, such as a field of a form or a line that was recognised.

    `turn` counts the quarters by which it is turned against the page, None for one that stands aslant.
    """

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float
    bold: bool = False
    turn: int | None = 0

    @property
    def middle(self) -> float:
        """Half of its height."""
        return (self.top + self.bottom) / 2


@dataclass(slots=True)
class Page:
    """A page: the words that are seen and those that are not, its rules and pictures; `drawn`: it is not empty."""

    words: list[Word]
    hidden: list[Word]
    rules: list[Rule]
    pictures: list[Box]
    box: Box
    drawn: bool = True
    aside: tuple[list[Word], ...] = ()  # words that stand at another angle than most, by their angle
    turn: int = 0

    @property
    def height(self) -> float:
        """Its height in points."""
        return self.box[3] - self.box[1]


def turned(page: Page) -> Page:
    """Return the page as it is read: most of its words upright, counted from its top."""
    turns = Counter[int | None]()
    for word in page.words:
        turns[word.turn] += len(word.text)
    turn = max((turn for turn in turns if turn is not None), key=lambda turn: turns[turn], default=0)
    groups: dict[int | None, list[Word]] = {}
    for word in page.words:
        box = _laid((word.left, word.top, word.right, word.bottom), page.box, word.turn or 0)
        groups.setdefault(word.turn, []).append(Word(word.text, *box, word.size, word.bold, word.turn))
    rules = [_laid(rule, page.box, turn) for rule in page.rules]
    pictures = [_laid(picture, page.box, turn) for picture in page.pictures]
    words = groups.pop(turn, [])
    left, top, right, bottom = _laid(page.box, page.box, turn)
    box = (left, top, right, bottom)
    return Page(words, page.hidden, rules, pictures, box, page.drawn, tuple(groups.values()), turn)


def laid(box: Box, page: Page, within: Box) -> Box:
    """Return a box of the PDF where it lies on the page as it is read; `within` is the page's box as the PDF has it."""
    return _laid(box, within, page.turn)


def _laid(box: Box, page: Box, turn: int) -> Box:
    left, bottom, right, top = box
    x, y, right_most, top_most = page
    match turn:
        case 0:
            return left - x, top_most - top, right - x, top_most - bottom
        case 1:  # runs upwards
            return bottom - y, left - x, top - y, right - x
        case 2:
            return right_most - right, bottom - y, right_most - left, top - y
        case _:
            return top_most - top, right_most - right, top_most - bottom, right_most - left
