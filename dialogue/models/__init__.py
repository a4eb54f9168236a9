"""The doors to language models: a short specification such as ``hf:gpt2`` to a LanguageModel.

Knows no model from the inside; each door's code and its heavy libraries are imported when it is opened.
"""

from typing import TYPE_CHECKING

from dialogue.models.checkpoints.gguf import SUFFIX
from dialogue.models.checkpoints.plan import Needs
from dialogue.pictures import Remembering, Viewer
from dialogue.types import LanguageModel, ModelError

if TYPE_CHECKING:
    from retrieval.reader import PassageReader

DOORS = "auto, quote, smollm2, gguf:FILE, hf:FOLDER-OR-HUB-NAME, http://HOST:PORT/v1#MODEL, scripted:FILE"
AUTO = "auto"


def chosen(spec: str) -> str:
    """Return the model that a setting stands for: `auto` is smollm2 where it is installed, else quote."""
    if spec.strip() != AUTO:
        return spec
    from dialogue.models.smollm2 import NAME, packaged

    return NAME if packaged() is not None else "quote"


def reads_prompts(spec: str) -> bool:
    """Say whether the model behind a known `spec` follows its prompt: quote and scripts write the same anyway."""
    return chosen(spec).strip().partition(":")[0] not in ("quote", "scripted")


def takes_steps(model: LanguageModel) -> bool:
    """Say whether a model is up to research and to a second round with the reasons in view."""
    return not getattr(model, "small", False)


def load_model(
    spec: str,
    reader: "PassageReader",
    device: str = "auto",
    *,
    needs: Needs | None = None,
    api_key: str = "",
    seconds: float = 120.0,
) -> LanguageModel:
    """Open the door that `spec` names.

    `quote` writes from the evidence with no language model; `smollm2` is the packaged model, and `auto` takes it where
    it is installed, else `quote`; ``hf:NAME`` loads a causal model, or one that reads pictures, from a folder or,
    because the user named it, from the hub, and ``gguf:FILE`` one from a file of weights in few bits, when the memory
    for what it `needs` is there;
    ``scripted:FILE`` reads drafts from a file;
    ``http(s)://HOST/v1#MODEL`` asks an OpenAI-compatible server with `api_key`, for up to `seconds` per round, and
    where it is unavailable `quote`. Raises ModelError with what to do when the door is unknown or cannot be opened.
    """
    door, _, name = chosen(spec).strip().partition(":")
    if door in ("smollm2", "quote") and not name:
        return _packaged(door, reader, device, needs)
    if door == "scripted" and name:
        from dialogue.models.scripted import load_scripted

        return load_scripted(name)
    if door in ("hf", "gguf") and name:
        return _here(door, name, device, needs)
    if door.lower() in ("http", "https") and name:
        from dialogue.models.fallback import Fallback
        from dialogue.models.server.remote import load_remote
        from dialogue.quote import load_quote

        return Fallback(load_remote(spec, api_key, seconds), load_quote(reader))
    raise ModelError(f"there is no model {spec!r}: use one of {DOORS}")


def _packaged(door: str, reader: "PassageReader", device: str, needs: Needs | None) -> LanguageModel:
    if door == "smollm2":
        from dialogue.models.smollm2 import load_smollm2

        return load_smollm2(device, needs)
    from dialogue.quote import load_quote

    return load_quote(reader)


def _here(door: str, name: str, device: str, needs: Needs | None) -> LanguageModel:
    """Load a model on this machine; small ones get prompts of their own."""
    from dialogue.models.local import load_local
    from dialogue.models.vision import load_vision, sees

    if door == "gguf":
        return load_local(name if name.endswith(SUFFIX) else f"{name}{SUFFIX}", device, needs, by_size=True)
    return load_vision(name, device, needs) if sees(name) else load_local(name, device, needs, by_size=True)


def load_viewer(
    spec: str, speaker: LanguageModel, device: str = "auto", *, needs: Needs | None = None
) -> Viewer | None:
    """Return what looks at pictures: ``hf:NAME``, without a `spec` the speaker itself where it can, else what reads the
    words in them, None where that is not installed.

    `needs` are those of `load_model`. Raises ModelError with what to do when the spec is unknown or the model cannot
    be loaded.
    """
    from dialogue.models.lettering import Lettering
    from dialogue.models.vision import Vision, load_vision
    from retrieval.sources.ocr import is_installed

    door, _, name = spec.strip().partition(":")
    if door == "hf" and name:
        return Remembering(load_vision(name, device, needs))
    if spec:
        raise ModelError(f"there is no viewer {spec!r}: use hf:FOLDER-OR-HUB-NAME")
    if isinstance(speaker, Vision):
        return Remembering(speaker)
    return Remembering(Lettering()) if is_installed() else None
