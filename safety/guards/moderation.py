"""A moderation server that speaks OpenAI's protocol: texts to scores of its categories, as objectives.

It gets each text alone, without the conversation. The key goes into one header and nowhere else; no text and none of
the server's words are logged.
"""

import hashlib
import json
import logging
import math
import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from safety.retry import TRANSIENT, retry_after
from safety.types import UNSAFE, SafetyError, Stage
from safety.windows import windows

if TYPE_CHECKING:
    import httpx2

CATEGORIES: Final[Mapping[str, tuple[str, ...]]] = {  # all others count as UNSAFE
    "harassment": ("harassment",),
    "harassment/threatening": ("harassment",),
    "hate": ("hate",),
    "hate/threatening": ("hate",),
    "illicit": ("crime_howto",),
    "illicit/violent": ("violence", "weapons_mass"),
    "self-harm": ("self_harm",),
    "self-harm/intent": ("self_harm",),
    "self-harm/instructions": ("self_harm",),
    "sexual": ("sexual",),
    "sexual/minors": ("child_safety",),
    "violence": ("violence",),
    "violence/graphic": ("violence",),
}
AT_ONCE: Final = 32  # texts per request
LARGEST: Final = 1 << 22  # bytes of an answer
KEY: Final = "CANDOR_GUARD_KEY"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModerationLimits:
    """Seconds to connect, between two signs of life, for a call as a whole; tries, and seconds before the second."""

    connect: float = 5.0
    silence: float = 10.0
    whole: float = 20.0
    tries: int = 3
    backoff: float = 0.5


class Transient(SafetyError):
    """A failure that may pass; `wait` are the seconds that the server asks for."""

    def __init__(self, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.wait = wait


class Moderation:
    """A RiskSource behind the server at `url`; `model` "" takes the server's own. Thread-safe.

    Environment proxies are not used and no redirect is followed.
    """

    def __init__(self, url: str, model: str = "", key: str = "", limits: ModerationLimits | None = None) -> None:
        import httpx2

        if not re.fullmatch(r"[!-~]*", key):
            raise SafetyError(f"the key of the moderation server holds characters that no header can carry: set {KEY}")
        self.url = url
        self.limits = limits or ModerationLimits()
        self._model = model
        self._served_model = ""  # the model that the server says it is
        self._client = httpx2.Client(
            headers={"Accept-Encoding": "identity", "User-Agent": "candor", "Content-Type": "application/json"}
            | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx2.Timeout(self.limits.silence, connect=self.limits.connect),
            trust_env=False,
            follow_redirects=False,
        )
        self._unknown: set[str] = set()

    @property
    def fingerprint(self) -> str:
        """The server, the model, what the server called it when it was looked at, and what categories mean."""
        about = json.dumps([self.url, self._model, self._served_model, CATEGORIES], sort_keys=True)
        return f"moderation/{hashlib.sha256(about.encode()).hexdigest()[:16]}"

    def look(self) -> str:
        """Have a harmless text judged, and return the name of the model that did it. Raises SafetyError."""
        data = self._post_with_retries(["Hello."], monotonic() + self.limits.whole)
        self._results(data, 1)
        self._served_model = str(data.get("model") or self._model)
        return self._served_model

    def tells(self, stage: Stage) -> Collection[str]:
        """Return what its categories mean, the same at every stage."""
        return {UNSAFE, *(objective for meant in CATEGORIES.values() for objective in meant)}

    def risks(self, pairs: Sequence[tuple[str, str]], stage: Stage) -> list[dict[str, float]]:
        """Return per text the larger score of each objective's categories, of a long one by its worst window.

        Tries again what may pass, for as long as the limits allow. Raises SafetyError.
        """
        pieces = [(place, piece) for place, (_, text) in enumerate(pairs) for piece in windows(text) if piece.strip()]
        deadline = monotonic() + self.limits.whole
        found: list[dict[str, float]] = [{} for _ in pairs]
        for first in range(0, len(pieces), AT_ONCE):
            part = pieces[first : first + AT_ONCE]
            results = self._results(self._post_with_retries([piece for _, piece in part], deadline), len(part))
            for (place, _), scores in zip(part, results, strict=True):
                for objective, risk in self._meant(scores):
                    found[place][objective] = max(found[place].get(objective, 0.0), risk)
        return found

    def __str__(self) -> str:
        return f"the moderation server {self.url}"

    def _meant(self, scores: Mapping[str, float]) -> list[tuple[str, float]]:
        new = scores.keys() - CATEGORIES.keys() - self._unknown
        if new:
            self._unknown |= new
            _log.warning("%s has %d categories that are unknown here: they count as unsafe", self, len(new))
        return [(objective, risk) for name, risk in scores.items() for objective in CATEGORIES.get(name, (UNSAFE,))]

    def _post_with_retries(self, texts: Sequence[str], deadline: float) -> dict[str, Any]:
        """Return the server's answer, asked again while a failure may pass and time is left."""
        for attempt in range(1, self.limits.tries + 1):
            try:
                return self._post(texts, deadline)
            except Transient as error:
                pause = max(error.wait, self.limits.backoff * 2 ** (attempt - 1) * random.uniform(0.5, 1.0))
                if attempt == self.limits.tries or monotonic() + pause >= deadline:
                    raise
            sleep(pause)
        raise AssertionError("the last try returns or raises")

    def _post(self, texts: Sequence[str], deadline: float) -> dict[str, Any]:
        import httpx2

        body = {"input": list(texts)} | ({"model": self._model} if self._model else {})
        content = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        left = max(deadline - monotonic(), 0.1)
        limits = httpx2.Timeout(min(self.limits.silence, left), connect=min(self.limits.connect, left))
        try:
            with self._client.stream("POST", f"{self.url}/moderations", content=content, timeout=limits) as response:
                self._check(response)
                return self._object(response, deadline)
        except httpx2.TimeoutException as error:
            raise Transient(f"{self} does not answer in time: see what it is busy with, or name another") from error
        except httpx2.TransportError as error:
            raise Transient(
                f"{self} is not reachable ({type(error).__name__}): start it, or check the address and its certificate"
            ) from error
        except (httpx2.InvalidURL, httpx2.HTTPError) as error:
            raise SafetyError(f"{self} cannot be asked ({type(error).__name__}): check the address") from error

    def _check(self, response: "httpx2.Response") -> None:
        """Raise for every status but success; the server's words may hold what was sent, so they are not shown."""
        status = response.status_code
        if 200 <= status < 300:
            return
        if status < 400:
            host = urlsplit(response.headers.get("location", "")).hostname
            raise SafetyError(f"{self} redirects to {host!r}, which is not followed: name the final address")
        if status in (401, 403):
            raise SafetyError(f"{self} refuses the key (HTTP {status}): set {KEY} to one that it accepts")
        if status in TRANSIENT:
            wait = retry_after(response.headers.get("retry-after", ""))
            later = f", and asks to wait {wait:.0f} s" if wait else ""
            raise Transient(f"{self} answers HTTP {status}{later}: see its log, or the quota of the key", wait)
        what = "check the address, which mostly ends in /v1, and" if status in (404, 405) else "check"
        raise SafetyError(f"{self} rejects the request (HTTP {status}): {what} the model, as in URL#MODEL")

    def _object(self, response: "httpx2.Response", deadline: float) -> dict[str, Any]:
        body = b""
        for chunk in response.iter_raw():
            body += chunk
            if len(body) > LARGEST:
                raise SafetyError(f"{self} sends more than {LARGEST:,} bytes: check that it is a moderation server")
            if monotonic() > deadline:
                raise Transient(f"{self} does not answer in time: see what it is busy with, or name another")
        try:
            data = json.loads(body)
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            raise self._strange("no JSON object")
        return data

    def _results(self, data: Mapping[str, Any], count: int) -> list[dict[str, float]]:
        """Return the scores of each text. Raises SafetyError for an answer outside the protocol."""
        results = data.get("results")
        if not isinstance(results, list) or len(results) != count:
            raise self._strange(f"no list of {count} results for {count} texts")
        return [self._scores(result) for result in results]

    def _scores(self, result: object) -> dict[str, float]:
        scores = result.get("category_scores") if isinstance(result, dict) else None
        if not isinstance(scores, dict) or not scores:
            raise self._strange("a result without category_scores")
        # Some categories are optional.
        numbers = {str(name): score for name, score in scores.items() if score is not None}
        for score in numbers.values():
            if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
                raise self._strange("a score that is no number")
            if not 0 <= score <= 1:
                raise self._strange("a score that is no probability")
        if not numbers:
            raise self._strange("a result without category_scores")
        return numbers

    def _strange(self, what: str) -> SafetyError:
        return SafetyError(f"{self} does not speak OpenAI's protocol ({what}): name another, or mend it")


def open_moderation(address: str, key: str = "") -> Moderation:
    """Return the server at ``http(s)://HOST[:PORT][/PATH][#MODEL]`` unasked; without a path it is /v1.

    Raises SafetyError, which shows nothing that may be a password.
    """
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    plain = all(" " < letter < "\x7f" for letter in parts.netloc + parts.path)
    if not host or parts.scheme not in ("http", "https") or not plain:
        raise SafetyError("the moderation server is not of the form moderation:http(s)://HOST[:PORT]/v1#MODEL")
    if "@" in parts.netloc or parts.query:
        raise SafetyError(
            f"the address of the moderation server at {host!r} holds a name, a password or a query: leave them out "
            f"and put the key into {KEY}"
        )
    place = f"[{host}]" if ":" in host else host
    path = parts.path.rstrip("/").removesuffix("/moderations") or "/v1"
    url = f"{parts.scheme}://{place}{f':{port}' if port is not None else ''}{path}"
    if parts.scheme == "http" and host not in ("localhost", "127.0.0.1", "::1"):
        _log.warning("texts%s go unencrypted to %s: use https", " and the key" if key else "", url)
    return Moderation(url, unquote(parts.fragment).strip(), key)


def load_moderation(address: str, key: str = "") -> Moderation:
    """Return the same once it has judged a harmless text. One that is away now may be there later: a warning.

    Raises SafetyError also when the key is refused or the server does not speak the protocol.
    """
    server = open_moderation(address, key)
    try:
        server.look()
    except Transient as error:
        _log.warning("until this passes every text counts as unsafe: %s", error)
    return server
