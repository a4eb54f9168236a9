"""Training: what `candor train judges` and `candor train generator` run.

Knows where weights lie and which parts are needed; what is learnt is each package's own business.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import InputError, SettingsError
from safety.heads import Head

if TYPE_CHECKING:
    from dialogue.training.generator import Plan

_log = logging.getLogger(__name__)


def train_judges(data: Path) -> dict[str, object]:
    """Train every head from the folder of development data, write the weights, return the figures.

    Raises InputError when the folder is not there.
    """
    if not (data / "safety").is_dir():
        raise InputError(f"{str(data)!r} is not the development data: it holds no folder 'safety'")
    import dialogue.answers
    import dialogue.quality
    from dialogue.training import answers, grounding, quality
    from retrieval.adapters import load_reader
    from retrieval.embed import load_encoder
    from safety import training as safety

    folder = dialogue.answers.WEIGHTS.parent
    encoder = load_encoder()
    answer_head, answer_figures = answers.train(data, encoder)
    _save(folder, {"answers": answer_head})
    adapter, curve = quality.train_adapter(data, encoder)
    adapter.save(dialogue.quality.WEIGHTS)
    reply = load_reader(encoder, dialogue.quality.WEIGHTS)
    quality_heads, quality_figures = quality.train(data, encoder, reply)
    _save(folder, quality_heads)
    grounded, grounded_figures = grounding.train(data, encoder)
    _save(folder, {"grounded": grounded})
    heads = safety.train(data, encoder.encode)
    _save(Path(safety.__file__).parent / "weights", heads)
    return {
        "answers": answer_figures,
        "quality": quality_figures | {"curve": curve},
        "grounded": grounded_figures,
        "safety": sorted(heads),
    }


def base_of(model: str) -> str:
    """Return the checkpoint that a model's specification names. Raises SettingsError for what cannot be trained."""
    door, _, name = model.strip().partition(":")
    if door != "hf" or not name:
        raise SettingsError(f"{model!r} cannot be fine-tuned: name a causal model with --model hf:FOLDER-OR-HUB-NAME")
    return name


def thresholds(given: Sequence[str]) -> dict[str, float]:
    """Read ``sensible=0.8`` as the least P(desired rating) of that attribute. Raises SettingsError."""
    from dialogue.attributes import QUALITY

    names = [attribute.name for attribute in QUALITY]
    found = {}
    for text in given:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if name.upper() not in names or not 0 <= value <= 1:
            known = ", ".join(names).lower()
            raise SettingsError(f"--least {text!r}: write NAME=P with P from 0 to 1 and NAME one of {known}")
        found[name.upper()] = value
    return found


def train_generator(
    data: Sequence[Path], plan: "Plan", out: Path, limit: int | None, progress: Callable[[str, int, int], None]
) -> dict[str, Any]:
    """Fine-tune a model on the rows of all files of `data` (the first `limit` of each) and return the report."""
    from dialogue.training.generator import train
    from dialogue.training.generator_data import read_samples

    samples = [sample for path in data for sample in read_samples(path, limit)]
    judge = None
    if plan.rule.by == "embedded":
        from dialogue.judges import load_judge
        from retrieval.embed import load_encoder

        judge = load_judge(load_encoder())
    return train(plan, samples, out, judge, progress)


def _save(folder: Path, heads: Mapping[str, Head]) -> None:
    for name, head in heads.items():
        head.save(folder / f"{name}.safetensors")
        _log.info("wrote %s", folder / f"{name}.safetensors")
