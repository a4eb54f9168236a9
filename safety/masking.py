"""Personal data in a reply: secrets are masked always, ways to reach somebody unless they were asked for.

Masks what patterns can find; the words themselves are never logged. Knows nothing of risks.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from safety.rules import PERSONAL

When = Literal["always", "unasked", "never"]
WHEN: Final[tuple[When, ...]] = get_args(When)
SECRETS: Final = ("card", "key", "password")  # masked always, whatever a policy says
UNASKED: Final = ("email", "phone", "identity")
DEFAULT: Final[Mapping[str, When]] = {**dict.fromkeys(SECRETS, "always"), **dict.fromkeys(UNASKED, "unasked")}
TITLES: Final = {
    "card": "card number withheld",
    "key": "key withheld",
    "password": "password withheld",
    "email": "e-mail address withheld",
    "phone": "telephone number withheld",
    "identity": "number of a person or account withheld",
}

_PASSWORD = re.compile(
    r"(?i:\b(?:pass(?:word|code|phrase|wd)|secret key|api key|access token|pin)s?\b"
    r"(?:\s+(?:for|of|to)\s+[\w' -]{1,30}?)?)"
    r"\s*(?:(?P<firm>[:=]|(?i:is)\s*[:\"“'‘])|(?i:is|was|reads))"
    r"\s*[\"“'‘]?(?P<word>[^\s\"”'’,;]*[^\s\"”'’,;.!?])"
)
_ASSIGNED = re.compile(  # as settings and scripts write it
    r"(?i:\b[\w-]*(?:secret|token|passwd|pwd|api[_-]?key)[\w-]*)[\"']?\s*[:=]\s*[\"']?(?P<word>[^\s\"',;]{6,})"
)
_LOGIN = re.compile(r"://[^\s/:@]+:(?P<word>[^\s/@]+)@")  # in an address
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_IDENTITY = re.compile(
    r"(?i:\b(?:social security|ssn|social insurance|national insurance|passport|tax|id(?:entity)?(?: card)?)\b"
    r"(?: (?:identification )?(?:number|no\.?|id))?)\s*(?:(?i:is|was|reads)|[:#=])?\s*"
    r"(?P<word>[A-Z0-9](?:[ -]?[A-Z0-9]){5,14})\b"
)
_NATIONAL = re.compile(  # without a country's code only after a word that says so
    r"(?i:\b(?:tele)?phone|\btel|\bmobile|\bcall|\bring|\bcell|\bhotline|\bfax)\b"
    r"[^\d\n+]{0,24}(?P<word>\(?0\d[\d ()/.-]{6,14}\d)"
)
_MAIL = re.compile(r"\b(?:e-?mails?|mail(?:ed)?)\b", re.IGNORECASE)
_PHONE = re.compile(
    r"\b(?:(?:tele)?phones?|tel|mobile|cell|call|ring|dial|hotline|helpline|fax|numbers?)\b", re.IGNORECASE
)
_NUMBER = re.compile(
    r"\b(?:iban|accounts?|bank|social security|ssn|insurance|passport|tax|identity|id card|"
    r"pay\w*|transfer\w*|donat\w*)\b",
    re.IGNORECASE,
)
_REACH = re.compile(  # asks how somebody can be reached, whichever way that is
    r"\b(?:contact\w*|reach|address(?:es)?|get in touch|write to|whom|(?:who|where) (?:do|can|should|must|to)|"
    r"how (?:do|can|should|must) (?:i|we|you|one|visitors|members|people)|"
    r"send|apply|book|register|report|order|sign up|complain|enrol)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Mask:
    """When each kind of personal data is masked: "always", "unasked" or "never" by kind."""

    when: Mapping[str, When] = field(default_factory=lambda: DEFAULT)

    def __call__(self, text: str, asked: str) -> str:
        """Return `text`, a reply to the question `asked`, with what it must not show put into square brackets."""
        wanted = _wanted(asked)
        for kind, pattern, is_one in _KINDS:
            when = self.when.get(kind, "always")
            if when == "always" or (when == "unasked" and kind not in wanted):
                text = pattern.sub(lambda match: _covered(match, kind, is_one), text)  # noqa: B023
        return text


def _wanted(asked: str) -> set[str]:
    """Return the ways to reach somebody that a question asks for: those it names, both where it names none."""
    named = {kind for kind, pattern in (("email", _MAIL), ("phone", _PHONE)) if pattern.search(asked)}
    number = {"identity"} if _NUMBER.search(asked) else set()
    return number | (named or ({"email", "phone"} if _REACH.search(asked) else set()))


def _covered(match: re.Match[str], kind: str, is_one: Callable[[str], bool]) -> str:
    found = match["word"] if "word" in match.re.groupindex else match[0]
    firm = match.groupdict().get("firm")
    if not (firm or is_one(found)):
        return match[0]
    start = match.start("word") - match.start() if "word" in match.re.groupindex else 0
    return f"{match[0][:start]}[{TITLES[kind]}]{match[0][start + len(found) :]}"


def _iban(found: str) -> bool:
    """Whether the check digits of an international bank account number are right (ISO 13616)."""
    plain = found.replace(" ", "")
    return 15 <= len(plain) <= 34 and int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _secret(word: str) -> bool:
    """Whether a word looks chosen rather than written: digits, signs or capitals inside."""
    return len(word) > 3 and bool(re.search(r"\d|[^\w.-]|[a-z][A-Z]", word))


_KINDS: Final[tuple[tuple[str, re.Pattern[str], Callable[[str], bool]], ...]] = (
    ("card", *PERSONAL["a payment card number"]),
    ("key", *PERSONAL["an access key"]),
    ("password", _PASSWORD, _secret),
    ("password", _ASSIGNED, _secret),
    ("password", _LOGIN, lambda _: True),
    ("identity", _IBAN, _iban),
    ("identity", _IDENTITY, lambda found: any(c.isdigit() for c in found)),
    ("email", *PERSONAL["an e-mail address"]),
    ("phone", *PERSONAL["a telephone number"]),
    ("phone", _NATIONAL, lambda _: True),
)
