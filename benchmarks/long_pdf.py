"""A PDF of 1,000 pages: seconds and memory of reading it, and of ingesting it the first time and again.

    python benchmarks/long_pdf.py --pages 1000 --out benchmarks/results/long_pdf.json

Its pages are alike: a running header, a heading, two columns of text made with a fixed seed, a ruled table, a number.
"""

import argparse
import json
import random
import resource
import tempfile
import time
from pathlib import Path

from reportlab.pdfgen.canvas import Canvas

from app import open_bot
from retrieval.sources import read_documents

WORDS = (
    "kiln ford mule lime larch toll egg keel weir leat sluice tannery draught quarry gorge bridge miller cart".split()
)


def written(path: Path, pages: int) -> None:
    """Write the PDF."""
    dice = random.Random(5)
    canvas = Canvas(str(path), pagesize=(595, 842), invariant=1)
    for page in range(1, pages + 1):
        canvas.setFont("Helvetica", 9)
        canvas.drawString(60, 815, "Records of the lime works, printed for the archive")
        canvas.drawString(500, 25, f"Page {page} of {pages}")
        canvas.setFont("Helvetica-Bold", 14)
        canvas.drawString(60, 770, f"Record {page}")
        canvas.setFont("Helvetica", 9)
        for x in (60, 310):
            for line in range(40):
                text = " ".join(dice.choice(WORDS) for _ in range(7))
                canvas.drawString(x, 740 - 12 * line, text.capitalize() + "." if line % 3 == 0 else text)
        for row in range(4):
            for column in range(3):
                cell = ("Charge", "Days", "Carts")[column] if row == 0 else str(dice.randrange(10, 99))
                canvas.drawString(64 + 100 * column, 216 - 18 * row, cell)
        for x in (60, 160, 260, 360):
            canvas.line(x, 230, x, 158)
        for y in (230, 212, 194, 176, 158):
            canvas.line(60, y, 360, y)
        canvas.showPage()
    canvas.save()


def timed(work: object) -> float:
    """Return the seconds that a call takes."""
    begun = time.monotonic()
    work()  # type: ignore[operator]
    return round(time.monotonic() - begun, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--read-only", action="store_true", help="leave the ingestion out")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "long_pdf.json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "long.pdf"
        written(path, options.pages)
        result: dict[str, float] = {"pages": options.pages, "megabytes": round(path.stat().st_size / 1e6, 1)}
        found = []
        result["read_seconds"] = timed(lambda: found.extend(read_documents(path)))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        result["read_cpu_seconds"] = round(used.ru_utime + used.ru_stime, 1)
        result["reader_peak_mb"] = used.ru_maxrss >> 10
        result["sections"] = len(found[0].sections)
        result["characters"] = len(found[0].text)
        if not options.read_only:
            with open_bot(data_dir=Path(folder) / "data") as bot:
                result["ingest_seconds"] = timed(lambda: bot.ingest([path]))
                result["again_seconds"] = timed(lambda: bot.ingest([path]))
            result["process_peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    print(json.dumps(result, indent=1))
    options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
