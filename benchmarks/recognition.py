"""Twenty pictures and scanned pages of text, turned, spotted, small, pale: is what they say recognised, and are
questions about it answered with the page cited?

    python benchmarks/recognition.py [--out benchmarks/results/recognition.json]

The pages are drawn here. Ten are pictures, ten the pages of two PDF files that hold nothing but pictures. Each says
three things of an invented place; every one of them is asked for, of a bot that quotes, and of one that has the same
words as typed text, which is as good as it can get. Accuracy is one less the share
of characters that would have to be changed, spaces and line ends counted as one. Needs the extras dev and ocr.
"""

import argparse
import io
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import reportlab
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from app import Bot, open_bot
from dialogue.types import Reply
from retrieval.sources import ocr
from retrieval.sources.layout import blocks

FONTS: Final = ("", "Vera.ttf", "VeraBd.ttf", "VeraIt.ttf", "VeraBI.ttf")  # Pillow's own, and those of ReportLab
SIZES, TURNS, SPOTS, INKS = (20, 24, 30, 38), (0.0, 1.2, -2.0, 0.0, 90.0, 0.6, -1.0), (0, 2000, 6000), (20, 90, 130)
THINGS: Final = ("ferry bell", "tide mill", "lime kiln", "stone bridge", "signal tower")
PLACES: Final = (
    *("Sandwick", "Torsay", "Aldermoor", "Brackwell", "Corrin", "Dunholm", "Eastry", "Farlam", "Glenrath", "Hexby"),
    *("Inverkip", "Kelsey", "Lathom", "Marwick", "Netherby", "Orrin", "Penhale", "Quendon", "Rothley", "Selmoor"),
)
MAKERS: Final = ("a smith from Leith", "two brothers", "the harbour board", "a miller's widow", "the guild of masons")
DAYS: Final = ("Mondays", "Tuesdays", "Thursdays", "Fridays", "Sundays")


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page: the file it is in and its number there, its pixels, its words, and questions with what answers them."""

    file: str
    page: int
    look: str
    picture: Image.Image
    lines: tuple[str, ...]
    asked: tuple[tuple[str, str], ...]


def pages() -> Iterator[Drawn]:
    """Yield the pages, the pictures first."""
    dice = random.Random(11)
    for number, place in enumerate(PLACES):
        thing, maker = f"{THINGS[number % 5]} of {place}", MAKERS[number * 3 % 5]
        year, weight, day = str(1640 + 13 * number), f"{120 + 37 * number} kilograms", DAYS[number * 2 % 5]
        lines = (
            f"The {thing}",
            "",
            f"The {thing} was built in {year}",
            f"by {maker}, who left no plans.",
            f"It weighs {weight} and is painted every",
            f"second spring. Visitors may see it on {day}.",
        )
        asked = (
            (f"When was the {thing} built?", year),
            (f"How much does the {thing} weigh?", weight),
            (f"On which day may visitors see the {thing}?", day),
        )
        look, picture = drawn(dice, number, lines)
        file = f"{place}.png" if number < 10 else f"scan {number // 5 - 1}.pdf"
        yield Drawn(file, 1 if number < 10 else number % 5 + 1, look, picture, lines, asked)


def drawn(dice: random.Random, number: int, lines: tuple[str, ...]) -> tuple[str, Image.Image]:
    """Return how a page looks, in words, and its picture."""
    size, turn, spots = SIZES[number % 4], TURNS[number % 7], SPOTS[number % 3]
    ink, blur, name = INKS[number // 2 % 3], number % 2 * 0.7, FONTS[number % 5]
    file = Path(reportlab.__file__).parent / "fonts" / name
    font = ImageFont.truetype(file, size) if name else ImageFont.load_default(size=size)
    made = Image.new("L", (1100, 620), 245)
    pen = ImageDraw.Draw(made)
    for row, line in enumerate(lines):
        pen.text((50, 50 + row * size * 1.8), line, font=font, fill=ink)
    made = made.filter(ImageFilter.GaussianBlur(blur))
    made = made.rotate(turn, fillcolor=245, resample=Image.Resampling.BICUBIC, expand=abs(turn) > 45)
    for _ in range(spots):
        made.putpixel((dice.randrange(made.width), dice.randrange(made.height)), dice.randrange(60, 200))
    look = (
        f"{name.removesuffix('.ttf') or 'Aileron'}, {size} px, turned {turn:g}, {spots} spots, ink {ink}, blur {blur:g}"
    )
    return look, made


def saved(folder: Path, drawn_pages: list[Drawn]) -> None:
    """Write the pictures and the scanned documents."""
    scans: dict[str, list[Image.Image]] = {}
    for page in drawn_pages:
        if page.file.endswith(".png"):
            page.picture.save(folder / page.file)
        else:
            scans.setdefault(page.file, []).append(page.picture)
    for name, pictures in scans.items():
        canvas = Canvas(str(folder / name))
        for picture in pictures:
            held = io.BytesIO()
            picture.save(held, "PNG")
            wide, high = picture.width * 0.5, picture.height * 0.5  # at 144 dots an inch
            canvas.setPageSize((wide, high))
            canvas.drawImage(ImageReader(held), 0, 0, wide, high)
            canvas.showPage()
        canvas.save()


def distance(one: str, other: str) -> int:
    """Return how many characters have to be changed, put in or taken out."""
    row = list(range(len(other) + 1))
    for place, sign in enumerate(one, start=1):
        above, row = row, [place]
        for at, letter in enumerate(other):
            row.append(min(above[at + 1] + 1, row[at] + 1, above[at] + (sign != letter)))
    return row[-1]


def accuracy(page: Drawn) -> float:
    """Return the share of a page's characters that are recognised."""
    wanted = " ".join(" ".join(page.lines).split())
    found = " ".join(block.text for block in blocks(ocr.recognised(ocr.pixels(page.picture))))
    return 1 - distance(found, wanted) / len(wanted)


def held(reply: Reply, page: Drawn, wanted: str) -> tuple[bool, bool]:
    """Whether a reply says what is wanted, and whether it also cites the page that it stands on."""
    right = reply.outcome == "answered" and wanted.replace(" ", "") in reply.text.replace(" ", "")
    place = f"p. {page.page}"
    cited = any(one.source == page.file and one.place.split(",")[0] == place for one in reply.citations)
    return right, right and cited


def asked(bot: Bot, page: Drawn) -> list[dict[str, object]]:
    """Ask all questions about a page."""
    rows: list[dict[str, object]] = []
    for question, wanted in page.asked:
        reply = bot.ask(question)
        right, cited = held(reply, page, wanted)
        rows.append({"question": question, "right": right, "cited": cited} | ({} if cited else {"reply": reply.text}))
    return rows


def written(folder: Path, drawn_pages: list[Drawn]) -> None:
    """Write the words of the pages as text."""
    for page in drawn_pages:
        (folder / f"{page.file} {page.page}.txt").write_text("\n".join(page.lines), "utf-8")


def answered(drawn_pages: list[Drawn], save: Callable[[Path, list[Drawn]], None]) -> list[dict[str, object]]:
    """Put the pages into a library, as `save` writes them, and ask all questions."""
    with tempfile.TemporaryDirectory() as name, open_bot(data_dir=f"{name}/data", model="quote") as bot:
        files = Path(name) / "files"
        files.mkdir()
        save(files, drawn_pages)
        bot.ingest(sorted(files.iterdir()))  # by name: pictures within a folder are passed over
        return [row for page in drawn_pages for row in asked(bot, page)]


def main() -> None:
    """Draw, recognise, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "recognition.json")
    options = parser.parse_args()
    drawn_pages, rows = list(pages()), []
    for page in drawn_pages:
        begun = time.process_time()
        share = accuracy(page)
        cpu = round(time.process_time() - begun, 1)
        rows.append({"file": page.file, "page": page.page, "look": page.look, "accuracy": round(share, 4), "cpu": cpu})
        print(f"{share:.3f}  {page.look}", flush=True)
    answers, typed = answered(drawn_pages, saved), answered(drawn_pages, written)
    scores = [float(str(row["accuracy"])) for row in rows]
    result = {
        "accuracy": {"mean": round(statistics.mean(scores), 4), "least": min(scores)},
        "questions": len(answers),
        "answered": round(sum(bool(row["right"]) for row in answers) / len(answers), 4),
        "answered with the page cited": round(sum(bool(row["cited"]) for row in answers) / len(answers), 4),
        "answered from typed text": round(sum(bool(row["right"]) for row in typed) / len(typed), 4),
        "missed": [row for row in answers if not row["cited"]],
        "pages": rows,
    }
    print(json.dumps({key: value for key, value in result.items() if key != "pages"}, indent=1))
    options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
