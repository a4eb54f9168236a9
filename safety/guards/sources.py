"""Larger guards by specification: the one place that reads the setting `guard`.

What each is and does stands in `safety.guards.classifier`, `safety.guards.generative` and `safety.guards.moderation`.
"""

from pathlib import Path
from typing import Final

from safety.types import RiskSource, SafetyError

FORMS: Final = {
    "hf": "hf:NAME[#LABEL=OBJECTIVE,...] (a sequence classifier)",
    "hf-guard": "hf-guard:NAME[#FAMILY] (a generative guard)",
    "moderation": "moderation:URL[#MODEL] (a moderation server)",
}


def read_spec(spec: str) -> tuple[str, str, str]:
    """Return the form of a specification, what is named, and what stands after ``#``.

    Raises SafetyError, which lists the forms and does not repeat `spec`: it may hold a password.
    """
    form, _, rest = spec.strip().partition(":")
    name, _, more = rest.partition("#")
    if form not in FORMS or not name:
        raise SafetyError(f"a guard is named as {', '.join(FORMS.values())}")
    return form, name, more


def load_source(spec: str, key: str = "") -> RiskSource:
    """Load what `spec` names; `key` is for a moderation server. Raises SafetyError when it cannot be used."""
    form, name, more = read_spec(spec)
    if form == "hf":
        from safety.guards.classifier import load_topics

        return load_topics(name, more)
    if form == "hf-guard":
        from safety.guards.generative import load_generative

        return load_generative(name, more)
    from safety.guards.moderation import load_moderation

    return load_moderation(f"{name}#{more}", key)


def look_at(spec: str, key: str = "") -> str:
    """Return a line about what `spec` names, without loading a model. Raises SafetyError when it is not there."""
    form, name, more = read_spec(spec)
    if form == "moderation":
        from safety.guards.moderation import open_moderation

        server = open_moderation(f"{name}#{more}", key)
        return f"{server.url} answers, with {server.look() or 'a model that it does not name'}"
    folder = Path(name).expanduser()
    if folder.is_dir() and not any(folder.glob("*.safetensors")):
        raise SafetyError(f"the folder {name!r} holds no safetensors weights: name another, or save them there")
    return f"{form}:{name} (not loaded by this examination)"
