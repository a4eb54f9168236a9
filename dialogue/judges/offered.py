"""What of the evidence a draft offers as its answer, and how far that answers a question of one part or of several."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from dialogue.antecedents import antecedent, put_in
from dialogue.judges.answers import Offer
from dialogue.judges.claims import bare
from dialogue.persona import in_third_person
from dialogue.prompts import nothing_on
from dialogue.types import Claim, Context
from dialogue.units import around
from retrieval.reading import Page, page_of
from retrieval.rows import is_cut
from retrieval.text import sentences

VERBOSE = 0.05  # what every further sentence costs a draft's probability of answering
PARTLY = 0.5  # what a draft is worth that says only a part of one that is whole, or is not one known to answer


@dataclass(frozen=True, slots=True)
class Offered:
    """What a draft offers, and which of these, by their places, only stand before others that lean on them."""

    offers: tuple[Offer, ...]
    leads: tuple[int, ...] = ()


def offered(draft: str, claims: Sequence[Claim], context: Context) -> Offered:
    """Return what the claims of a draft offer: lines that follow one another in a passage as one, none of a tool's
    where it was worked out from what the other claims say."""
    offers: list[Offer] = []
    leads: list[int] = []
    previous = None
    stated = [claim for claim in claims if claim.passage is None or claim.passage.kind != "tool"]
    for claim in (stated if context.parts else ()) or claims:
        offer = _offer(claim, context)
        if previous and offers and _is_line_after(draft, previous, claim):
            offers[-1] = Offer(offer.page, offers[-1].start, max(offer.end or 0, offers[-1].end or 0))
        elif offer not in offers:
            if offers and antecedent(offer.page.text, offer.start) == (offers[-1].start, offers[-1].end):
                leads.append(len(offers) - 1)
            offers.append(offer)
        previous = claim
    return Offered(tuple(offers), tuple(leads))


def answered(
    draft: str, row: Offered, context: Context, scores: Sequence[Mapping[Offer, float]], whole: Collection[Offer] = ()
) -> float | None:
    """Return the probability that a draft answers, None where it offers nothing.

    `scores` has the probability of each offer for the question, or for each of its parts; `whole` is what a draft
    offers that answers the question whole.
    """
    if not row.offers:
        return None
    of_parts = [[by_offer[offer] for offer in row.offers] for by_offer in scores]
    least = dict(context.shaped).get(draft)
    likeliest = max(range(len(row.offers)), key=lambda place: max(of_part[place] for of_part in of_parts))
    leads = len(row.leads) - (likeliest in row.leads)  # what only a likelier lead is in front of says too much
    free = leads if least is None else len(row.offers)
    said = _of_parts(draft, of_parts, context.parts, free) if context.parts else _any(of_parts[0], free)
    sure = any(least for _, least in context.shaped)
    if least or (least is not None and not sure):
        return max(said, least)
    best = row.offers[likeliest]
    contained = any(draft in text for text, _ in context.shaped)
    worked_out = bool(context.parts) and any(item.passage.kind == "tool" for item in context.evidence)
    lacking = best in whole and (worked_out or bool(set(whole) - set(row.offers)))
    return said * PARTLY if sure or contained or lacking else said


def _any(probabilities: Sequence[float], free: int) -> float:
    """The probability that a sentence answers, the second best counted by half; what says more has to earn it."""
    best, second = (*sorted(probabilities, reverse=True), 0.0)[:2]
    return max(0.0, 1 - (1 - best) * (1 - second / 2) - VERBOSE * max(0, len(probabilities) - 1 - free))


def _of_parts(draft: str, of_parts: Sequence[Sequence[float]], parts: Sequence[str], free: int) -> float:
    """The geometric mean over the parts that a draft does not say to lack, times their share; needless units cost."""
    lacking = _lacking(draft, parts)
    best = [max(row) for row, part in zip(of_parts, parts, strict=True) if part not in lacking]
    if not best:
        return 0.0
    useful = {row.index(max(row)) for row, part in zip(of_parts, parts, strict=True) if part not in lacking}
    needless = len(of_parts[0]) - free - len(useful)
    mean = prod(best) ** (1 / len(best))
    return max(0.0, float(mean) * len(best) / len(parts) - VERBOSE * max(0, needless))


def _lacking(draft: str, parts: Sequence[str]) -> set[str]:
    """The parts that a draft says that nothing was found on."""
    ending = draft[draft.rfind(nothing_on(()).split(" on ")[0]) :] if nothing_on(()).split(" on ")[0] in draft else ""
    return {part for part in parts if f"“{part.rstrip('?')}”" in ending}


def _is_line_after(draft: str, before: Claim, claim: Claim) -> bool:
    return (
        before.passage is not None
        and claim.passage is not None
        and before.passage.id == claim.passage.id
        and "\n" in draft[before.end : claim.start]
        and before.quote_end <= claim.quote_start
    )


def _offer(claim: Claim, context: Context) -> Offer:
    """Return what of its passage a claim quotes, of some cells of a row the row; one in other words is read by itself,
    under the passage's title."""
    subject = context.role.subject
    sentence = " ".join(claim.text.split())
    sentence = in_third_person(sentence, subject) if subject else sentence
    if claim.passage is None:
        return Offer(Page(sentence))
    page = page_of(claim.passage)
    quote = page.text[claim.quote_start : claim.quote_end]
    plain = " ".join(quote.split())
    if plain in (sentence, bare(sentence)) or is_cut(sentence, plain):
        return around(claim.passage, claim.quote_start, claim.quote_end)
    start = claim.quote_start + sentences(quote)[-1][0] if quote.strip() else claim.quote_start
    found = put_in(page.text, start)
    if found and found[1] in (sentence, bare(sentence)):
        return Offer(page, start, claim.quote_end)
    return Offer(Page(sentence, page.title))
