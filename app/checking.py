"""A text judged against evidence without anything being generated: given texts, or what the library holds on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from app.errors import InputError
from dialogue.types import Claim, Context, Turn
from retrieval.text import clean, each, sentences
from retrieval.types import Evidence, Passage

if TYPE_CHECKING:
    from dialogue.respond import Responder
    from dialogue.types import Judge

MOST_SENTENCES: Final = 100  # that are looked up in the library
FOUND: Final = 4  # passages looked at for each


def judged(claims: Sequence[Claim]) -> dict[str, Any]:
    """Return the one document that says how claims were judged.

    `supported` is None where nothing is claimed about the world.
    """
    about = [claim for claim in claims if claim.support is not None]
    return {"supported": all(claim.supported for claim in about) if about else None, "claims": list(claims)}


def claims_of(judge: "Judge", text: str, evidence: str | Sequence[str], question: str = "") -> tuple[Claim, ...]:
    """Return the sentences of a checked message, each judged against the evidence, one text or many.

    `question` is what the text answers, where that is known.
    """
    cleaned = [clean(item) for item in each(evidence)]
    found = tuple(
        Evidence(Passage(number, item, f"evidence {number}", "", (), 0, len(item)), 1.0)
        for number, item in enumerate(cleaned, start=1)
        if item.strip()
    )
    return _scored(judge, text, found, question)


def claims_in_library(responder: "Responder", text: str, question: str = "") -> tuple[Claim, ...]:
    """Return the sentences of a checked message, each judged against what the documents say on any of them.

    Raises InputError for more sentences than are looked up, RetrievalError.
    """
    cut = [text[start:end] for start, end in sentences(text)]
    if len(cut) > MOST_SENTENCES:
        raise InputError(f"the text has {len(cut)} sentences, the limit is {MOST_SENTENCES}: check it in parts")
    found = {item.passage.id: item for one in cut for item in responder.retriever.search([one], FOUND)}
    return _scored(responder.judge, text, tuple(found.values()), question)


def _scored(judge: "Judge", text: str, found: tuple[Evidence, ...], question: str) -> tuple[Claim, ...]:
    asked = question or text
    return judge.score(Context((Turn("user", asked),), asked, found, only="grounded"), [text])[0].claims
