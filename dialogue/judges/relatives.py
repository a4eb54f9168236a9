"""A relative has a life of their own: when her brother was born is not told by when she was."""

import re
from typing import Final

from dialogue.judges.facts import names, stem, words
from retrieval.text import sentences

_KIN: Final = tuple(
    re.compile(rf"\b(?:{kind})\b", re.IGNORECASE)
    for kind in (
        r"brothers?|sisters?|siblings?|twins?",
        r"father|mother|parents?|dad|mum|mom",
        r"sons?|daughters?|child|children|kids?",
        r"wife|wives|husbands?|spouse|partner|widow(?:er)?|marri\w+|wed\w*",
        r"uncles?|aunts?|nephews?|nieces?|cousins?",
        r"grand(?:father|mother|parents?|dad|pa|ma|mum|sons?|daughters?|child|children)",
        r"successors?|succeed\w*|predecessors?|followed|deput(?:y|ies)|assistants?",
    )
)
_OF = re.compile(r"(?:['’]s?|\b(?:her|his|their|my|your|its)) (?:[a-z]+ ){0,2}$|^ of\b", re.IGNORECASE)
_WHO = re.compile(r"\b(?:who|whom|whose|which|names?|named|called|have|has|had)\b", re.IGNORECASE)


def of_no_relative(question: str, said: str, around: str, page: str) -> bool:
    """Whether a relative of somebody is asked about, and a unit speaks neither of such a one nor by their name.

    `around` is what the unit stands under and leans on; who is whose relative is told by the `page`.
    """
    if _WHO.search(question):
        return False
    for kin in _KIN:
        found = kin.search(question)
        if found and (_OF.search(question[: found.start()]) or _OF.match(question[found.end() :])):
            told = f"{around} {said}"
            if kin.search(told):
                return False
            telling = (page[start:end] for start, end in sentences(page) if kin.search(page[start:end]))
            called = {stem(name) for sentence in telling for name in names(sentence)}
            called -= {stem(name) for name in names(question)}
            return not any(word.text[0].isupper() and word.stem in called for word in words(told))
    return False
