"""The tool that knows the library itself: which documents there are, which mention something, what one of them says.

What it works out is cited as the library; for what a document says it returns passages of that document.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol

from retrieval.search import matches
from retrieval.tools.clock import SOURCE as CLOCK
from retrieval.tools.holdings import NOUNS, UNTELLING, Holding, Holdings, lead
from retrieval.tools.letters import headed, letters_meant
from retrieval.tools.requests import Requests, Want, X
from retrieval.tools.toolset import stated
from retrieval.types import Evidence, Passage, Retriever
from retrieval.versions import stems

SOURCE: Final = "library"
LISTED: Final = 500  # characters of names in one sentence: a longer one is cut as speech is
SHOWN: Final = 12  # documents that are named in one reply
READ: Final = 200  # documents whose texts are looked through for words
PASSAGES: Final = 12  # of a document that is summarised
LONGEST: Final = 120  # characters of a message that asks for the library itself, without what it is about

_TOPIC: Final = re.compile(
    r"\b(?:(?:about|on|concerning|regarding|mention(?:s|ing)?(?: of)?|contain(?:s|ing)?|cover(?:s|ing)?|"
    r"discuss(?:es|ing)?|describ(?:es?|ing)|(?:deal(?:s|ing)?|do) with|treat(?:s|ing)?(?: of)?|"
    r"(?:speak|talk)(?:s|ing)? (?:about|of)|refer(?:s|ring)? to|the words?)\s+)"
    r"(?P<topic>(?!(?:which|what|who|whom|whose|how|when|where)\b)(?!.*\b(?:about|mention|contain))(?:[^?!;.]|\.(?=\S)){1,80}?)"
    r"(?: (?:in|among) (?:it|them|t?here|(?:your|the|my|our) \w+)| mentioned| anywhere| here| at all)*[\s?.!]*$"
    r"|\b(?:does|do|is|are) (?P<inner>(?:[^?!;.]|\.(?=\S)){1,80}?) (?:occur|appear|come up|mentioned|discussed)\b",
    re.IGNORECASE,
)
_HAS: Final = re.compile(
    r"(?:\b(?:(?:you|we|i) (?:have|hold|find|keep|know(?= any| some| much| more))|have (?:you|we)|(?:you|we)['’]ve|got|"
    r"there(?= .*\b(?:about|regarding|concerning)\b)|there['’]s)\b ?"
    r"(?:any|anything|something|some|more|much|a lot|information|info|material|details?|stuff|at all|in|got|here|your|"
    r"the|our|library|collection|\s)*|^(?:any|anything|something) (?:more )?|"
    r"\bwhere (?:can|could|do|should|would) (?:i|we) (?:read|find|look|learn|see)"
    r"(?: something| anything| more| out| up)* )"
    r"\b(?:about|regarding|concerning|relating to|related to|to do with|"
    r"on(?! (?:offer|sale|tap|the menu|request|show|\w+days?\b|\d)))\s(?!.*\b(?:that|who|when|how|if)\b)",
    re.IGNORECASE,
)  # "have you got anything about", which names no document
_HELD: Final = re.compile(
    r"\b(?:you|i|we)\b.*\b(?:(?:read|learn|find)(?: about)?|upload(?:ed)?|access(?: to)?|"
    r"answers? (?:on|from)|know about|ask(?: you)? about|"
    r"given(?: you)?|"
    r"fed(?: you)?|know|ha(?:ve|s)|hold|got|look(?:ed)?(?: things?| stuff| something)? up(?: in)?|knowledge(?: from)?|"
    r"draw on|work (?:from|with)|based on|answer from)(?: so far| already| here| now)?\W*\Z|"
    r"\bwhat(?:['’]s| is| are) (?:all )?(?:in|stored|kept|loaded|held) (?:there|here)\W*\Z",
    re.IGNORECASE,
)  # "what have you read", which names none either
_MENTIONED: Final = re.compile(r"\bmention(?:s|ed|ing)?\b", re.IGNORECASE)
_QUOTES: Final = "\"'“”‘’«»"


class Catalogue(Protocol):
    """What the library holds. Every method may raise what its store raises."""

    def holdings(self) -> Sequence[Holding]:
        """Return all documents, by name."""
        ...

    def openings(self, sources: Sequence[str]) -> Mapping[str, str]:
        """Return how the documents of these names begin."""
        ...

    def passages(self, holding: Holding) -> Sequence[Passage]:
        """Return the passages of a document in reading order."""
        ...

    def texts(self, words: Sequence[str], most: int) -> Mapping[int, str]:
        """Return the titles and texts, by id, of up to `most` documents that hold one of the strings."""
        ...


@dataclass(frozen=True)
class LibraryTool:
    """A Tool that answers questions about the library. `retriever` finds a document by what stands in it.

    Only documents whose names match one of the patterns in `sources` are spoken of; without any, all.
    """

    catalogue: Catalogue
    requests: Requests
    retriever: Retriever
    sources: tuple[str, ...] = ()

    def within(self, sources: tuple[str, ...]) -> "LibraryTool":
        """Return the tool that speaks of these sources alone."""
        return replace(self, sources=sources)

    def look_up(self, query: str) -> Sequence[Evidence]:
        """Return what is known of the library, or passages of the document that is asked about, in reading order."""
        message = " ".join(query.split())
        if len(message) > 3 * LONGEST:
            return ()
        holdings = _holdings(tuple(self._held()))
        asked = self._asked(message, holdings)
        if asked is None or not holdings.held:
            return ()
        told = _TELLERS[asked.want](self, asked, holdings)
        return (stated(told, SOURCE, "Library"),) if isinstance(told, str) and told else tuple(told or ())

    def _held(self) -> Sequence[Holding]:
        held = self.catalogue.holdings()
        return [one for one in held if matches(one.source, self.sources)] if self.sources else held

    def _asked(self, message: str, holdings: Holdings) -> "_Asked | None":
        """Return the likeliest reading of a message: as it is, with what it is about masked, with a document masked."""
        readings = [_Asked(message)] if _names_documents(message) or _HELD.search(message) else []
        topic, said = _TOPIC.search(message), ""
        if topic and (_names_documents(message) or _MENTIONED.search(message) or _HAS.search(message)):
            start, end = topic.span("topic" if topic["topic"] else "inner")
            said = message[start:end].strip(_QUOTES + " ")
        meant = letters_meant(message, holdings.held, self.catalogue.openings)
        meant = meant if meant.holdings else holdings.meant(message)
        if meant.holdings:
            masked = f"{message[: meant.start]}{X}{message[meant.end :]}"
            readings.append(_Asked(masked, meant.holdings, message[meant.start : meant.end], said))
        if said:
            masks = [f"{message[:begin]}{X}{message[end:]}" for begin in (start, lead(message, start))]
            readings += [_Asked(masked, topic=said) for masked in masks]
        readings = [one for one in readings if len(one.masked) <= LONGEST]
        if not readings:
            return None
        told = zip(self.requests.told([one.masked for one in readings]), readings, strict=True)
        found = [(ahead, replace(one, want=want)) for (want, ahead), one in told if want and one.may_want(want)]
        return max(found, key=lambda item: item[0])[1] if found else None

    def documents(self, topic: str, holdings: Holdings) -> tuple[Holding, ...]:
        """Return the document that a search for a topic finds first, () when it does not even mention it."""
        found = self.retriever.search([topic], 1, self.sources)
        mentioning = _mentioning(self, topic, holdings) if found else ()
        return tuple(one for one in mentioning if one.source == found[0].passage.source)


def answers_whole(item: Evidence) -> bool:
    """Whether evidence answers whatever it says: a tool's word on the library or the clock, or a whole document."""
    return item.passage.kind == "document" or (item.passage.kind == "tool" and item.passage.source in (SOURCE, CLOCK))


@dataclass(frozen=True, slots=True)
class _Asked:
    """A message as it was read: with X in the place of a document or a topic, what it means, and what it wants."""

    masked: str
    documents: tuple[Holding, ...] = ()
    named: str = ""
    topic: str = ""
    want: Want = "list"

    def may_want(self, want: Want) -> bool:
        """Whether what was masked is what this want needs."""
        if want == "summary":
            return bool(self.documents or self.topic)
        if want in ("added", "current"):
            return bool(self.documents)
        if want in ("mention", "have"):
            return bool(self.topic) or _names_documents(self.named + self.masked)
        return not self.topic and not self.documents


@lru_cache(maxsize=4)
def _holdings(held: tuple[Holding, ...]) -> Holdings:
    return Holdings(held)


def _names_documents(text: str) -> bool:
    return bool(stems(text) & (NOUNS | {"library", "collection"}))


def _listed(documents: Sequence[Holding]) -> str:
    names: list[str] = []
    for one in documents[:SHOWN]:
        name = f"“{one.title}” ({one.source})"
        if names and sum(map(len, names)) + len(name) > LISTED:
            break
        names.append(name)
    rest = len(documents) - len(names)
    return joined([*names, f"{rest} more"] if rest else names)


def joined(names: Sequence[str]) -> str:
    """Return names as a sentence lists them: "a, b and c"."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)


def counted(number: int) -> str:
    """Return a number of documents in words and figures."""
    return f"{number:,} document{'s' * (number != 1)}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"


def _tell_list(tool: LibraryTool, asked: _Asked, holdings: Holdings) -> str:
    return f"The library holds {counted(len(holdings.held))}: {_listed(holdings.held)}."


def _tell_count(tool: LibraryTool, asked: _Asked, holdings: Holdings) -> str:
    return f"The library holds {counted(len(holdings.held))}."


def _tell_new(tool: LibraryTool, asked: _Asked, holdings: Holdings) -> str:
    newest = sorted(holdings.held, key=lambda one: one.added, reverse=True)
    last = [one for one in newest if one.added.date() == newest[0].added.date()]
    verb = "was" if len(last) == 1 else "were"
    return f"Last added, on {_day(newest[0].added)}, {verb} {_listed(last)}."


def _tell_added(tool: LibraryTool, asked: _Asked, holdings: Holdings) -> str:
    told = [f"“{one.title}” ({one.source}) was added on {_day(one.added)}" for one in asked.documents[:SHOWN]]
    return f"{joined(told)}."


def _mentioning(tool: LibraryTool, topic: str, holdings: Holdings, apart: bool = False) -> list[Holding]:
    """The documents in which the words of a topic stand side by side, or `apart`, each at least by its stem."""
    topic = re.sub(r"^(?:the|an?|any|our|my) ", "", topic, flags=re.IGNORECASE)
    words = [word for word in re.findall(r"[^\W_]+", topic) if not apart or word.casefold() not in UNTELLING]
    if not words:
        return []
    endings = [re.escape(_root(word)) + r"(?:e?s|e)?" for word in words]
    forms = endings if apart else [r"[\W_]{1,3}".join(endings)]
    patterns = [re.compile(rf"(?<![^\W_]){form}(?![^\W_])", re.IGNORECASE) for form in forms]
    texts = tool.catalogue.texts([_root(max(words, key=len))], READ)
    known = {one.id: one for one in holdings.held}
    return [
        known[number]
        for number, text in texts.items()
        if number in known and all(pattern.search(text) for pattern in patterns)
    ]


def _root(word: str) -> str:
    """A word without the ending of its plural."""
    return re.sub(r"(?<=\w{3})es$|(?<=\w{3})s$", "", word)


def _tell_mention(tool: LibraryTool, asked: _Asked, holdings: Holdings) -> str:
    topic = asked.topic or asked.named
    if found := _mentioning(tool, topic, holdings):
        return f"{mention(len(found))} “{topic}”: {_listed(found)}."
    return _otherwise(tool, topic, holdings)


def _tell_have(tool: LibraryTool, asked: _Asked, holdings: Holdings) -> str:
    topic = asked.topic or asked.named
    titled = asked.documents or holdings.meant(topic).holdings
    found = _mentioning(tool, topic, holdings)
    more = [one for one in found if one not in titled]
    if titled:
        also = f" {mention(len(more))} “{topic}” as well: {_listed(more)}." if more and asked.topic else ""
        return f"Yes, the library holds {_listed(titled)}.{also}"
    if found:
        return f"No document has “{topic}” in its title, but {mention(len(found))} it: {_listed(found)}."
    return _otherwise(tool, topic, holdings)


def mention(number: int) -> str:
    """Return that so many documents mention something: "1 document mentions"."""
    return f"{counted(number)} mention{'s' * (number == 1)}"


def _otherwise(tool: LibraryTool, topic: str, holdings: Holdings) -> str:
    """What is said of a topic that no document names in these words: what is called so, or holds all its words."""
    if titled := holdings.meant(topic).holdings:
        return f"No document mentions “{topic}” in these words, but the library holds {_listed(titled)}."
    if apart := _mentioning(tool, topic, holdings, apart=True):
        return f"No document mentions “{topic}” in these words, but {counted(len(apart))} in others: {_listed(apart)}."
    return f"No document in the library mentions “{topic}”."


def _tell_current(tool: LibraryTool, asked: _Asked, holdings: Holdings) -> str:
    newest, *older = holdings.versions(asked.documents)
    if not older:
        return f"The library holds one version: {_listed([newest])}."
    return f"The newest version in the library is {_listed([newest])}; it also holds {_listed(older)}."


def _tell_summary(tool: LibraryTool, asked: _Asked, holdings: Holdings) -> Sequence[Evidence] | str:
    """Passages of the document, its opening first, then spread over its sections."""
    documents = asked.documents or tool.documents(asked.topic, holdings)
    if not documents:
        return f"No document in the library is about “{asked.topic}”."
    if len(documents) > 1:
        newest = list(dict.fromkeys(holdings.versions([one])[0] for one in documents))
        if len(newest) > 1:
            return f"Several documents may be meant: {_listed(newest)}."
        documents = tuple(newest)
    head = headed(documents[0], tool.catalogue.openings)
    told = [stated(head, SOURCE, "Library")] if head else []
    return [*told, *(Evidence(passage, 1.0) for passage in _spread(tool.catalogue.passages(documents[0])))]


def _spread(passages: Sequence[Passage]) -> list[Passage]:
    """Up to PASSAGES passages in reading order: those that open sections first, then those between them."""
    if len(passages) <= PASSAGES:
        return list(passages)
    opening = [n for n, one in enumerate(passages) if n == 0 or one.headings != passages[n - 1].headings]
    rest = [n for n in range(len(passages)) if n not in set(opening)]
    chosen = _every(opening, PASSAGES)
    chosen += _every(rest, PASSAGES - len(chosen))
    return [passages[n] for n in sorted(chosen)]


def _every(places: Sequence[int], most: int) -> list[int]:
    """Up to `most` of the places, evenly spread, the first among them."""
    if len(places) <= most:
        return list(places)
    return [places[n * len(places) // most] for n in range(most)]


_TELLERS: Final = {
    "list": _tell_list,
    "count": _tell_count,
    "mention": _tell_mention,
    "have": _tell_have,
    "new": _tell_new,
    "added": _tell_added,
    "current": _tell_current,
    "summary": _tell_summary,
}
