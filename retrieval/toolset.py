"""The toolset: one query in, what the tools know about it out, each item with its source.

A tool is tried on every query and gives nothing for those it can do nothing with, as in Thoppilan et al. 2022,
section 6.2. Knows nothing of who asks, nor of what was already shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from retrieval.types import Evidence, Retriever


class Tool(Protocol):
    """Looks things up. What is no document, such as a sum, comes as a passage that names the tool as its source."""

    def look_up(self, query: str) -> Sequence[Evidence]:
        """Return what is known about the query, best first; () when this tool can do nothing with it.

        Raises RetrievalError when it should have been able to.
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
        if self.sources:
            return self.retriever.search([query], self.depth, sources=self.sources)
        return self.retriever.search([query], self.depth)


@dataclass(frozen=True)
class Toolset:
    """Several tools as one, tried in their order. LaMDA's order is calculator, translator, search."""

    tools: tuple[Tool, ...]

    def look_up(self, query: str) -> Sequence[Evidence]:
        """Return what all tools found, one after the other."""
        return tuple(item for tool in self.tools for item in tool.look_up(query))
