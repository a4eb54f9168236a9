"""The edge of the web server: what anybody on this machine may send, and what comes of it."""

import asyncio
import ctypes
import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from web_client import Answer, call, events, healthy, request
from web_fixture import Canned, canned_bot, serving

from app.bot import Bot
from app.web import gate, patience
from app.web.events import EVENTS, CallError, Calls
from app.web.jobs import WAITING
from app.web.server import build_app
from dialogue.types import Reply, Role, Step, Turn
from retrieval.encoder.embed import Encoder

SECRET = b"the secret of somebody else"
ROUTES_OF_CALLS = ("/gradio_api/run/predict", "/gradio_api/queue/join")
OTHER_ROUTES_OF_CALLS = (
    *(
        f"/gradio_api/{kind}/{name}"
        for kind in ("run", "api", "call", "call/v2")
        for name in ("upload", "send", "load")
    ),
    *("/gradio_api/component_server", "/gradio_api/process_recording", "/gradio_api/stream/x", "/gradio_api/upload"),
)
WATCHED = ("outside", "dots", "link", "another's", "pipe", "sparse", "folder")  # the others are in use by others
Found = dict[int, tuple[str, int, bool]]


class Watch:
    """Tells whether a file has been opened or read by anybody, as the kernel has it."""

    def __init__(self, path: str) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._events = libc.inotify_init1(os.O_NONBLOCK)
        assert libc.inotify_add_watch(self._events, path.encode(), 0x21) > 0  # IN_OPEN | IN_ACCESS

    def touched(self) -> bool:
        try:
            return bool(os.read(self._events, 4096))
        except BlockingIOError:
            return False
        finally:
            os.close(self._events)


def test_a_watch_sees_a_file_being_opened(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("words")
    watch, other = Watch(str(tmp_path / "a")), Watch(str(tmp_path / "a"))
    assert not watch.touched()
    (tmp_path / "a").read_text()
    assert other.touched()


@pytest.fixture(scope="module")
def found(url: str) -> Found:
    """The events of the page."""
    return events(url)


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """At the end: no traceback has been logged or printed."""
    yield
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
    printed = capfd.readouterr()
    assert "Traceback" not in printed.out + printed.err


@pytest.fixture
def targets(bot: Bot, tmp_path: Path) -> dict[str, str]:
    """Paths that no page has any business with."""
    private, pipe, sparse = tmp_path / "private.md", tmp_path / "pipe.md", tmp_path / "sparse.md"
    private.write_bytes(SECRET)
    private.chmod(0o600)
    os.mkfifo(pipe)
    with sparse.open("wb") as file:
        file.truncate(300 * 10**6)
    uploads = bot.settings.data_dir.resolve() / "uploads"
    incoming = uploads / "incoming" / "another"
    incoming.mkdir(parents=True, exist_ok=True)
    (incoming / "theirs.md").write_bytes(SECRET)
    (incoming / "link.md").unlink(missing_ok=True)
    (incoming / "link.md").symlink_to(private)
    return {
        "outside": str(private),
        "database": str(bot.settings.data_dir.resolve() / "candor.db"),
        "dots": f"{incoming}/{os.path.relpath(private, incoming)}",
        "link": str(incoming / "link.md"),
        "another's": str(incoming / "theirs.md"),
        "device": "/dev/zero",
        "pipe": str(pipe),
        "sparse": str(sparse),
        "folder": str(tmp_path),
        "address": "http://127.0.0.1:9/x.md",
    }


def forms(path: str) -> Iterator[tuple[list[Any], object]]:
    """The forms in which a path may be given to an event: its inputs, and what comes along."""
    file = {"path": path, "meta": {"_type": "gradio.FileData"}}
    yield [[file]], None
    yield [{"value": file}], {"id": path}
    yield [{**file, "is_stream": True, "url": path}], file
    yield [""], {"text": file, "turn": path, "source": path, "pictures": [file]}


@pytest.mark.parametrize(
    "kind", ["outside", "database", "dots", "link", "another's", "device", "pipe", "sparse", "folder", "address"]
)
def test_no_event_opens_or_copies_what_a_client_names(
    bot: Bot, url: str, found: Found, targets: dict[str, str], kind: str, quiet: None
) -> None:
    path = targets[kind]
    before = sorted(bot.settings.data_dir.rglob("*"))
    watch = Watch(path) if kind in WATCHED else None
    for number, (_, _, queued) in [*found.items(), (9999, ("", 0, False))]:
        for data, along in forms(path):
            body = {"fn_index": number, "data": data, "event_data": along, "session_hash": "s1", "trigger_id": 0}
            sent = json.dumps(body).encode()
            assert request(url, "POST", ROUTES_OF_CALLS[queued], sent).status in (404, 422), body
        assert request(url, "POST", ROUTES_OF_CALLS[not queued], sent).status in (404, 422), body
    for route in OTHER_ROUTES_OF_CALLS:
        assert request(url, "POST", route, sent).status == 404
    for route in (
        "/gradio_api/file=",
        "/gradio_api/file/",
        "/file=",
        "/gradio_api/proxy=",
        "/static/",
        "/assets/",
        "/svelte/",
    ):
        assert request(url, "GET", route + path).status in (400, 403, 404)
    assert watch is None or not watch.touched()
    assert sorted(bot.settings.data_dir.rglob("*")) == before
    assert bot.library.sources() == []
    assert healthy(url)


def test_every_event_of_the_page_is_on_the_list_and_takes_no_file(url: str, found: Found) -> None:
    assert len(found) == 34
    shown = request(url, "GET", "/config").json()
    kinds = {part["id"]: part["type"] for part in shown["components"]}
    inputs = {kinds[number] for row in shown["dependencies"] for number in row["inputs"]}
    assert inputs == {"textbox"}
    assert set(EVENTS) == {
        *("load", "open", "choose", "send", "retry", "turn", "change", "earlier", "stop", "find", "show"),
        *("document", "list_documents", "source", "follow", "suggest", "follow_uploads", "tune"),
    }


def routes(app: Any, before: str = "") -> Iterator[tuple[str, str]]:  # noqa: ANN401
    """All routes of an application and of what is mounted in it."""
    for route in app.routes:
        if methods := getattr(route, "methods", None):
            yield from ((method, before + route.path) for method in methods)
        elif inner := getattr(route, "original_router", None):
            yield from routes(inner, before)
        elif hasattr(inner := getattr(route, "app", None), "routes"):  # what answers /v1 has tests of its own
            yield from routes(inner, before + route.path)


def test_only_the_routes_on_the_list_are_served(bot: Bot, url: str) -> None:
    app: FastAPI = build_app(bot)
    found = {(method, path) for method, path in routes(app)}
    found |= {(method, "/gradio_api" + path) for method, path in found if not path.startswith("/gradio_api")}
    assert len(found) > 100
    served = set()
    for method, path in sorted(found):
        filled = path.replace("{path:path}", "x.js").replace("{api_name}", "predict").replace("{", "").replace("}", "")
        answer = request(url, method, filled)
        assert answer.status < 500
        if answer.status not in (404, 405) or b"there is nothing to follow" in answer.body:
            served.add((method, filled))
    assert served == {
        *(("GET", path) for path in ("/", "/config", "/theme.css", "/favicon.ico", "/healthz", "/gradio_api/app_id")),
        *(("GET", path) for path in ("/readyz", "/metrics")),
        ("HEAD", "/"),
        ("GET", "/original"),  # it says what is missing; /paper and /shared say that there is nothing
        ("GET", "/gradio_api/queue/data"),
        *(("POST", path) for path in ("/documents", "/pictures", *ROUTES_OF_CALLS)),
    }
    for path in (
        "/openapi.json",
        "/gradio_api/openapi.json",
        "/docs",
        "/monitoring",
        "/gradio_api/deep_link?session_hash=s1",
    ):
        assert request(url, "GET", path).status == 404


@pytest.mark.parametrize(
    "path",
    ["/?page=x", "/?deep_link=../../x", "/?c=%00%ff", "/config?deep_link=x", "/?__theme=x", "/theme.css?v=%ff"],
)
def test_parameters_that_no_route_needs_do_not_get_through(url: str, path: str, quiet: None) -> None:
    assert request(url, "GET", path).status == 200


@pytest.mark.parametrize("turn", ["9" * 23, "-1", "NaN", "1e9", str(2**63), "%00", ""])
def test_a_picture_of_a_turn_that_cannot_be_is_not_found(url: str, turn: str, quiet: None) -> None:
    assert request(url, "GET", f"/picture?turn={turn}&name=x").status in (404, 422)


GOOD: dict[str, Any] = {"fn_index": 0, "data": [], "event_data": None, "session_hash": "s1", "trigger_id": 0}
BAD_CALLS = (
    *(b"", b"null", b"[]", b"NaN", b"{", b"\xff\xfe", b'{"data":[NaN],"fn_index":0,"session_hash":"s"}'),
    *(b"[" * 50_000, b'{"fn_index":' + b"9" * 5000 + b"}", b'"\\ud800"'),
    *(
        json.dumps({**GOOD, **change}).encode()
        for change in (
            {"fn_index": 9999},
            {"fn_index": -1},
            {"fn_index": None},
            {"fn_index": "0"},
            {"fn_index": 10**40},
            {"fn_index": 0.5},
            {"fn_index": True},
            {"session_hash": None},
            {"session_hash": "a b"},
            {"session_hash": "x" * 65},
            {"data": None},
            {"data": {}},
            {"data": [""]},
            {"data": [float("nan")]},
            {"event_data": []},
            {"event_data": float("inf")},
            {"event_data": {"id": "x"}},
            {"event_data": {"a": [[[{}]]]}},
            {"trigger_id": {}},
            {"event_id": "x"},
            {"simple_format": True},
            {"batched": True},
            {"oauth_token": "x"},
        )
    ),
)


@pytest.mark.parametrize("route", ROUTES_OF_CALLS)
def test_a_call_that_cannot_be_read_is_one_clear_error(url: str, route: str, quiet: None) -> None:
    for body in BAD_CALLS:
        answer = request(url, "POST", route, body)
        assert answer.status in (404, 422), body[:80]
        assert set(answer.json()) == {"error"}
        assert "\n" not in answer.json()["error"]
        assert len(answer.body) < 300


_words = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["", "9" * 23, "-1", "../x", "\0", "rename", "pin"]
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_words, inner, max_size=3),
    max_leaves=5,
)
_fields = st.sampled_from(sorted({name for event in EVENTS.values() for name in event.fields}))


# the server runs in a thread of this process, and draws random numbers of its own meanwhile
@pytest.mark.filterwarnings("ignore:Do not use the .random. module:hypothesis.errors.HypothesisDeprecationWarning")
@given(st.integers(0, 23), st.none() | _words, st.none() | st.dictionaries(_fields, _words | _json, max_size=3))
def test_no_call_makes_the_server_fail(url: str, found: Found, number: int, word: str | None, along: object) -> None:
    takes = found.get(number, ("", 0, False))[1]
    body = json.dumps({**GOOD, "fn_index": number, "data": [word] * takes, "event_data": along}).encode()
    for route in ROUTES_OF_CALLS:
        assert request(url, "POST", route, body).status in (200, 404, 422)


@given(_json)
def test_what_is_checked_is_what_the_page_may_say(body: object) -> None:
    with pytest.raises(CallError, match=r"^[^\n]+$"):
        Calls().checked(json.dumps(body).encode(), queued=False)


@pytest.mark.parametrize(
    "target", ["do_retry", "do_earlier", "do_send", "do_stop", "do_show", "do_document", "do_change"]
)
def test_an_unknown_conversation_is_told_and_not_an_error(bot: Bot, url: str, target: str, quiet: None) -> None:
    along = {"do_send": {"text": "hello"}, "do_show": {"turn": "9" * 18}, "do_document": {"turn": "7", "number": "1"}}
    known = {"do_change": {"act": "export", "id": "nobody"}}
    answer = call(url, target, ["nobody"], {**along, **known}.get(target, {}))
    assert answer.status == 200
    if target in ("do_retry", "do_earlier"):
        assert b"no longer exists" in answer.body
    assert bot.history.conversations() == []


def test_a_stream_of_nothing_is_not_found(url: str, quiet: None) -> None:
    for path in ("/gradio_api/queue/data", "/gradio_api/queue/data?session_hash=nobody"):
        assert request(url, "GET", path).status == 404


def said(url: str, head: str, body: bytes = b"") -> bytes:
    """Send the beginning of a request and return all that comes before the server closes."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as sent:
        sent.sendall(head.replace("\n", "\r\n").encode() + body)
        answer = b""
        while chunk := sent.recv(65536):
            answer += chunk
        return answer


def head(url: str, path: str, *lines: str) -> str:
    return "\n".join(
        [f"POST {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", "Content-Type: application/json", *lines, "", ""]
    )


BODIES = ("/gradio_api/run/predict", "/gradio_api/queue/join", "/pictures?name=a.png", "/documents?name=a.md")


@pytest.mark.parametrize("path", BODIES)
def test_a_body_past_its_limit_is_refused_before_it_is_read(bot: Bot, url: str, path: str, quiet: None) -> None:
    assert b" 413 " in said(url, head(url, path, "Content-Length: 200000000")).split(b"\r\n")[0]
    assert b" 413 " in said(url, head(url, path, f"Content-Length: {'9' * 18}")).split(b"\r\n")[0]
    chunk = b"%x\r\n%s\r\n" % (2**16, bytes(2**16))
    whole = chunk * {"/gr": 5, "/pi": 156, "/do": 322}[path[:3]] + b"0\r\n\r\n"
    assert b" 413 " in said(url, head(url, path, "Transfer-Encoding: chunked"), whole).split(b"\r\n")[0]
    assert not [file for file in (bot.settings.data_dir / "uploads" / "incoming").glob("*") if file.is_file()]
    assert healthy(url)


@pytest.mark.slow
def test_requests_that_never_end_are_ended(url: str, monkeypatch: pytest.MonkeyPatch, quiet: None) -> None:
    monkeypatch.setattr(gate, "CALL_SECONDS", 0.2)
    monkeypatch.setattr(gate, "UPLOAD_SECONDS", 0.2)
    monkeypatch.setattr(patience, "HEAD_SECONDS", 0.2)
    for path in BODIES:
        assert b" 408 " in said(url, head(url, path, "Content-Length: 1000"), b"{").split(b"\r\n")[0]
    assert said(url, "") == b""
    assert said(url, "GET / HTTP/1.1\nHost: x") == b""
    answer = said(url, f"GET /healthz HTTP/1.1\nHost: {urlsplit(url).netloc}\n\nGET /healthz HT")
    assert answer.count(b"HTTP/1.1 200") == 1
    assert healthy(url)


def test_uploads_that_do_not_go_on_keep_nobody_from_the_rest(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "CALL_SECONDS", 0.2)
    parts, slow = urlsplit(url), []
    for _ in range(gate.UPLOADS_AT_ONCE):
        slow.append(socket.create_connection((parts.hostname, parts.port)))
        slow[-1].sendall(head(url, "/documents?name=a.md", "Content-Length: 9").replace("\n", "\r\n").encode() + b"x")
    answer = b""
    while b"busy" not in answer:  # until all four have begun
        answer = said(url, head(url, "/documents?name=b.exe", "Content-Length: 1", "Connection: close"), b"x")
    assert b" 503 " in answer
    assert healthy(url)
    assert call(url, "do_find", [""], {"search": "x"}).status == 200
    for one in slow:
        one.close()


def test_a_socket_of_another_protocol_is_refused(url: str) -> None:
    upgrade = (
        "Upgrade: websocket",
        "Connection: Upgrade, close",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: eA==",
    )
    answer = said(url, head(url, "/gradio_api/queue/join", *upgrade).replace("POST", "GET"))
    assert b" 405 " in answer.split(b"\r\n")[0]


class Gated(Canned):
    """Answers when the gate is opened."""

    gate = threading.Event()

    def steps(self, turns: list[Turn], role: Role | None = None) -> Iterator[Step | Reply]:  # type: ignore[override]
        yield Step("guard")
        assert self.gate.wait(30)
        yield self.reply(turns[-1].text)


@pytest.mark.slow
def test_150_messages_at_once_are_stored_or_told_to_wait(encoder: Encoder, tmp_path: Path, quiet: None) -> None:
    async def sent(url: str, number: int) -> bytes:
        parts = urlsplit(url)
        reading, writing = await asyncio.open_connection(parts.hostname, parts.port)
        body = json.dumps(
            {
                **GOOD,
                "fn_index": 3,
                "data": [""],
                "event_data": {"text": f"whale {number}"},
                "session_hash": f"s{number}",
            }
        )
        writing.write(
            head(url, "/gradio_api/run/predict", f"Content-Length: {len(body)}", "Connection: close")
            .replace("\n", "\r\n")
            .encode()
            + body.encode()
        )
        answer = await reading.read()
        writing.close()
        return answer

    async def all_sent(url: str) -> list[bytes]:
        return await asyncio.gather(*(sent(url, number) for number in range(150)))

    with canned_bot(tmp_path / "data", encoder) as plain:
        bot = Bot(plain.settings, plain.history, plain.library, Gated(plain.library), plain.judge)
        with serving(bot) as url:
            answers = asyncio.run(all_sent(url))
            assert all(b" 200 " in answer.split(b"\r\n")[0] for answer in answers)
            busy = sum(b"The server is busy" in answer for answer in answers)
            assert busy == 150 - WAITING - 2
            assert len(bot.history.conversations(limit=200)) == WAITING + 2
            assert sum(thread.name == "reply" for thread in threading.enumerate()) == 2
            assert healthy(url)
            Gated.gate.set()
            for thread in threading.enumerate():
                if thread.name == "reply":
                    thread.join(30)
            done = [bot.history.turns(one.id)[0].state for one in bot.history.conversations(limit=200)]
            assert done == ["done"] * (WAITING + 2)


@pytest.mark.slow
def test_health_tells_that_nothing_can_be_stored(encoder: Encoder, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with canned_bot(folder, encoder) as bot, serving(bot) as url:
        assert healthy(url)
        folder.rename(tmp_path / "away")
        answer = request(url, "GET", "/healthz")
        assert (answer.status, answer.json()["status"]) == (503, "fail")
        assert "cannot be written" in answer.json()["reason"]
        (tmp_path / "away").rename(folder)
        assert healthy(url)


def test_a_full_disk_is_no_health(tmp_path: Path) -> None:
    import subprocess

    lines = (
        "import resource, pathlib; from app.web.health import trouble; here = pathlib.Path('.')",
        "print(trouble(here)); print(trouble(here, 10**18)); resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
        "print(trouble(here))",
    )
    told = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    first, second, third = told.stdout.splitlines()
    assert first == ""
    assert "is full" in second
    assert "cannot be written (File too large)" in third
    assert list(tmp_path.iterdir()) == []


def test_the_answer_to_an_error_of_ours_is_one_line(
    bot: Bot, url: str, monkeypatch: pytest.MonkeyPatch, quiet: None
) -> None:
    from app.errors import DataError

    def broken(*_: object, **__: object) -> None:
        raise DataError("the database cannot be read: run candor doctor")

    monkeypatch.setattr(type(bot.history), "conversations", broken)
    answer = call(url, "do_find", [""], {"search": "x"})
    assert isinstance(answer, Answer)
    assert "run candor doctor" in answer.json()["error"]
