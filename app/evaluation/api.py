"""The evaluations from Python: a notebook's cell in, results out, with a bar of progress between."""

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.bot import Bot, open_bot
from app.config import load_settings
from app.evaluation import KEPT, Options, has_replies, run
from app.evaluation.catalogue import about
from app.evaluation.journal import stored_rows
from app.evaluation.judging import Judges, packaged_judges
from app.evaluation.tables import EvaluationError, count

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Evaluation:
    """What came of an evaluation: `result`, the plain data that ``candor evaluate`` prints, and its rows in `folder`.

    A passing folder is deleted with the last reference to this.
    """

    result: dict[str, Any]
    folder: Path
    _held: object = field(default=None, repr=False)

    def __getitem__(self, metric: str) -> Any:  # noqa: ANN401
        """Return a metric by its name, or a nested one by its path, parted by dots."""
        place: Any = self.result
        for name in metric.split("."):
            place = place[name]
        return place

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield the judged rows as plain data. Raises EvaluationError for a kind whose rows are not kept."""
        return stored_rows(self.folder)

    @property
    def report(self) -> Path:
        """The page of this run, for kinds whose rows are kept."""
        return self.folder / "report.html"

    def frame(self) -> "pandas.DataFrame":
        """Return the rows as a DataFrame. Raises EvaluationError where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise EvaluationError("a DataFrame needs the package pandas: pip install pandas") from None
        return pandas.DataFrame.from_records(list(self.rows()))

    def _repr_html_(self) -> str:
        """The metrics as a notebook shows them."""
        limits, counts = self.result["ci95"], self.result["n_of"]
        rows = "".join(
            f"<tr><td>{escape(about(name).title)}</td><td>{value:.3f}</td>"
            f"<td>{' to '.join(f'{limit:.3f}' for limit in limits.get(name) or ())}</td><td>{counts[name]}</td></tr>"
            for name, value in self.result.items()
            if isinstance(value, float) and isinstance(counts.get(name), int)
        )
        return f"<table><tr><th>metric</th><th>value</th><th>95 %</th><th>n</th></tr>{rows}</table>"


def evaluate(
    kind: str,
    data: str | Path | Iterable[Mapping[str, Any]],
    bot: Bot | None = None,
    *,
    system: str = "",
    out: str | Path | None = None,
    limit: int | None = None,
    seed: int = 0,
    progress: bool = True,
    **settings: object,
) -> Evaluation:
    """Evaluate as ``candor evaluate KIND DATA`` does. `data` is a path, or rows as objects.

    `bot` is what replies and judges; without one, replies that stand in the data are judged, those of `system` ("http://
    HOST/v1#MODEL") are asked for, and otherwise a bot with `settings`, as `open_bot` takes them, is opened. `out` keeps
    the run; without it a passing folder does. Raises EvaluationError, and what `open_bot` raises.
    """
    held: Any = None if out is not None else tempfile.TemporaryDirectory(prefix="candor-")
    folder = Path(held.name if held is not None else str(out))
    path = Path(data) if isinstance(data, str | Path) else _written(folder, data)
    chosen = load_settings({"model": "quote", **settings} if bot is None else {}, {})
    asked = None
    if system and system != "candor":
        from app.evaluation.systems import open_endpoint

        asked = open_endpoint(system, chosen.api_key, chosen.timeout, seed)
    options = Options(folder, limit, seed=seed, system=asked, again=bool(system))
    alone = kind in ("grounding", "agreement") or asked is not None or (kind == "dialogue" and has_replies(path))
    with _bar(limit or count(path), progress) as show:
        if bot is not None:
            return Evaluation(run(kind, path, bot, progress=show, options=options), folder, held)
        if alone and system != "candor":
            judges: Judges = packaged_judges(chosen)
            return Evaluation(run(kind, path, judges, progress=show, options=options), folder, held)
        with open_bot(**settings) as opened:  # type: ignore[arg-type]
            return Evaluation(run(kind, path, opened, progress=show, options=options), folder, held)


def _written(folder: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines into the folder of a run. Raises EvaluationError for what JSON does not hold."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "data.jsonl"
    try:
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(dict(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows)
    except (TypeError, ValueError) as error:
        raise EvaluationError(f"a row is an object of texts, numbers and lists: {error}") from error
    return path


def _bar(total: int | None, shown: bool) -> Any:  # noqa: ANN401
    """A bar of progress, in a notebook too."""
    from contextlib import nullcontext

    from rich.console import Console

    from app.commands.progress import timed

    if not shown:
        return nullcontext(lambda done: None)
    return timed(Console(stderr=True), "rows", total)


__all__ = ["KEPT", "Evaluation", "evaluate"]
