"""The commands `candor ingest` and `candor sources`.

Knows options and output; what is done stands in `app.library.ingest` and `app.library.library`.
"""

from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final

import click

from app.commands.common import common, console_for, opened, opened_library, print_json, read_from, safe, some_text

if TYPE_CHECKING:
    from app.library.ingest import IngestReport

MOST_SECTIONS: Final = 40  # that are listed of one document
SHOWN: Final = 3  # failures and notes that are listed one by one where many have the same reason


@click.command()
@common
@click.argument("paths", nargs=-1, required=True, type=some_text, metavar="PATH...")
@click.option("--ray", is_flag=True, help="Read and embed on the Ray cluster of RAY_ADDRESS.")
@click.pass_context
def ingest(context: click.Context, paths: tuple[str, ...], ray: bool) -> int:
    """Read files, folders and web pages into the library; unchanged ones cost nothing, vanished files are removed."""
    from app.commands.progress import ingest_progress
    from retrieval.sources import READABLE

    with opened_library(context) as library, ingest_progress(console_for(err=True)) as progress:
        report = library.ingest(paths, progress, ray=ray)
    return _print_report(context, report, f"no file to read was found; the kinds are {READABLE}")


@click.group()
@common
def sources() -> None:
    """The documents that replies can cite."""


@sources.command("list")
@common
@click.pass_context
def list_sources(context: click.Context) -> None:
    """List the documents, those of one file on one line; with --json each."""
    from app.library.catalogue import file_of, stored_sources

    rows = read_from(context, stored_sources)
    if context.obj["json"]:
        print_json({"sources": rows})
        return
    for uri, found in groupby(rows, key=lambda row: file_of(row.uri)):
        first, *others = found
        passages = first.passages + sum(row.passages for row in others)
        if first.uri == uri:
            click.echo(f"{first.id:>5}  {safe(first.name)}  ({passages} passages, {safe(uri)})")
        else:
            count = f"{1 + len(others)} documents"
            click.echo(f"{'':>5}  {safe(file_of(first.name))}  ({count}, {passages} passages, {safe(uri)})")


@sources.command("show")
@common
@click.argument("name", type=some_text, metavar="NAME")
@click.pass_context
def show_sources(context: click.Context, name: str) -> None:
    """Show how documents were read: title, date, sections, and what was left out or mended; with --json all of it.

    NAME is an id, a name, a path, a folder, an address or a pattern such as '*.pdf'.
    """
    from app.library.reports import reports

    found = read_from(context, lambda database: reports(database, name))
    if context.obj["json"]:
        print_json({"sources": found})
        return
    for report in found:
        dated = f", dated {report.dated}" if report.dated else ""
        click.echo(f"{safe(report.name)}: {safe(report.title)} ({report.kind}{dated}, {report.passages} passages)")
        for place in report.sections[:MOST_SECTIONS]:
            click.echo(f"    {safe(place)}")
        if len(report.sections) > MOST_SECTIONS:
            click.echo(f"    and {len(report.sections) - MOST_SECTIONS} more")
        for note in report.notes:
            click.echo(f"  {safe(note)}")


@sources.command("refresh")
@common
@click.argument("names", nargs=-1, type=some_text, metavar="[NAME]...")
@click.pass_context
def refresh_sources(context: click.Context, names: tuple[str, ...]) -> int:
    """Read documents again from where they came, without NAMEs all of them.

    NAME is an id, a name, a path, a folder, an address or a pattern such as '*.pdf'. What changed is replaced, what is
    gone is removed, and what is new in the folders and sitemaps is added. What cannot be reached now is kept.
    """
    from app.commands.progress import ingest_progress

    with opened_library(context, "source to refresh") as library, ingest_progress(console_for(err=True)) as progress:
        report = library.refresh(names, progress)
    return _print_report(context, report, "there is nothing to refresh: run `candor ingest PATH` first")


@sources.command("remove")
@common
@click.argument("names", nargs=-1, required=True, type=some_text, metavar="NAME...")
@click.pass_context
def remove_sources(context: click.Context, names: tuple[str, ...]) -> None:
    """Remove documents; replies that cite them keep their quotes.

    NAME is an id, a name, a path, a folder, an address or a pattern such as '*.pdf'; that of a mailbox or another file
    of many documents means all of them.
    """
    from app.library.catalogue import file_of

    with opened_library(context, "source to remove") as library:
        removed = library.remove(*names)
    if context.obj["json"]:
        print_json({"removed": removed})
        return
    files: dict[str, list[str]] = defaultdict(list)
    for row in removed:
        files[file_of(row.uri)].append(row.name)
    for rows in files.values():
        many = f"{file_of(rows[0])} ({len(rows)} documents)"
        click.echo(f"removed {safe(rows[0] if len(rows) == 1 else many)}")


@sources.command("rebuild")
@common
@click.pass_context
def rebuild_sources(context: click.Context) -> None:
    """Embed all passages again and build the search index."""
    from app.library.library import index_state

    with opened(context, needs="passage to embed") as bot:
        bot.library.rebuild()
        count = index_state(bot.library.database).passages
    if context.obj["json"]:
        print_json({"passages": count})
    else:
        click.echo(f"indexed {count} passages")


def _print_report(context: click.Context, report: "IngestReport", nothing: str) -> int:
    """Print what became of every file, and return the exit code."""
    counts = {name: report.count(name) for name in ("added", "replaced", "unchanged", "removed", "failed")}
    if context.obj["json"]:
        print_json({"files": report.files, "counts": counts, "interrupted": report.interrupted})
    else:
        failed: dict[str, list[str]] = defaultdict(list)
        for file in report.files:
            if file.outcome == "failed":
                failed[file.reason].append(file.name)
        noted: dict[str, list[str]] = defaultdict(list)
        for file in report.files:
            if file.notes:
                noted["; ".join(file.notes)].append(file.name)
        for reason, names in [*failed.items(), *noted.items()]:
            _tell(names, reason)
        click.echo(", ".join(f"{number} {name}" for name, number in counts.items()))
        if not report.files and not report.interrupted:
            click.echo(f"candor: {nothing}", err=True)
        if report.interrupted:
            click.echo("candor: stopped; the finished documents are kept, run it again for the rest", err=True)
    return 130 if report.interrupted else int(counts["failed"] > 0)


def _tell(names: Sequence[str], reason: str) -> None:
    for name in names[:SHOWN]:
        click.echo(f"candor: {safe(name)}: {safe(reason)}", err=True)
    if len(names) > SHOWN:
        click.echo(f"candor: and {len(names) - SHOWN} more: {safe(reason)}", err=True)
