"""Grounding past one machine: the batches of one process, scored by the workers of a Ray cluster.

The batches are the same and each is scored whole, so that the result is the one of a single process. Every machine has
the same Candor. Only this file of the room imports ray.
"""

import itertools
import os
import pickle
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from app.evaluation.grounding import KIND
from app.evaluation.rows import EvaluationError, GroundingRow, Row
from app.evaluation.tasks import Record, scored
from app.library.ray import connect, quiet
from retrieval.types import RetrievalError

if TYPE_CHECKING:
    from app.evaluation.judging import Judges

AT_ONCE: Final = 1024  # batches in the cluster's memory at a time
Batch = tuple[list[tuple[int, Any]], list[Record | None]]


def scored_on_ray(
    batches: Iterable[Batch], row: type[Row], judges: "Judges", address: str
) -> Iterator[tuple[list[tuple[int, Any]], list[Record | None], list[Record]]]:
    """Yield the batches, each with its records; those of which all rows are known come as they are.

    Raises EvaluationError for another kind than grounding, for other judges than those that ship, and where ray is not
    installed, RetrievalError when the cluster cannot be reached or fails.
    """
    if row is not GroundingRow:
        raise EvaluationError("only grounding is scored on Ray")
    if not hasattr(judges.judge, "grounded_each"):
        raise EvaluationError("on Ray the judges that ship are used: leave the setting judges at 'embedded'")
    try:
        import ray
    except ImportError as error:
        raise EvaluationError("scoring on Ray needs the package ray: pip install 'candor[ray]'") from error
    if address:
        os.environ["RAY_ADDRESS"] = address
    connect()
    batches = iter(batches)
    while some := list(itertools.islice(batches, AT_ONCE)):
        asked = [[row for _, row in batch] for batch, known in some if None in known]
        try:
            scored = iter(_scored(asked, judges.judge.fingerprint) if asked else ())
            for batch, known in some:
                yield batch, known, next(scored) if None in known else []
        except ray.exceptions.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise RetrievalError(
                f"Ray gave up: {lines[-1][:300] if lines else type(error).__name__}; what is done is kept with --out: "
                "run it again"
            ) from error


def _scored(batches: list[list[GroundingRow]], fingerprint: str) -> Iterator[list[Record]]:
    """Yield the records of each batch, in order."""
    import ray
    import ray.data

    quiet()
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    most = max(1, gpus or int(resources.get("CPU", 1)))
    dataset = ray.data.from_items([{"rows": pickle.dumps(batch)} for batch in batches]).map_batches(
        _Worker,
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(batches))),
        num_gpus=1 if gpus else 0,
        num_cpus=0 if gpus else 1,
        fn_constructor_args=(fingerprint,),
    )
    for row in dataset.iter_rows():
        yield pickle.loads(row["made"])


class _Worker:
    """Scores batches; it loads the judges once."""

    def __init__(self, fingerprint: str) -> None:
        from app.config import load_settings
        from app.evaluation.judging import packaged_judges

        self._judges = packaged_judges(load_settings({}, {}))
        if self._judges.judge.fingerprint != fingerprint:
            raise RetrievalError(
                f"a worker of Ray has the judges {self._judges.judge.fingerprint!r}, not {fingerprint!r}: install the "
                "same Candor there"
            )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return the records of each batch."""
        made = [pickle.dumps(scored(KIND, self._judges, pickle.loads(rows))) for rows in batch["rows"]]
        return {"made": np.array(made, dtype=object)}
