"""What an operator sees: readiness, metrics, request ids, logs without what was said, and an end that loses nothing."""

import json
import logging
import os
import re
import signal
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from test_jobs import until
from web_client import request
from web_fixture import canned_bot

from app.api.metrics import fate_of
from app.bot import Bot
from app.commands.cli import run
from app.logs import REQUEST, JsonLines, Lines
from app.web.server import serve
from dialogue.rank import Gates, why_dropped
from dialogue.types import Candidate, Claim, Scores
from retrieval.encoder.embed import Encoder
from safety.types import Verdict

EVEREST = "# Mount Everest\n\nMount Everest is 8,849 metres high. Mount Everest was first climbed in 1953.\n"
SECRET = "Everest of my secret diary"


@pytest.fixture(scope="module")
def bot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("ops")
    (folder / "everest.md").write_text(EVEREST)
    with canned_bot(folder / "data", encoder, [folder / "everest.md"], pace=0.01) as bot:
        yield bot


def ask(url: str, text: str, **headers: str) -> int:
    body = json.dumps({"messages": [{"role": "user", "content": text}]}).encode()
    return request(url, "POST", "/v1/chat/completions", body, headers).status


def counted(url: str) -> dict[tuple[str, frozenset[str]], float]:
    """The samples of /metrics by name and what their labels say."""
    text = request(url, "GET", "/metrics").body.decode()
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_readiness_tells_of_each_part(url: str, bot: Bot) -> None:
    told = request(url, "GET", "/readyz")
    assert told.status == 200
    found = told.json()
    assert found["ready"] is True
    assert found["index"] == {"state": "ok", "passages": 1}
    assert found["model"]["name"] == "quote"


def test_a_server_that_cannot_read_its_database_is_not_ready(encoder: Encoder, tmp_path: Path) -> None:
    from app.api.ready import readiness

    with canned_bot(tmp_path / "data", encoder) as bot:
        pass
    found = readiness(bot, tmp_path / "data", stopping=True)
    assert found["ready"] is False
    assert found["server"] == "stopping"
    assert "closed" in found["database"]


def test_turns_candidates_and_requests_are_counted(url: str) -> None:
    before = counted(url)
    assert ask(url, "Which Mount Everest facts?") == 200
    assert ask(url, "crash") == 500
    assert request(url, "GET", "/v1/conversations/none").status == 404
    assert request(url, "GET", "/nowhere").status == 404
    after = counted(url)

    def rise(name: str, *labels: str) -> float:
        return after.get((name, frozenset(labels)), 0.0) - before.get((name, frozenset(labels)), 0.0)

    assert rise("candor_turns_total", "answered") == 1
    assert rise("candor_turns_total", "failed") == 1
    assert rise("candor_candidates_total", "passed") == 3
    assert rise("candor_candidates_total", "other") == 2
    assert rise("candor_stage_seconds_count", "search") == 1
    assert rise("candor_reply_grounded_count") == 1
    assert rise("candor_requests_total", "/v1/chat/completions", "POST", "200") == 1
    assert rise("candor_requests_total", "/v1/conversations/{conversation}", "GET", "404") == 1
    assert rise("candor_requests_total", "none", "GET", "404") == 1
    assert after["candor_replies_running", frozenset()] == after["candor_replies_waiting", frozenset()] == 0


def test_every_reason_of_the_gates_has_a_name() -> None:
    safe, claim = Verdict(True, 0.0), Claim("x", 0, 1, 0.1)
    for verdict, scores, name in (
        (Verdict(False, 0.9, "hate"), Scores(), "unsafe"),
        (safe, Scores(safe=0.1), "unsafe"),
        (safe, Scores(), "not_sensible"),
        (safe, Scores(sensible=0.1), "not_sensible"),
        (safe, Scores(sensible=1.0, claims=(claim,)), "not_grounded"),
        (safe, Scores(sensible=1.0, answers=0.1), "does_not_answer"),
        (safe, Scores(sensible=1.0), "passed"),
    ):
        assert fate_of(Candidate("x", verdict, scores, 0.5, why_dropped(verdict, scores, Gates()))) == name


def test_a_request_has_one_id_in_answer_and_logs_and_no_log_holds_what_was_said(
    url: str, bot: Bot, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(JsonLines())
    place = urllib.request.Request(
        url + "v1/chat/completions",
        json.dumps({"messages": [{"role": "user", "content": SECRET}]}).encode(),
        {"content-type": "application/json", "X-Request-ID": "mine-1"},
    )
    with urllib.request.urlopen(place, timeout=30) as answer:
        assert answer.headers["X-Request-ID"] == "mine-1"
    until(lambda: {"turn", "request"} <= set(caplog.messages))
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    told = {line["message"]: line for line in lines}
    assert told["turn"]["request"] == told["request"]["request"] == "mine-1"
    assert told["turn"]["outcome"] == "answered"
    assert told["request"]["route"] == "/v1/chat/completions"
    assert SECRET not in caplog.text
    assert "8,849" not in caplog.text
    for given in ("", "a b", "x" * 65, "é"):
        with urllib.request.urlopen(urllib.request.Request(url + "healthz", headers={"X-Request-ID": given})) as found:
            assert re.fullmatch("[0-9a-f]{32}", found.headers["X-Request-ID"])


def test_text_is_logged_where_that_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    from app.api.metrics import Metrics
    from app.logs import FIELDS
    from app.web.jobs import Job

    caplog.set_level(logging.INFO)
    for text in (False, True):
        Metrics(text).turn(Job("c", SECRET))
    first, second = [getattr(record, FIELDS) for record in caplog.records]
    assert "question" not in first
    assert second["question"] == SECRET


def test_lines_of_logs_are_for_people_or_for_machines() -> None:
    record = logging.LogRecord("x", logging.WARNING, "", 0, "it %s", ("broke",), None)
    record.fields = {"route": "/x"}
    token = REQUEST.set("r1")
    try:
        assert Lines().format(record) == "candor: WARNING: it broke route=/x [r1]"
        told = json.loads(JsonLines().format(record))
    finally:
        REQUEST.reset(token)
    assert {"level": "warning", "message": "it broke", "request": "r1", "route": "/x"}.items() <= told.items()


@pytest.mark.slow
@pytest.mark.parametrize(("grace", "state"), [(30, "done"), (0, "cancelled")])
def test_a_server_that_stops_finishes_what_runs_within_its_limit(
    encoder: Encoder, tmp_path: Path, grace: int, state: str
) -> None:
    with canned_bot(tmp_path / "data", encoder, pace=0.05) as bot:
        object.__setattr__(bot, "settings", replace(bot.settings, grace=grace))
        got: dict[str, Any] = {}

        def ready(line: str) -> None:
            url = line.removeprefix("Candor is ready: ") + "/"

            def turn() -> None:
                got["status"] = ask(url, "slow Everest")

            def stop() -> None:
                until(lambda: any(bot.history.turns(c.id) for c in bot.history.conversations()))
                os.kill(os.getpid(), signal.SIGTERM)

            for work in (turn, stop):
                threading.Thread(target=work).start()

        serve(bot, "127.0.0.1", 0, ready)
        until(lambda: "status" in got)
        [talk] = bot.history.conversations()
        assert bot.history.turns(talk.id)[0].state == state
        assert got["status"] == (200 if state == "done" else 503)


def test_settings_of_logs_and_workers_are_checked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "candor.toml"
    for line, reason in (
        ('log_format = "xml"', "text, json"),
        ("workers = 0", "1 to 256"),
        ('cors = "*"', "must be origins"),
        ('cors = "https://a.example/path"', "must be origins"),
    ):
        file.write_text(line)
        assert run(["--config", str(file), "history", "list"]) == 2
        assert reason in capsys.readouterr().err
