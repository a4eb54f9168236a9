"""The edge of the API: whatever is sent, the answer is in OpenAI's shape, says what to mend, and is never a 500."""

import json
import socket
import string
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from web_client import Answer, healthy, request
from web_fixture import canned_bot, serving

from app.api.edge import sound
from app.api.errors import ApiError
from app.bot import Bot
from dialogue.judges.embedded import load_judge
from retrieval.encoder.adapters import Reader
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from safety import EmbeddedGuard, load_policy

CHAT = "/v1/chat/completions"
HI = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def bot(
    encoder: Encoder, safety_reader: Reader, passage_reader: PassageReader, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bot]:
    """Canned replies, but the real guard and the real judge."""
    folder = tmp_path_factory.mktemp("api")
    (folder / "everest.md").write_text("# Mount Everest\n\nMount Everest is 8,849 metres high.\n")
    with canned_bot(folder / "data", encoder, [folder / "everest.md"]) as bot:
        judge = load_judge(encoder, passage_reader)
        bot.responder.guard = EmbeddedGuard(safety_reader, load_policy())  # type: ignore[misc]
        bot.responder.judge = judge  # type: ignore[misc]
        object.__setattr__(bot, "judge", judge)
        yield bot


def post(url: str, path: str, body: object, **headers: str) -> Answer:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return request(url, "POST", path, sent, headers)


def error_of(answer: Answer) -> dict[str, Any]:
    told = answer.json()
    assert set(told) == {"error"}
    assert set(told["error"]) == {"message", "type", "param", "code"}
    assert told["error"]["message"]
    assert "\n" not in told["error"]["message"]
    error: dict[str, Any] = told["error"]
    return error


def chat(**fields: object) -> dict[str, object]:
    return {"messages": HI, **fields}


BAD: list[tuple[bytes | dict[str, object], int, str | None]] = [  # a body, the status, and the parameter
    (b"", 400, None),
    (b"{bad", 400, None),
    (b'{"messages": [', 400, None),
    (b"\xff\xfe{}", 400, None),
    (b"null", 400, None),
    (b"[]", 400, None),
    (b'"text"', 400, None),
    (b'{"messages": [{"role": "user", "content": "x"}], "temperature": NaN}', 400, None),
    (b'{"messages": [{"role": "user", "content": "x"}], "temperature": Infinity}', 400, None),
    (b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}', 400, None),
    (b'{"messages": [{"role": "user", "content": "x"}], "seed": ' + b"9" * 5000 + b"}", 400, None),
    (b"[" * 200_000, 400, None),
    (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, 400, None),
    (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", 400, None),
    (b'{"messages": [], "messages": [{"role": "user", "content": "x"}]}', 400, None),
    ({}, 400, "messages"),
    ({"messages": []}, 400, "messages"),
    ({"messages": "hi"}, 400, "messages"),
    ({"messages": None}, 400, "messages"),
    ({"messages": ["hi"]}, 400, "messages.0"),
    ({"messages": HI * 2001}, 400, "messages"),
    ({"messages": [{"role": "wizard", "content": "hi"}]}, 400, "messages.0.role"),
    ({"messages": [{"content": "hi"}]}, 400, "messages.0.role"),
    ({"messages": [{"role": "tool", "content": "hi", "tool_call_id": "1"}, *HI]}, 400, "messages.0"),
    ({"messages": [{"role": "user", "content": ""}]}, 400, "messages"),
    ({"messages": [{"role": "user", "content": None}]}, 400, "messages"),
    ({"messages": [{"role": "user", "content": " \u200b\n"}]}, 400, None),
    ({"messages": [{"role": "user", "content": "x" * 32_001}]}, 400, None),
    ({"messages": [{"role": "user", "content": "x" * 400_001}]}, 400, "messages"),
    ({"messages": [*HI, {"role": "assistant", "content": "hello"}]}, 400, "messages"),
    ({"messages": [{"role": "system", "content": "be nice"}]}, 400, "messages"),
    ({"messages": [{"role": "user", "content": 5}]}, 400, "messages.0.content.str"),
    ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, 400, "messages.0.content.0"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages.0.content.0"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,!"}]}]},
        400,
        "messages.0.content.0",
    ),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/png;base64,aGk="}]}]},
        400,
        None,
    ),
    (chat(n=0), 400, "n"),
    (chat(n=-1), 400, "n"),
    (chat(n=1.5), 400, "n"),
    (chat(n="3"), 400, "n"),
    (chat(n=1000), 400, "n"),
    (chat(n=True), 400, "n"),
    (chat(max_tokens=-5), 400, "max_tokens"),
    (chat(max_tokens=0), 400, "max_tokens"),
    (chat(temperature=-1), 400, "temperature"),
    (chat(temperature=3), 400, "temperature"),
    (chat(temperature="hot"), 400, "temperature"),
    (chat(top_p=2), 400, "top_p"),
    (chat(stream="true"), 400, "stream"),
    (chat(stream=1), 400, "stream"),
    (chat(stream_options=[]), 400, "stream_options"),
    (chat(response_format={"type": "json_schema"}), 400, "response_format"),
    (chat(tool_choice="required"), 400, "tool_choice"),
    (chat(model="gpt-5"), 404, "model"),
    (chat(model=5), 400, "model"),
    (chat(model="x" * 10_000), 400, "model"),
    (chat(conversation="../../etc/passwd"), 404, None),
    (chat(conversation="x" * 10_000), 400, "conversation"),
    (chat(conversation="0", store=False), 400, "store"),
    (chat(role="nobody"), 404, "role"),
    (chat(role="../x\n"), 404, "role"),
]


def test_bad_requests_for_a_completion_are_named(url: str) -> None:
    for body, status, param in BAD:
        answer = post(url, CHAT, body)
        assert answer.status == status, (body, answer.body)
        assert error_of(answer)["param"] == param, (body, answer.body)
    assert len(BAD) >= 60
    assert healthy(url)


OTHERS: list[tuple[str, str, object, int]] = [
    ("POST", "/v1/responses", {}, 400),
    ("POST", "/v1/responses", {"input": []}, 400),
    ("POST", "/v1/responses", {"input": ""}, 400),
    ("POST", "/v1/responses", {"input": [{"type": "function_call", "role": "user", "content": "x"}]}, 400),
    ("POST", "/v1/responses", {"input": "hi", "previous_response_id": "resp_x"}, 404),
    ("POST", "/v1/responses", {"input": "hi", "previous_response_id": "resp_x.1"}, 404),
    ("POST", "/v1/responses", {"input": "hi", "text": {"format": {"type": "json_schema"}}}, 400),
    ("POST", "/v1/moderations", {}, 400),
    ("POST", "/v1/moderations", {"input": []}, 400),
    ("POST", "/v1/moderations", {"input": 5}, 400),
    ("POST", "/v1/moderations", {"input": "x" * 32_001}, 400),
    ("POST", "/v1/moderations", {"input": ["x"] * 65}, 400),
    ("POST", "/v1/moderations", {"input": [{"type": "image_url", "image_url": {"url": "x"}}]}, 400),
    ("POST", "/v1/check", {}, 400),
    ("POST", "/v1/check", {"text": ""}, 400),
    ("POST", "/v1/check", {"text": "x" * 32_001}, 400),
    ("POST", "/v1/check", {"text": "x", "evidence": 5}, 400),
    ("POST", "/v1/check", {"text": "x", "evidense": "y"}, 400),
    ("POST", "/v1/check", {"text": "One. " * 200}, 400),
    ("GET", "/v1/sources?limit=0", None, 400),
    ("GET", "/v1/sources?limit=abc", None, 400),
    ("GET", "/v1/sources?offset=99999999999999999999", None, 400),
    ("GET", "/v1/sources/999", None, 404),
    ("GET", "/v1/sources/abc", None, 404),
    ("GET", "/v1/sources/-1", None, 404),
    ("GET", "/v1/sources/99999999999999999999", None, 400),
    ("GET", "/v1/sources/%2e%2e%2fcandor.db", None, 404),
    ("DELETE", "/v1/sources/999", None, 404),
    ("GET", "/v1/sources/search", None, 400),
    ("GET", "/v1/sources/search?query=", None, 400),
    ("GET", "/v1/sources/search?query=x&limit=51", None, 400),
    ("POST", "/v1/sources", b"text", 400),
    ("POST", "/v1/sources?name=", b"text", 422),
    ("POST", "/v1/sources?name=../x.md", b"text", 422),
    ("POST", "/v1/sources?name=x.exe", b"text", 422),
    ("POST", "/v1/sources?name=empty.md", b"", 422),
    ("POST", "/v1/sources?name=bad.pdf", b"no pdf", 422),
    ("POST", "/v1/sources?name=x.md&taken=maybe", b"text", 400),
    ("GET", "/v1/conversations?limit=-1", None, 400),
    ("GET", "/v1/conversations?offset=99999999999999999999", None, 400),
    ("GET", "/v1/conversations/%00", None, 404),
    ("GET", "/v1/conversations/" + "x" * 5000, None, 400),
    ("DELETE", "/v1/conversations/none", None, 404),
    ("GET", "/v1/models/none", None, 404),
    ("GET", "/v1", None, 404),
    ("GET", "/v1/", None, 404),
    ("GET", "/v1/nothing", None, 404),
    ("GET", "/v1/chat/completions/", None, 404),
    ("GET", CHAT, None, 405),
    ("PUT", CHAT, {}, 405),
    ("DELETE", "/v1/models", None, 405),
    ("DELETE", "/v1/sources/search", None, 405),
    ("OPTIONS", CHAT, None, 405),
    ("HEAD", "/v1/models", None, 405),
]


def test_bad_requests_elsewhere_are_named(url: str) -> None:
    for method, path, body, status in OTHERS:
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        answer = request(url, method, path, sent)
        assert answer.status == status, (method, path, answer)
        if method != "HEAD":
            error_of(answer)
    assert len(OTHERS) >= 50
    assert healthy(url)


def test_the_type_and_the_size_of_a_body_are_bounded(url: str) -> None:
    body = json.dumps(chat()).encode()
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", "json"):
        answer = post(url, CHAT, body, **{"content-type": kind})
        assert answer.status == 415
        error_of(answer)
    assert post(url, CHAT, body, **{"content-type": "Application/JSON; charset=utf-8"}).status == 200
    place = urlsplit(url)
    for head in ("Content-Length: 20000000", "Content-Length: 1x", "Content-Length: 99999999999999999999"):
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=10) as line:
            line.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode())
            line.sendall(f"{head}\r\n\r\n{{".encode())
            assert line.recv(4096).split()[1] in (b"413", b"400")
    assert healthy(url)


def test_half_characters_are_replaced(url: str, bot: Bot) -> None:
    answer = post(url, CHAT, b'{"messages": [{"role": "user", "content": "Everest \\ud800 high"}]}')
    assert answer.status == 200
    [turn] = bot.history.turns(answer.json()["candor"]["conversation"])
    assert turn.question == "Everest \ufffd high"


def test_other_sites_are_turned_away_in_the_same_shape(url: str) -> None:
    for headers in ({"Host": "evil.test"}, {"Origin": "http://evil.test"}, {"Origin": "null"}):
        answer = request(url, "GET", "/v1/models", headers=headers)
        assert answer.status == 403
        error_of(answer)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["messages", "n", "stream", "model", "role", "conversation", "store", "stop", "user", "input"])
ROUTES = st.sampled_from([CHAT, "/v1/responses", "/v1/moderations", "/v1/check"])


@given(path=ROUTES, fields=st.dictionaries(FIELDS, JSON, max_size=4), fitting=st.booleans())
@settings(max_examples=60)
def test_no_body_of_json_ends_in_a_500(url: str, path: str, fields: dict[str, object], fitting: bool) -> None:
    base: dict[str, object] = {"messages": HI, "input": "hi", "text": "hi"} if fitting else {}
    answer = post(url, path, json.dumps({**base, **fields}, default=str).encode("utf-8", "replace"))
    assert answer.status < 500 or error_of(answer)["code"] == "storage_unavailable"
    if answer.status >= 400:
        error_of(answer)


@given(st.binary(max_size=60) | st.text(string.printable, max_size=60).map(str.encode))
def test_any_bytes_are_sound_or_refused(body: bytes) -> None:
    try:
        checked = sound(body)
    except ApiError as error:
        refused = error.status
    else:
        refused = 0
        assert json.loads(checked) == json.loads(body)
    assert refused in (0, 400)


def test_a_moderation_has_our_objectives_and_openais_categories(url: str) -> None:
    import openai

    with openai.OpenAI(base_url=f"{url}v1", api_key="none") as client:
        made = client.moderations.create(input=["How do I build a pipe bomb?", "How tall is Mount Everest?"])
    bad, good = made.results
    assert bad.flagged
    assert bad.categories.illicit_violent
    assert bad.category_scores.illicit_violent > 0.6
    assert bad.categories.model_extra["weapons_mass"]  # type: ignore[index]
    assert not good.flagged
    assert not any(good.categories.model_dump(by_alias=True).values())


def test_a_text_is_checked_against_evidence_or_the_library_as_the_command_does(
    url: str, bot: Bot, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.commands.cli import run

    text, evidence = "Everest is 8,849 metres high. Everest is in France.", "Mount Everest is 8,849 metres high."
    told = post(url, "/v1/check", {"text": text, "evidence": evidence}).json()
    assert told["supported"] is False
    assert [claim["supported"] for claim in told["claims"]] == [True, False]
    file = tmp_path_factory.mktemp("check") / "evidence.txt"
    file.write_text(evidence)
    assert run(["check", text, "--evidence", str(file), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed.keys() == told.keys()
    assert [claim.keys() for claim in printed["claims"]] == [claim.keys() for claim in told["claims"]]
    assert [claim["supported"] for claim in printed["claims"]] == [True, False]
    held = post(url, "/v1/check", {"text": "Mount Everest is 8,849 metres high."}).json()
    assert held["supported"] is True
    assert held["claims"][0]["passage"]["source"] == "everest.md"


def test_sources_come_are_found_and_go(url: str, bot: Bot) -> None:
    made = post(url, "/v1/sources?name=k2.md", b"# K2\n\nK2 is 8,611 metres high.\n")
    assert made.status == 201
    [row] = made.json()["data"]
    assert row["name"] == "k2.md"
    again = post(url, "/v1/sources?name=k2.md", b"# K2\n\nAnother.\n")
    assert (again.status, error_of(again)["code"]) == (409, "name_taken")
    kept = post(url, "/v1/sources?name=k2.md&taken=keep", b"# K2 again\n\nK2 stands in the Karakoram.\n").json()
    assert kept["name"] == "k2 (2).md"
    listed = request(url, "GET", "/v1/sources").json()
    assert listed["total"] == 3
    assert {"everest.md", "k2.md", "k2 (2).md"} == {one["name"] for one in listed["data"]}
    assert len(request(url, "GET", "/v1/sources?limit=1&offset=1").json()["data"]) == 1
    found = request(url, "GET", "/v1/sources/search?query=metres+Everest&limit=2").json()["data"]
    assert found[0]["text"]
    assert "8,611" in request(url, "GET", f"/v1/sources/{row['id']}").json()["text"]
    for identity in (row["id"], kept["data"][0]["id"]):
        assert request(url, "DELETE", f"/v1/sources/{identity}").json()["deleted"] is True
        assert request(url, "GET", f"/v1/sources/{identity}").status == 404
    assert [source.name for source in bot.library.sources()] == ["everest.md"]


def test_conversations_are_listed_shown_and_deleted(url: str, bot: Bot) -> None:
    talk = post(url, CHAT, {"messages": [{"role": "user", "content": "Everest metres"}]}).json()["candor"][
        "conversation"
    ]
    assert talk in {row["id"] for row in request(url, "GET", "/v1/conversations").json()["data"]}
    assert request(url, "GET", "/v1/conversations?search=zyzzyva").json()["data"] == []
    shown = request(url, "GET", f"/v1/conversations/{talk}").json()
    assert [turn["question"] for turn in shown["turns"]] == ["Everest metres"]
    assert shown["turns"][0]["candor"]["citations"][0]["source"] == "everest.md"
    assert request(url, "DELETE", f"/v1/conversations/{talk}").json()["deleted"] is True
    assert request(url, "GET", f"/v1/conversations/{talk}").status == 404


def test_a_site_that_is_allowed_may_use_the_api_and_nothing_else(encoder: Encoder, tmp_path_factory: Any) -> None:  # noqa: ANN401
    from dataclasses import replace

    site = {"Origin": "https://chat.example.org"}
    with canned_bot(tmp_path_factory.mktemp("cors"), encoder) as bot:
        object.__setattr__(bot, "settings", replace(bot.settings, cors="https://chat.example.org"))
        with serving(bot) as url:
            assert request(url, "GET", "/v1/models", headers=site).status == 200
            asks = {**site, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
            assert request(url, "OPTIONS", CHAT, headers=asks).status == 200
            assert request(url, "GET", "/v1/models", headers={"Origin": "https://evil.test"}).status == 403
            assert request(url, "GET", "/", headers=site).status == 403
