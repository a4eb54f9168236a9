"""Sequence classifiers (BERT, RoBERTa and the like, fine-tuned): texts to probabilities of labels, and of objectives.

Which label means which objective is read from its name or told by the user. Knows nothing of policies' thresholds.
"""

import hashlib
import threading
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from safety.types import UNSAFE, SafetyError, Stage
from safety.windows import windows

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Array = NDArray[np.float32]

OBJECTIVES: Final = (
    *("violence", "crime_howto", "weapons_mass", "self_harm", "sexual", "child_safety", "privacy"),
    *("specialised_advice", "profanity", "prompt_attack", "hate", "harassment", "misinformation"),
)
MEANINGS: Final = {  # labels of well-known classifiers: what they mean here; all others mean nothing
    **dict.fromkeys(("toxic", "toxicity", "severe_toxic", "severe_toxicity", "offensive", "harmful"), UNSAFE),
    **dict.fromkeys(("hateful", "hate_speech", "identity_hate", "identity_attack"), "hate"),
    **dict.fromkeys(("insult", "bullying"), "harassment"),
    **dict.fromkeys(("threat", "violent", "violence/graphic", "hate/threatening"), "violence"),
    **dict.fromkeys(("sexual_explicit", "nsfw"), "sexual"),
    **dict.fromkeys(("injection", "prompt_injection", "jailbreak"), "prompt_attack"),
    **dict.fromkeys(("obscene", "obscenity"), "profanity"),
    "sexual/minors": "child_safety",
    "suicide": "self_harm",
    "crime": "crime_howto",
    **{objective: objective for objective in (*OBJECTIVES, UNSAFE)},
}
AT_ONCE: Final = 16  # texts per batch
LONGEST: Final = 512  # tokens


class Classifier:
    """Probabilities of labels by a transformers sequence classifier. Thread-safe.

    Labels that may hold together are judged apart (sigmoid), others share one whole (softmax).
    """

    def __init__(
        self, model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase", name: str, fingerprint: str
    ) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self._model = model
        self._tokenizer = tokenizer
        config = model.config
        self.labels = tuple(str(config.id2label[place]) for place in range(config.num_labels))
        self._apart = config.problem_type == "multi_label_classification" or config.num_labels == 1
        own = getattr(config, "max_position_embeddings", LONGEST) - (config.pad_token_id or 0) - 1
        self._longest = min(LONGEST, own, tokenizer.model_max_length)
        self._lock = threading.Lock()

    def probabilities(self, texts: Sequence[str], after: Sequence[str] | None = None) -> Array:
        """Return (texts, labels) in [0, 1]; with `after`, of pairs of texts.

        A text that is too long is read in parts and gets the largest probability of each label; a pair that is too
        long loses its beginning. Raises SafetyError for numbers that are not finite.
        """
        found = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        for first in range(0, len(texts), AT_ONCE):
            part = slice(first, first + AT_ONCE)
            found[part] = self._batch(list(texts[part]), None if after is None else list(after[part]))
        return found

    def _batch(self, texts: list[str], after: list[str] | None) -> Array:
        import torch

        parts = after is None and self._tokenizer.is_fast
        with self._lock, torch.inference_mode():  # fast tokenizers keep truncation as state
            given = self._tokenizer(
                texts,
                after,
                truncation=True,
                max_length=self._longest,
                padding=True,
                return_overflowing_tokens=parts,
                return_tensors="pt",
            )
            rows = given.pop("overflow_to_sample_mapping").tolist() if parts else list(range(len(texts)))
            logits = self._model(**given.to(self._model.device)).logits.float()
        if not bool(torch.isfinite(logits).all()):
            raise SafetyError(f"the classifier {self.name!r} gave numbers that are not finite")
        made = (logits.sigmoid() if self._apart else logits.softmax(-1)).cpu().numpy()
        found: Array = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        np.maximum.at(found, rows, made)
        return found


class Topics:
    """A classifier's labels as objectives of a policy: a RiskSource that reads each text alone."""

    def __init__(self, classifier: Classifier, meanings: Mapping[str, str] | None = None) -> None:
        """Read labels by their names, `meanings` before. Raises SafetyError when no label means anything."""
        by_label = {_plain(label): meaning for label, meaning in (meanings or {}).items()}
        unknown = [label for label in by_label if label not in map(_plain, classifier.labels)]
        self.objectives = tuple(
            by_label.get(_plain(label)) or MEANINGS.get(_plain(label), "") for label in classifier.labels
        )
        if unknown or not any(self.objectives):
            raise SafetyError(
                f"the classifier {classifier.name!r} has the labels {', '.join(classifier.labels)}: say which of them "
                f"mean what, as in hf:{classifier.name}#{classifier.labels[-1]}=unsafe"
            )
        self._classifier = classifier
        about = repr((classifier.fingerprint, self.objectives))
        self.fingerprint = hashlib.sha256(about.encode()).hexdigest()[:16]

    def tells(self, stage: Stage) -> Collection[str]:
        """Return what its labels mean, the same at every stage."""
        return {objective for objective in self.objectives if objective}

    def risks(self, pairs: Sequence[tuple[str, str]], stage: Stage) -> list[dict[str, float]]:
        """Return per text the probability of each objective, of a long one by its worst window."""
        pieces = [(place, piece) for place, (_, text) in enumerate(pairs) for piece in windows(text)]
        found: list[dict[str, float]] = [{} for _ in pairs]
        probabilities = self._classifier.probabilities([piece for _, piece in pieces])
        for (place, _), line in zip(pieces, probabilities, strict=True):
            for objective, risk in zip(self.objectives, line.tolist(), strict=True):
                if objective:
                    found[place][objective] = max(found[place].get(objective, 0.0), risk)
        return found


def load_classifier(name: str) -> Classifier:
    """Load the sequence classifier at path or hub name `name`, on a GPU where there is one.

    Safetensors only, and no code of it is run. Raises SafetyError when it cannot be loaded or classifies nothing.
    """
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    folder = Path(name).expanduser()
    place = str(folder) if folder.is_dir() else name
    try:
        config = AutoConfig.from_pretrained(place, trust_remote_code=False)
        if not any("SequenceClassification" in kind for kind in config.architectures or ()):
            raise SafetyError(f"{name!r} is no classifier ({config.architectures}): train it as one first")
        tokenizer = AutoTokenizer.from_pretrained(place, trust_remote_code=False, truncation_side="left")
        model = AutoModelForSequenceClassification.from_pretrained(
            place, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise SafetyError(
            f"the classifier {name!r} cannot be loaded: {str(error).partition(chr(10))[0]}; name a folder or a hub "
            "model with safetensors weights"
        ) from error
    identity = str(getattr(config, "_commit_hash", "") or "unknown")
    if folder.is_dir():
        digest = hashlib.sha256((folder / "config.json").read_bytes())
        for path in sorted(folder.glob("*.safetensors")):
            digest.update(path.read_bytes())
        identity = digest.hexdigest()
    label = folder.resolve().name if folder.is_dir() else name
    model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval()
    return Classifier(model, tokenizer, label, f"{label}/{identity[:12]}")


def load_topics(name: str, stated: str = "") -> Topics:
    """Load the classifier `name`; `stated` says what its labels mean: ``LABEL=OBJECTIVE,...``. Raises SafetyError."""
    pairs = [pair.partition("=") for pair in stated.split(",") if pair]
    wrong = [meaning or label for label, _, meaning in pairs if meaning not in MEANINGS.values()]
    if wrong:
        raise SafetyError(
            f"{stated!r} names {wrong[0]!r}, which is no objective: use one of {', '.join((UNSAFE, *OBJECTIVES))}"
        )
    return Topics(load_classifier(name), {label: meaning for label, _, meaning in pairs})


def _plain(label: str) -> str:
    return label.strip().lower().replace(" ", "_").replace("-", "_")
