"""A web server on this machine for tests: pages by path, with whatever headers, delays and redirects they need."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ssl import SSLContext


@dataclass
class Answer:
    """What the server says; `slow` is sent piece by piece with a pause before each."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "text/html; charset=utf-8"
    slow: tuple[bytes, ...] = ()
    pause: float = 0.0


@dataclass
class PageServer:
    """A running server: the answers by path, and the requests it got as (path, headers)."""

    pages: dict[str, Answer | Callable[[dict[str, str]], Answer]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0
    release: threading.Event = field(default_factory=threading.Event)

    def page(self, path: str, text: str, **headers: str) -> None:
        self.pages[path] = Answer(text.encode(), headers={k.replace("_", "-"): v for k, v in headers.items()})

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


@contextmanager
def page_server(trust: SSLContext | None = None) -> Iterator[PageServer]:
    """Run a server for the time of a with block, behind TLS where a context is given."""
    owner = PageServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            headers = {name.casefold(): value for name, value in self.headers.items()}
            owner.asked.append((self.path, headers))
            found = owner.pages.get(self.path) or owner.pages.get(self.path.partition("?")[0])
            answer = found(headers) if callable(found) else found or Answer(b"no such page", 404)
            self.send_response(answer.status)
            if "content-type" not in {name.casefold() for name in answer.headers}:
                self.send_header("Content-Type", answer.kind)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if not answer.slow:
                self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                self.wfile.write(answer.body)
                for piece in answer.slow:
                    if owner.release.wait(answer.pause):
                        break
                    self.wfile.write(piece)
                    self.wfile.flush()
            except OSError:
                pass
            self.close_connection = True

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            pass

    http = Quiet(("127.0.0.1", 0), Handler)
    if trust is not None:
        http.socket = trust.wrap_socket(http.socket, server_side=True)
    http.daemon_threads, http.block_on_close = True, False
    owner.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield owner
    finally:
        owner.release.set()
        http.shutdown()
        http.server_close()
        thread.join()
