"""The page of a server with accounts: nobody gets in unknown, and nobody sees what is another's."""

import http.client
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest
from web_client import call, request
from web_fixture import canned_bot, serving

from app.accounts.accounts import Accounts
from app.accounts.audit import Audit
from app.bot import Bot
from app.store.shares import Shares
from app.web.doors import OPEN
from app.web.gate import ROUTES
from app.web.server import ServeError, probe, serve
from retrieval.encoder.embed import Encoder

PASSWORD = "correct horse battery"
NAMES = ("ada", "bob", "root")
Jar = dict[str, str]


@pytest.fixture(scope="module")
def bot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    with canned_bot(tmp_path_factory.mktemp("team"), encoder) as bot:
        for name in NAMES:
            Accounts(bot.library.database).add(name, "admin" if name == "root" else "user", PASSWORD)
        yield replace(bot, settings=replace(bot.settings, accounts="on", turns_per_minute=0))


@pytest.fixture(scope="module")
def url(bot: Bot) -> Iterator[str]:
    with serving(bot) as url:
        yield url


@pytest.fixture(scope="module")
def jars(url: str) -> dict[str, Jar]:
    """The cookies of everybody, by name."""
    return {name: {"cookie": login(url, name, PASSWORD)[2].partition(";")[0]} for name in NAMES}


def login(url: str, name: str, password: str) -> tuple[int, str, str]:
    """Log in; return the status, where it leads, and the cookie."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    body = urlencode({"name": name, "password": password})
    connection.request("POST", "/login", body, {"content-type": "application/x-www-form-urlencoded"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers.get("location", ""), answer.headers.get("set-cookie", "")


def talk(bot: Bot, name: str, title: str) -> str:
    return bot.of(Accounts(bot.library.database).named(name).id).history.start(title)


@pytest.mark.parametrize("path", [path for path in ROUTES if path not in ("/", *OPEN)])
def test_no_route_is_served_to_who_is_unknown(url: str, path: str) -> None:
    plain = path.replace("(?:assets|static)", "assets").replace(r"(?!.*\.\.)[\w./@+-]+", "x.js").replace("\\", "")
    for headers in ({}, {"cookie": "candor_session=guessed"}, {"authorization": "Bearer candor_guessed"}):
        assert request(url, ROUTES[path].method, plain, b"{}", headers).status == 401


def test_the_page_leads_to_the_login_form_and_health_is_for_all(url: str) -> None:
    assert request(url, "GET", "/").status == 303
    assert b"<form method='post' action='/login'>" in request(url, "GET", "/login").body
    assert request(url, "GET", "/healthz").status == 200


def test_a_login_lets_in_until_it_is_ended(url: str, bot: Bot) -> None:
    status, place, cookie = login(url, "ada", PASSWORD)
    assert (status, place) == (303, "/")
    assert "HttpOnly; SameSite=Lax" in cookie
    jar = {"cookie": cookie.partition(";")[0]}
    assert request(url, "GET", "/config", headers=jar).status == 200
    assert request(url, "POST", "/logout", headers=jar).status == 303
    assert request(url, "GET", "/config", headers=jar).status == 401
    assert ("ada", "login") in [(entry.account, entry.action) for entry in Audit(bot.library.database).entries()]


def test_a_wrong_password_is_refused_and_tried_a_few_times_only(url: str) -> None:
    tries = [login(url, "eve", "wrong horse battery")[0] for _ in range(6)]
    assert tries == [401] * 5 + [429]


def test_a_form_of_another_site_logs_nobody_in(url: str) -> None:
    body = urlencode({"name": "ada", "password": PASSWORD}).encode()
    assert request(url, "POST", "/login", body, {"origin": "https://evil.example"}).status == 403


def test_a_conversation_is_its_owners_whatever_way_it_is_asked_for(url: str, bot: Bot, jars: dict[str, Jar]) -> None:
    mine = talk(bot, "ada", "a secret title")
    history = bot.of(Accounts(bot.library.database).named("ada").id).history
    history.begin(mine, "a secret question")
    for name, seen in (("ada", True), ("bob", False), ("root", False)):
        jar = jars[name]
        paper = request(url, "GET", f"/paper?c={mine}", headers=jar)
        opened = call(url, "do_open", [], {"id": mine}, name, jar)
        listed = call(url, "do_find", [""], {"search": ""}, name, jar)
        assert [b"secret" in answer.body for answer in (paper, opened, listed)] == [seen] * 3
    for act in ("rename", "pin", "export", "share", "delete", "revoke"):
        event = {"act": act, "id": mine, "title": "taken", "form": "md"}
        assert b"secret" not in call(url, "do_change", [mine], event, "bob", jars["bob"]).body
    for target in ("do_earlier", "do_retry", "do_stop", "do_send", "do_show"):
        data = {"text": "Whose?"} if target == "do_send" else {"turn": "1"} if target == "do_show" else None
        assert b"secret" not in call(url, target, [mine], data, "bob", jars["bob"]).body
    assert history.conversation(mine).title == "a secret title"
    assert [turn.question for turn in history.turns(mine)] == ["a secret question"]
    assert Shares(bot.library.database).word(mine) == ""


def test_a_shared_conversation_is_read_by_those_who_are_logged_in(url: str, bot: Bot, jars: dict[str, Jar]) -> None:
    mine = talk(bot, "ada", "a shared title")
    word = Shares(bot.library.database).share(mine)
    assert request(url, "GET", f"/shared?word={word}").status == 401
    assert b"a shared title" in request(url, "GET", f"/shared?word={word}", headers=jars["bob"]).body


def test_what_a_user_uploads_is_his_own_and_what_an_admin_uploads_is_for_all(
    url: str, bot: Bot, jars: dict[str, Jar]
) -> None:
    for name in NAMES:
        body = f"The ship of {name} is {len(name)} metres long.".encode()
        answer = request(url, "POST", f"/documents?name={name}.txt", body, jars[name])
        assert answer.status == 200, answer.body
    wait_for(bot, 3)
    rows = {row.name: row for row in bot.library.sources()}
    ada = Accounts(bot.library.database).named("ada").id
    assert (rows["ada.txt"].account, rows["root.txt"].account) == (ada, None)
    assert {row.name for row in bot.library.sources(ada)} == {"ada.txt", "root.txt"}
    seen = {name: call(url, "do_list", [], None, name, jars[name]).body for name in NAMES}
    assert [b"ada.txt" in seen[name] for name in NAMES] == [True, False, False]
    assert all(b"root.txt" in body for body in seen.values())
    path = f"/original?source={rows['ada.txt'].id}"
    assert [request(url, "GET", path, headers=jars[name]).status for name in NAMES] == [200, 404, 404]
    for act in ("open", "remove", "refresh"):
        call(url, "do_source", [""], {"act": act, "source": str(rows["ada.txt"].id)}, "bob", jars["bob"])
        call(url, "do_source", [""], {"act": act, "source": str(rows["root.txt"].id)}, "bob", jars["bob"])
    refused = call(url, "do_source", [""], {"act": "link", "url": "https://example.org/"}, "bob", jars["bob"])
    assert b"Only an administrator" in refused.body
    bot.library.publish()
    assert {row.name for row in bot.library.sources()} == {"ada.txt", "bob.txt", "root.txt"}
    passages = bot.library.passages(list(range(1, 9)), account=ada)
    assert {passage.source for passage in passages} == {"ada.txt", "root.txt"}


def wait_for(bot: Bot, sources: int) -> None:
    from test_uploads import until

    until(lambda: len(bot.library.sources()) == sources)


def test_nobody_follows_the_page_of_another(url: str, jars: dict[str, Jar]) -> None:
    assert call(url, "do_list", [], None, "page-of-ada", jars["ada"]).status == 200
    assert call(url, "do_list", [], None, "page-of-ada", jars["bob"]).status == 404


def test_an_open_address_needs_accounts_and_accounts_need_somebody(bot: Bot, tmp_path: Path, encoder: Encoder) -> None:
    with pytest.raises(ServeError, match="without accounts everybody there could read and write"):
        probe("0.0.0.0", 0)
    probe("0.0.0.0", 0, accounts=True)
    none = "there is no account yet: make one with `candor accounts add"
    with canned_bot(tmp_path / "empty", encoder) as empty, pytest.raises(ServeError, match=none):
        serve(replace(empty, settings=replace(empty.settings, accounts="on")), "127.0.0.1", 0, print)


def test_too_many_messages_are_told_when_to_come_again(bot: Bot, jars: dict[str, Jar]) -> None:
    Accounts(bot.library.database).change("bob", per_minute=1)
    with serving(bot) as url:
        answers = [call(url, "do_send", [""], {"text": f"Ship {n}?"}, "bob", jars["bob"]).body for n in range(2)]
    assert b"try again in" not in answers[0]
    assert b"too many messages at once: try again in" in answers[1].lower()
