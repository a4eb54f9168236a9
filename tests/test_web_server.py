"""The web server: who is served, with which headers, and how it starts and ends."""

import json
import os
import re
import signal
import socket
import threading
import urllib.error
import urllib.request

import pytest

from app.bot import Bot
from app.web.server import ServeError, serve
from retrieval.sources import SUFFIXES


def get(url: str, **headers: str) -> tuple[int, str, dict[str, str]]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
            return answer.status, answer.read().decode(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), dict(error.headers)


def test_every_answer_has_the_security_headers(url: str) -> None:
    for path in ("", "healthz", "nowhere"):
        _, _, headers = get(url + path)
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert json.loads(get(url + "healthz")[1]) == {"status": "ok"}


def test_other_sites_and_other_names_are_turned_away(url: str) -> None:
    assert get(url, Host="evil.test")[0] == 403
    assert get(url, Origin="http://evil.test")[0] == 403
    assert get(url, Origin=url.rstrip("/"))[0] == 200


def test_every_kind_that_is_read_can_be_uploaded(url: str) -> None:
    parts = json.loads(get(url + "config")[1])["components"]
    [shown] = [part["props"]["value"] for part in parts if part["props"].get("elem_id") == "drop"]
    offered = re.search("accept='([^']+)'", shown)
    assert offered is not None
    assert set(SUFFIXES) <= set(offered[1].split(","))


def test_only_this_machine_is_served(bot: Bot) -> None:
    for host in ("0.0.0.0", "192.168.0.1", "example.org"):
        with pytest.raises(ServeError, match=r"--host 127\.0\.0\.1"):
            serve(bot, host, 7860, pytest.fail)


def test_a_port_in_use_is_one_clear_line(bot: Bot) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServeError, match=f"^port {port} is in use; try --port {port + 1}$"):
            serve(bot, "127.0.0.1", port, pytest.fail)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_and_leaves_the_bot_open(bot: Bot, end: signal.Signals) -> None:
    lines: list[str] = []

    def ready(line: str) -> None:
        lines.append(line)
        threading.Timer(0.2, os.kill, (os.getpid(), end)).start()

    before = signal.getsignal(end)
    serve(bot, "127.0.0.1", 0, ready)
    assert lines[0].startswith("Candor is ready: http://127.0.0.1:")
    assert signal.getsignal(end) is before
    assert bot.library.sources() == []
