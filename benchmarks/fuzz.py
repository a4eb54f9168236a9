"""Mutated files of every kind: no reader crashes, hangs or eats memory, and each failure is one clear line.

    python benchmarks/fuzz.py --files 2000 --out benchmarks/results/fuzz.json

Small files of each kind are made here or taken from a folder, and spoilt with a fixed seed: bytes changed, pieces cut
out, repeated or put in from another file; inside of ZIP files also their parts. Each is read as `candor ingest` reads
it, under the limits of a parser, in a fork of this process: starting an interpreter for each would take most of the
time. Told are the outcomes by kind, the longest time, and the highest memory of a reader.
"""

import argparse
import io
import json
import os
import random
import resource
import signal
import struct
import tempfile
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from formats import deck, page, pdfs, words

from retrieval.sources import SUFFIXES, SourceLimits, reader, suffix_of
from retrieval.types import SourceError

LIMITS = SourceLimits(cpu_seconds=20, wall_seconds=120, max_recognised=0)
CLEAR = 400  # characters of a line that says what is wrong


TEXTS = {
    "a.md": "# Kilns\n\n| Stone | Weight |\n|---|---|\n| Tuff | 17 kg |\n\n- one\n- two\n\n<div>raw</div>\n",
    "a.txt": "The kiln was last fired in 1938.\n\nQ: Who owns it?\nA: The ford council.\n",
    "a.csv": 'sep=;\nStone;Weight\nTuff;17 kg\n"Basalt; black";41 kg\n',
    "a.json": '{"kiln": {"name": "Ford", "years": [1931, 1938]}, "toll": "one egg"}',
    "a.jsonl": '{"id": 1, "text": "The kiln stands."}\n{"id": 2, "text": "The ford is deep."}\n',
    "a.yaml": "kiln:\n  name: Ford  # the lower one\n  years: [1931, 1938]\n",
    "a.toml": '[kiln]\nname = "Ford"\n\n[[stones]]\nname = "tuff"\n',
    "a.ini": "[kiln]\nname=Ford\n; the lower one\n",
    "a.py": 'KILN = 1938\n\n\ndef fire(days: int) -> None:\n    """Burn a charge."""\n',
    "a.eml": "From: a@ford.example\nTo: b@ford.example\nSubject: Kiln\n\nThe kiln is cold.\n\n> Is it hot?\n",
    "a.ics": "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20240629T093000\nSUMMARY:Firing\nEND:VEVENT\nEND:VCALENDAR\n",
    "a.vcf": "BEGIN:VCARD\nVERSION:3.0\nFN:Ford Kiln\nTEL:01632 960808\nEND:VCARD\n",
    "a.srt": "1\n00:00:01,000 --> 00:00:04,000\nThe kiln was fired\n\n2\n00:00:04,000 --> 00:00:06,000\nin 1938.\n",
    "a.rtf": "{\\rtf1\\ansi The kiln was {\\b last} fired in 1938.\\par It is cold.}",
    "a.ipynb": '{"cells": [{"cell_type": "markdown", "source": ["# Kilns\\n", "They burn lime."]}, '
    '{"cell_type": "code", "source": "print(19)", "outputs": [{"text": ["19"]}]}], "nbformat": 4}',
    "a.vtt": "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Ada>The kiln was fired\n\n00:03.000 --> 00:05.000\nin 1938.\n",
    "a.mbox": "From a\nFrom: a@ford.example\nSubject: Kiln\n\nIt is cold.\n\nFrom b\nFrom: b@ford.example\n\n> Cold?\n",
    "a.tex": "\\documentclass{article}\\begin{document}\\section{Kilns}The kiln was fired.\\end{document}",
}


def workbook() -> bytes:
    """Return a workbook with merged cells, dates, a formula and a hidden sheet."""
    import openpyxl

    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["Firings of the kiln"],
        ["Day", "Charge", "Share"],
        [date(2024, 5, 3), "tuff", 0.4],
        ["", "=1+1", 0.6],
    ):
        sheet.append(row)
    sheet.merge_cells("A1:C1")
    sheet.column_dimensions["C"].hidden = True
    book.create_sheet("Old").sheet_state = "hidden"
    held = io.BytesIO()
    book.save(held)
    return held.getvalue()


def zipped(parts: dict[str, str]) -> bytes:
    """Return a ZIP file of these parts."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return held.getvalue()


def open_document(kind: str, body: str) -> bytes:
    """Return an OpenDocument file with this body."""
    names = {"office": "office", "text": "text", "table": "table", "draw": "drawing"}
    spaces = " ".join(f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{of}:1.0"' for name, of in names.items())
    content = f"<office:document-content {spaces}><office:body>{body}</office:body></office:document-content>"
    return zipped({"mimetype": f"application/vnd.oasis.opendocument.{kind}", "content.xml": content})


def open_text() -> bytes:
    note = "<text:note><text:note-body><text:p>By hand.</text:p></text:note-body></text:note>"
    head = '<text:h text:outline-level="1">Kilns</text:h>'
    return open_document("text", f"<office:text>{head}<text:p>It was last fired in 1938.{note}</text:p></office:text>")


def open_sheet() -> bytes:
    cells = ("<table:table-cell><text:p>%s</text:p></table:table-cell>" * 2) % ("Tuff", "17 kg")
    row = f'<table:table-row table:number-rows-repeated="3">{cells}</table:table-row>'
    table = f'<table:table table:name="Stones">{row}</table:table>'
    return open_document("spreadsheet", f"<office:spreadsheet>{table}</office:spreadsheet>")


def book() -> bytes:
    """Return a book of one page."""
    container = '<container><rootfiles><rootfile full-path="b.opf"/></rootfiles></container>'
    package = (
        '<package><metadata><title>Kilns</title></metadata><manifest><item id="c" href="c.xhtml"/></manifest>'
        '<spine><itemref idref="c"/></spine></package>'
    )
    page = "<html><body><h1>Kilns</h1><p>The kiln was last fired in 1938.</p></body></html>"
    return zipped({"META-INF/container.xml": container, "b.opf": package, "c.xhtml": page})


def outlook() -> bytes:
    """Return a message as Outlook saves it: a compound file of one short stream for each property.

    Its sectors are, in order: the table of sectors, the directory, the table of short sectors, the short sectors.
    """
    texts = {0x0037: "Kiln", 0x1000: "The kiln is cold.\r\nIt was last fired in 1938.", 0x0C1A: "Ada Ford"}
    streams = {f"__substg1.0_{tag:04X}001F": text.encode("utf-16-le") for tag, text in texts.items()}
    entries = b"".join(
        struct.pack("<HHII", 0x001F, tag, 6, len(text.encode("utf-16-le")) + 2) + bytes(4)
        for tag, text in texts.items()
    )
    streams["__properties_version1.0"] = bytes(32) + entries
    short, chains, starts = b"", list[int](), dict[str, int]()
    for name, data in streams.items():
        starts[name], count = len(chains), -(-len(data) // 64)
        chains += [*range(starts[name] + 1, starts[name] + count), _END]
        short += data.ljust(64 * count, b"\0")
    sectors = -(-len(short) // 512)
    names = sorted(streams, key=lambda name: (len(name), name.upper()))
    entry = [_entry("Root Entry", 5, 3, len(short), child=1)]
    for place, name in enumerate(names, start=1):
        right = place + 1 if place < len(names) else _NONE
        entry.append(_entry(name, 2, starts[name], len(streams[name]), right=right))
    directory = b"".join(entry).ljust(1024, b"\0")
    table = [0xFFFFFFFD, 3 + sectors, _END, *range(4, 3 + sectors), _END, _END]
    fat = struct.pack(f"<{len(table)}I", *table).ljust(512, b"\xff")
    minifat = struct.pack(f"<{len(chains)}I", *chains).ljust(512, b"\xff")
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<5H", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, 2, 1, _END, 0) + struct.pack("<I", 0) + b"\xff" * 432
    return head + fat + directory[:512] + minifat + short.ljust(512 * sectors, b"\0") + directory[512:]


_END, _NONE = 0xFFFFFFFE, 0xFFFFFFFF


def _entry(name: str, kind: int, start: int, size: int, child: int = _NONE, right: int = _NONE) -> bytes:
    """Return an entry of the directory of a compound file, 128 bytes."""
    called = name.encode("utf-16-le") + b"\0\0"
    head = called.ljust(64, b"\0") + struct.pack("<HBB3I", len(called), kind, 1, _NONE, right, child)
    return head + bytes(36) + struct.pack("<IQ", start, size)


def seeds(folder: Path | None) -> dict[str, bytes]:
    """Return the small files that are spoilt, by name."""
    made = {case.name: case.data for case in (*pdfs(), words(), deck(), page())}
    made |= {name: text.encode() for name, text in TEXTS.items()}
    made |= {"a.xlsx": workbook(), "a.odt": open_text(), "a.ods": open_sheet(), "a.msg": outlook(), "a.epub": book()}
    found = sorted(folder.iterdir()) if folder else []
    named = {path.name: path.read_bytes() for path in found if suffix_of(path) in SUFFIXES}
    return {**made, **{name: data for name, data in named.items() if len(data) < 200_000}}


def spoilt(data: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """Return a mutation of a file."""
    if data.startswith(b"PK\x03\x04") and dice.random() < 0.7:
        return _respoilt(data, dice, others)
    made = bytearray(data)
    for _ in range(dice.choice((1, 1, 2, 4, 16, 64))):
        if not made:
            break
        place, length = dice.randrange(len(made)), dice.choice((1, 2, 8, 64, 512))
        match dice.randrange(6):
            case 0:
                made[place] = dice.randrange(256)
            case 1:
                del made[place : place + length]
            case 2:
                made[place:place] = made[place : place + length] * dice.choice((1, 3, 50))
            case 3:
                other = dice.choice(others)
                start = dice.randrange(max(1, len(other)))
                made[place : place + length] = other[start : start + length]
            case 4:
                made[place : place + length] = bytes(dice.randrange(256) for _ in range(min(length, len(made))))
            case _:
                digits = [at for at in range(len(made)) if chr(made[at]).isdigit()][:2000]
                if digits:
                    made[dice.choice(digits)] = ord(dice.choice("0123456789-"))
    return bytes(made if dice.random() > 0.1 else made[: dice.randrange(len(made) + 1)])


def _respoilt(data: bytes, dice: random.Random, others: list[bytes]) -> bytes:
    """Return a ZIP file with one of its parts spoilt, which its checksum then covers."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {info.filename: archive.read(info) for info in archive.infolist()}
    name = dice.choice([name for name in parts if name.endswith((".xml", ".rels"))] or list(parts))
    parts[name] = spoilt(parts[name], dice, others)
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, content in parts.items():
            archive.writestr(other, content)
    return held.getvalue()


def outcome(path: Path) -> str:
    """Read a file; return ``read``, ``refused``, or what is wrong with how it was refused."""
    try:
        for _ in reader.read_documents(path, limits=LIMITS, refused=lambda error: None):
            pass
    except SourceError as error:
        line = str(error).removeprefix(f"{path}: ")
        return "refused" if line and "\n" not in line and len(line) <= CLEAR else f"unclear: {line[:80]}"
    except Exception as error:
        return f"crash: {type(error).__name__}: {error}"[:120]
    return "read"


def forked(path: Path) -> tuple[str, int]:
    """Return the outcome of reading a file in a fork, and the kilobytes that it held at most."""
    come, go = os.pipe()
    child = os.fork()
    if not child:
        try:
            resource.setrlimit(resource.RLIMIT_AS, (LIMITS.memory, LIMITS.memory))
            resource.setrlimit(resource.RLIMIT_CPU, (LIMITS.cpu_seconds, LIMITS.cpu_seconds))
            os.write(go, outcome(path).encode()[:1000])
        finally:
            os._exit(0)
    os.close(go)
    with os.fdopen(come, "rb") as pipe:
        said = pipe.read().decode()
    _, status, used = os.wait4(child, 0)
    stopped = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if stopped in (signal.SIGXCPU, signal.SIGKILL):
        said = "stopped by its limit of time"
    return said or f"process ended by signal {stopped}", used.ru_maxrss


def warm(folder: Path, files: dict[str, bytes]) -> None:
    """Read every file as it is, so that forks find libraries loaded. Raises SourceError where one is not read."""
    reader.parsed = reader._here  # a fork is the process of the parser
    for name, data in files.items():
        (folder / name).write_bytes(data)
        for _ in reader.read_documents(folder / name, limits=LIMITS):
            pass


def mutations(count: int, seed: int, files: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield names and mutations, file after file in turn."""
    dice = random.Random(seed)
    names, others = sorted(files), list(files.values())
    for number in range(count):
        name = names[number % len(names)]
        yield name, spoilt(files[name], dice, others)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--folder", type=Path, help="more small files to spoil")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "fuzz.json")
    options = parser.parse_args()
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    slowest, begun, peak = ("", 0.0), time.monotonic(), 0
    files = seeds(options.folder)
    with tempfile.TemporaryDirectory() as folder:
        warm(Path(folder), files)
        for number, (name, data) in enumerate(mutations(options.files, options.seed, files), start=1):
            path = Path(folder) / name
            path.write_bytes(data)
            start = time.monotonic()
            found, held = forked(path)
            peak = max(peak, held)
            took = time.monotonic() - start
            counts[SUFFIXES[suffix_of(path)]][found] += 1
            slowest = max(slowest, (name, took), key=lambda one: one[1])
            if found not in ("read", "refused"):
                print(f"{number}: {name}: {found}", flush=True)
    rows = {kind: dict(found) for kind, found in sorted(counts.items())}
    result = {
        "files": options.files,
        "seed": options.seed,
        "outcomes": rows,
        "slowest": {"file": slowest[0], "seconds": round(slowest[1], 1)},
        "peak_mb_of_a_reader": peak >> 10,
        "seconds": round(time.monotonic() - begun),
    }
    print(json.dumps(result, indent=1))
    options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
