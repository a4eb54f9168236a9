"""The page of a run: whole without a network, readable on a desk, on a phone and in the dark."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from evaluation_runs import dialogue_records, keep, result_of

from app.evaluation import measured_of
from app.evaluation.page import write_page
from app.evaluation.plots import Interval, against_length, histogram, interval, reliability

VOID = {"meta", "link", "br"}


class _Tags(HTMLParser):
    """Checks that what is opened is closed, and collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.loads += [value or "" for name, value in attributes if name in ("src", "href", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "tr", "th") and self.open[-1] != tag:  # may be left open
            return
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    records = dialogue_records(300, seed=1)
    records[0] |= {"reply": "<script>alert(1)</script>", "verdict": "wrong", "safe": False, "question": "<b>Bold?</b>"}
    keep(folder, records)
    result = result_of(records) | {"required": [{"condition": "right>=0.9", "value": 0.8, "met": False}]}
    return write_page(folder, result, measured_of("dialogue"))


def test_a_page_needs_nothing_beside_it_and_runs_nothing(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    tags = _Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.loads == ["data:,"]
    assert "<script" not in text
    assert "url(" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert text.count("<figure>") >= 10
    for said in (
        "Wrong when served",
        "Citation recall (ALCE)",
        "By kind",
        "By source",
        "Worst examples",
        "right&gt;=0.9",
    ):
        assert said in text


def test_plots_say_their_numbers_and_hold_no_other() -> None:
    chance = np.random.default_rng(0)
    scores = chance.random(500)
    drawn = [
        histogram([("one", scores), ("two", scores[:9])], "T <&>", "p"),
        reliability(scores, (chance.random(500) < scores).astype(float), "R"),
        against_length(np.floor(1 + 80 * scores), scores, "L", "mean"),
        against_length(np.ones(9), np.ones(9), "L", "mean"),
        interval(Interval("x", 0.1, -0.2, 0.4, 7), -1, 1),
    ]
    for svg in drawn:
        tags = _Tags()
        tags.feed(svg)
        assert tags.open == []
        assert "nan" not in svg.lower()
        assert "inf" not in svg.lower()
    assert "T &lt;&amp;&gt;" in drawn[0]
    assert drawn[1].count("rows of about") == 10


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = Path("/usr/bin/chromium")
    if not chromium.exists():
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=str(chromium), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")])
def test_the_page_opens_from_disk_with_the_network_off(browser: object, page: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, offline=True)  # type: ignore[attr-defined]
    shown, faults = context.new_page(), []
    shown.on("console", lambda message: faults.append(message.text))
    shown.on("requestfailed", lambda request: faults.append(request.url))
    shown.goto(page.as_uri())
    assert shown.evaluate("document.documentElement.scrollWidth") <= width
    dark = shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 27)"
    assert dark == (scheme == "dark")
    plots = shown.locator("figure svg")
    assert plots.count() >= 10
    for place in range(plots.count()):
        box = plots.nth(place).bounding_box()
        assert box is not None
        assert box["width"] >= 220
    tick = shown.evaluate("document.querySelector('figure .tick').getBoundingClientRect().height")
    assert tick >= 9  # pixels
    example = shown.locator("details", has_text="Bold?").first
    example.locator("summary").click()
    assert example.locator("dd", has_text="alert(1)").is_visible()
    assert faults == []
    context.close()
