"""A run as one page of HTML that needs nothing beside it: no network, no script. Dark where the browser is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.evaluation.catalogue import ABOUT, about
from app.evaluation.columns import Columns, Measured
from app.evaluation.examples import Worst
from app.evaluation.journal import stored_rows
from app.evaluation.plots import Interval, against_length, histogram, interval, reliability
from app.evaluation.report import Report
from app.evaluation.tables import EvaluationError

Record = dict[str, Any]
SLICES: Final = 16  # of a key that are shown
FEWEST: Final = 8  # rows that a plot needs
SHOWN: Final = {
    "dialogue": ("right", "wrong_when_served", "groundedness", "citation_recall", "sensible", "safety"),
    "grounding": ("correct", "called"),
}
PROBABILITIES: Final = ("p_grounded", "p_answers_it", "p_sensible", "p_specific", "p_interesting")


def write_page(folder: Path, result: Mapping[str, Any], measured: Callable[[Record], Measured]) -> Path:
    """Write ``report.html`` from the rows of a run and its result, and return its path. Raises EvaluationError."""
    columns, worst = Columns(), Worst(str(result["kind"]))
    for row in stored_rows(folder):
        if "error" in row:
            worst.failed(row)
        else:
            columns.add(measured(row))
            worst.add(row)
    path = folder / "report.html"
    try:
        fresh = path.with_name("report.html.new")
        fresh.write_text(page_of(result, columns, worst), encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        raise EvaluationError(f"{str(path)!r} cannot be written: {error.strerror or error}") from error
    return path


def page_of(result: Mapping[str, Any], columns: Columns, worst: Worst) -> str:
    """Return the page."""
    kind = str(result["kind"])
    title = f"{kind.capitalize()} of {result['data']}"
    parts = [_head(title, result), _required(result), _metrics(result)]
    parts.append(_section("Distributions", _distributions(kind, columns)))
    parts.append(_section("Calibration and length", _calibration(kind, columns)))
    for key, name in (("kind", "kind"), ("category", "category"), ("source", "source")):
        parts.append(_sliced(kind, columns, key, name))
    parts.append(worst.html())
    return document(title, "".join(parts))


def document(title: str, body: str) -> str:
    """Return a whole page around a body."""
    style = files("app.evaluation").joinpath("page.css").read_text(encoding="utf-8")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f'<link rel="icon" href="data:,"><style>{style}</style></head><body><main>{body}</main></body></html>\n'
    )


def flat(tree: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterable[tuple[tuple[str, ...], Any]]:
    """Yield the leaves of nested metrics with their paths."""
    for name, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, (*path, name))
        else:
            yield (*path, name), value


def _head(title: str, result: Mapping[str, Any]) -> str:
    facts = [("rows", f"{result['n']:,}"), ("undetermined", result.get("undetermined", 0))]
    facts += [
        (name, result[key]) for key, name in (("n_invalid", "not rows"), ("n_error", "failed")) if result.get(key)
    ]
    facts += [("duplicates", result["duplicates"])] if result.get("duplicates") else []
    facts += [("format", result["format"])] if result.get("format") else []
    shown = "".join(f"<li>{escape(name)} <b>{escape(str(value))}</b></li>" for name, value in facts)
    prints = "".join(
        f"<dt>{name}</dt><dd><code>{escape(str(result[name]))}</code></dd>"
        for name in ("system", "model", "judges", "policy", "role", "data_sha256", "seed")
        if result.get(name) not in (None, "")
    )
    system = f'<p class="sub">{escape(str(result["system"]))}</p>' if result.get("system") else ""
    stopped = (
        '<p><span class="tag bad">interrupted</span> this is only a part of the data</p>'
        if result.get("interrupted")
        else ""
    )
    problems = "".join(
        f"<p class=note>{escape(name)}: {escape('; '.join(map(str, result[key])))}</p>"
        for key, name in (("errors", "Failed, and in no metric"), ("invalid", "Not rows, and left out"))
        if result.get(key)
    )
    return (
        f"<h1>{escape(title)}</h1>{system}<ul class=facts>{shown}</ul>{stopped}{problems}"
        f'<details><summary>What was measured by what</summary><div class="inside"><dl>{prints}</dl></div></details>'
    )


def _required(result: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><span class='tag {'good' if row['met'] else 'bad'}'>{'met' if row['met'] else 'not met'}</span></td>"
        f"<td><code>{escape(row['condition'])}</code></td><td class=num>{_number(row['value'])}</td></tr>"
        for row in result.get("required", ())
    )
    return f"<h2>Required</h2><table>{rows}</table>" if rows else ""


def _metrics(result: Mapping[str, Any]) -> str:
    """The metrics that are shares or means in [0, 1], and below them the other numbers."""
    rows, others = [], []
    limits, counts = dict(flat(result["ci95"])), dict(flat(result["n_of"]))
    order = {name: place for place, name in enumerate(ABOUT)}
    shown = {name: result[name] for name in sorted(result, key=lambda name: order.get(name, len(order)))}
    for path, value in flat({k: v for k, v in shown.items() if k not in ("ci95", "n_of", "undefined", "required")}):
        if path not in counts or path[0].startswith("by_") or value is None:
            continue
        said = about(path[0] if path[0] != "safety_by_objective" else f"not {path[-1]}")
        name = said.title if len(path) == 1 or path[0] == "safety_by_objective" else " ".join(path).replace("_", " ")
        pair = limits.get(path)
        if pair and 0 <= value <= 1 and path[0] not in ("seconds_per_turn", "words_per_reply", "tokens_per_turn"):
            rows.append(_metric(Interval(name, value, pair[0], pair[1], counts[path]), said.says))
        else:
            said_so = f"{_number(value)}" + (f" ({_number(pair[0])} to {_number(pair[1])})" if pair else "")
            others.append(
                f"<tr><td>{escape(name)}</td><td class=num>{said_so}</td><td class=num>{counts[path]:,}</td></tr>"
            )
    undefined = "; ".join(
        f"{about(name).title}: {reason}" for name, reason in result["undefined"].items() if "." not in name
    )
    names = ("<th>metric", "<th class=num>value", "<th class='num ci'>95 %", "<th>0 to 1", "<th class=num>n")
    head = f"<thead><tr>{'</th>'.join(names)}</th></tr></thead>"
    table = f'<div class="scroll"><table class="metrics">{head}{"".join(rows)}</table></div>'
    table += f'<div class="scroll"><table>{"".join(others)}</table></div>' if others else ""
    missing = f"<p class=note>Not defined here: {escape(undefined)}.</p>" if undefined else ""
    return f"<h2>Metrics</h2>{table}{missing}"


def _metric(found: Interval, says: str) -> str:
    return (
        f"<tr title='{escape(says, quote=True)}'><td>{escape(found.name)}</td><td class=num>{found.value:.3f}</td>"
        f"<td class='num ci'>{found.low:.3f} to {found.high:.3f}</td><td class=wide>{interval(found)}</td>"
        f"<td class=num>{found.n:,}</td></tr>"
    )


def _distributions(kind: str, columns: Columns) -> list[str]:
    if kind == "grounding":
        labels, scores = columns.numbers("label"), columns.numbers("score")
        parts = [("supported", scores[labels == 1]), ("not supported", scores[labels == 0])]
        series = [part for part in parts if len(part[1])] or [("", columns.value("score"))]
        return [histogram(series, "P(grounded)", "probability")] if columns.n >= FEWEST else []
    found = []
    for name in PROBABILITIES:
        values = columns.value(name)
        if len(values) >= FEWEST:
            right = columns.numbers("right")
            known = ~_gone(right) & ~_gone(columns.numbers(name))
            parts = [
                (said, columns.numbers(name)[known & (right == flag)])
                for said, flag in (("right", 1), ("not right", 0))
            ]
            series = parts if all(len(part[1]) >= FEWEST for part in parts) else [("", values)]
            found.append(histogram(series, about(name).title, "probability"))
    return found


def _calibration(kind: str, columns: Columns) -> list[str]:
    pairs = [("score", "label", "P(grounded) against the labels")]
    lengths = [("score", "P(grounded)")]
    if kind == "dialogue":
        pairs = [
            ("p_grounded", "right", "P(grounded) against right"),
            ("p_answers_it", "right", "P(answers) against right"),
        ]
        lengths = [(name, about(name).title) for name in PROBABILITIES]
    found = []
    for score, label, title in pairs:
        scores, labels = columns.numbers(score), columns.numbers(label)
        kept = ~_gone(scores) & ~_gone(labels)
        if kept.sum() >= FEWEST:
            found.append(reliability(scores[kept], labels[kept], title))
    words = columns.numbers("words")
    for score, title in lengths:
        scores = columns.numbers(score)
        kept = ~_gone(scores) & ~_gone(words)
        if kept.sum() >= FEWEST:
            found.append(against_length(words[kept], scores[kept], f"{title} and length", "mean"))
    return found


def _sliced(kind: str, columns: Columns, key: str, name: str) -> str:
    slices = list(columns.slices(key, SLICES))
    if len(slices) < 2:
        return ""
    metrics = [metric for metric in SHOWN[kind] if len(columns.value(metric))][:3]
    rows = []
    for value, members in slices:
        cells = [_slice(columns, metric, value, members) for metric in metrics]
        rows.append(f"<tr><td>{escape(value)}</td><td class=num>{int(members.sum()):,}</td>{''.join(cells)}</tr>")
    heads = "".join(f"<th colspan=2>{escape(about(metric).title)}</th>" for metric in metrics)
    head = f"<tr><th>{name}</th><th class=num>n</th>{heads}</tr>"
    return f"<h2>By {name}</h2><div class=scroll><table class=slices>{head}{''.join(rows)}</table></div>"


def _slice(columns: Columns, metric: str, name: str, members: NDArray[np.bool_]) -> str:
    """Two cells: a metric of the rows of a slice, and its interval."""
    report, values = Report(), columns.value(metric, members)
    if metric in columns.values:
        report.mean("m", values)
    else:
        report.share("m", values > 0)
    pair = report.ci95.get("m")
    if not pair:
        return "<td></td><td></td>"
    found = Interval(f"{name}, {about(metric).title}", report.metrics["m"], pair[0], pair[1], len(values))
    return f"<td class=num>{found.value:.2f}</td><td>{interval(found)}</td>"


def _section(title: str, plots: Sequence[str]) -> str:
    return f'<h2>{title}</h2><div class="plots">{"".join(plots)}</div>' if plots else ""


def _gone(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isnan(values)


def _number(value: object) -> str:
    return "" if value is None else f"{value:,.3f}" if isinstance(value, float) else str(value)
