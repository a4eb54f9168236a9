"""The parts of a bot that its settings choose between: the index, what reads again, tools, judges, how turns are taken.

What is imported late takes seconds, and a folder that is in use or damaged is reported before.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import select

from app.config import Settings
from app.errors import SettingsError
from app.library.library import Library
from app.store.database import Database
from app.store.opinions import Opinions
from app.store.tables import SourceRow
from dialogue.query import Rewriter
from dialogue.respond import Options, Responder
from dialogue.types import Judge, LanguageModel, Sampling
from retrieval.tools.addresses import read_networks
from retrieval.tools.toolset import Tool
from retrieval.types import Embedder, Passage, Retriever

if TYPE_CHECKING:
    from dialogue.judges.embedded import EmbeddedJudge
    from retrieval.encoder.embed import Encoder
    from retrieval.reader import PassageReader

QUOTING: Final = "quoting mode: no language model is loaded"


def options_of(settings: Settings, speaker: LanguageModel) -> Options:
    """How turns are taken: only a language model that is up to it looks things up and is told why drafts failed."""
    from dialogue.models import reads_prompts, takes_steps
    from dialogue.models.small import GATES, small_sampling
    from dialogue.rank import Gates

    language, steps = reads_prompts(settings.model), takes_steps(speaker)
    return Options(
        sampling=Sampling(settings.candidates) if steps else small_sampling(settings.candidates),
        gates=Gates() if steps else GATES,
        passages=settings.passages,
        research=settings.research_rounds if language and steps else 0,
        early=language and settings.early_stop == "on",
    )


class Speakers:
    """The models that have answered under a bot's settings: each is loaded once, and again for more candidates."""

    def __init__(self, reader: "PassageReader") -> None:
        self._reader = reader
        self._loaded: dict[str, tuple[int, LanguageModel]] = {}

    def __call__(self, settings: Settings) -> tuple[LanguageModel, LanguageModel | None]:
        """Return what writes under these settings, and what quotes beside it. Raises ModelError."""
        from dialogue.models import load_model, reads_prompts
        from dialogue.models.checkpoints.plan import Needs
        from dialogue.quote import load_quote

        most, speaker = self._loaded.get(settings.model, (0, None))
        if speaker is None or most < settings.candidates:
            needs = Needs(settings.context, settings.candidates, dtype=settings.dtype)
            key, seconds = settings.api_key, settings.timeout
            speaker = load_model(settings.model, self._reader, needs=needs, api_key=key, seconds=seconds)
            self._loaded[settings.model] = (settings.candidates, speaker)
        return speaker, load_quote(self._reader) if reads_prompts(settings.model) else None


def notice_of(speaker: LanguageModel, quotes: LanguageModel | None) -> str:
    """Say in words what writes."""
    return QUOTING if speaker.name == "quote" else f"{speaker.name} writes drafts beside the quotes" if quotes else ""


def searching(
    settings: Settings, database: Database, searcher: Embedder, stack: ExitStack
) -> tuple[Library, "Seen", Callable[[], Mapping[str, int]]]:
    """Return the library, what finds its passages in the index that the settings name, and their words.

    The words of an index in Milvus are not known. Raises RetrievalError.
    """
    if settings.index == "faiss":
        from retrieval.search import HybridRetriever

        library = Library(database, settings.data_dir, searcher)
        retriever = HybridRetriever(searcher, library.open(), library.passages)
        library.feed(retriever.use)
        return library, retriever, retriever.vocabulary
    from app.library.milvus import MilvusLibrary
    from retrieval.index.milvus import Milvus, MilvusRetriever

    server = Milvus(settings.index.removeprefix("milvus:"), settings.index_key)
    stack.callback(server.close)
    remote = MilvusLibrary(database, settings.data_dir, searcher, server)
    remote.open()
    return remote, MilvusRetriever(searcher, remote.collection, remote.passages), dict


def understanding(
    encoder: "Encoder", vocabulary: Callable[[], Mapping[str, int]]
) -> tuple[Callable[[str], str], Rewriter]:
    """Return what mends slips by the words of the collection, and what reads follow-ups. Raises RetrievalError."""
    from dialogue.rewriter import load_rewriter
    from retrieval.spelling import Spelling, lexicon_of

    return Spelling(lexicon_of(encoder.vocabulary), vocabulary).corrected, load_rewriter(encoder)


class Seen(Retriever, Protocol):
    """A retriever that can be told to find some passages only."""

    def among(self, passages: Callable[[Sequence[int]], Sequence[Passage]]) -> Retriever:
        """Return the retriever of the same index that finds only what these return."""
        ...


Reading = Callable[[str | None], tuple[Retriever, Tool]]


def reading(settings: Settings, library: Library, retriever: Seen, reader: "PassageReader") -> Reading:
    """Return what gives, for what an account sees, or for everything, what reads again what is found, what
    people voted down behind the rest and newer versions first, and the tool that knows the library itself."""
    from app.library.shelf import Shelf
    from retrieval.cross_encoder import load_cross_encoder
    from retrieval.rerank import load_reranker
    from retrieval.tools.library import LibraryTool
    from retrieval.tools.requests import Requests
    from retrieval.versions import Versioned
    from retrieval.votes import Voted

    crossed = load_cross_encoder(settings.reranker, retriever, settings.rerank) if settings.reranker else None
    read = load_reranker(retriever, reader, library.passages, settings.rerank)
    requests = Requests(reader.encoder)

    def of(account: str | None) -> tuple[Retriever, Tool]:
        passages = partial(library.passages, account=account)
        found: Retriever = retriever if account is None else retriever.among(passages)
        if settings.rerank:
            found = replace(crossed, retriever=found) if crossed else replace(read, retriever=found, passages=passages)
        shelf = Shelf(library.database, account)
        found = Voted(found, partial(Opinions(library.database).against, account=account))
        return Versioned(found, shelf.openings), LibraryTool(shelf, requests, found)

    return of


def scoped(responder: Responder, read: Reading, library: Library, account: str) -> Responder:
    """Return the responder that answers an account from what it sees.

    Where others keep documents of their own, slips are not mended by the words of the collection, theirs among them.
    """
    retriever, tool = read(account)
    shaper = responder.shaper and replace(responder.shaper, neighbours=partial(library.passages, account=account))
    tools = tuple(tool if isinstance(one, type(tool)) else one for one in responder.tools)
    return replace(responder, retriever=retriever, tools=tools, shaper=shaper)


def shared_words(database: Database, words: Callable[[], Mapping[str, int]]) -> Callable[[], Mapping[str, int]]:
    """Return the words of the collection, and none while some of its documents are not everybody's."""

    def told() -> Mapping[str, int]:
        with database.read() as session:
            private = session.scalar(select(SourceRow.id).where(SourceRow.account_id.is_not(None)).limit(1))
        return {} if private is not None else words()

    return told


def tools_of(settings: Settings, embedder: Embedder, library: Tool) -> tuple[tuple[Tool, ...], tuple[Tool, ...]]:
    """Return the tools that are asked before the documents, and those after. Raises RetrievalError."""
    from retrieval.tools.calculator import Calculator
    from retrieval.tools.clock import Clock
    from retrieval.tools.fetch import Fetcher, PageLimits
    from retrieval.tools.web import WAIT, Engine, MediaWiki, SearXNG, Web

    first: list[Tool] = [Clock(), Calculator(), library]
    if settings.translator:
        from retrieval.tools.translator import load_translator

        first.append(load_translator(settings.translator))
    fetcher = Fetcher(read_networks(settings.fetch_allow), PageLimits(whole=WAIT))
    engines: list[Engine] = []
    if settings.wiki:
        engines.append(MediaWiki(settings.wiki))
    if settings.searxng:
        engines.append(SearXNG(settings.searxng))
    return tuple(first), tuple(Web(engine, fetcher, embedder) for engine in engines)


def judged_by(settings: Settings, embedded: "EmbeddedJudge", speaker: LanguageModel) -> Judge:
    """Return the judge that the settings name, around the embedded one. Raises SettingsError, ModelError."""
    from dialogue.models import reads_prompts

    if settings.judges == "generator":
        from dialogue.judges.discriminator import GeneratorJudge

        if not reads_prompts(settings.model):
            raise SettingsError(f"judges = 'generator' needs a language model, not {settings.model!r}: name an hf: one")
        return GeneratorJudge(embedded, speaker)
    if settings.judges.startswith("hf:"):
        from dialogue.judges.classifier import load_classifier_judge

        return load_classifier_judge(settings.judges, embedded)
    if settings.judges != "embedded":
        from dialogue.judges.preference import load_preference

        return load_preference(Path(settings.judges), embedded)
    return embedded
