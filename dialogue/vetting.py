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

DOUBT: Final = 0.3  # the risk of a request from which what is quoted in answer to it may be less risky
SHARE: Final = 0.65  # of the usual threshold of a quotation, which it may reach then
MISREAD: Final = 0.7  # the risk at which a follow-up is refused as it is understood, which may be misunderstood
STRANGE_LINK: Final = "a link that no source holds"

_LINK = re.compile(
    r"(?:https?://|www\.)[^\s<>\"')\]]+|\b[\w-]+(?:\.[\w-]+)+/[^\s<>\"')\]]*|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|"
    r"(?<![\w.@/-])(?-i:[a-z0-9-]{2,}(?:\.[a-z0-9-]{2,})*\.[a-z]{2,24})(?![\w(@/-]|\.\w)",  # a bare name: no "Mr.Smith"
    re.IGNORECASE,
)
_VERDICT = re.compile(r"^(?:Yes|No)[.:,] (?=\S)")


def doubts(*asked: Verdict) -> tuple[str, ...]:
    """Return the objectives by which a request is doubtful, though it was let pass."""
    return tuple(dict.fromkeys(name for verdict in asked for name, risk in verdict.risks if risk >= DOUBT))


def refused(understood: Verdict) -> bool:
    """Say whether a follow-up, made to stand alone, is one to refuse."""
    return not understood.safe and (understood.risk is None or understood.risk >= MISREAD)


def vetted(
    check: Check, drafts: Sequence[str], evidence: Sequence[Evidence], own: Collection[str] = (), asked: str = ""
) -> list[Verdict]:
    """Return the verdict on every draft: the worst of what the guard says of it and of its sentences.

    `own` are lines that come with the program, which are not doubted. Links that were `asked` about are not strange.
    """
    parts = [[] if draft in own else _parts(draft, evidence) for draft in drafts]
    verdicts: dict[tuple[str, Stage], Verdict] = {}
    for stage in ("candidate", "quotation"):
        texts = list(dict.fromkeys(text for row in parts for text, at in row if at == stage))
        found = check(texts, stage) if texts else []
        verdicts |= {(text, stage): verdict for text, verdict in zip(texts, found, strict=True)}
    made = []
    for draft, row in zip(drafts, parts, strict=True):
        if strange := strange_links(draft, evidence, asked):
            made.append(Verdict(False, 1.0, "solicitation", f"{STRANGE_LINK}: “{strange[0]}”", "drop", flagged=True))
        else:
            made.append(max((verdicts[part] for part in row), key=_worse, default=Verdict(True, 0.0)))
    return made


def strange_links(draft: str, evidence: Sequence[Evidence], asked: str = "") -> list[str]:
    """Return the links, hosts and mail addresses in a draft that stand in no source and were not asked about."""
    links = [link.rstrip(".,;:!?") for link in _LINK.findall(draft)]
    held = [f"{item.passage.text}\n{item.passage.source}".casefold() for item in evidence] if links else []
    held.append(asked.casefold())
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
