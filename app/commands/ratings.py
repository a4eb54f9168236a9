"""The commands `candor ratings`: what users think of replies, as data to train on."""

import json
from pathlib import Path

import click

from app.commands.common import common, print_json, read_from, some_path
from app.store.datasets import FORMS, Form


@click.group()
@common
def ratings() -> None:
    """What users think of replies."""


@ratings.command("export")
@common
@click.option(
    "--form",
    type=click.Choice(FORMS),
    default="lamda",
    show_default=True,
    help="Rated replies for candor train generator, preferences, or replies worth learning.",
)
@click.option("--out", type=some_path, metavar="FILE", help="Write JSONL there, not on stdout.")
@click.pass_context
def export(context: click.Context, form: Form, out: Path | None) -> None:
    """Write ratings and preferences as JSONL, a row each."""
    from app.store.datasets import dataset
    from app.store.history import History
    from app.store.opinions import Opinions

    rows = read_from(context, lambda database: list(dataset(History(database), Opinions(database), form)))
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    if out is not None:
        unfinished = out.with_name(f"{out.name}.part")
        unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        unfinished.replace(out)
        if context.obj["json"]:
            print_json({"form": form, "rows": len(rows), "file": str(out)})
        else:
            click.echo(f"{len(rows)} rows", err=True)
    elif context.obj["json"]:
        print_json({"form": form, "rows": rows})
    else:
        for line in lines:
            click.echo(line)
