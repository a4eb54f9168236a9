"""What patterns can find: a cry for help, hidden instructions, personal data, secrets asked for, the sexualising of
children.

Holds patterns and one matcher. Patterns are few on purpose: word lists block harmless look-alikes, so whatever needs
judgement is left to the classifiers.
"""

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from safety.types import Stage

_LOOKALIKES = str.maketrans("аеорсухіјѕԁһαοκνρτυіᴀ", "aeopcyxijsdhaokvptuia")
_INVISIBLE = re.compile(
    r"[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e007f]"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """A pattern that matched: for which objective, on which words, and whether it suffices to act upon."""

    objective: str
    words: str
    strong: bool


def visible(text: str) -> str:
    """`text` as a reader sees it: NFKC, without invisible characters, Latin words in Latin letters."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", whole))
    if plain.isascii():
        return plain
    return re.sub(r"\w+", lambda word: _unmask(word[0]), plain)


def find(text: str, stage: Stage) -> list[Finding]:
    """All findings in `text` that matter on `stage`."""
    seen = visible(text)
    folded = seen.casefold().replace("’", "'")
    found: list[Finding] = []
    if stage == "request":
        found += _self_harm(folded)
    if stage != "served":
        found += _prompt_attack(folded)
    if stage in ("candidate", "quotation", "served"):
        found += _personal_data(seen)
        found += _secrets(folded)
    if stage != "evidence":
        found += _child_safety(folded)
    return found


def _unmask(word: str) -> str:
    """Swap look-alike letters in a word of mixed alphabets; a word in one foreign alphabet is left alone."""
    mixed = any("a" <= c <= "z" for c in word.lower()) and not word.isascii()
    return word.translate(_LOOKALIKES) if mixed else word


# -- a cry for help ----------------------------------------------------------------------------------------
_INTENT = (
    r"(?:want|wants?|going|plan(?:ning)?|think(?:ing)? (?:of|about)|thoughts? (?:of|about)|"
    r"feel like|urges?|tempted|"
    r"ready|about|how (?:do|can|could|should|would) i|ways?|how|need|wanna|gonna|might|will|"
    r"should i|decided|"
    r"considering|consider|keep|i'm|im)"
)
_SELF_HARM = (
    re.compile(
        rf"\b{_INTENT}\b(?:\W+(?:to|of|about|just|really|painlessly|quickly|safely|go and)\b){{0,3}}\W+"
        r"(?:kill|hang|drown|shoot|hurt|harm|cut|poison|overdose)(?:t?ing)?\W+(?:myself|my self)\b"
        r"(?! (?:laughing|with laughter|shaving|while|when|by accident|accidentally|"
        r"in (?:the )?(?:game|minecraft|gta"
        r"|skyrim|fortnite|roblox|sims)|off|some|a (?:slice|piece)|from))"
    ),
    re.compile(
        r"\b(?:end(?:ing)? (?:my (?:own )?life|it all)|tak(?:e|ing) my own life|"
        r"commit(?:ting)? suicide tonight)\b"
    ),
    re.compile(r"\bi (?:really |just |only )?(?:want to|wanna) (?:die|be dead)\b(?! (?:of|from|laughing|my|in))"),
    re.compile(
        r"\bi (?:don't|do not|dont) (?:want to|wanna) (?:live|be alive|exist|"
        r"wake up)\b(?: any ?more)?(?! (?:in|with|near|at|on|here|by|next))"
    ),
    re.compile(r"\b(?:i'm|im|i am|i feel|feeling|i've been) (?:so |very |really )?suicidal\b"),
    re.compile(
        r"\b(?:everyone|everybody|they|world|family)(?: would|'d)? be better off (?:without me|"
        r"if i (?:was|were) (?:dead|gone))\b"
    ),
    re.compile(
        r"\b(?:i want to|i wanna|how (?:do|can|could) i|help me) (?:commit suicide|"
        r"self[- ]harm)\b"
    ),
)


def _self_harm(folded: str) -> list[Finding]:
    return [Finding("self_harm", m[0], True) for p in _SELF_HARM if (m := p.search(folded))][:1]


# -- instructions hidden in text ---------------------------------------------------------------------------
_ORDERS = (
    r"(?:instructions?|prompts?|rules|directions|guidelines|directives|commands|programming|"
    r"training)"
)
_SIGNALS: dict[str, tuple[bool, re.Pattern[str]]] = {
    "override": (
        True,
        re.compile(
            r"\b(?:ignore|disregard|forget|override|bypass|discard)\b(?:\W+(?:all|any|everything|"
            r"every|the|your|my|these|those|"
            rf"of|previous|prior|above|earlier|preceding|existing|former|system|safety|original|"
            rf"initial)){{1,5}}\W+{_ORDERS}\b"
        ),
    ),
    "role token": (
        True,
        re.compile(
            r"<\|?(?:im_start|im_end|system|user|assistant|endoftext|eot_id|start_header_id)\|>|"
            r"\[/?inst\]|<</?sys>>|"
            r"^\s*#{2,}\s*(?:system|instruction)s?\s*:",
            re.MULTILINE,
        ),
    ),
    "exfiltration": (
        True,
        re.compile(
            r"\b(?:send|post|upload|forward|e-?mail|transmit|leak|append|"
            r"exfiltrate)\b(?:\W+\w+){0,6}\W+(?:conversation|chat history|"
            r"passwords?|api keys?|credentials|secrets?|user(?:'s)? (?:data|messages?|"
            r"questions?))\b(?:\W+\w+){0,8}?\W+(?:to|at)\W+"
            r"(?:https?\b|\S+@|this (?:url|link|address|server))|"
            r"!\[[^\]]*\]\(https?://[^)\s]*[?&=/](?:[^)\s]*)(?:\{|%7b|secret|"
            r"conversation|history|password|token)[^)]*\)"
        ),
    ),
    "reveal": (
        True,
        re.compile(
            r"\b(?:reveal|print|repeat|output|show|leak|display|tell)\b(?: (?:me|us|"
            r"out))?(?: (?:all|the|your|of|full|entire|hidden|"
            r"secret|initial|original)){1,4} (?:system prompt|system message|instructions|prompt)\b"
        ),
    ),
    "secrecy": (
        True,
        re.compile(
            r"\b(?:do not|don't|never) (?:tell|mention|reveal|inform|disclose|alert)\b(?: this| it|"
            r" that| anything)?(?: to)?(?: the)? "
            r"(?:users?|human|reader) (?:about|of|that|this|what)\b|\bwithout (?:telling|informing|"
            r"alerting) the user\b"
        ),
    ),
    "address": (
        False,
        re.compile(
            r"\b(?:dear|attention|note to|hey|message (?:to|for)|instructions? (?:to|for)) (?:the |"
            r"all |any )?(?:ai|a\.i\.|llms?|"
            r"chat ?bots?|language models?|(?:ai |virtual )?assistants?|gpt|chatgpt|"
            r"claude)\b[^.?]{0,12}[:,!]|"
            r"\bif you are an? (?:ai|llm|large language model|language model|(?:ai )?assistant|"
            r"chatbot)\b|"
            r"\bwhen (?:you are )?(?:asked|summari[sz]ing|answering|"
            r"responding)\b[^.]{0,60}\b(?:always|you must|only) "
            r"(?:say|reply|respond|recommend|answer|output)\b|"
            r"\b(?:ai|assistant|chatbot|language model|llm)s? (?:reading this|processing this)\b"
        ),
    ),
    "persona": (
        False,
        re.compile(
            r"\b(?:you are now|from now on,? you|you will now (?:act|be)|pretend (?:to be|you are|"
            r"that you)|act as if you)\b|"
            r"\b(?:developer|dan|god|jailbreak) mode\b|\bdo anything now\b|\bnew instructions? ?:"
        ),
    ),
    "system prompt": (False, re.compile(r"\bsystem (?:prompt|message)\b")),
}
_ABOUT = re.compile(
    r"\b(?:prompt injections?|injection attacks?|injected|jailbreak(?:s|ing|ers)?|attackers?|"
    r"adversar\w+|red team\w*|such as|"
    r"for example|for instance|e\.g\.|an example|phrases? like|the phrase|called|researchers|"
    r"vulnerabilit\w+|malicious)\b"
)


def _prompt_attack(folded: str) -> list[Finding]:
    """Strong when it orders, weak when it quotes or discusses; three signals together are strong anyhow."""
    hits = [(m, firm) for firm, p in _SIGNALS.values() if (m := p.search(folded))]
    if not hits:
        return []
    words = "; ".join(" ".join(m[0].split())[:60] for m, _ in hits)
    orders = [m for m, firm in hits if firm and not _discussed(folded, m)]
    paired = len(hits) == 2 and not any(_discussed(folded, m) for m, _ in hits)
    return [Finding("prompt_attack", words, bool(orders) or paired or len(hits) > 2)]


def _discussed(folded: str, match: re.Match[str]) -> bool:
    before, after = folded[: match.start()].rstrip(), folded[match.end() :].lstrip(" .,!?")
    quoted = before.endswith(("'", '"', "“", "‘", "`", "«")) or after.startswith(("'", '"', "”", "’", "`", "»"))
    return quoted or bool(_ABOUT.search(folded[max(0, match.start() - 200) : match.end() + 120]))


# -- personal data -----------------------------------------------------------------------------------------
def luhn(number: str) -> bool:
    """Whether the digits in `number` carry a valid Luhn check digit (ISO/IEC 7812-1), zeros apart."""
    digits = [int(c) for c in number if c.isdigit()]
    doubled = [d if place % 2 == 0 else sum(divmod(2 * d, 10)) for place, d in enumerate(reversed(digits))]
    return any(digits) and sum(doubled) % 10 == 0


_CARD = re.compile(r"(?<![\d.,-])\d(?:[ -]?\d){12,18}(?![\d.,-]?\d)")
PERSONAL: Final[dict[str, tuple[re.Pattern[str], Callable[[str], bool]]]] = {  # kind: a pattern, and what it finds
    "an e-mail address": (re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{2,63}){1,4}\b"), lambda _: True),
    "a telephone number": (
        re.compile(
            r"(?<![\w.,-])(?:\+\d{1,3}(?:[ .-]?\(?\d{2,4}\)?){2,4}|"
            r"\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4})(?![\w-]|[.,]\d)"
        ),
        lambda found: 9 <= sum(c.isdigit() for c in found) <= 15,
    ),
    "a payment card number": (_CARD, luhn),
    "an access key": (
        re.compile(
            r"\b(?:sk-[A-Za-z0-9_-]{20,}|AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{36}|"
            r"xox[baprs]-[A-Za-z0-9-]{10,}|"
            r"AIza[0-9A-Za-z_-]{35}|hf_[A-Za-z0-9]{30,})\b|-----BEGIN [A-Z ]*PRIVATE KEY-----"
        ),
        lambda _: True,
    ),
}


def _personal_data(seen: str) -> list[Finding]:
    """Kinds only: the words themselves would leak into logs."""
    return [
        Finding("privacy", kind, False)
        for kind, (pattern, valid) in PERSONAL.items()
        if any(valid(match[0]) for match in pattern.finditer(seen))
    ]


# -- requests to hand over secrets ------------------------------------------------------------------------
_HANDED = re.compile(  # to somebody: who types a password into a form hands it over to nobody
    r"\b(?:send|tell|give|e-?mail|text|share|forward|read out|reply with|hand over|pass on|post|whisper|phone)\b"
    r"(?! (?:you|out)\b)(?:\W+\w+){0,6}?\W+(?:your|the) "
    r"(?!(?:membership|library|loyalty|club|student|staff|gift) )(?:[\w-]+ ){0,2}?"
    r"(?:passwords?|passcode|pin|pin code|card number|security code|cvv|one-time code|recovery (?:code|phrase)|"
    r"seed phrase|"
    r"(?:three |last )+digits (?:on|of) (?:the|your) (?:back|card)|answers? to your security questions?)\b"
)
_WARNED = re.compile(
    r"\b(?:never|not|nobody|no one|none|without)\b|n't\b|\b(?:we|he|she|they|i)(?: will|'ll)? $",
)


def _secrets(folded: str) -> list[Finding]:
    """What asks for a secret to be sent or told to somebody, unless its sentence warns of that."""
    for match in _HANDED.finditer(folded):
        begins = max(folded.rfind(mark, 0, match.start()) for mark in ".!?\n") + 1
        if not _WARNED.search(folded[begins : match.start()]):
            return [Finding("solicitation", match[0], True)]
    return []


# -- the sexualising of children ---------------------------------------------------------------------------
_CHILD = (
    r"(?:child(?:ren)?|minors?|kids?|toddlers?|infants?|pre-?teens?|under-?age(?:d)?(?: (?:girl|boy|"
    r"teen)s?)?|schoolgirls?|"
    r"schoolboys?|little (?:girl|boy)s?|(?:[1-9]|1[0-7])[- ]?(?:year|yr)s?[- ]?olds?)"
)
_LUST = (
    r"(?:porn(?:ography)?|nudes?|naked(?! mole)|erotic(?:a)?|sexy|sexual(?:ly)?(?: explicit)?|"
    r"having sex|sex with|sex scene)"
)
_SEXUALISED = re.compile(rf"\b{_CHILD}\b(?:\W+\w+){{0,4}}\W+{_LUST}\b|\b{_LUST}(?:\W+\w+){{0,4}}\W+{_CHILD}\b")
_PROTECTIVE = re.compile(
    r"\b(?:report(?:ing|ed|s)?|prevent\w*|protect\w*|educat\w*|abuse[ds]?|survivors?|victims?|law|"
    r"laws|illegal|crimes?|convict\w*|"
    r"charges?|charged|statistics|signs|teach\w*|talk\w*|explain\w*|recover\w*|stop|fight\w*|"
    r"combat\w*|against|ban(?:s|ned)?|"
    r"police|organi[sz]ation|reproduc\w*|transmi\w*|school|development|health|therap\w*|"
    r"exploitation|mole[- ]rat)\b"
)


def _child_safety(folded: str) -> list[Finding]:
    match = _SEXUALISED.search(folded)
    if match is None:
        return []
    return [Finding("child_safety", " ".join(match[0].split()), not _PROTECTIVE.search(folded))]


def rules_fingerprint() -> str:
    """SHA-256 over all patterns, 16 hex digits."""
    patterns = [*_SELF_HARM, *(p for _, p in _SIGNALS.values()), *(p for p, _ in PERSONAL.values())]
    patterns += [_ABOUT, _SEXUALISED, _PROTECTIVE]
    return hashlib.sha256("\n".join(p.pattern for p in patterns).encode()).hexdigest()[:16]
