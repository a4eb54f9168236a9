"""Writes docs/reference.md, the settings and the command line, from the code that defines them.

    python docs/reference.py > docs/reference.md        or: make docs

Settings, ranges and what each is come from `app.config`, commands and options from the command line itself.
"""

from collections.abc import Iterator, Set
from dataclasses import fields
from inspect import cleandoc
from textwrap import fill
from typing import Final

import click

from app.commands.cli import cli
from app.config import ABOUT, DTYPES, LOG_FORMATS, LOG_LEVELS, PREFIX, RANGES, Settings
from safety.policy import PRESETS

WIDTH: Final = 120
CHOICES: Final = {"dtype": DTYPES, "preset": PRESETS, "log_level": LOG_LEVELS, "log_format": LOG_FORMATS}
MORE: Final = {  # where a setting is explained at length
    "model": "models.md",
    "viewer": "models.md#pictures",
    "api_key": "models.md#a-model-server",
    "context": "models.md#memory",
    "encoder": "models.md#encoders-and-classifiers",
    "judges": "models.md#encoders-and-classifiers",
    "guard": "models.md#larger-guards",
    "guard_key": "models.md#larger-guards",
    "role": "roles.md",
    "index": "scaling.md",
    "index_key": "scaling.md",
    "translator": "sources.md#tools",
    "wiki": "sources.md#tools",
    "searxng": "sources.md#tools",
    "fetch_allow": "sources.md#pages-of-the-web",
    "policy": "scoring.md#safety",
    "preset": "scoring.md#safety",
}
HEAD: Final = """\
# Reference

Every setting, command and option. This page is made from the code by `make docs` (`docs/reference.py`), and a test
compares the two: change the code, not the page.

## Settings

A setting is taken from the command line, else from the environment, else from the TOML file that `--config` or
`CANDOR_CONFIG` names, else it has its default. The preset alone has one more place: a policy file may state it, which
wins over the default and over nothing else. A name that is no setting is an error that suggests the nearest one, and a
value out of range is an error that says what is allowed.

| setting | variable | on the command line | default | values | what it is |
|---|---|---|---|---|---|
"""
COMMON: Final = """
## Command line

`candor` is in `.venv/bin`; `python -m app` is the same. These options belong to every command and stand before or after
its name:

"""
AFTER: Final = """
With `--json`, stdout holds one JSON document and nothing else; an error is `{"error": {"type": ..., "message": ...}}`.
The exit code is 0 when all is done, 1 when something failed, 2 for wrong use, and 130 when the command was interrupted.
"""


def page() -> str:
    """Return the whole page as Markdown."""
    shared = {option.name for option in cli.params}
    parts = [HEAD, *map(_setting, ABOUT), COMMON, *_options(cli, {"version"}), AFTER]
    for name, command in commands(cli):
        usage = " ".join(command.collect_usage_pieces(click.Context(command))).replace("[OPTIONS]", "").split()
        parts.append(f"\n### candor {name}\n\n    {' '.join(['candor', name, *usage])}\n\n{_help(command)}\n")
        if rows := list(_options(command, shared)):
            parts += ["\n", *rows]
    return "".join(parts)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, under its full name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _setting(name: str) -> str:
    default = next(str(field.default) for field in fields(Settings) if field.name == name)
    values = "{} to {}".format(*RANGES[name]) if name in RANGES else ", ".join(f"`{v}`" for v in CHOICES.get(name, ()))
    more = f" ([more]({MORE[name]}))" if name in MORE else ""
    shown = f"`{default}`" if default else ""
    return f"| `{name}` | `{PREFIX}{name.upper()}` | {_flag(name)} | {shown} | {values} | {ABOUT[name]}{more} |\n"


def _flag(setting: str) -> str:
    """The option that sets `setting`, with the commands that have it unless all do."""
    if found := [option.opts[0] for option in cli.params if option.name == setting]:
        return f"`{found[0]}`"
    having = [(name, o.opts[0]) for name, command in commands(cli) for o in command.params if o.name == setting]
    return f"`{having[0][1]}` of {', '.join(f'`{name}`' for name, _ in having)}" if having else ""


def _help(command: click.Command) -> str:
    return "\n\n".join(fill(part, WIDTH) for part in cleandoc(command.help or "").split("\n\n"))


def _options(command: click.Command, without: Set[str | None]) -> Iterator[str]:
    """The rows of a table of options, its head first; nothing where there are none."""
    options = [o for o in command.params if isinstance(o, click.Option) and o.name not in without]
    if options:
        yield "| option | default | |\n|---|---|---|\n"
    for option in options:
        name = option.opts[0] if option.is_flag else f"{option.opts[0]} {_metavar(command, option)}"
        default = f"`{option.default}`" if option.show_default and option.default is not None else ""
        notes = [word for word, holds in (("required", option.required), ("repeatable", option.multiple)) if holds]
        about = f"{option.help or ''} " + (f"({', '.join(notes)})" if notes else "")
        yield f"| `{name}` | {default} | {about.strip()} |\n"


def _metavar(command: click.Command, option: click.Option) -> str:
    """What stands for the value of an option; a bar would end the cell of a table."""
    return option.make_metavar(click.Context(command)).removesuffix(" RANGE").strip("[]").replace("|", "/")


if __name__ == "__main__":
    click.echo(page(), nl=False)
