"""The door of a server with accounts: who has logged in goes on, everybody else gets the login form or nothing.

It stands before every route but health and the API, which has keys of its own; so that nothing is served because it was
forgotten.
"""

import json
import logging
from collections.abc import Sequence
from html import escape
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from anyio import to_thread

from app.accounts.accounts import WRONG, Accounts
from app.accounts.audit import Audit
from app.accounts.limits import Buckets
from app.accounts.logins import LASTS, Logins
from app.accounts.principal import AccountError, Principal, Unknown
from app.accounts.sign_on import Provider, ProviderError, SignOn
from app.errors import AppError
from app.store.database import Database
from app.web.who import SCOPE, serving

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE: Final = "candor_session"
PASSING: Final = "candor_sign_on"  # the cookie of who is at the identity provider
SIGN_ON: Final = "/sign-on"
BACK: Final = "/sign-on/back"
OPEN: Final = ("/healthz", "/readyz", "/metrics")  # say nothing of anybody
API: Final = "/v1/"  # asks for a key itself
FORM_LIMIT: Final = 8192  # bytes
TRIES: Final = 5  # logins per name and minute
TRIES_OF_ADDRESS: Final = 30
_PAGE: Final = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Candor</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="same-origin">
<style>body{{font:16px/1.5 system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;margin:0;
color-scheme:light dark}}main{{width:min(20rem,90vw)}}label{{display:block;margin:.8rem 0 .2rem}}
input,button,a.b{{font:inherit;box-sizing:border-box;width:100%;padding:.5rem}}button{{margin-top:1.2rem}}
p[role=alert]{{border-left:3px solid;padding-left:.6rem}}</style></head><body><main><h1>Candor</h1>{body}</main></body>
</html>"""
_log = logging.getLogger(__name__)
Headers = Sequence[tuple[bytes, bytes]]


class Doors:
    """The middleware; with a `provider` people may sign on with that."""

    def __init__(self, app: "ASGIApp", database: Database, provider: Provider | None = None) -> None:
        self._app, self._provider = app, SignOn(database, provider) if provider else None
        self._sign_on = SIGN_ON if provider else ""
        self._accounts, self._logins, self._audit = Accounts(database), Logins(database), Audit(database)
        self._by_name, self._by_address = Buckets(TRIES), Buckets(TRIES_OF_ADDRESS)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] in OPEN or scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        word = _cookie(scope)
        try:
            who = await to_thread.run_sync(self._known, word) if word else None
            if scope["path"] == "/login":
                await self._login(scope, receive, send, who)
            elif self._provider and scope["path"] in (SIGN_ON, BACK) and scope["method"] == "GET":
                await self._signed_on(self._provider, scope, send)
            elif scope["path"] == "/logout" and scope["method"] == "POST":
                await to_thread.run_sync(self._logins.end, word)
                await _see_other(send, "/login", [(b"set-cookie", cookie("", scope, 0))])
            elif who is not None:
                with serving(who):
                    await self._app({**scope, SCOPE: who}, receive, send)
            elif scope["path"] == "/" and scope["method"] == "GET":
                await _see_other(send, "/login")
            else:
                await _json(send, 401, "log in first: reload the page")
        except AppError as error:
            _log.error("nobody can be told: %s", error)
            await _json(send, 503, "the server cannot tell who you are: try again in a moment")

    def _known(self, word: str) -> Principal | None:
        try:
            return self._logins.check(word)
        except Unknown:
            return None

    async def _login(self, scope: "Scope", receive: "Receive", send: "Send", who: Principal | None) -> None:
        if scope["method"] == "GET":
            await _html(send, 200, _form(who, "", self._sign_on))
            return
        if scope["method"] != "POST":
            await _json(send, 405, f"{scope['method']} is not served here")
            return
        given = await _read_form(receive)
        address = (scope.get("client") or ("", 0))[0]
        name = given.get("name", "").strip().casefold()[:64]
        wait = self._by_address.take(address) or self._by_name.take(name)
        if wait:
            words = f"Too many tries. Wait {wait} seconds."
            await _html(send, 429, _form(None, words, self._sign_on), [(b"retry-after", str(wait).encode())])
            return
        try:
            found = await to_thread.run_sync(self._accounts.check, name, given.get("password", ""))
        except Unknown:
            await to_thread.run_sync(self._audit.note, "login refused", None, "", address)
            await _html(send, 401, _form(None, f"{WRONG[0].upper()}{WRONG[1:]}.", self._sign_on))
            return
        await self._let_in(found, "login", scope, send)

    async def _let_in(self, who: Principal, how: str, scope: "Scope", send: "Send", headers: Headers = ()) -> None:
        word = await to_thread.run_sync(self._logins.begin, who)
        await to_thread.run_sync(self._audit.note, how, who.account, "", (scope.get("client") or ("", 0))[0])
        kept = cookie(word, scope, int(LASTS.total_seconds()))
        await _see_other(send, "/", [(b"set-cookie", kept), *headers])

    async def _signed_on(self, provider: SignOn, scope: "Scope", send: "Send") -> None:
        """Send a browser to the identity provider, or take it back from there."""
        host = next((value for name, value in scope["headers"] if name == b"host"), b"").decode("latin-1")
        back = f"{scope.get('scheme', 'http')}://{host}{BACK}"
        try:
            if scope["path"] == SIGN_ON:
                url, word = await to_thread.run_sync(provider.begin, back)
                await _see_other(send, url, [(b"set-cookie", cookie(word, scope, 600, PASSING))])
                return
            query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
            who = await to_thread.run_sync(provider.end, _cookie(scope, PASSING), back, query)
        except (Unknown, AccountError, ProviderError) as error:
            _log.warning("nobody signed on: %s", error)
            words = f"{str(error)[0].upper()}{str(error)[1:]}."
            await _html(send, 401, _form(None, words, self._sign_on))
            return
        await self._let_in(who, "sign-on", scope, send, [(b"set-cookie", cookie("", scope, 0, PASSING))])


def cookie(word: str, scope: "Scope", seconds: int, name: str = COOKIE) -> bytes:
    """The header that has the browser keep a login for so many seconds."""
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{name}={word}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}".encode()


def _cookie(scope: "Scope", wanted: str = COOKIE) -> str:
    for name, value in scope["headers"]:
        if name == b"cookie":
            try:
                found = SimpleCookie(value.decode("latin-1")).get(wanted)
            except CookieError:
                continue
            if found is not None:
                return found.value[:1000]
    return ""


async def _read_form(receive: "Receive") -> dict[str, str]:
    """The fields of a form, none where there is too much of it."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or len(body) > FORM_LIMIT:
            return {}
        if not message.get("more_body", False):
            break
    try:
        return {name: values[0] for name, values in parse_qs(body.decode("utf-8"), max_num_fields=10).items()}
    except ValueError:
        return {}


def _form(who: Principal | None, problem: str, sign_on: str) -> str:
    if who is not None:
        button = "<form method='post' action='/logout'><button>Log out</button></form>"
        told = f"<p>You are logged in as {escape(who.name)}.</p><p><a href='/'>To the chat</a></p>"
        return _PAGE.format(body=told + button)
    told = f"<p role='alert'>{escape(problem)}</p>" if problem else ""
    other = f"<p><a href='{escape(sign_on)}'>Sign in with your organisation</a></p>" if sign_on else ""
    return _PAGE.format(
        body=f"{told}<form method='post' action='/login'><label for='n'>Name</label><input id='n' name='name' "
        "autocomplete='username' required autofocus><label for='p'>Password</label><input id='p' name='password' "
        f"type='password' autocomplete='current-password' required><button>Log in</button></form>{other}"
    )


async def _html(send: "Send", status: int, page: str, headers: Headers = ()) -> None:
    own = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": status, "headers": own})
    await send({"type": "http.response.body", "body": page.encode()})


async def _json(send: "Send", status: int, words: str) -> None:
    headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps({"error": words}).encode()})


async def _see_other(send: "Send", place: str, headers: Headers = ()) -> None:
    own = [(b"location", place.encode()), (b"cache-control", b"no-store"), *headers]
    await send({"type": "http.response.start", "status": 303, "headers": own})
    await send({"type": "http.response.body", "body": b""})
