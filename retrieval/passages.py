"""Documents cut into passages at sentence ends."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from retrieval.text import clean, sentences
from retrieval.types import Document, Embedder, Passage, Section, Vectors

ROWS: Final = 1_000  # of a table, up to which each passage has a vector of its own
STRETCH: Final = 100  # rows that share one beyond
_ROW: Final = re.compile(r"(?:row|item)s? (\d+)")


def cut(document: Document, target: int = 480, longest: int = 900) -> list[Passage]:
    """Return the passages of the document, numbered from 0, in reading order.

    Each is a run of whole sentences of one section, about `target` characters long. It is longer than
    `longest` only where one sentence is. Raises ValueError when `target` exceeds `longest`.
    """
    if not 0 < target <= longest:
        raise ValueError(f"need 0 < target <= longest, got target={target!r} and longest={longest!r}")
    passages: list[Passage] = []
    for section in document.sections:
        for start, end in _spans(document.text, section, target, longest):
            passages.append(
                Passage(
                    id=len(passages),
                    text=document.text[start:end],
                    source=document.source,
                    title=document.title,
                    headings=section.headings,
                    start=start,
                    end=end,
                    place=section.place,
                )
            )
    return passages


def _spans(text: str, section: Section, target: int, longest: int) -> list[tuple[int, int]]:
    """Pack the section's sentences; a rest below a quarter of the target joins its neighbour."""
    spans = list(_packed(text, section, target, longest))
    if len(spans) > 1:
        (start, _), (last, end) = spans[-2:]
        if end - last < target // 4 and end - start <= longest:
            spans[-2:] = [(start, end)]
    return spans


def _packed(text: str, section: Section, target: int, longest: int) -> Iterator[tuple[int, int]]:
    """Pack sentences up to the target, cut where a paragraph ends rather than in it, never after what leads on."""
    packed: list[tuple[int, int]] = []
    for start, end in sentences(text[section.start : section.end]):
        while packed:
            begin, stop = packed[0][0], packed[-1][1]
            small = stop - begin < target // 2
            if end - begin <= (longest if small else target):
                break
            place = _place(text[section.start : section.end], [*packed, (start, end)], target)
            yield section.start + begin, section.start + packed[place - 1][1]
            packed = packed[place:]
        packed.append((start, end))
    if packed:
        yield section.start + packed[0][0], section.start + packed[-1][1]


def _place(text: str, packed: Sequence[tuple[int, int]], target: int) -> int:
    """Return before which sentence to cut: the last that begins a paragraph and leaves half of the target before it,
    else the last one; sooner where the sentence before leads on to it, as a question does to its answer."""
    half = packed[0][0] + target // 2
    starts = [at for at in range(1, len(packed)) if "\n\n" in text[packed[at - 1][1] : packed[at][0]]]
    place = max((at for at in starts if packed[at - 1][1] >= half), default=len(packed) - 1)
    earlier = place
    while earlier > 1 and text[packed[earlier - 1][1] - 1] in "?:":
        earlier -= 1
    return earlier if text[packed[earlier - 1][1] - 1] not in "?:" else place


def cut_all(documents: Iterable[tuple[str, str, str]]) -> list[Passage]:
    """Return the passages of plain documents, each its name, title and text, numbered throughout from 0."""
    cleaned = ((name, clean(title).strip(), clean(text)) for name, title, text in documents)
    plain = (Document(name, title, text, (Section((), 0, len(text)),)) for name, title, text in cleaned)
    return [
        replace(passage, id=number)
        for number, passage in enumerate(passage for document in plain for passage in cut(document))
    ]


def vectors_of(passages: Sequence[Passage], embedder: Embedder) -> Vectors:
    """Return the vectors of passages, one row each: those of their `embedding_text`, as a rule.

    Of a table, the rows past ROWS share that of the first passage of their stretch among these: they differ in keys and
    figures, which only a search by words tells apart, and a vector of each would take most of the time of reading it.
    """
    texts: list[str] = []
    firsts: dict[tuple[object, ...], str] = {}
    for passage in passages:
        text = embedding_text(passage)
        place = _ROW.match(passage.place)
        if place and (number := int(place[1])) > ROWS:
            text = firsts.setdefault((passage.title, passage.headings, number // STRETCH), text)
        texts.append(text)
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    return embedder.encode([*places])[[places[text] for text in texts]]


def embedding_text(passage: Passage) -> str:
    """Return the passage with its title and headings before it, as it is embedded and indexed."""
    context = [passage.title, *(heading for heading in passage.headings if heading != passage.title)]
    return "\n".join(part for part in (": ".join(filter(None, context)), passage.text) if part)
