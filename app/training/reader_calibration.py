"""What the reader says of passages and units made probabilities, on collections of one passage to thousands.

The reader reads what the search finds for questions of articles that it was not trained on, once with the passage that
answers in the collection and once without, so that a high probability also says that there is an answer.
"""

import json
import random
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.evaluation.metrics import auroc, calibration_error
from app.training.document_questions import documents as asked_documents
from app.training.invented import invented
from app.training.quality_data import rows as lines
from app.training.reader_data import NAME, held, shape, titled
from app.training.stated import stated
from dialogue.judges.answers import FEATURES as UNIT
from dialogue.judges.answers import AnswerScorer
from dialogue.units import units
from retrieval.encoder.embed import Encoder
from retrieval.index.generation import build_of
from retrieval.passages import cut, cut_all
from retrieval.reader import PassageReader
from retrieval.rerank import DEPTH, FEATURES, Weights, features, weighed
from retrieval.search import HybridRetriever
from retrieval.text import clean
from retrieval.types import Evidence, Passage

SIZES = ((1, 40), (10, 24), (300, 4), (100_000, 1))  # passages of a collection, at most, and how many of these
ASKED = 240  # questions for each size
NATURAL = {  # documents with questions as people ask them
    "demo": Path(__file__).parents[2] / "examples" / "demo",
    "office": Path(__file__).with_name("office"),
}
MADE, PAGES = 24, 5  # collections of invented pages, and how many pages of each kind
DOCUMENTS = (60, 10)  # of those kept apart, in one collection: more, and what is asked is asked of several at once
OF_DOCUMENTS = 300  # questions asked of each of the two, as many again that are not answered
COUNTS = 3.0  # what a unit found for a question of people counts,
ASKED_IN_VAIN = 0.5  # as a part of that where nothing answers: it is half of what is asked here, and less in use
FITS, FIRST = 3, 3
RIDGE = 1e-3
ASKED_BY_PEOPLE = (*NATURAL, "documents")
UNANSWERED = ("without", "stranger", *(f"{name} without" for name in ASKED_BY_PEOPLE))
AGAINST = {  # the most that each weighs; of what leans on another's name there are too few to show what it is worth
    **dict.fromkeys(("away", "elsewhere", "strange", "figures"), 0.0), "astray": -1.0,
}  # fmt: skip
TITLED = ("according to the {}", "in the {}", "of the {}", "for the {}", "at the {}")


@dataclass(frozen=True)
class Found:
    """What the search found for a question: rows (passages, FEATURES), which of the passages answer, and its units.

    `units` (units, features) are those of all passages, `right` (units,) says which hold the answer.
    """

    rows: NDArray[np.float64]
    met: NDArray[np.bool_]
    units: NDArray[np.float64]
    right: NDArray[np.bool_]


Search = Callable[[str, int], Sequence[Evidence]]
Question = tuple[str, tuple[str, ...], frozenset[int]]  # its words, its answers, the passages that hold one


def collect(data: Path, encoder: Encoder, reader: PassageReader, seed: int = 0) -> dict[str, list[Found]]:
    """Return what is found by name of the collection; what is found under UNANSWERED does not answer."""
    rng = random.Random(seed)
    passages, questions = squad(data)
    found: dict[str, list[Found]] = defaultdict(list)
    for size, times in SIZES:
        for some, asked in _collections(passages, questions, size, times, rng):
            with _indexed(some, encoder) as search:
                found[str(size)] += _searched(search, asked, True, reader)
                found["without"] += _searched(search, asked, False, reader)
                found["stranger"] += _searched(search, strangers(asked, questions, rng), False, reader)
    for at in range(MADE):
        _add(found, "made", "without", made(seed + at), encoder, reader)
    for name, folder in NATURAL.items():
        if not folder.is_dir():  # what is installed has no examples
            continue
        _add(found, name, f"{name} without", natural(folder), encoder, reader)
    for collection in documents(rng):
        _add(found, "documents", "documents without", collection, encoder, reader)
    return found


def _add(
    found: dict[str, list[Found]],
    name: str,
    without: str,
    collection: tuple[list[Passage], list[Question]],
    encoder: Encoder,
    reader: PassageReader,
) -> None:
    """Add what is found for a collection's questions, for those that it does not answer under `without`."""
    passages, questions = collection
    with _indexed(passages, encoder) as search:
        found[name] += _searched(search, [q for q in questions if q[2]], True, reader)
        found[without] += _searched(search, [q for q in questions if not q[2]], True, reader)


def made(seed: int) -> tuple[list[Passage], list[Question]]:
    """Return a collection of invented pages, and the question that each was made for; half are not answered."""
    asked = [*invented(PAGES, 100_000 + seed), *stated(PAGES, 100_000 + seed, held=True)]
    passages, questions = [], list[Question]()
    for number, one in enumerate(asked):
        text, title = one.page.text, one.page.title
        passages.append(Passage(number, text, f"made/{number}", title, (), 0, len(text)))
        answers = tuple(text[slice(*span)] for span in one.spans)
        questions.append((one.question, answers, frozenset([number] if answers else ())))
    return passages, [*questions, *_under_titles(passages, questions, random.Random(seed))]


def _under_titles(passages: Sequence[Passage], questions: Sequence[Question], rng: random.Random) -> Iterator[Question]:
    """Questions that say which document is meant: the one that answers, or another, and then they are not answered."""
    titles = {passage.id: passage.title for passage in passages}
    for words, answers, right in questions:
        own = {titles[number] for number in right}
        other = rng.choice([title for title in titles.values() if title not in own])
        named, form = rng.choice([*own, other]), rng.choice(TITLED)
        if answers and named:
            asked = f"{words.rstrip('?')} {form.format(named.lower())}?"
            yield asked, *((answers, right) if named in own else ((), frozenset[int]()))


def natural(folder: Path) -> tuple[list[Passage], list[Question]]:
    """Return the passages of a folder's documents, one id each, and its questions; some are not answered."""
    from retrieval.sources import read_documents

    files = sorted((folder / "sources").iterdir())
    parts = [passage for file in files for document in read_documents(file) for passage in cut(document)]
    passages = [replace(passage, id=number) for number, passage in enumerate(parts)]
    questions = []
    for row in map(json.loads, (folder / "questions.jsonl").read_text(encoding="utf-8").splitlines()):
        answers = tuple(row.get("answers") or ())
        right = frozenset(
            p.id for p in passages if Path(p.source).name == row.get("source") and any(a in p.text for a in answers)
        )
        if len(row["context"]) == 1 and bool(right) == bool(answers):
            questions.append((clean(row["context"][0]), answers, right))
    return passages, questions


def documents(rng: random.Random) -> Iterator[tuple[list[Passage], list[Question]]]:
    """Yield collections of the documents that are kept apart, with their questions, one wording of each."""
    kept = [document for document in asked_documents() if document.held()]
    rng.shuffle(kept)
    for size in DOCUMENTS:
        parts = max(1, len(kept) // size)
        for at in range(parts):
            some = kept[at::parts]
            own = [(document, passage) for document in some for passage in document.passages]
            passages = [replace(passage, id=number) for number, (_, passage) in enumerate(own)]
            answered, unanswered = list[Question](), list[Question]()
            for document in some:
                for wordings, answer in document.answered:
                    here = [n for n, (of, p) in enumerate(own) if of is document and answer in p.text]
                    if here:
                        answered.append((rng.choice(wordings), (answer,), frozenset(here)))
                unanswered += [(asked, (), frozenset()) for asked in document.unanswered]
            count = -(-OF_DOCUMENTS // parts)
            asked = [rng.sample(kind, min(count, len(kind))) for kind in (answered, unanswered)]
            yield passages, [*asked[0], *asked[1]]


def squad(data: Path) -> tuple[list[Passage], list[Question]]:
    """Return the passages of the articles kept apart, one id each, and the questions that one of them answers."""
    rows = [row for row in lines(data / "reading" / "squad1_train.jsonl.gz") if held(row)]
    texts = dict.fromkeys((str(row["title"]), titled(row), str(row["paragraph"])) for row in rows)
    passages = cut_all((f"{name}/{number}", title, text) for number, (name, title, text) in enumerate(texts))
    by_text: dict[str, list[Passage]] = defaultdict(list)
    names = {f"{name}/{number}": text for number, (name, _, text) in enumerate(texts)}
    for passage in passages:
        by_text[names[passage.source]].append(passage)
    questions = []
    for row in rows:
        near = by_text[str(row["paragraph"])]
        right = frozenset(p.id for p in near if any(clean(answer) in p.text for answer in row["answers"]))
        if len(right) == 1:
            questions.append((clean(row["question"]), tuple(map(clean, row["answers"])), right))
    return passages, questions


def strangers(asked: Sequence[Question], questions: Sequence[Question], rng: random.Random) -> list[Question]:
    """Return questions that name something else: a name or figure of another question stands in the place of theirs.

    Their passage stays in the collection, and answers no longer.
    """
    pools: dict[str, list[str]] = defaultdict(list)
    for words, _, _ in questions:
        for match in NAME.finditer(words):
            pools[shape(match[0])].append(match[0])
    found: list[Question] = []
    for words, _, _ in asked:
        named = [match for match in NAME.finditer(words) if match.start() > 0]
        if named:
            old = rng.choice(named)
            new = rng.choice(pools[shape(old[0])])
            if new.casefold() not in words.casefold():
                found.append((words[: old.start()] + new + words[old.end() :], (), frozenset[int]()))
    return found


def _collections(
    passages: Sequence[Passage], questions: Sequence[Question], size: int, times: int, rng: random.Random
) -> Iterator[tuple[list[Passage], list[Question]]]:
    """Runs of passages that follow each other, each with questions that one of them answers."""
    for _ in range(times):
        start = rng.randrange(max(1, len(passages) - size + 1))
        some = list(passages[start : start + size])
        ids = {passage.id for passage in some}
        answerable = [question for question in questions if question[2] <= ids]
        yield some, rng.sample(answerable, min(len(answerable), -(-ASKED // times)))


@contextmanager
def _indexed(passages: Sequence[Passage], encoder: Encoder) -> Iterator[Search]:
    """The search of a collection, which is there until the context ends."""
    by_id = {passage.id: passage for passage in passages}
    with tempfile.TemporaryDirectory() as folder:
        generation = build_of(Path(folder), passages, encoder)
        retriever = HybridRetriever(encoder, generation, lambda ids: [by_id[place] for place in ids])
        yield lambda question, k: retriever.search([question], k)


def _searched(search: Search, questions: Sequence[Question], answered: bool, reader: PassageReader) -> Iterator[Found]:
    """Search for questions; where they are not `answered`, without the passages that would."""
    for question, answers, right in questions:
        near = search(question, DEPTH + len(right))
        near = tuple(item for item in near if answered or item.passage.id not in right)[:DEPTH]
        if near:
            yield _found(reader, question, answers, right, near)


def _found(
    reader: PassageReader, question: str, answers: Sequence[str], right: frozenset[int], near: Sequence[Evidence]
) -> Found:
    rows = features(reader, question, near)
    offered = [(item.passage.id in right, offer) for item in near for offer in units(item.passage)]
    scorer = AnswerScorer(reader, reader.encoder.encode_tokens, {})
    rated = scorer.features(question, [offer for _, offer in offered])
    holds = [answers_here and any(a in offer.text for a in answers) for answers_here, offer in offered]
    met = np.array([item.passage.id in right for item in near], dtype=bool)
    return Found(rows, met, rated, np.array(holds, dtype=bool))


def ordering(found: dict[str, list[Found]]) -> dict[str, float]:
    """Return the weights of FEATURES that put first what answers, by the likelihood of it among what was found."""
    from scipy.optimize import minimize
    from scipy.special import logsumexp

    answered = [each for every in found.values() for each in every if each.met.any() and len(each.met) > 1]
    scale = np.concatenate([each.rows for each in answered]).std(0) + 1e-6

    def loss(weights: NDArray[np.float64]) -> float:
        sums = [each.rows / scale @ weights for each in answered]
        missed = [logsumexp(s) - logsumexp(s[each.met]) for s, each in zip(sums, answered, strict=True)]
        return float(np.mean(missed) + RIDGE * weights @ weights)

    best = minimize(loss, np.ones(len(FEATURES)), method="L-BFGS-B").x / scale
    return dict(zip(FEATURES, best.tolist(), strict=True))


def logistic(
    rows: NDArray[np.float64], right: NDArray[np.bool_], names: Sequence[str], counts: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """Return the weights of the columns and the bias that make a probability; `counts` weigh the rows.

    What is AGAINST an answer never speaks for it, by whatever accident of the sample.
    """
    from scipy.optimize import minimize
    from scipy.special import expit

    mean, scale = rows.mean(0), rows.std(0) + 1e-6
    inputs = np.column_stack([(rows - mean) / scale, np.ones(len(rows))])
    weight = np.ones(len(rows)) if counts is None else counts

    def loss(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = inputs @ x
        wrong = weight * (expit(logits) - right)
        value = weight @ np.logaddexp(0, np.where(right, -logits, logits)) + RIDGE * x[:-1] @ x[:-1]
        return float(value), inputs.T @ wrong + 2 * RIDGE * np.append(x[:-1], 0.0)

    most = dict(zip(names, scale, strict=True))
    bounds = [(None, AGAINST[name] * most[name] if name in AGAINST else None) for name in (*names, "bias")]
    best = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    found = best[:-1] / scale
    return {**dict(zip(names, found.tolist(), strict=True)), "bias": float(best[-1] - found @ mean)}


def calibrated(found: dict[str, list[Found]]) -> dict[str, dict[str, float]]:
    """Return what goes into the reader's card: the weights of `order`, `likely` and `unit`."""
    every = [each for kind in found.values() for each in kind]
    rows, met = np.concatenate([each.rows for each in every]), np.concatenate([each.met for each in every])
    weight = {name: COUNTS if name in ASKED_BY_PEOPLE else 1.0 for name in found}
    weight |= {f"{name} without": COUNTS * ASKED_IN_VAIN for name in ASKED_BY_PEOPLE}
    counts = [weight[name] for name, kind in found.items() for _ in kind]
    return {"order": ordering(found), "likely": logistic(rows, met, FEATURES), "unit": _of_units(every, counts)}


def _of_units(every: Sequence[Found], counts: Sequence[float]) -> dict[str, float]:
    """The weights of UNIT: fitted to all units, then to the FIRST of each question by the fit before.

    Nearly all units are far from any answer; which of the likely ones does answer, and whether any does, is another
    question.
    """
    chosen = [np.arange(len(each.right)) for each in every]
    for _ in range(FITS):
        units = np.concatenate([each.units[some] for each, some in zip(every, chosen, strict=True)])
        right = np.concatenate([each.right[some] for each, some in zip(every, chosen, strict=True)])
        each_counts = np.concatenate([np.full(len(some), count) for some, count in zip(chosen, counts, strict=True)])
        weights = logistic(units, right, UNIT, each_counts)
        sums = [each.units @ [weights[name] for name in UNIT] for each in every]
        chosen = [np.argsort(-each, kind="stable")[:FIRST] for each in sums]
    return weights


def report(found: dict[str, list[Found]], card: Mapping[str, Weights]) -> dict[str, float]:
    """Return by collection the share of questions whose likeliest unit is right, and how well the best one is known.

    `answerable` is the AUROC of the best unit's probability between questions with and without an answer in the
    collection; `calibration_error` its mean difference from the share that is right.
    """
    figures: dict[str, float] = {}
    best: list[tuple[float, bool, bool]] = []
    for name, every in found.items():
        for each in every:
            chances = 1 / (1 + np.exp(-(each.units @ [card["unit"][key] for key in UNIT] + card["unit"]["bias"])))
            place = int(chances.argmax())
            best.append((float(chances[place]), bool(each.right[place]), name not in UNANSWERED))
        if every and name not in UNANSWERED:
            figures[f"best_unit_{name}"] = float(np.mean([right for _, right, _ in best[-len(every) :]]))
            tops = [each.met[int(np.argmax(weighed(each.rows, card["order"])))] for each in every]
            figures[f"best_passage_{name}"] = float(np.mean(tops))
    p, right, known = (np.array(column) for column in zip(*best, strict=True))
    figures["answerable"] = auroc(known.tolist(), p.tolist())
    figures["calibration_error"] = calibration_error(right.tolist(), p.tolist())
    return figures
