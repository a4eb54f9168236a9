"""``/v1/sources``: the documents that replies can cite: listed, shown, searched, put in and taken out."""

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from app.api.callers import Caller, Sourcing
from app.api.errors import ApiError
from app.api.service import Service
from app.api.shapes import Json, as_bytes, evidence_of
from app.errors import AppError
from app.library.catalogue import StoredSource, file_of
from app.web.documents import UPLOAD_LIMIT
from app.web.gate import Refused
from app.web.health import trouble
from app.web.uploads import Choice, NameTaken, checked_name

if TYPE_CHECKING:
    from pathlib import Path as FilePath

UPLOADS_AT_ONCE: Final = 4
POLL: Final = 0.05  # seconds between two looks at whether a document has been read
LARGEST_ID: Final = 2**63 - 1
Id = Annotated[int, Path(ge=0, le=LARGEST_ID, description="the id of a source")]


def add_sources(router: APIRouter, service: Service) -> None:
    """Answer at ``/sources``."""
    slots = asyncio.Semaphore(UPLOADS_AT_ONCE)

    @router.get("/sources", tags=["Candor"], summary="List the sources", response_class=Response)
    def list_sources(
        asking: Sourcing,
        limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
        offset: Annotated[int, Query(ge=0, le=LARGEST_ID)] = 0,
    ) -> Response:
        rows = asking.sources()
        return _json({"object": "list", "total": len(rows), "data": [_row(r) for r in rows[offset : offset + limit]]})

    @router.get("/sources/search", tags=["Candor"], summary="Find passages", response_class=Response)
    async def search(
        asking: Sourcing,
        query: Annotated[str, Query(min_length=1, max_length=2000)],
        limit: Annotated[int, Query(ge=1, le=50)] = 8,
    ) -> Response:
        found = await service.call(lambda: asking.responder.retriever.search([query], limit))
        return _json({"object": "list", "data": [evidence_of(item) for item in found]})

    @router.get("/sources/{source:int}", tags=["Candor"], summary="One source with its text", response_class=Response)
    def one_source(source: Id, asking: Sourcing) -> Response:
        row = _found(asking, source)
        return _json({**_row(row), "text": service.bot.library.document(row.id).text})

    @router.delete("/sources/{source:int}", tags=["Candor"], summary="Remove a source", response_class=Response)
    async def remove(source: Id, asking: Sourcing) -> Response:
        if not asking.manages(await run_in_threadpool(_found, asking, source)):
            raise ApiError(403, "this source is for all: an admin may remove it", "not_yours")
        removed = await run_in_threadpool(service.bot.remove, source)
        await run_in_threadpool(asking.note, "source deleted", ", ".join(row.name for row in removed))
        return _json({"id": source, "object": "source.deleted", "deleted": True, "removed": [r.name for r in removed]})

    @router.post(
        "/sources",
        tags=["Candor"],
        summary="Put a document in",
        status_code=201,
        response_class=Response,
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
            }
        },
    )
    async def put(
        request: Request,
        asking: Sourcing,
        name: Annotated[str, Query(max_length=300, description="its file name, whose ending says what it is")],
        taken: Annotated[Choice, Query(description="what to do where there is a document of this name")] = "ask",
        wait: Annotated[float, Query(ge=0, le=300, description="seconds to wait until it is read")] = 60.0,
    ) -> Response:
        if slots.locked():
            raise ApiError(429, "too many uploads at once: try again", headers={"Retry-After": "2"})
        async with slots:
            name = await _received(asking, request, name, taken)
        return await _read(asking, name, wait)


async def _received(asking: Caller, request: Request, name: str, taken: Choice) -> str:
    """Store what is sent, have it read, and return the name it got. Raises ApiError."""
    try:
        name = checked_name(name)
        if problem := await run_in_threadpool(trouble, asking.service.folder, UPLOAD_LIMIT):
            raise ApiError(507, problem, "storage_unavailable")
        uploads = await run_in_threadpool(asking.uploads)
        received = await run_in_threadpool(uploads.receive)
    except AppError as error:
        raise ApiError(422, str(error), param="name") from None
    try:
        await _written(request, received)
        name = await run_in_threadpool(uploads.add, received, name, taken)
        await run_in_threadpool(asking.note, "source put in", name)
        return name
    except NameTaken as error:
        words = f"{error}: say taken=replace or taken=keep"
        raise ApiError(409, words, "name_taken", "name") from None
    except Refused as refused:
        raise ApiError(refused.status, str(refused), headers={"Connection": "close"}) from None
    except ClientDisconnect:
        raise ApiError(408, "the document did not arrive whole") from None
    except OSError as error:
        raise ApiError(507, f"it cannot be stored: {error.strerror}; free some space on the disk") from None
    finally:
        received.unlink(missing_ok=True)


async def _written(request: Request, received: "FilePath") -> None:
    with received.open("wb") as file:
        async for chunk in request.stream():
            await run_in_threadpool(file.write, chunk)


async def _read(asking: Caller, name: str, wait: float) -> Response:
    """Tell what became of a document: 201 with its sources, 202 while it waits. Raises ApiError where it failed."""
    uploads = asking.uploads()
    ends = asyncio.get_running_loop().time() + wait
    while True:
        row = next((row for row in uploads.rows() if row.name == name), None)
        if row is None:
            rows = await run_in_threadpool(asking.sources)
            own = [_row(each) for each in rows if file_of(each.name) == name]
            return _json({"object": "list", "name": name, "state": "read", "data": own}, 201)
        if row.state == "failed":
            raise ApiError(422, row.note, "unreadable")
        if asyncio.get_running_loop().time() >= ends:
            return _json({"object": "list", "name": name, "state": row.state, "data": []}, 202)
        await asyncio.sleep(POLL)


def _found(asking: Caller, source: int) -> StoredSource:
    row = next((row for row in asking.sources() if row.id == source), None)
    if row is None:
        raise ApiError(404, "there is no such source: GET /v1/sources lists them", "source_not_found")
    return row


def _row(row: StoredSource) -> Json:
    return {
        "id": row.id,
        "object": "source",
        "name": row.name,
        "title": row.title,
        "kind": row.kind,
        "bytes": row.bytes,
        "passages": row.passages,
        "dated": row.dated or None,
        "created_at": int(row.added_at.timestamp()),
    }


def _json(value: object, status: int = 200) -> Response:
    return Response(as_bytes(value), status, media_type="application/json")
