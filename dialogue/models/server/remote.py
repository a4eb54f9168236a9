"""A language model behind an OpenAI-compatible server: vLLM, SGLang, TGI, llama.cpp, transformers, api.openai.com.

Prompts and bodies come from `dialogue.models.server.protocol`, connections from `dialogue.models.server.exchange`.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from time import monotonic
from typing import Any, Final, TypeVar

from dialogue.models.drafts import clean
from dialogue.models.server.address import read_address
from dialogue.models.server.exchange import End, Piece, Request, Server, ServerLimits
from dialogue.models.server.protocol import BROKEN, Choices, Known, prompt_of, tokens_of, too_long, yes_share
from dialogue.models.server.wire import Rejected, Transient
from dialogue.prompts import shortened
from dialogue.types import Attribute, Context, ModelError, Sampling, Step, Unavailable
from retrieval.text import each

LOG = logging.getLogger(__name__)
LOOK: Final = 10.0  # seconds to say which models there are
BEAT: Final = 0.5  # seconds between two signs of progress

_Job = TypeVar("_Job")


class Remote:
    """A LanguageModel behind `server`. What it learns of the server it keeps. Thread-safe."""

    def __init__(self, server: Server, model: str = "", plain: bool = False) -> None:
        self._server = server
        self._known = Known(plain=plain)
        self._model = model
        self._entry: str | None = None  # what the server says of the model, as a digest

    @property
    def name(self) -> str:
        """The server's address and the model."""
        return f"{self._server.url}#{self._model}" if self._model else self._server.url

    @property
    def fingerprint(self) -> str:
        """The name and a digest of what the server says of the model; it does not identify the weights."""
        return f"{self.name}/{self._entry}" if self._entry else self.name

    @property
    def resting(self) -> bool:
        """Whether the server failed so often that it is left alone for a while."""
        return self._server.resting

    def look(self) -> None:
        """Ask the server for its models, once: the first is taken where none was named. Raises ModelError."""
        if self._entry is not None:
            return
        try:
            found = self._server.fetch("/models", LOOK).get("data")
        except Rejected:
            found = None  # some servers do not say
        entries = [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []
        if not self._model:
            ids = [item.get("id") for item in entries]
            named = [name for name in ids if isinstance(name, str) and name and name.isprintable()]
            if not named:
                raise ModelError(f"{self._server} does not say which models it serves: name one, as in URL#MODEL")
            self._model = named[0]
        mine = next((item for item in entries if item.get("id") == self._model), {})
        lasting = {key: value for key, value in mine.items() if key not in ("created", "permission")}
        self._entry = hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()[:12] if mine else ""

    def sample(self, context: Context, sampling: Sampling) -> Generator[Step | str]:
        """Yield drafts as they are finished, in the order sampled where a seed is given, and progress between.

        Choices that are missing are asked for once more, each by a request of its own. Temperature 0 gives the one
        greedy draft. Empty drafts are left out. Raises Unavailable when the server cannot be asked now, and
        ModelError; not when some drafts are there: then a note says what is missing.
        """
        if sampling.n < 1:
            return
        drafts = _Drafts(sampling.n if sampling.temperature > 0 else 1, sampling.seed is not None)
        deadline = monotonic() + self._server.limits.whole
        if not self._model:
            self.look()
        failure = yield from self._round(context, sampling, drafts, deadline)
        if drafts.missing() and (failure is None or (isinstance(failure, Transient) and drafts.begun)):
            failure = yield from self._round(context, sampling, drafts, deadline)
        yield from drafts.rest()
        lost = drafts.missing()
        if len(lost) == drafts.n:
            raise failure or Unavailable(f"{self._server} broke off or gave no choices: see its log")
        self._look_again()
        if lost:
            reason = failure or f"{self._server} broke off or gave fewer"
            context.working.notes.append(f"{len(lost)} of {drafts.n} drafts are missing: {reason}")
        if not lost and not any(drafts.texts.values()):
            context.working.notes.append(f"{self.name} wrote nothing but empty drafts")

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Return P(the wanted one of yes and no) at the first token of the answer to each attribute's question.

        One request for each pair of draft and attribute, side by side. Raises ModelError when the server tells no
        probabilities, Unavailable when it cannot be asked now.
        """
        drafts = each(drafts)
        pairs = list(dict.fromkeys((draft, attribute) for draft in drafts for attribute in attributes))
        shares: dict[tuple[str, Attribute], float] = {}
        if pairs and not self._model:
            self.look()

        def body(pair: tuple[str, Attribute], shown: Context) -> dict[str, Any]:
            if self._known.mute:
                raise self._mute()
            return self._known.weighing(self._model, shown, *pair)

        with closing(self._answers(pairs, body, context, monotonic() + self._server.limits.whole)) as answers:
            for pair, event in filter(None, answers):
                if isinstance(event, Piece):
                    share = yes_share(event.data)
                    if share is None:
                        self._known.mute = True
                        raise self._mute()
                    shares[pair] = share
                    context.working.tokens.update(tokens_of(event.data))
                elif event.error is not None or pair not in shares:
                    raise event.error or Unavailable(f"{self._server} broke off its answer: see its log")
        return [[_wanted(shares[draft, attribute], attribute) for attribute in attributes] for draft in drafts]

    def _look_again(self) -> None:
        """Ask a server that was away when it was opened; one that writes and still does not say is not asked again."""
        try:
            self.look()
        except ModelError:
            self._entry = ""

    def _round(
        self, context: Context, sampling: Sampling, drafts: "_Drafts", deadline: float
    ) -> Generator[Step | str, None, ModelError | None]:
        """Ask for what is missing: all in one request where the server gives many, else one request each."""
        missing = drafts.missing()
        together = self._known.many and len(missing) == drafts.n
        jobs = [tuple(missing)] if together else [(place,) for place in missing]
        choices = {places: Choices(len(places)) for places in jobs}
        failure: ModelError | None = None
        beat, last_count = monotonic(), -1

        def body(places: tuple[int, ...], shown: Context) -> dict[str, Any]:
            seed = None if sampling.seed is None else sampling.seed + places[0]
            n = len(places) if self._known.many else 1
            sent = self._known.sampling(self._model, shown, sampling, n, seed)
            context.working.prompt = prompt_of(sent)
            return sent

        with closing(self._answers(jobs, body, context, deadline)) as answers:
            for answer in answers:
                if answer is not None:
                    places, event = answer
                    try:
                        yield from drafts.take(places, choices[places], event)
                    except ModelError as error:
                        failure = failure or error
                    if isinstance(event, End):
                        context.working.tokens.update(choices[places].tokens)
                        failure = failure or event.error
                        self._count(choices[places], len(places), event)
                if len(drafts.texts) != last_count or monotonic() - beat > BEAT:
                    beat, last_count = monotonic(), len(drafts.texts)
                    yield Step("sample", f"{len(drafts.texts)} of {drafts.n} drafts")
        return failure

    def _count(self, choices: Choices, n: int, end: End) -> None:
        """Remember a server that gives fewer choices than it is asked for."""
        if end.error is None and not choices.rest() and choices.ended < n:
            self._known.many = False

    def _answers(
        self,
        jobs: Sequence[_Job],
        body: Callable[[_Job, Context], dict[str, Any]],
        context: Context,
        deadline: float,
    ) -> Generator[tuple[_Job, Piece | End] | None]:
        """Yield the answers to all jobs, each asked again while there is something to learn from its rejection."""
        dropped = 0
        while jobs:
            shown = shortened(context, dropped)
            path, bodies = self._known.path, [body(job, shown) for job in jobs]
            again: list[_Job] = []
            less = dropped
            with closing(self._server.ask([Request(path, sent) for sent in bodies], deadline - monotonic())) as events:
                for event in events:
                    if event is None:
                        yield None
                        continue
                    job, sent = jobs[event.number], bodies[event.number]
                    error = event.error if isinstance(event, End) else None
                    if isinstance(error, Rejected) and too_long(error.status, error.words):
                        less = _fewer(context, dropped, error)
                        again.append(job)
                    elif isinstance(error, Rejected) and (
                        (self._known.path, body(job, shown)) != (path, sent) or self._learned(sent, error, context)
                    ):
                        again.append(job)
                    else:
                        yield job, event
            jobs = again
            if less > dropped:
                dropped = less
                context.working.notes.append(f"{dropped} oldest turns or last passages left out to fit the model")

    def _learned(self, sent: dict[str, Any], error: Rejected, context: Context) -> bool:
        note = self._known.learn(sent, error.status, error.words)
        if note:
            context.working.notes.append(note)
        return note is not None

    def _mute(self) -> ModelError:
        return ModelError(
            f"{self._server} tells no probabilities of {self._model!r}, so that it cannot weigh drafts: serve the "
            "model with vLLM or SGLang, or leave the weighing to the packaged judges"
        )


class _Drafts:
    """The `n` drafts of one sampling by their places; with `in_order` none goes out before those ahead of it."""

    def __init__(self, n: int, in_order: bool) -> None:
        self.n = n
        self.texts: dict[int, str] = {}
        self.begun = False
        self._in_order = in_order
        self._next = 0

    def missing(self) -> list[int]:
        """The places without a draft."""
        return [place for place in range(self.n) if place not in self.texts]

    def take(self, places: Sequence[int], choices: Choices, event: Piece | End) -> Iterator[str]:
        """Yield the drafts that may go out now. What broke off is no draft."""
        if isinstance(event, Piece):
            self.begun = True
            complete = choices.feed(event.data)
        else:
            complete = choices.rest() if event.whole else []
        for choice in complete:
            if choice.reason in BROKEN:
                continue
            text = clean(choice.text, finished=choice.reason != "length")
            self.texts[places[choice.index]] = text
            if text and not self._in_order:
                yield text
        while self._in_order and self._next in self.texts:
            self._next += 1
            if self.texts[self._next - 1]:
                yield self.texts[self._next - 1]

    def rest(self) -> Iterator[str]:
        """Yield what waited for drafts that did not come."""
        if self._in_order:
            yield from (text for place, text in sorted(self.texts.items()) if place >= self._next and text)


def open_remote(spec: str, api_key: str = "", seconds: float = 120.0) -> Remote:
    """Return the model behind the address `spec`, see `read_address`, without asking its server for anything.

    `seconds` bound each sampling, half of them the wait for its first word, a quarter that for the next. Raises
    ModelError when it is not an address.
    """
    address = read_address(spec)
    if api_key and address.url.startswith("http://") and not address.here:
        LOG.warning("the key goes unencrypted to %s: use https", address.url)
    limits = ServerLimits(first=seconds / 2, between=seconds / 4, whole=seconds)
    return Remote(Server(address.url, api_key, limits), address.model, address.plain)


def load_remote(spec: str, api_key: str = "", seconds: float = 120.0) -> Remote:
    """Return the same and ask the server for its models. One that is away now may be there later: a warning.

    Raises ModelError also when the key is refused or no model is to be found.
    """
    remote = open_remote(spec, api_key, seconds)
    try:
        remote.look()
    except Unavailable as error:
        LOG.warning("%s", error)
    return remote


def _wanted(yes: float, attribute: Attribute) -> float:
    return yes if attribute.answer == "yes" else 1.0 - yes


def _fewer(context: Context, dropped: int, error: Rejected) -> int:
    """Return how many parts of a prompt that was too long to leave out next: half of what is left."""
    parts = sum(turn.role != "system" for turn in context.turns[:-1]) + len(context.evidence)
    if dropped >= parts:
        raise ModelError(f"the question and the instructions alone are too long for the model: {error}") from error
    return dropped + (parts - dropped + 1) // 2
