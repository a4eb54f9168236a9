"""Models in words that say something to people: what it is, and where it runs."""

from typing import Final
from urllib.parse import urlsplit

from app.web.words import said

QUOTE: Final = "quote"
_SMALL: Final = "smollm2"


def writer(name: str) -> str:
    """Who wrote a draft, from the name of what wrote it."""
    if name in ("", QUOTE):
        return said("Quoted from the sources")
    return said("Written by {model}", model=_plain(name))


def written_by(name: str, fingerprint: str) -> str:
    """Who wrote a reply; for one stored before writers were, by the fingerprint of the model."""
    if not name and fingerprint and not fingerprint.startswith(QUOTE):
        return said("Written by a language model")
    return writer(name)


def answering(setting: str) -> str:
    """Which model answers, from the setting `model`."""
    if setting == QUOTE:
        return said("Quoting from your documents · no language model")
    if setting == _SMALL:
        return said("Small model on this machine · quoting beside it")
    if setting.startswith(("http://", "https://", "openai:")):
        host = urlsplit(setting.removeprefix("openai:")).hostname or setting
        return said("Model at {host} · quoting beside it", host=host)
    return said("{model} on this machine · quoting beside it", model=_plain(setting))


def _plain(name: str) -> str:
    """The last part of a name such as ``hf:org/Name`` or ``gguf:/a/b.gguf``; the small model has a plain one."""
    kind, _, rest = name.partition(":")
    last = (rest or kind).rstrip("/").rpartition("/")[2].removesuffix(".gguf")
    return said("the small model") if _SMALL in last.casefold() else last
