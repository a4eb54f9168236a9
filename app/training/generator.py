"""Fine-tuning a causal model on LaMDA's formats (Thoppilan et al. 2022, section 6): the whole story in `train`.

The model becomes generator, discriminator and researcher at once, as an adapter beside its base. Knows samples and
models; nothing of the command line or of where data lies.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from app.training.generator_data import Sample, TrainingError, TrainingSequence, examples, one_sided, split
from app.training.generator_filter import Filter, Score, by_judge, by_model, kept, scored, summary, weighed
from app.training.generator_loop import Progress, Tuning, fit
from app.training.generator_model import Adapted, Encoded, adapt, encode
from app.training.generator_report import NEW_TOKENS, Measured, compare, measure
from dialogue.models.checkpoints import Checkpoint, load_checkpoint, memory_errors
from dialogue.models.checkpoints.plan import Needs
from dialogue.models.formats import LAMDA, MARK, PLAIN, Lamda
from dialogue.models.small import sized
from dialogue.types import Judge

REPORT: Final = "report.json"
SOURCES: Final = 8  # of a row, shown to a small model, which is asked with fewer later
LEAST_HELD: Final = 8  # held-back dialogues below which a comparison says nothing


@dataclass(frozen=True, slots=True)
class GeneratorTraining:
    """What is trained: `base` is a folder or a hub name; the share `held` of the dialogues is kept for the report."""

    base: str
    tuning: Tuning = field(default_factory=Tuning)
    rule: Filter = field(default_factory=Filter)
    held: float = 0.1
    device: str = "auto"


@dataclass(frozen=True, slots=True)
class _Trained:
    """A model in the making and what it takes to go on with it."""

    adapted: Adapted
    tuning: Tuning
    work: Path
    progress: Progress

    def encoded(self, made: Sequence[TrainingSequence]) -> list[Encoded]:
        return [encode(self.adapted, example) for example in made]


def train(
    plan: GeneratorTraining, samples: Sequence[Sample], out: Path, judge: Judge | None, progress: Progress
) -> dict[str, Any]:
    """Train an adapter into the folder `out` and return the report, which lies there as report.json.

    First on what people rated and on research; then, with that model's own judgement of the unrated replies (or
    `judge`'s), on those that pass, together with the first once more. A stopped training goes on when called again
    with the same plan and samples; a finished one returns its report. Raises TrainingError and ModelError.
    """
    learning, held = split(samples, plan.held)
    _check(plan, learning, held)
    rated, unrated = _parted(learning)
    base = _base(plan)
    identity = _identity(plan, samples, base.fingerprint)
    if (done := _finished(out, identity)) is not None:
        return done
    work = _workplace(out, identity)
    small = sized(base.model, base.tokenizer)
    form = replace(small, passages=SOURCES) if small else Lamda()
    first = examples(rated, form)
    idle = one_sided(first)
    first = [example for example in first if example.attribute not in idle]
    tests = [example for example in examples(held, form) if example.attribute not in idle]
    with memory_errors(base.name, "--save-memory, a smaller --batch with more --accumulate, or a lower --longest"):
        tuning, longest = plan.tuning, min(plan.tuning.longest, base.plan.window)
        adapted = adapt(base.model, base.tokenizer, longest, tuning.rank, tuning.seed, tuning.save_memory, form)
        state = _Trained(adapted, tuning, work, progress)
        before = _before(state, tests)
        curve: list[dict[str, float]] = []
        if first:
            curve = fit(adapted, state.encoded(first), tuning, 0, work, progress)
        chosen, filtered = _filtered(state, plan.rule, unrated, first, judge)
        second = [example for example in examples(chosen, form) if example.kind == "generative"]
        if not first and not second:
            raise TrainingError("the rows hold nothing to learn: no reply that is not rated bad, no rating both ways")
        if second:
            curve = fit(adapted, state.encoded([*second, *first]), tuning, 1, work, progress)
        after = measure(adapted, tests, progress)
    report = {
        "base": base.name,
        "fingerprint": base.fingerprint,
        "plan": asdict(plan),
        "rows": {"learnt": len(learning), "held_back": len(held), "rated": len(rated), "unrated": len(unrated)},
        "examples": {"first": _counts(first), "second": _counts(second), "held_back": _counts(tests)},
        "not_learnt": {name: "rated one way only" for name in sorted(idle)},
        "shortened": sum(_shortened(state, example) for example in [*first, *second]),
        "filter": filtered,
        "curve": curve,
        **compare(tests, before, after),
    }
    _finish(state, plan.base, out, report, identity)
    return report


def _base(plan: GeneratorTraining) -> Checkpoint:
    """Load what is trained, in bfloat16 where the device computes in it natively; the adapter stays in float32."""
    if (Path(plan.base).expanduser() / "adapter_config.json").is_file():
        raise TrainingError(f"{plan.base!r} is an adapter: train from the base that it names, with all the data")
    needs = Needs(plan.tuning.longest, candidates=1, new_tokens=NEW_TOKENS)
    base = load_checkpoint(plan.base, plan.device, needs)
    if base.tokenizer.eos_token_id is None or base.model.config.is_encoder_decoder or base.preamble:
        raise TrainingError(f"{plan.base!r} is no decoder that ends its texts with a token: choose a causal model")
    return base


def _check(plan: GeneratorTraining, learning: Sequence[Sample], held: Sequence[Sample]) -> None:
    if not learning:
        raise TrainingError("no dialogue is left to train on: give more data or a smaller share to hold back")
    if len({sample.group for sample in held}) < LEAST_HELD:
        raise TrainingError(
            f"only {len({sample.group for sample in held})} dialogues are held back, the report needs {LEAST_HELD}: "
            f"give more data or hold back a larger share than {plan.held:g}"
        )


def _parted(samples: Sequence[Sample]) -> tuple[list[Sample], list[Sample]]:
    """Part what people spoke about, by rating, preference or research, from replies nobody has judged."""
    known = [sample for sample in samples if sample.ratings or sample.base or sample.rejected]
    return known, [sample for sample in samples if not (sample.ratings or sample.base or sample.rejected)]


def _before(state: _Trained, tests: Sequence[TrainingSequence]) -> Measured:
    """Measure the base, once: a fresh adapter changes nothing, one that goes on is not in place yet."""
    path = state.work / "before.json"
    if path.is_file():
        stored = json.loads(path.read_text(encoding="utf-8"))
        ratings = {int(place): value for place, value in stored["ratings"].items()}
        followed = {kind: tuple(kept) for kind, kept in stored["followed"].items()}
        return Measured(tuple(stored["losses"]), ratings, followed, tuple(stored["preferred"]))
    before = measure(state.adapted, tests, state.progress)
    _write(path, asdict(before))
    return before


def _filtered(
    state: _Trained, rule: Filter, unrated: Sequence[Sample], first: Sequence[TrainingSequence], judge: Judge | None
) -> tuple[list[Sample], dict[str, Any]]:
    """Return the unrated replies that are trained on, and the figures of the filter."""
    if not unrated or rule.by == "none":
        return list(unrated), {"by": "none", "kept": len(unrated)}
    score = _score(state, rule, first, judge)
    points = scored(unrated, score, state.work / "scores.jsonl", state.progress)
    chosen = kept(points, rule)
    if not any(chosen):
        raise TrainingError(f"the filter kept none of {len(chosen)} unrated replies: lower its thresholds")
    survivors = [sample for sample, stays in zip(unrated, chosen, strict=True) if stays]
    return survivors, {"by": rule.by, **summary(points, chosen)}


def _score(state: _Trained, rule: Filter, first: Sequence[TrainingSequence], judge: Judge | None) -> Score:
    if rule.by == "embedded":
        if judge is None:
            raise TrainingError("filtering by the embedded judge needs one")
        return by_judge(judge)
    attributes = weighed([example.attribute for example in first])
    return by_model(state.adapted, attributes)


def _identity(plan: GeneratorTraining, samples: Sequence[Sample], fingerprint: str) -> str:
    """What a training has to share with an earlier one to go on with it: plan, base and data, not the device."""
    digest = hashlib.sha256(json.dumps([asdict(plan) | {"device": ""}, fingerprint], sort_keys=True).encode())
    for sample in samples:
        parts = (sample.context.turns, sample.context.evidence, sample.reply, dict(sample.ratings), sample.searches)
        digest.update(repr((*parts, sample.base, sample.rejected)).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


def _finished(out: Path, identity: str) -> dict[str, Any] | None:
    """Return the report of this very training when it has ended. Raises TrainingError when `out` holds another."""
    mark = out / MARK
    if not mark.is_file():
        return None
    if json.loads(mark.read_text(encoding="utf-8")).get("training") != identity:
        raise TrainingError(f"{str(out)!r} holds another training's adapter: choose another folder or delete this one")
    report: dict[str, Any] = json.loads((out / REPORT).read_text(encoding="utf-8"))
    return report


def _workplace(out: Path, identity: str) -> Path:
    """Return the folder of unfinished work in `out`, which has to be this training's or not there yet."""
    work = out / "work"
    name = work / "training"
    if not name.is_file():
        if out.exists() and any(out.iterdir()) and not work.is_dir():
            raise TrainingError(f"{str(out)!r} holds other files: choose a folder that is new or empty")
        work.mkdir(parents=True, exist_ok=True)
        name.write_text(identity, encoding="utf-8")
    if name.read_text(encoding="utf-8") != identity:
        raise TrainingError(
            f"{str(out)!r} holds an unfinished training with other settings or data: "
            "repeat its command to go on, choose another folder, or delete this one"
        )
    return work


def _finish(state: _Trained, base: str, out: Path, report: Mapping[str, Any], identity: str) -> None:
    """Write the adapter with its tokenizer, then the report, then the mark; only then the work may go."""
    folder = Path(base).expanduser()
    config = state.adapted.model.peft_config["default"]
    config.base_model_name_or_path = str(folder.resolve()) if folder.is_dir() else base
    state.adapted.model.save_pretrained(str(out), safe_serialization=True)
    state.adapted.tokenizer.save_pretrained(out)
    _write(out / REPORT, report)
    mark = {
        "format": LAMDA if isinstance(state.adapted.form, Lamda) else PLAIN,
        "base": report["fingerprint"],
        "training": identity,
        "better": report["better"],
    }
    _write(out / MARK, mark)
    shutil.rmtree(state.work)


def _write(path: Path, value: Mapping[str, Any]) -> None:
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
    unfinished.replace(path)


def _counts(made: Sequence[TrainingSequence]) -> dict[str, int]:
    return {
        kind: sum(example.kind == kind for example in made) for kind in ("generative", "discriminative", "research")
    }


def _shortened(state: _Trained, example: TrainingSequence) -> bool:
    return len(encode(replace(state.adapted, longest=1 << 30), example).ids) > state.tuning.longest
