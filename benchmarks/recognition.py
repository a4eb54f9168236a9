"""Twenty pictures of text, turned, spotted, small, pale: how much of it is recognised, and in what time.

    python benchmarks/recognition.py --out benchmarks/results/recognition.json

The pictures are drawn here, each with words of its own. Accuracy is one less the share of characters that would have to
be changed, spaces and line ends counted as one. Needs the extra ocr.
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter, ImageFont

from retrieval.sources import ocr
from retrieval.sources.layout import blocks

WORDS = (
    "kiln ford mule lime larch toll egg keel weir leat sluice tannery draught quarry gorge bridge miller cart Torsay "
    "Sandwick March 1938 4.2 metres 17 kilograms of the and was before under beside every"
).split()


def pictures() -> Iterator[tuple[str, Image.Image, str]]:
    """Yield a name, a picture and the text in it."""
    dice = random.Random(11)
    for number in range(20):
        size = (22, 28, 36, 48)[number % 4]
        turn, noise, blur = (0.0, 1.2, -2.0, 0.0, 90.0)[number % 5], (0, 2000, 6000)[number % 3], number % 2 * 0.7
        ink = (20, 90, 130)[number % 3]
        lines = [" ".join(dice.choice(WORDS) for _ in range(5)).capitalize() + "." for _ in range(6)]
        made = Image.new("L", (1100, 620), 245)
        pen = ImageDraw.Draw(made)
        for row, line in enumerate(lines):
            pen.text((50, 50 + row * size * 1.8), line, font=ImageFont.load_default(size=size), fill=ink)
        made = made.filter(ImageFilter.GaussianBlur(blur)).rotate(turn, fillcolor=245, expand=abs(turn) > 45)
        for _ in range(noise):
            made.putpixel((dice.randrange(made.width), dice.randrange(made.height)), dice.randrange(60, 200))
        yield f"{size} px, turned {turn:g}, {noise} spots, ink {ink}, blur {blur:g}", made, " ".join(lines)


def distance(one: str, other: str) -> int:
    """Return how many characters have to be changed, put in or taken out."""
    row = list(range(len(other) + 1))
    for place, sign in enumerate(one, start=1):
        above, row = row, [place]
        for at, letter in enumerate(other):
            row.append(min(above[at + 1] + 1, row[at] + 1, above[at] + (sign != letter)))
    return row[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "recognition.json")
    options = parser.parse_args()
    rows = []
    for name, picture, wanted in pictures():
        begun = time.process_time()
        found = " ".join(block.text for block in blocks(ocr.recognised(ocr.pixels(picture))))
        accuracy = 1 - distance(found, wanted) / len(wanted)
        rows.append({"picture": name, "accuracy": round(accuracy, 4), "cpu": round(time.process_time() - begun, 1)})
        print(f"{accuracy:.3f}  {name}", flush=True)
    scores = [float(row["accuracy"]) for row in rows]
    result = {"mean": round(statistics.mean(scores), 4), "least": min(scores), "pictures": rows}
    print(f"mean {result['mean']:.3f}, least {result['least']:.3f}")
    options.out.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
