"""Search by words: BM25 over a tantivy index in a folder.

tantivy is imported here alone.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from retrieval.text import clean
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from tantivy import TextAnalyzer

MOST_TERMS = 64  # distinct terms of one query; the rarest are kept
MOST_CHARACTERS = 100_000  # of one query
_ANALYSER = "english"
_WHOLE = "whole"  # the analyser that leaves words as they are, case aside
_HEAP = 64_000_000  # bytes tantivy may fill before it writes a segment


def write(folder: Path, ids: Sequence[int], texts: Sequence[str]) -> None:
    """Write an index of the texts into the empty folder. Raises RetrievalError when it cannot be written."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", fast=True)
    builder.add_text_field("text", tokenizer_name=_ANALYSER, index_option="freq")
    builder.add_text_field("words", tokenizer_name=_WHOLE, index_option="basic")
    try:
        index = tantivy.Index(builder.build(), str(folder), reuse=False)
        index.register_tokenizer(_ANALYSER, _analyser())
        index.register_tokenizer(_WHOLE, _whole())
        writer = index.writer(_HEAP, num_threads=1)
        for number, text in zip(ids, texts, strict=True):
            document = tantivy.Document()
            document.add_unsigned("id", number)
            plain = clean(text)
            document.add_text("text", plain)
            document.add_text("words", plain)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
    except (OSError, ValueError, RuntimeError) as error:
        raise RetrievalError(f"cannot write the word index in {str(folder)!r}: {error}") from error


class Lexical:
    """An opened word index. Safe to search from several threads."""

    def __init__(self, folder: Path) -> None:
        """Open the index in `folder`. Raises RetrievalError when it cannot be opened."""
        import tantivy

        try:
            index = tantivy.Index.open(str(folder))
            index.register_tokenizer(_ANALYSER, _analyser())
            self._searcher = index.searcher()
        except (OSError, ValueError, RuntimeError) as error:
            raise RetrievalError(f"cannot open the word index in {str(folder)!r}: {error}") from error
        self._schema = index.schema
        self._analyse = _analyser()
        self.count: int = self._searcher.num_docs

    def search(self, query: str, k: int) -> list[tuple[int, float]]:
        """Return up to `k` (id, BM25 score), best first, of texts that share a word with the query.

        The commonest English words do not count, and nothing in the query is syntax. BM25 as in Robertson
        and Zaragoza 2009, k1 = 1.2, b = 0.75.
        """
        from tantivy import Occur, Query

        terms = self._terms(query)
        if not terms or k < 1:
            return []
        should = [(Occur.Should, Query.term_query(self._schema, "text", term, "freq")) for term in terms]
        try:
            hits = self._searcher.search(Query.boolean_query(should), k, count=False).hits
            ids = self._searcher.fast_field_values("id", [address for _, address in hits])
        except (OSError, ValueError, RuntimeError) as error:
            raise RetrievalError(f"the word index cannot be searched: {error}") from error
        return [(int(number), float(score)) for number, (score, _) in zip(ids, hits, strict=True)]

    def vocabulary(self) -> dict[str, int]:
        """Return the words of all texts in lower case, with the number of texts that hold each.

        Empty for an index that was written before they were kept. Raises RetrievalError when it cannot be read.
        """
        try:
            counted = self._searcher.terms_with_prefix("words", "")
        except (OSError, RuntimeError) as error:
            raise RetrievalError(f"the word index cannot be read: {error}") from error
        except ValueError:  # no such field
            return {}
        return {word: count for word, count in counted if word.isalpha()}

    def _terms(self, query: str) -> list[str]:
        """The distinct terms of the query that the index holds, at most MOST_TERMS, rarest first."""
        distinct = dict.fromkeys(self._analyse.analyze(clean(query[:MOST_CHARACTERS])))
        counted = [(self._searcher.doc_freq("text", term), term) for term in distinct]
        return [term for count, term in sorted(counted) if count][:MOST_TERMS]


def _analyser() -> "TextAnalyzer":
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    return (
        TextAnalyzerBuilder(Tokenizer.simple())
        .filter(Filter.remove_long(64))
        .filter(Filter.lowercase())
        .filter(Filter.ascii_fold())
        .filter(Filter.stopword("english"))
        .filter(Filter.stemmer("english"))
        .build()
    )


def _whole() -> "TextAnalyzer":
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    return TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(32)).filter(Filter.lowercase()).build()
