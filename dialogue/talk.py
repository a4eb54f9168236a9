"""Talk: what is said to a message that asks for nothing in the sources, or that asks about the last reply.

Knows the kinds of messages and the lines of `talk.toml`; nothing of how a message is understood, of models or judges.
"""

import re
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from dialogue.cite import without_marks
from dialogue.judges.facts import content_stems
from dialogue.judges.quantities import read
from dialogue.prompts import ABSTENTION, CLOSEST, is_abstention
from dialogue.types import UNDERSTOOD, Context, Intent, Outcome, Reply, Role
from retrieval.text import sentences
from safety.types import Verdict

ASKING: Final = "question"
ABOUT: Final = ("shorter", "again", "example", "meaning", "sure", "complaint")  # the last reply
DISTRESS: Final = ("crisis", "worried")
FEELINGS: Final = ("sad", "lonely", "grief", "stressed", "tired", "afraid", "angry", "bored")
_ASKING = re.compile(
    r"(?:(?:and|but|so|ok|okay|please|hey|hi|hello)[\s,]+)*"
    r"(?:who|what|when|where|which|why|how|whom|whose|whats|what's|is|are|was|were|"
    r"do|does|did|can|could|will|would|has|have|had|tell|explain|describe|compare|name|list|give|show|find|"
    r"define|summari[sz]e)\b",
    re.IGNORECASE,
)
_EXCLAIMS = re.compile(r"\b(?:what an?|how (?!many|much|long|far|old|often)\w+ of)\b[^?]*$", re.IGNORECASE)
_EXAMPLE = re.compile(r"\b(?:for (?:example|instance)|such as|e\.\s?g\.|an example)", re.IGNORECASE)
_CLAUSE = re.compile(r"(?:[,;:]|\s[–—-])\s|\s(?:and|but|because|which|while|until|where|when|after|before|by|with)\s")


def asks(text: str) -> bool:
    """Say whether a message asks for something to be known, rather than telling or greeting."""
    begins = _ASKING.match(text.strip())
    return "?" in text or bool(begins and not _EXCLAIMS.match(text.strip(), begins.start()))


@cache
def _lines() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(Path(__file__).with_name("talk.toml").read_text(encoding="utf-8"))


def said(kind: str, language: str = "en", role: Role | None = None) -> tuple[str, ...]:
    """Return the lines that may be said to a kind of message, in its language where there are any, else in English.

    They are said in the role's name; it greets as in its opening. Empty for a question.
    """
    role = role or Role()
    table = _lines()
    if language != "en" and language not in table.get(kind, {}):
        kind = "feeling" if kind in FEELINGS else "english" if kind != ASKING else kind
    by_language = table.get(kind, {})
    lines = tuple(line.replace("{name}", role.name) for line in by_language.get(language, by_language.get("en", ())))
    opening = [turn.text for turn in role.opening if turn.role == "assistant"][:1]
    if kind == "greeting" and language == "en" and opening:
        return (*opening, f"Hello! I am {role.name}. What would you like to know?")
    return lines


def drafts(context: Context, others: Sequence[str]) -> list[str]:
    """Return what may be said to a message that is no question, but no line again that was said before.

    `others` are the drafts that answer the earlier question, which a complaint is offered. Once drafts were dropped,
    the plain lines are left: those that make no claim.
    """
    reply = context.earlier[-1].text if context.earlier else ABSTENTION
    answered = not is_abstention(reply) and not reply.startswith(CLOSEST)
    kind = "stood by" if context.intent == "complaint" and answered else context.intent
    lines = [*said(kind, context.language, context.role)]
    spoken = context.turns[len(context.role.opening) :]
    before = {without_marks(turn.text) for turn in spoken if turn.role == "assistant"}
    fresh = [line for line in lines if line not in before] or lines
    about = _about(context, others) if context.intent in ABOUT and context.earlier and not context.complaints else []
    return about or fresh


def _about(context: Context, others: Sequence[str]) -> list[str]:
    """Return replies about the last reply, which `context.earlier` ends with, as far as it can be found again."""
    if context.intent == "complaint":
        return _next_best(context, others)
    reply = without_marks(context.earlier[-1].text)
    if is_abstention(reply):
        return []
    parts = [reply[start:end] for start, end in sentences(reply)]
    ways = {
        "shorter": lambda: _shorter(parts),
        "again": lambda: [f"Let me say it again. {reply}", reply],
        "sure": lambda: [f"Yes, I looked again. {text}" for text in dict.fromkeys((reply, *parts))],
        "meaning": lambda: _surroundings(context, parts),
        "example": lambda: [text for text in _passages(context) if _EXAMPLE.search(text) and text not in reply][:4],
    }
    return ways[context.intent]()


def _shorter(parts: Sequence[str]) -> list[str]:
    """Return each of several sentences alone, or the beginning of a single one up to the end of a clause."""
    if len(parts) > 1:
        shortest = sorted(parts, key=len)
        return [part for part in parts if len(part) < sum(map(len, parts)) and part in shortest]
    cuts = [match.start() for match in _CLAUSE.finditer(parts[0])] if parts else []
    return [f"{parts[0][:cut].rstrip(' ,;:.')}." for cut in cuts if len(parts[0][:cut].split()) >= 4]


def _next_best(context: Context, others: Sequence[str]) -> list[str]:
    """Return an apology with each draft that states what no earlier reply has stated."""
    told = [turn.text for turn in context.turns if turn.role == "assistant"]
    asked = " ".join(turn.text for turn in context.earlier if turn.role == "user")
    fresh = [text for text in others if not is_abstention(text) and not _told(text, told, f"{asked} {context.query}")]
    return [f"I am sorry about that. Let me offer the next best I found. {text}" for text in fresh[:3]]


def _told(text: str, told: Sequence[str], asked: str) -> bool:
    """Whether a draft states, in whatever words, what was told before: one of its figures or, where it has none of its
    own, half of its words; what the question says counts for nothing."""
    figures, before = _figures(text) - _figures(asked), frozenset[str]().union(*map(_figures, told))
    if figures:
        return bool(figures & before)
    own = _content(text) - _content(asked)
    return 2 * len(own & frozenset[str]().union(*map(_content, told))) >= len(own)


def _figures(text: str) -> frozenset[str]:
    quantities, dates = read(without_marks(text))
    return frozenset({f"{q.value:g}" for q in quantities} | {f"{d.day}.{d.month}." for d in dates if d.day})


def _content(text: str) -> frozenset[str]:
    return content_stems(without_marks(text))


def _surroundings(context: Context, parts: Sequence[str]) -> list[str]:
    """Return sentences of the reply between their neighbours in the source."""
    texts = _passages(context)
    known = {_plain(part) for part in parts}
    places = [at for at, text in enumerate(texts) if _plain(text) in known]
    return [f"Here is the context. {' '.join(texts[max(at - 1, 0) : at + 2])}" for at in places[:2]]


def _passages(context: Context) -> list[str]:
    """The sentences of the evidence in the order they stand in."""
    texts = [item.passage.text for item in context.evidence]
    return [" ".join(text[start:end].split()) for text in texts for start, end in sentences(text)]


def _plain(text: str) -> str:
    return " ".join(re.findall(r"\w+", without_marks(text).casefold()))


def aside(asked: Verdict, intent: Intent) -> tuple[str, Outcome] | None:
    """Return what is said at once, without any draft: support in distress, a refusal, a word on an override.

    What is said of the system itself is no attack on a person, whatever the guard makes of it.
    """
    if intent.kind in DISTRESS and (asked.action != "support" or intent != Intent("crisis")):
        return said(intent.kind, intent.language)[0], "refused"
    if not asked.safe and not (intent.kind != ASKING and asked.objective == "harassment"):
        return asked.reason, "refused"
    if intent.kind == "override":
        return said(intent.kind, intent.language)[0], "abstained"
    return None


def taken_for(intent: Intent) -> tuple[str, ...]:
    """Return the note on what a message was taken for, where it was no question in English."""
    language = f" ({intent.language})" if intent.language != "en" else ""
    return () if intent == Intent() else (f"{UNDERSTOOD}{intent.kind}{language}",)


def in_their_language(reply: Reply, intent: Intent) -> Reply:
    """Say to a question in another language that the documents are read in English, before an answer."""
    if intent.kind != ASKING or intent.language == "en" or reply.outcome == "refused":
        return reply
    [notice] = said("english", intent.language)
    return replace(reply, text=f"{notice} {reply.text}" if reply.outcome == "answered" else notice)
