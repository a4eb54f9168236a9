"""The settings: what is chosen on this page, and what the server was started with, with where each comes from."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from app.config import LIVE, PREFIX, RANGES, Settings
from app.web.parts.models import answering
from app.web.words import Language, html, said
from dialogue.models import chosen
from dialogue.types import Role

THEMES: Final = (("", "As the system"), ("light", "Light"), ("dark", "Dark"))
SIZES: Final = (("", "Normal"), ("large", "Large"), ("larger", "Larger"))
SHOWN: Final = (  # of the settings of the server, with what they are called
    ("model", "Model"),
    ("candidates", "Drafts per question"),
    ("passages", "Passages per question"),
    ("research_rounds", "Look-ups per question"),
    ("role", "Role of new conversations"),
    ("preset", "Safety"),
    ("data_dir", "Folder of documents and history"),
)
_ORIGINS: Final = {
    "flag": "given on the command line",
    "environment": "from the environment",
    "file": "from the settings file",
    "page": "changed on this page",
    "": "default",
}


def settings(
    given: Settings,
    languages: Mapping[str, Language],
    language: str,
    roles: Mapping[str, Role],
    role: str,
    models: Sequence[str] = (),
) -> str:
    """The panel of settings; the choices of the page itself are kept by the browser.

    `models` are those that may be changed to; without any, nothing of the server can be changed here.
    """
    names = [(code, known.name) for code, known in languages.items()]
    own = (
        _choice("theme", "Colours", THEMES)
        + _choice("size", "Size of the text", SIZES)
        + _choice("language", "Language", names, language)
    )
    held = _roles(roles, role)
    live = [(key, words) for key, words in SHOWN if models and key in LIVE]
    rest = [(key, words) for key, words in SHOWN if (key, words) not in live and (key != "role" or len(roles) > 1)]
    rows = "".join(_row(given, key, words, roles) for key, words in rest)
    fields = "".join(_field(given, key, words, models) for key, words in live)
    told = html("A change holds from the next question on, for everybody, until the server is stopped.")
    changeable = f"<section class='set'><h2>{html('Answering')}</h2><p class='fine'>{told}</p>{fields}</section>"
    return (
        f"<section class='set'><h2>{html('On this page')}</h2>{own}{held}</section>"
        f"{changeable if live else ''}"
        f"<section class='set'><h2>{html('Of the server')}</h2><p class='fine'>"
        f"{html('A change of these takes effect when the server is started again.')}</p>"
        f"<dl class='effective'>{rows}</dl></section>"
    )


def _choice(name: str, words: str, options: Sequence[tuple[str, str]], chosen: str = "") -> str:
    listed = "".join(
        f"<option value='{escape(value)}'{' selected' if value == chosen else ''}>"
        f"{escape(label if name == 'language' else said(label))}</option>"
        for value, label in options
    )
    return f"<label class='choice'><span>{html(words)}</span><select data-choice='{name}'>{listed}</select></label>"


def _field(given: Settings, key: str, words: str, models: Sequence[str]) -> str:
    """A setting of the server that can be changed here."""
    value, named = getattr(given, key), f"data-setting='{key}' aria-describedby='origin-{key}'"
    if key == "model":
        now = chosen(value)
        options = "".join(
            f"<option value='{escape(name)}'{' selected' if name == now else ''}>{escape(answering(name))}</option>"
            for name in models
        )
        field = f"<select {named}>{options}</select>"
    else:
        low, high = RANGES[key]
        field = f"<input type='number' {named} value='{value}' min='{low}' max='{high}' required>"
    origin = f"<small id='origin-{key}'>{html(_ORIGINS[given.origins.get(key, '')])}</small>"
    return f"<label class='choice'><span>{html(words)}{origin}</span>{field}</label>"


def _roles(roles: Mapping[str, Role], chosen: str) -> str:
    """Who may be talked to, each explained in a line."""
    if len(roles) < 2:
        return ""
    items = "".join(
        f"<button type='button' class='role' data-act='role' data-role='{escape(name)}' "
        f"aria-pressed='{'true' if name == chosen else 'false'}'><b>{escape(role.name)}</b>"
        f"<small>{escape(role.about or said('Answers from all documents.'))}</small></button>"
        for name, role in roles.items()
    )
    return f"<h3>{html('Talk to')}</h3><div class='role-list' role='group' aria-label='{html('Talk to')}'>{items}</div>"


def _row(given: Settings, key: str, words: str, roles: Mapping[str, Role]) -> str:
    value, origin = str(getattr(given, key)), given.origins.get(key, "")
    shown = (
        answering(chosen(value))
        if key == "model"
        else said("as the policy says")
        if key == "preset" and not value
        else roles[value].name
        if key == "role" and value in roles
        else value
    )
    flag = f"--{key.replace('_', '-')}"
    how = html(
        "Set it with {flag}, {variable} or {key} in the settings file.",
        flag=flag,
        variable=f"{PREFIX}{key.upper()}",
        key=key,
    )
    return (
        f"<div><dt>{html(words)}</dt><dd><b>{escape(shown)}</b>"
        f"<small>{html(_ORIGINS[origin])}</small><details><summary>{html('How to change it')}</summary>{how}</details>"
        "</dd></div>"
    )
