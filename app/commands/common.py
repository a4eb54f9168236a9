"""What every command of the command line needs: the common options, settings, and ways in and out.

Knows no command.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from app.config import LOG_LEVELS, Settings, load_settings
from app.errors import DataError, InputError, InUse
from app.logs import set_up

if TYPE_CHECKING:
    from rich.console import Console

    from app.bot import Bot
    from app.library.upkeep import Guest
    from app.store.database import Database

LARGEST: Final = 2**63 - 1  # what a database counts to
Command = TypeVar("Command", bound=Callable[..., Any])
T = TypeVar("T")


def some_text(value: str) -> str:
    """The type of an argument that must not be empty: an empty one is mostly a shell variable that is not set."""
    if not value.strip():
        raise click.BadParameter("it is empty: is a variable of the shell not set?")
    if "\0" in value:
        raise click.BadParameter("it must not hold a NUL character")
    return value


def some_path(value: str) -> Path:
    """The type of an argument that must name a file or a folder."""
    return Path(some_text(value))


def keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep the value of an option for `settings_of`."""
    if value not in (None, False):
        context.obj[parameter.name] = value


def common(command: Command) -> Command:
    """Options that may stand before or after the subcommand; the later one counts."""
    for option in (
        click.option(
            "--log-level",
            type=click.Choice(LOG_LEVELS),
            expose_value=False,
            callback=keep,
            help="What is logged on stderr (default: warning).",
        ),
        click.option("--json", is_flag=True, expose_value=False, callback=keep, help="One JSON document on stdout."),
        click.option(
            "--config",
            type=some_path,
            metavar="FILE",
            expose_value=False,
            callback=keep,
            help="A candor.toml with settings.",
        ),
        click.option(
            "--model",
            expose_value=False,
            callback=keep,
            help="auto, quote, smollm2, gguf:FILE, hf:FOLDER-OR-HUB-NAME, http://HOST/v1#MODEL or scripted:FILE.",
        ),
        click.option(
            "--viewer", expose_value=False, callback=keep, help="What looks at pictures: hf:FOLDER-OR-HUB-NAME."
        ),
        click.option(
            "--judges",
            expose_value=False,
            callback=keep,
            help="What judges drafts: embedded, generator, hf:NAME or a folder of candor train judges --ratings.",
        ),
        click.option(
            "--data-dir",
            expose_value=False,
            callback=keep,
            help="Where sources and history are kept (default: ./candor-data).",
        ),
    ):
        command = option(command)
    return command


def in_a_role(command: Command) -> Command:
    """The option of commands that begin conversations."""
    return click.option(
        "--role",
        expose_value=False,
        callback=keep,
        help="Who speaks in a new conversation; /role in `chat` lists them.",
    )(command)


def settings_of(context: click.Context, **flags: object) -> Settings:
    """Return the settings of this run and set up logging. Raises SettingsError."""
    given = {key: value for key, value in context.obj.items() if key not in ("json", "config")}
    found = context.obj.get("config") or os.environ.get("CANDOR_CONFIG")
    settings = load_settings({**given, **flags}, os.environ, Path(found) if found else None)
    set_up(settings.log_level, settings.log_format)
    return settings


def opened(context: click.Context, hosts: bool = False, needs: str = "", **flags: object) -> "Bot":
    """Return the bot of this run's settings, the data folder held; raises as `assemble` does.

    `needs` names what has to be stored already; where no data is, that is a DataError and no folder is made.
    """
    settings = settings_of(context, **flags)
    if needs:
        require(settings, needs)
    from app.bot import assemble

    return assemble(settings, context.command_path, hosts)


@contextmanager
def without_data(context: click.Context) -> Iterator[dict[str, object]]:
    """Flags for a command that stores nothing: where there is no data folder, a passing one, and a word about it."""
    folder = settings_of(context).data_dir
    if os.path.lexists(folder):
        yield {}
        return
    with TemporaryDirectory(prefix="candor-") as passing:
        click.echo(f"candor: there is no data folder {safe(str(folder))!r}: this runs without documents", err=True)
        yield {"data_dir": passing}


def require(settings: Settings, needs: str) -> None:
    """Raise DataError, and make nothing, where a folder holds no data."""
    from app.store.database import NAME, open_database
    from app.store.sqlite import broken_link

    folder = settings.data_dir
    if reason := broken_link(folder):
        raise DataError(reason)
    if settings.database or not os.path.exists(folder / NAME):
        try:
            open_database(folder, False, settings.database).close()
        except DataError as error:
            raise DataError(f"there is no {needs}: {error}") from None


def opened_library(context: click.Context, needs: str = "") -> "Bot | Guest":
    """Return what brings the library up to date: the bot, or a guest beside one that another process has opened.

    No language model is loaded: reading documents needs none, and does not fail with one.
    """
    try:
        return opened(context, needs=needs, model="quote")
    except InUse:
        from app.library.upkeep import open_guest

        guest = open_guest(settings_of(context), context.command_path)
        context.call_on_close(lambda: click.echo(f"candor: {guest.notice()}", err=True))
        return guest


def read_from(context: click.Context, query: "Callable[[Database], T]") -> T:
    """Return what `query` reads from the database; works beside a process that holds the folder."""
    from app.store.database import open_database

    settings = settings_of(context)
    database = open_database(settings.data_dir, False, settings.database)
    try:
        return query(database)
    finally:
        database.close()


@contextmanager
def writing(context: click.Context) -> "Iterator[Database]":
    """The database alone, to write to; it has to be there. A file is held, a server is shared. Raises DataError."""
    from app.library.lock import FolderLock, made_folder
    from app.store.database import open_database

    settings = settings_of(context)
    folder = settings.data_dir
    require(settings, "conversation")
    with nullcontext() if settings.database else FolderLock(folder, context.command_path):
        database = open_database(made_folder(folder), url=settings.database)
        try:
            yield database
        finally:
            database.close()


@contextmanager
def beside(context: click.Context) -> "Iterator[Database]":
    """The database to write to, made if need be, beside a process that holds the folder. Raises DataError."""
    from app.library.lock import made_folder
    from app.store.database import open_database

    settings = settings_of(context)
    database = open_database(made_folder(settings.data_dir), url=settings.database)
    try:
        yield database
    finally:
        database.close()


def console_for(err: bool = False) -> "Console":
    """A console that prints what it is given, without markup of any kind."""
    from rich.console import Console

    return Console(stderr=err, markup=False, highlight=False, emoji=False)


def print_json(value: object) -> None:
    """Print the one JSON document of a command."""
    from app.store.jsonform import to_json

    ascii_only = "utf" not in (getattr(sys.stdout, "encoding", None) or "").lower()
    write_out(json.dumps(to_json(value), ensure_ascii=ascii_only, indent=2))


def write_out(text: str) -> None:
    """Print a finished document, with exactly one line end after it."""
    click.echo(text.rstrip("\n"))


def safe(text: str) -> str:
    """Return text of others on one line, without anything that a terminal would obey."""
    from retrieval.text import clean

    return " ".join(clean(text).split())


def read_stdin() -> str:
    """Return all of stdin; what is not UTF-8 becomes U+FFFD. Raises InputError when it is closed."""
    if sys.stdin is None:
        raise InputError("stdin is closed: give the text as an argument")
    return sys.stdin.buffer.read().decode("utf-8", "replace")
