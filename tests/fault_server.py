"""A real HTTP server that speaks OpenAI's protocol as vLLM does, with switches for what may go wrong.

Drafts and probabilities follow from the prompt and the seed. It runs in a thread of this process, on a free port.
"""

import hashlib
import itertools
import json
import math
import select
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SAYINGS = (
    "It eats krill.",
    "A blue whale eats four tonnes of krill a day.",
    "Krill is what it eats, up to four tonnes a day.",
    "The blue whale is the largest animal that has ever lived.",
    "It can weigh up to 190 tonnes.",
    "It lives on krill.",
)
KNOWN = {"model", "messages", "prompt", "n", "seed", "stream", "stream_options", "temperature", "top_p", "max_tokens"}
KNOWN |= {"stop", "logprobs", "top_logprobs", "max_completion_tokens"}
VLLM = {"top_k", "min_p", "chat_template_kwargs"}


@dataclass
class Behaviour:
    """What the server does; tests change it while the server runs. `fault` goes for the next `times` requests."""

    fields: set[str] = field(default_factory=lambda: KNOWN | VLLM)
    refusal: str = "message"  # or "detail": the shape of FastAPI, with status 422
    many: bool = True  # gives n choices
    extra: int = 0  # more (or fewer) choices than asked for
    logprobs: bool = True
    top: int = 20
    chat: str = "yes"  # or "absent", "no template", "no kwargs", "strict"
    key: str = ""
    window: int = 10**6  # characters
    details: bool = True  # tells cached tokens
    saying: str | None = None
    models: list[str] = field(default_factory=lambda: ["whale-7b"])
    fault: str = ""
    times: int = 10**6
    retry_after: str = ""
    status: int = 429  # of the fault "busy"
    location: str = ""


@dataclass
class FaultServer:
    """The running server: where it is, what it does, what it was asked, and whether a caller hung up."""

    url: str
    does: Behaviour
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    hung_up: threading.Event = field(default_factory=threading.Event)
    writing: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The bodies of all requests to a path."""
        return [body for at, body in self.requests if at == f"/v1{path}"]


@contextmanager
def fault_server(**switches: Any) -> Iterator[FaultServer]:  # noqa: ANN401
    """Run the server for the time of a with block."""
    server = FaultServer("", Behaviour(**switches))

    class Handler(_Handler):
        owner = server

    http = _Many(("127.0.0.1", 0), Handler)

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


def closed_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class _Many(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128


class _Handler(BaseHTTPRequestHandler):
    owner: FaultServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            self.owner.hung_up.set()

    def do_GET(self) -> None:
        self._serve({})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        body = self.rfile.read(length)
        if len(body) < length:
            raise ConnectionResetError
        self._serve(json.loads(body))

    def _serve(self, body: dict[str, Any]) -> None:
        self.close_connection = True
        owner, does = self.owner, self.owner.does
        owner.requests.append((self.path, body))
        owner.headers.append(dict(self.headers))
        if does.key and self.headers.get("authorization") != f"Bearer {does.key}":
            self._error(401, f"Incorrect API key provided: {self.headers.get('authorization')}")
        elif self.path == "/v1/models":
            data = [
                {"id": name, "object": "model", "created": time.time_ns(), "owned_by": "vllm", "max_model_len": 4096}
                | {"root": name, "permission": [{"id": f"modelperm-{uuid.uuid4()}"}]}
                for name in does.models
            ]
            self._json({"object": "list", "data": data})
        elif does.fault and does.times > 0:
            does.times -= 1
            getattr(self, "_" + does.fault.replace(" ", "_"))(body)
        elif self.path == "/v1/chat/completions" and does.chat != "absent":
            self._complete(body, chat=True)
        elif self.path == "/v1/completions":
            self._complete(body, chat=False)
        else:
            self._json({"detail": "Not Found"}, 404)

    def _complete(self, body: dict[str, Any], chat: bool) -> None:
        does = self.owner.does
        unknown = sorted(set(body) - does.fields)
        prompt = json.dumps(body["messages"]) if chat else body["prompt"]
        roles = [message["role"] for message in body["messages"]] if chat else []
        if unknown and does.refusal == "detail":
            self._json({"detail": f"Unexpected fields in the request: {set(unknown)}"}, 422)
        elif unknown:
            self._error(400, f"Unrecognized request argument supplied: {unknown[0]}")
        elif body["model"] not in does.models:
            self._error(404, f"The model `{body['model']}` does not exist.")
        elif chat and does.chat == "no kwargs" and "chat_template_kwargs" in body:
            self._error(400, "chat_template is not supported for Mistral tokenizers.")
        elif chat and does.chat == "no template":
            self._error(400, "default chat template is no longer allowed, so you must provide a chat template")
        elif (
            chat and does.chat == "strict" and ("system" in roles or any(a == b for a, b in itertools.pairwise(roles)))
        ):
            self._error(400, "Conversation roles must alternate user/assistant/user/assistant/...")
        elif len(prompt) > does.window:
            self._error(400, f"This model's maximum context length is {does.window // 4} tokens.")
        elif body.get("top_logprobs", body.get("logprobs") or 0) > does.top:
            self._error(400, f"Requested sample logprobs of 20, which is greater than max allowed: {does.top}")
        elif body.get("stream"):
            self._stream(body, self._choices(body, prompt), prompt, chat)
        else:
            self._whole(body, prompt, chat)

    def _choices(self, body: dict[str, Any], prompt: str) -> list[tuple[list[str], str]]:
        """Words and reason of each choice."""
        does = self.owner.does
        n = max((body.get("n", 1) if does.many else 1) + does.extra, 0)
        most = body.get("max_tokens") or body["max_completion_tokens"]
        chosen = []
        for place in range(n):
            seed = body["seed"] + place if "seed" in body else uuid.uuid4().int
            saying = does.saying if does.saying is not None else SAYINGS[_number(prompt, seed) % len(SAYINGS)]
            words = [word if i == 0 else " " + word for i, word in enumerate(saying.split(" "))]
            chosen.append((words[:most], "stop" if len(words) <= most else "length"))
        return chosen

    def _stream(self, body: dict[str, Any], choices: list[tuple[list[str], str]], prompt: str, chat: bool) -> None:
        """All choices side by side, a word at a time."""
        self._begin("text/event-stream")
        sent = 0
        for at in range(max((len(words) for words, _ in choices), default=-1) + 1):
            for index, (words, reason) in enumerate(choices):
                if at < len(words):
                    self._event(_piece(chat, index, words[at]))
                    sent += 1
                if at == len(words):
                    self._event(_piece(chat, index, "", reason))
        if body.get("stream_options", {}).get("include_usage"):
            self._event({"choices": [], "usage": self._usage(prompt, sent)})
        self._line("data: [DONE]\n\n")
        self._chunk(b"")

    def _whole(self, body: dict[str, Any], prompt: str, chat: bool) -> None:
        """One yes or no with its probabilities."""
        likely = None
        if self.owner.does.logprobs and body.get("logprobs"):
            yes = 0.05 + 0.9 * (_number(prompt, 0) % 1000) / 999
            likely = {"Yes": 0.6 * yes, " yes": 0.3 * yes, "No": 0.9 * (1 - yes), "Maybe": 0.1 * (1 - yes)}
        choice = {"index": 0, "finish_reason": "length", "logprobs": _logprobs(likely, chat)}
        choice |= {"message": {"role": "assistant", "content": "Yes"}} if chat else {"text": "Yes"}
        self._json({"id": "1", "choices": [choice], "usage": self._usage(prompt, 1)})

    def _usage(self, prompt: str, sampled: int) -> dict[str, Any]:
        read = len(prompt.split())
        usage: dict[str, Any] = {"prompt_tokens": read, "completion_tokens": sampled, "total_tokens": read + sampled}
        return usage | ({"prompt_tokens_details": {"cached_tokens": read // 2}} if self.owner.does.details else {})

    # --- faults -------------------------------------------------------------------------------------------

    def _hang(self, body: dict[str, Any]) -> None:
        """Take the request and say nothing."""
        self._await_hang_up()

    def _hang_mid_stream(self, body: dict[str, Any]) -> None:
        self._begin("text/event-stream")
        self._event(_piece(True, 0, "It eats"))
        self._await_hang_up()

    def _ping(self, body: dict[str, Any]) -> None:
        """Keep the connection busy without ever answering."""
        self._begin("text/event-stream")
        while not self.owner.release.wait(0.05):
            self._line(": ping\n\n")

    def _cut(self, body: dict[str, Any]) -> None:
        """Break off after the first choice, in the middle of the others."""
        self._begin("text/event-stream")
        self._event(_piece(True, 0, SAYINGS[0], "stop"))
        self._event(_piece(True, 1, "A blue whale ea"))

    def _cut_at_once(self, body: dict[str, Any]) -> None:
        self._begin("text/event-stream")
        self._event(_piece(True, 0, "A blue whale ea"))

    def _malformed(self, body: dict[str, Any]) -> None:
        self._raw(b'{"choices": [{"index": 0, ', "application/json")

    def _malformed_stream(self, body: dict[str, Any]) -> None:
        self._begin("text/event-stream")
        self._event(_piece(True, 0, SAYINGS[0], "stop"))
        self._line('data: {"choices": [{"ind\n\n')
        self._chunk(b"")

    def _wrong_types(self, body: dict[str, Any]) -> None:
        self._json({"choices": [{"index": 0, "message": {"role": "assistant", "content": {"a": 1}}}]})

    def _other_protocol(self, body: dict[str, Any]) -> None:
        self._json({"generated_text": "It eats krill."})

    def _told_in_stream(self, body: dict[str, Any]) -> None:
        self._begin("text/event-stream")
        self._line('data: {"error": {"message": "the engine died", "code": 500}}\n\n')
        self._chunk(b"")

    def _html(self, body: dict[str, Any]) -> None:
        self._raw(b"<html><script>alert(1)</script><h1>Bad gateway</h1></html>", "text/html", 502)

    def _html_fine(self, body: dict[str, Any]) -> None:
        self._raw(b"<html>Welcome!</html>", "text/html")

    def _busy(self, body: dict[str, Any]) -> None:
        self._raw(
            b'{"error": "busy"}',
            "application/json",
            self.owner.does.status,
            {"Retry-After": self.owner.does.retry_after},
        )

    def _failing(self, body: dict[str, Any]) -> None:
        self._error(500, "Internal Server Error")

    def _redirect(self, body: dict[str, Any]) -> None:
        self._raw(b"", "text/plain", 307, {"Location": self.owner.does.location})

    def _huge(self, body: dict[str, Any]) -> None:
        self._begin("text/event-stream")
        for _ in range(10**6):
            self._event(_piece(True, 0, "krill " * 10_000))

    def _huge_line(self, body: dict[str, Any]) -> None:
        self._begin("text/event-stream")
        for _ in range(10**6):
            self._chunk(b"data" * 10_000)

    def _compressed(self, body: dict[str, Any]) -> None:
        self._raw(b"\x1f\x8b", "application/json", 200, {"Content-Encoding": "gzip"})

    def _whole_anyway(self, body: dict[str, Any]) -> None:
        """Answer a stream's request in one piece."""
        message = {"role": "assistant", "content": SAYINGS[0]}
        self._json({"choices": [{"index": i, "message": message} for i in range(body.get("n", 1))]})

    # --- the wire -----------------------------------------------------------------------------------------

    def _await_hang_up(self) -> None:
        self.owner.writing.set()
        while not self.owner.release.is_set():
            ready, _, _ = select.select([self.connection], [], [], 0.02)
            if ready and self.connection.recv(1, socket.MSG_PEEK) == b"":
                self.owner.hung_up.set()
                return

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _event(self, data: dict[str, Any]) -> None:
        self._line(f"data: {json.dumps(data)}\n\n")

    def _line(self, text: str) -> None:
        self._chunk(text.encode())

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _error(self, status: int, message: str) -> None:
        self._json({"error": {"message": message, "type": "BadRequestError", "param": None, "code": status}}, status)

    def _json(self, data: object, status: int = 200) -> None:
        self._raw(json.dumps(data).encode(), "application/json", status)

    def _raw(self, data: bytes, kind: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _piece(chat: bool, index: int, text: str, reason: str | None = None) -> dict[str, Any]:
    said = {"delta": {"content": text}} if chat else {"text": text}
    return {"id": "1", "choices": [{"index": index, "finish_reason": reason, "logprobs": None, **said}]}


def _logprobs(likely: dict[str, float] | None, chat: bool) -> dict[str, Any] | None:
    """Log-probabilities in the shape of chat or of plain completions."""
    if likely is None:
        return None
    logs = {token: math.log(share) for token, share in likely.items()}
    if not chat:
        return {"tokens": ["Yes"], "token_logprobs": [logs["Yes"]], "top_logprobs": [logs], "text_offset": [0]}
    top = [{"token": token, "logprob": log, "bytes": list(token.encode())} for token, log in logs.items()]
    return {"content": [top[0] | {"top_logprobs": top}]}


def _number(text: str, seed: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {text}".encode()).digest()[:8])
