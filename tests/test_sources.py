"""Files of every kind, whole and broken, to plain text with sections."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas
from source_files import pdf, read, refusal, sections

from retrieval.html import from_html
from retrieval.markup import from_markdown
from retrieval.passages import cut
from retrieval.sources import SourceLimits, read_documents
from retrieval.sources.filetypes import INLINE
from retrieval.text import clean, sentences
from retrieval.types import Note, SourceError


def test_plain_text_is_the_cleaned_file(tmp_path: Path) -> None:
    document = read(tmp_path, "my notes.txt", "One.\r\nTw\u200bo. caf\u00e9".encode())
    assert (document.title, document.text) == ("my notes", "One.\nTwo. caf\u00e9")
    assert document.source == str(tmp_path / "my notes.txt")
    assert sections(document) == [((), document.text)]


MARKDOWN = """---
title: "The Note"
---
# Rivers

Water *runs* to the [sea](http://example.org) past `code`
on one line.<!-- unseen -->

- short
- a longer item that goes on for a while

| Name | Length |
|------|--------|
| Nile | 6,650 |

## Lakes

<div hidden>unseen</div><p>Deep &amp; cold</p>

```py
x = 1
```
"""


def test_items_of_a_list_stay_apart_however_long_they_are() -> None:
    document = from_markdown("# Tent\n\n- pegs\n- three poles for the roof of the tent\n- the blue bag\n", "t.md", "t")
    [(_, text)] = sections(document)
    assert [text[start:end] for start, end in sentences(text)] == [
        "pegs",
        "three poles for the roof of the tent",
        "the blue bag",
    ]


def test_lines_with_labels_are_not_wrapped_into_one() -> None:
    document = from_markdown(
        "# Committee\n\nChair: Ada Shaw\nSafety officer: Bo Lund\n\nIt meets: often\nand long.", "c", "c"
    )
    assert "Chair: Ada Shaw\nSafety officer: Bo Lund" in document.text
    assert "It meets: often and long." in document.text


def test_markdown_loses_its_markup_and_keeps_its_headings_as_paths() -> None:
    document = from_markdown(MARKDOWN, "a.md", "a")
    assert document.title == "The Note"
    [(first, rivers), (second, lakes)] = sections(document)
    assert (first, second) == (("Rivers",), ("Rivers", "Lakes"))
    assert rivers.split("\n") == [
        "Water runs to the sea past code on one line.",
        "short",
        "",
        "a longer item that goes on for a while",
        "Name: Nile | Length: 6,650",
    ]
    assert lakes == "Deep & cold\n\nx = 1"


def test_a_first_heading_is_the_title_and_not_repeated_in_the_paths() -> None:
    document = from_markdown("# Rivers\n\nLong.\n\n## Nile\n\nLongest.", "a.md", "a")
    assert document.title == "Rivers"
    assert sections(document) == [((), "Long."), (("Nile",), "Longest.")]
    assert from_markdown("No heading.", "a.md", "fallback").title == "fallback"


def test_the_first_of_several_headings_of_the_highest_rank_is_no_title() -> None:
    document = from_markdown("# Nile\n\nLong.\n\n# Volga\n\nLonger.", "rivers.md", "rivers")
    assert document.title == "rivers"
    assert sections(document) == [(("Nile",), "Long."), (("Volga",), "Longer.")]
    assert from_markdown("## Menu\n\nA.\n\n# Rivers\n\nLong.", "a.md", "a").title == "Rivers"


PAGE = """<!doctype html><html><head><title>Lakes - Atlas</title><style>p {}</style></head><body>
<nav>Home</nav><h1>Lakes</h1><p>Deep   <b>and</b>
cold.<script>evil()</script><!-- unseen --></p><p style="display: none">unseen</p><p hidden>unseen</p>
<span aria-hidden="true">unseen</span><h2>Names</h2><ul><li>Como</li><li><p>Garda</p></li></ul>
<table><tr><th>Lake</th><th>Depth</th></tr><tr><td>Como</td><td><p>425</p></td></tr></table>
<pre><code>a
  b</code></pre><footer>unseen</footer></body></html>"""


def test_html_gives_its_visible_text_under_its_headings() -> None:
    document = from_html(PAGE, "a.html", "a")
    assert document.title == "Lakes"
    [(first, text), (second, names)] = sections(document)
    assert (first, text) == ((), "Deep and cold.")
    assert second == ("Names",)
    assert names.split("\n") == ["Como", "Garda", "Lake: Como | Depth: 425", "", "a", "  b"]


MARKS = (
    *("# One", "## Two", "text here.", "- item", "| a | b |", "|---|", "<b>", "</div>", "<!--", "```"),
    *("> q", "[x](", "*", "&amp;", "<li>", "<h2>", "<table><tr><td>", "</table>", "<pre>", "---"),
)


@given(
    st.lists(st.sampled_from(MARKS), max_size=25),
    st.sampled_from(["\n", " ", "\n\n"]),
)
def test_any_markup_gives_sections_that_hold_the_whole_clean_text(parts: list[str], gap: str) -> None:
    for document in (from_markdown(gap.join(parts), "a", "a"), from_html(gap.join(parts), "a", "a")):
        assert clean(document.text) == document.text
        held = "".join(text for _, text in sections(document))
        assert "".join(held.split()) == "".join(document.text.split())
        assert "".join("".join(p.text for p in cut(document)).split()) == "".join(held.split())


def test_deeply_nested_tags_are_read_without_recursion(tmp_path: Path) -> None:
    assert read(tmp_path, "deep.html", b"<i>" * 5_000 + b"deep").text == "deep"
    assert "200001 tags" in refusal(tmp_path, "deeper.html", b"<i>" * 200_001 + b"deep")


@pytest.mark.parametrize(("name", "mark"), [("a.md", b"<!--"), ("a.html", b"</a "), ("a.html", b"<![CDATA[")])
def test_markup_that_eats_time_is_a_failed_file(tmp_path: Path, name: str, mark: bytes) -> None:
    assert "1 seconds" in refusal(tmp_path, name, mark * 60_000, SourceLimits(cpu_seconds=1))


@pytest.mark.parametrize("mark", [b"*a ", b"![", b"<!--", b"> "])
def test_small_markup_is_read_here_whatever_it_is(tmp_path: Path, mark: bytes) -> None:
    assert read(tmp_path, "a.md", b"Words.\n\n" + mark * (INLINE // len(mark) - 10)).text.startswith("Words.")


def test_a_long_table_whose_rows_are_not_closed_is_read(tmp_path: Path) -> None:
    rows = b"".join(b"<tr><td>%d<td>%d squared" % (number * number, number) for number in range(1000))
    assert len(rows) <= INLINE
    text = read(tmp_path, "a.html", b"<table>" + rows).text
    assert "998001 | 999 squared" in text


def test_what_the_parser_of_pages_rejects_is_a_failed_file(tmp_path: Path) -> None:
    assert "broken or truncated HTML" in refusal(tmp_path, "a.html", b"<p>Words</p>" + b"<![" * 20)


def test_large_markup_is_read_as_small(tmp_path: Path) -> None:
    text = b"## Kilns\n\nA kiln burns oak. It is old.\n\n"
    document = read(tmp_path, "a.md", b"# Oak\n\n" + text * 1000)
    assert (document.title, len(document.sections)) == ("Oak", 1000)
    page = read(
        tmp_path, "a.html", b"<head><title>Kilns</title></head>" + b"<h1>Kilns</h1><p>A kiln burns oak.</p>" * 1000
    )
    assert (page.title, len(page.sections)) == ("Kilns", 1000)


def test_a_pdf_is_read_page_by_page_with_running_text_joined(tmp_path: Path) -> None:
    first = "The longest river of this continent is the Mis-\nsissippi, which flows south\nfor a long way."
    document = read(tmp_path, "a.pdf", pdf(first, "", "Second page.", title="Rivers"))
    assert document.title == "Rivers"
    assert [section.place for section in document.sections] == ["p. 1", "p. 3"]
    assert [text for _, text in sections(document)] == [
        "The longest river of this continent is the Mississippi, which flows south for a long way.",
        "Second page.",
    ]
    assert [passage.place for passage in cut(document)] == ["p. 1", "p. 3"]


def test_running_text_keeps_lists_and_headings_apart(tmp_path: Path) -> None:
    page = "RIVERS\nA line that reaches all the way to the right margin of it\nand ends here.\n- one\n- two"
    [text] = [text for _, text in sections(read(tmp_path, "a.pdf", pdf(page)))]
    assert [line for line in text.splitlines() if line] == [
        "RIVERS",
        "A line that reaches all the way to the right margin of it and ends here.",
        "- one",
        "- two",
    ]


def test_pdfs_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    whole = pdf("Some text.")
    assert "no text layer" in refusal(tmp_path, "scan.pdf", pdf(""))
    assert "broken" in refusal(tmp_path, "cut.pdf", whole[:150])
    assert "broken" in refusal(tmp_path, "junk.pdf", b"%PDF-1.7\n" + b"junk " * 50)
    locked = Canvas(str(tmp_path / "locked.pdf"), encrypt=StandardEncryption("secret", strength=128))
    locked.drawString(72, 720, "Nobody reads this.")
    locked.save()
    assert "password-protected" in refusal(tmp_path, "locked.pdf", (tmp_path / "locked.pdf").read_bytes())
    assert "3 pages, more than the 2" in refusal(tmp_path, "l.pdf", pdf("a", "b", "c"), SourceLimits(max_pages=2))
    assert "more than the 5 characters" in refusal(tmp_path, "t.pdf", whole, SourceLimits(max_text=5))


def test_a_pdf_that_eats_time_or_memory_is_a_failed_file(tmp_path: Path) -> None:
    endless = pdf("x", raw=b"BT /F 12 Tf " + b"(abc) Tj 1 0 Td " * 1_000_000 + b"ET")
    assert len(endless) < 200_000
    assert "1 seconds" in refusal(tmp_path, "time.pdf", endless, SourceLimits(cpu_seconds=1))
    assert "seconds to read" in refusal(tmp_path, "wall.pdf", endless, SourceLimits(wall_seconds=1))
    bomb = pdf("x", raw=b" " * 70_000_000)
    assert "200 MB to read" in refusal(tmp_path, "space.pdf", bomb, SourceLimits(memory=200 << 20))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.txt", b"MZ\x90\x00\x03" + bytes(100), ["text (.txt)", "program"]),
        ("a.txt", b"%PDF-1.4 ...", ["text (.txt)", "PDF"]),
        ("a.txt", b" \n<!DOCTYPE html><p>x", ["text (.txt)", "HTML"]),
        ("a.txt", b"some\0binary", ["text (.txt)", "binary"]),
        ("a.txt", bytes(range(1, 256)) * 4, ["text (.txt)", "binary"]),
        ("a.pdf", b"<html><p>x", ["PDF (.pdf)", "HTML"]),
        ("a.pdf", b"plain words", ["PDF (.pdf)", "text"]),
        ("a.html", b"PK\x03\x04....", ["HTML (.html)", "ZIP"]),
        ("a.md", b"\x89PNG\r\n", ["Markdown (.md)", "PNG"]),
        ("a.txt", b"", ["no text found"]),
        ("a.txt", b" \n\t ", ["no text found"]),
        ("a.txt", "\u200b\ufeff\u2060".encode(), ["no text found"]),
        ("a.md", b"<!-- nothing -->", ["no text found"]),
        ("a.html", b"<script>x</script>", ["no text found"]),
        ("a.docx", b"x", ["Word (.docx)", "text"]),
        ("a.docx", b"\xd0\xcf\x11\xe0", ["Word (.docx)", "password-protected Office"]),
        ("a.xyz", b"x", ["'.xyz'", ".txt"]),
    ],
)
def test_what_is_not_what_its_name_says_is_refused(tmp_path: Path, name: str, data: bytes, words: list[str]) -> None:
    message = refusal(tmp_path, name, data)
    assert all(word in message for word in words), message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "latin-1"])
def test_the_usual_encodings_are_recognised(tmp_path: Path, encoding: str) -> None:
    text = "Café in Zürich, naïve façade."
    assert read(tmp_path, "a.txt", text.encode(encoding)).text == text


def test_a_page_is_decoded_as_it_declares_and_a_few_bad_bytes_are_replaced(
    tmp_path: Path,
) -> None:
    page = '<meta charset="koi8-r"><p>Река</p>'
    assert read(tmp_path, "a.html", page.encode("koi8-r")).text == "Река"
    mended = read(tmp_path, "b.txt", "Река длинная".encode() + b"\xff")
    assert mended.text == "Река длинная\ufffd"
    assert mended.notes == ((Note.LOST, 1), (Note.FOREIGN, 1))


WESTERN = "Müller wohnt in Köln – schön.\n"
RIVER = "Река длинная и широкая, течёт на север.\n"
NILE = "Нил — длиннейшая река Африки, она течёт на север.\n"


@pytest.mark.parametrize(
    ("modern", "older", "encoding"),
    [
        ("Das Café öffnet früh.\n", WESTERN, "cp1252"),
        ("Das Café öffnet früh.\n", WESTERN * 50, "cp1252"),
        ("Das Café öffnet früh.\n" * 50, WESTERN, "cp1252"),
        ("尼罗河是世界上最长的河流之一。\n" * 30, WESTERN, "cp1252"),
        (RIVER * 30, NILE * 20, "cp1251"),
        (RIVER * 2, NILE * 20, "cp1251"),
    ],
)
def test_lines_in_another_encoding_are_read_each_as_it_is(
    tmp_path: Path, modern: str, older: str, encoding: str
) -> None:
    for data, text in (
        (modern.encode() + older.encode(encoding), modern + older),
        (older.encode(encoding) + modern.encode(), older + modern),
    ):
        document = read(tmp_path, "a.txt", data)
        assert document.text.strip() == text.strip()
        assert dict(document.notes)[Note.LEGACY] == older.count("\n")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_recognised(tmp_path: Path, encoding: str) -> None:
    for text in ("Café, Müller", "尼罗河是世界上最长的河流之一。\nНил — длиннейшая река.", "Nile\nNil"):
        for name in ("a.txt", "a.py"):
            assert read(tmp_path, name, text.encode(encoding)).text == text
    assert read(tmp_path, "a.html", "<p>Nile is <b>long</b></p>".encode(encoding)).text == "Nile is long"
    assert read(tmp_path, "a.csv", "Name,Ort\nMüller,Köln\n".encode(encoding)).text == "Name: Müller | Ort: Köln"
    for data in (b"abc\0" * 100, b"\0\1\2\3" * 100, bytes(range(256)) * 4):
        assert "holds binary data" in refusal(tmp_path, "b.txt", data)


@given(st.binary(max_size=200), st.sampled_from([".txt", ".md", ".html"]))
def test_any_bytes_give_a_document_or_a_source_error(tmp_path: Path, data: bytes, suffix: str) -> None:
    try:
        document = read(tmp_path, f"a{suffix}", data)
    except SourceError:
        return
    document.text.encode()
    assert document.text.strip()


def test_limits_are_named_in_the_refusal(tmp_path: Path) -> None:
    assert "11 bytes, more than the 10" in refusal(tmp_path, "a.txt", b"a" * 11, SourceLimits(max_bytes=10))
    assert "11 characters" in refusal(tmp_path, "a.txt", b"a" * 11, SourceLimits(max_text=10))


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        list(read_documents(tmp_path / "missing.txt"))
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(SourceError, match="not a regular file"):
        list(read_documents(tmp_path / "pipe.txt"))
