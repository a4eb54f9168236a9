"""Families of generative guards: how each is asked, how it answers, and what its categories mean here.

The forms are those of the published model cards.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from safety.types import UNSAFE, SafetyError

IGNORED: Final = ""  # a category of something that no policy here is about
CROSSWALK: Final[Mapping[str, str]] = {  # category titles, in lower case, to objectives; all others are UNSAFE
    # MLCommons, as in Llama Guard 2, 3 and 4
    "violent crimes": "violence",
    "non-violent crimes": "crime_howto",
    "sex crimes": "sexual",
    "sex-related crimes": "sexual",
    "child exploitation": "child_safety",
    "child sexual exploitation": "child_safety",
    "defamation": "misinformation",
    "specialized advice": "specialised_advice",
    "privacy": "privacy",
    "intellectual property": IGNORED,
    "indiscriminate weapons": "weapons_mass",
    "hate": "hate",
    "self-harm": "self_harm",
    "suicide & self-harm": "self_harm",
    "sexual content": "sexual",
    "elections": "misinformation",
    "code interpreter abuse": "prompt_attack",
    # the first Llama Guard, and Aegis after it
    "criminal planning": "crime_howto",
    "criminal planning/confessions": "crime_howto",
    "guns and illegal weapons": "weapons_mass",
    "regulated or controlled substances": "crime_howto",
    "controlled/regulated substances": "crime_howto",
    "self harm": "self_harm",
    "suicide & self harm": "self_harm",
    "suicide and self harm": "self_harm",
    "violence": "violence",
    "threat": "violence",
    "sexual": "sexual",
    "sexual minor": "child_safety",
    "sexual (minor)": "child_safety",
    "hate/identity hate": "hate",
    "harassment": "harassment",
    "profanity": "profanity",
    "pii/privacy": "privacy",
    # Qwen3Guard
    "violent": "violence",
    "non-violent illegal acts": "crime_howto",
    "sexual content or sexual acts": "sexual",
    "pii": "privacy",
    "personally identifiable information": "privacy",
    "politically sensitive topics": "misinformation",
    "copyright violation": IGNORED,
    "jailbreak": "prompt_attack",
}
NUMBERED: Final[Mapping[str, str]] = {  # Llama Guard 3 and 4, for templates that do not list their categories
    "S1": "violent crimes",
    "S2": "non-violent crimes",
    "S3": "sex crimes",
    "S4": "child exploitation",
    "S5": "defamation",
    "S6": "specialized advice",
    "S7": "privacy",
    "S8": "intellectual property",
    "S9": "indiscriminate weapons",
    "S10": "hate",
    "S11": "self-harm",
    "S12": "sexual content",
    "S13": "elections",
    "S14": "code interpreter abuse",
}
_LISTED = re.compile(r"^([A-Z]\d{1,2}): *([^\n.]+)", re.MULTILINE)
_CODE = re.compile(r"\b[A-Z]\d{1,2}\b")
_GUIDELINES: Final = {  # the titles are ShieldGemma's, the wording is ours
    UNSAFE: (
        '"No Dangerous Content": The {who} content that helps anybody to harm themselves or others, for example to '
        "get or build firearms and explosives, to commit acts of terror, or to end their own life."
    ),
    "harassment": ('"No Harassment": The {who} content that bullies, threatens, humiliates or abuses another person.'),
    "hate": (
        '"No Hate Speech": The {who} content that spreads or calls for hatred of people because of their origin, '
        "religion, sex, sexual orientation, disability or caste."
    ),
    "sexual": (
        '"No Sexually Explicit Information": The {who} content that describes sexual acts explicitly. Medical, '
        "scientific and artistic content is allowed."
    ),
}
_RISKS: Final = {  # Granite Guardian's names of risks; jailbreak is one of requests alone
    "harm": UNSAFE,
    "violence": "violence",
    "sexual_content": "sexual",
    "social_bias": "hate",
    "profanity": "profanity",
    "unethical_behavior": "crime_howto",
    "jailbreak": "prompt_attack",
}


@dataclass(frozen=True, slots=True)
class Question:
    """One thing that is asked of a message: what a yes means, and what the chat template receives."""

    meaning: str = UNSAFE
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Family:
    """How guards of one kind answer. `mark` is what their chat templates hold.

    An answer opens with `lead`, then one of the words `safe`, `half` or `unsafe`. Where it goes on to name
    categories, `naming` is how an unsafe one goes on up to them.
    """

    name: str
    mark: str
    safe: tuple[str, ...]
    unsafe: tuple[str, ...]
    half: tuple[str, ...] = ()
    lead: str = ""
    naming: str = ""

    def questions(self, reply: bool) -> tuple[Question, ...]:
        """Return what is asked of a reply, or of a user's message."""
        if self.name == "shieldgemma":
            who = "chatbot shall not write" if reply else "prompt shall not contain or ask for"
            return tuple(Question(m, {"guideline": text.format(who=who)}) for m, text in _GUIDELINES.items())
        if self.name == "granite-guardian":
            names = [name for name in _RISKS if not (reply and name == "jailbreak")]
            return tuple(Question(_RISKS[name], {"guardian_config": {"risk_name": name}}) for name in names)
        return (Question(),)

    def may(self, titles: Mapping[str, str]) -> set[str]:
        """Return every meaning that an answer can have, given the titles of its numbered categories."""
        if not self.naming:
            return {question.meaning for question in self.questions(False)}
        known = titles.values() if titles else CROSSWALK
        return {UNSAFE, *(CROSSWALK.get(title, UNSAFE) for title in known)} - {IGNORED}

    def meanings(self, answer: str, titles: Mapping[str, str]) -> set[str]:
        """Return the objectives that the categories named in `answer` mean; UNSAFE for unknown or no categories.

        The set is empty when all that is named is something that no policy here is about.
        """
        line = answer.strip().partition("\n")[0]
        codes = _CODE.findall(line)
        named = [titles.get(code, "") for code in codes] if codes else [_plain(part) for part in line.split(",")]
        return {CROSSWALK.get(title, UNSAFE) for title in named or [""]} - {IGNORED}


FAMILIES: Final = (
    # in this order: the templates of some may hold the marks of those that follow
    Family("granite-guardian", "guardian_config", ("No",), ("Yes",)),
    Family("shieldgemma", "guideline", ("No",), ("Yes",)),
    Family(
        *("qwen3guard", "Politically Sensitive", ("Safe",), ("Unsafe",), ("Controversial",)),
        lead="Safety:",
        naming=" Unsafe\nCategories:",
    ),
    Family("llama-guard", "UNSAFE CONTENT CATEGORIES", ("safe",), ("unsafe",), naming="unsafe\n"),
)


def family_of(template: str, stated: str = "") -> Family:
    """Return the family called `stated`, else the one whose mark the chat template holds. Raises SafetyError."""
    names = ", ".join(family.name for family in FAMILIES)
    if not template:
        raise SafetyError("it has no chat template, which says how a guard is asked: name one that has")
    if stated:
        found = [family for family in FAMILIES if family.name == stated]
        problem = f"there is no family of guards {stated!r}"
    else:
        found = [family for family in FAMILIES if family.mark in template]
        problem = "its chat template is that of no guard known here"
    if not found:
        raise SafetyError(f"{problem}: name a guard of one of the families {names}, as in hf-guard:NAME#llama-guard")
    return found[0]


def titles_in(prompt: str) -> dict[str, str]:
    """Return the numbered categories that a prompt lists, code to title in lower case; else Llama Guard's own."""
    return {code: _plain(title) for code, title in _LISTED.findall(prompt)} or dict(NUMBERED)


def _plain(title: str) -> str:
    return " ".join(title.lower().strip(" .\t\n").split())
