"""Training of the adapter by which passages found are ranked and sentences that answer are told from others.

It reads a passage, or a sentence, after the query and has an output for each question asked of it: is it relevant,
does it answer. Learns from the training splits only, and keeps some of their queries apart, by which it is calibrated.
Knows nothing of where the adapter is shipped.
"""

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.training.adapters import Example, Group, Plan, fit_phases
from app.training.quality_data import rows as lines
from app.training.quality_data import share
from dialogue.judges.quality import WEIGHTS as REPLY
from retrieval.encoder.adapters import Adapter, load_adapter
from retrieval.encoder.embed import Encoder
from retrieval.passages import cut_all, embedding_text
from retrieval.text import clean
from retrieval.types import Passage

OUTPUTS = ("relevant", "answers")
SHARES = ({"scifact": 0.24, "titles": 0.10, "xquad": 0.14, "wikiqa": 0.14, "trecqa": 0.38},)
PLANS = (Plan(examples=12_800, rate=5e-4, before_tokens=48, text_tokens=192),)
NEAR = 40  # passages, the nearest, of which wrong ones are drawn
WRONG = 5  # wrong passages beside a right one
DRAWS = 3  # groups made of one query, with other wrong passages
LONGEST = 8  # sentences of a question read in one group
VALIDATES = 0.1  # of SciFact's training queries, which are kept to calibrate
ARTICLES = 0.4  # of XQuAD's, likewise


@dataclass(frozen=True, slots=True)
class Asked:
    """A query, the documents that are relevant, and the words that a passage of theirs has to hold."""

    query: str
    documents: frozenset[str]
    answer: str = ""

    def met_by(self, passage: Passage) -> bool:
        """Whether the passage is of such a document and holds the answer."""
        return passage.source in self.documents and self.answer in passage.text


@dataclass(frozen=True)
class Corpus:
    """Passages with queries. `titled` says whether a passage is read with its title; it is always found with it."""

    passages: tuple[Passage, ...]
    queries: tuple[Asked, ...]
    titled: bool = True

    def read(self, place: int) -> str:
        """The text of a passage as the adapter reads it."""
        passage = self.passages[place]
        return embedding_text(passage if self.titled else replace(passage, title=""))

    def stored(self, places: Sequence[int]) -> list[Passage]:
        """The passages at these places."""
        return [self.passages[place] for place in places]

    def nearest(self, encoder: Encoder) -> NDArray[np.int64]:
        """Return the passages of each query (queries, passages), nearest first by words (TF-IDF) and by meaning."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        indexed = [embedding_text(passage) for passage in self.passages]
        asked = [each.query for each in self.queries]
        counted = TfidfVectorizer(sublinear_tf=True, stop_words="english")
        table = counted.fit_transform(indexed)
        words = (counted.transform(asked) @ table.T).toarray()
        cosines = encoder.encode(asked) @ encoder.encode(indexed).T
        ranks = [np.argsort(np.argsort(-found, axis=1, kind="stable"), axis=1) for found in (words, cosines)]
        nearness = np.add(*(1 / (60 + rank) for rank in ranks))
        return np.argsort(-nearness, axis=1, kind="stable")


def scifact(data: Path, held: bool) -> Corpus:
    """Return SciFact with most of its training queries, or with those of them that are kept."""
    folder = data / "retrieval" / "scifact"
    relevant: dict[str, set[str]] = defaultdict(set)
    for line in (folder / "qrels" / "train.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        query, document, _ = line.split("\t")
        relevant[query].add(document)
    asked = [row for row in lines(folder / "queries.jsonl.gz") if row["_id"] in relevant]
    kept = [row for row in asked if (share(f"rank {row['_id']}") < VALIDATES) == held]
    passages = cut_all((row["_id"], row["title"], row["text"]) for row in lines(folder / "corpus.jsonl.gz"))
    return Corpus(tuple(passages), tuple(Asked(clean(row["text"]), frozenset(relevant[row["_id"]])) for row in kept))


def titles(data: Path) -> Corpus:
    """Return SciFact's abstracts, read without their titles; each title is a query for its abstract."""
    rows = list(lines(data / "retrieval" / "scifact" / "corpus.jsonl.gz"))
    passages = cut_all((row["_id"], row["title"], row["text"]) for row in rows)
    asked = tuple(Asked(clean(row["title"]), frozenset([row["_id"]])) for row in rows if row["title"])
    return Corpus(tuple(passages), asked, titled=False)


def xquad(data: Path, held: bool | None = None) -> Corpus:
    """Return XQuAD's paragraphs with the questions on most articles, on the articles that are `held`, or on all."""
    rows = list(lines(data / "retrieval" / "xquad_a.jsonl.gz"))
    paragraphs = {str(row["paragraph_id"]): row["paragraph"] for row in rows}
    kept = [row for row in rows if held is None or kept_apart(row) == held]
    passages = cut_all((name, "", text) for name, text in paragraphs.items())
    found = (Asked(row["question"], frozenset([str(row["paragraph_id"])]), clean(row["answer"])) for row in kept)
    return Corpus(tuple(passages), tuple(found))


def kept_apart(row: Mapping[str, Any]) -> bool:
    """Whether a row of XQuAD is of an article that the adapter does not learn from."""
    return share(f"rank {str(row['paragraph_id']).split('-')[0]}") < ARTICLES


def groups_of(corpus: Corpus, encoder: Encoder, seed: int, draws: int = DRAWS) -> list[Group]:
    """Return `draws` groups per query: the nearest passage that meets it with wrong ones, most of them near."""
    rng = random.Random(seed)
    found: list[Group] = []
    for asked, order in zip(corpus.queries, corpus.nearest(encoder).tolist(), strict=True):
        likeliest: dict[str, int] = {}
        for place in order:
            if asked.met_by(corpus.passages[place]):
                likeliest.setdefault(corpus.passages[place].source, place)
        near = [place for place in order[:NEAR] if corpus.passages[place].source not in asked.documents]
        far = [place for place in order[NEAR : 10 * NEAR] if corpus.passages[place].source not in asked.documents]
        for _ in range(draws if likeliest else 0):
            wrong = rng.sample(near, min(WRONG - 1, len(near))) + rng.sample(far, min(1, len(far)))
            right = rng.choice(sorted(likeliest.values()))
            found.append(
                tuple(
                    Example(asked.query, corpus.read(place), (("relevant", float(place == right)),))
                    for place in (right, *wrong)
                )
            )
    return found


def answer_groups(data: Path, name: str, seed: int) -> list[Group]:
    """Return the sentences of each question of an answer-sentence file that has both right and wrong ones."""
    rng = random.Random(seed)
    found: list[Group] = []
    for question, said in answered(data, name).items():
        shuffled = rng.sample(said, len(said))
        read = [
            Example(question, text, (("relevant", float(right)), ("answers", float(right)))) for text, right in shuffled
        ]
        found += [tuple(read[start : start + LONGEST]) for start in range(0, len(read), LONGEST)]
    return found


def answered(data: Path, name: str) -> dict[str, list[tuple[str, bool]]]:
    """Return by question the sentences of a file and whether they answer, of questions that have both sorts."""
    found: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    for row in lines(data / "retrieval" / f"{name}.jsonl.gz"):
        found[clean(row["question"])].append((titled(row["sentence"], row.get("title") or ""), bool(row["answers"])))
    return {question: said for question, said in found.items() if len({right for _, right in said}) == 2}


def titled(sentence: str, title: str) -> str:
    """Return a sentence with the title of its document before it, as the adapter reads it."""
    return f"{title}: {clean(sentence)}" if title else clean(sentence)


def groups(data: Path, encoder: Encoder, seed: int) -> dict[str, list[Group]]:
    """Return what the adapter learns from, by source."""
    return {
        "scifact": groups_of(scifact(data, held=False), encoder, seed),
        "titles": groups_of(titles(data), encoder, seed, draws=1),
        "xquad": groups_of(xquad(data, held=False), encoder, seed),
        "wikiqa": answer_groups(data, "wikiqa.train", seed),
        "trecqa": answer_groups(data, "trecqa.train", seed),
    }


def beginning() -> Adapter:
    """Return what the training begins with: the adapter of replies, which has learnt what it is to answer.

    One that begins from nothing stays with the same logit for every passage, however long it is trained on these.
    """
    base = load_adapter(REPLY, {})  # it may have been trained a moment ago
    columns = [base.outputs.index(name) for name in ("sensible", "answers")]
    tensors = {
        key: tensor[..., columns] if key.startswith("head.1.") else tensor for key, tensor in base.tensors.items()
    }
    tensors["head.1.bias"] = tensors["head.1.bias"] - 1  # most passages do not answer
    return Adapter("relevance", OUTPUTS, tensors, {})


def train_adapter(
    data: Path, encoder: Encoder, seed: int = 0, plans: Sequence[Plan] = PLANS
) -> tuple[Adapter, list[dict[str, float]]]:
    """Return the adapter that reads a passage or a sentence after a query, and the curve of its loss."""
    adapter = beginning()
    return adapter, fit_phases(encoder, adapter, groups(data, encoder, seed), plans, SHARES, seed)
