"""The original file of a source, to be downloaded: only as it was when it was read, and never another."""

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from app.library.catalogue import StoredSource, file_of, is_address

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

MOST: Final = 100 * 2**20  # bytes
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


def original_of(row: StoredSource) -> Path | None:
    """Return the regular file that a source was read from, where it is there, no link and not too large."""
    if is_address(row.uri):
        return None
    path = Path(file_of(row.uri))
    try:
        about = path.lstat()
        return path if stat.S_ISREG(about.st_mode) and about.st_size <= MOST else None
    except (OSError, ValueError):
        return None


def add_original_route(api: "FastAPI", sources: "Callable[[], list[StoredSource]]") -> None:
    """Give the original of one of the `sources` out at ``GET /original``: 404 unless it is byte for byte what was
    read."""
    from typing import Annotated

    from fastapi import Query
    from fastapi.responses import Response

    @api.get("/original")
    def give(source: Annotated[int, Query(ge=0, lt=2**63)]) -> Response:
        row = next((row for row in sources() if row.id == source), None)
        path = original_of(row) if row else None
        if row is None or path is None:
            return Response(status_code=404)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(handle, "rb") as file:
                content = file.read(MOST)
        except OSError:
            return Response(status_code=404)
        if not row.sha256.startswith(hashlib.sha256(content).hexdigest()):
            return Response(status_code=404)
        name = quote(path.name, errors="replace")
        disposition = f"attachment; filename*=UTF-8''{name}"
        return Response(
            content, media_type="application/octet-stream", headers={**_HEADERS, "content-disposition": disposition}
        )
