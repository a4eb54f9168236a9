"""Files into the library past one machine: Ray reads, cuts and embeds them, this process stores what comes back.

Every machine of the cluster sees the files under the same paths and has the same Candor. Documents are stored in the
order of their files, so that the library is the one that `app.library.ingest` makes. A file that holds many documents
is read and embedded by this process. Only this file imports ray.
"""

import logging
import os
import pickle
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from app.errors import InputError
from app.library.embedded import packed
from app.library.ingest import (
    EMBEDDING_FAILS,
    Ingestion,
    IngestProgress,
    IngestReport,
    Progress,
    ReadFile,
    ingest,
    read_file,
)
from app.library.library import Library
from app.library.listing import FileOutcome, SourceFile, reason_of
from retrieval.types import RetrievalError, SourceError

if TYPE_CHECKING:
    from retrieval.types import Embedder

FILES: Final = 16  # that one call of a worker takes
PATIENCE: Final = 5.0  # seconds for a cluster to answer
_HELLO: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])  # and empty settings
Made = FileOutcome | tuple[ReadFile, list[bytes]]  # why a file gives nothing, or a document with its vectors


def ingest_on_ray(
    library: Library,
    paths: str | Path | Sequence[str | Path],
    progress: Progress = lambda step: None,
    encoder: str = "",
) -> IngestReport:
    """Do what `app.library.ingest.ingest` does, with a worker for every GPU of the cluster, else for every CPU.

    The cluster is the one of the variable RAY_ADDRESS, else one of this machine alone. `encoder` is the setting of
    that name. Raises InputError where ray is not installed, RetrievalError when the cluster cannot be reached or fails.
    """
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise InputError("ingest on Ray needs the package ray: pip install 'candor[ray]'") from error
    return ingest(library, paths, progress, start=partial(_RayIngestion, encoder=encoder))


@dataclass
class _RayIngestion(Ingestion):
    encoder: str = ""

    def read_all(self, files: Sequence[SourceFile]) -> None:
        """Have every file read and embedded, and store the documents in the order of the files."""
        fingerprint = self.library.embedder.fingerprint
        given = _made([file for file in files if not file.many], self.files, self.encoder, fingerprint)
        for place, file in enumerate(files, start=1):
            if file.many:
                super().read_all([file])
            elif isinstance(made := next(given), FileOutcome):
                self.outcomes.append(made)
            else:
                read, vectors = made
                self.embedded += len(vectors)
                self._store([(read, vectors)])
            self.progress(IngestProgress("reading", place, len(files), file.name))


def _made(files: Sequence[SourceFile], known: dict[str, str], encoder: str, fingerprint: str) -> Iterator[Made]:
    """Yield what the workers made of the files, in their order."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no usage reports
    import ray
    import ray.data

    if not files:
        return
    _connect()
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # it logs every stage to stderr
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.execution_options.preserve_order = True
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    workers = ray.data.ActorPoolStrategy(min_size=1, max_size=max(1, gpus or int(resources.get("CPU", 1))))
    rows = [{"file": pickle.dumps((file, known.get(file.uri)))} for file in files]
    dataset = ray.data.from_items(rows).map_batches(
        _Worker,
        batch_size=FILES,
        compute=workers,
        num_gpus=1 if gpus else 0,
        num_cpus=0 if gpus else 1,
        fn_constructor_args=(encoder, fingerprint),
    )
    try:
        for row in dataset.iter_rows():
            yield pickle.loads(row["made"])
    except ray.exceptions.RayError as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise RetrievalError(
            f"Ray gave up: {lines[-1][:300] if lines else type(error).__name__}; what was stored is kept, run it again"
        ) from error


def _connect() -> None:
    """Start Ray, or join the cluster that there is. Raises RetrievalError."""
    import ray

    if ray.is_initialized():
        return
    where = os.environ.get("RAY_ADDRESS", "")
    try:
        _probe(where)
        ray.init(log_to_driver=False, logging_level="error")
    except (Exception, SystemExit) as error:  # of many kinds, plain ones among them; some end the process
        reason = "it gave up" if isinstance(error, SystemExit) else " ".join(str(error).split())[:300]
        raise RetrievalError(
            f"Ray cannot be reached on {where or 'this machine'}: {reason}; check RAY_ADDRESS, or ingest without --ray"
        ) from error


def _probe(address: str) -> None:
    """Raise OSError unless somebody at the address answers in HTTP/2, as Ray does; Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    with socket.create_connection((host.strip("[]"), int(port)), PATIENCE) as connection:
        connection.sendall(_HELLO)
        if connection.recv(9)[3:4] != b"\x04":
            raise OSError("what answers there is not Ray")


class _Worker:
    """Reads, cuts and embeds files; it loads the encoder once."""

    def __init__(self, encoder: str, fingerprint: str) -> None:
        from retrieval.encoder.embed import load_encoder

        self._encoder: Embedder = load_encoder(encoder)
        if self._encoder.fingerprint != fingerprint:
            raise RetrievalError(
                f"a worker of Ray has the encoder {self._encoder.fingerprint!r}, not {fingerprint!r}: install the same "
                "Candor there, and give the setting encoder a name that all machines know"
            )

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return what is made of each file, embedding all their passages together."""
        found = [self._read(*pickle.loads(row)) for row in batch["file"]]
        passages = [passage for item in found if isinstance(item, ReadFile) for passage in item.passages]
        try:
            vectors = iter(packed(self._encoder, passages))
            made = [
                item if isinstance(item, FileOutcome) else (item, [next(vectors) for _ in item.passages])
                for item in found
            ]
        except EMBEDDING_FAILS:  # one poisoned text must not take the others with it
            made = [item if isinstance(item, FileOutcome) else self._alone(item) for item in found]
        return {"made": np.array([pickle.dumps(item) for item in made], dtype=object)}

    def _read(self, file: SourceFile, known: str | None) -> ReadFile | FileOutcome:
        try:
            read = read_file(file, known)
        except (SourceError, OSError) as error:
            return FileOutcome(file.uri, file.name, "failed", reason=reason_of(file.path, error))
        return FileOutcome(file.uri, file.name, "unchanged") if read is None else read

    def _alone(self, item: ReadFile) -> Made:
        try:
            return item, packed(self._encoder, item.passages)
        except EMBEDDING_FAILS as error:
            return FileOutcome(item.about.uri, item.about.name, "failed", reason=str(error))
