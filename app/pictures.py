"""Picture files of the user, read for a message."""

from collections.abc import Sequence
from pathlib import Path

from app.errors import InputError
from dialogue.pictures import MOST_BYTES
from dialogue.types import Picture
from safety.files import FileError, open_regular


def read_pictures(images: str | Path | bytes | Sequence[str | Path | bytes]) -> tuple[Picture, ...]:
    """Return files, under their names, and bytes as pictures; a single one is one picture.

    Raises InputError for a file that cannot be read.
    """
    given = [images] if isinstance(images, str | Path | bytes) else images
    return tuple(Picture("picture", one) if isinstance(one, bytes) else _read(one) for one in given)


def _read(image: str | Path) -> Picture:
    if not str(image).strip():
        raise InputError("the name of a picture is empty: name its file")
    path = Path(image)
    try:
        with open_regular(path.expanduser()) as file:
            return Picture(path.name, file.read(MOST_BYTES + 1))  # one more shows that it is too large
    except (FileError, OSError, RuntimeError) as error:  # the last for the home of an unknown user
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InputError(f"the picture {str(path)!r} cannot be read ({reason}): check the path") from error
