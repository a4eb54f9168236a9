"""Training of the shipped judges from the development data: what `candor train judges` runs.

Knows where weights lie; what they learn from is each package's own business.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from app.errors import InputError
from safety.heads import Head

_log = logging.getLogger(__name__)


def train_judges(data: Path) -> dict[str, object]:
    """Train every head from the folder of development data, write the weights, return the figures.

    Raises InputError when the folder is not there.
    """
    if not (data / "safety").is_dir():
        raise InputError(f"{str(data)!r} is not the development data: it holds no folder 'safety'")
    import dialogue.answers
    from dialogue.training import answers, grounding, quality
    from retrieval.embed import load_encoder
    from safety import training as safety

    folder = dialogue.answers.WEIGHTS.parent
    encoder = load_encoder()
    answer_head, answer_figures = answers.train(data, encoder)
    _save(folder, {"answers": answer_head})
    quality_heads, quality_figures = quality.train(data, encoder.encode)
    _save(folder, quality_heads)
    grounded, grounded_figures = grounding.train(data, encoder)
    _save(folder, {"grounded": grounded})
    heads = safety.train(data, encoder.encode)
    _save(Path(safety.__file__).parent / "weights", heads)
    return {
        "answers": answer_figures,
        "quality": quality_figures,
        "grounded": grounded_figures,
        "safety": sorted(heads),
    }


def _save(folder: Path, heads: Mapping[str, Head]) -> None:
    for name, head in heads.items():
        head.save(folder / f"{name}.safetensors")
        _log.info("wrote %s", folder / f"{name}.safetensors")
