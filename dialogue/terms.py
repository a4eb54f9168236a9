"""The terms by which a contract speaks of its parties: "Mr Casimir Boyle, 12 Dyer's Yard (the Guest)".

A question that names the person is read for what the document says of the term. Knows nothing of judging.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from retrieval.types import Evidence

ENOUGH: Final = 0.1  # by which the reading in the document's terms has to be likelier to be answered
SLIGHT: Final = 0.15  # the probability up to which nothing answers the question as it is
LIKELIER: Final = 1.2  # times as likely as that the reading in terms has to be then
LONGEST: Final = 80  # characters of a party's name

_LEAD: Final = (
    r"(?:(?:hereinafter|hereafter|henceforth|in the following|further on)[\s,:]*)?"
    r"(?:(?:also )?(?:called|referred to as|known as|named|jointly)[\s,:]*)?"
)
_QUOTES: Final = "[\"“”'‘’]"
_TERM: Final = re.compile(
    rf"[(\[]{_LEAD}(?:{_QUOTES}?[Tt]he {_QUOTES}?|{_QUOTES}|(?<=er )|(?<=called ))"
    rf"(?P<term>[A-Z][\w-]+(?: [A-Z][\w-]+)?){_QUOTES}?[)\]]|"
    rf",? (?:hereinafter|hereafter|henceforth),? (?:(?:called|referred to as|known as|named) )?"
    rf"{_QUOTES}?[Tt]he {_QUOTES}?(?P<bare>[A-Z][\w-]+(?: [A-Z][\w-]+)?){_QUOTES}?"
)
_TITLE: Final = r"(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Herr|Frau)\.?"
_NO_NAME: Final = r"(?!(?:The|This|That|These|It|In|On|By|We|See|An?|Agreement|Contract|Between)\b)"
_NAME: Final = re.compile(
    rf"{_NO_NAME}(?:{_TITLE} )?[A-Z][\w'’.&-]*(?: (?:(?:and|&|de|van|von|der) )?[A-Z][\w'’.&-]*)*"
)
_BOUND: Final = re.compile(
    r"\n\n|(?<!\bDr)(?<!\bMr)(?<!\bMs)(?<!\bMrs)[.;:]\s|[)\]]|"
    r"\b(?:between|with|(?:made|signed|entered into|concluded) by)\s"
)


@dataclass(frozen=True, slots=True)
class Term:
    """A party by its name, the term that a document has for it, and where in the text this is said."""

    name: str
    term: str
    start: int
    end: int


def terms(text: str) -> Iterator[Term]:
    """Yield the parties that a text names with the terms for them, in reading order."""
    last = 0
    for match in _TERM.finditer(text):
        start = max((bound.end() for bound in _BOUND.finditer(text, last, match.start())), default=last)
        name = _NAME.search(text, start, match.start())
        last = match.end()
        if name and 1 < len(name[0]) < LONGEST:
            yield Term(" ".join(name[0].split()), f"the {match['term'] or match['bare']}", name.start(), last)


def parties(question: str, texts: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the terms that texts define: those that a question names, and the others."""
    defined = frozenset(one.term for text in texts for one in terms(text))
    named = frozenset(term for term in defined if mentions_term(question, [term]))
    return named, defined - named


def mentions_term(text: str, sought: Collection[str]) -> bool:
    """Whether a text speaks of one of the parties by its term."""
    return any(re.search(rf"\b[Tt]he {re.escape(term[4:])}\b", text) for term in sought)


def in_terms(
    question: str, found: Sequence[Evidence], search: Callable[[str, str], Sequence[Evidence]]
) -> tuple[str, Sequence[Evidence]]:
    """Return a question with a party's name put as its document does, and what is found for that there.

    As they were where no document that was found defines a term for somebody named, or the reading is no likelier to
    be answered. `search` looks for a question in the document of a name.
    """
    for item in found:
        for one in terms(item.passage.text) if item.passage.kind == "document" else ():
            put = _put(question, one)
            if not put:
                continue
            again = search(put, item.passage.source)
            likely, before = _likeliest(again), _likeliest(found)
            elsewhere = max(again, key=lambda each: each.probability or 0.0, default=item).passage.id != item.passage.id
            if likely >= ENOUGH + before or (elsewhere and before < SLIGHT and likely >= LIKELIER * before):
                return put, (*again, item)
    return question, found


def _put(question: str, one: Term) -> str:
    """The question with the name as the term, "" where it does not name the party."""
    bare = re.sub(rf"^{_TITLE} ", "", one.name)
    last = bare.split()[-1]
    forms = [re.escape(one.name), re.escape(bare)]
    if bare != one.name:  # a person, who is called by the last name as well
        forms.append(rf"(?:{_TITLE} )?{re.escape(last)}")
    named = re.compile(rf"(?<!\w)(?:the )?(?:{_TITLE} )?(?:{'|'.join(forms)})(?P<own>['’]s?)?(?!\w)")
    match = named.search(question)
    if match is None:
        return ""
    start = match.start()
    term = one.term[:1].upper() + one.term[1:] if start == 0 else one.term
    return f"{question[:start]}{term}{match['own'] or ''}{question[match.end() :]}"


def _likeliest(found: Sequence[Evidence]) -> float:
    return max((item.probability or 0.0 for item in found), default=0.0)
