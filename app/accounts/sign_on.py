"""Signing on with an identity provider: OpenID Connect, the code flow with PKCE and a nonce.

An account is bound to who somebody is to the provider, never to a name or an address that the provider passes on: those
may change hands. Who is not known gets an account of that name where it is free.
"""

import base64
import json
import secrets
import threading
from dataclasses import dataclass
from typing import Any, Final

from app.accounts.accounts import Accounts
from app.accounts.principal import AccountError, Principal, Unknown
from app.errors import AppError
from app.store.database import Database

SECONDS: Final = 10
LEEWAY: Final = 60  # seconds by which clocks may differ
ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]  # none that a shared secret signs


class ProviderError(AppError):
    """The identity provider cannot be asked, or says what it should not."""


@dataclass(frozen=True, slots=True)
class Provider:
    """Where the provider is, and who this server is to it."""

    issuer: str
    client: str
    secret: str


class SignOn:
    """Signs on with one provider. Its addresses and keys are asked for when they are needed first."""

    def __init__(self, database: Database, provider: Provider) -> None:
        self._accounts, self._provider = Accounts(database), provider
        self._known: dict[str, Any] = {}
        self._lock = threading.Lock()

    def begin(self, back: str) -> tuple[str, str]:
        """Return the address to send a browser to, and the word that it brings back to `back`. Raises ProviderError."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        with self._client(back) as client:
            url, _ = client.create_authorization_url(
                self._address("authorization_endpoint"), state=state, code_verifier=verifier, nonce=nonce
            )
        return str(url), base64.urlsafe_b64encode(json.dumps([state, nonce, verifier]).encode()).decode()

    def end(self, word: str, back: str, query: dict[str, str]) -> Principal:
        """Return who came back, with the word and this query. Raises Unknown, ProviderError, AccountError."""
        try:
            state, nonce, verifier = json.loads(base64.urlsafe_b64decode(word))
        except ValueError:
            raise Unknown("the login took too long: try again") from None
        if not secrets.compare_digest(str(state).encode(), query.get("state", "").encode()) or not query.get("code"):
            raise Unknown("the identity provider did not let you in: try again")
        import httpx2
        from authlib.common.errors import AuthlibBaseError

        try:
            with self._client(back) as client:
                place, given = self._address("token_endpoint"), {"code": query["code"], "code_verifier": verifier}
                token = client.fetch_token(place, grant_type="authorization_code", **given)
        except AuthlibBaseError as error:
            raise Unknown(f"the identity provider did not let you in ({error.error}): try again") from None
        except (httpx2.HTTPError, ValueError) as error:
            raise ProviderError(f"the identity provider cannot be asked ({type(error).__name__}): try again") from error
        return self._account(self._claims(str(token.get("id_token", "")), nonce))

    def _account(self, claims: dict[str, Any]) -> Principal:
        subject = f"{claims['iss']}|{claims['sub']}"
        if known := self._accounts.by_subject(subject):
            return known
        name = str(claims.get("preferred_username") or claims.get("email") or claims["sub"])
        try:
            self._accounts.add(name, subject=subject)
        except AccountError as error:
            raise AccountError(f"no account can be made for you: {error}; ask who runs this server") from None
        found = self._accounts.by_subject(subject)
        if found is None:
            raise Unknown("the account is gone again: try again")
        return found

    def _claims(self, token: str, nonce: str) -> dict[str, Any]:
        """Return what a signed token says, for us, now and in this login. Raises ProviderError."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        try:
            try:
                found = jwt.decode(token, KeySet.import_key_set(self._keys()), algorithms=ALGORITHMS)
            except (JoseError, ValueError):  # the provider may have other keys now
                found = jwt.decode(token, KeySet.import_key_set(self._keys(again=True)), algorithms=ALGORITHMS)
            jwt.JWTClaimsRegistry(
                leeway=LEEWAY,
                iss={"essential": True, "value": str(self._about()["issuer"])},
                aud={"essential": True, "value": self._provider.client},
                sub={"essential": True},
                exp={"essential": True},
                nonce={"essential": True, "value": nonce},
            ).validate(found.claims)
        except (JoseError, ValueError, KeyError, TypeError) as error:
            raise ProviderError(f"the identity provider's word does not hold ({type(error).__name__})") from error
        return dict(found.claims)

    def _client(self, back: str) -> Any:  # noqa: ANN401
        from authlib.integrations.httpx_client import OAuth2Client

        return OAuth2Client(
            self._provider.client,
            self._provider.secret or None,
            scope="openid email profile",
            redirect_uri=back,
            code_challenge_method="S256",
            timeout=SECONDS,
        )

    def _address(self, name: str) -> str:
        return str(self._about()[name])

    def _about(self) -> dict[str, Any]:
        with self._lock:
            if "about" not in self._known:
                about = _asked(f"{self._provider.issuer.rstrip('/')}/.well-known/openid-configuration")
                needed = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
                named = str(about.get("issuer", "")).rstrip("/")
                if any(name not in about for name in needed) or named != self._provider.issuer.rstrip("/"):
                    raise ProviderError("the setting oidc names no OpenID provider, or one that goes by another name")
                self._known["about"] = about
            return dict(self._known["about"])

    def _keys(self, again: bool = False) -> Any:  # noqa: ANN401
        place = self._address("jwks_uri")
        with self._lock:
            if again or "keys" not in self._known:
                self._known["keys"] = _asked(place)
            return self._known["keys"]


def _asked(url: str) -> dict[str, Any]:
    import httpx2

    try:
        answer = httpx2.get(url, timeout=SECONDS)
        answer.raise_for_status()
        found = answer.json()
    except (httpx2.HTTPError, ValueError) as error:
        raise ProviderError(f"the identity provider cannot be asked ({type(error).__name__}): try again") from error
    if not isinstance(found, dict):
        raise ProviderError("the identity provider says what no OpenID provider says")
    return found
