"""The commands `candor database`, `candor backup` and `candor restore`, beside a server that is running too."""

from pathlib import Path

import click

from app.commands.common import beside, common, print_json, safe, settings_of, some_path, some_text
from app.errors import InputError


@click.group()
@common
def database() -> None:
    """The database of history and documents."""


@database.command("copy")
@common
@click.option("--to", "target", required=True, type=some_text, metavar="URL", help="An empty PostgreSQL database.")
@click.pass_context
def copy(context: click.Context, target: str) -> None:
    """Copy everything from the database of the settings to another, and compare it there.

    Set `database` to the new URL afterwards; the old one stays as it is.
    """
    from app.store.copying import copy_rows
    from app.store.database import open_database

    settings = settings_of(context)
    if target == settings.database:
        raise InputError("that is the same database: name another with --to")
    with beside(context) as source:
        other = open_database(settings.data_dir, url=target)
        try:
            copied = copy_rows(source, other)
        finally:
            other.close()
    if context.obj["json"]:
        print_json({"rows": copied.rows, "digest": copied.digest})
        return
    rows = ", ".join(f"{count} {table}" for table, count in copied.rows.items() if count)
    click.echo(f"copied and compared: {rows or 'nothing, it is empty'}; digest {copied.digest}")


@click.command()
@common
@click.argument("file", type=some_path)
@click.pass_context
def backup(context: click.Context, file: Path) -> None:
    """Write everything to FILE, which is not there yet: it holds all that was said, so keep it safe."""
    from app.store.backup import back_up

    with beside(context) as source:
        copied = back_up(source, settings_of(context).data_dir, file)
    if context.obj["json"]:
        print_json({"file": str(file), "rows": copied.rows, "digest": copied.digest})
        return
    click.echo(f"{safe(str(file))}: {sum(copied.rows.values())} rows; digest {copied.digest}")


@click.command()
@common
@click.argument("file", type=some_path)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def restore(context: click.Context, file: Path, yes: bool) -> None:
    """Put the backup FILE in the place of everything that is stored now."""
    from app.store.backup import restore as put_back

    if not file.is_file():
        raise InputError(f"there is no backup {str(file)!r}")
    if not yes:
        click.confirm("Replace everything that is stored now?", abort=True, err=True)
    with beside(context) as target:
        copied = put_back(file, target, settings_of(context).data_dir)
    if context.obj["json"]:
        print_json({"rows": copied.rows, "digest": copied.digest})
        return
    click.echo(f"restored {sum(copied.rows.values())} rows; a running server takes them up within seconds")
