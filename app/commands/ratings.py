"""The commands `candor ratings` and `candor annotate`: what people think of replies, as data to train on."""

import json
from pathlib import Path

import click

from app.commands.common import beside, common, print_json, read_from, require, settings_of, some_path
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
    help="Rated replies for candor train generator, preferences, replies worth learning, or what raters answered.",
)
@click.option("--out", type=some_path, metavar="FILE", help="Write JSONL there, not on stdout.")
@click.pass_context
def export(context: click.Context, form: Form, out: Path | None) -> None:
    """Write ratings, preferences and annotations as JSONL, a row each."""
    from app.store.datasets import dataset

    rows = read_from(context, lambda database: list(dataset(database, form)))
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


@click.command()
@common
@click.option("--sample", type=click.IntRange(1, 100_000), default=100, show_default=True, help="So many replies.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the choice of replies and their order.")
@click.option("--host", help="The address to listen on, of this machine alone.")
@click.option("--port", type=click.IntRange(0, 65535), default=7861, show_default=True, help="0 takes a free one.")
@click.pass_context
def annotate(context: click.Context, sample: int, seed: int, host: str | None, port: int) -> None:
    """Serve a page on which raters answer the paper's questions about stored replies."""
    from app.errors import InputError
    from app.store.annotations import Annotations
    from app.web.rating import serve_rating

    settings = settings_of(context, host=host)
    require(settings, "conversation")
    with beside(context) as database:
        turns = Annotations(database).sample(sample, seed)
        if not turns:
            raise InputError("no reply is stored yet: ask something first")

        def ready(line: str) -> None:
            if context.obj["json"]:
                print_json({"ready": line})
            else:
                click.echo(line)

        serve_rating(database, turns, settings.host, port, ready)
