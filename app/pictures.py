"""Picture files of the user, read for a message. Knows nothing of what is in them."""

from collections.abc import Sequence
from pathlib import Path

from app.errors import InputError
from dialogue.pictures import MOST_BYTES
from dialogue.types import Picture


def read_pictures(images: Sequence[str | Path | bytes]) -> tuple[Picture, ...]:
    """Return files, under their names, and bytes as pictures. Raises InputError for a file that cannot be read."""
    return tuple(Picture("picture", one) if isinstance(one, bytes) else _read(Path(one)) for one in images)


def _read(path: Path) -> Picture:
    try:
        with path.expanduser().open("rb") as file:
            return Picture(path.name, file.read(MOST_BYTES + 1))  # one more shows that it is too large
    except OSError as error:
        raise InputError(f"the picture {str(path)!r} cannot be read ({error.strerror}): check the path") from error
