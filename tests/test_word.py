"""Word and PowerPoint files as people have them: notes, margins, comments, changes, boxes, charts."""

from pathlib import Path
from typing import Any

import docx
import pptx
import pytest
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import OxmlElement, parse_xml
from docx.oxml.ns import nsdecls, qn
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from retrieval.sources.filetypes import DEFAULT_LIMITS
from retrieval.sources.slides import read_pptx
from retrieval.sources.word import read_docx
from retrieval.types import Document, Note

Made = Any


def word(folder: Path, file: Made) -> Document:
    file.save(str(folder / "a.docx"))
    [(_, document)] = read_docx(folder / "a.docx", DEFAULT_LIMITS)
    return document


def slides(folder: Path, file: Made) -> Document:
    file.save(str(folder / "a.pptx"))
    [(_, document)] = read_pptx(folder / "a.pptx", DEFAULT_LIMITS)
    return document


def add_notes(file: Made, kind: str, *texts: str) -> None:
    """Give a document notes 2, 3 and so on."""
    one = kind[:-1]
    notes = "".join(
        f'<w:{one} w:id="{number}"><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:{one}>'
        for number, text in enumerate(texts, start=2)
    )
    separator = f'<w:{one} w:type="separator" w:id="0"><w:p><w:r><w:t>never</w:t></w:r></w:p></w:{one}>'
    xml = f"<w:{kind} {nsdecls('w')}>{separator}{notes}</w:{kind}>"
    relation = f"http://schemas.openxmlformats.org/officeDocument/2006/relationships/{kind}"
    sort = f"application/vnd.openxmlformats-officedocument.wordprocessingml.{kind}+xml"
    part = Part(PackURI(f"/word/{kind}.xml"), sort, xml.encode(), file.part.package)
    file.part.relate_to(part, relation)


def refer(paragraph: Made, kind: str, number: int) -> None:
    mark = OxmlElement(f"w:{kind}Reference")
    mark.set(qn("w:id"), str(number))
    paragraph.add_run()._r.append(mark)


@pytest.mark.parametrize("kind", ["footnotes", "endnotes"])
def test_a_note_stands_after_the_sentence_it_is_about_or_in_it(tmp_path: Path, kind: str) -> None:
    file = docx.Document()
    paragraph = file.add_paragraph("The loom is rented by the day.")
    refer(paragraph, kind[:-1], 2)
    paragraph.add_run(" It weighs a ton")
    refer(paragraph, kind[:-1], 3)
    paragraph.add_run(" and stays where it is.")
    add_notes(file, kind, "A day costs 19 euros.", "with the bench")
    document = word(tmp_path, file)
    assert document.text == (
        "The loom is rented by the day. A day costs 19 euros. It weighs a ton (with the bench) and stays where it is."
    )
    assert dict(document.notes) == {Note.FOOTNOTE: 2}


def test_headers_and_footers_are_read_once_and_page_numbers_never(tmp_path: Path) -> None:
    file = docx.Document()
    file.add_paragraph("The well is forty metres deep.")
    file.add_section()
    for section in file.sections:
        section.header.is_linked_to_previous = section.footer.is_linked_to_previous = False
        section.header.paragraphs[0].text = "File W-61 of the water board"
        section.footer.paragraphs[0].text = "Page 1 of 9"
    document = word(tmp_path, file)
    assert [(section.place, document.text[section.start : section.end]) for section in document.sections] == [
        ("", "The well is forty metres deep."),
        ("header", "File W-61 of the water board"),
    ]


def test_comments_follow_what_they_are_about_and_changes_are_read_as_accepted(tmp_path: Path) -> None:
    file = docx.Document()
    paragraph = file.add_paragraph("The gate is painted ")
    file.add_comment(paragraph.runs, text="Which green?", author="Ida Vos")
    for how, text in (("del", "red"), ("ins", "green")):
        name = "w:delText" if how == "del" else "w:t"
        xml = f"<w:{how} {nsdecls('w')} w:id='9'><w:r><{name}>{text}</{name}></w:r></w:{how}>"
        paragraph._p.append(parse_xml(xml))
    file.add_paragraph("It is oiled in May.")
    document = word(tmp_path, file)
    assert document.text.split("\n\n") == [
        "The gate is painted green",
        "Comment by Ida Vos: Which green?",
        "It is oiled in May.",
    ]
    assert dict(document.notes) == {Note.COMMENT: 1, Note.CHANGE: 2}


def test_a_bold_first_row_names_columns_and_a_box_in_a_cell_is_read_once(tmp_path: Path) -> None:
    file = docx.Document()
    table = file.add_table(3, 3)
    rows = [("Guild", "Patron", "Colour"), ("Coopers", "Abbot", "blue"), ("Dyers", "Countess", "blue")]
    for row, texts in zip(table.rows, rows, strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.paragraphs[0].add_run(text).bold = text in rows[0]
    box = "<w:p><w:r><w:t>blue</w:t></w:r></w:p>"
    spaces = f'{nsdecls("w")} xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    xml = (
        f'<w:r {spaces}><mc:AlternateContent><mc:Choice Requires="wps"><w:txbxContent>{box}</w:txbxContent></mc:Choice>'
        f"<mc:Fallback><w:txbxContent>{box}</w:txbxContent></mc:Fallback></mc:AlternateContent></w:r>"
    )
    cell = table.cell(2, 2).paragraphs[0]
    cell.clear()
    cell._p.append(parse_xml(xml))
    assert [line for line in word(tmp_path, file).text.split("\n") if line] == [
        "Guild: Coopers | Patron: Abbot | Colour: blue",
        "Guild: Dyers | Patron: Countess | Colour: blue",
    ]


def test_a_chart_is_a_table_and_a_footer_is_read_once(tmp_path: Path) -> None:
    file = pptx.Presentation()
    for number in range(2):
        slide = file.slides.add_slide(file.slide_layouts[5])
        slide.shapes.title.text = f"Part {number + 1}"
        copied = next(one for one in slide.slide_layout.placeholders if "FOOTER" in str(one.placeholder_format.type))
        footer = copied._element.__copy__()
        slide.shapes._spTree.append(footer)
        slide.shapes[-1].text_frame.text = "Board of the orchard, spring meeting"
    data = CategoryChartData()
    data.categories = ["Pears", "Quinces"]
    data.add_series("Baskets", (41, 7))
    slide.shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, Inches(1), Inches(2), Inches(4), Inches(3), data)
    document = slides(tmp_path, file)
    assert [(section.place, document.text[section.start : section.end]) for section in document.sections] == [
        ("slide 2", "Item: Pears | Baskets: 41\nItem: Quinces | Baskets: 7"),
        ("footer", "Board of the orchard, spring meeting"),
    ]
