"""The commands of `candor evaluate`, and `candor check`.

Knows options and output; what is measured stands in `app.evaluation`.
"""

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from app.commands.common import (
    common,
    console_for,
    in_a_role,
    opened,
    print_json,
    read_stdin,
    safe,
    settings_of,
    some_path,
    some_text,
    without_data,
    write_out,
)

if TYPE_CHECKING:
    from app.bot import Bot
    from app.evaluation import Options
    from app.evaluation.judging import Judges

KINDS: Final = ("dialogue", "grounding", "safety", "quality", "retrieval", "answers", "agreement")
TABLES: Final = (".jsonl", ".jsonl.gz", ".csv", ".csv.gz", ".tsv", ".parquet")
Command = TypeVar("Command", bound=Callable[..., Any])


class _Kinds(click.Group):
    """A group whose commands are the kinds of evaluation."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or tell what there is."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            raise click.UsageError(f"{args[0]!r} is not one of {', '.join(self.commands)}.", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Kinds)
@common
def evaluate() -> None:
    """Measure the system, replies of any system, or the judges, on data of your own."""


def _measures(command: Command) -> Command:
    """What every kind of evaluation takes."""
    for option in (
        click.option(
            "--require",
            multiple=True,
            type=some_text,
            metavar="CONDITION",
            help="Exit with 1 unless this holds of the result, such as `groundedness>=0.9`.",
        ),
        click.option(
            "--seed", type=int, default=0, show_default=True, help="Of the intervals, and of what is sampled."
        ),
        click.option("--strict", is_flag=True, help="Stop at the first bad row."),
        click.option("--limit", type=click.IntRange(1), help="Only the first so many rows."),
        click.option("--out", type=some_path, metavar="DIR", help="Keep the result and the rows in this folder."),
        click.argument("data", type=click.Path(exists=True, path_type=Path)),
    ):
        command = option(command)
    return command


def _tabled(command: Command) -> Command:
    """What kinds take that keep their rows."""
    return click.option(
        "--table",
        type=click.Choice(["csv", "parquet"]),
        default="csv",
        show_default=True,
        help="The form in which the rows are exported beside the report.",
    )(command)


def _on_ray(command: Command) -> Command:
    return click.option(
        "--ray", metavar="ADDRESS", help="Judge on this Ray cluster, HOST:PORT; `local` starts one on this machine."
    )(command)


@evaluate.command("dialogue")
@common
@_measures
@_tabled
@click.option(
    "--system",
    type=some_text,
    metavar="ADDRESS",
    help="What replies: http://HOST/v1#MODEL, or `candor` although rows hold replies (default: these, else candor).",
)
@in_a_role
@click.pass_context
def dialogue(context: click.Context, /, data: Path, system: str | None, **given: Any) -> int:  # noqa: ANN401
    """Have the conversations of DATA continued, or judge the replies that stand in it, and measure them.

    DATA is JSONL, CSV, Parquet, or a folder of BEIR or MTRAG; rows of RAGAS, OpenAI, LangSmith and Phoenix are known by
    their fields.
    """
    from app.evaluation import has_replies
    from app.evaluation.systems import open_endpoint

    settings = settings_of(context)
    options = _options(given)
    if system not in (None, "candor"):
        endpoint = open_endpoint(str(system), settings.api_key, settings.timeout, options.seed)
        return _run(context, "dialogue", data, _with(options, system=endpoint, again=True), alone=True)
    if system == "candor":
        return _run(context, "dialogue", data, _with(options, again=True))
    return _run(context, "dialogue", data, options, alone=has_replies(data))


@evaluate.command("grounding")
@common
@_measures
@_tabled
@_on_ray
@click.pass_context
def grounding(context: click.Context, /, data: Path, ray: str | None, **given: Any) -> int:  # noqa: ANN401
    """Judge whether the evidence of each row supports its response; where rows are labelled, measure the judge."""
    return _run(context, "grounding", data, _with(_options(given), ray=_address(ray)), alone=True)


def _kind(name: str, about: str) -> None:
    """Add the command of a kind that has no options of its own."""

    @evaluate.command(name, help=about)
    @common
    @_measures
    @in_a_role
    @click.pass_context
    def kind(context: click.Context, /, data: Path, **given: Any) -> int:  # noqa: ANN401
        return _run(context, name, data, _options(given), alone=name == "agreement")


_kind("safety", "Measure how well the guard tells unsafe texts from safe ones.")
_kind("quality", "Measure how the judges' scores follow people's ratings, also with length held fixed.")
_kind("retrieval", "Measure the search over DATA, a folder in BEIR's form.")
_kind("answers", "Measure how well sentences that answer are ranked before those that do not.")
_kind("agreement", "Compare the judges with people's ratings, and people with each other.")


@evaluate.command("compare")
@common
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="DIR DIR...")
@click.option("--out", type=some_path, metavar="DIR", help="Write compare.html, compare.md and compare.json here.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the permutations and resamples.")
@click.option("--allow", is_flag=True, help="Exit with 0 although something got worse.")
@click.pass_context
def compare(context: click.Context, runs: tuple[Path, ...], out: Path | None, seed: int, allow: bool) -> int:
    """Compare runs over the same data, kept with --out, with the first of them: what got worse, and what is chance.

    Prints a table for a pull request. The exit code is 1 when something got worse.
    """
    from app.evaluation.compare import compare as compared
    from app.evaluation.compare import markdown
    from app.evaluation.compare_page import comparison_page

    settings_of(context)
    found = compared(runs, seed)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "compare.html").write_text(comparison_page(found), encoding="utf-8")
        (out / "compare.md").write_text(markdown(found), encoding="utf-8")
        (out / "compare.json").write_text(json.dumps(found.plain(), ensure_ascii=False, indent=1), encoding="utf-8")
    if context.obj["json"]:
        print_json(found.plain())
    else:
        write_out(markdown(found))
    return int(bool(found.regressions) and not allow)


@click.command()
@common
@click.argument("text", metavar="TEXT|FILE")
@click.option("--evidence", multiple=True, type=some_path, metavar="FILE", help="What TEXT has to rest on.")
@click.option("--out", type=some_path, metavar="DIR", help="Keep what comes of the rows of FILE in this folder.")
@_on_ray
@click.pass_context
def check(context: click.Context, text: str, evidence: tuple[Path, ...], out: Path | None, ray: str | None) -> int:
    """Say of each sentence of TEXT whether the evidence supports it; - reads TEXT from stdin.

    Without --evidence, FILE is JSONL, CSV or Parquet whose rows hold a response and its evidence: of each row one line
    of JSON is printed, or with --out a table and a report are written.
    """
    if not evidence and text.lower().endswith(TABLES):
        return _check_rows(context, Path(text), out, _address(ray))
    if not evidence:
        raise click.UsageError("name what it has to rest on: --evidence FILE, or give a file of rows", context)
    from app.bot import checked_message, packaged_judge
    from app.checking import claims_of, judged
    from retrieval.sources import read_documents

    settings_of(context)
    message = checked_message(read_stdin() if text == "-" else text)
    documents = [document.text for path in evidence for document in read_documents(path)]
    claims = claims_of(packaged_judge(), message, documents)
    if context.obj["json"]:
        print_json(judged(claims))
        return 0
    for claim in claims:
        word = "no claim" if claim.support is None else "supported" if claim.supported else "NOT supported"
        click.echo(f"{word:<13}  {safe(claim.text)}" + (f"  ({safe(claim.reason)})" if claim.reason else ""))
    return 0


def _check_rows(context: click.Context, data: Path, out: Path | None, ray: str | None) -> int:
    """Judge a file of rows; without a folder for them, print them."""
    from tempfile import TemporaryDirectory

    from app.evaluation import Options
    from app.evaluation.journal import stored_rows

    if not data.exists():
        raise click.UsageError(f"there is no file {str(data)!r}", context)
    if out is not None:
        return _run(context, "grounding", data, Options(out=out, ray=ray), alone=True)
    with TemporaryDirectory(prefix="candor-") as passing:
        options = Options(out=Path(passing), ray=ray)
        result = _measured(context, "grounding", data, options, alone=True)
        rows = stored_rows(Path(passing))
        if context.obj["json"]:
            print_json(result | {"rows": list(rows)})
        else:
            for row in rows:
                click.echo(json.dumps(row, ensure_ascii=False))
    return _code(result)


def _run(context: click.Context, kind: str, data: Path, options: "Options", alone: bool = False) -> int:
    """Evaluate, print the result, and return the exit code; `alone`: without a bot."""
    result = _measured(context, kind, data, options, alone)
    print_json(result)
    for condition in result.get("required", ()):
        if not condition["met"]:
            why = condition.get("reason") or f"it is {condition['value']}"
            click.echo(f"candor: not met: {condition['condition']}: {safe(why)}", err=True)
    return _code(result)


def _code(result: dict[str, Any]) -> int:
    from app.evaluation import failed

    return 130 if result.get("interrupted") else int(failed(result))


def _measured(context: click.Context, kind: str, data: Path, options: "Options", alone: bool) -> dict[str, Any]:
    from app.commands.progress import timed
    from app.evaluation import run
    from app.evaluation.judging import packaged_judges
    from app.evaluation.tables import count

    settings, total = settings_of(context), options.limit or count(data)
    with ExitStack() as stack:
        if alone and settings.judges == "embedded":
            judges: Bot | Judges = packaged_judges(settings)
        else:
            judges = stack.enter_context(_bot(context, stack.enter_context(without_data(context))))
        progress = stack.enter_context(timed(console_for(err=True), "rows", total))
        return run(kind, data, judges, progress=progress, options=options)


def _bot(context: click.Context, flags: dict[str, object]) -> "Bot":
    return opened(context, **flags)  # type: ignore[arg-type]


def _options(given: dict[str, Any]) -> "Options":
    from app.evaluation import Options

    return Options(**given)


def _with(options: "Options", **changed: Any) -> "Options":  # noqa: ANN401
    from dataclasses import replace

    return replace(options, **changed)


def _address(ray: str | None) -> str | None:
    return "" if ray == "local" else ray
