"""Signing on with an identity provider: a real exchange with a small one, and what is refused of it."""

import asyncio
import json
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from app.accounts.accounts import Accounts
from app.accounts.logins import Logins
from app.accounts.principal import AccountError, Unknown
from app.accounts.sign_on import Provider, ProviderError, SignOn
from app.store.database import Database
from app.web.doors import Doors

BACK = "https://candor.example/sign-on/back"
Changed = Callable[[dict[str, Any]], object]


@dataclass
class Identity:
    """A provider that lets everybody in as `claims`, changed by `spoil`."""

    url: str = ""
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "1", "use": "sig", "alg": "RS256"}))
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "42", "preferred_username": "Ada"})
    spoil: Changed = lambda claims: None
    challenge: str = ""

    def discovery(self) -> dict[str, str]:
        ends = {"authorization_endpoint": "auth", "token_endpoint": "token", "jwks_uri": "keys"}
        return {"issuer": self.url, **{name: f"{self.url}/{place}" for name, place in ends.items()}}

    def authorise(self, url: str) -> dict[str, str]:
        """What a browser that was sent to `url` comes back with."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert (asked["client_id"], asked["redirect_uri"], asked["response_type"]) == ("candor", BACK, "code")
        assert asked["code_challenge_method"] == "S256"
        self.challenge = asked["code_challenge"]
        self.claims["nonce"] = asked["nonce"]
        return {"state": asked["state"], "code": "the-code"}

    def token(self, form: dict[str, str]) -> dict[str, Any]:
        if form["code"] != "the-code" or create_s256_code_challenge(form["code_verifier"]) != self.challenge:
            return {"error": "invalid_grant"}
        claims = {"iss": self.url, "aud": "candor", "exp": int(time.time()) + 60, **self.claims}
        self.spoil(claims)
        word = jwt.encode({"alg": "RS256", "kid": "1"}, claims, self.key)
        return {"access_token": secrets.token_urlsafe(), "token_type": "Bearer", "id_token": word}


@pytest.fixture(scope="module")
def server() -> Iterator[Identity]:
    identity = Identity()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            keys = KeySet([identity.key]).as_dict(private=False)
            self.answer(keys if self.path == "/keys" else identity.discovery())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            told = identity.token({name: values[0] for name, values in parse_qs(body).items()})
            self.answer(told, 400 if "error" in told else 200)

        def answer(self, value: object, status: int = 200) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    identity.url = f"http://127.0.0.1:{http.server_address[1]}"
    thread = Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield identity
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def identity(server: Identity) -> Identity:
    server.claims, server.spoil = {"sub": "42", "preferred_username": "Ada"}, lambda claims: None
    return server


def test_who_comes_back_is_known_by_subject_whatever_the_name(database: Database, identity: Identity) -> None:
    sign_on = SignOn(database, Provider(identity.url, "candor", "a secret"))
    first = come_back(sign_on, identity)
    assert (first.name, first.role) == ("ada", "user")
    identity.claims["preferred_username"] = "Eve"
    assert come_back(sign_on, identity) == first
    Accounts(database).change("ada", disabled=True)
    with pytest.raises(Unknown, match="disabled"):
        come_back(sign_on, identity)


def test_a_name_that_is_taken_is_nobody_elses(database: Database, identity: Identity) -> None:
    Accounts(database).add("ada", password="correct horse battery")
    with pytest.raises(AccountError, match="there is an account 'ada' already"):
        come_back(SignOn(database, Provider(identity.url, "candor", "")), identity)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda claims: claims.update(aud="another"),
        lambda claims: claims.update(iss="https://evil.example"),
        lambda claims: claims.update(nonce="of an earlier login"),
        lambda claims: claims.update(exp=int(time.time()) - 120),
        lambda claims: claims.pop("sub"),
    ],
)
def test_a_word_for_others_or_of_another_time_does_not_hold(
    database: Database, identity: Identity, spoil: Changed
) -> None:
    identity.spoil = spoil
    with pytest.raises(ProviderError, match="word does not hold"):
        come_back(SignOn(database, Provider(identity.url, "candor", "")), identity)
    assert Accounts(database).all() == []


def test_a_word_signed_by_another_key_does_not_hold(database: Database, identity: Identity) -> None:
    sign_on = SignOn(database, Provider(identity.url, "candor", ""))
    url, word = sign_on.begin(BACK)
    query = identity.authorise(url)
    right, identity.key = identity.key, RSAKey.generate_key(2048, {"kid": "1", "alg": "RS256"})
    sign_on._known["keys"] = KeySet([right]).as_dict(private=False)
    sign_on._keys = lambda again=False: sign_on._known["keys"]  # type: ignore[method-assign]
    with pytest.raises(ProviderError, match="word does not hold"):
        sign_on.end(word, BACK, query)
    identity.key = right


@pytest.mark.parametrize("change", [{"state": "another"}, {"code": ""}, {"state": ""}])
def test_what_another_site_brings_back_lets_nobody_in(
    database: Database, identity: Identity, change: dict[str, str]
) -> None:
    sign_on = SignOn(database, Provider(identity.url, "candor", ""))
    url, word = sign_on.begin(BACK)
    with pytest.raises(Unknown):
        sign_on.end(word, BACK, {**identity.authorise(url), **change})
    for nothing in ("", "AAAA", "bm90IGpzb24="):
        with pytest.raises(Unknown, match="took too long"):
            sign_on.end(nothing, BACK, identity.authorise(url))


def test_a_provider_that_is_not_there_is_told(database: Database) -> None:
    with pytest.raises(ProviderError, match="cannot be asked"):
        SignOn(database, Provider("http://127.0.0.1:1", "candor", "")).begin(BACK)


def test_the_door_sends_a_browser_there_and_lets_it_in_when_it_comes_back(
    database: Database, identity: Identity
) -> None:
    async def nothing(scope: object, receive: object, send: object) -> None:
        raise AssertionError("past the door")

    doors = Doors(nothing, database, Provider(identity.url, "candor", ""))

    def get(path: str, query: str = "", cookie: str = "") -> dict[str, str]:
        sent: list[dict[str, Any]] = []
        headers = [(b"host", b"candor.example"), (b"cookie", cookie.encode())]
        scope = {"type": "http", "method": "GET", "scheme": "https", "path": path, "query_string": query.encode()}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        asyncio.run(doors({**scope, "headers": headers, "client": ("192.0.2.7", 1)}, nothing, send))  # type: ignore[arg-type]
        found = {name.decode(): value.decode() for name, value in reversed(sent[0]["headers"])}
        return {**found, "status": str(sent[0]["status"])}

    there = get("/sign-on")
    assert there["location"].startswith(f"{identity.url}/auth?")
    assert "; HttpOnly; SameSite=Lax; Secure" in there["set-cookie"]
    query = urlencode(identity.authorise(there["location"]))
    word = there["set-cookie"].partition(";")[0]
    back = get("/sign-on/back", query, word)
    assert (back["status"], back["location"]) == ("303", "/")
    assert Logins(database).check(back["set-cookie"].partition(";")[0].partition("=")[2]).name == "ada"
    assert get("/sign-on/back", query)["status"] == "401"


def come_back(sign_on: SignOn, identity: Identity) -> Any:  # noqa: ANN401
    url, word = sign_on.begin(BACK)
    return sign_on.end(word, BACK, identity.authorise(url))
