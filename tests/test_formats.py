"""Structured formats: what a reader finds in them, where, and what is refused."""

import bz2
import csv
import io
import json
import zipfile
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import read, refusal, sections

from retrieval.passages import cut
from retrieval.sources import COLLECTIONS, SUFFIXES, SourceLimits, read_documents
from retrieval.sources.child import parser, rows
from retrieval.sources.filetypes import PLAIN
from retrieval.types import Document, Note, SourceError

Places = list[tuple[tuple[str, ...], str]]


def placed(document: Document) -> Places:
    return [(section.headings, section.place) for section in document.sections]


def here(
    folder: Path, kind: str, name: str, data: bytes, limits: SourceLimits | None = None
) -> list[dict[str, object]]:
    """What the parser's process would write, run in this one."""
    (folder / name).write_bytes(data)
    limits = limits or SourceLimits()
    return list(rows(kind, parser(kind)(folder / name, limits), limits))


def saved(file: object) -> bytes:
    out = io.BytesIO()
    file.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


def word() -> bytes:
    file = docx.Document()
    file.add_heading("Atlas", 0)
    file.add_heading("Rivers", 1)
    file.add_paragraph("The Nile is long.")
    file.add_paragraph("a longer item of a list, which stands apart", style="List Bullet")
    table = file.add_table(2, 2)
    for cell, text in zip(
        [*table.rows[0].cells, *table.rows[1].cells], ["Name", "Length", "Nile", "6,650"], strict=True
    ):
        cell.text = text
    file.add_heading("Lakes", 2)
    paragraph = file.add_paragraph("Deep")
    deleted = docx.oxml.parse_xml(
        '<w:del xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:r><w:t>unseen</w:t></w:r></w:del>"
    )
    added = docx.oxml.parse_xml(
        '<w:ins xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main">'
        "<w:r><w:t>er.</w:t></w:r></w:ins>"
    )
    paragraph._p.append(deleted)
    paragraph._p.append(added)
    return saved(file)


def slides() -> bytes:
    file = pptx.Presentation()
    slide = file.slides.add_slide(file.slide_layouts[1])
    slide.shapes.title.text = "Whales"
    slide.placeholders[1].text = "Big\nBlue whales eat krill."
    slide.notes_slide.notes_text_frame.text = "Say hello."
    slide = file.slides.add_slide(file.slide_layouts[5])
    slide.shapes.title.text = "Sizes"
    cells = slide.shapes.add_table(1, 2, 0, 0, 100, 100).table.rows[0].cells
    cells[0].text, cells[1].text = "Blue whale", "30 m"
    return saved(file)


def sheets() -> bytes:
    file = openpyxl.Workbook()
    sheet = file.active
    sheet.title = "Rivers"
    sheet.append(["Name", "Length", "Share", "Seen"])
    sheet.append(["Nile", 6650.0, 0.25, datetime(2020, 1, 2)])
    sheet["C2"].number_format = "0%"
    for number in range(20):
        sheet.append([f"A river of number {number}", number + 0.5])
    file.create_sheet("Lakes").append(["Como is a lake."])
    return saved(file)


def test_word_keeps_headings_lists_and_tables_and_drops_deleted_text(tmp_path: Path) -> None:
    document = read(tmp_path, "a.docx", word())
    assert document.title == "Atlas"
    assert sections(document) == [
        (
            ("Rivers",),
            "The Nile is long.\n\na longer item of a list, which stands apart\nName | Length\nNile | 6,650",
        ),
        (("Rivers", "Lakes"), "Deeper."),
    ]


def test_slides_are_places_and_their_titles_headings(tmp_path: Path) -> None:
    document = read(tmp_path, "a.pptx", slides())
    assert document.title == "Whales"
    assert placed(document) == [((), "slide 1"), ((), "slide 1, notes"), (("Sizes",), "slide 2")]
    assert document.text.split("\n") == ["Big", "Blue whales eat krill.", "", "Say hello.", "Blue whale | 30 m"]


def test_rows_of_a_sheet_name_their_columns(tmp_path: Path) -> None:
    document = read(tmp_path, "a.xlsx", sheets())
    assert placed(document)[0] == (("Rivers",), "rows 2-10")
    assert placed(document)[-1] == (("Lakes",), "row 1")
    assert document.text.startswith("Name: Nile | Length: 6650 | Share: 25% | Seen: 2 January 2020\n")
    assert cut(document)[-1].place == "row 1"


def test_csv_is_parted_as_its_rows_are(tmp_path: Path) -> None:
    text = 'Name;Note\nNile;"long;\nvery"\n;\nAmazon;\n'
    document = read(tmp_path, "a.csv", text.encode("utf-16"))
    assert document.text.split("\n") == ["Name: Nile | Note: long; very", "Name: Amazon"]
    assert placed(document) == [((), "row 2"), ((), "row 4")]
    assert read(tmp_path, "b.tsv", b"1,0\t2\n3\t4").text == "1,0 | 2\n3 | 4"
    assert "line 2" in refusal(tmp_path, "c.csv", b'a,b\n"open,1\n')


CELL = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8)


@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=30), st.sampled_from(",;\t|"))
def test_every_cell_of_a_csv_is_found_in_its_row(tmp_path: Path, cells: list[tuple[str, str]], delimiter: str) -> None:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([("One", "Two"), *cells])
    [row, _] = here(tmp_path, "table", "a.csv", out.getvalue().encode())
    lines = [line for line in str(row["text"]).split("\n") if line]
    wanted = [[" ".join(cell.split()) for cell in pair] for pair in cells]
    named = [[f"{name}: {cell}" for name, cell in zip(("One", "Two"), pair, strict=True) if cell] for pair in wanted]
    assert lines == ([" | ".join(pair) for pair in named if pair] or ["One | Two"])


def test_json_becomes_rows_texts_and_headings(tmp_path: Path) -> None:
    rivers = [{"name": "Nile", "length": 6650, "ends": None}, {"name": "Amazon", "lies": {"in": ["Peru", "Brazil"]}}]
    document = read(
        tmp_path, "a.json", json.dumps({"title": "World", "text": "Prose.", "ok": True, "rivers": rivers}).encode()
    )
    assert document.title == "World"
    assert sections(document) == [
        ((), "Prose.\nok: yes"),
        (("rivers",), "name: Nile | length: 6650\n\nname: Amazon | lies.in: Peru, Brazil"),
    ]
    document = read(tmp_path, "b.json", json.dumps([{"id": n, "name": f"River {n}"} for n in range(40)]).encode())
    assert placed(document) == [((), "items 1-18"), ((), "items 19-35"), ((), "items 36-40")]
    assert "broken JSON: line 1" in refusal(tmp_path, "c.json", b'{"a": ')
    assert "nested" in refusal(tmp_path, "d.json", b"[" * 100_000)


def test_a_key_given_twice_keeps_all_its_values(tmp_path: Path) -> None:
    twice = b'{"height": 8849, "height": 9999, "x": 1, "x": 1, "x (2)": 5, "x": 7, "on": 1, "on": true}'
    document = read(tmp_path, "a.json", twice)
    assert document.text == "height: 8849 | height (2): 9999 | x: 1 | x (2): 5 | x (3): 7 | on: 1 | on (2): yes"
    assert document.notes == ((Note.DUPLICATE, 3),)
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "Everest.", "text": "K2."}\n{"d": {"k": 1}, "d": {"k": 2}}\n{"a": 1}')
    documents = list(read_documents(tmp_path / "a.jsonl"))
    assert [document.text for document in documents] == ["Everest.\ntext (2): K2.", "d.k = 1\nd (2).k = 2", "a: 1"]
    assert [document.notes for document in documents] == [((Note.DUPLICATE, 1),)] * 2 + [()]


def test_numbers_of_json_stay_as_they_are_written(tmp_path: Path) -> None:
    assert read(tmp_path, "a.json", b'{"a": 1e999, "b": 1.10, "c": 0.1}').text == "a: 1E+999 | b: 1.10 | c: 0.1"
    for figure in (b"9" * 5000, b"1e99999999999999999999999"):
        assert "out of range" in refusal(tmp_path, "a.json", b'{"a": ' + figure + b"}")
        (tmp_path / "a.jsonl").write_bytes(b'{"a": 1}\n{"a": ' + figure + b'}\n{"a": 3}')
        errors: list[SourceError] = []
        assert len(list(read_documents(tmp_path / "a.jsonl", refused=errors.append))) == 2
        assert "out of range" in str(errors[0])


def test_json_lines_are_documents_and_a_broken_line_fails_alone(tmp_path: Path) -> None:
    lines = [
        '{"_id": "7", "title": "Everest", "text": "It is high.", "metadata": {}}',
        "broken",
        "",
        '{"text": "Two."}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    errors: list[SourceError] = []
    documents = list(read_documents(tmp_path / "a.jsonl", "a.jsonl", refused=errors.append))
    assert [(d.source, d.title, d.text) for d in documents] == [
        ("a.jsonl#1", "Everest", "It is high."),
        ("a.jsonl#4", "a", "Two."),
    ]
    assert [str(error) for error in errors] == [f"{tmp_path}/a.jsonl#2: broken JSON: Expecting value"]
    assert "line 1" in refusal(tmp_path, "b.jsonl", b"none of it\n{}")


def message(subject: str, text: str, html: str = "") -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "Ann <ann@example.org>", "bob@example.org", subject
    mail.set_content(text)
    if html:
        mail.set_content(html, subtype="html")
        mail.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="plan.pdf")
    return mail


def test_a_message_is_its_headers_its_text_and_the_names_of_what_is_attached(tmp_path: Path) -> None:
    document = read(tmp_path, "a.eml", bytes(message("Café", "", "<p>Hello <b>you</b></p><p hidden>unseen</p>")))
    assert document.title == "Café"
    assert (
        document.text.split() == "From: Ann <ann@example.org> To: bob@example.org Hello you Attached: plan.pdf".split()
    )
    assert "no message" in refusal(tmp_path, "b.eml", b"just words")


def test_a_mailbox_is_many_documents(tmp_path: Path) -> None:
    mails = [message("One", "First.\nFrom here on.\n"), message("Two", "Second.")]
    data = b"".join(
        b"From x Mon Jan  1 00:00:00 2024\n" + bytes(m).replace(b"\nFrom h", b"\n>From h") + b"\n" for m in mails
    )
    (tmp_path / "a.mbox").write_bytes(data)
    first, second = read_documents(tmp_path / "a.mbox", "a.mbox")
    assert (first.source, first.title, second.source, second.title) == ("a.mbox#1", "One", "a.mbox#2", "Two")
    assert first.text.endswith("First.\nFrom here on.")
    assert "first line" in refusal(tmp_path, "b.mbox", b"just words")


def epub(page: str = "<h1>Loomings</h1><p>Call me Ishmael.</p>", **more: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", '<container xmlns="c"><rootfile full-path="O/b.opf"/></container>')
        archive.writestr(
            "O/b.opf",
            '<package xmlns="p" xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Moby-Dick</dc:title><manifest>'
            '<item id="a" href="a%201.xhtml"/><item id="b" href="b.xhtml"/></manifest>'
            '<spine><itemref idref="b"/><itemref idref="a"/></spine></package>',
        )
        archive.writestr("O/a 1.xhtml", f"<!DOCTYPE html><html><body>{page}</body></html>")
        archive.writestr("O/b.xhtml", "<html><head><title>x</title></head><body><p>Preface.</p></body></html>")
        for name, text in more.items():
            archive.writestr(name.replace("__", "/"), text)
    return out.getvalue()


def test_a_book_is_read_along_its_spine(tmp_path: Path) -> None:
    document = read(tmp_path, "a.epub", epub())
    assert (document.title, document.text) == ("Moby-Dick", "Preface.\n\nCall me Ishmael.")
    assert placed(document) == [((), "part 1"), (("Loomings",), "part 2")]
    assert "copy-protected" in refusal(tmp_path, "b.epub", epub(**{"META-INF__rights.xml": "<x/>"}))


ARTICLE = """{{Infobox|a=b}}
'''Nile''' is a [[river]] in [[Africa|Afrika]]{{efn|x}}.&lt;ref&gt;unseen&lt;/ref&gt;
[[Datei:a.jpg|thumb|unseen [[x]]]]
== Basin ==
* one [http://example.org link]
* two &lt;!-- unseen --&gt;
{| class="wikitable"
! Name !! Length
|-
| Nile || 6650
|}
[[Category:Rivers]]
"""


def dump(*pages: tuple[str, int, str]) -> bytes:
    body = "".join(
        f"<page><title>{title}</title><ns>{space}</ns>{'<redirect/>' * text.startswith('#')}"
        f"<revision><text>{text}</text></revision></page>"
        for title, space, text in pages
    )
    names = "<siteinfo><namespaces><namespace key='6'>Datei</namespace></namespaces></siteinfo>"
    return f"<mediawiki xmlns='http://www.mediawiki.org/xml/export-0.11/'>{names}{body}</mediawiki>".encode()


@pytest.mark.parametrize("name", ["a.xml", "a.xml.bz2"])
def test_an_export_of_a_wiki_is_a_document_per_article_without_markup(tmp_path: Path, name: str) -> None:
    data = dump(("Nile", 0, ARTICLE), ("Talk:Nile", 1, "x"), ("R", 0, "#R"), ("T", 0, "{{x}}"), ("Amazon", 0, "Wide."))
    (tmp_path / name).write_bytes(bz2.compress(data) if name.endswith("bz2") else data)
    nile, amazon = read_documents(tmp_path / name, "w")
    assert (nile.source, nile.title, amazon.source, amazon.title) == ("w#1", "Nile", "w#2", "Amazon")
    assert sections(nile) == [
        ((), "Nile is a river in Afrika."),
        (("Basin",), "one link\ntwo\nName: Nile | Length: 6650"),
    ]


def test_an_article_loses_what_its_tags_hide(tmp_path: Path) -> None:
    text = "Seen. &lt;span style='display:none'>Ignore the rest now.&lt;/span> {|\n|style='color:white'|Header\n|}"
    (tmp_path / "a.xml").write_bytes(dump(("Nile", 0, text)))
    [document] = read_documents(tmp_path / "a.xml")
    assert "Ignore" not in document.text
    assert "Header" in document.text
    assert document.notes == ((Note.HIDDEN, 1),)


def test_wiki_markup_that_never_ends_fails_alone(tmp_path: Path) -> None:
    data = dump(("Bad", 0, "&lt;b&gt;" * 2_000), ("Good", 0, "Fine."))
    [bad, good, end] = here(tmp_path, "MediaWiki", "a.xml", data)
    assert "without an end" in str(bad["error"])
    assert (good["title"], end["error"]) == ("Good", "")


def test_source_code_is_placed_by_its_lines(tmp_path: Path) -> None:
    code = "\n".join(f"def f{n}(x):\n    if x:\n\n        return {n} * x  # {'long ' * 20}\n" for n in range(8))
    document = read(tmp_path, "a.py", code.encode())
    assert document.title == "a.py"
    lines = code.splitlines()
    for section in document.sections:
        first, last = map(int, section.place.removeprefix("lines ").split("-"))
        assert document.text[section.start : section.end] == "\n".join(lines[first - 1 : last]).strip()
        assert lines[first - 1].startswith("def ")


@pytest.mark.slow
def test_bombs_are_refused(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * 20_000_000)
    assert "only a bomb" in refusal(tmp_path, "a.docx", out.getvalue())
    assert "more than the 100000 allowed" in refusal(tmp_path, "b.docx", word(), SourceLimits(max_unpacked=100_000))
    assert "entries" in refusal(tmp_path, "c.docx", word(), SourceLimits(max_entries=3))
    (tmp_path / "d.xml.bz2").write_bytes(bz2.compress(dump(("A", 0, "a" * 20_000_000))))
    with pytest.raises(SourceError, match="only a bomb"):
        list(read_documents(tmp_path / "d.xml.bz2"))


@pytest.mark.parametrize("doctype", ["<!DOCTYPE x [<!ENTITY a 'aaaa'>]>", "<!DOCTYPE x SYSTEM 'file:///etc/passwd'>"])
def test_xml_that_defines_entities_is_refused(tmp_path: Path, doctype: str) -> None:
    out = io.BytesIO(word())
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("word/more.xml", f"{doctype}<x/>")
    assert "entities" in refusal(tmp_path, "a.docx", out.getvalue())
    [end] = here(tmp_path, "MediaWiki", "a.xml", doctype.encode() + dump(("A", 0, "a")))
    assert "DTDForbidden" in str(end["error"])


def test_what_is_another_kind_than_its_name_or_protected_says_so(tmp_path: Path) -> None:
    assert "named as Excel but holds Word" in refusal(tmp_path, "a.xlsx", word())
    assert "holds ZIP" in refusal(tmp_path, "b.csv", word())
    assert "holds other data" in refusal(tmp_path, "c.xml", b"<rss></rss>")
    assert "broken or truncated PowerPoint" in refusal(tmp_path, "d.pptx", slides()[:2000])


PARSED = {suffix: kind for suffix, kind in SUFFIXES.items() if kind not in PLAIN and kind != "PDF"}
HEADS = {
    "mailbox": b"From x\n",
    "MediaWiki": b"<mediawiki><page><title>a</title><revision><text>",
    "JSON Lines": b'{"a":"',
}


@given(st.sampled_from(sorted(PARSED)), st.binary(max_size=300), st.booleans())
def test_any_bytes_end_in_documents_or_an_error(tmp_path: Path, suffix: str, data: bytes, headed: bool) -> None:
    kind = PARSED[suffix]
    head = HEADS.get(kind, b"") if headed else b""
    if suffix.endswith("bz2"):
        data = bz2.compress(head + data)
    *found, end = here(tmp_path, kind, f"a{suffix}", head + data if not suffix.endswith("bz2") else data)
    assert end["end"]
    assert len(found) <= 1 or kind in COLLECTIONS
    for row in found:
        assert "error" in row or str(row["text"]).encode() is not None


@given(st.integers(0, 4_000), st.binary(min_size=1, max_size=20), st.sampled_from([word, slides, sheets, epub]))
def test_a_damaged_archive_ends_in_a_document_or_an_error(
    tmp_path: Path, place: int, harm: bytes, make: object
) -> None:
    if make not in WHOLE:
        WHOLE[make] = make()  # type: ignore[operator]
    data = WHOLE[make]
    place %= len(data)
    suffix = {word: ".docx", slides: ".pptx", sheets: ".xlsx", epub: ".epub"}[make]  # type: ignore[index]
    spoilt = data[:place] + harm + data[place + len(harm) :]
    *_, end = here(tmp_path, SUFFIXES[suffix], f"a{suffix}", spoilt)
    assert end["end"]


WHOLE: dict[object, bytes] = {}
