"""The commands of `candor train`.

Knows options and output; what is run stands in `app.training.run`.
"""

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from app.commands.common import common, console_for, print_json, read_from, settings_of, some_path

if TYPE_CHECKING:
    from app.store.database import Database
    from app.training.opinions import Opinions


class _Number(click.FloatRange):
    """A range of numbers, which not-a-number and the infinite do not lie in."""

    def convert(self, value: float, parameter: click.Parameter | None, context: click.Context | None) -> float:
        number = float(super().convert(value, parameter, context))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", parameter, context)
        return number


JUDGES = ("safety", "injection", "grounded", "quality", "rewriting", "intent", "reader")


@click.group()
@common
def train() -> None:
    """Train the judges that ship with candor, or a language model of your own."""


@train.command("judges")
@common
@click.option("--data", type=some_path, metavar="DIR", help="The folder of the development data.")
@click.option(
    "--ratings",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Train a judge on ratings or preferences of candor ratings export instead.",
)
@click.option("--stored", is_flag=True, help="Train it on the ratings and preferences of the data folder.")
@click.option("--out", type=some_path, metavar="FOLDER", help="Where it is written; then --judges FOLDER.")
@click.option("--only", multiple=True, type=click.Choice(JUDGES), help="Train this judge alone.")
@click.option("--share", type=_Number(0, 1, min_open=True), default=1.0, help="Share of the examples, for a trial.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is random.")
@click.pass_context
def train_judges(
    context: click.Context,
    data: Path | None,
    ratings: tuple[Path, ...],
    stored: bool,
    out: Path | None,
    only: tuple[str, ...],
    share: float,
    seed: int,
) -> None:
    """Train the judges that ship on the development data, or a judge of your own on people's ratings.

    Weights that are graded worse than those shipped are not written, nor is a judge that became less safe or follows
    people no better; the exit code is then 1.
    """
    if ratings or stored:
        _on_ratings(context, ratings, stored, out, data, seed)
        return
    if data is None:
        raise click.UsageError("give --data DIR, or --ratings FILE or --stored to learn from ratings.")
    from app.training.run import train_judges as run_training

    settings_of(context)
    for name in ("app.training.run", "app.training"):
        logging.getLogger(name).setLevel(logging.INFO)  # the curve, on stderr
    found = run_training(data, only, seed, share)
    print_json(found)
    for file, digest in ((file, digest) for figures in found.values() for file, digest in figures["sha256"].items()):
        click.echo(f"candor: to be loaded, {file} has to stand in the table SHIPPED of its package: {digest}", err=True)
    worse = [name for name, figures in found.items() if figures["kept"] == "shipped"]
    if worse:
        click.echo(f"candor: worse than the shipped weights, not written: {', '.join(worse)}", err=True)
        context.exit(1)


def _on_ratings(
    context: click.Context, files: tuple[Path, ...], stored: bool, out: Path | None, data: Path | None, seed: int
) -> None:
    from app.commands.progress import training_progress
    from app.training.run import train_on_ratings

    if out is None:
        raise click.UsageError("give --out FOLDER, where the judge is written.")
    settings = settings_of(context)
    kept = [read_from(context, stored_opinions)] if stored else []
    with training_progress(console_for(err=True)) as progress:
        found = train_on_ratings(files, kept, out, data, seed, settings, progress)
    print_json(found)
    if found["refused"]:
        click.echo(f"candor: not written: {found['refused']}", err=True)
        context.exit(1)
    click.echo(f"candor: to judge with it: --judges {out}", err=True)


def stored_opinions(database: "Database") -> "Opinions":
    """Return the ratings, annotations and preferences of a database."""
    from app.store.datasets import dataset
    from app.training.generator_data import samples_of
    from app.training.opinions import opinions_of

    rows = [*dataset(database, "lamda"), *dataset(database, "dpo")]
    return opinions_of([sample for number, row in enumerate(rows) for sample in samples_of(row, number)])


@train.command("generator")
@common
@click.argument("data", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out", required=True, type=some_path, metavar="FOLDER", help="Where the adapter is written; then hf:FOLDER."
)
@click.option("--epochs", type=click.IntRange(1), default=2, show_default=True, help="How often each row is read.")
@click.option("--rate", type=_Number(0, min_open=True), default=2e-4, show_default=True, help="Learning rate.")
@click.option("--rank", type=click.IntRange(1), default=16, show_default=True, help="Rank of the adapter.")
@click.option("--batch", type=click.IntRange(1), default=8, show_default=True, help="Examples read together.")
@click.option("--accumulate", type=click.IntRange(1), default=1, show_default=True, help="Batches per step.")
@click.option("--longest", type=click.IntRange(64), default=1024, show_default=True, help="Most tokens of an example.")
@click.option("--save-every", type=click.IntRange(1), default=50, show_default=True, help="Steps between checkpoints.")
@click.option("--save-memory", is_flag=True, help="Compute the layers twice instead of keeping them.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is random.")
@click.option(
    "--held", type=_Number(0.01, 0.5), default=0.1, show_default=True, help="Share of the dialogues held back."
)
@click.option(
    "--filter",
    "by",
    type=click.Choice(["model", "embedded", "none"]),
    default="model",
    show_default=True,
    help="Who judges the unrated replies.",
)
@click.option(
    "--keep",
    type=_Number(0, 1),
    default=0.32,
    show_default=True,
    help="Share of the unrated replies that is trained on.",
)
@click.option("--least", multiple=True, metavar="NAME=P", help="Drop unrated replies below, as in sensible=0.8.")
@click.option("--limit", type=click.IntRange(1), help="Only the first so many rows of each file.")
@click.option("--ship", type=some_path, metavar="FILE", help="Also write the adapter as one file in half precision.")
@click.pass_context
def train_generator(
    context: click.Context,
    /,
    data: tuple[Path, ...],
    out: Path,
    by: Literal["model", "embedded", "none"],
    keep: float,
    least: tuple[str, ...],
    held: float,
    limit: int | None,
    **tuning: Any,  # noqa: ANN401, as click hands them over: `ship`, and the fields of Tuning
) -> None:
    """Fine-tune --model smollm2, gguf:FILE or hf:BASE on the rows of DATA (JSONL) as generator and discriminator.

    The same command goes on with a training that was stopped.
    """
    from app.commands.progress import training_progress
    from app.training.generator import GeneratorTraining
    from app.training.generator_filter import Filter
    from app.training.generator_loop import Tuning
    from app.training.run import base_of, ship_adapter, thresholds
    from app.training.run import train_generator as run_training

    ship: Path | None = tuning.pop("ship")
    base = base_of(settings_of(context).model)
    plan = GeneratorTraining(base, Tuning(**tuning), Filter(by, keep, thresholds(least)), held)
    with training_progress(console_for(err=True)) as progress:
        report = run_training(data, plan, out, limit, progress)
    print_json(report)
    click.echo(f"candor: {report['verdict']}", err=True)
    if ship is not None:
        click.echo(f"candor: {ship} has to stand in SHIPPED of dialogue/models/smollm2.py: {ship_adapter(out, ship)}")


@train.command("rows")
@common
@click.option("--data", required=True, type=some_path, metavar="DIR", help="The folder of the development data.")
@click.option("--out", required=True, type=some_path, metavar="FILE", help="Where the rows are written (.jsonl.gz).")
@click.option("--scale", type=_Number(0, min_open=True), default=1.0, show_default=True, help="How many of each kind.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all that is random.")
@click.pass_context
def train_rows(context: click.Context, data: Path, out: Path, scale: float, seed: int) -> None:
    """Write the rows that the packaged model is fine-tuned on, from the development data."""
    from app.training.run import write_rows

    settings_of(context)
    print_json(write_rows(data, out, scale, seed))


@train.command("candidates")
@common
@click.option("--data", required=True, type=some_path, metavar="DIR", help="The folder of the development data.")
@click.option("--out", required=True, type=some_path, metavar="FILE", help="Where they are written (.jsonl.gz).")
@click.option("--questions", type=click.IntRange(5), default=400, show_default=True, help="How many are asked.")
@click.option("--candidates", "n", type=click.IntRange(1), default=16, show_default=True, help="Drafts of each.")
@click.option("--temperature", type=_Number(0), default=1.0, show_default=True, help="0 writes the one greedy draft.")
@click.option("--held", is_flag=True, help="Only questions of articles that judges do not learn from.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of questions.")
@click.pass_context
def train_candidates(
    context: click.Context, data: Path, out: Path, questions: int, n: int, temperature: float, held: bool, seed: int
) -> None:
    """Sample drafts of --model on questions with known answers and label them, for judges to learn from.

    The same command goes on with a sampling that was stopped.
    """
    from app.commands.progress import training_progress
    from app.training.candidates import NEW_TOKENS
    from app.training.run import write_candidates
    from dialogue.types import Sampling

    sampling = Sampling(n=n, temperature=temperature, max_new_tokens=NEW_TOKENS, seed=seed)
    with training_progress(console_for(err=True)) as progress:
        print_json(write_candidates(data, out, settings_of(context).model, questions, sampling, progress, held))
