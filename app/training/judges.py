"""The judges that ship: what trains each into a folder of weights, and what grades such a folder.

Grades are taken on validation rows, by the same code for new weights and for those shipped.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

import dialogue.intent
import dialogue.judges.grounding
import dialogue.judges.quality
import dialogue.rewriter
import retrieval.reader
import safety.guards.embedded
import safety.injection
from app.evaluation.metrics import auroc
from app.training import (
    grounding,
    grounding_data,
    injection,
    intent,
    quality,
    reader,
    reader_calibration,
    reader_data,
    reader_report,
    rewriting,
)
from app.training import safety as guard
from app.training.adapters import AdapterTraining
from app.training.quality_data import CORPORA
from app.training.safety_data import ASKED, gather, split
from dialogue.judges.grounding import Grounder
from dialogue.judges.shipped import WEIGHTS, load_head
from dialogue.rewriter import load_rewriter
from retrieval.encoder.adapters import Adapter, load_reader
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader, load_passage_reader
from safety.windows import shown

MEMBERS = 2  # trainings of the reader from the one that ships, whose mean with it is taken
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
    _described(adapter, encoder, list(ASKED), plans, seed).save(folder / safety.guards.embedded.WEIGHTS.name)
    return figures


def _grade_safety(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """AUROC on the published validation sets, and of requests that are declined beside such as only sound so."""
    reader = load_reader(encoder, folder / safety.guards.embedded.WEIGHTS.name, {})
    _, check = split(gather(data, 0))
    grades = {}
    for name, kind, sources in (
        ("diasafety valid", "reply", ("diasafety valid",)),
        ("convabuse valid", "request", ("convabuse valid",)),
        ("look-alikes", "request", ("unsafe questions", "advbench", "sound unsafe", "benign")),
    ):
        rows = [row for row in check if row.source in sources]
        logits = reader([shown(row.before, row.text) for row in rows])[:, reader.outputs.index(kind)]
        grades[name] = auroc([row.unsafe for row in rows], logits.tolist())
    return grades


def _train_injection(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    card, figures = injection.train(data, encoder.encode)
    injection.save(card, folder / safety.injection.WEIGHTS.name)
    return figures


def _grade_injection(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """AUROC on templates, articles and published orders that are held back."""
    model = safety.injection.load_injections(folder / safety.injection.WEIGHTS.name)
    return {"held back": injection.report(model, injection.gather(data), encoder.encode)["auroc"]}


def _train_grounded(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    plans = _shortened(grounding.PLANS, share)
    adapter, curve = grounding.train_adapter(data, encoder, seed, plans)
    path = folder / dialogue.judges.grounding.ADAPTER
    _described(adapter, encoder, list(grounding_data.SHARES[-1]), plans, seed).save(path)
    heads, figures = grounding.train(data, encoder, load_reader(encoder, path, {}), seed)
    for name, head in heads.items():
        head.save(folder / f"{name}.safetensors")
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


def _train_reader(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    """Train the reader that ships further, several times, and take the mean of all (Wortsman et al. 2022)."""
    plan = replace(reader.PLAN, examples=int(share * reader.PLAN.examples), cool=int(share * reader.PLAN.cool))
    begun, members, curves = _begun(encoder, seed), list[dict[str, Tensor]](), list[Any]()
    further = retrieval.reader.WEIGHTS.is_file()  # trainings from nothing have no mean
    for number in range(MEMBERS if further else 1):
        drawn = reader_data.sources(data, seed + number)
        weights = {name: weight.clone() for name, weight in begun.items()}
        curves.append(reader.fit(encoder, weights, drawn, plan, seed + number, _checkpoint(number)))
        members.append(weights)
    weights = reader.mean([begun, *members] if further else members)
    found = reader_calibration.collect(data, encoder, PassageReader(encoder, weights), seed)
    card = reader_calibration.calibrated(found)
    about = {"base": encoder.fingerprint, "sources": list(drawn), "examples": plan.examples, "seed": seed}
    retrieval.reader.save(weights, folder / retrieval.reader.WEIGHTS.name, {**about, "mean_of": len(members), **card})
    for number in range(MEMBERS):
        _checkpoint(number).unlink(missing_ok=True)
    return {**reader_calibration.report(found, card), "curve": curves}


def _checkpoint(number: int) -> Path:
    """Where the state of a training of hours is kept: the same command goes on from it."""
    return retrieval.reader.WEIGHTS.with_name(f".reader.{number}.checkpoint")


def _begun(encoder: Encoder, seed: int) -> dict[str, Tensor]:
    """The weights that ship, which the training goes on from; without them those that one begins with."""
    if not retrieval.reader.WEIGHTS.is_file():
        return retrieval.reader.initial(encoder, seed)
    return retrieval.reader.load(retrieval.reader.WEIGHTS)[0]


def _grade_reader(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """F1 of answerable questions and AUROC of answerable or not, on articles that are kept apart."""
    found = reader_report.report(data, load_passage_reader(encoder, folder / retrieval.reader.WEIGHTS.name))
    return {name: found[name] for name in ("squad_f1", "twins_auroc", "invented_auroc")}


def _train_rewriting(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> Figures:
    head, figures = rewriting.train(data, encoder, seed, share)
    head.save(folder / dialogue.rewriter.PATH.name)
    return figures


def _grade_rewriting(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """Likeness to people's rewrites, and to what invented follow-ups mean, of conversations that are kept apart."""
    rewriter = load_rewriter(encoder, folder / dialogue.rewriter.PATH.name, {})
    return rewriting.grade(data, lambda question, said: rewriter(question, said) or question)


def _grade_intent(data: Path, encoder: Encoder, folder: Path) -> dict[str, float]:
    """Shares of what is held out: written wordings that are understood, real questions that are left questions."""
    found = intent.report(data, encoder, folder / dialogue.intent.WEIGHTS.name)
    return {"accuracy": found["accuracy"], "questions": 1 - found["questions_taken_for_talk"]}


def _shortened(plans: Sequence[AdapterTraining], share: float) -> list[AdapterTraining]:
    return [replace(plan, examples=int(share * plan.examples)) for plan in plans]


def _described(
    adapter: Adapter, encoder: Encoder, sources: list[str], plans: Sequence[AdapterTraining], seed: int
) -> Adapter:
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
    "injection": Part(
        safety.injection.WEIGHTS.parent, (safety.injection.WEIGHTS.name,), _train_injection, _grade_injection
    ),
    "grounded": Part(_DIALOGUE, dialogue.judges.grounding.FILES, _train_grounded, _grade_grounded),
    "quality": Part(
        _DIALOGUE,
        (dialogue.judges.quality.WEIGHTS.name, *(f"{name}.safetensors" for name in dialogue.judges.quality.NAMES)),
        _train_quality,
        _grade_quality,
    ),
    "rewriting": Part(_DIALOGUE, (dialogue.rewriter.PATH.name,), _train_rewriting, _grade_rewriting),
    "intent": Part(_DIALOGUE, (dialogue.intent.WEIGHTS.name,), intent.train, _grade_intent),
    "reader": Part(retrieval.reader.WEIGHTS.parent, (retrieval.reader.WEIGHTS.name,), _train_reader, _grade_reader),
}
