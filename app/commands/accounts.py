"""The commands `candor accounts`: who may use a server, beside one that is running too."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import click

from app.accounts.principal import ROLES, SCOPES, Role
from app.commands.common import (
    beside,
    common,
    print_json,
    read_from,
    read_stdin,
    safe,
    settings_of,
    some_text,
    write_out,
)

if TYPE_CHECKING:
    from app.accounts.accounts import Accounts
    from app.accounts.keys import Key
    from app.store.database import Database

FROM_STDIN: Final = click.option("--password-stdin", is_flag=True, help="Read the password from stdin, not by asking.")


@click.group()
@common
def accounts() -> None:
    """Who may use a server, with setting accounts = on."""


@contextmanager
def _noted(context: click.Context, action: str, detail: str) -> "Iterator[Database]":
    """The database to write to, and an entry in the audit log once that has been done."""
    from app.accounts.audit import Audit

    with beside(context) as database:
        yield database
        Audit(database).note(action, detail=detail)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return read_stdin().rstrip("\r\n")
    return str(click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


@accounts.command("add")
@common
@click.argument("name", type=some_text)
@click.option("--role", type=click.Choice(ROLES), default="user", show_default=True, help="What it may do.")
@FROM_STDIN
@click.option("--no-password", is_flag=True, help="Only API keys or an identity provider vouch for it.")
@click.option("--adopt", is_flag=True, help="Give it the conversations that are nobody's, from before accounts.")
@click.pass_context
def add(context: click.Context, name: str, role: Role, password_stdin: bool, no_password: bool, adopt: bool) -> None:
    """Make an account NAME."""
    from app.accounts.accounts import Accounts

    password = None if no_password else _password(password_stdin)
    with _noted(context, "accounts add", f"{name.strip().casefold()}, {role}") as database:
        account = Accounts(database).add(name, role, password)
        adopted = Accounts(database).adopt(account.name) if adopt else 0
    if context.obj["json"]:
        print_json({"account": account, "adopted": adopted})
        return
    click.echo(f"added {account.name} ({account.role})" + (f", with {adopted} conversations" if adopt else ""))


@accounts.command("list")
@common
@click.pass_context
def list_accounts(context: click.Context) -> None:
    """List the accounts."""
    from app.accounts.accounts import Accounts

    rows = read_from(context, lambda database: Accounts(database).all())
    if context.obj["json"]:
        print_json({"accounts": rows})
        return
    for row in rows:
        state = "disabled" if row.disabled else "" if row.password else "no password"
        click.echo(f"{row.name:<24}  {row.role:<5}  {row.created_at:%Y-%m-%d}  {state}".rstrip())


@accounts.command("passwd")
@common
@click.argument("name", type=some_text)
@FROM_STDIN
@click.pass_context
def passwd(context: click.Context, name: str, password_stdin: bool) -> None:
    """Give the account NAME another password, and end its logins."""
    from app.accounts.accounts import Accounts

    password = _password(password_stdin)
    with _noted(context, "accounts passwd", name.strip().casefold()) as database:
        Accounts(database).set_password(name, password)
    _told(context, name, "has another password")


@accounts.command("disable")
@common
@click.argument("name", type=some_text)
@click.pass_context
def disable(context: click.Context, name: str) -> None:
    """Let NAME in no more, by whatever way; all of it is kept."""
    _switch(context, name, disabled=True)


@accounts.command("enable")
@common
@click.argument("name", type=some_text)
@click.pass_context
def enable(context: click.Context, name: str) -> None:
    """Let NAME in again."""
    _switch(context, name, disabled=False)


def _switch(context: click.Context, name: str, disabled: bool) -> None:
    action = "disable" if disabled else "enable"
    with _noted(context, f"accounts {action}", name.strip().casefold()) as database:
        _accounts(database).change(name, disabled=disabled)
    _told(context, name, f"is {action}d")


@accounts.command("change")
@common
@click.argument("name", type=some_text)
@click.option("--role", type=click.Choice(ROLES), help="What it may do.")
@click.option("--per-minute", type=click.IntRange(0, 100_000), help="Messages per minute; 0 sets no bound.")
@click.option("--per-day", type=click.IntRange(0, 10_000_000), help="Messages in 24 hours; 0 sets no bound.")
@click.pass_context
def change(context: click.Context, name: str, role: Role | None, per_minute: int | None, per_day: int | None) -> None:
    """Change the role or the limits of NAME."""
    given = {"role": role, "per-minute": per_minute, "per-day": per_day}
    told = ", ".join(f"{key} {value}" for key, value in given.items() if value is not None)
    with _noted(context, "accounts change", f"{name.strip().casefold()}: {told}") as database:
        _accounts(database).change(name, role=role, per_minute=per_minute, per_day=per_day)
    _told(context, name, "is changed")


@accounts.command("export")
@common
@click.argument("name", type=some_text)
@click.pass_context
def export(context: click.Context, name: str) -> None:
    """Print all that is stored of NAME as one JSON document."""
    from app.accounts.rights import export_account

    found = read_from(context, lambda database: export_account(database, name))
    print_json(found)


@accounts.command("delete")
@common
@click.argument("name", type=some_text)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def delete(context: click.Context, name: str, yes: bool) -> None:
    """Delete NAME with all conversations, documents, keys and logins, so that no file holds any of it.

    The index follows at once where a server is running, and else when one is started.
    """
    from app.accounts.rights import delete_account

    if not yes:
        click.confirm(f"Delete {safe(name)} and everything of it for good?", abort=True, err=True)
    with _noted(context, "accounts delete", "") as database:
        gone = delete_account(database, settings_of(context).data_dir, name)
    _told(context, name, f"is deleted, and {len(gone)} documents")


@accounts.command("log")
@common
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1, 100_000), help="At most so many.")
@click.pass_context
def log(context: click.Context, limit: int) -> None:
    """Show who did what, the latest first."""
    from app.accounts.audit import Audit

    entries = read_from(context, lambda database: Audit(database).entries(limit))
    if context.obj["json"]:
        print_json({"entries": entries})
        return
    for entry in entries:
        when = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        line = f"{when}  {entry.account or '-':<16}  {entry.action}  {entry.detail}  {entry.address}"
        click.echo(safe(line))


@accounts.group("keys")
@common
def keys() -> None:
    """API keys, sent as `Authorization: Bearer KEY`."""


@keys.command("make")
@common
@click.argument("name", type=some_text)
@click.option("--label", default="", help="What it is for.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(SCOPES), help="What it opens (chat and check).")
@click.option("--days", type=click.IntRange(1, 36500), help="It ends after so many days.")
@click.pass_context
def make_key(context: click.Context, name: str, label: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a key for the account NAME and print it, this once."""
    from app.accounts.keys import Keys

    with _noted(context, "keys make", name.strip().casefold()) as database:
        word, key = Keys(database).make(name, label, scopes or ("chat", "check"), days)
    if context.obj["json"]:
        print_json({"key": word, "about": key})
        return
    write_out(word)
    click.echo("candor: keep it: it is not shown again", err=True)


@keys.command("list")
@common
@click.argument("name", default="")
@click.pass_context
def list_keys(context: click.Context, name: str) -> None:
    """List the keys of the account NAME, or all."""
    from app.accounts.keys import Keys

    rows = read_from(context, lambda database: Keys(database).all(name))
    if context.obj["json"]:
        print_json({"keys": rows})
        return
    for row in rows:
        click.echo(_line(row))


@keys.command("revoke")
@common
@click.argument("key", type=some_text)
@click.pass_context
def revoke_key(context: click.Context, key: str) -> None:
    """Let KEY, an id or how it begins, open nothing any more."""
    from app.accounts.keys import Keys

    with _noted(context, "keys revoke", key[:40]) as database:
        revoked = Keys(database).revoke(key)
    _told(context, revoked.prefix, "is revoked")


def _line(key: "Key") -> str:
    end = "revoked" if key.revoked_at else f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else ""
    return safe(f"{key.prefix}…  {key.account:<16}  {','.join(key.scopes)}  {end}  {key.name}").rstrip()


def _accounts(database: "Database") -> "Accounts":
    from app.accounts.accounts import Accounts

    return Accounts(database)


def _told(context: click.Context, name: str, what: str) -> None:
    if context.obj["json"]:
        print_json({"name": name, "done": what})
    else:
        click.echo(f"{safe(name)} {what}")
