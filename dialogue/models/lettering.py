"""What reads the words in pictures where no model looks at them: text recognition, which knows nothing of the rest."""

import threading
from collections.abc import Sequence
from typing import Final

from dialogue.pictures import pixels
from dialogue.types import ModelError, Picture

CAVEAT: Final = "only the words in a picture are read here; --viewer hf:NAME loads a model that sees what it shows"
READ: Final = "The words in the picture are:"


class Lettering:
    """A Viewer that says which words stand in a picture, and nothing of one without words. Thread-safe."""

    fingerprint = "rapidocr"
    caveat = CAVEAT

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def describe(self, pictures: Sequence[Picture]) -> list[str]:
        """Return the words of each picture, "" where there are none. Raises PictureError and ModelError."""
        with self._lock:
            return [self._words(picture) for picture in pictures]

    def _words(self, picture: Picture) -> str:
        from retrieval.sources import ocr
        from retrieval.sources.layout import blocks

        try:
            page = ocr.recognised(ocr.pixels(pixels(picture)))
        except (ImportError, RuntimeError, MemoryError) as error:
            raise ModelError(f"the words of {picture.name!r} cannot be read ({error}): send it smaller") from error
        lines = [line for block in blocks(page) for line in (block.text, *map(", ".join, block.rows))]
        said = " ".join(line if line[-1] in ".!?:…" else f"{line}." for line in filter(None, map(str.strip, lines)))
        return f"{READ} {said}" if said else ""
