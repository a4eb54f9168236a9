"""The toolset: one query in, what the tools know about it out, each item with its source.

A tool is tried on every query and gives nothing for those it can do nothing with, as in Thoppilan et al. 2022, section
6.2.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from retrieval.types import Evidence, Kind, Passage, Retriever, Unreachable


class Tool(Protocol):
    """Looks things up.

    What is not a document, such as a calculation, comes as a passage that names the tool as its source.
    """

    def look_up(self, query: str) -> Sequence[Evidence]:
        """Return what is known about the query, best first; () when this tool can do nothing with it.

        Raises RetrievalError when it should have been able to, Unreachable when what it asks is not there now.
        """
        ...


@dataclass(frozen=True)
class Search:
    """The tool that searches the documents, or those whose names match one of the patterns in `sources`.

    `depth` bounds the ranking, and with it how far a repeated query can go.
    """

    retriever: Retriever
    depth: int = 24
    sources: tuple[str, ...] = ()

    def look_up(self, query: str) -> Sequence[Evidence]:
        """Return the passages found for the query, best first."""
        return self.retriever.search([query], self.depth, self.sources)


@dataclass(frozen=True)
class Toolset:
    """Several tools as one, tried in their order. LaMDA's order is calculator, translator, search.

    `unreachable` is called with what a tool cannot reach now, and the others go on; without it the error is raised.
    """

    tools: tuple[Tool, ...]
    unreachable: Callable[[str], None] | None = None

    def look_up(self, query: str) -> Sequence[Evidence]:
        """Return what all tools found, one after the other."""
        found: list[Evidence] = []
        for tool in self.tools:
            try:
                found += tool.look_up(query)
            except Unreachable as error:
                if self.unreachable is None:
                    raise
                self.unreachable(str(error))
        return tuple(found)


def stated(text: str, source: str, title: str, kind: Kind = "tool") -> Evidence:
    """Return what a tool says as a passage that is the whole of its source, so that its offsets hold."""
    return Evidence(Passage(passage_id(source, text), text, source, title, (), 0, len(text), kind=kind), 1.0)


def passage_id(source: str, text: str, start: int = 0) -> int:
    """Return the id of a passage that no index holds: always the same one, negative, and no other's."""
    digest = hashlib.sha256(repr((source, start, text)).encode("utf-8", "replace")).digest()
    return -1 - int.from_bytes(digest[:6], "big")
