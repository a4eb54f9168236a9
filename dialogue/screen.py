"""Evidence before it enters a prompt: sentences that the guard objects to are withheld, the rest of a passage stays.

What stays of a passage are pieces of it, each a verbatim slice of its document, so that no quote can run across a gap.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Final

from dialogue.rank import Gates, why_dropped
from dialogue.types import Trace
from dialogue.units import STAMP
from retrieval.rows import is_cut
from retrieval.text import BAR, sentences
from retrieval.tools.toolset import passage_id
from retrieval.types import Evidence, Passage
from safety.types import Verdict

WINDOW: Final = 3  # sentences across which an order may be spread
HEADED: Final = "in its title or a heading: "  # before the reason why all that stands under it is withheld
WARY: Final = 0.3  # risk from which a sentence is withheld where its passage holds an order

_FOUND = re.compile(r": “| \(probability")  # what follows the name of an objective in a reason

_LABEL = re.compile(
    rf"^(?:(?:q|a|question|answer)[ .]?\d{{0,3}}[:.)] +|(?:{STAMP.pattern})"
    r"(?!(?:system|assistant|user|developer|human|ai)\b)(?:[\w.'’ -]{1,30}: )?)",
    re.IGNORECASE | re.MULTILINE,
)
Check = Callable[[Sequence[str]], list[Verdict]]
Withheld = tuple[tuple[Evidence, str], ...]  # evidence with the reason why it may not enter a prompt
Spans = list[tuple[int, int]]


def screened(check: Check, evidence: Sequence[Evidence]) -> tuple[tuple[Evidence, ...], Withheld]:
    """Return what may enter a prompt, in order, and what is withheld with its reason.

    Whole passages are checked first, all at once, with the titles and headings that they stand under; a passage is
    read sentence by sentence only where the guard objects to it.
    """
    bare = partial(_check_bare, check)
    heads = list(dict.fromkeys(_head(item.passage) for item in evidence))
    verdicts = bare([*(item.passage.text for item in evidence), *heads])
    above = dict(zip(heads, verdicts[len(evidence) :], strict=True))
    kept: list[Evidence] = []
    withheld: list[tuple[Evidence, str]] = []
    for item, verdict in zip(evidence, verdicts, strict=False):
        head = above[_head(item.passage)]
        if not head.safe:
            withheld.append((item, head.reason if head.risk is None else f"{HEADED}{head.reason}"))
        elif verdict.safe:
            kept.append(item)
        else:
            stay, go = _parted(bare, item, verdict)
            kept += stay
            withheld += [(piece, verdict.reason) for piece in go]
    return tuple(kept), tuple(withheld)


def _check_bare(check: Check, texts: Sequence[str]) -> list[Verdict]:
    """Check what is said, without "Q:" and "ANSWER:", and without when and by whom in a chat: labels like orders."""
    return check([_LABEL.sub("", text).strip() or text for text in texts])


def without(found: Sequence[Evidence], shown: Sequence[Evidence]) -> list[Evidence]:
    """Return what of `found` is not shown yet, neither whole nor in pieces."""
    return [item for item in found if not any(_within(other.passage, item.passage) for other in shown)]


def quotes(draft: str, evidence: Sequence[Evidence]) -> bool:
    """Say whether every sentence of a draft stands word for word in a document of the library, if not every cell."""
    texts = [item.passage.text for item in evidence if item.passage.kind == "document"]
    documents = [" ".join(text.split()) for text in texts]

    def stands(sentence: str) -> bool:
        rows = (row for text in texts for row in text.splitlines()) if BAR in sentence else ()
        return any(sentence in text for text in documents) or any(is_cut(sentence, row) for row in rows)

    said = [" ".join(draft[start:end].split()) for start, end in sentences(draft)]
    return bool(said) and all(map(stands, said))


def left_out(trace: Trace, sources: Collection[str]) -> str:
    """Return a sentence on each document of which something was withheld, as far as it matters to the reply.

    It does where the reply cites the document, one of `sources`, and where without a reply it was the nearest. A title
    that was objected to is not told.
    """
    withheld = trace.withheld
    found = [*trace.evidence, *(item for item, _ in withheld)]
    if not sources and withheld:
        sources = {max(found, key=lambda item: (item.probability or 0.0, item.score)).passage.source}
    said: list[str] = []
    for source in dict.fromkeys(item.passage.source for item, _ in withheld if item.passage.source in sources):
        of = [(item.passage, reason) for item, reason in withheld if item.passage.source == source]
        if of[0][1].startswith(HEADED):
            why = _why(of[0][1].removeprefix(HEADED), 1).removeprefix("it ")
            said.append(f"I left out a document, because its title or a heading {why}.")
            continue
        number = sum(len(sentences(passage.text)) for passage, _ in of)
        what = "one sentence" if number == 1 else f"{number} sentences"
        said.append(f"I left out {what} of “{of[0][0].title}”, because {_why(of[0][1], number)}.")
    return " ".join(said)


def too_unsafe(trace: Trace, gates: Gates) -> str:
    """Say what was found but left out, where the best draft failed by its safety alone; else return ""."""
    for candidate in trace.candidates:
        passage = next((claim.passage for claim in candidate.scores.claims if claim.passage), None)
        fit = not why_dropped(Verdict(True, 0.0), candidate.scores, gates)
        if not candidate.verdict.safe and fit and passage:
            return f"I left out what I found in “{passage.title}”, because {_why(candidate.verdict.reason, 1)}."
    return ""


def _why(reason: str, number: int) -> str:
    """Put a guard's reason, the words that it found aside, into a clause."""
    subject, verb = ("it", "looks") if number == 1 else ("they", "look")
    if not reason or reason.endswith("."):
        return f"{subject} could not be checked for safety"
    return f"{subject} {verb} like {_FOUND.split(reason)[0]}"


def _within(piece: Passage, passage: Passage) -> bool:
    same = (piece.kind, piece.source, piece.title) == (passage.kind, passage.source, passage.title)
    return same and passage.start <= piece.start <= piece.end <= passage.end and piece.text in passage.text


def _head(passage: Passage) -> str:
    return "\n".join((passage.title, *passage.headings))


def _parted(check: Check, item: Evidence, verdict: Verdict) -> tuple[list[Evidence], list[Evidence]]:
    """Return the pieces of a passage that stay and those that go: all of it if the rest is still objected to."""
    text = item.passage.text
    spans = sentences(text)
    if verdict.risk is None or len(spans) < 2:
        return [], [item]
    bad = _suspicious(check, text, spans)
    stay, go = ([(run[0][0], run[-1][1]) for run in _runs(spans, bad, wanted)] for wanted in (False, True))
    rest = "\n".join(text[start:end] for start, end in stay)
    if not bad or not stay or not check([rest])[0].safe:
        return [], [item]
    return [_piece(item, *span) for span in stay], [_piece(item, *span) for span in go]


def _suspicious(check: Check, text: str, spans: Spans) -> set[int]:
    """Return the sentences that are objected to by themselves or with their neighbours, and those of which it is wary.

    A window counts only where no smaller one in it is objected to, so that it takes no bystander along. A sentence
    between two suspicious ones goes with them.
    """
    windows = [(first, first + n) for n in range(1, WINDOW + 1) for first in range(len(spans) - n + 1)]
    verdicts = check([text[spans[first][0] : spans[last - 1][1]] for first, last in windows])
    fired: set[int] = set()
    for (first, last), verdict in zip(windows, verdicts, strict=True):
        inside = set(range(first, last))
        if not verdict.safe and not fired & inside:
            fired |= inside
    wary = {at for at, verdict in enumerate(verdicts[: len(spans)]) if verdict.risk is None or verdict.risk >= WARY}
    found = fired | wary
    return found | {at + 1 for at in found if at + 2 in found}


def _runs(spans: Spans, bad: set[int], wanted: bool) -> Iterator[Spans]:
    """Yield the runs of neighbouring sentences that are among the bad ones, or that are not."""
    for is_bad, run in groupby(enumerate(spans), key=lambda numbered: numbered[0] in bad):
        if is_bad == wanted:
            yield [span for _, span in run]


def _piece(item: Evidence, start: int, end: int) -> Evidence:
    """Return a slice of a passage as evidence, under an id of its own."""
    passage = item.passage
    text, place = passage.text[start:end], passage.start + start
    piece = replace(passage, text=text, start=place, end=place + len(text))
    return replace(item, passage=replace(piece, id=passage_id(passage.source, text, place)))
