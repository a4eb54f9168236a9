"""The schema of the API, and Schemathesis over it: requests that fit it and requests that do not, to a real server."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from web_client import request
from web_fixture import canned_bot

from app.api.docs import page
from app.bot import Bot
from retrieval.encoder.embed import Encoder
from safety.types import Verdict


class Harmless:
    """A guard without objections; the real one is asked in `test_api_edge`."""

    fingerprint = "harmless"

    def check(self, texts: list[str], stage: str, context: Any = (), tightened: Any = ()) -> list[Verdict]:  # noqa: ANN401
        return [Verdict(True, 0.0)] * len(texts)


class NoClaims:
    """A judge that finds nothing to judge; the real one is asked in `test_api_edge`."""

    fingerprint = "no claims"

    def score(self, context: Any, drafts: list[str]) -> list[Any]:  # noqa: ANN401
        from dialogue.types import Scores

        return [Scores()] * len(drafts)


@pytest.fixture(scope="module")
def bot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("schema")
    (folder / "everest.md").write_text("# Mount Everest\n\nMount Everest is 8,849 metres high.\n")
    with canned_bot(folder / "data", encoder, [folder / "everest.md"]) as bot:
        bot.responder.guard = Harmless()  # type: ignore[misc]
        bot.responder.judge = NoClaims()  # type: ignore[misc]
        yield bot


def test_the_page_shows_every_route_and_needs_nothing_from_elsewhere(url: str) -> None:
    schema = request(url, "GET", "/v1/openapi.json").json()
    shown = request(url, "GET", "/v1/docs").body.decode()
    assert shown == page(schema)
    for path in schema["paths"]:
        assert f"/v1{path}" in shown
    assert "<script" not in shown
    assert "http" not in shown.replace("https?://", "")
    assert {
        "/chat/completions",
        "/responses",
        "/models",
        "/moderations",
        "/check",
        "/sources",
        "/conversations",
    } <= set(schema["paths"])


def test_every_answer_of_the_schema_with_an_error_has_the_shape_of_an_error(url: str) -> None:
    schema = request(url, "GET", "/v1/openapi.json").json()
    for methods in schema["paths"].values():
        for operation in methods.values():
            for status, told in operation["responses"].items():
                if int(status) >= 400:
                    assert "ErrorResponse" in json.dumps(told)


CHECKS = (
    *("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"),
    *("unsupported_method", "use_after_free", "ensure_resource_availability"),
)


@pytest.mark.slow
def test_schemathesis_finds_no_failure(url: str) -> None:
    """Requests that fit the schema and requests that do not, and sequences of them, from the public tool."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}v1/openapi.json", "--url", f"{url}v1"]
    options = ["--checks", ",".join(CHECKS), "--max-examples", "12", "--seed", "1", "--no-color"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=170)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
