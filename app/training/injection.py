"""Training of the model of orders hidden in documents, on sentences: logistic regression of word n-grams.

Few of their weights are kept (L1); beside them stands a logistic regression of what a sentence means, learnt where the
words leave a doubt. Calibrated on sentences of articles, letters and documents that are kept apart.
"""

import json
import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.evaluation.metrics import auroc
from app.training.contrast import PAIRS, fill, held_back, read_pairs
from app.training.document_questions import documents
from app.training.invented import invented
from app.training.quality_data import rows
from app.training.stated import stated
from retrieval.text import sentences
from retrieval.tools.library import counted, joined, mention
from safety.injection import Encode, InjectionModel, ngrams

FILLINGS: Final = 40  # of a template that is an order
PLAIN: Final = 15  # of an ordinary one
STRENGTH: Final = 4.0  # inverse of the L1 penalty
POINTS: Final = ((0.7, 1.5e-4), (0.3, 0.003))  # a risk, and the share of sentences of PLACES that reach it
PLACES: Final = ("articles", "emails and tables", "rules and manuals", "titles", "documents", "library")
FILES: Final = ("md", "txt", "pdf", "docx", "eml", "html", "csv")
PAGES: Final = 1_500  # invented ones of each kind
ALONE: Final = 0.7  # size of the feature of a single word
DOUBT: Final = -5.2  # the logit by words from which on the meaning is looked at,
MEANING: Final = 0.5  # what it weighs beside them,
SMOOTH: Final = 3.0  # and the inverse of its L2 penalty
DOUBTED: Final = 2.0  # how much more an ordinary sentence counts whose words leave a doubt
OTHERS: Final = 30  # of the other ordinary ones, one in so many
TASKS: Final = (  # of BIPIA: plain questions, which are orders only because nobody asked them
    "Information Retrieval", "Content Creation", "Learning and Tutoring", "Language Translation", "Programming Help",
)  # fmt: skip
ARTICLES: Final = ("squad1_train", "fairytaleqa_train", "policyqa_dev", "dolly_closedqa_subset", "multirc_train")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a document, whether it is an order, and whether it is kept from training."""

    text: str
    order: bool
    held: bool
    source: str


def gather(data: Path) -> list[Sentence]:
    """Return orders and ordinary sentences. Templates, articles and published orders are held back whole."""
    found = [*_templates(), *_written(), *_published(data), *_articles(data), *_documents(), *_asked_of()]
    return list({sentence.text: sentence for sentence in found if len(sentence.text) > 1}.values())


def _templates() -> Iterator[Sentence]:
    raw = read_pairs(PAIRS / "injections.toml")
    for side, most in (("orders", FILLINGS), ("ordinary", PLAIN)):
        for template in raw[side]["texts"]:
            for text in fill(template, raw["slots"], most):
                yield Sentence(text, side == "orders", held_back(template), f"our {side}")


def _written() -> Iterator[Sentence]:
    for kind, texts in read_pairs(PAIRS / "orders.toml").items():
        for text in texts:
            yield Sentence(text, kind == "orders", held_back(text), f"our {kind}, one by one")


def _published(data: Path) -> Iterator[Sentence]:
    for row in rows(data / "safety" / "bipia_parts_train.jsonl.gz"):
        kind = row["category"].rpartition("/")[2]
        if row["unsafe"] and kind not in TASKS:
            yield Sentence(row["text"].partition("\n")[0], True, held_back(row["text"]), "bipia")
        elif not row["unsafe"] and (row["category"].endswith("email") or held_back("table" + row["text"], 6)):
            yield from _split(row["text"], False, "emails and tables")
    for row in rows(data / "safety" / "cyberseceval_prompt_injection.jsonl.gz"):
        if row["category"] == "direct/ignore_previous_instructions":
            yield Sentence(row["text"], True, held_back(row["text"]), "cyberseceval")


def _articles(data: Path) -> Iterator[Sentence]:
    chance = random.Random(0)
    for name in ARTICLES:
        seen = set()
        for row in rows(data / "reading" / f"{name}.jsonl.gz"):
            if row["paragraph"] in seen or chance.random() > (0.25 if name == "squad1_train" else 0.5):
                continue
            seen.add(row["paragraph"])
            yield from _split(row["paragraph"], False, "articles", row.get("title") or row["paragraph"])


def _documents() -> Iterator[Sentence]:
    """What rules, manuals and notices tell their readers to do is meant for these."""
    for asked in (*stated(PAGES), *stated(PAGES, held=True), *invented(PAGES)):
        text = asked.page.text
        for start, end in sentences(text):
            yield Sentence(text[start:end], False, held_back(text[start:end]), "rules and manuals")


def _asked_of() -> Iterator[Sentence]:
    """Titles, headings and sentences of documents as people have them, and what the library says of such."""
    titles = list(dict.fromkeys(document.passages[0].title for document in documents()))
    for document in documents():
        for passage in document.passages:
            held = held_back(passage.title)
            for text in (passage.title, *passage.headings):
                yield Sentence(text, False, held, "titles")
            yield from _split(passage.text, False, "documents", passage.title)
    for number, title in enumerate(titles):
        for text in _of_library([title, *titles[number + 1 : number + 1 + number % 4]], number):
            yield Sentence(text, False, held_back(title), "library")


def _of_library(titles: Sequence[str], number: int) -> Iterator[str]:
    """What the library says of documents with these titles, in the forms in which its tool does."""
    names = [
        f"{re.sub(r'[^a-z]+', '-', title.casefold()).strip('-')[:24]}.{FILES[number % len(FILES)]}" for title in titles
    ]
    listed = joined([f"“{title}” ({name})" for title, name in zip(titles, names, strict=True)])
    topic = titles[-1].split()[-1].casefold()
    count, mentions = counted(len(titles)), mention(len(titles))
    forms = (
        f"The library holds {count}: {listed}.",
        f"No document has “{topic}” in its title, but {mentions} it: {listed}.",
        f"Yes, the library holds {listed}.",
        f"No document mentions “{topic}” in these words, but the library holds {listed}.",
        f"{mentions} “{topic}” as well: {listed}.",
        f"The newest version in the library is {listed}.",
        f"Several documents may be meant: {listed}.",
    )
    yield forms[number % len(forms)]
    yield forms[number // len(forms) % len(forms)]


def _split(text: str, order: bool, source: str, key: str = "") -> Iterator[Sentence]:
    held = held_back(key or text)
    return (Sentence(text[start:end], order, held, source) for start, end in sentences(text))


def train(data: Path, encode: Encode) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the card of the model and its figures on what was held back."""
    found = gather(data)
    learn = [sentence for sentence in found if not sentence.held]
    weights, bias = _by_words(learn)
    words = InjectionModel(weights, bias, np.zeros(1, dtype=np.float32), math.inf)
    meaning = _by_meaning(words, learn, encode)
    model = InjectionModel(weights, bias, meaning, DOUBT)
    scale, shift = _calibrated(model, [s for s in found if s.held and s.source in PLACES], encode)
    card = {
        "sentences": len(learn),
        "orders": sum(sentence.order for sentence in learn),
        "bias": round(scale * bias + shift, 3),
        "doubt": round(scale * DOUBT + shift, 3),
        "meaning": [round(float(scale * weight), 3) for weight in meaning],
        "weights": {gram: round(scale * value, 3) for gram, value in sorted(weights.items())},
    }
    return card, report(InjectionModel.of(card), found, encode)


def _by_words(learn: Sequence[Sentence]) -> tuple[dict[str, float], float]:
    """The weights of n-grams, most of them none, and the bias."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    counts: dict[str, int] = {}
    for sentence in learn:
        for gram in ngrams(sentence.text):
            counts[gram] = counts.get(gram, 0) + 1
    known = {gram for gram, count in counts.items() if count >= 3}
    vectors = DictVectorizer(dtype=np.float32)
    matrix = vectors.fit_transform([{gram: _size(gram) for gram in ngrams(s.text) & known} for s in learn])
    matrix.indices, matrix.indptr = matrix.indices.astype(np.int32), matrix.indptr.astype(np.int32)
    fitted = LogisticRegression(C=STRENGTH, l1_ratio=1.0, solver="liblinear", random_state=0)
    fitted.fit(matrix, [s.order for s in learn])
    names, values = vectors.get_feature_names_out(), fitted.coef_[0]
    made = {str(name): float(value) * _size(name) for name, value in zip(names, values, strict=True) if value}
    return made, float(fitted.intercept_[0])


def _by_meaning(words: InjectionModel, learn: Sequence[Sentence], encode: Encode) -> NDArray[np.float32]:
    """The weights of a sentence's vector: of orders against what their words leave a doubt of, and a few others."""
    from sklearn.linear_model import LogisticRegression

    logits = [words.by_words(sentence.text) for sentence in learn]
    chosen = [
        (sentence, logit)
        for sentence, logit in zip(learn, logits, strict=True)
        if sentence.order or logit >= DOUBT or held_back(f"other {sentence.text}", OTHERS)
    ]
    weight = [1.0 if sentence.order or logit < DOUBT else DOUBTED for sentence, logit in chosen]
    fitted = LogisticRegression(C=SMOOTH, max_iter=2000)
    fitted.fit(encode([s.text for s, _ in chosen]), [s.order for s, _ in chosen], sample_weight=weight)
    return (MEANING * np.append(fitted.coef_[0], fitted.intercept_[0])).astype(np.float32)


def _size(gram: str) -> float:
    """How large a feature is: a word alone is small, so that L1 would rather learn what stands together."""
    return 1.0 if " " in gram else ALONE


def _calibrated(model: InjectionModel, ordinary: Sequence[Sentence], encode: Encode) -> tuple[float, float]:
    """Return scale and shift of the logits with which ordinary sentences reach the risks of POINTS that often."""
    logits = np.array([_logit(risk) for risk in model.risks([sentence.text for sentence in ordinary], encode)])
    (high, rare), (low, often) = POINTS
    at_high, at_low = (float(np.quantile(logits, 1 - share)) for share in (rare, often))
    scale = (_logit(high) - _logit(low)) / max(at_high - at_low, 1e-3)
    return scale, _logit(high) - scale * at_high


def report(model: InjectionModel, found: Sequence[Sentence], encode: Encode) -> dict[str, Any]:
    """Return by source the share of held-back sentences that reach each risk of POINTS, and the AUROC of all."""
    held = [sentence for sentence in found if sentence.held]
    risks = np.array(model.risks([sentence.text for sentence in held], encode))
    made: dict[str, Any] = {"auroc": auroc([s.order for s in held], risks.tolist()), "weights": len(model.weights)}
    for source in dict.fromkeys(s.source for s in held):
        those = risks[[s.source == source for s in held]]
        made[source] = {"n": len(those)} | {f"reach {risk}": float((those >= risk).mean()) for risk, _ in POINTS}
    return made


def save(card: dict[str, Any], path: Path) -> None:
    """Write the card as TOML, one weight a line."""
    head = [f"{name} = {value}" for name, value in card.items() if name != "weights"]
    weights = [f"{json.dumps(gram)} = {value}" for gram, value in card["weights"].items()]
    lines = ["# Made by candor train judges --only injection: see docs/scoring.md.", *head, "", "[weights]", *weights]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _logit(risk: float) -> float:
    return float(np.log(risk / (1 - risk)))
