"""What is evaluated: the bot, replies that stand in the data, or a server that speaks OpenAI's protocol.

A system gives a reply to each row, with what it was written from and what its marks lead to.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from time import perf_counter
from typing import Any, Protocol

from app.bot import Bot
from app.evaluation.formats import source_of
from app.evaluation.judging import pieces
from app.evaluation.refusals import outcome_of
from app.evaluation.rows import DialogueRow, EvaluationError, turns_of
from dialogue.models.server.address import read_address
from dialogue.models.server.exchange import End, Piece, Request, Server, ServerLimits
from dialogue.types import ModelError, Outcome
from retrieval.types import Evidence, Passage


@dataclass(frozen=True)
class Served:
    """A reply as it was served. `evidence` is None where nobody knows what it was written from.

    `cited` are the passages that its marks lead to, by number; `citations` what is shown of them. `tokens` is
    {"prompt", "sampled"} where they were counted.
    """

    text: str
    outcome: Outcome
    evidence: tuple[Evidence, ...] | None = None
    cited: dict[int, Passage] = field(default_factory=dict)
    citations: tuple[dict[str, str], ...] = ()
    query: str = ""
    seconds: float | None = None
    timings: dict[str, float] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)


class System(Protocol):
    """Replies to conversations. `name` is told, `fingerprint` identifies what replies."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def fingerprint(self) -> str: ...  # noqa: D102

    def replies(self, rows: Sequence[DialogueRow]) -> list[Served]:
        """Return a reply to each row, in order. Raises DialogueError and its like when one cannot be had."""
        ...


@dataclass(frozen=True)
class BotSystem:
    """The bot, with every draft that it has to choose from; a language model samples by `seed`."""

    bot: Bot
    seed: int = 0
    name: str = "candor"

    @property
    def fingerprint(self) -> str:
        """Its model, its sources and the way a turn is taken."""
        from app.library.library import index_state

        bot = self.bot
        version = index_state(bot.library.database).version
        return f"{bot.responder.model.fingerprint} {version} {bot.responder.options!r} {bot.role()!r}"

    def replies(self, rows: Sequence[DialogueRow]) -> list[Served]:
        """Answer each conversation."""
        options = self.bot.responder.options
        options = replace(options, early=False, sampling=replace(options.sampling, seed=self.seed))
        responder = replace(self.bot.responder, options=options)
        found = []
        for row in rows:
            start = perf_counter()
            reply = responder.respond(turns_of(row.context), self.bot.role())
            seconds = perf_counter() - start
            trace = reply.trace
            found.append(
                Served(
                    reply.text,
                    reply.outcome,
                    trace.evidence,
                    {c.number: c.passage for c in reply.citations},
                    tuple({"source": c.source, "quote": c.quote} for c in reply.citations),
                    trace.query,
                    round(seconds, 4),
                    {stage: round(value, 4) for stage, value in trace.timings.items()},
                    {name: trace.tokens[name] for name in ("prompt", "sampled") if name in trace.tokens},
                )
            )
        return found


@dataclass(frozen=True)
class GivenReplies:
    """The replies that stand in the data."""

    name: str = "the replies in the data"
    fingerprint: str = "given"

    def replies(self, rows: Sequence[DialogueRow]) -> list[Served]:
        """Return them. Raises EvaluationError for a row without one."""
        return [given(row) for row in rows]


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks OpenAI's chat protocol, asked for one reply to each conversation at temperature 0.

    What it says of its sources is taken from `context`, `contexts`, `documents` or `evidence` beside the message, and
    what it cites from `citations`, where it has them; Candor's own server does.
    """

    server: Server
    model: str
    seed: int = 0

    @property
    def name(self) -> str:
        """Its address and model."""
        return f"{self.server}#{self.model}" if self.model else str(self.server)

    @property
    def fingerprint(self) -> str:
        """The same, for nobody knows the weights behind it."""
        return f"{self.name} seed {self.seed}"

    @cached_property
    def _named(self) -> str:
        if self.model:
            return self.model
        for event in self.server.ask([Request("/models")]):
            if isinstance(event, Piece) and event.data.get("data"):
                return str(event.data["data"][0]["id"])
            if isinstance(event, End) and event.error:
                raise event.error
        raise ModelError(f"{self.server} names no model: name one after #")

    def replies(self, rows: Sequence[DialogueRow]) -> list[Served]:
        """Ask for all of them side by side."""
        bodies = [
            {
                "model": self._named,
                "messages": [{"role": turn.role, "content": turn.text} for turn in turns_of(row.context)],
                "temperature": 0,
                "seed": self.seed,
            }
            for row in rows
        ]
        start = perf_counter()
        answers: dict[int, tuple[dict[str, Any], float]] = {}
        for event in self.server.ask([Request("/chat/completions", body) for body in bodies]):
            if isinstance(event, Piece):
                answers[event.number] = event.data, perf_counter() - start
            elif isinstance(event, End) and event.error is not None:
                raise event.error
        return [_answered(self.server, answers.get(place)) for place in range(len(rows))]


def open_endpoint(spec: str, api_key: str = "", seconds: float = 120.0, seed: int = 0) -> Endpoint:
    """Return the system behind ``http(s)://HOST[:PORT][/PATH][#MODEL]``. Raises ModelError for what is no address."""
    address = read_address(spec)
    limits = ServerLimits(first=seconds, between=seconds, whole=2 * seconds)
    return Endpoint(Server(address.url, api_key, limits), address.model, seed)


def given(row: DialogueRow) -> Served:
    """Return the reply that stands in a row. Raises EvaluationError where none does."""
    if row.response is None:
        raise EvaluationError("the row holds no response, and no system was named to ask: see --system")
    found = None if row.evidence is None else pieces([(e.text, e.title, e.source) for e in row.evidence])
    listed = row.citations if row.citations is not None else row.evidence or []
    cited = {
        number: Passage(number, each.text, each.source or f"evidence {number}", each.title, (), 0, len(each.text))
        for number, each in enumerate(listed, 1)
    }
    used = cited if row.citations is not None else _used(row.response, cited)
    if found is None and row.citations:
        found = pieces([(e.text, e.title, e.source) for e in row.citations])
    return Served(
        row.response,
        row.outcome or outcome_of(row.response),
        found,
        cited,
        tuple({"source": passage.source, "quote": passage.text} for passage in used.values()),
        seconds=row.seconds,
        tokens=row.tokens or {},
    )


def _used(text: str, cited: dict[int, Passage]) -> dict[int, Passage]:
    """What a reply's marks lead to."""
    from app.evaluation.citations import cited_sentences

    numbers = dict.fromkeys(n for s in cited_sentences(text, frozenset(cited)) for n in s.numbers)
    return {number: cited[number] for number in numbers}


def _answered(server: Server, answer: tuple[dict[str, Any], float] | None) -> Served:
    """Read one chat completion. Raises ModelError where it holds no reply."""
    if answer is None:
        raise ModelError(f"{server} broke off its answer: see its log")
    data, seconds = answer
    try:
        message = data["choices"][0]["message"]
        text = message["content"]
        if not isinstance(text, str):
            raise TypeError("the content is no text")
    except (KeyError, IndexError, TypeError) as error:
        raise ModelError(f"{server} gave no reply ({error!r}): is it a server of chat completions?") from error
    own = data.get("candor")
    beside = {**message, **data, **(own if isinstance(own, dict) else {})}
    fields: dict[str, Any] = {"context": ["?"], "response": text, "seconds": round(seconds, 4)}
    for name, keys in (("citations", ("citations",)), ("evidence", ("evidence", "context", "contexts", "documents"))):
        listed = next((beside[key] for key in keys if isinstance(beside.get(key), list)), None)
        if listed is not None:
            fields[name] = [item for item in listed if _readable(item)]
    if beside.get("outcome") in ("answered", "abstained", "refused"):
        fields["outcome"] = beside["outcome"]
    usage = data.get("usage")
    known = usage if isinstance(usage, dict) else {}
    counted = {"prompt": known.get("prompt_tokens"), "sampled": known.get("completion_tokens")}
    fields["tokens"] = {name: n for name, n in counted.items() if isinstance(n, int)}
    return given(DialogueRow.model_validate(fields))


def _readable(item: object) -> bool:
    if isinstance(item, dict) and isinstance(item.get("quote"), str):
        return True
    try:
        source_of(item)
    except ValueError:
        return False
    return True
