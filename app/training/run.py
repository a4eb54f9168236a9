"""Training: what `candor train judges` and `candor train generator` run.

Knows where weights lie and which parts are needed; what a judge is trained on is its own module's business.
"""

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import InputError, SettingsError

if TYPE_CHECKING:
    from app.training.generator import GeneratorTraining

SAME = 0.001  # a mean grade that is lower by no more counts as no worse

_log = logging.getLogger(__name__)


def train_judges(data: Path, only: Sequence[str] = (), seed: int = 0, share: float = 1.0) -> dict[str, Any]:
    """Train the judges on the folder of development data, all or `only` those named; return figures and grades.

    The weights of a judge replace those shipped unless their mean grade is worse: then they are not written, and
    `kept` of that judge says "shipped". `sha256` is that of each file
    written, for the tables of what ships. `share` is the part of the due examples that adapters read. Raises InputError
    when the folder is not there, or holds not all files, SettingsError when a library for training is not installed.
    """
    if not (data / "safety").is_dir():
        raise InputError(f"{str(data)!r} is not the development data: it holds no folder 'safety'")
    lacking = [name for name in ("sklearn", "scipy") if find_spec(name) is None]
    if lacking:
        raise SettingsError(f"training the judges needs {' and '.join(lacking)}: pip install 'candor[train]'")
    from app.training.judges import PARTS, grade
    from retrieval.encoder.embed import load_encoder
    from safety.types import SafetyError

    encoder = load_encoder()
    found: dict[str, Any] = {}
    try:
        for name in only or PARTS:
            part = PARTS[name]
            with tempfile.TemporaryDirectory() as made:
                folder = Path(made)
                _log.info("training %s", name)
                old = grade(part, data, encoder, part.shipped)  # first: hours are not lost over what cannot be read
                figures = part.train(data, encoder, folder, seed, share)
                new = grade(part, data, encoder, folder)
                better = new[0] >= old[0] - SAME
                written = _put(folder, part.shipped, part.files) if better else {}
            found[name] = {
                "kept": "new" if better else "shipped",
                "sha256": written,
                "grades": {"new": new[1], "shipped": old[1]},
            } | figures
    except (FileNotFoundError, SafetyError) as error:
        raise InputError(f"the development data at {str(data)!r} is not complete: {error}") from error
    return found


def _put(made: Path, shipped: Path, files: Sequence[str]) -> dict[str, str]:
    """Replace files whole, so that who reads beside this has the old one or the new; return the SHA-256 of each."""
    written = {}
    for file in files:
        beside = shipped / f".{file}.new"
        shutil.copyfile(made / file, beside)
        written[f"{shipped.parent.name}/{shipped.name}/{file}"] = hashlib.sha256(beside.read_bytes()).hexdigest()
        os.replace(beside, shipped / file)
    return written


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
    data: Sequence[Path],
    plan: "GeneratorTraining",
    out: Path,
    limit: int | None,
    progress: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Fine-tune a model on the rows of all files of `data` (the first `limit` of each) and return the report."""
    from app.training.generator import train
    from app.training.generator_data import read_samples

    samples = [sample for path in data for sample in read_samples(path, limit)]
    judge = None
    if plan.rule.by == "embedded":
        from app.bot import packaged_judge

        judge = packaged_judge()
    return train(plan, samples, out, judge, progress)
