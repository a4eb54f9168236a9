"""What drafts say put before the guard: whole and, so that nothing hides behind a true sentence, sentence by sentence.

What the user's own documents say word for word has to be worse to be dropped. A link that no source holds is dropped by
itself. Knows nothing of claims or scores.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

from dialogue.screen import quotes
from dialogue.types import Drafted, Reply
from retrieval.text import sentences
from retrieval.types import Evidence
from safety.types import Stage, Verdict

Check = Callable[[Sequence[str], Stage], list[Verdict]]
Mask = Callable[[str, str], str]  # a reply and what was asked, to the reply as it may be shown

STRANGE_LINK: Final = "a link that no source holds"

_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+|\b[\w-]+(?:\.[\w-]+)+/[^\s<>\"')\]]*", re.IGNORECASE)
_VERDICT = re.compile(r"^(?:Yes|No)[.:,] (?=\S)")


def vetted(
    check: Check, drafts: Sequence[str], evidence: Sequence[Evidence], own: Collection[str] = ()
) -> list[Verdict]:
    """Return the verdict on every draft: the worst of what the guard says of it and of its sentences.

    `own` are lines that come with the program, which are not doubted.
    """
    parts = [[] if draft in own else _parts(draft, evidence) for draft in drafts]
    verdicts: dict[tuple[str, Stage], Verdict] = {}
    for stage in ("candidate", "quotation"):
        texts = list(dict.fromkeys(text for row in parts for text, at in row if at == stage))
        found = check(texts, stage) if texts else []
        verdicts |= {(text, stage): verdict for text, verdict in zip(texts, found, strict=True)}
    made = []
    for draft, row in zip(drafts, parts, strict=True):
        if strange := strange_links(draft, evidence):
            made.append(Verdict(False, 1.0, "solicitation", f"{STRANGE_LINK}: “{strange[0]}”", "drop", flagged=True))
        else:
            made.append(max((verdicts[part] for part in row), key=_worse, default=Verdict(True, 0.0)))
    return made


def strange_links(draft: str, evidence: Sequence[Evidence]) -> list[str]:
    """Return the links in a draft that stand in no source and lead to none."""
    links = [link.rstrip(".,;:!?") for link in _LINK.findall(draft)]
    held = [f"{item.passage.text}\n{item.passage.source}".casefold() for item in evidence] if links else []
    return [link for link in links if not any(link.casefold() in text for text in held)]


def shown(reply: Reply, mask: Mask, asked: str) -> Reply:
    """Return the reply with what it must not show masked, in its text and in its quotes."""
    citations = tuple(replace(citation, quote=mask(citation.quote, asked)) for citation in reply.citations)
    return replace(reply, text=mask(reply.text, asked), citations=citations)


def covered(draft: Drafted, mask: Mask, asked: str) -> Drafted:
    """Return the draft with what it must not show masked; its claims, whose places it moves, are left out then."""
    text = mask(draft.text, asked)
    if text == draft.text or draft.candidate is None:
        return replace(draft, text=text)
    scores = replace(draft.candidate.scores, claims=())
    return replace(draft, text=text, candidate=replace(draft.candidate, text=text, scores=scores))


def _parts(draft: str, evidence: Sequence[Evidence]) -> list[tuple[str, Stage]]:
    """Return what is judged of a draft: the whole and each of its sentences, with the stage it is judged at.

    Where all that stands behind a yes or a no is quoted, so is the whole.
    """
    said = _VERDICT.sub("", draft)
    cut = [said[start:end] for start, end in sentences(said)]
    stages: list[Stage] = ["quotation" if quotes(text, evidence) else "candidate" for text in cut]
    whole: Stage = "quotation" if quotes(said, evidence) or set(stages) == {"quotation"} else "candidate"
    return [(said, whole), *(zip(cut, stages, strict=True) if len(cut) > 1 else ())]


def _worse(verdict: Verdict) -> tuple[bool, bool, bool, float]:
    return not verdict.safe, verdict.risk is None, verdict.flagged, verdict.risk or 0.0
