"""Whether the server can do its work: a message has to be stored before it is answered."""

import shutil
import tempfile
from pathlib import Path
from typing import Final

ROOM: Final = 20 * 2**20  # bytes; less is no room for the database and its log


def trouble(folder: Path, room: int = 0) -> str:
    """Return why nothing more can be stored in the data folder, beside `room` bytes; nothing where all is well."""
    try:
        if shutil.disk_usage(folder).free < ROOM + room:
            return "the disk of the data folder is full: free some space on it"
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(2**16))
            probe.flush()
    except OSError as error:
        return f"the data folder cannot be written ({error.strerror}): free some space on its disk"
    return ""
