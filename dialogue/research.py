"""The research loop: a base reply, then looking things up until the model addresses the user.

After Thoppilan et al. 2022, section 6.2. The model first writes a base reply. With it before its eyes it then writes
one line that begins with its recipient: ``TS, `` and a query, or ``User, `` and a reply. The exchange is kept as
turns, in this order, and `dialogue.prompts` makes prompts of them::

    assistant   the base reply
    assistant   TS, when was the Eiffel Tower built       } up to `rounds` times
    system      Eiffel Tower: It was completed in 1889.   } one turn per passage, or NOTHING
    assistant   User, It was completed in 1889.

Models are fine-tuned on the same turns: before each line of the assistant stands a Context with the turns above it,
as `render_lamda` prints it. Knows nothing of how drafts are judged: a revised reply has to win like any other.
"""

import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from dialogue.prompts import ENOUGH, NOTHING, told
from dialogue.screen import Withheld, without
from dialogue.types import Context, LanguageModel, ModelError, Sampling, Step, Turn
from retrieval.tools.toolset import Tool
from retrieval.types import Evidence

SNIPPETS: Final = 2  # passages told per look-up
LONGEST: Final = 200  # characters of a query

_RECIPIENT = re.compile(r"[\s\"'“*`-]*\b(?P<who>TS|User)[*\"'”`]*[,:](?P<rest>.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A line to the toolset."""

    query: str


@dataclass(frozen=True, slots=True)
class Said:
    """A line to the user."""

    text: str


@dataclass(frozen=True, slots=True)
class Findings:
    """What research hands on: the context to write from and judge by, the replies written on the way, the exchange.

    `context.research` is the exchange as far as it found something, else empty: then the prompt is the one
    without research.
    """

    context: Context
    drafts: tuple[str, ...] = ()
    exchange: tuple[Turn, ...] = ()
    withheld: Withheld = ()


@dataclass(frozen=True)
class Researcher:
    """Takes one turn's research: at most `rounds` look-ups, and one call of the model more.

    `screen` takes out of a context the evidence that may not enter a prompt.
    """

    model: LanguageModel
    toolset: Tool
    screen: Callable[[Context], tuple[Context, Withheld]]
    rounds: int = 4

    def steps(self, context: Context, withheld: Withheld, sampling: Sampling) -> Generator[Step, None, Findings]:
        """Yield progress and return the findings; what is `withheld` already is not looked at again.

        Raises ModelError when not even the base reply can be written; a later one ends the research, with a
        note. Raises RetrievalError when a look-up fails.
        """
        yield Step("research", "a first reply")
        base = self._line(context, sampling)
        if not base:
            return Findings(context, withheld=withheld)
        at = replace(context, research=(Turn("assistant", base),))
        drafts, shelf = [base], _Shelf(self.toolset, (*context.evidence, *(item for item, _ in withheld)))
        for _ in range(self.rounds):
            yield Step("research", "checking the reply")
            try:
                line = self._line(at, sampling)
            except ModelError as error:
                context.working.notes.append(f"the research stopped: {error}")
                return Findings(replace(at, research=()), tuple(drafts), at.research, withheld)
            step = parse_step(line)
            if isinstance(step, Said):
                drafts.append(step.text)
                exchange = (*at.research, Turn("assistant", format_step(step)))
                break
            yield Step("research", f"searching: {step.query}")
            kept, out = self.screen(replace(context, evidence=shelf.take(step.query)))
            new, withheld = kept.evidence, (*withheld, *out)
            answer = [Turn("system", told(item)) for item in new] or [Turn("system", NOTHING)]
            turns = (*at.research, Turn("assistant", format_step(step)), *answer)
            at = replace(at, research=turns, evidence=(*at.evidence, *new))
        else:
            at = replace(at, research=(*at.research, Turn("system", ENOUGH)))
            exchange = at.research
        after = at if len(at.evidence) > len(context.evidence) else context
        return Findings(after, tuple(drafts), exchange, withheld)

    def _line(self, context: Context, sampling: Sampling) -> str:
        """The likeliest draft, empty when the model writes none."""
        likeliest = replace(sampling, n=1, temperature=0.0)
        drafts = [made for made in self.model.sample(context, likeliest) if isinstance(made, str)]
        return drafts[0].strip() if drafts else ""


class _Shelf:
    """What one turn has looked up: a query returns passages not shown yet, so repeating it returns the next best."""

    def __init__(self, toolset: Tool, shown: Sequence[Evidence]) -> None:
        self._toolset = toolset
        self._pieces = list(shown)
        self._shown = {told(item) for item in shown}
        self._rankings: dict[str, Sequence[Evidence]] = {}

    def take(self, query: str) -> tuple[Evidence, ...]:
        words = " ".join(re.findall(r"\w+", query.casefold()))
        if words not in self._rankings:
            self._rankings[words] = self._toolset.look_up(query) if words else ()
        found = without(self._rankings[words], self._pieces)
        new = [item for item in found if told(item) not in self._shown][:SNIPPETS]
        self._pieces += new
        self._shown |= {told(item) for item in new}
        return tuple(new)


def parse_step(text: str) -> Lookup | Said:
    """Read a line of the loop. What names no recipient, or the toolset without a query, is said to the user."""
    match = _RECIPIENT.match(text)
    if match is None:
        return Said(text.strip())
    rest = match["rest"].strip()
    if match["who"].casefold() == "user":
        return Said(rest)
    query = rest.partition("\n")[0].strip()[:LONGEST].rstrip()
    return Lookup(query) if query else Said("")


def format_step(step: Lookup | Said) -> str:
    """Write a line of the loop, as `parse_step` reads it."""
    return f"TS, {step.query}" if isinstance(step, Lookup) else f"User, {step.text}"


def replies(context: Context, drafts: Sequence[str]) -> list[str]:
    """Return what was said to the user among drafts written in this context."""
    if not context.research:
        return list(drafts)
    return [step.text for step in map(parse_step, drafts) if isinstance(step, Said)]


def lookups(exchange: Sequence[Turn]) -> list[tuple[str, int]]:
    """Return the queries of an exchange with the number of passages that each brought."""
    found: list[tuple[str, int]] = []
    for turn in exchange[1:]:
        step = parse_step(turn.text)
        if turn.role == "assistant" and isinstance(step, Lookup):
            found.append((step.query, 0))
        elif turn.role == "system" and found and turn.text not in (NOTHING, ENOUGH):
            query, number = found[-1]
            found[-1] = (query, number + 1)
    return found
