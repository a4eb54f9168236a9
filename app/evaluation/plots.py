"""Plots as SVG, each a pure function of numbers. Colours and type come from the page's style sheet.

Every plot is drawn 340 units wide and scales with its box, so that its words can be read on a phone; what a mark stands
for is said when it is pointed at.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

WIDTH: Final = 340
HEIGHT: Final = 220
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 12, 38
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its interval and the rows it is of, under a name."""

    name: str
    value: float
    low: float
    high: float
    n: int


def histogram(series: Sequence[tuple[str, Array]], title: str, label: str, bins: int = 20) -> str:
    """Return the distribution of probabilities, one outline for each named series; shares of a series sum to 1."""
    edges = np.linspace(0, 1, bins + 1)
    shares = [np.histogram(values, edges)[0] / max(1, len(values)) for _, values in series]
    most = max([0.05, *(float(share.max()) for share in shares)])
    parts = [_axes(title, label, "share of replies", _ticks(most), (0.0, 0.25, 0.5, 0.75, 1.0), (0, 1), most)]
    for place, ((name, values), share) in enumerate(zip(series, shares, strict=True)):
        width = (_x(1) - _x(0)) / bins
        for low, part in zip(edges, share, strict=False):
            if part > 0:
                tip = (
                    f"{name + ': ' if name else ''}{part:.1%} of {len(values):,} from {low:.2f} to {low + 1 / bins:.2f}"
                )
                parts.append(_bar(_x(low) + 0.5, _y(part, most), width - 1, f"s{place}", tip))
    return _svg(parts, title, [(name, f"s{place}") for place, (name, _) in enumerate(series) if name])


def reliability(scores: Array, labels: Array, title: str, bins: int = 10) -> str:
    """Return what share is true among rows of about one probability, with 95 % intervals, beside the diagonal."""
    parts = [_axes(title, "probability that the judge gives", "share that is so", _FIFTHS, _FIFTHS, (0, 1), 1.0)]
    parts.append(f'<line class="ideal" x1="{_x(0):.1f}" y1="{_y(0, 1):.1f}" x2="{_x(1):.1f}" y2="{_y(1, 1):.1f}"/>')
    for rows in np.array_split(np.argsort(scores, kind="stable"), min(bins, max(1, len(scores)))):
        if not len(rows):
            continue
        p, share, n = float(scores[rows].mean()), float(labels[rows].mean()), len(rows)
        low, high = _wilson(share, n)
        tip = f"{n:,} rows of about {p:.2f}: {share:.1%} are so ({low:.1%} to {high:.1%})"
        parts.append(_whisker(_x(p), _y(share, 1), _y(low, 1), _y(high, 1), tip))
    return _svg(parts, title)


def against_length(words: Array, scores: Array, title: str, label: str, bins: int = 8) -> str:
    """Return the mean score of replies of about one length, with its interval; lengths on a logarithmic scale."""
    least, most = np.log2(max(1.0, words.min())), np.log2(max(2.0, words.max()))
    span = (float(least), float(max(most, least + 1)))
    ticks = [2.0**power for power in range(int(np.ceil(span[0])), int(np.floor(span[1])) + 1)][
        :: max(1, int((most - least) // 5))
    ]
    parts = [_axes(title, "words of a reply", label, _FIFTHS, [float(np.log2(t)) for t in ticks], span, 1.0, ticks)]
    for rows in np.array_split(np.argsort(words, kind="stable"), min(bins, max(1, len(words)))):
        if not len(rows):
            continue
        x, mean, n = float(np.log2(max(1.0, float(np.median(words[rows]))))), float(scores[rows].mean()), len(rows)
        half = 1.96 * float(scores[rows].std()) / max(1.0, n**0.5)
        tip = f"{n:,} replies of {int(words[rows].min())} to {int(words[rows].max())} words: mean {mean:.2f}"
        parts.append(
            _whisker(_x(x, span), _y(mean, 1), _y(max(0.0, mean - half), 1), _y(min(1.0, mean + half), 1), tip)
        )
    return _svg(parts, title)


def interval(found: Interval, low: float = 0.0, high: float = 1.0) -> str:
    """Return one line of a table: a dot with its interval on a scale from `low` to `high`."""
    span = high - low or 1.0

    def place(value: float) -> float:
        return 2 + 96 * min(1.0, max(0.0, (value - low) / span))

    tip = f"{found.name}: {found.value:.3f} ({found.low:.3f} to {found.high:.3f}), n = {found.n:,}"
    middle = f"{place(0):.2f}%"
    zero = f'<line class="ideal" x1="{middle}" x2="{middle}" y1="0" y2="16"/>' if low < 0 < high else ""
    said = escape(tip)
    return (
        f'<svg class="interval" width="100%" height="16" role="img" aria-label="{said}"><title>{said}</title>'
        f'<line class="rail" x1="2%" x2="98%" y1="8" y2="8"/>{zero}'
        f'<line class="range" x1="{place(found.low):.2f}%" x2="{place(found.high):.2f}%" y1="8" y2="8"/>'
        f'<circle class="dot" cx="{place(found.value):.2f}%" cy="8" r="4"/></svg>'
    )


_FIFTHS: Final = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def _x(value: float, span: tuple[float, float] = (0, 1)) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (value - span[0]) / (span[1] - span[0])


def _y(value: float, most: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / most)


def _ticks(most: float) -> list[float]:
    step = next(step for step in (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5) if most / step <= 5)
    return [round(step * place, 4) for place in range(int(most / step) + 1)]


def _axes(
    title: str,
    below: str,
    beside: str,
    ys: Sequence[float],
    xs: Sequence[float],
    span: tuple[float, float],
    most: float,
    shown: Sequence[float] | None = None,
) -> str:
    parts = []
    for value in ys:
        y = _y(value, most)
        parts.append(f'<line class="grid" x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{value:g}</text>')
    for value, said in zip(xs, shown or xs, strict=True):
        x = _x(value, span)
        parts.append(f'<text class="tick" x="{x:.1f}" y="{HEIGHT - BOTTOM + 14}" text-anchor="middle">{said:g}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="label" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(below)}</text>')
    turn = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="label" transform="translate(10 {turn}) rotate(-90)" text-anchor="middle">{escape(beside)}</text>'
    )
    return "".join(parts)


def _bar(x: float, y: float, width: float, name: str, tip: str) -> str:
    height = _y(0, 1) - y
    return (
        f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}">'
        f"<title>{escape(tip)}</title></rect>"
    )


def _whisker(x: float, y: float, low: float, high: float, tip: str) -> str:
    return (
        f'<g><title>{escape(tip)}</title><line class="range" x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}"/>'
        f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/></g>'
    )


def _svg(parts: Sequence[str], title: str, legend: Sequence[tuple[str, str]] = ()) -> str:
    keys = "".join(f'<span class="key {name}"></span>{escape(text)} ' for text, name in legend)
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    below = f"<p class=legend>{keys}</p>" if keys else ""
    return f"<figure><figcaption>{escape(title)}</figcaption>{drawn}{below}</figure>"


def _wilson(share: float, n: int) -> tuple[float, float]:
    from app.evaluation.metrics import wilson

    return wilson(round(share * n), n)
