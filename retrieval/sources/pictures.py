"""Pictures as sources: a photo of a sign, a scanned letter. Their words are recognised and placed by their lines."""

import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from retrieval.sources import ocr
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.layout import blocks
from retrieval.sources.paged import Paged, Usual
from retrieval.types import Document, Note, SourceError

_MOST_PIXELS = 100_000_000


def read_picture(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document | None]]:
    """Yield the one document, each picture that the file holds a page, and None after every one.

    Raises SourceError where there are no words in it, or nothing to recognise them with.
    """
    from PIL import Image, ImageOps, ImageSequence

    if not ocr.is_installed():
        raise SourceError(f"a picture; {ocr.INSTALL}")
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = _MOST_PIXELS
    notes = Counter[Note]()
    with Image.open(path, formats=("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")) as file:
        count = min(getattr(file, "n_frames", 1), limits.max_recognised) if file.format == "TIFF" else 1
        paged = Paged([str(number + 1) for number in range(count)], Usual([]), marked=False)
        for number, frame in enumerate(ImageSequence.Iterator(file)):
            if number >= count:
                break
            upright = ImageOps.exif_transpose(frame)
            upright.thumbnail((ocr.MOST_PIXELS, ocr.MOST_PIXELS))
            page = ocr.recognised(ocr.pixels(upright))
            notes[Note.RECOGNISED if page.words else Note.WORDLESS] += 1
            paged.take(number, blocks(page), [], page)
            yield "", None
    if not paged.length:
        raise SourceError("a picture without words, as far as text recognition can tell")
    outline = paged.finished([])
    outline.notes += notes
    yield "", outline.document("", paged.title)
