"""What is right and wrong with a candidate whose question has a known answer, told from the texts alone.

What cannot be told so is left open (None). Knows words; nothing of models or files.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Final

from retrieval.text import sentences

LABELS: Final = (
    "right",  # holds the known answer and nothing that the passages do not say
    "adds",  # holds it, and names or figures that no passage has
    "holds",  # holds it; whether the rest is right cannot be told
    "part",  # some words of it: right or wrong
    "contradicts",  # another figure or name in its place
    "other",  # says what a passage says, not what was asked
    "invented",  # an answer to what no passage answers
    "off",  # neither the answer nor a passage's words
    "abstains",
    "echo",  # the question again
    "empty",  # says nothing, as an opening without what it opens
    "prompt",  # speaks of the text or the task
    "garbled",
    "half",  # a sentence that breaks off
    "loop",
    "list",  # items that no passage lists
)
SENSELESS: Final = frozenset(("echo", "empty", "prompt", "garbled", "half", "loop", "list"))
COPIED: Final = 0.85  # share of the words that stand in one sentence of a passage, in its order
ECHO: Final = 0.8  # share of the words that stand in the question
BRIEF: Final = 14  # words that carry meaning in a reply that is plain enough to be taken for sensible
WITHIN: Final = 0.85  # share of the words that stand in question, answer and the answer's sentence

_WORD = re.compile(r"[^\W_]+(?:[.,]\d+)*(?:['’-][^\W_]+)*")
_STOP = frozenset(
    "a an the of in on at to for from by with and or but is are was were be been being it its this that these those as "
    "which who whom whose what when where how why did do does has have had not no there their his her he she they them "
    "i you your my we our also can could would will may might so than then into about after before during over".split()
)
_UNSAID = re.compile(
    r"\b(?:not|n['’]t|no) (?:\w+ ){0,2}(?:say|said|mention|mentioned|state|stated|specif\w+|provide|provided|given|"
    r"contain|answer|information|indicat\w+|clear|explicitly \w+|find|know|available|cover)\b"
    r"|\bI do(?:n['’]t| not) know",
    re.IGNORECASE,
)
_PROMPT = re.compile(
    r"\b(?:the|this|your|given|above|provided) (?:text|passage|question|paragraph|prompt|message|task|article|answer)\b"
    r"|\bai (?:assistant|model)\b|\bas an ai\b|\bi(?:'m| am) (?:sorry|glad|happy)\b|\blet me know\b",
    re.IGNORECASE,
)
_LEAD = re.compile(
    r"^(?:according to|based on|as (?:stated|mentioned) in) the (?:text|passage|article)[^,]{0,20}, ", re.I
)
_ITEM = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+\S", re.MULTILINE)
_DENIES = re.compile(r"^(?:not|never)$|n['’]t$")
_CUT = re.compile(r"(?:(?<!\.)\b[A-HJ-Z]|\b(?:Dr|Mr|Mrs|Ms|St|Jr|vs|No|e\.g|i\.e))\.$|[,;(]\s*$")
_STEM: Final = 4  # letters by which forms of a word are told to be of one
_BREAKS = frozenset("the a an of in on at to for from by with and or but is are was were as which who that its".split())


@dataclass(frozen=True, slots=True)
class Labelled:
    """A label and what it means for three judges; None where the label does not say."""

    label: str
    supported: bool | None
    answers: bool | None
    sensible: bool | None


def labelled(
    response: str, question: str, passages: Sequence[str], answers: Sequence[str], known: frozenset[str]
) -> Labelled:
    """Return the label of a candidate. `known` are words of the language; () of `answers`: no passage answers."""
    text = _LEAD.sub("", response.strip())
    holds = any(held(text, answer) for answer in answers)
    if form := _form(text, question, passages, known, holds):
        claims = form not in ("half", "echo", "prompt", "empty")
        return Labelled(form, False if claims else None, holds, False)
    if holds:
        return _holding(text, question, passages, answers)
    if _UNSAID.search(text):
        return Labelled("abstains", None, False, True)
    if _copied(text, passages):
        return Labelled("other", True, False, True)
    return _wrong(text, question, passages, answers)


def _wrong(text: str, question: str, passages: Sequence[str], answers: Sequence[str]) -> Labelled:
    """A reply that neither holds the answer nor copies: how far it is from it."""
    plain = True if _brief(text) else None
    if not answers:
        content = [word for word in words_of(text) if word not in _STOP]
        said = map(words_of, _sentences(passages))
        near = any(sum(word in part for word in content) >= COPIED * len(content) for part in said)
        return Labelled("invented", None if near else False, False, plain)
    if _partly(text, question, answers):
        return Labelled("part", None, None, None)
    if _another(text, question, answers):
        return Labelled("contradicts", False, False, plain)
    spans = all(len(answer.split()) <= 5 for answer in answers)
    return Labelled("off", None, False if spans else None, None)


def held(text: str, answer: str) -> bool:
    """Say whether a text holds an answer: a short one word by word, of a long one most words, and not denied."""
    wanted, found = _plain(answer), _plain(text)
    if not wanted:
        return False
    if len(wanted) <= 5:
        places = [at for at in range(len(found)) if found[at : at + len(wanted)] == wanted]
        return any(not any(_DENIES.search(word) for word in found[max(0, at - 2) : at]) for at in places)
    needed = {word for word in wanted if word not in _STOP} or set(wanted)
    return len(needed & set(found)) >= 0.7 * len(needed)


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    return [match[0].casefold() for match in _WORD.finditer(text)]


def _plain(text: str) -> list[str]:
    return [re.sub(r"(?<=\d),(?=\d)|['’]s$", "", word) for word in words_of(text) if word not in ("a", "an", "the")]


def _form(text: str, question: str, passages: Sequence[str], known: frozenset[str], holds: bool) -> str:
    """Return what is wrong with the form of a reply, "" for nothing."""
    words = words_of(text)
    content = [word for word in words if word not in _STOP]
    given = {*known, *_STOP, *words_of(question), *(word for passage in passages for word in words_of(passage))}
    unclosed = len(words) > 4 and (words[-1] in _BREAKS or text.rstrip()[-1] not in ".!?\"”')")
    faults = {
        "loop": _loops(words),
        "list": len(_ITEM.findall(text)) > 1 and not holds,
        "empty": text.rstrip()[-1:] == ":" or not content,
        "half": bool(_CUT.search(text)) or unclosed,
        "garbled": _garbled(text, given),
        "echo": not holds and (text.rstrip().endswith("?") or _again(content, question)),
        "prompt": not holds and bool(_PROMPT.search(text)) and not _UNSAID.search(text),
    }
    return next((name for name, found in faults.items() if found), "")


def _again(content: Sequence[str], question: str) -> bool:
    asked = {word[:_STEM] for word in words_of(question)}
    return sum(word[:_STEM] in asked for word in content) >= ECHO * len(content)


def _garbled(text: str, given: set[str]) -> bool:
    """Say whether a text has a word twice in a row, or more words than a slip that no text has."""
    written = [match[0] for match in _WORD.finditer(text)]
    doubled = any(one.casefold() == two.casefold() not in ("had", "that") for one, two in pairwise(written))
    unknown = [word for word in written if word.isalpha() and word.islower() and word not in given]
    return doubled or len(unknown) > 0.1 * sum(word.casefold() not in _STOP for word in written)


def _loops(words: Sequence[str]) -> bool:
    runs = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    return len(runs) - len(set(runs)) >= 4


def _holding(text: str, question: str, passages: Sequence[str], answers: Sequence[str]) -> Labelled:
    """A reply that holds the answer: whether the rest of it is said as well."""
    if strange(text, question, passages):
        return Labelled("adds", False, True, None)
    answer = next(answer for answer in answers if held(text, answer))
    around = [part for part in _sentences(passages) if held(part, answer)]
    given = {word for part in (question, answer, *around[:1]) for word in words_of(part)}
    content = [word for word in words_of(text) if word not in _STOP]
    within = sum(word in given for word in content) >= WITHIN * len(content)
    if _copied(text, passages) or (within and _brief(text)):
        return Labelled("right", True, True, True)
    return Labelled("holds", None, True, None)


def _brief(text: str) -> bool:
    return len(sentences(text)) == 1 and sum(word not in _STOP for word in words_of(text)) <= BRIEF


def strange(text: str, question: str, passages: Sequence[str]) -> list[str]:
    """Return the figures and names of a text that neither the passages nor the question has."""
    given = {word for part in (question, *passages) for word in _plain(part)}
    found = []
    for place, match in enumerate(_WORD.finditer(text)):
        word = re.sub(r"(?<=\d),(?=\d)|['’]s$", "", match[0])
        named = place > 0 and word[:1].isupper() and text[: match.start()].rstrip()[-1:] not in '.!?:"“'
        if (word[:1].isdigit() or (named and len(word) > 1)) and word.casefold() not in given:
            found.append(word)
    return found


def _copied(text: str, passages: Sequence[str]) -> bool:
    """Say whether a reply stands in one sentence of a passage, word after word but for a few."""
    words = words_of(text)
    return any(
        _share(words, words_of(part)) >= COPIED and not strange(text, "", [part]) for part in _sentences(passages)
    )


def _share(words: Sequence[str], source: Sequence[str]) -> float:
    blocks = SequenceMatcher(None, words, source, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks if block.size > 1) / max(len(words), 1)


def _partly(text: str, question: str, answers: Sequence[str]) -> bool:
    """Say whether a reply has a word of the answer that the question has not."""
    asked, found = {*words_of(question), *_STOP}, set(_plain(text))
    return any(word in found for answer in answers for word in _plain(answer) if word not in asked)


def _another(text: str, question: str, answers: Sequence[str]) -> bool:
    """Say whether something of the answer's kind, a figure or a name, stands where the answer should."""
    asked = set(_plain(question))
    figures = [word for word in _plain(text) if word[:1].isdigit() and word not in asked]
    if any(re.search(r"\d", answer) for answer in answers):
        return bool(figures)
    if all(answer[:1].isupper() for answer in answers):
        return bool(strange(text, question, [])) or bool(figures)
    return False


def _sentences(passages: Sequence[str]) -> Iterator[str]:
    for passage in passages:
        for first, last in sentences(passage):
            yield passage[first:last]
