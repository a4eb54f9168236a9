"""Lists and steps quoted whole: the lines under the heading or after the words that a question asks for.

A list is a run of short units under one heading that no running text parts; it is offered as one, in lines.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from dialogue.antecedents import is_dependent
from dialogue.judges.answers import AnswerScorer, Offer
from dialogue.judges.facts import content_stems, stem, words
from dialogue.shapes.facts import Fact, name_of
from dialogue.units import units
from retrieval.reading import Page
from retrieval.text import BAR
from retrieval.types import Passage

Neighbours = Callable[[Sequence[int]], Sequence[Passage]]

MOST = 12  # lines of one list that are quoted
WIDEST = 200  # characters of a line
NEAR = 6  # words from the beginning of a unit within which a thing of the kind is named
THINGS = 12  # things of a kind that are quoted
STEP = 0.2  # the least probability of a step that answers where all of them are asked for
ALONE = 0.7  # the least probability of each of several units that answer, read by itself
_NO_NOUN = (  # what follows "what" where no plural of things does
    "is|was|are|were|does|do|did|has|have|had|can|could|will|would|shall|should|must|may|might|happens|this|its"
)
_IN = r"(?:(?:in|at|on|for|from|with|by|to|of|under) )?"
_OF = r"(?:of (?:the|our|your|my|these|those) )?"
_ASKS = re.compile(
    r"(?:please |can you |could you )*(?:list|name|enumerate|give me (?:a list|all|the)|show me (?:a list|all|the))\b|"
    r"(?:what|which) (?:are|were)\b(?! you\b)|"
    rf"{_IN}(?:what|which) {_OF}(?!(?:{_NO_NOUN})\b)(?:[a-z-]+ )?[a-z-]{{2,}}(?<!s)s (?![a-z-]*(?<!s)s\b)[a-z-]+\b|"
    rf"{_IN}(?:what|which) {_OF}(?!(?:{_NO_NOUN})\b)[a-z-]{{3,}}(?<![sui])s (?:is|was|does|has) [\w'’-]+ |"
    r"what (?:all )?(?:do|does|should|must|can|will|would) (?:\w+ ){1,3}?(?:need|bring|pack|take|get|buy)\b|"
    r"what (?:is|goes|comes|belongs) (?:in|into|on)\b|what(?: is|'s) (?:needed|included|required|on the)\b|"
    r"who (?:were|are|attended|took part|came|(?:is|sits|serves|belongs) (?:on|to|in))\b|"
    r"how (?:do|does|can|should|must|to)\b|what (?:is|are) the (?:steps?|procedure|process|instructions)\b",
    re.IGNORECASE,
)
_KINDS = re.compile(
    r"(?:which|what) (?:kinds? of |types? of )?(?P<noun>[a-z][a-z -]*?s) "
    r"(?:are there|are (?:available|offered|listed|known)|do (?:you|we|they) "
    r"(?:have|sell|offer|serve|stock|run|make|keep|provide)|exist|can I (?:choose|get|book))|"
    r"(?:list|name)(?: me)? (?:all |the )*(?P<all>[a-z][a-z -]*s)",
    re.IGNORECASE,
)


_STATES = re.compile(
    r"(?:The|This|These|That|It|They|There|We|He|She)\b|"
    r"(?:[\w'’-]+ ){1,5}?(?:is|are|was|were|has|have|can|will|may|must)\b"
)
_NAMED = re.compile(
    rf"{_IN}(?:what|which) {_OF}(?:(?!(?:{_NO_NOUN})\b)[a-z-]+ )??((?!(?:{_NO_NOUN})\b)[a-z-]{{2,}}(?<!s)s)\b",
    re.IGNORECASE,
)
_STEPS = re.compile(r"^how\b|\b(?:steps?|instructions?|procedure|process|method)\b", re.IGNORECASE)
_WHOLE = re.compile(r"\b(?:steps?|procedure|instructions)\b|\bone by one\b|\bin order\b", re.IGNORECASE)
_ASKING = frozenset({"list", "step", "name", "do", "pleas", "please", "give", "show", "thing"})


@dataclass(frozen=True, slots=True)
class Block:
    """Lines that follow one another in passages of one section."""

    lines: tuple[tuple[Passage, Offer], ...]
    lead: str = ""
    more: int = 0

    @property
    def about(self) -> str:
        """What tells what the lines are: title, headings, and the words before them."""
        return f"{self.lines[0][1].page.title}\n{self.lead}"

    @property
    def heading(self) -> str:
        """What tells them from other lines of their document: the last heading, and the words before them."""
        return f"{''.join(self.lines[0][0].headings[-1:])}\n{self.lead}"

    @property
    def text(self) -> str:
        """The lines as they are quoted, with what is left out said."""
        return in_lines([offer.line for _, offer in self.lines], self.more)


def in_lines(lines: Sequence[str], more: int) -> str:
    """Return lines as one text; a blank one stands where a line end could be taken for the wrapping of a sentence."""
    said = lines[0]
    for line in lines[1:]:
        said += f"\n\n{line}" if line[:1].islower() else f"\n{line}"
    return f"{said}\nand {more} more" if more else said


def asks_for_list(question: str) -> bool:
    """Say whether a question may be answered by a list or by steps."""
    return bool(_ASKS.match(question.strip()))


def names_kind(question: str) -> bool:
    """Say whether a question asks which things of a kind there are."""
    return bool(kind_of(question))


def kind_of(question: str) -> str:
    """Return the kind of which a question asks what there is, "" for another question."""
    match = _KINDS.fullmatch(question.strip().rstrip("?!. "))
    return (match["noun"] or match["all"]).strip() if match else ""


def noun_of(question: str) -> str:
    """Return the plural that "which Xs ...?" asks for, "" for another question."""
    match = _NAMED.match(question.strip())
    return match[1] if match else ""


def asked_for(question: str) -> frozenset[str]:
    """Return the stems of what a question asks for, without those that only ask."""
    return content_stems(question) - _ASKING


def blocks(passages: Sequence[Passage], neighbours: Neighbours) -> list[Block]:
    """Return the lists that stand in passages, each with what of it stands in those beside them."""
    found: dict[tuple[int, int], Block] = {}
    for passage in passages:
        if passage.kind != "document" or not _runs([passage]):
            continue
        section = _section(passage, neighbours)
        for run in _runs(section):
            (first, offer), before = run[0], ""
            if offer.start:
                before = first.text[: offer.start].rstrip().rsplit("\n", 1)[-1]
            lead = before if before.endswith(":") else ""
            found.setdefault((first.id, offer.start), Block(tuple(run[:MOST]), lead, max(0, len(run) - MOST)))
    return list(found.values())


def best_block(scorer: AnswerScorer, question: str, made: Sequence[Block]) -> Block | None:
    """Return the block that a question asks for: its headings say what the question does, all but a word."""
    asked = asked_for(question)
    wanted = bool(_STEPS.search(question))
    named = {stem(noun) for noun in [noun_of(question)] if noun} & asked
    fitting = []
    for block in made:
        about = {word.stem for word in words(block.about)}
        lacking = len(asked - about)
        done = 2 * sum(offer.text.endswith(".") for _, offer in block.lines) > len(block.lines)
        stating = sum(bool(_STATES.match(offer.text)) for _, offer in block.lines)
        if named - about and not asked & {word.stem for word in words(block.heading)}:
            continue  # it is about the same as the question, but of nothing that is asked for
        if question.casefold().startswith("how ") and 3 * stating > len(block.lines):
            continue
        if named and done and 2 * stating > len(block.lines):
            continue  # what happened is no list of things
        if asked and lacking <= (1 if len(asked) > 1 else 0):
            fitting.append((-lacking, done == wanted, max(scorer.score(question, _offers(block))), block))
    return max(fitting, key=lambda row: row[:3])[3] if fitting else None


def block_of(question: str, made: Sequence[Block], facts: Sequence[Fact]) -> Block | None:
    """Return the block with the line that answers likeliest, where a question asks for steps in so many words."""
    likely = [fact.offer for fact in facts[:1] if fact.probability >= STEP] if _WHOLE.search(question) else []
    long = [block for block in made if len(block.lines) > 2]
    return next((block for block in long for best in likely if best in [line for _, line in block.lines]), None)


def of_rows(rows: Sequence[tuple[Passage, Offer]]) -> Block | None:
    """Return the first MOST rows of a table as a block, None for no rows."""
    return Block(tuple(rows[:MOST]), "", max(0, len(rows) - MOST)) if rows else None


def _offers(block: Block) -> list[Offer]:
    """What of each passage a block offers, from its first line there to its last."""
    pages: dict[int, Offer] = {}
    for passage, offer in block.lines:
        before = pages.get(passage.id)
        pages[passage.id] = replace(before, end=offer.end) if before else offer
    return list(pages.values())


def things(question: str, facts: Sequence[Fact]) -> list[Fact]:
    """Return for "which X are there" the first unit on each thing of that kind, of the section that has most."""
    noun = kind_of(question)
    if not noun:
        return []
    root = stem(noun.rsplit(maxsplit=1)[-1])
    found: dict[str, dict[str, Fact]] = {}
    for fact in sorted(facts, key=lambda each: each.offer.start):
        if is_dependent(fact.offer.text):
            continue
        name = name_of(fact, noun.rsplit(maxsplit=1)[-1])
        named_so = root in {word.stem for word in words(name)}
        if not name or not (named_so or root in {word.stem for word in words(fact.offer.page.title)}):
            continue
        if name.casefold() in " ".join(fact.text.split()[:NEAR]).casefold():
            named = found.setdefault(fact.offer.page.title, {})
            named.setdefault(name.casefold().removeprefix("the "), fact)
    return list(max(found.values(), key=len, default={}).values())


def answering(scorer: AnswerScorer, question: str, facts: Sequence[Fact]) -> list[Fact]:
    """Return for "which Xs ...?" the units that answer, each of which names another X, [] for fewer than two.

    Each is read by itself: beside another one that answers as well it would be but its rival.
    """
    noun, found = noun_of(question), dict[str, Fact]()
    for fact in facts if noun else ():
        name = name_of(fact, noun)
        of_kind = stem(noun) in {word.stem for word in words(name)} and BAR not in fact.offer.text
        if of_kind and not is_dependent(fact.offer.text):
            found.setdefault(name.casefold().removeprefix("the "), fact)
    sure = []
    for fact in list(found.values())[:THINGS]:
        [alone] = scorer.score(question, [Offer(Page(fact.offer.text, fact.offer.page.title))])
        if alone >= ALONE:
            sure.append(fact)
    return sure if len(sure) > 1 else []


def _section(passage: Passage, neighbours: Neighbours) -> list[Passage]:
    """A passage with those before and after it that stand under the same heading, as far as they hold lines."""
    section = [passage]
    for step in (-1, 1):
        beside = passage.id + step
        while len(section) < 6:
            found = [p for p in neighbours([beside]) if p.source == passage.source and p.headings == passage.headings]
            if not found or not _runs(found):
                break
            section = [*found, *section] if step < 0 else [*section, *found]
            beside += step
    return section


def _runs(passages: Sequence[Passage]) -> list[list[tuple[Passage, Offer]]]:
    """Runs of two lines or more: units that stand on lines of their own and are no running text."""
    runs: list[list[tuple[Passage, Offer]]] = [[]]
    for passage in passages:
        for offer in units(passage):
            if _is_line(passage.text, offer):
                runs[-1].append((passage, offer))
            elif runs[-1]:
                runs.append([])
    return [parallel for run in runs if len(parallel := _parallel(run)) > 1]


def _is_line(text: str, offer: Offer) -> bool:
    """Whether a unit has a line to itself, and is no heading, question or row of a table."""
    end, said = offer.end or 0, offer.text
    alone = (not offer.start or "\n" in text[: offer.start][-2:]) and text[end : end + 1] in ("", "\n")
    return alone and len(said) <= WIDEST and not said.endswith((":", "?")) and " | " not in said and "\n" not in said


def _parallel(run: list[tuple[Passage, Offer]]) -> list[tuple[Passage, Offer]]:
    """A run without the statements at its ends, where most of its lines are none; under "Steps" all are steps."""
    if run and run[0][0].headings and _STEPS.search(run[0][0].headings[-1]):
        return run
    stating = [bool(_STATES.match(offer.text)) for _, offer in run]
    if 3 * sum(stating) > len(run):
        return run
    while stating and stating[-1]:
        stating.pop()
    first = stating.index(False) if False in stating else 0
    return run[first : len(stating)]
