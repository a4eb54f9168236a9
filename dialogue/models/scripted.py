"""The scripted language model: drafts written in advance, for tests, documentation and demonstrations.

Knows nothing of what the drafts say. Everything downstream (judges, gates, ranking, citations) treats them
like any model's, so a script shows what the pipeline does with good and bad drafts alike.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from dialogue.types import Attribute, Context, ModelError, Sampling
from retrieval.text import each
from safety.files import FileError, read_text

LONGEST: Final = 1 << 24  # bytes of a script
Weights = Callable[[str, Attribute], float]


class Scripted:
    """A LanguageModel that answers from a script.

    `replies` are the drafts of every turn, or a function from the context to its drafts. `weights` gives the
    probability of an attribute of a draft to `weigh`; without it `weigh` raises ModelError.
    """

    def __init__(
        self,
        replies: Sequence[str] | Callable[[Context], Sequence[str]],
        *,
        weights: Weights | None = None,
        name: str = "scripted",
    ) -> None:
        if isinstance(replies, str):
            raise TypeError(f"replies is a sequence of drafts, not one string: use [{replies!r}]")
        self._replies = replies if callable(replies) else tuple(replies)
        self._weights = weights
        self.name = name
        digest = "function" if callable(replies) else hashlib.sha256(json.dumps(list(replies)).encode())
        self.fingerprint = f"scripted/{digest if isinstance(digest, str) else digest.hexdigest()[:12]}"

    def sample(self, context: Context, sampling: Sampling) -> list[str]:
        """Return the first `sampling.n` drafts of the script, in its order."""
        drafts = self._replies(context) if callable(self._replies) else self._replies
        return list(drafts)[: max(sampling.n, 0)]

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Return the scripted probabilities. Raises ModelError when the script has none, or gives no probability."""
        if self._weights is None:
            raise ModelError("the scripted model has no probabilities: give it weights=, or load hf:NAME")
        rows = [[float(self._weights(draft, attribute)) for attribute in attributes] for draft in each(drafts)]
        wrong = [value for row in rows for value in row if not 0 <= value <= 1]
        if wrong:
            raise ModelError(f"the script weighs {wrong[0]!r}: weights are probabilities from 0 to 1")
        return rows


def load_scripted(path: str | Path) -> Scripted:
    """Read a script: a JSON list of drafts, or plain text with one draft per line (empty lines skipped).

    Raises ModelError when the file cannot be read or holds no draft.
    """
    path = Path(path)
    try:
        text = read_text(path, LONGEST)
    except FileError as error:
        raise ModelError(f"the script {str(path)!r} cannot be read as UTF-8 text: {error}") from error
    drafts = _json_drafts(path, text) if text.lstrip().startswith("[") else text.splitlines()
    drafts = [draft.strip() for draft in drafts if draft.strip()]
    if not drafts:
        raise ModelError(f"the script {str(path)!r} is empty: write one draft per line, or a JSON list of them")
    return Scripted(drafts, name=f"scripted:{path.name}")


def _json_drafts(path: Path, text: str) -> list[str]:
    try:
        drafts = json.loads(text)
    except (ValueError, RecursionError):
        if "\n" in text.strip() or not text.strip().endswith("]"):
            return text.splitlines()  # plain drafts of which the first begins with a citation mark
        raise ModelError(f"the script {str(path)!r} is not valid JSON: write a list of strings") from None
    if not all(isinstance(draft, str) for draft in drafts):
        raise ModelError(f"the script {str(path)!r} holds more than strings: write a JSON list of drafts")
    return list(drafts)
