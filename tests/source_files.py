"""Files of sources made in the tests, and what becomes of them when they are read."""

import os
import subprocess
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from retrieval.sources import SourceLimits, read_documents
from retrieval.types import Document, SourceError


def pdf(*pages: str, title: str = "", raw: bytes | None = None) -> bytes:
    """A small PDF; each page holds lines of text, or the `raw` content stream."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for page in pages:
        lines = "".join(f"({line}) Tj T*\n" for line in page.split("\n")) if page else ""
        stream = zlib.compress(raw if raw is not None else f"BT /F 12 Tf 14 TL 50 700 Td\n{lines}ET".encode())
        objects.append(b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R"
            b"/Resources<</Font<</F 3 0 R>>>>>>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(kids))
    objects.append(b"<</Title(%s)>>" % title.encode())
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    table = b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    trailer = b"trailer<</Size %d/Root 1 0 R/Info %d 0 R>>" % (len(objects) + 1, len(objects))
    return out + table + trailer + b"\nstartxref\n%d\n%%%%EOF" % len(out)


def read(folder: Path, name: str, data: bytes, limits: SourceLimits | None = None) -> Document:
    (folder / name).write_bytes(data)
    [document] = read_documents(folder / name, limits=limits or SourceLimits())
    return document


def refusal(folder: Path, name: str, data: bytes, limits: SourceLimits | None = None) -> str:
    with pytest.raises(SourceError) as caught:
        read(folder, name, data, limits)
    message = str(caught.value)
    assert message.startswith(str(folder / name))
    assert "\n" not in message
    return message


def sections(document: Document) -> list[tuple[tuple[str, ...], str]]:
    return [(section.headings, document.text[section.start : section.end]) for section in document.sections]


@contextmanager
def deep_folder(path: Path, depth: int, name: str) -> Iterator[None]:
    """Folders called `name`, one in the other, with a text in the last, for the time of a with block."""
    path.mkdir()
    place = os.open(path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=place)
        inner = os.open(name, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    file = os.open("deep.txt", os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=place)
    os.write(file, b"Deep text lies here.\n")
    os.close(file)
    os.close(place)
    try:
        yield
    finally:
        subprocess.run(["rm", "-rf", str(path)], check=True)  # what Python 3.11 takes apart by recursion
