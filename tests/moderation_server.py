"""A moderation server of OpenAI's protocol for tests, with faults at a switch; in a thread, on a free port."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from safety.guards.moderation import CATEGORIES

WORDS: Final = {"idiot": "harassment", "Bombe": "illicit/violent", "kill myself": "self-harm/intent"}


@dataclass
class ModerationServer:
    """What the server shall do, and what it was asked. `statuses` are used up one a request, then all is well."""

    url: str = ""
    model: str = "tiny-moderation"
    key: str = ""
    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    answer: object = None  # in place of the right one
    hang: bool = False
    requests: list[dict[str, Any]] = field(default_factory=list)
    asked: list[dict[str, str]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)


def scores_of(text: str) -> dict[str, float]:
    """Scores that follow from the text alone: 0.95 for a category with a known word, little for the others."""
    digest = sha256(text.encode()).digest()
    scores = {name: digest[place] / 2550 for place, name in enumerate(CATEGORIES)}
    return scores | {name: 0.95 for word, name in WORDS.items() if word in text}


@contextmanager
def moderation_server(**switches: Any) -> Iterator[ModerationServer]:  # noqa: ANN401
    """Run the server for the time of a with block."""
    server = ModerationServer(**switches)

    class Handler(_Handler):
        owner = server

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads, http.block_on_close = True, False
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.release.set()
        http.shutdown()
        http.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    owner: ModerationServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        owner = self.owner
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        owner.requests.append(body)
        owner.asked.append(dict(self.headers))
        if owner.hang:
            owner.release.wait(20)
            self.close_connection = True
            return
        status = owner.statuses.pop(0) if owner.statuses else 200
        if owner.key and self.headers.get("authorization") != f"Bearer {owner.key}":
            status = 401
        if self.path != "/v1/moderations":
            status = 404
        if status != 200:
            self._send({"error": {"message": f"no: {body['input']} {self.headers.get('authorization')}"}}, status)
            return
        results = [
            {"flagged": max(scores_of(text).values()) > 0.5, "categories": {}, "category_scores": scores_of(text)}
            for text in body["input"]
        ]
        right = {"id": "modr-1", "model": owner.model, "results": results}
        self._send(right if owner.answer is None else owner.answer, 200)

    def _send(self, data: object, status: int) -> None:
        content = data.encode() if isinstance(data, str) else json.dumps(data).encode()
        self.send_response(status)
        for name, value in self.owner.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
