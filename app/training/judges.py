"""The judges that ship: what trains each into a folder of weights, and what grades such a folder.

Grades are taken on validation rows, by the same code for new weights and for those shipped. Knows nothing of which of
the two is kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import dialogue.judges.grounding
import dialogue.judges.quality
import safety.guards.embedded
from app.evaluation.metrics import auroc
from app.training import answers, grounding, grounding_data, quality, ranking, ranking_report
from app.training import safety as guard
from app.training.adapters import Plan
from app.training.quality_data import CORPORA
from app.training.safety_data import SHARES, gather, split
from dialogue.judges.answers import AnswerScorer
from dialogue.judges.grounding import Grounder
from dialogue.judges.shipped import WEIGHTS, load_head
from retrieval.encoder.adapters import Adapter, Reader, load_reader
from retrieval.encoder.embed import Encoder
from retrieval.rerank import WEIGHTS as RELEVANCE
from safety.windows import shown

Figures = dict[str, Any]
Train = Callable[[Path, Encoder, Path, int, float], Figures]
Grade = Callable[[Path, Encoder, Path], dict[str, float]]


@dataclass(frozen=True)
class Part:
    """A judge: its `files`, all in the folder `shipped`.

    `train` writes the files to a folder, from the given share of the examples an adapter is due, and returns figures
    with the curve of the loss. `grade` returns what the files in a folder reach, larger being better.
    """

    shipped: Path
    files: tuple[str, ...]
    train: Train
    grade: Grade


def _train_safety(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    plans = _shortened(guard.PLANS, share)
    adapter, figures = guard.train(data, encoder, seed, plans)
    _described(adapter, encoder, list(SHARES[-1]), plans, seed).save(folder / safety.guards.embedded.WEIGHTS.name)
    return figures


def _grade_safety(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """AUROC on the published validation sets."""
    reader = load_reader(encoder, folder / safety.guards.embedded.WEIGHTS.name, {})
    _, check = split(gather(data, 0))
    grades = {}
    for name, kind in (("diasafety valid", "reply"), ("convabuse valid", "request")):
        rows = [row for row in check if row.source == name]
        logits = reader([shown(row.before, row.text) for row in rows])[:, reader.outputs.index(kind)]
        grades[name] = auroc([row.unsafe for row in rows], logits.tolist())
    return grades


def _train_grounded(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    plans = _shortened(grounding.PLANS, share)
    adapter, curve = grounding.train_adapter(data, encoder, seed, plans)
    path = folder / dialogue.judges.grounding.ADAPTER
    _described(adapter, encoder, list(grounding_data.SHARES[-1]), plans, seed).save(path)
    head, figures = grounding.train(data, encoder, load_reader(encoder, path, {}), seed)
    head.save(folder / dialogue.judges.grounding.HEAD)
    return figures | {"curve": curve}


def _grade_grounded(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """AUROC on BEGIN dev, on which nothing is trained, and on the altered claims that are held out."""
    names = ("begin_dev.validation", "altered")
    found = grounding.report(data, Grounder.load(encoder, folder, {}), names)
    return {name: found[name]["auroc"] for name in names}


def _train_quality(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    plans = _shortened(quality.PLANS, share)
    adapter, curve = quality.train_adapter(data, encoder, seed, plans)
    path = folder / dialogue.judges.quality.WEIGHTS.name
    _described(adapter, encoder, list(quality.SHARES[-1]), plans, seed).save(path)
    heads, figures = quality.train(data, encoder, load_reader(encoder, path, {}), seed)
    for name, head in heads.items():
        head.save(folder / f"{name}.safetensors")
    return figures | {"curve": curve}


def _grade_quality(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """AUROC of sensible, true turns of held-out dialogues against random and earlier ones."""
    reader = load_reader(encoder, folder / dialogue.judges.quality.WEIGHTS.name, {})
    held = [e for e in quality.examples(data, "held") if e.corpus in CORPORA]
    score = load_head(folder / "sensible.safetensors", {})(quality.feature_rows(held, encoder.encode, reader))
    grades = {}
    for kind in ("random", "earlier"):
        rows = [at for at, e in enumerate(held) if e.kind in ("true", kind)]
        grades[kind] = auroc([held[at].kind == "true" for at in rows], [float(score[at]) for at in rows])
    return grades


def _train_relevance(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    plans = _shortened(ranking.PLANS, share)
    adapter, curve = ranking.train_adapter(data, encoder, seed, plans)
    told = ranking_report.collect(data, encoder, Reader(encoder, adapter))
    order, likely = ranking_report.ordering(told), ranking_report.calibrate(told)
    adapter.about.update(order=order, likely=likely)
    _described(adapter, encoder, list(ranking.SHARES[-1]), plans, seed).save(folder / RELEVANCE.name)
    return ranking_report.report(told, order, likely) | {"curve": curve}


def _grade_relevance(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """Mean average precision on TREC-QA's validation questions; nDCG@10 and more for the queries kept apart."""
    reader = load_reader(encoder, folder / RELEVANCE.name, {})
    told = ranking_report.collect(data, encoder, reader)
    figures = ranking_report.report(told, reader.about["order"], reader.about["likely"])
    grades = {name: figures[name] for name in ("scifact_after", "xquad_after", "answerable")}
    return grades | ranking_report.answers_report(data, reader)


def _train_answers(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    head, figures = answers.train(data, encoder, seed)
    head.save(folder / "answers.safetensors")
    return dict(figures)


def _grade_answers(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """The share of TREC-QA validation questions, not trained on, whose likeliest sentence answers."""
    scorer = AnswerScorer(encoder.encode_tokens, load_head(folder / "answers.safetensors", {}))
    return {"trecqa_best": answers.report(data, scorer)["trecqa_best"]}


def _shortened(plans: Sequence[Plan], share: float) -> list[Plan]:
    return [replace(plan, examples=int(share * plan.examples)) for plan in plans]


def _described(adapter: Adapter, encoder: Encoder, sources: list[str], plans: Sequence[Plan], seed: int) -> Adapter:
    """Add to the adapter's card what it is made from."""
    examples = sum(plan.examples for plan in plans)
    adapter.about.update(
        base=encoder.fingerprint, sources=sources, examples=examples, seed=seed, made_with="candor train judges"
    )
    return adapter


def grade(part: Part, data: Path, encoder: Encoder, folder: Path) -> tuple[float, dict[str, float]]:
    """Return the mean of a part's grades, and the grades."""
    grades = part.grade(data, encoder, folder)
    return float(np.mean(list(grades.values()))), grades


_DIALOGUE = WEIGHTS
PARTS: dict[str, Part] = {
    "safety": Part(
        safety.guards.embedded.WEIGHTS.parent, (safety.guards.embedded.WEIGHTS.name,), _train_safety, _grade_safety
    ),
    "grounded": Part(
        _DIALOGUE, (dialogue.judges.grounding.ADAPTER, dialogue.judges.grounding.HEAD), _train_grounded, _grade_grounded
    ),
    "quality": Part(
        _DIALOGUE,
        (dialogue.judges.quality.WEIGHTS.name, *(f"{name}.safetensors" for name in dialogue.judges.quality.NAMES)),
        _train_quality,
        _grade_quality,
    ),
    "relevance": Part(RELEVANCE.parent, (RELEVANCE.name,), _train_relevance, _grade_relevance),
    "answers": Part(_DIALOGUE, ("answers.safetensors",), _train_answers, _grade_answers),
}
