"""Calendars, contacts, subtitles, mail with attachments, RTF, TeX, notebooks, OpenDocument as readers find them."""

import io
import json
import zipfile
from datetime import datetime, time
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pytest
from source_files import read, refusal, sections

from retrieval.outline import Outline
from retrieval.sources import read_documents
from retrieval.sources.displayed import displayed
from retrieval.sources.plain import add_text
from retrieval.text import sentences
from retrieval.types import Note


def test_an_event_is_a_row_with_its_day_and_its_text_stands_below(tmp_path: Path) -> None:
    ics = (
        "BEGIN:VCALENDAR\nX-WR-CALNAME:Mill days\nBEGIN:VEVENT\nSUMMARY:Flour sale\nDTSTART;VALUE=DATE:20250308\n"
        "RRULE:FREQ=WEEKLY;BYDAY=SA\nLOCATION:Yard\\, lower gate\nDESCRIPTION:Bring a ba\n g.\\nNo dogs.\n"
        "BEGIN:VALARM\nDESCRIPTION:unseen\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n"
    )
    document = read(tmp_path, "a.ics", ics.encode())
    assert document.title == "Mill days"
    row = "Event: Flour sale | Date: Saturday, 8 March 2025 | Repeats: weekly, on Saturday | Location: Yard, lower gate"
    assert sections(document) == [(("Flour sale",), f"{row}\n\nBring a bag.\nNo dogs.")]
    assert "BEGIN:VCALENDAR" in refusal(tmp_path, "b.ics", b"just words")


def test_a_contact_is_a_row_that_says_what_its_numbers_are_for(tmp_path: Path) -> None:
    card = "BEGIN:VCARD\nN:Lund;Ada;;;\nTEL;TYPE=CELL:0123 45\nADR;TYPE=HOME:;;1 Weir Row;Holme;;HO1;\nBDAY:19710203\n"
    document = read(tmp_path, "a.vcf", f"{card}NOTE:Knows the sluice.\nEND:VCARD\n".encode())
    row = "Name: Ada Lund | Telephone (mobile): 0123 45 | Address (home): 1 Weir Row, Holme, HO1"
    assert sections(document) == [(("Ada Lund",), f"{row} | Birthday: 3 February 1971\n\nKnows the sluice.")]


def test_cues_are_joined_to_sentences_and_placed_by_their_times(tmp_path: Path) -> None:
    vtt = (
        "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Ada>The weir was\n\n00:03.000 --> 00:05.000\n<i>raised</i> twice.\n\n"
        "NOTE x\n\n01:02:03.000 --> 01:02:04.000\nLater.\n"
    )
    document = read(tmp_path, "a.vtt", vtt.encode())
    assert [section.place for section in document.sections] == ["00:00:01–00:00:05", "01:02:03–01:02:04"]
    assert document.text == "Ada: The weir was raised twice.\n\nLater."


def mail() -> EmailMessage:
    inner = EmailMessage()
    inner["From"], inner["Subject"] = "cy@example.org", "Old lock"
    inner.set_content("The old lock was iron.")
    message = EmailMessage()
    message["From"], message["Subject"] = "ada@example.org", "Gates"
    message.set_content("The gates are oak.\n\nOn Mon, 1 Jan 2024, Bo wrote:\n> Are they elm?\n> > They were pine.\n")
    message.add_attachment("Gate,Width\nUpper,4 m\nLower,5 m\n", subtype="csv", filename="gates.csv")
    message.add_attachment(b"\x89PNG\r\n", maintype="image", subtype="png", filename="gate.png")
    message.add_attachment(inner)
    return message


def test_what_is_attached_is_read_as_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(bytes(mail()))
    message, table, inner = read_documents(tmp_path / "a.eml", "a.eml")
    assert [one.source for one in (message, table, inner)] == ["a.eml", "a.eml#gates.csv", "a.eml#message.eml"]
    assert [one.title for one in (message, table, inner)] == ["Gates", "Gates: gates.csv", "Gates: message.eml"]
    assert "> " not in message.text
    assert message.text.index("oak") < message.text.index("elm") < message.text.index("pine")
    assert "Gate: Lower | Width: 5 m" in table.text
    assert table.sections[0].place == "rows 2-3"
    assert "The old lock was iron." in inner.text
    assert inner.sections[0].headings == ("Old lock",)
    assert dict(message.notes) == {Note.ATTACHMENT: 1}


def test_a_mailbox_reads_what_is_quoted_once(tmp_path: Path) -> None:
    said = "The sluice keeper rings the bell at six o'clock every morning."
    bodies = [said, f"Thank you.\n\nOn Tue, 2 Jan 2024, Ada wrote:\n> {said}\n"]
    data = "".join(f"From x\nFrom: ada@example.org\nSubject: Bell\n\n{body}\n\n" for body in bodies)
    (tmp_path / "a.mbox").write_text(data)
    first, second = read_documents(tmp_path / "a.mbox", "a.mbox")
    assert said in first.text
    assert said not in second.text
    assert dict(second.notes) == {Note.QUOTED: 1}


def test_rtf_and_tex_give_headings_paragraphs_and_rows(tmp_path: Path) -> None:
    rows = rb"\trowd Day\cell Hour\cell\row\trowd Mon\cell 9\cell\row\trowd Tue\cell 10\cell\row "
    rtf = rb"{\rtf1\ansi{\info{\title Mill}}Caf\'e9 opens.\par" + rows + rb"Bye.\par}"
    document = read(tmp_path, "a.rtf", rtf)
    assert (document.title, document.text.split("\n\n")) == (
        "Mill",
        ["Café opens.\nDay: Mon | Hour: 9\nDay: Tue | Hour: 10", "Bye."],
    )
    tex = (
        r"\documentclass{article}\title{On \emph{weirs}}\begin{document}\maketitle % unseen"
        "\n"
        r"\section{Height}The weir is 3~m high.\begin{table}\caption{Gates}\begin{tabular}{ll}\hline Gate & Width \\ "
        r"Upper & 4 m \\ Lower & 5 m \\ \hline\end{tabular}\end{table}\end{document}"
    )
    document = read(tmp_path, "b.tex", tex.encode())
    assert document.title == "On weirs"
    assert sections(document) == [
        (("Height",), "The weir is 3 m high."),
        (("Height", "Gates"), "Gate: Upper | Width: 4 m\nGate: Lower | Width: 5 m"),
    ]


def test_cells_of_a_notebook_are_its_places(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Flow\n", "Measured weekly."]},
        {"cell_type": "code", "source": "mean(flow)", "outputs": [{"data": {"text/plain": ["4.2"]}}]},
    ]
    document = read(tmp_path, "a.ipynb", json.dumps({"cells": cells, "nbformat": 4}).encode())
    assert [(section.place, document.text[section.start : section.end]) for section in document.sections] == [
        ("cell 1", "Measured weekly."),
        ("cell 2", "mean(flow)"),
        ("cell 2, output", "4.2"),
    ]


def odf(kind: str, body: str) -> bytes:
    names = "".join(
        f' xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in ("office", "text", "table", "style")
    )
    styles = '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        held = f"<office:body><office:{kind}>{body}</office:{kind}></office:body>"
        archive.writestr("content.xml", f"<office:x{names}>{styles}{held}</office:x>")
    return out.getvalue()


def test_open_documents_give_headings_footnotes_and_rows(tmp_path: Path) -> None:
    text = (
        '<text:h text:outline-level="1">Weir</text:h><text:p>It is<text:s/>old<text:note><text:note-citation>1'
        "</text:note-citation><text:note-body><text:p>Built in 1801.</text:p></text:note-body></text:note>.</text:p>"
    )
    assert sections(read(tmp_path, "a.odt", odf("text", text))) == [((), "It is old (Built in 1801.).")]

    def row(*cells: str) -> str:
        told = "".join(f"<table:table-cell><text:p>{cell}</text:p></table:table-cell>" for cell in cells)
        return f"<table:table-row>{told}</table:table-row>"

    rows = row("Gate", "Width") + row("Upper", "4 m") + row("Lower", "5 m")
    sheet = f'<table:table table:name="Gates">{rows}</table:table>'
    unseen = f'<table:table table:name="Old" table:style-name="h">{row("x")}</table:table>'
    document = read(tmp_path, "b.ods", odf("spreadsheet", sheet + unseen))
    assert sections(document) == [(("Gates",), "Gate: Upper | Width: 4 m\nGate: Lower | Width: 5 m")]
    assert (document.sections[0].place, dict(document.notes)) == ("rows 2-3", {Note.SHEET: 1})


@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (1234.5, '"£"#,##0.00', "£1,234.50"),
        (-3, "#,##0.00 [$€-407];[Red]-#,##0.00 [$€-407]", "-3.00 €"),
        (0.125, "0.0%", "12.5%"),
        (7, "00000", "00007"),
        (2500000, '0.0,,"M"', "2.5M"),
        (12.50, "0.##", "12.5"),
        (0.5, "# ?/?", "0.5"),
        (3, "General", "3"),
        (datetime(2025, 3, 4), "dd/mm/yyyy", "4 March 2025"),
        (datetime(2025, 3, 4, 9, 5), "yyyy-mm-dd hh:mm", "4 March 2025, 09:05"),
        (time(19, 30), "hh:mm", "19:30"),
        (None, "0", ""),
    ],
)
def test_a_cell_is_told_as_it_is_displayed(value: object, code: str, shown: str) -> None:
    assert displayed(value, code) == shown


def test_a_sheet_has_titles_shared_names_merged_cells_and_tables_side_by_side(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (
        ["Tolls of the weir"],
        ["checked in May"],
        [],
        ["Boat", "Toll", ""],
        ["", "up", "down"],
        ["Punt", 2, 1],
        ["Barge", 9, 5],
    ):
        sheet.append(row)
    for cells in ("A1:C1", "B4:C4", "A4:A5"):
        sheet.merge_cells(cells)
    other = book.create_sheet("Crew")
    for row in (
        ["Name", "Shift", "", "Tool", "Shelf"],
        ["Ada", "night", "", "Pump", 3],
        ["Bo", "day", "", "Saw", 4],
        ["Cy", "day"],
    ):
        other.append(row)
    book.save(tmp_path / "a.xlsx")
    [document] = read_documents(tmp_path / "a.xlsx")
    assert sections(document) == [
        (("Sheet", "Tolls of the weir"), "checked in May"),
        (
            ("Sheet", "Tolls of the weir"),
            "Boat: Punt | Toll up: 2 | Toll down: 1\n\nBoat: Barge | Toll up: 9 | Toll down: 5",
        ),
        (("Crew",), "Name: Ada | Shift: night\nName: Bo | Shift: day\nName: Cy | Shift: day"),
        (("Crew",), "Tool: Pump | Shelf: 3\nTool: Saw | Shelf: 4"),
    ]


def test_names_behind_a_blank_row_begin_another_table_where_figures_stood_above(tmp_path: Path) -> None:
    table = (
        "Animal,Stall,Feed\nMare,4,oats\nGoat,7,hay\n\nTool,Oiled,Fuel\nBaler,in May,diesel\n\nPlough,in June,none\n"
    )
    assert sections(read(tmp_path, "a.csv", table.encode())) == [
        ((), "Animal: Mare | Stall: 4 | Feed: oats\n\nAnimal: Goat | Stall: 7 | Feed: hay"),
        ((), "Tool: Baler | Oiled: in May | Fuel: diesel"),
        ((), "Tool: Plough | Oiled: in June | Fuel: none"),
    ]


def test_lines_by_themselves_are_headings_and_speech_is_cut_into_clauses() -> None:
    outline = Outline()
    assert add_text(outline, "The weir\n\nIt is old.\n\nOPENING HOURS\n\nNine to five.\n\nFees\n----\nNone.\n")
    assert sections(outline.document("", outline.title)) == [
        ((), "It is old."),
        (("OPENING HOURS",), "Nine to five."),
        (("Fees",), "None."),
    ]
    speech = (
        "and then we walked along the towpath and saw the heron " * 8
        + "okay so the weir was built by two brothers and it took them nine years um and then we turned back "
        + "and had our tea by the gate because it rained " * 6
    )
    told = [speech[start:end] for start, end in sentences(speech)]
    assert "okay so the weir was built by two brothers and it took them nine years" in told
    assert max(map(len, told)) < 250
    part = speech[300:700]  # as a passage holds it
    assert "okay so the weir was built by two brothers and it took them nine years" in [
        part[a:b] for a, b in sentences(part)
    ]
    written = f"The weir, which was built by two brothers {'and many friends ' * 14}, is old."
    assert sentences(written) == [(0, len(written))]


def test_a_few_nuls_are_left_out_and_said(tmp_path: Path) -> None:
    document = read(
        tmp_path, "a.txt", ("The weir is old\0. " + "It is made of oak and of stone. " * 12 + "\0").encode()
    )
    assert "\0" not in document.text
    assert dict(document.notes) == {Note.CONTROL: 2}


def test_what_is_hidden_in_a_sheet_is_left_out_and_said_and_what_a_filter_hides_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    for row in (["Fly", "Price", "Cost"], ["Midge", 3, 1], ["Sedge", 4, 2], ["Nymph", "=1+1", 1]):
        sheet.append(row)
    sheet.column_dimensions["C"].hidden = True
    sheet.row_dimensions[3].hidden = True
    book.save(tmp_path / "a.xlsx")
    [document] = read_documents(tmp_path / "a.xlsx")
    assert document.text == "Fly: Midge | Price: 3\nFly: Nymph"
    assert dict(document.notes) == {Note.ROW: 1, Note.COLUMN: 1, Note.FORMULA: 1}
    sheet.auto_filter.ref = "A1:C4"
    sheet.auto_filter.add_filter_column(0, ["Midge", "Nymph"])
    book.save(tmp_path / "a.xlsx")
    [document] = read_documents(tmp_path / "a.xlsx")
    assert "Fly: Sedge | Price: 4" in document.text


def test_a_contact_of_the_older_form_is_read(tmp_path: Path) -> None:
    card = (
        "BEGIN:VCARD\r\nVERSION:2.1\r\nFN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Jo=C3=ABl=\r\n M=C3=BCller\r\n"
        "ORG:Weir Slates;Yard\r\nTEL;CELL:0770 11\r\nTEL;WORK;VOICE:0163 22\r\nEND:VCARD\r\n"
    )
    document = read(tmp_path, "a.vcf", card.replace("=\r\n M", " =\r\nM").encode())
    row = "Name: Joël Müller | Organisation: Weir Slates | Department: Yard | Telephone (mobile): 0770 11"
    assert sections(document) == [(("Joël Müller, Weir Slates, Yard",), f"{row} | Telephone (work): 0163 22")]


def test_objects_keep_their_ids_and_are_headed_by_their_names(tmp_path: Path) -> None:
    tree = {"depot": {"name": "Ashby", "carts": [{"id": "T-4", "driver": {"name": "Noor"}}, {"id": "T-7"}]}}
    document = read(tmp_path, "a.json", json.dumps(tree).encode())
    assert sections(document)[1:] == [(("depot: Ashby", "carts"), "id: T-4 | driver.name: Noor\nid: T-7")]


def test_a_constant_is_told_with_the_comment_above_it(tmp_path: Path) -> None:
    code = "package ledger\n\n// MaxOpen is how many may be open.\nconst MaxOpen = 48\n\n# plain\nvalue = compute(3)\n"
    document = read(tmp_path, "a.go", code.encode())
    assert document.text.startswith("MaxOpen = 48  # MaxOpen is how many may be open.\n")
    assert "compute(3)  #" not in document.text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.html", b'<html><head><meta property="article:modified_time" content="2024-03-05T10:00:00Z"></head><p>Hi.'),
        (
            "b.html",
            b'<script type="application/ld+json">{"dateModified": "2024-03-05"}</script><p>The weir is old.</p>',
        ),
        ("a.md", b"---\nupdated: 2024-03-05\n---\n\nThe weir is old.\n"),
        ("a.eml", b"From: a@b.example\nSubject: Weir\nDate: Tue, 5 Mar 2024 08:00:00 +0000\n\nIt is old.\n"),
    ],
)
def test_a_document_bears_its_own_date(tmp_path: Path, name: str, data: bytes) -> None:
    assert read(tmp_path, name, data).dated == "2024-03-05"


def test_what_a_template_says_of_its_date_is_none_of_the_document(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("The weir is old.")
    document.save(tmp_path / "a.docx")
    assert [one.dated for one in read_documents(tmp_path / "a.docx")] == [""]
    document.core_properties.modified = datetime(2024, 3, 5)
    document.save(tmp_path / "a.docx")
    assert [one.dated for one in read_documents(tmp_path / "a.docx")] == ["2024-03-05"]


def test_lists_and_texts_in_objects_are_headed_by_their_keys(tmp_path: Path) -> None:
    tree = {
        "yard": {"name": "Hollin", "houses": [[1, [2]], {"text": "The loom is old."}]},
        "log": [{"a": [1, {"b": 2}]}],
    }
    assert "The loom is old." in read(tmp_path, "a.json", json.dumps(tree).encode()).text
