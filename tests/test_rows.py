"""Tables of every format come out as rows that name their columns, each of them one unit of its passage."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.html import from_html
from retrieval.markup import from_markdown
from retrieval.passages import cut
from retrieval.rows import Grid, cells, line, read_table
from retrieval.sources import read_documents
from retrieval.sources.typed import table_in
from retrieval.text import BAR, sentences

ROWS = [["Course", "Room", "Fee"], ["Pottery", "B2", "£40"], ["Weaving", "B4", "£35"]]
TOLD = ["Course: Pottery | Room: B2 | Fee: £40", "Course: Weaving | Room: B4 | Fee: £35"]


def read(path: Path) -> list[str]:
    [document] = read_documents(path, path.name)
    return [text for text in document.text.split("\n") if text]


def as_csv(path: Path) -> Path:
    path.write_text("\n".join(",".join(row) for row in ROWS), encoding="utf-8")
    return path


def as_markdown(path: Path) -> Path:
    marked = [ROWS[0], ["---"] * 3, *ROWS[1:]]
    path.write_text("\n".join(f"| {' | '.join(row)} |" for row in marked), encoding="utf-8")
    return path


def as_html(path: Path, head: str = "th") -> Path:
    rows = [[f"<{head}>{cell}</{head}>" for cell in ROWS[0]], *([f"<td>{c}</td>" for c in row] for row in ROWS[1:])]
    told = "".join("<tr>" + "".join(row) + "</tr>" for row in rows)
    path.write_text(f"<table>{told}</table>", encoding="utf-8")
    return path


def as_docx(path: Path) -> Path:
    from docx import Document

    file = Document()
    table = file.add_table(rows=0, cols=3)
    for row in ROWS:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text
    file.save(str(path))
    return path


def as_pptx(path: Path) -> Path:
    from pptx import Presentation
    from pptx.util import Inches

    file = Presentation()
    shapes = file.slides.add_slide(file.slide_layouts[6]).shapes
    table = shapes.add_table(3, 3, Inches(1), Inches(1), Inches(6), Inches(2)).table
    for number, row in enumerate(ROWS):
        for column, text in enumerate(row):
            table.cell(number, column).text = text
    file.save(str(path))
    return path


def as_wiki(path: Path) -> Path:
    head, *rest = ROWS
    text = "\n".join(["{|", "! " + " !! ".join(head), *("|-\n| " + " || ".join(row) for row in rest), "|}"])
    page = f"<page><title>T</title><ns>0</ns><revision><text>{text}</text></revision></page>"
    path.write_text(f"<mediawiki>{page}</mediawiki>", encoding="utf-8")
    return path


WRITERS = {"csv": as_csv, "md": as_markdown, "html": as_html, "docx": as_docx, "pptx": as_pptx}


@pytest.mark.parametrize("kind", WRITERS)
def test_a_table_reads_the_same_in_every_format(tmp_path: Path, kind: str) -> None:
    assert read(WRITERS[kind](tmp_path / f"courses.{kind}")) == TOLD


def test_a_table_of_a_wiki_reads_the_same(tmp_path: Path) -> None:
    [document] = read_documents(as_wiki(tmp_path / "dump.xml"), "dump.xml")
    assert [text for text in document.text.split("\n") if text] == TOLD


def test_a_first_row_is_a_head_without_saying_so_where_figures_stand_below_its_words(tmp_path: Path) -> None:
    assert read(as_html(tmp_path / "courses.html", head="td")) == TOLD


def test_a_table_without_names_stays_as_it_is() -> None:
    page = "<table><tr><td>Phone</td><td>20 44</td></tr><tr><td>Fax</td><td>20 45</td></tr></table>"
    assert from_html(page, "a", "a").text == "Phone | 20 44\nFax | 20 45"


def test_a_title_row_is_not_taken_for_the_names(tmp_path: Path) -> None:
    path = tmp_path / "herbs.csv"
    path.write_text("Herbs of the greenhouse,,\nBed,Herb,Pots\nNorth,Basil,12\n,Chervil,9\nSouth,Dill,4\n")
    [document] = read_documents(path, path.name)
    assert document.title == "Herbs of the greenhouse"
    assert read(path) == [
        "Bed: North | Herb: Basil | Pots: 12",
        "Bed: North | Herb: Chervil | Pots: 9",
        "Bed: South | Herb: Dill | Pots: 4",
    ]


def test_an_empty_cell_that_is_no_group_stays_empty() -> None:
    table = read_table((row, False) for row in [["A", "1", "x"], ["", "2", "y"], ["A", "3", ""], ["B", "", "z"]])
    assert table is not None
    assert table.lines == ["A | 1 | x", "2 | y", "A | 3", "B | z"]


def test_a_second_table_has_its_own_names(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Ward,Beds\nElm,12\nOak,9\n\nNurse,Shift,Hours\nAda,night,8\nBo,day,7\n\nCy,day,6\n")
    assert read(path) == [
        *("Ward: Elm | Beds: 12", "Ward: Oak | Beds: 9"),
        *("Nurse: Ada | Shift: night | Hours: 8", "Nurse: Bo | Shift: day | Hours: 7"),
        "Nurse: Cy | Shift: day | Hours: 6",
    ]


def test_merged_cells_count_in_all_rows_and_columns_they_cover() -> None:
    page = (
        "<table><thead><tr><th rowspan=2>Ward<th colspan=2>Visits</tr><tr><th>from</th><th>to</th></tr></thead>"
        "<tr><td rowspan=2>Elm</td><td>9 a.m.</td><td>11 a.m.</td></tr><tr><td>2 p.m.</td><td>4 p.m.</td></tr>"
        "<tr><td>Oak</td><td colspan=2>never</td></tr><tr><td colspan=3>Ring the bell.</td></tr></table>"
    )
    assert [told for told in from_html(page, "a", "a").text.split("\n") if told] == [
        "Ward: Elm | Visits from: 9 a.m. | Visits to: 11 a.m.",
        "Ward: Elm | Visits from: 2 p.m. | Visits to: 4 p.m.",
        "Ward: Oak | Visits from: never | Visits to: never",
        "Ring the bell.",
    ]


def test_a_grid_begun_anew_remembers_nothing() -> None:
    grid = Grid()
    for text in ("a", "b"):
        grid.begin()
        grid.open(down=5)
        grid.fill(text)
        assert grid.taken() == [([text], False)]


def test_a_row_is_one_unit_whatever_stands_in_its_cells() -> None:
    text = "| When | What |\n|---|---|\n| 9 a.m. Sharp! Then | Roll call; see No. 4. Bring a coat |\n| 8 | Rest |"
    document = from_markdown(text, "a", "a")
    told = [document.text[start:end] for start, end in sentences(document.text)]
    assert told == ["When: 9 a.m. Sharp! Then | What: Roll call; see No. 4. Bring a coat", "When: 8 | What: Rest"]


CELL = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=20)


@given(st.lists(st.lists(CELL, min_size=2, max_size=4), min_size=1, max_size=12))
def test_passages_hold_rows_whole_and_repeat_nothing(table: list[list[str]]) -> None:
    held = [told for row in table if (told := line((), cells(row)).strip())]
    document = from_markdown("# T\n\n" + "\n\n".join(f"```\n{told}\n```" for told in held), "a", "a")
    passages = cut(document)
    assert all(document.text[p.start : p.end] == p.text for p in passages)
    rows = [told for told in document.text.split("\n") if BAR in told]
    found = [p.text[start:end] for p in passages for start, end in sentences(p.text)]
    assert [told for told in found if BAR in told] == [told.strip() for told in rows]


@pytest.mark.parametrize(
    "rows",
    [
        [["", "Single", "Single", "Return", "Return"], ["", "Adult", "Child", "Adult", "Child"]],  # merged, as in Word
        [["", "Single", "", "Return", ""], ["", "Adult", "Child", "Adult", "Child"]],  # as in CSV
    ],
)
def test_two_rows_name_columns_together_by_their_form(rows: list[list[str]]) -> None:
    table = read_table(
        (row, False) for row in [*rows, ["Eday", "5.10", "2.55", "9.70", "4.85"], ["Total", "9", "", "", ""]]
    )
    assert table is not None
    row = "Eday | Single Adult: 5.10 | Single Child: 2.55 | Return Adult: 9.70 | Return Child: 4.85"
    assert table.lines == [row, "Total | Single Adult: 9"]


def test_a_total_is_no_value_of_its_column() -> None:
    table = read_table(
        (row, False) for row in [["Stand", "Queen", "Honey"], ["Mill", "2023", "24"], ["", "Total", "51"]]
    )
    assert table is not None
    assert table.lines[-1] == "Total | Honey: 51"


@pytest.mark.parametrize(
    "typed",
    [
        "+------+-------+\n| Lift | Load  |\n+------+-------+\n| East | 630kg |\n| West | 900kg |\n+------+-------+",
        "Lift   Load\n====   =====\nEast   630kg\nWest   900kg",
        "Lift     Load\nEast     630kg\nWest     900kg",
        "Lift\tLoad\nEast\t630kg\nWest\t900kg",
    ],
)
def test_a_table_typed_in_text_gives_rows(tmp_path: Path, typed: str) -> None:
    path = tmp_path / "lifts.txt"
    path.write_text(f"Lifts of the house\n\n{typed}\n\nThey are checked in May.\n", encoding="utf-8")
    assert read(path) == ["Lift: East | Load: 630kg", "Lift: West | Load: 900kg", "They are checked in May."]


def test_lines_with_wide_spaces_are_no_table() -> None:
    prose = "The lift is old.  It stands in the east of the house.\nIt  takes four people up.\nNobody likes  it."
    assert table_in(prose) is None
    assert table_in("Dear Ada,\nthe lift is old.\nYours, Bo") is None
