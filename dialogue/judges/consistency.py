"""Role consistency: would the agent in its role say this (Thoppilan et al. 2022, section 4.2)?

A measure by hand on the sentence encoder, not a trained judge: who a draft says it is, whether a subject speaks of
itself in the first person, and how near a draft is in meaning to the way the role was set. Knows no language model.
"""

import re
from collections.abc import Sequence
from math import exp
from typing import Final

from dialogue.persona import in_third_person
from dialogue.prompts import is_abstention
from dialogue.types import Role
from retrieval.text import sentences
from retrieval.types import Embedder

BROKEN: Final = 0.03  # says it is something or somebody else
OF_ITSELF: Final = 0.9  # a sentence of a subject that says I
OF_OTHERS: Final = 0.6  # one that speaks of something else
OF_IT: Final = 0.4  # one that may speak of the subject as of something else
NAMED: Final = 0.15  # one that names the subject as others would
TONE: Final = 0.14  # cosine to the role's own words at which the probability is a half
SLOPE: Final = 14.0  # of the logistic curve there

_MACHINE: Final = re.compile(
    r"\b(?:as|being|i\s+am|i['’]m)\s+(?:(?:only|just|merely|really|simply|actually|an?|the|your|here\s+as)\s+)*"
    r"(?:\w+\s+)?"
    r"(?:ai|a\.i\.|artificial\s+intelligence|language\s+model|chat-?\s?bot|bot|computer\s+program|program|software|"
    r"machine|virtual\s+assistant|assistant)\b|\bi\s+(?:just\s+|only\s+)*(?:pretend|role-?\s?play)\b|"
    r"\b(?:i\s+am|i['’]m)\s+not\s+(?:really|actually)\s+an?\b",
    re.IGNORECASE,
)
_CALLED: Final = re.compile(
    r"\b(?:[Ii]\s+am|[Ii]['’]m|[Mm]y\s+name\s+is)\s+(?P<name>[A-Z][\w-]*(?:\s+[A-Z][\w-]*)*)\b(?!['’])"
)
_FIRST: Final = re.compile(r"\b(?:I|my|me|mine|myself)\b", re.IGNORECASE)
_IT: Final = re.compile(r"Its?\b")


def in_role(role: Role, drafts: Sequence[str], embedder: Embedder) -> list[float | None]:
    """Return per draft the probability that it is in the role, all drafts encoded together.

    None for a role that sets no character, and for an abstention, which is the system's own sentence.
    """
    own = [turn.text for turn in role.opening if turn.role == "assistant"] + [t for t in (role.style, role.about) if t]
    if not (role.opening or role.style or role.subject):
        return [None] * len(drafts)
    judged = [draft for draft in dict.fromkeys(drafts) if draft.strip() and not is_abstention(draft)]
    if role.subject:
        found = {draft: _voice(draft, role.subject) for draft in judged}
    else:
        vectors = embedder.encode([*own, *judged])
        near = (vectors[len(own) :] @ vectors[: len(own)].T).max(axis=1)
        found = {draft: 1 / (1 + exp(-SLOPE * (float(c) - TONE))) for draft, c in zip(judged, near, strict=True)}
    found |= {draft: BROKEN for draft in judged if _another(draft, role)}
    return [found.get(draft) for draft in drafts]


def _another(draft: str, role: Role) -> bool:
    """Whether a draft says that it is a machine, plays a part, or goes by another name."""
    known = f"{role.name} {role.subject}".casefold()
    return bool(_MACHINE.search(draft)) or any(
        match["name"].casefold() not in known for match in _CALLED.finditer(draft)
    )


def _voice(draft: str, subject: str) -> float:
    """How a subject's draft speaks, the mean over its sentences: as I, of other things, or of itself by name."""
    names = re.compile(rf"\b(?:{'|'.join(map(re.escape, {subject, subject.rsplit(maxsplit=1)[-1]}))})\b")
    values = []
    for start, end in sentences(draft):
        text = draft[start:end]
        own = bool(_FIRST.search(text)) and names.search(in_third_person(text, subject))
        if own:
            values.append(OF_ITSELF)
        else:
            values.append(NAMED if names.search(text) else OF_IT if _IT.match(text) else OF_OTHERS)
    return sum(values) / len(values) if values else OF_OTHERS
