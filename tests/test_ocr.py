"""Text in pictures: read, placed by lines, and said where there is none."""

import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageDraw, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from app import open_bot
from dialogue.models.lettering import CAVEAT
from dialogue.pictures import BLANK
from retrieval.sources import ocr
from retrieval.sources.filetypes import DEFAULT_LIMITS
from retrieval.sources.pdf import read_pdf
from retrieval.sources.pictures import read_picture
from retrieval.types import Document, Note, SourceError

pytestmark = pytest.mark.skipif(not ocr.is_installed(), reason="needs the extra ocr")
LINES = ["The ferry bell of Sandwick", "", "It was cast in 1822 by a smith", "from Torsay and weighs 75 kilograms."]
TOLD = "It was cast in 1822 by a smith from Torsay and weighs 75 kilograms."


def picture(turn: float = 0.0, noise: int = 0, points: int = 34) -> Image.Image:
    """Lines of text as a scanner sees them."""
    made = Image.new("L", (900, 500), 245)
    pen = ImageDraw.Draw(made)
    for number, line in enumerate(LINES):
        pen.text((60, 60 + 56 * number), line, font=ImageFont.load_default(size=points), fill=30)
    dice = Random(3)
    for _ in range(noise):
        made.putpixel((dice.randrange(900), dice.randrange(500)), 90)
    return made.rotate(turn, fillcolor=245, resample=Image.Resampling.BICUBIC, expand=abs(turn) > 45)


def first(items: Iterator[tuple[str, Document | None]]) -> Document:
    [document] = [document for _, document in items if document is not None]
    return document


@pytest.mark.slow
@pytest.mark.parametrize(("turn", "noise"), [(1.5, 1500), (90.0, 0)])
def test_a_photo_is_read_by_its_lines(tmp_path: Path, turn: float, noise: int) -> None:
    picture(turn, noise).save(tmp_path / "sign.png")
    document = first(read_picture(tmp_path / "sign.png", DEFAULT_LIMITS))
    assert document.title == LINES[0]
    assert TOLD in document.text
    assert [section.place for section in document.sections] == ["p. 1, lines 1–3"]
    assert dict(document.notes) == {Note.RECOGNISED: 1}


@pytest.mark.slow
def test_pages_of_a_pdf_without_text_are_read_and_the_others_are_not(tmp_path: Path) -> None:
    held = io.BytesIO()
    picture().save(held, "PNG")
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=(595, 842))
    canvas.drawString(60, 700, "The bell is rung at noon.")
    canvas.showPage()
    canvas.drawImage(ImageReader(io.BytesIO(held.getvalue())), 40, 400, width=500, height=278)
    canvas.showPage()
    canvas.rect(60, 60, 200, 200, fill=1)
    canvas.save()
    document = first(read_pdf(tmp_path / "a.pdf", DEFAULT_LIMITS))
    assert [section.place for section in document.sections] == ["p. 1", "p. 2, lines 1–3"]
    assert TOLD in document.text
    assert all(one.end <= other.start for one, other in pairwise(document.sections))
    assert dict(document.notes) == {Note.RECOGNISED: 1, Note.WORDLESS: 1}


def test_a_picture_without_words_says_so(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), (90, 140, 200)).save(tmp_path / "sky.jpg")
    with pytest.raises(SourceError, match="without words"):
        first(read_picture(tmp_path / "sky.jpg", DEFAULT_LIMITS))


@pytest.mark.slow
def test_a_picture_with_a_message_is_read_where_nothing_looks_at_it(tmp_path: Path) -> None:
    held, plain = io.BytesIO(), io.BytesIO()
    picture().save(held, "PNG")
    Image.new("RGB", (300, 200), "navy").save(plain, "PNG")
    with open_bot(tmp_path / "data", "quote") as bot:
        reply = bot.ask("How heavy is the ferry bell of Sandwick?", images=held.getvalue())
        assert "75 kilograms" in reply.text
        assert {citation.passage.kind for citation in reply.citations} == {"picture"}
        assert reply.trace.notes == (CAVEAT,)
        alone = bot.ask("", images=plain.getvalue())
        assert (alone.outcome, alone.text, CAVEAT in alone.trace.notes) == ("abstained", BLANK, True)
