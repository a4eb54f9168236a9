"""A comparison of runs as one page of HTML, regressions first."""

from collections.abc import Sequence
from html import escape
from typing import Final

from app.evaluation.catalogue import about
from app.evaluation.compare import Comparison, Difference
from app.evaluation.page import document
from app.evaluation.plots import Interval, interval

HEADS: Final = ("measure", "run", "before", "after", "difference", "95 %", "p, Holm", "rows", "changed")


def comparison_page(found: Comparison) -> str:
    """Return the page."""
    names = " against ".join((*found.names[1:], found.names[0]))
    title = f"{found.kind.capitalize()} of {found.data}: {names}"
    worse = len(found.regressions)
    better = sum(one.verdict == "better" for one in found.differences)
    said = f"<span class='tag bad'>{worse} worse</span>" if worse else "<span class='tag'>nothing is worse</span>"
    head = f"<h1>{escape(title)}</h1><p>{said} <span class='tag {'good' if better else ''}'>{better} better</span></p>"
    note = (
        "<p class=note>Differences of means over the rows that each run counts; intervals by a paired bootstrap, p by "
        "a permutation test, corrected over all measures by Holm. A measure is called worse or better when the "
        "corrected p is at most 0.05.</p>"
    )
    changed = [one for one in found.differences if one.verdict != "same"]
    same = [one for one in found.differences if one.verdict == "same"]
    took = ", ".join(f"{name} {seconds:.2f} s" for name, seconds in found.seconds.items())
    parts = [
        head,
        note,
        f"<p class=note>Mean seconds of a turn, told and not tested: {escape(took)}.</p>" if took else "",
    ]
    if changed:
        parts.append(f"<h2>What changed</h2>{_table(changed)}")
    if same:
        parts.append(f"<h2>What did not, as far as these rows can tell</h2>{_table(same)}")
    if found.lost:
        rows = "".join(
            f"<details><summary><span class=q>{escape((row['question'] or row['before'])[:160])}</span>"
            f"<span class='tag bad'>lost: {escape(about(row['lost']).title.lower())}</span></summary>"
            "<div class=inside><dl>"
            f"<dt>Before</dt><dd>{escape(row['before'][:4000])}</dd><dt>After</dt><dd>{escape(row['after'][:4000])}</dd>"
            f"<dt>Line</dt><dd>{row['line']}</dd></dl></div></details>"
            for row in found.lost
        )
        parts.append(f"<h2>Rows that were lost</h2>{rows}")
    return document(title, "".join(parts))


def _table(found: Sequence[Difference]) -> str:
    reach = max(
        [0.02, *(max(abs(one.low), abs(one.high)) for one in found if about(one.measure).better and _unit(one))]
    )
    heads = "".join(f"<th{' class=num' if place > 1 else ''}>{name}</th>" for place, name in enumerate(HEADS))
    heads = heads.replace("<th class=num>95 %", f"<th class=wide>&minus;{reach:.2f} to +{reach:.2f}")
    rows = "".join(_row(one, reach) for one in found)
    return f"<div class=scroll><table class=compared><tr>{heads}</tr>{rows}</table></div>"


def _row(one: Difference, reach: float) -> str:
    said = about(one.measure)
    shown = Interval(said.title, one.difference, one.low, one.high, one.n)
    drawn = interval(shown, -reach, reach) if _unit(one) else f"{one.low:+.3f} to {one.high:+.3f}"
    tone = {"worse": "worse", "better": "better"}.get(one.verdict, "")
    return (
        f"<tr class='{tone}' title='{escape(said.says, quote=True)}'><td>{escape(said.title)}</td>"
        f"<td>{escape(one.run)}</td><td class=num>{one.before:.3f}</td><td class=num>{one.after:.3f}</td>"
        f"<td class=num>{one.difference:+.3f}</td><td class=wide>{drawn}</td><td class=num>{one.holm:.2g}</td>"
        f"<td class=num>{one.n:,}</td><td class=num>{one.changed:,}</td></tr>"
    )


def _unit(one: Difference) -> bool:
    """Whether the measure lies in [0, 1]."""
    return 0 <= one.before <= 1 and 0 <= one.after <= 1 and not one.measure.startswith("tokens ")
