"""A follow-up made to stand alone: the search query of a turn.

Works on words only: knows nothing of sources, models or languages other than English. A question that depends on
the conversation is completed with the topic of the earlier turns; both forms are searched, so that a wrong
completion costs a rank and not the answer.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from dialogue.both import of_them
from dialogue.cite import without_marks
from dialogue.dates import moved, told, undated, untimed
from dialogue.names import COMMON, is_time, names
from dialogue.others import asked_cells, of_the_other
from dialogue.persona import about_subject
from dialogue.prompts import CLOSEST, is_abstention
from dialogue.proposals import IMPERATIVES, Said
from dialogue.shapes.words import NUMBERS, superlatives
from dialogue.types import Turn

PLAIN = 0.1  # how much likelier a follow-up or a part has to be answered as typed, to be read so
LOOK_BACK = 6  # earlier turns that may hold the topic

_PRONOUN = re.compile(
    r"\b(?:it|its|it's|he|him|his|she|her|hers|they|them|their|theirs|this one|that one|those|these|the same|"
    r"the (?:other|first|last|second) one|"
    r"one of them|all of them|that|this|there)\b",
    re.IGNORECASE,
)
_REPLACED = re.compile(
    r"(?P<own>\b(?:its|his|their|theirs|hers|it's own|her(?=\s+[a-z]))\b)|"
    r"(?P<self>\b(?:it|he|him|she|her|they|them|this one|that one)\b)(?!['’]s own)",
    re.IGNORECASE,
)
_SAME_EVENT = re.compile(
    r"\bdo (?:it|that|this|so)\b|\b(?:did|does|done) (?:it|that|this|so)\W*$|\bhappen(?:s|ed)?\b|"
    r"\b(?:was|were) (?:that|this)\W*$",
    re.IGNORECASE,
)
_PERSON = frozenset("he him his she her hers".split())
_SEVERAL = frozenset("they them their theirs".split())
_PLURAL = re.compile(r"\b(?!(?:does|was|is|has|its|his|this|as|us)\b)[a-z]{3,}[a-rt-z]s\b")
_WHAT_ABOUT = re.compile(
    r"^(?:(?:and|but|so|ok|okay|then|or)[\s,]+)*(?:(?:what|how) about|and|or|versus|compared to)\s+"
    r"(?P<topic>(?:the |a |an )?[^?.!]{1,60}?)\s*[?.!]*$",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"^(?:(?:what|who|where|how|when|why)\s+)?(?:do|does|did|are|is|was|were|can|could|have|has|had)\s+"
    r"(?:the |a |an |all |most |male |female )?"
    r"(?P<subject>[\w-]+)",
    re.IGNORECASE,
)
_OPENER = re.compile(r"^(?:and|but|so|then|or|also|ok|okay|well)\b[\s,]*", re.IGNORECASE)
_TAKEN_BACK = re.compile(
    r"[\s,.…-]+(?:(?:(?:or|no|oh|uh|um|er|erm|oops|wait|sorry|wow|well|hold on|i mean(?:t)?|rather|actually|make that|"
    r"scratch that|instead|let me (?:rephrase|see)|excuse me|better|tell me|just|that is|no)\b[\s,.…-]*){2,}|"
    r"(?:no|uh|um|er|erm|oops|wait|sorry|i mean|or rather|or actually)\b[\s,.…-]*)"
    r"(?=(?:who|what|when|where|which|why|how|in (?:what|which)|whose|whom)\b)",
    re.IGNORECASE,
)
_MEANT = re.compile(
    r"(?:(?:no|nope|sorry|wrong|not that(?: one)?|that(?:['’]s| is| was) (?:wrong|not (?:it|right|what i \w+)))\b"
    r"[\s,.!;–-]*)*"
    r"i (?:meant|mean|asked about|was asking about|am asking about|was talking about)[:,]? (?P<what>.+)",
    re.IGNORECASE,
)
_RATHER = re.compile(
    r"(?:(?:no|nope|sorry|oops|wait|wrong|not that(?: one)?)\b[\s,.!;–-]+)+"
    r"(?!(?:who|what|when|where|which|why|how|is|are|was|were|do|does|did|can|i|it|he|she|they|you|we|that|this)\b)"
    r"(?P<what>(?:(?:the|an?|for|in|at|on|of|to) )?[\w'’-]+(?: [\w'’-]+){0,3})",
    re.IGNORECASE,
)
_REMARK = re.compile(  # "Why not Rudd? They were cheaper"
    r"(?P<question>[^?.!]+\?)\s+(?:but |and )?(?:it|he|she|they|that|this|those|these)(?:['’]\w+)?\s[^?]{1,60}",
    re.IGNORECASE,
)
_INTRODUCED = re.compile(  # "We've got two dogs, what do they cost?" says itself of what it asks
    r"(?:(?:and|but|so|ok|well)[\s,]+)*(?:i|we|my|our|there)\b(?:(?!\b(?:it|they|them|its|their|that)\b)[^,.;:!?])*?"
    rf"\b(?:an?|some|my|our|another|\d+|{'|'.join(NUMBERS)}) (?!(?:\w+ )?(?:question|idea|problem|doubt|bit|lot)\b)"
    r"[^,.;:!?]+[,.;:!?–—-]\s*[^.!?]*\b(?:it|they|them|its|their)\b",
    re.IGNORECASE,
)
_BARE = re.compile(r"^(?:in|at|on|of|for|with|to|from)\s+", re.IGNORECASE)
_QUESTION = frozenset(
    "who what when where which why how whom whose did does do is are was were can could has have had".split()
)


Reading = tuple[str, tuple[str, ...]]  # what a question means, and the forms to search for


class Rewriter(Protocol):
    """Makes a question stand alone after the turns before it."""

    def __call__(self, question: str, said: Sequence[Said]) -> str | None:
        """Return the question as it is meant, as it is where it stands alone; None in doubt, then rules decide."""
        ...

    def others(self, question: str, said: Sequence[Said]) -> Sequence[str]:
        """Return what the question may mean nearly as likely."""
        ...


def search_queries(
    turns: Sequence[Turn], subject: str = "", rewriter: Rewriter | None = None
) -> tuple[str, tuple[str, ...]]:
    """Return the last user turn made to stand alone, and the distinct forms to search for, that one first.

    Where a `subject` speaks for itself, users mean it by "you", and a conversation begins with it as its topic.
    """
    question, earlier = _asked(turns, subject)
    typed = " ".join(turns[-1].text.split())
    spoken = subject and question != fluent(typed)  # of the subject itself, by name
    query = _OPENER.sub("", question) if spoken else standalone(question, earlier, rewriter)
    return query, _forms(query, question, typed, earlier)


def _asked(turns: Sequence[Turn], subject: str) -> tuple[str, list[Turn]]:
    """The last question, without a remark after it, and the turns before it that it may hang on."""
    question = fluent(" ".join(turns[-1].text.split()))
    if len(turns) > 1 and (remarked := _REMARK.fullmatch(question)):
        question = remarked["question"]
    if len(turns) > 1 and (rather := _RATHER.fullmatch(question.rstrip("?!. "))):
        question = f"What about {rather['what']}?"
    earlier = [turn for turn in turns[:-1] if turn.role != "system"][-LOOK_BACK:]
    if subject:
        question = about_subject(question, subject)
        earlier = [replace(t, text=about_subject(t.text, subject)) if t.role == "user" else t for t in earlier]
        if len(question.split()) > 2 and not any(turn.role == "user" for turn in earlier):
            earlier = [Turn("user", subject)]
    return question, earlier


def forms_of(query: str, turns: Sequence[Turn]) -> tuple[str, ...]:
    """Return what is searched for the last user turn where it is read as a query."""
    typed = " ".join(turns[-1].text.split())
    return _forms(query, typed, typed, turns[:-1][-LOOK_BACK:])


def points_back(question: str) -> bool:
    """Say whether a pronoun of a question stands for something named before it."""
    return bool(_PRONOUN.search(question))


def _forms(query: str, question: str, typed: str, earlier: Sequence[Turn]) -> tuple[str, ...]:
    """What is searched for a question that is read as a query; where it hangs on what was said, with that as well."""
    hangs = [f"{question} {_last_reply(earlier)}".strip()] if query != question else []
    return tuple(dict.fromkeys((query, typed, *hangs)))


def likeliest(
    turns: Sequence[Turn], subject: str, rewriter: Rewriter | None, likely: Callable[[Sequence[str]], float]
) -> Reading:
    """Return the reading of the last user turn that a passage is `likely` to answer, the first where they are alike.

    One is the rewriter's, one that of the rules, but for half a question: the rules only add to what was asked before,
    which the passages that answered that are always likely to answer. What the rewriter thinks nearly as likely has to
    be likelier answered by PLAIN, and so has a question that stands alone as it was typed: what was spoken of before is
    mostly meant.
    """
    readings = [search_queries(turns, subject, reader) for reader in (rewriter, None)]
    typed = " ".join(turns[-1].text.split())
    question, earlier = _asked(turns, subject)
    half = _WHAT_ABOUT.match(question) and not _PRONOUN.search(question)
    if rewriter and earlier and half and readings[0][0] != question:
        del readings[1]
    others = list(rewriter.others(question, _said(earlier, rewriter))) if rewriter and earlier else []
    unlikely: list[Reading] = [(other, _forms(other, question, typed, earlier)) for other in others]
    if stands_alone(typed) and len(turns) > 1:
        unlikely.append((typed, (typed,)))
    unlikely = [reading for reading in unlikely if reading[0] not in [query for query, _ in readings]]
    if len({query for query, _ in readings}) == 1 and not unlikely:
        return readings[0]
    chances = [likely(forms) for _, forms in readings] + [likely(forms) - PLAIN for _, forms in unlikely]
    return [*readings, *unlikely][chances.index(max(chances))]


def fluent(question: str) -> str:
    """Return a question without what its speaker took back: "Who owns, no wait, who built it?"."""
    begun = list(_TAKEN_BACK.finditer(question))
    rest = question[begun[-1].end() :] if begun else ""
    return rest[:1].upper() + rest[1:] if len(rest.split()) > 3 else question


def meant(message: str) -> str:
    """Return what a message that corrects its reader asks for: "No, I meant the bridge": "What about the bridge?"."""
    match = _MEANT.fullmatch(" ".join(message.split()).rstrip("?!. "))
    if not match:
        return message
    what = match["what"]
    return f"{what[:1].upper()}{what[1:]}?" if _starts_question(what) else f"What about {what}?"


def stands_alone(question: str) -> bool:
    """Say whether a question has all the words of one: a verb, something asked about, nothing that points back."""
    words = question.split()
    if len(words) < 5 or _WHAT_ABOUT.match(question) or _OPENER.match(question) or _PRONOUN.search(question):
        return False
    return _starts_question(question) or words[0].casefold() in IMPERATIVES


def puts_another(question: str) -> bool:
    """Say whether a question puts a thing that it names in the place of the last: "And Quick?", "What about Otto?"."""
    return bool(_WHAT_ABOUT.match(question) and names(question))


def standalone(question: str, earlier: Sequence[Turn], rewriter: Rewriter | None = None) -> str:
    """Complete a question that depends on the earlier turns; any other comes back as it is.

    A `rewriter` reads it after the questions before it as these were meant; without one, rules do.
    """
    earlier = earlier[-LOOK_BACK:]
    if not earlier or _INTRODUCED.match(question):
        return question
    said = _said(earlier, rewriter) if rewriter else []
    if named := of_them(question, _last_question(earlier, said), _last_reply(earlier)):
        return named
    previous = "" if rewriter else before(earlier)  # once: it reads all that was said before it
    if other := moved(question, _dated([one.text for one in said if one.user]) if rewriter else previous):
        if not _PRONOUN.search(untimed(question)):
            return other
        question = other
    if told(question):  # what was asked of another time is not that of this one
        said = [replace(one, text=undated(one.text)) if one.user else one for one in said]
    read = rewriter(question, said) if rewriter else None
    if read is not None or not depends(question):
        return question if read is None else read
    previous = previous or before(earlier)
    previous = undated(previous) if told(question) else previous
    swapped = _WHAT_ABOUT.match(question)
    if swapped and previous and not _starts_question(swapped["topic"]):
        return _with_topic(previous, swapped["topic"].strip())
    reply = asked_cells(previous, _last_reply(earlier))
    return _completed(question, _topic(previous, reply), previous, reply)


def before(earlier: Sequence[Turn], rewriter: Rewriter | None = None) -> str:
    """Return the last question of the turns as it was meant, "" where there is none."""
    if rewriter:
        return next((said.text for said in reversed(_said(earlier, rewriter)) if said.user), "")
    earlier = earlier[-LOOK_BACK:]
    users = [turn.text for turn in earlier if turn.role == "user"]
    return standalone(users[-1], _before_last_user(earlier)) if users else ""


def dated(earlier: Sequence[Turn], rewriter: Rewriter | None = None) -> str:
    """Return the question, of the last two of the turns, as it was meant, that tells a time; the last where none does.

    "Who is on duty on 3 May?", "Who helps her?": still on that day.
    """
    if not rewriter:
        return before(earlier)
    return _dated([said.text for said in _said(earlier, rewriter) if said.user])


def _dated(asked: Sequence[str]) -> str:
    return next((text for text in asked[:-3:-1] if told(text)), asked[-1] if asked else "")


def _last_question(earlier: Sequence[Turn], said: Sequence[Said]) -> str:
    """The question before, as it was meant where that is known."""
    meant = [turn.text for turn in said if turn.user] or [turn.text for turn in earlier if turn.role == "user"]
    return meant[-1] if meant else ""


def _said(earlier: Sequence[Turn], rewriter: Rewriter) -> list[Said]:
    """The turns as they were meant, each question read after those before it and, where it asks of the other of two,
    by the reply; an abstention says nothing."""
    said: list[Said] = []
    earlier, previous = earlier[-LOOK_BACK:], ""
    for place, turn in enumerate(earlier):
        text = _quoted(turn.text)
        if turn.role == "user" and said:
            reply = _quoted(earlier[place + 1].text) if place + 1 < len(earlier) else ""
            other = of_the_other(text, previous, [f"{previous} {reply}"])
            read = moved(text, _dated([one.text for one in said if one.user])) or other
            text = read or rewriter(text, said) or standalone(text, earlier[:place])
        elif turn.role != "user":
            text = "" if is_abstention(text) else asked_cells(previous, text)
        previous = text if turn.role == "user" else previous
        said.append(Said(text, turn.role == "user"))
    return said


def _completed(question: str, topic: str, previous: str, reply: str) -> str:
    """Complete a question with the topic, or with the question before it where that is what it is about."""
    bare = question.rstrip("?!. ")
    if not topic or _SAME_EVENT.search(question):
        return f"{_OPENER.sub('', bare)} ({previous})" if previous else question
    pronoun = _REPLACED.search(question)
    person = pronoun is not None and pronoun.group().casefold() in _PERSON and _named_in(reply, previous)
    if pronoun and (person or " " not in topic or names(topic)):
        return _OPENER.sub("", _replace_pronoun(question, pronoun, topic, previous, reply))
    if len(bare.split()) <= 3:  # "why?", "which one then?": the whole previous exchange is meant
        return f"{bare}: {previous} {reply}".strip()
    return f"{_OPENER.sub('', bare)} ({topic})?"


def depends(question: str) -> bool:
    """Say whether a question needs the conversation to be understood."""
    if _WHAT_ABOUT.match(question) or _OPENER.match(question):
        return True
    if _PRONOUN.search(question):
        return True
    return not names(question) and len(question.split()) <= 9 and not superlatives(question)


def _topic(previous: str, reply: str) -> str:
    """The subject of the conversation: a name in the last question, else one in the last reply, else its subject."""
    mentioned = [name for name in names(previous) if not is_time(name)]
    if mentioned:
        return mentioned[0]
    known = previous.casefold()
    names_in_reply = [name for name in names(reply) if " " in name or not reply.startswith(name)]
    names_in_reply = [name for name in names_in_reply if not is_time(name)]
    for name in names_in_reply:
        if any(word in known for word in name.casefold().split()):
            return name
    subject = _SUBJECT.match(previous)
    if subject and subject["subject"].casefold() not in COMMON:
        return subject["subject"]
    words = [word for word in re.findall(r"[\w'’-]+", previous) if word.casefold() not in COMMON]
    return " ".join(words[:4])


def _with_topic(previous: str, topic: str) -> str:
    """Put a new topic in the place of the old one in the previous question."""
    old = names(previous)
    if old:
        return previous.replace(old[-1], _BARE.sub("", topic))
    return f"{previous.rstrip('?!. ')}, {topic}?"


def _replace_pronoun(question: str, pronoun: re.Match[str], topic: str, previous: str, reply: str) -> str:
    """Put the topic in the pronoun's place; a person or several things are looked for where they were just named."""
    word, about = pronoun.group().casefold(), topic
    if word in _PERSON:
        about = _named_in(reply, previous) or topic
    elif word in _SEVERAL and (things := _PLURAL.findall(previous)):
        question, about = f"{question.rstrip('?!. ')} ({topic})?", things[-1]
    put = f"{about}'s" if pronoun["own"] else about
    return question[: pronoun.start()] + put + question[pronoun.end() :]


def _named_in(reply: str, previous: str) -> str:
    """The name that a reply says and the question before it does not, one of several words before any other."""
    named = [name for name in names(reply) if name not in previous and not is_time(name)]
    return next((name for name in named if " " in name), named[0] if named else "")


def _before_last_user(earlier: Sequence[Turn]) -> Sequence[Turn]:
    last = max(place for place, turn in enumerate(earlier) if turn.role == "user")
    return earlier[:last]


def _last_reply(earlier: Sequence[Turn]) -> str:
    replies = [_quoted(turn.text) for turn in earlier if turn.role == "assistant"]
    return replies[-1] if replies else ""


def _quoted(text: str) -> str:
    """A turn without marks, a reply without the words before what it shows, after which a small word has a capital."""
    return without_marks(text).removeprefix(CLOSEST).strip()


def _starts_question(text: str) -> bool:
    return text.strip().split(maxsplit=1)[0].casefold() in _QUESTION if text.strip() else False
