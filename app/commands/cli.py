"""The command line: flags in, one answer out, errors as one line, exit codes 0, 1 and 2.

With --json, stdout holds exactly one JSON document. Parts are imported by the command that needs them,
so that help and mistakes answer at once. Holds no behaviour of its own.
"""

import errno
import io
import json
import logging
import os
import resource
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from app.commands.accounts import accounts
from app.commands.common import (
    LARGEST,
    common,
    console_for,
    in_a_role,
    opened,
    print_json,
    read_from,
    read_stdin,
    safe,
    settings_of,
    some_path,
    some_text,
    write_out,
    writing,
)
from app.commands.data import backup, database, restore
from app.commands.evaluate import KINDS, check, evaluate
from app.commands.mcp import mcp
from app.commands.ratings import annotate, ratings
from app.commands.sources import ingest, sources
from app.commands.train import train
from app.errors import InputError, SettingsError

__all__ = ["KINDS", "cli", "main", "run"]

FEWEST: Final = 32  # open files
LEAST: Final = 1800 << 20  # bytes of address space, of which the libraries take most; with less they end without a word
_OURS: Final = ("app", "dialogue", "retrieval", "safety")


def main() -> None:
    """Run the command of this process and exit."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # loading the encoder is no news
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character shows a question mark
    code = run(sys.argv[1:]) if _has_room() else 1
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):  # closed, or its reader has gone
            stream.flush()
    os._exit(code)  # all is closed and stored; taking torch apart would take seconds


def _has_room() -> bool:
    """Say so where the shell allows too little: libraries would fail in ways that point elsewhere."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    space, _ = resource.getrlimit(resource.RLIMIT_AS)
    told = ""
    if files != resource.RLIM_INFINITY and files < FEWEST:
        told = f"only {files} files may be open at once: allow more (ulimit -n 1024)"
    elif space != resource.RLIM_INFINITY and space < LEAST:
        told = f"only {space >> 20} MB of address space, {LEAST >> 20} are needed: allow more (ulimit -v unlimited)"
    if told:
        with suppress(OSError):
            click.echo(f"candor: {told}", err=True)
    return not told


def run(arguments: Sequence[str]) -> int:  # noqa: PLR0911, one line per way to end
    """Run one command and return its exit code: 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    words = list(arguments)
    words = words[: words.index("--")] if "--" in words else words
    options: dict[str, Any] = {"json": "--json" in words}
    try:
        code = cli.main(list(arguments), "candor", standalone_mode=False, obj=options)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except (KeyboardInterrupt, click.Abort):
        return _report_error(options, "Interrupted", "interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.UsageError as error:
        where = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        return _report_error(options, "UsageError", error.format_message() + where, 2)
    except SettingsError as error:
        return _report_error(options, "SettingsError", str(error), 2)
    except MemoryError:
        return _report_error(options, "MemoryError", "out of memory: give less at once, or name a smaller --model", 1)
    except OSError as error:
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            logging.exception("the command failed")
        return _report_error(options, "OSError", _system(error), 1)
    except Exception as error:
        if logging.getLogger().isEnabledFor(logging.DEBUG):
            logging.exception("the command failed")
        known = type(error).__module__.split(".")[0] in _OURS
        message = str(error) if known else f"unexpected {type(error).__name__}: {error}"
        hint = "" if known else " (the traceback: --log-level debug)"
        return _report_error(options, type(error).__name__, message + hint, 1)


def _system(error: OSError) -> str:
    """Say what the system refused and what to do about it. The streams of a process have no name in its errors."""
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return f"{reason}: allow more of them (ulimit -n 1024)"
    place = f"{error.filename!s}: " if error.filename is not None else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
        return f"{place or 'the output cannot be written: '}{reason}: free some space, or write elsewhere"
    return f"{place}{reason} (the traceback: --log-level debug)"


def _report_error(options: dict[str, Any], kind: str, message: str, code: int) -> int:
    """Report an error where it belongs and return the exit code."""
    line = " ".join(message.split())
    with suppress(OSError):  # nobody reads it, or the disk behind stdout is full
        if options["json"]:
            click.echo(json.dumps({"error": {"type": kind, "message": line}}, ensure_ascii=False))
            return code
    with suppress(OSError):
        click.echo(f"candor: {safe(line)}", err=True)
    return code


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="candor", prog_name="candor")
@common
def cli() -> None:
    """Answers from your documents, each sentence checked against its source."""


def _held(conversation: str | None) -> str:
    """What has to be stored already where a conversation is to be continued."""
    return "" if conversation is None else f"conversation {conversation!r}"


@cli.command()
@common
@click.argument("question")
@click.option("--conversation", type=some_text, metavar="ID", help="Continue this conversation.")
@in_a_role
@click.option("--image", "images", multiple=True, type=some_path, metavar="FILE", help="A picture to ask about.")
@click.option("--why", is_flag=True, help="Also print the drafts with their scores.")
@click.pass_context
def ask(
    context: click.Context,
    question: str,
    conversation: str | None,
    images: tuple[Path, ...],
    why: bool,
) -> None:
    """Answer one QUESTION; - reads it from stdin. With an image it may be empty."""
    from app.bot import checked_message
    from app.commands.terminal import follow, show_candidates, show_reply
    from app.pictures import read_pictures
    from dialogue.pictures import checked

    text = checked_message(read_stdin() if question == "-" else question, pictured=bool(images))
    pictures = checked(read_pictures(images))
    with opened(context, needs=_held(conversation)) as bot:
        reply = follow(bot.steps(text, conversation, context.obj.get("role"), pictures), console_for(err=True))
    if context.obj["json"]:
        print_json(reply)
        return
    console = console_for()
    show_reply(console, reply)
    if why:
        console.print()
        show_candidates(console, reply)
    if bot.notice:
        click.echo(f"candor: {bot.notice}", err=True)


@cli.command()
@common
@click.option("--conversation", type=some_text, metavar="ID", help="Continue this conversation.")
@in_a_role
@click.pass_context
def chat(context: click.Context, conversation: str | None) -> None:
    """Talk in the terminal."""
    from app.commands.terminal import chat as talk

    if context.obj["json"]:
        raise click.UsageError("chat is for people; use `candor ask --json`", context)
    with opened(context, hosts=True, needs=_held(conversation)) as bot:
        if conversation is not None:
            bot.role_of(conversation, context.obj.get("role"))
        talk(bot, console_for(), conversation)


@cli.command()
@common
@click.option("--host", help="The address to listen on (default: 127.0.0.1).")
@click.option("--port", type=int, help="The port to listen on (default: 7860; 0 takes a free one).")
@in_a_role
@click.option(
    "--example",
    multiple=True,
    type=some_text,
    metavar="TEXT",
    help="A question to offer on the empty page; up to four.",
)
@click.pass_context
def serve(context: click.Context, host: str | None, port: int | None, example: tuple[str, ...]) -> None:
    """Serve the web chat."""
    from app.web.server import probe
    from app.web.server import serve as run_server

    settings = settings_of(context, host=host, port=port)
    probe(settings.host, settings.port, settings.accounts == "on")  # before the parts are loaded
    with opened(context, hosts=True, host=host, port=port) as bot:

        def ready(line: str) -> None:
            if context.obj["json"]:
                print_json({"ready": line})
            else:
                click.echo(line)
            sys.stdout.flush()

        run_server(bot, settings.host, settings.port, ready, [safe(text) for text in example])


@cli.group()
@common
def history() -> None:
    """Stored conversations."""


@history.command("list")
@common
@click.option("--search", default="", help="Only those with these words in title or messages.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@click.option("--offset", default=0, type=click.IntRange(0, LARGEST), help="Leave out the first so many.")
@click.pass_context
def list_history(context: click.Context, search: str, limit: int, offset: int) -> None:
    """List conversations, pinned first, then the latest."""
    from app.store.history import History

    rows = read_from(context, lambda database: History(database).conversations(limit, offset, search))
    if context.obj["json"]:
        print_json({"conversations": rows})
        return
    for row in rows:
        when = row.updated_at.astimezone().strftime("%Y-%m-%d %H:%M")
        click.echo(f"{row.id}  {when}  {row.turns:>3}  {safe(row.title)}")


@history.command("show")
@common
@click.argument("conversation", type=some_text)
@click.option("--why", is_flag=True, help="Also print the drafts with their scores.")
@click.pass_context
def show_history(context: click.Context, conversation: str, why: bool) -> None:
    """Print a conversation with its sources."""
    from app.commands.terminal import show_turn
    from app.store.history import History

    if context.obj["json"]:
        write_out(read_from(context, lambda database: History(database).export(conversation)))
        return
    console = console_for()
    for turn in read_from(context, lambda database: History(database).turns(conversation)):
        show_turn(console, turn, why)


@history.command("export")
@common
@click.argument("conversation", type=some_text)
@click.option(
    "--format", "form", type=click.Choice(["json", "md"]), default="json", show_default=True, help="JSON or Markdown."
)
@click.pass_context
def export_history(context: click.Context, conversation: str, form: str) -> None:
    """Print a conversation as one JSON document or as Markdown."""
    from app.store.history import History

    form = "json" if context.obj["json"] else form
    write_out(read_from(context, lambda database: History(database).export(conversation, form)))  # type: ignore[arg-type]


@history.command("delete")
@common
@click.argument("conversations", nargs=-1, required=True, type=some_text, metavar="CONVERSATION...")
@click.pass_context
def delete_history(context: click.Context, conversations: tuple[str, ...]) -> int:
    """Delete conversations with all their turns. Those that are not there are named; the others are deleted."""
    from app.store.history import History

    deleted: list[str] = []
    unknown: dict[str, str] = {}
    with writing(context) as database:
        for conversation in dict.fromkeys(conversations):
            try:
                History(database).conversation(conversation)
                deleted.append(conversation)
            except InputError as error:
                unknown[conversation] = str(error)
        if deleted:
            History(database).delete(*deleted)
    if context.obj["json"]:
        print_json({"deleted": deleted, "unknown": list(unknown)})
        return int(bool(unknown))
    if deleted:
        click.echo(f"deleted {len(deleted)}")
    for reason in unknown.values():
        click.echo(f"candor: {safe(reason)}", err=True)
    return int(bool(unknown))


@cli.command()
@common
@click.pass_context
def doctor(context: click.Context) -> int:
    """Examine the data folder and the parts, and say what to do."""
    from app.doctor import examine

    findings = examine(settings_of(context))
    failed = any(finding.state == "fail" for finding in findings)
    if context.obj["json"]:
        print_json({"ok": not failed, "findings": findings})
    else:
        for finding in findings:
            advice = f"; {finding.advice}" if finding.advice else ""
            click.echo(f"{finding.state:<4}  {finding.name}: {safe(finding.detail + advice)}")
    return int(failed)


cli.add_command(check)
cli.add_command(evaluate)
cli.add_command(accounts)
cli.add_command(annotate)
cli.add_command(backup)
cli.add_command(database)
cli.add_command(ingest)
cli.add_command(mcp)
cli.add_command(ratings)
cli.add_command(restore)
cli.add_command(sources)
cli.add_command(train)
