"""How a sentence encoder's token vectors become one: read from the files that sentence-transformers writes.

Knows nothing of the encoder's weights; no code of a model is run.
"""

import json
from pathlib import Path
from typing import Any, Final, Literal, cast, get_args

import torch

from retrieval.types import RetrievalError

Pooling = Literal["mean", "cls", "max"]
_OLD: Final = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "pooling_mode_max_tokens": "max"}
_NEUTRAL: Final = ("Transformer", "Normalize")  # the first is the encoder, and every vector is made a unit vector


def pooled(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return one vector per text from hidden states (texts, tokens, dimension), padding masked by (texts, tokens)."""
    if pooling == "cls":
        return hidden[:, 0]
    weight = mask.unsqueeze(-1)
    if pooling == "max":
        return hidden.masked_fill(weight == 0, -torch.inf).amax(1)
    return (hidden * weight).sum(1) / weight.sum(1).clamp(min=1)


def read_pooling(name: str) -> tuple[Pooling, int | None]:
    """Return the pooling of the model at path or hub name `name`, and the tokens it reads (None: not stated).

    A model without such files is pooled by the mean. Raises RetrievalError for a form that is not offered.
    """
    modules = _json(name, "modules.json")
    limit = _json(name, "sentence_bert_config.json").get("max_seq_length")
    found: Pooling = "mean"
    for module in modules if isinstance(modules, list) else []:
        kind = str(module.get("type", "")).rpartition(".")[2]
        if kind == "Pooling":
            found = _mode(name, _json(name, f"{module.get('path', '1_Pooling')}/config.json"))
        elif kind not in _NEUTRAL:
            raise RetrievalError(f"the encoder {name!r} has a layer {kind!r}, which is not offered: choose another")
    return found, limit if isinstance(limit, int) else None


def _mode(name: str, config: dict[str, Any]) -> Pooling:
    stated = config.get("pooling_mode") or [_OLD.get(key, key) for key, on in config.items() if on is True]
    modes = [stated] if isinstance(stated, str) else [mode for mode in stated if mode != "include_prompt"]
    if len(modes) != 1 or modes[0] not in get_args(Pooling):
        raise RetrievalError(
            f"the encoder {name!r} pools by {modes!r}; one of {', '.join(get_args(Pooling))} is offered"
        )
    return cast(Pooling, modes[0])


def _json(name: str, file: str) -> Any:  # noqa: ANN401
    from transformers.utils import cached_file

    here = Path(name).expanduser()
    if here.is_dir():
        path = here / file
    else:
        fetched = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
        path = Path(fetched) if fetched else Path()
    try:
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, ValueError) as error:
        raise RetrievalError(f"{str(path)!r} cannot be read: {error}") from error
