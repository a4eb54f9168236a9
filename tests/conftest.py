"""Isolation for every test, and the parts that are dear to make: one encoder for the whole run."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings
from postgres_server import Postgres, postgres_server

from app.bot import Bot
from app.store.database import Database, open_database
from retrieval.encoder.adapters import Reader, load_reader
from retrieval.encoder.embed import Encoder, load_encoder
from retrieval.reader import PassageReader, load_passage_reader
from safety import SHIPPED, WEIGHTS

# Numbers are expected in float32, here and in child processes; torch reads both when it is first asked for anything.
# tests/test_bfloat16.py runs what matters in the other precision.
if torch.cpu._is_avx512_supported():
    os.environ.setdefault("ATEN_CPU_CAPABILITY", "avx2")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
settings.register_profile(
    "candor",
    max_examples=40,
    deadline=None,  # the machine may be busy
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
settings.load_profile("candor")


@pytest.fixture(autouse=True, scope="module")
def thrifty() -> Iterator[None]:
    """What a file of tests has used is given back to the system, which the servers of the next ones need."""
    yield
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test reads this machine's settings, home or working directory."""
    for name in [name for name in os.environ if name.startswith("CANDOR_") and name != "CANDOR_DEV_DATA"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CANDOR_MODEL", "quote")  # a test that wants the language model names it
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def encoder() -> Encoder:
    """The packaged MiniLM."""
    return load_encoder()


@pytest.fixture(scope="session")
def passage_reader(encoder: Encoder) -> PassageReader:
    """The packaged reader, by which passages are ranked and answers found."""
    return load_passage_reader(encoder)


@pytest.fixture(scope="session")
def safety_reader(encoder: Encoder) -> Reader:
    """The packaged safety classifier, by which embedded guards read."""
    return load_reader(encoder, WEIGHTS, SHIPPED)


@pytest.fixture(scope="session")
def dev_data() -> Path:
    """The development data beside the checkout; tests that need it are skipped elsewhere."""
    path = Path(os.environ.get("CANDOR_DEV_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not path.is_dir():
        pytest.skip("the development data is not on this machine (set CANDOR_DEV_DATA)")
    return path


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A PostgreSQL server of the run's own."""
    with postgres_server(tmp_path_factory) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Where the database of a test is: "" for its folder, or a new one on PostgreSQL; what takes it runs on both."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("postgres")
    return server.fresh()


@pytest.fixture
def database(tmp_path: Path, database_url: str) -> Iterator[Database]:
    """A database of the test's own; what takes it runs on both kinds."""
    database = open_database(tmp_path, url=database_url)
    yield database
    database.close()


@pytest.fixture(scope="module")
def bot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A bot of the web chat with canned replies, see `web_fixture`; what needs another makes its own."""
    from web_fixture import canned_bot

    with canned_bot(tmp_path_factory.mktemp("web"), encoder) as bot:
        yield bot


@pytest.fixture(scope="module")
def url(bot: Bot) -> Iterator[str]:
    """The address of a server of that bot."""
    from web_fixture import serving

    with serving(bot) as url:
        yield url


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """A Ray on this machine, with one worker."""
    ray: Any = pytest.importorskip("ray", reason="Ray is not installed: pip install 'candor[ray]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("RAY_worker_niceness", "0")  # else a busy machine starves the worker
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        try:
            limits = {"num_cpus": 1, "object_store_memory": 100 << 20}
            ray.init(**limits, include_dashboard=False, log_to_driver=False, logging_level="error")
        except Exception as error:
            pytest.skip(f"Ray does not start on this machine, which may be too busy: {error}")
        yield
        ray.shutdown()
