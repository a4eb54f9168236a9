"""Awkward PDFs, Word files, slides and pages read by Candor and by the libraries that could take its readers' place.

    python benchmarks/formats.py --peers PYTHON --out benchmarks/results/formats.json

PYTHON is that of an environment with pypdf, pdfplumber, pypdfium2, mammoth, docx2python, python-docx, python-pptx,
trafilatura, beautifulsoup4 and markitdown[pdf,docx,pptx]. The files are made here, with facts that nobody knows. These
shares are told of what a reader of the file would call its text: `words` found at all, `sentences` found whole and in
one piece, as an answer has to quote them, `rows` of tables, forms and definitions found with all values on one line,
`named` those with the names of the columns beside them. `noise` counts what should not be there: page numbers, menus,
deleted text.
"""

import argparse
import io
import json
import re
import subprocess
import sys
import tempfile
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, TypeAlias

from retrieval.sources import read_documents
from retrieval.types import SourceError

Canvas: TypeAlias = Any
SHARES = ("words", "sentences", "rows", "named")

ONE = (
    "The lime kiln above the ford was last fired in the spring of 1938. It took nine days to burn a charge, and the "
    "men slept beside it in turns so that the draught was never lost. The lime went to the tannery by cart."
)
TWO = (
    "A bridge of larch was thrown across the gorge after the flood. Its builder came from the shipyards, which is why "
    "it has a keel. The toll was one egg for each person, and two for a person with a mule."
)


@dataclass(frozen=True)
class Case:
    """One file: what it says, in sentences and in rows of words, and what is no part of it."""

    name: str
    data: bytes
    sentences: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...] = ()
    noise: tuple[str, ...] = ()


def split(text: str) -> tuple[str, ...]:
    return tuple(re.split(r"(?<=\.) ", text))


def pdf(draw: Callable[[Canvas], None]) -> bytes:
    from reportlab.pdfgen import canvas as drawing

    held = io.BytesIO()
    canvas = drawing.Canvas(held, pagesize=(595, 842), invariant=1)
    draw(canvas)
    canvas.save()
    return held.getvalue()


def lines(canvas: Canvas, x: float, y: float, rows: Sequence[str], step: float = 13) -> None:
    canvas.setFont("Helvetica", 10)
    for number, row in enumerate(rows):
        canvas.drawString(x, y - step * number, row)


def columns(canvas: Canvas) -> None:
    for number, (left, right) in enumerate(zip_longest(textwrap.wrap(ONE, 42), textwrap.wrap(TWO, 42), fillvalue="")):
        lines(canvas, 60, 700 - 13 * number, [left])
        lines(canvas, 320, 700 - 13 * number, [right])


def headers(canvas: Canvas) -> None:
    words = f"{ONE} {TWO}".split()
    for number in range(4):
        part = words[number * len(words) // 4 : (number + 1) * len(words) // 4]
        lines(canvas, 60, 810, ["Valley papers, volume nine"])
        lines(canvas, 60, 700, textwrap.wrap(" ".join(part), 80))
        lines(canvas, 500, 30, [f"Page {number + 1} of 4"])
        canvas.showPage()


TABLE = (("Stone", "Weight", "Colour"), ("Basalt", "41 kg", "black"), ("Tuff", "17 kg", "ochre"))


def table(ruled: bool) -> Callable[[Canvas], None]:
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 760, textwrap.wrap(ONE, 85))
        for number, row in enumerate(TABLE):
            for x, cell in zip((64, 204, 294), row, strict=True):
                lines(canvas, x, 650 - 20 * number, [cell])
        for x in (60, 200, 290, 380) if ruled else ():
            canvas.line(x, 664, x, 604)
        for y in (664, 644, 624, 604) if ruled else ():
            canvas.line(60, y, 380, y)

    return draw


def form(canvas: Canvas) -> None:
    for number, (label, value) in enumerate((("Name of the mill", "Lower Tarn"), ("Pairs of stones", "three"))):
        lines(canvas, 60, 700 - 40 * number, [label])
        canvas.acroForm.textfield(name=f"f{number}", x=200, y=694 - 40 * number, width=150, height=20, value=value)


def pdfs() -> list[Case]:
    text = (*split(ONE), *split(TWO))
    named = tuple(tuple(cell for pair in zip(TABLE[0], row, strict=True) for cell in pair) for row in TABLE[1:])
    return [
        Case("columns.pdf", pdf(columns), text),
        Case("headers.pdf", pdf(headers), text, noise=("Page 2 of 4", "Page 3 of 4")),
        Case("ruled.pdf", pdf(table(True)), split(ONE), named),
        Case("aligned.pdf", pdf(table(False)), split(ONE), named),
        Case("form.pdf", pdf(form), (), (("Name of the mill", "Lower Tarn"), ("Pairs of stones", "three"))),
    ]


def words() -> Case:
    import docx
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    file = docx.Document()
    for text in (ONE, TWO):
        file.add_paragraph(text)
    file.sections[0].header.paragraphs[0].text = "Register of kilns, sheet 12."
    paragraph = file.add_paragraph("The ford is ")
    file.add_comment(paragraph.runs, text="Check the depth in March.", author="Eva Lind")
    for xml in (
        "<w:del><w:r><w:delText>shallow</w:delText></w:r></w:del>",
        "<w:ins><w:r><w:t>deep.</w:t></w:r></w:ins>",
    ):
        paragraph._p.append(parse_xml(xml.replace(">", f" {nsdecls('w')} w:id='5'>", 1)))
    box = "<w:txbxContent><w:p><w:r><w:t>Mules wait at the upper gate.</w:t></w:r></w:p></w:txbxContent>"
    spaces = f"{nsdecls('w')} xmlns:v='urn:schemas-microsoft-com:vml'"
    shape = f"<w:r {spaces}><w:pict><v:shape><v:textbox>{box}</v:textbox></v:shape></w:pict></w:r>"
    file.add_paragraph()._p.append(parse_xml(shape))
    grid = file.add_table(3, 3)
    for row, cells in zip(grid.rows, TABLE, strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    held = io.BytesIO()
    file.save(held)
    more = (
        "Register of kilns, sheet 12.",
        "The ford is deep.",
        "Check the depth in March.",
        "Mules wait at the upper gate.",
    )
    named = tuple(tuple(cell for pair in zip(TABLE[0], row, strict=True) for cell in pair) for row in TABLE[1:])
    return Case("file.docx", held.getvalue(), (*split(ONE), *split(TWO), *more), named, ("shallow",))


def deck() -> Case:
    import pptx

    file = pptx.Presentation()
    slide = file.slides.add_slide(file.slide_layouts[1])
    slide.shapes.title.text = "The bridge"
    slide.placeholders[1].text = ONE
    slide.notes_slide.notes_text_frame.text = TWO
    held = io.BytesIO()
    file.save(held)
    return Case("deck.pptx", held.getvalue(), (*split(ONE), *split(TWO)))


def page() -> Case:
    menu = "".join(f"<li><a href='/{word}'>{word}</a></li>" for word in ("Sluices", "Weirs", "Leats", "Tickets"))
    cells = "".join(
        "<tr>" + "".join(f"<{'td' if number else 'th'}>{cell}</{'td' if number else 'th'}>" for cell in row) + "</tr>"
        for number, row in enumerate(TABLE)
    )
    html = (
        "<html><head><title>Kilns</title></head><body>"
        "<div class='cookie-bar'>We use cookies. <button>Accept</button></div>"
        f"<header><ul class='menu'>{menu}</ul></header><main><h1>Kilns</h1><p>{ONE}</p><p>{TWO}</p>"
        f"<table>{cells}</table><dl><dt>Draught</dt><dd>air that feeds a fire</dd></dl></main>"
        f"<footer><ul>{menu}</ul><address>Kiln Office, 8 Ford Row<br>Telephone 01632 960808</address></footer>"
        "</body></html>"
    )
    named = tuple(tuple(cell for pair in zip(TABLE[0], row, strict=True) for cell in pair) for row in TABLE[1:])
    said = (*split(ONE), *split(TWO), "Telephone 01632 960808", "Kiln Office, 8 Ford Row")
    rows = (*named, ("Draught", "air that feeds a fire"))
    return Case("page.html", html.encode(), said, rows, ("We use cookies", "Sluices"))


PEERS = {
    "pypdf": ("pdf", "import pypdf; print('\\n'.join(p.extract_text() for p in pypdf.PdfReader(path).pages))"),
    "pdfplumber": (
        "pdf",
        "import pdfplumber; print('\\n'.join(p.extract_text() for p in pdfplumber.open(path).pages))",
    ),
    "pypdfium2": (
        "pdf",
        "import pypdfium2; print('\\n'.join(p.get_textpage().get_text_range() for p in pypdfium2.PdfDocument(path)))",
    ),
    "python-docx": ("docx", "import docx; print('\\n'.join(p.text for p in docx.Document(path).paragraphs))"),
    "mammoth": ("docx", "import mammoth; print(mammoth.extract_raw_text(open(path, 'rb')).value)"),
    "docx2python": ("docx", "from docx2python import docx2python; print(docx2python(path).text)"),
    "python-pptx": (
        "pptx",
        "import pptx; print('\\n'.join(x.text_frame.text for s in pptx.Presentation(path).slides for x in s.shapes))",
    ),
    "trafilatura": (
        "html",
        "import trafilatura; print(trafilatura.extract(open(path).read(), include_tables=True, favor_recall=True))",
    ),
    "beautifulsoup4": (
        "html",
        "import bs4; print(bs4.BeautifulSoup(open(path).read(), 'html.parser').get_text('\\n'))",
    ),
    "markitdown": (
        "pdf docx pptx html",
        "import markitdown; print(markitdown.MarkItDown().convert(path).text_content)",
    ),
}


def by_peer(python: str, code: str, path: Path) -> str:
    """Return what a library reads, empty where it fails."""
    command = [python, "-c", f"import sys; path = sys.argv[1]\n{code}", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300).stdout


def by_candor(path: Path) -> str:
    try:
        return "\n\n".join(document.text for document in read_documents(path))
    except SourceError:
        return ""


def judged(case: Case, text: str) -> dict[str, float]:
    """Return the shares of a file that a text holds."""
    plain = " ".join(text.split())
    once = dict.fromkeys(cell for row in case.rows for cell in row)
    wanted = Counter(re.findall(r"\w+", " ".join((*case.sentences, *once))))
    found = Counter(re.findall(r"\w+", plain))
    shares = {"words": sum((wanted & found).values()) / max(1, sum(wanted.values()))}
    if case.sentences:
        shares["sentences"] = sum(sentence in plain for sentence in case.sentences) / len(case.sentences)
    if case.rows:
        lines = text.split("\n")
        values = [row[1::2] if len(row) > 2 else row for row in case.rows]
        for name, rows in (("rows", values), ("named", case.rows)):
            shares[name] = sum(any(all(cell in line for cell in row) for line in lines) for row in rows) / len(rows)
    return {**shares, "noise": sum(noise in plain for noise in case.noise)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peers", default=sys.executable, help="the Python that has the other libraries")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "formats.json")
    options = parser.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    print(f"{'file':14}{'reader':16}" + "".join(f"{share:>11}" for share in SHARES) + f"{'noise':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for case in (*pdfs(), words(), deck(), page()):
            path = Path(folder) / case.name
            path.write_bytes(case.data)
            kind = path.suffix[1:]
            readers: dict[str, Callable[[], str]] = {"candor": lambda path=path: by_candor(path)}
            for name, (kinds, code) in PEERS.items():
                if kind in kinds.split():
                    readers[name] = lambda code=code, path=path: by_peer(options.peers, code, path)
            for name, reader in readers.items():
                shares = results.setdefault(case.name, {})[name] = judged(case, reader())
                cells = [f"{shares[key]:.2f}" if key in shares else "-" for key in SHARES]
                told = "".join(f"{cell:>11}" for cell in cells)
                print(f"{case.name:14}{name:16}{told}{shares['noise']:>7.0f}", flush=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
