"""PDFs as people have them: columns, tables, forms, running headers, what goes on overleaf, scans."""

import io
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from retrieval.sources.filetypes import DEFAULT_LIMITS
from retrieval.sources.pdf import read_pdf
from retrieval.types import Document, SourceError

BREAD = (
    "The oven of the common bakehouse is fired with beech on the last Friday of the month. Dough may be brought from "
    "six in the morning, and each family has a mark which it cuts into its loaves before they go in. Whoever comes "
    "late bakes in the falling heat, which is best for cakes and for drying pears."
)
BELLS = (
    "Seven bells hang in the tower of the weavers' guild. The largest is rung when a member dies, and it was once "
    "heard as far away as the salt works. Their ropes were renewed by the sailors of the harbour, who took no money "
    "for the work but a barrel of cider and the right to ring on their own feast day."
)


def made(folder: Path, draw: Callable[[Canvas], None]) -> Document:
    """Draw a PDF and read it, in this process."""
    held = io.BytesIO()
    canvas = Canvas(held, pagesize=A4, invariant=1)
    draw(canvas)
    canvas.save()
    (folder / "a.pdf").write_bytes(held.getvalue())
    [(_, document)] = [item for item in read_pdf(folder / "a.pdf", DEFAULT_LIMITS) if item[1] is not None]
    assert document is not None
    return document


def lines(canvas: Canvas, x: float, y: float, rows: list[str], step: float = 13, size: float = 10) -> None:
    canvas.setFont("Helvetica", size)
    for number, row in enumerate(rows):
        canvas.drawString(x, y - step * number, row)


def told(document: Document) -> list[tuple[str, str]]:
    """The place and the text of each section."""
    return [(section.place, document.text[section.start : section.end]) for section in document.sections]


@pytest.mark.parametrize("shift", [0, 5])
@pytest.mark.parametrize("by_rows", [False, True])
def test_columns_are_read_one_by_one_however_they_are_drawn(tmp_path: Path, by_rows: bool, shift: float) -> None:
    left, right = textwrap.wrap(BREAD, 44), textwrap.wrap(BELLS, 44)

    def draw(canvas: Canvas) -> None:
        if by_rows:
            for number, pair in enumerate(zip(left, right, strict=False)):
                lines(canvas, 60, 700 - 13 * number, [pair[0]])
                lines(canvas, 320, 700 - shift - 13 * number, [pair[1]])
            rest = min(len(left), len(right))
            lines(canvas, 60, 700 - 13 * rest, left[rest:])
            lines(canvas, 320, 700 - shift - 13 * rest, right[rest:])
        else:
            lines(canvas, 60, 700, left)
            lines(canvas, 320, 700 - shift, right)

    assert made(tmp_path, draw).text == f"{BREAD}\n\n{BELLS}"


def test_a_sentence_goes_on_in_the_next_column_and_on_the_next_page(tmp_path: Path) -> None:
    pages = [
        "Flax was grown on the terraces above the lake until the dam was built. The mill that broke it was moved to "
        "the museum, where it is shown by the grand-",
        "daughter of the last miller. Linen from the valley was sold in Ghent.",
    ]

    def draw(canvas: Canvas) -> None:
        for number, words in enumerate(pages, start=1):
            lines(canvas, 60, 805, ["Notes on the valley, third edition"], size=8)
            lines(canvas, 60, 700, textwrap.wrap(words, 80))
            lines(canvas, 500, 30, [f"Page {number} of 2"], size=8)
            canvas.showPage()

    document = made(tmp_path, draw)
    assert told(document) == [
        ("p. 1", "Flax was grown on the terraces above the lake until the dam was built."),
        (
            "p. 1–2",
            "The mill that broke it was moved to the museum, where it is shown by the granddaughter of "
            "the last miller.",
        ),
        ("p. 2", "Linen from the valley was sold in Ghent."),
        ("p. 1, header and footer", "Notes on the valley, third edition"),
    ]
    assert document.title == "Notes on the valley, third edition"


ROWS = [("Harbour", "Depth", "Berths"), ("North basin", "4.2 m", "38"), ("Old dock", "2.9 m", "12")]
LINES = ["Harbour: North basin | Depth: 4.2 m | Berths: 38", "Harbour: Old dock | Depth: 2.9 m | Berths: 12"]


@pytest.mark.parametrize("ruled", [False, True])
def test_rows_of_a_table_name_their_columns(tmp_path: Path, ruled: bool) -> None:
    def draw(canvas: Canvas) -> None:
        for number, row in enumerate(ROWS):
            for x, cell in zip((64, 204, 294), row, strict=True):
                lines(canvas, x, 700 - 20 * number, [cell])
        for x in (60, 200, 290, 380) if ruled else ():
            canvas.line(x, 714, x, 654)
        for y in (714, 694, 674, 654) if ruled else ():
            canvas.line(60, y, 380, y)
        lines(canvas, 60, 600, ["Boats longer than nine metres ask the harbour master first."])

    text = made(tmp_path, draw).text
    assert [line for line in text.split("\n") if line] == [
        *LINES,
        "Boats longer than nine metres ask the harbour master first.",
    ]


def test_a_merged_cell_counts_in_all_rows_that_it_covers(tmp_path: Path) -> None:
    cells = [["Season", "Day", "Opens"], ["Summer", "Saturday", "8:30"], ["", "Sunday", "10:15"]]

    def draw(canvas: Canvas) -> None:
        for number, row in enumerate(cells):
            for x, cell in zip((64, 164, 264), row, strict=True):
                lines(canvas, x, 690 - 20 * number - 10 * (cell == "Summer"), [cell])
        for x in (60, 160, 260, 360):
            canvas.line(x, 704, x, 644)
        for y in (704, 684, 644):
            canvas.line(60, y, 360, y)
        canvas.line(160, 664, 360, 664)

    assert made(tmp_path, draw).text.split("\n\n") == [
        "Season: Summer | Day: Saturday | Opens: 8:30",
        "Season: Summer | Day: Sunday | Opens: 10:15",
    ]


def test_values_stand_beside_what_they_are_of(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        form = canvas.acroForm
        for number, (label, value) in enumerate([("Weight", "18 tonnes"), ("Largest load", "6 tonnes")]):
            lines(canvas, 60, 780 - 22 * number, [label])
            lines(canvas, 160, 780 - 22 * number, ["." * 30])
            lines(canvas, 330, 780 - 22 * number, [value])
        lines(canvas, 60, 700, ["Name of the crew:"])
        form.textfield(name="crew", x=200, y=694, width=200, height=20, value="Blue team")
        lines(canvas, 60, 650, ["Village"])
        form.textfield(name="f2", x=60, y=622, width=200, height=20, value="Upper Sandrigg")
        form.checkbox(name="boat", x=60, y=580, size=14, checked=True)
        lines(canvas, 80, 583, ["Own boat"])
        form.textfield(name="remarks", x=60, y=400, width=200, height=20, value="none")
        canvas.textAnnotation("The fee is still missing.", Rect=(500, 500, 520, 520))

    text = made(tmp_path, draw).text
    assert [line for line in text.split("\n") if line] == [
        "Weight: 18 tonnes",
        "Largest load: 6 tonnes",
        "Name of the crew: Blue team",
        "Village: Upper Sandrigg",
        "Own boat: yes",
        "remarks: none",
        "Comment: The fee is still missing.",
    ]


def test_bookmarks_and_large_letters_are_headings_and_pages_have_their_labels(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        canvas.addPageLabel(0, style="ROMAN_LOWER", start=3)
        canvas.addPageLabel(1, style="ARABIC", start=1, prefix="A-")
        canvas.setFont("Helvetica-Bold", 20)
        canvas.drawString(60, 760, "Rules of the sluice")
        lines(canvas, 60, 700, textwrap.wrap(BREAD, 80))
        canvas.showPage()
        canvas.bookmarkPage("locks")
        canvas.addOutlineEntry("Locks", "locks", 0)
        lines(canvas, 60, 700, ["Locks", "", *textwrap.wrap(BELLS, 80)])

    document = made(tmp_path, draw)
    assert document.title == "Rules of the sluice"
    assert [(section.headings, section.place) for section in document.sections] == [
        ((), "p. iii"),
        (("Locks",), "p. A-1"),
    ]


def test_numbered_items_stay_apart_and_turned_pages_are_read(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 700, ["1.", "2.", "3."], step=20)
        lines(canvas, 90, 700, ["Close the valve.", "Drain the pipe into the bucket.", "Open the tap."], step=20)
        canvas.showPage()
        canvas.saveState()
        canvas.translate(120, 120)
        canvas.rotate(90)
        lines(canvas, 0, 0, ["The spare key hangs behind the clock."])
        canvas.restoreState()

    assert [text for _, text in told(made(tmp_path, draw))] == [
        "1. Close the valve.\n\n2. Drain the pipe into the bucket.\n3. Open the tap.",
        "The spare key hangs behind the clock.",
    ]


def test_an_empty_pdf_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="its pages are empty"):
        made(tmp_path, lambda canvas: canvas.showPage())


def test_without_recognition_a_scan_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.sources.ocr.is_installed", lambda: False)
    with pytest.raises(SourceError, match=r"candor\[ocr\]"):
        made(tmp_path, lambda canvas: canvas.rect(60, 60, 200, 200, fill=1))


def test_a_letterhead_stands_beside_its_figures_and_above_another_table(tmp_path: Path) -> None:
    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 780, ["Nye & Daughter", "2 Pipers Row, Wexley"])
        lines(canvas, 350, 780, ["Invoice no.", "Date", "Your order", "Due"])
        lines(canvas, 440, 780, ["HN-204", "17 October 2023", "PO 77", "16 November 2023"])
        for x, column in (
            (60, ["Pos.", "1", "2"]),
            (100, ["Work", "Glass, cut", "Putty"]),
            (330, ["Price", "14.20", "9.80"]),
        ):
            lines(canvas, x, 660, column, step=16)

    text = made(tmp_path, draw).text
    assert "Invoice no.: HN-204\n" in text
    assert "Due: 16 November 2023" in text
    assert "Pos.: 2 | Work: Putty | Price: 9.80" in text
    assert "Row, Wexley |" not in text


def test_ragged_lines_are_joined_and_lines_that_end_early_are_not(tmp_path: Path) -> None:
    ragged = [
        "The footbridge at Pinder is closed until 14",
        "June. Walkers cross by the weir, where a rope has",
        "been put up.",
    ]
    listed = ["Present: Ada, Bo", "The lease of the boat shed costs 610 pounds.", "Cy orders the paint."]

    def draw(canvas: Canvas) -> None:
        lines(canvas, 60, 700, ragged)
        lines(canvas, 60, 600, listed)

    text = made(tmp_path, draw).text
    assert "until 14 June." in text
    assert "Present: Ada, Bo\n" in text
