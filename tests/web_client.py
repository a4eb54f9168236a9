"""Raw HTTP for tests of the web server: what a page, and what anybody else on the machine, can send."""

import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What a request got."""

    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401
        return json.loads(self.body)


_held = threading.local()  # one open connection of each thread


def request(
    url: str, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """Send one request; the path goes out as it is."""
    place = urlsplit(url).netloc
    if getattr(_held, "place", "") != place:
        _held.place, _held.connection = place, http.client.HTTPConnection(place, timeout=30)
    for last in (False, True):
        try:
            _held.connection.request(method, path, body, {"content-type": "application/json", **(headers or {})})
            answer = _held.connection.getresponse()
            return Answer(answer.status, answer.read())
        except (http.client.BadStatusLine, ConnectionError):  # closed while nobody used it
            _held.connection.close()
            if last:
                raise
    raise AssertionError("not reached")


def events(url: str, headers: Mapping[str, str] | None = None) -> dict[int, tuple[str, int, bool]]:
    """The events of the page: number to the name of the first target or handler, inputs, and whether it is queued."""
    found = request(url, "GET", "/config", headers=headers).json()["dependencies"]
    return {row["id"]: (str((row["targets"] or [[0, ""]])[0][1]), len(row["inputs"]), row["queue"]) for row in found}


def call(
    url: str,
    target: str,
    data: list[Any],
    event_data: object = None,
    session: str = "s1",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """Call the event of this name as the page does, at once."""
    [number] = [number for number, (name, _, _) in events(url, headers).items() if name == target]
    body = {"fn_index": number, "data": data, "event_data": event_data, "trigger_id": 0, "session_hash": session}
    return request(url, "POST", "/gradio_api/run/predict", json.dumps(body).encode(), headers)


def healthy(url: str) -> bool:
    """Whether the server answers that it is well."""
    return request(url, "GET", "/healthz") == Answer(200, b'{"status":"ok"}')
