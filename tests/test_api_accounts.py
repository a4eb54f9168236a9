"""The API of a server with accounts: no route without a key, no key beyond its scopes, and nobody sees another's."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from web_client import Answer, request
from web_fixture import canned_bot, serving

from app.accounts.accounts import Accounts
from app.accounts.audit import Audit
from app.accounts.keys import Keys
from app.bot import Bot
from retrieval.encoder.embed import Encoder

CHAT = {"messages": [{"role": "user", "content": "Which Mount Everest facts?"}]}


@pytest.fixture(scope="module")
def bot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "everest.md").write_text("# Mount Everest\n\nMount Everest is 8,849 metres high.\n")
    with canned_bot(folder / "data", encoder, [folder / "everest.md"]) as bot:
        accounts = Accounts(bot.library.database)
        for name, role in (("root", "admin"), ("ann", "user"), ("bob", "user"), ("cat", "user")):
            accounts.add(name, role, "a long password")  # type: ignore[arg-type]
        settings = replace(bot.settings, accounts="on", turns_per_minute=4)
        yield replace(bot, settings=settings)


@pytest.fixture(scope="module")
def url(bot: Bot) -> Iterator[str]:
    with serving(bot) as url:
        yield url


def key(bot: Bot, name: str, *scopes: str) -> str:
    return Keys(bot.library.database).make(name, scopes=scopes or ("chat", "check", "sources"))[0]


def send(url: str, word: str, method: str, path: str, body: object = None) -> Answer:
    sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    return request(url, method, path, sent, {"Authorization": f"Bearer {word}"} if word else {})


ROUTES: list[tuple[str, str, Any]] = [
    ("POST", "/v1/chat/completions", CHAT),
    ("POST", "/v1/responses", {"input": "hi"}),
    ("POST", "/v1/moderations", {"input": "hi"}),
    ("POST", "/v1/check", {"text": "hi"}),
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/candor", None),
    ("GET", "/v1/sources", None),
    ("GET", "/v1/sources/1", None),
    ("GET", "/v1/sources/search?query=x", None),
    ("POST", "/v1/sources?name=x.md", b"# X"),
    ("DELETE", "/v1/sources/1", None),
    ("GET", "/v1/conversations", None),
    ("GET", "/v1/conversations/x", None),
    ("DELETE", "/v1/conversations/x", None),
]


def test_no_route_is_served_without_a_valid_key(url: str) -> None:
    schema = request(url, "GET", "/v1/openapi.json").json()["paths"]
    assert sum(len(methods) for methods in schema.values()) == len(ROUTES)
    for method, path, body in ROUTES:
        for word in ("", "candor_wrong", "x" * 10_000):
            answer = send(url, word, method, path, body)
            assert answer.status == 401, (method, path)
            assert answer.json()["error"]["type"] == "authentication_error"
        assert send(url, "", method, f"{path}{'&' if '?' in path else '?'}api_key=x", body).status == 401


def test_a_key_reaches_no_further_than_its_scopes(url: str, bot: Bot) -> None:
    chat, check = key(bot, "cat", "chat"), key(bot, "cat", "check")
    for word, method, path, body in (
        (chat, "POST", "/v1/check", {"text": "hi"}),
        (chat, "GET", "/v1/sources", None),
        (check, "POST", "/v1/chat/completions", CHAT),
        (check, "GET", "/v1/conversations", None),
    ):
        answer = send(url, word, method, path, body)
        assert answer.status == 403
        assert answer.json()["error"]["code"] == "missing_scope"
    assert send(url, chat, "GET", "/v1/models").status == 200
    Keys(bot.library.database).revoke(chat[:13])
    assert send(url, chat, "GET", "/v1/models").status == 401


def test_nobody_sees_the_conversations_or_documents_of_another(url: str, bot: Bot) -> None:
    ann, bob, root = key(bot, "ann"), key(bot, "bob"), key(bot, "root")
    with openai.OpenAI(base_url=f"{url}v1", api_key=ann, max_retries=0) as client:
        made = client.chat.completions.create(model="candor", messages=CHAT["messages"])  # type: ignore[arg-type]
    talk = made.model_extra["candor"]["conversation"]  # type: ignore[index]
    assert [row["id"] for row in send(url, ann, "GET", "/v1/conversations").json()["data"]] == [talk]
    assert send(url, bob, "GET", "/v1/conversations").json()["data"] == []
    none = send(url, bob, "GET", "/v1/conversations/none")
    for method in ("GET", "DELETE"):
        answer = send(url, bob, method, f"/v1/conversations/{talk}")
        assert (answer.status, answer.body) == (404, none.body)
    assert send(url, bob, "POST", "/v1/chat/completions", {**CHAT, "conversation": talk}).status == 404
    made_source = send(url, ann, "POST", "/v1/sources?name=diary.md", b"# Diary\n\nAnn climbed Everest in secret.\n")
    assert made_source.status == 201
    source = made_source.json()["data"][0]["id"]
    assert send(url, ann, "GET", f"/v1/sources/{source}").status == 200
    assert send(url, bob, "GET", f"/v1/sources/{source}").status == 404
    assert send(url, bob, "DELETE", f"/v1/sources/{source}").status == 404
    assert {row["name"] for row in send(url, bob, "GET", "/v1/sources").json()["data"]} == {"everest.md"}
    assert send(url, bob, "DELETE", "/v1/sources/1").status == 403  # it is for all
    assert send(url, ann, "DELETE", f"/v1/sources/{source}").status == 200
    assert send(url, root, "GET", "/v1/sources/1").status == 200


def test_turns_are_limited_by_account_with_a_time_to_come_again(url: str, bot: Bot) -> None:
    bob = key(bot, "bob")
    got = [send(url, bob, "POST", "/v1/chat/completions", CHAT) for _ in range(6)]
    assert {answer.status for answer in got} == {200, 429}
    assert got[-1].json()["error"]["code"] == "rate_limit_exceeded"
    assert send(url, key(bot, "ann"), "POST", "/v1/chat/completions", CHAT).status == 200


def test_a_client_of_another_machine_is_served_with_a_key(url: str, bot: Bot, tmp_path: Path) -> None:
    headers = {"Host": "candor.example.org", "Authorization": f"Bearer {key(bot, 'ann')}"}
    assert request(url, "GET", "/v1/models", headers=headers).status == 200
    assert request(url, "GET", "/v1/models", headers={**headers, "Origin": "https://evil.test"}).status == 403


def test_what_is_changed_through_the_api_stands_in_the_audit_log(url: str, bot: Bot) -> None:
    word = key(bot, "bob", "sources", "chat")
    put = send(url, word, "POST", "/v1/sources?name=noted.md", b"# Noted\n\nThe kiln is fired on Fridays.\n")
    assert put.status == 201
    [row] = put.json()["data"]
    assert send(url, word, "DELETE", f"/v1/sources/{row['id']}").status == 200
    identity = bot.of(Accounts(bot.library.database).named("bob").id).history.start("mine")
    assert send(url, word, "DELETE", f"/v1/conversations/{identity}").status == 200
    noted = [(entry.account, entry.action, entry.detail) for entry in Audit(bot.library.database).entries()]
    for action, detail in (
        ("source put in", "noted.md"),
        ("source deleted", row["name"]),
        ("conversation deleted", identity),
    ):
        assert ("bob", action, detail) in noted
