"""Documents as people have them, asked as people ask, for the reader.

`documents/` holds them by field, each with questions in several wordings and the words that answer, and with questions
that sound as if it answered them. One document in HELD is kept apart: the probabilities are fitted to those.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.training.asked import Asked
from app.training.quality_data import share
from dialogue.units import units
from retrieval.markup import from_markdown
from retrieval.passages import cut
from retrieval.reading import Page, page_of
from retrieval.text import BAR, clean
from retrieval.types import Passage

FOLDER = Path(__file__).with_name("documents")
HELD = 8  # one in so many
BESIDE = 0.5  # wanted of `relevant` for a passage of the right document that does not answer
OTHER_ROWS = 2
OTHER = 0.1  # for the likeliest passage of another document


@dataclass(frozen=True)
class AskedDocument:
    """A document: its passages as the library cuts them, and its questions.

    `answered` holds the wordings of a question with the words that answer, `unanswered` questions without an answer.
    """

    passages: tuple[Passage, ...]
    answered: tuple[tuple[tuple[str, ...], str], ...]
    unanswered: tuple[str, ...]

    def held(self) -> bool:
        """Whether it is kept apart from training."""
        return share(f"document {self.passages[0].title}") < 1 / HELD

    def places(self, answer: str) -> list[int]:
        """Which of the passages hold an answer."""
        return [at for at, passage in enumerate(self.passages) if answer in passage.text]


@cache
def documents(folder: Path = FOLDER) -> tuple[AskedDocument, ...]:
    """Return the documents of all files of a folder. Raises ValueError for a line that is not understood."""
    found = list[AskedDocument]()
    for path in sorted(folder.glob("*.md")):
        for number, part in enumerate(path.read_text(encoding="utf-8").split("\n---\n")):
            if part.strip():
                found.append(_document(part.strip().splitlines(), f"{path.stem}/{number}"))
    return tuple(found)


def _document(lines: Sequence[str], name: str) -> AskedDocument:
    text = "\n".join(line for line in lines if not line.startswith(("? ", "! ")))
    answered, unanswered = [], list[str]()
    for line in lines:
        if line.startswith("? "):
            asked, bar, answer = line[2:].partition("|")
            if not bar:
                raise ValueError(f"{name}: {line!r} lacks a bar and the words that answer")
            answered.append((_wordings(asked), clean(answer).strip()))
        elif line.startswith("! "):
            unanswered += _wordings(line[2:])
    return AskedDocument(tuple(cut(from_markdown(text, name, ""))), tuple(answered), tuple(unanswered))


def _wordings(text: str) -> tuple[str, ...]:
    return tuple(clean(one).strip() for one in text.split(";") if one.strip())


def answered(found: Sequence[AskedDocument]) -> Iterator[Asked]:
    """Questions on the passage that answers."""
    for document in found:
        for wordings, answer in document.answered:
            for place in document.places(answer)[:1]:
                page = page_of(document.passages[place])
                start = page.text.index(answer)
                for question in wordings:
                    yield Asked(question, page, ((start, start + len(answer)),))


def unanswered(found: Sequence[AskedDocument]) -> Iterator[Asked]:
    """Questions that sound as if the document answered them, on its passage that is nearest in words."""
    asked = [(question, "", number) for number, document in enumerate(found) for question in document.unanswered]
    for question, passage in _nearest(found, asked, own=True):
        yield Asked(question, page_of(passage), (), 0.0, None)


def beside(found: Sequence[AskedDocument]) -> Iterator[Asked]:
    """Answered questions on the nearest passage that does not answer: of their document, and of any other."""
    asked = [
        (question, answer, number)
        for number, document in enumerate(found)
        for wordings, answer in document.answered
        for question in wordings
    ]
    for own, relevant in ((True, BESIDE), (False, OTHER)):
        for question, passage in _nearest(found, asked, own):
            yield Asked(question, page_of(passage), (), 0.0, relevant)


def rows(found: Sequence[AskedDocument], rng: random.Random) -> Iterator[Asked]:
    """Questions that a row of a table answers, on that row alone and on OTHER_ROWS beside it, as rows are read."""
    for document in found:
        lines = [(offer.text, offer.page.title) for passage in document.passages for offer in units(passage)]
        tables = [(text, title) for text, title in lines if BAR in text]
        for wordings, answer in document.answered:
            first = next((line for line in lines if answer in line[0]), ("", ""))
            if BAR not in first[0]:
                continue
            page, start = Page(*first), first[0].index(answer)
            others = [Page(*line) for line in tables if line[1] == page.title and answer not in line[0]]
            for question in wordings:
                yield Asked(question, page, ((start, start + len(answer)),))
                for other in rng.sample(others, min(OTHER_ROWS, len(others))):
                    yield Asked(question, other, (), 0.0, BESIDE)


def _nearest(
    found: Sequence[AskedDocument], asked: Sequence[tuple[str, str, int]], own: bool
) -> Iterator[tuple[str, Passage]]:
    """Yield questions with the passage that shares most words with each, of its own document or of all others.

    `asked` has the answer of each, which that passage does not hold, and the number of its document.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    every = [(number, passage) for number, document in enumerate(found) for passage in document.passages]
    counted = TfidfVectorizer(sublinear_tf=True, stop_words="english")
    table = counted.fit_transform([f"{page_of(passage).title} {passage.text}" for _, passage in every])
    words = counted.transform([question for question, *_ in asked])
    for at, (question, answer, owner) in enumerate(asked):
        scores = (table @ words[at].T).toarray()[:, 0]
        for number, passage in (every[place] for place in (-scores).argsort(kind="stable").tolist()):
            if (number == owner) is own and not (answer and answer in passage.text):
                yield question, passage
                break
