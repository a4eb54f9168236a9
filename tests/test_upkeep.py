"""Documents are stored beside a process that answers, and found by it."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import app.library.upkeep
from app.bot import Bot, assemble
from app.commands.cli import run
from app.config import load_settings
from app.errors import DataError, InUse
from app.library.library import index_state
from app.library.lock import holder
from app.library.upkeep import Guest, open_guest
from retrieval.encoder.embed import Encoder

KILN = "# Kilns\n\nThe kiln of Orrel was built in 1764 by potters.\n"
QUESTION = "When was the kiln of Orrel built?"
Candor = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, encoder: Encoder, tmp_path: Path) -> None:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    monkeypatch.setattr(app.library.upkeep, "PAUSE", 0.05)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "kiln.md").write_text(KILN)


@pytest.fixture
def host() -> Iterator[Bot]:
    """A process with the folder open, as `candor serve` has it."""
    with assemble(load_settings({}, {}), "candor serve", hosts=True) as bot:
        yield bot


@pytest.fixture
def candor(capfd: pytest.CaptureFixture[str]) -> Candor:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


def guest(**settings: object) -> Guest:
    return open_guest(load_settings(settings, {}), "candor ingest")


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def published(bot: Bot) -> bool:
    state = index_state(bot.library.database)
    return state.published.startswith(f"{state.version}:")


@pytest.mark.slow
def test_what_another_command_ingests_refreshes_and_removes_is_taken_up(
    host: Bot, candor: Candor, tmp_path: Path
) -> None:
    assert host.ask(QUESTION).outcome == "abstained"
    code, out, err = candor("ingest", "notes")
    assert (code, out) == (0, "1 added, 0 replaced, 0 unchanged, 0 removed, 0 failed\n")
    assert "(candor serve) has the folder open and takes up what has changed within seconds" in err
    until(lambda: published(host) and [cited.source for cited in host.ask(QUESTION).citations] == ["kiln.md"])
    (tmp_path / "notes" / "kiln.md").write_text(KILN.replace("1764", "1811"))
    assert json.loads(candor("sources", "refresh", "--json")[1])["counts"]["replaced"] == 1
    until(lambda: published(host) and "1811" in host.ask(QUESTION).text)
    assert candor("sources", "remove", "kiln.md")[:2] == (0, "removed kiln.md\n")
    until(lambda: host.library.sources() == [] and host.ask(QUESTION).outcome == "abstained")
    assert host.ingest(["notes"]).count("added") == 1
    assert "1811" in host.ask(QUESTION).text


@pytest.mark.slow
def test_there_is_one_guest_and_only_where_one_is_expected(tmp_path: Path, candor: Candor) -> None:
    with assemble(load_settings({}, {}), "candor ask"):
        with pytest.raises(InUse, match=r"\(candor ask\); stop it"):
            guest()
        assert "(candor ask); stop it" in candor("ingest", "notes")[2]
    with assemble(load_settings({}, {}), "candor serve", hosts=True), guest():
        assert "(candor serve)" in holder(tmp_path / "candor-data")
        assert "(candor ingest); stop it" in candor("ingest", "notes")[2]
        assert "(candor serve); stop it" in candor("sources", "rebuild")[2]


@pytest.mark.slow
def test_a_guest_whose_host_has_gone_publishes_itself() -> None:
    with assemble(load_settings({}, {}), "candor serve", hosts=True) as host:
        visitor = guest()
    with visitor:
        visitor.ingest(["notes"])
        state = index_state(visitor.library.database)
        assert state.published.startswith(f"{state.version}:")
        assert "is gone" in visitor.notice()
    with assemble(load_settings({}, {})) as host:
        assert host.ask(QUESTION).citations[0].source == "kiln.md"


def test_a_guest_with_another_encoder_is_refused(host: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
    host.ingest(["notes"])
    monkeypatch.setattr(host.library.embedder, "fingerprint", "another/model")
    with pytest.raises(DataError, match="searches with the encoder 'all-MiniLM"):
        guest()
    with pytest.raises(DataError, match="have been embedded by 'all-MiniLM"):
        host.ingest([Path("notes") / "kiln.md", Path(__file__)])
