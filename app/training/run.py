"""Training: what `candor train judges` and `candor train generator` run.

Knows where weights lie and which parts are needed; what a judge is trained on is its own module's business.
"""

import gzip
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import InputError, SettingsError

if TYPE_CHECKING:
    from app.config import Settings
    from app.training.generator import GeneratorTraining
    from app.training.opinions import Opinions
    from app.training.reading_questions import Split
    from dialogue.types import Sampling

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


def train_on_ratings(
    files: Sequence[Path],
    stored: "Sequence[Opinions]",
    out: Path,
    data: Path | None,
    seed: int,
    settings: "Settings",
    progress: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Train the judge of ratings on all rows of `files` and what is `stored`; return what it reached.

    It is written to the folder `out`, beside `report.json`, unless it became less safe or follows people no better:
    then `refused` says why. Raises InputError for too few opinions, TrainingError for bad rows, SettingsError when a
    library for training is not installed.
    """
    if find_spec("sklearn") is None:
        raise SettingsError("training the judges needs sklearn: pip install 'candor[train]'")
    from app.evaluation.judging import packaged_judges
    from app.training.opinions import merged, read_opinions
    from app.training.preference import train
    from dialogue.judges.preference import FILE

    opinions = merged([read_opinions(files), *stored])
    judges = packaged_judges(settings)
    try:
        trained = train(opinions, judges.judge, judges.guard, data, seed, progress)  # type: ignore[arg-type]
    except FileNotFoundError as error:
        raise InputError(f"the development data at {str(data)!r} is not complete: {error}") from error
    figures = {**trained.figures, "refused": trained.refused}
    if not trained.refused:
        out.mkdir(parents=True, exist_ok=True)
        unfinished = out / f".{FILE}.new"
        trained.head.save(unfinished)
        os.replace(unfinished, out / FILE)
        (out / "report.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return figures


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
    from dialogue.models.smollm2 import INSTALL, NAME, packaged

    door, _, name = model.strip().partition(":")
    if door == NAME and not name:
        if (path := packaged()) is None:
            raise SettingsError(f"{NAME} is not installed: type {INSTALL}")
        return str(path)
    if door not in ("hf", "gguf") or not name:
        raise SettingsError(
            f"{model!r} cannot be fine-tuned: name a causal model: --model {NAME}, gguf:FILE or hf:FOLDER-OR-HUB-NAME"
        )
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


def write_rows(data: Path, out: Path, scale: float, seed: int) -> dict[str, int]:
    """Write the rows that the packaged model's adapter is tuned on, as gzipped JSONL; return how many of what.

    Raises InputError when the folder holds not all of the shared data.
    """
    from app.training.generator_rows import generator_rows

    try:
        rows = generator_rows(data, scale, seed)
    except FileNotFoundError as error:
        raise InputError(f"the development data at {str(data)!r} is not complete: {error}") from error
    with gzip.open(out, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    rated = sum("ratings" in row for row in rows)
    return {"rows": len(rows), "rated": rated, "with_passages": sum(bool(row.get("sources")) for row in rows)}


def write_candidates(
    data: Path,
    out: Path,
    model: str,
    questions: int,
    sampling: "Sampling",
    progress: Callable[[str, int, int], None],
    held: bool = False,
) -> dict[str, Any]:
    """Sample candidates on questions of articles that nothing was tuned on, label them, and return their shares.

    A fifth of the questions, or with `held` all, are of articles that are held back from judges too.

    The drafts lie beside `out`, in a journal that the same call goes on with. Raises InputError, and ModelError.
    """
    from app.training.candidates import SHARES, corpus, sampled, vocabulary, write_corpus
    from app.training.reading_questions import mixed, readings
    from dialogue.models import load_model
    from retrieval.encoder.embed import load_encoder
    from retrieval.reader import load_passage_reader

    try:
        parts: dict[Split, int] = (
            {"held": questions} if held else {"sample": questions - questions // 5, "held": questions // 5}
        )
        dealt = [mixed(readings(data, split, sampling.seed or 0), SHARES, count) for split, count in parts.items()]
        known = vocabulary(data)
    except FileNotFoundError as error:
        raise InputError(f"the development data at {str(data)!r} is not complete: {error}") from error
    journal = out.with_suffix(".drafts")
    writer = load_model(model, load_passage_reader(load_encoder()))
    sampled(writer, [*chain(*dealt)], journal, replace(sampling, seed=None), progress)
    return write_corpus(corpus(journal, known), out)


def ship_adapter(folder: Path, out: Path) -> str:
    """Write a trained adapter as one file in half precision, as the packaged model loads it; return its SHA-256."""
    import torch
    from safetensors.torch import load_file, save_file

    tensors = {
        name: tensor.to(torch.float16) for name, tensor in load_file(folder / "adapter_model.safetensors").items()
    }
    alpha = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["lora_alpha"]
    form = json.loads((folder / "candor.json").read_text(encoding="utf-8"))["format"]
    save_file(tensors, out, metadata={"alpha": str(alpha), "format": form})
    return hashlib.sha256(out.read_bytes()).hexdigest()


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
