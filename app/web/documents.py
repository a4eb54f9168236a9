"""The route by which documents come.

The bytes themselves come, under a name; no path is ever taken from a page.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import AppError
from app.web.health import trouble
from retrieval.sources import SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from app.web.undo import Undo
    from app.web.uploads import Uploads

UPLOAD_LIMIT: Final = 20 * 2**20  # bytes
KINDS: Final = ",".join(sorted({end for suffix in SUFFIXES for end in (suffix, Path(suffix).suffix)}))  # last ends too


def add_document_route(api: "FastAPI", mine: "Callable[[], Uploads]", folder: Path, undo: "Undo") -> None:
    """Take documents in at ``POST /documents``: 409 where the name is taken, and `taken` does not say what to do.

    `mine` gives the uploads of who asks.
    """
    from fastapi import Request
    from fastapi.responses import JSONResponse
    from starlette.concurrency import run_in_threadpool

    from app.web.uploads import Choice, NameTaken, checked_name

    async def refused(request: Request, status: int, words: str) -> JSONResponse:
        async for _ in request.stream():  # who still sends reads no answer
            pass
        return JSONResponse({"error": words}, status)

    @api.post("/documents")
    async def receive(request: Request, name: str = "", taken: Choice = "ask") -> JSONResponse:
        try:
            uploads = mine()
            name = checked_name(name)
            if problem := await run_in_threadpool(trouble, folder, UPLOAD_LIMIT):
                return await refused(request, 507, problem)
            await run_in_threadpool(undo.close, "source")  # what is being removed has no claim to its name
            received = await run_in_threadpool(uploads.receive)
        except AppError as error:
            return await refused(request, 422, str(error))
        try:
            size = 0
            with received.open("wb") as file:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= UPLOAD_LIMIT:
                        await run_in_threadpool(file.write, chunk)
            if size > UPLOAD_LIMIT:
                return JSONResponse({"error": f"it is larger than {UPLOAD_LIMIT >> 20} MB"}, 413)
            return JSONResponse({"name": await run_in_threadpool(uploads.add, received, name, taken)})
        except NameTaken as error:
            return JSONResponse({"error": str(error), "taken": name}, 409)
        except OSError as error:
            return JSONResponse({"error": f"it cannot be stored: {error.strerror}; free some space on the disk"}, 507)
        finally:
            received.unlink(missing_ok=True)
