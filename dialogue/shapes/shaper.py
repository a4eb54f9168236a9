"""Answers to questions of certain shapes: several parts, comparisons, what is worked out from facts.

A plan is read from the question by its form; after the search it is carried out on the units of what was found. Each
draft quotes one unit for a part and, where something was worked out, says so as the calculator, which is evidence like
any other. The drafts compete with all others and pass the same judges.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from dialogue.judges.answers import AnswerScorer, Offer, load_answers
from dialogue.prompts import nothing_on
from dialogue.query import PLAIN
from dialogue.shapes.about import told_of, told_of_party
from dialogue.shapes.attendance import asks_who_came, who_came
from dialogue.shapes.compare import read_comparison
from dialogue.shapes.counted import asks_count, count_of, sized
from dialogue.shapes.derive import read_derivation
from dialogue.shapes.facts import Fact, facts, is_about, mentions, usable
from dialogue.shapes.labelled import labels, of_lines
from dialogue.shapes.left import asks_left, left_of
from dialogue.shapes.lists import (
    THINGS,
    Neighbours,
    answering,
    asked_for,
    asks_for_list,
    best_block,
    block_of,
    blocks,
    in_lines,
    kind_of,
    names_kind,
    noun_of,
    of_rows,
    things,
)
from dialogue.shapes.most import heads
from dialogue.shapes.most import stated as stated_of
from dialogue.shapes.most import things as things_of
from dialogue.shapes.parts import as_typed, split
from dialogue.shapes.plan import Plan
from dialogue.shapes.ranked import Worked, more_of_two, most_of_rows
from dialogue.shapes.rows import cells, rows_called, rows_of, rows_of_kind, rows_under
from dialogue.shapes.sums import asks_sum, sum_of
from dialogue.shapes.topic import topic
from dialogue.shapes.verdict import settled, statement, verdict
from dialogue.shapes.words import superlatives
from dialogue.shapes.working import LIKELY, SHOWN, each, rows_like, says_itself, won
from dialogue.talk import ASKING
from dialogue.types import Context
from dialogue.units import itself, joined, put_together, setting
from retrieval.text import sentences
from retrieval.tools.calculator import SOURCE
from retrieval.tools.toolset import stated
from retrieval.types import Evidence, Passage

if TYPE_CHECKING:
    from retrieval.reader import PassageReader

ENTIRE = 40  # passages of a document whose rows are counted
AROUND = 6  # passages before and after one that was found, among which things of its kind are looked for
SAID = 0.2  # the least probability that a sentence answers which says itself what is the most
LISTED = 0.4  # the least probability that a list answers whose headings say what the question does
CLEARLY = 0.9  # the same where the list bears the very label that is asked for
NEAREST = 5  # facts, the likeliest, that are looked at for a yes or no
CLEAR = 0.5  # the least probability that a sentence answers which says all that is asked, or otherwise
NEAR = 2.0  # how far the logit of its span may be from the best one's
ANSWERS = 0.28  # the probability of every part from which on nothing is said to be missing
SAME = 0.5  # the share of the best unit's probability from which one already quoted answers a part too

Search = Callable[[str], Sequence[Evidence]]


@dataclass(frozen=True)
class Shaper:
    """Reads a question's shape and makes drafts that answer it whole.

    `neighbours` returns passages by id, as far as they exist; `today` tells the date.
    """

    scorer: AnswerScorer
    neighbours: Neighbours = lambda ids: ()
    today: Callable[[], date] = date.today

    def plan(self, question: str) -> Plan | None:
        """Return how a question is answered from several facts, None for a plain one."""
        plan = read_comparison(question) or read_derivation(question, self.today)
        if plan is None and (parts := split(question)):
            plan = Plan(parts, typed=as_typed(question, parts))
        return plan

    def shaped(self, context: Context, plan: Plan | None, found: Sequence[Sequence[Evidence]] = ()) -> Context:
        """Return the context with what its question comes to: parts, drafts, and what was worked out as evidence.

        `found` has for each part of the plan what was found for it. Where nothing comes of it the context is as it was.
        """
        passages = [item.passage for item in context.evidence if item.passage.kind == "document"]
        made = self._summed(context, passages)
        if plan is not None and not made.shaped:
            made = self._planned(context, plan, found)
        if made.shaped or (plan is not None and not plan.every):
            return made
        for asks, made_of in ((asks_left, self._left), (asks_count, self._counted)):
            if asks(context.query) and (made := made_of(context, passages)).shaped:
                return made
        if asks_who_came(context.query) or asks_for_list(context.query) or names_kind(context.query):
            listed = self._listed(context, passages)
            if listed.shaped:
                return listed
        party = context.intent == ASKING and told_of_party(self.scorer, context.query, passages)
        if context.intent == ASKING and (told := party or told_of(context.query, passages)):
            return replace(context, shaped=((joined(told), LISTED),))
        if claim := statement(context.query):
            return _judged(context, claim, facts(self.scorer, context.query, passages))
        return context

    def _planned(self, context: Context, plan: Plan, found: Sequence[Sequence[Evidence]]) -> Context:
        passages = [_screened(context, row) for row in found]
        ranked = [facts(self.scorer, part, row) for part, row in zip(plan.parts, passages, strict=True)]
        if plan.work is not None and (worked := self._worked(context, plan, ranked, passages)):
            priced = bool(plan.stated) and all(labels(plan.about[0], offer) for offer in worked[1])
            least = LISTED if plan.every or plan.most or priced else 0.0
            return replace(self._stating(context, worked, passages[0], least), parts=plan.parts)
        if len(plan.parts) < 2 or plan.kind == "derive":
            return context
        plan, ranked = self._as_meant(plan, ranked, passages)
        ranked = [_told(part, own, row) for part, own, row in zip(plan.parts, passages, ranked, strict=True)]
        sure = all(row and row[0].probability >= LISTED for row in ranked) and any(row[0].told for row in ranked)
        shaped = [(draft, LISTED if sure and not place else 0.0) for place, draft in enumerate(_combined(plan, ranked))]
        return replace(context, parts=plan.parts, shaped=tuple(shaped))

    def _as_meant(
        self, plan: Plan, ranked: Sequence[list[Fact]], passages: Sequence[Sequence[Passage]]
    ) -> tuple[Plan, list[list[Fact]]]:
        """The plan with each part read as it was typed where its passages answer that better, and the parts' facts."""
        parts, chosen = list(plan.parts), list(ranked)
        for place, typed in enumerate(plan.typed):
            row = facts(self.scorer, typed, passages[place]) if typed else []
            if row and row[0].probability > PLAIN + (ranked[place][0].probability if ranked[place] else 0.0):
                parts[place], chosen[place] = typed, row
        return replace(plan, parts=tuple(parts)), chosen

    def _stating(self, context: Context, worked: Worked, passages: Sequence[Passage], least: float) -> Context:
        """The context with what was worked out as evidence and, with what it is from, as a draft."""
        sentence, quoted = worked
        pieces = [sentence, joined(quoted)]  # what ends in a figure is a line of its own, or would not end there
        draft = "\n".join(pieces) if re.search(r"\d\.$", sentence) else put_together(pieces)
        evidence = (*self._also(context, quoted, passages), stated(sentence, SOURCE, "Calculator"))
        return replace(context, evidence=evidence, shaped=((draft, least),))

    def _counted(self, context: Context, passages: Sequence[Passage]) -> Context:
        """The context with how many there are of what its question asks for, where no source says so itself."""
        entire = self._entire(passages)
        worked = count_of(context.query, entire) if entire else None
        if worked is None:
            return context
        telling = facts(self.scorer, context.query, passages)[:1]
        if any(fact.probability >= ANSWERS and not cells(fact.offer.text) for fact in telling):
            return context
        return self._stating(context, worked, passages, LISTED)

    def _left(self, context: Context, passages: Sequence[Passage]) -> Context:
        """The context with what is left of what its question asks about, where that is from its likeliest facts."""
        worked = left_of(context.query, passages)
        if worked is None:
            return context
        nearest = facts(self.scorer, context.query, passages)[:NEAREST]
        sure = any(fact.offer in worked[1] and fact.probability >= LIKELY for fact in nearest)
        return self._stating(context, worked, passages, LISTED) if sure else context

    def _summed(self, context: Context, passages: Sequence[Passage]) -> Context:
        """The context with what a column of a table comes to over the rows that its question names."""
        worked = sum_of(context.query, self._entire(passages)) if asks_sum(context.query) else None
        return self._stating(context, worked, passages, LISTED) if worked else context

    def _entire(self, passages: Sequence[Passage]) -> list[Passage]:
        """The whole of the first few documents of which passages were found, without those that are long."""
        found: list[Passage] = []
        for source in list(dict.fromkeys(passage.source for passage in passages))[:NEAREST]:
            ids = [passage.id for passage in passages if passage.source == source]
            first, last = min(ids), max(ids)
            around = self.neighbours(range(first - ENTIRE, last + ENTIRE + 1)) if last - first < ENTIRE else ()
            own = {passage.id: passage for passage in around if passage.source == source}
            while last - first < ENTIRE and first - 1 in own:
                first -= 1
            while last - first < ENTIRE and last + 1 in own:
                last += 1
            if last - first < ENTIRE:
                found += [own[place] for place in range(first, last + 1) if place in own]
        return found

    def _worked(
        self, context: Context, plan: Plan, ranked: Sequence[list[Fact]], passages: Sequence[Sequence[Passage]]
    ) -> Worked | None:
        """What is worked out for a plan, with the units that are quoted for it: from rows, from things, from facts."""
        if plan.every and self._says_itself(context.query, plan.about[0], ranked[0]):
            return None
        documents = [item.passage for item in context.evidence if item.passage.kind == "document"]
        held = [*dict.fromkeys([passage for row in passages for passage in row] + documents)]
        whole = self._with_beside(held) if plan.most else []
        if plan.every:
            if (found := most_of_rows(plan, whole, self.today())) is not None:
                return found if found[0] else None
            worked = self._every(plan, ranked[0], passages[0])
            return (worked[0], _offers(worked[1])) if worked else None
        if says_itself(plan, ranked[0]):
            return None
        if (plan.kind == "compare" or plan.stated) and (lines := of_lines(plan, held)):
            return lines if lines[0] else None
        made = None if plan.most and plan.most.lasting else each(plan, ranked)
        return (made[0], _offers(made[1])) if made else more_of_two(plan, whole, self.today())

    def _every(self, plan: Plan, row: Sequence[Fact], passages: Sequence[Passage]) -> tuple[str, list[Fact]] | None:
        """What is worked out from all things of a kind, rows of a table or things that a document treats."""
        assert plan.work is not None
        if not plan.about[0]:
            return None
        rows = [fact for fact in row if cells(fact.offer.text)]
        worked = rows_like(plan, rows, passages)
        if worked:
            return worked
        whole = self._with_beside(passages)
        several = things_of(plan.about[0], whole, plan.count)
        large = plan.most is not None and plan.most.degree.measure == "size" and not plan.most.of
        made = (sized(several) if large and several else []) or stated_of(plan, several, self.scorer)
        sentence = plan.work([value for value, _ in made]) if len(made) > 1 else ""
        if not sentence:
            return None
        winner = [fact for value, fact in made if won(value.label, sentence)]
        return sentence, [fact for _, fact in made] if len(made) <= SHOWN else winner

    def _says_itself(self, question: str, noun: str, row: Sequence[Fact]) -> bool:
        """Whether a source says in so many words which of a kind is the most."""
        says = re.compile(rf"\b(?:{'|'.join(superlatives(question)) or '(?!)'})\b", re.IGNORECASE)
        saying = [f.offer for f in row if says.search(f.offer.text) and mentions(noun, setting(f.offer))]
        return bool(saying) and max(self.scorer.score(question, saying)) >= SAID

    def _with_beside(self, passages: Sequence[Passage]) -> list[Passage]:
        """Passages, then those before and after them, each once."""
        return [*{passage.id: passage for passage in (*passages, *self._beside(passages))}.values()]

    def _beside(self, passages: Sequence[Passage]) -> Sequence[Passage]:
        """The passages before and after those found, of the same documents."""
        sources = {passage.source for passage in passages}
        ids = {passage.id + step for passage in passages for step in range(-AROUND, AROUND + 1)}
        return [passage for passage in self.neighbours(sorted(ids)) if passage.source in sources]

    def _listed(self, context: Context, passages: Sequence[Passage]) -> Context:
        """The context with the list that its question asks for as a draft, or what there is of a kind."""
        came = who_came(context.query, self._entire(passages)) if asks_who_came(context.query) else None
        if came is not None:
            return _said_in_lines(context, came, least=CLEARLY) if came else context
        noun = kind_of(context.query)
        whole = self._with_beside(passages)
        rows = rows_of(context.query, whole) if rows_of(context.query, passages) else []
        listed = blocks(passages, self.neighbours)
        block = (
            of_rows(rows)
            or of_rows(rows_under(asked_for(context.query), whole))
            or best_block(self.scorer, context.query, listed)
            or of_rows(rows_of_kind(noun, whole))
            or of_rows(rows_called(noun_of(context.query), asked_for(context.query), whole))
        )
        if block is None:
            likeliest = facts(self.scorer, context.query, passages)
            if steps := block_of(context.query, listed, likeliest):
                return _said_in_lines(context, steps.lines, steps.more)
            several = heads(things_of(noun, whole)) if noun else []
            several = several if len(several) > 1 else things(context.query, likeliest)
            several = several if len(several) > 1 else answering(self.scorer, context.query, likeliest)
            if len(several) < 2:
                return context
            draft = in_lines([fact.text for fact in several[:THINGS]], max(0, len(several) - THINGS))
            evidence = self._also(context, [fact.offer for fact in several[:THINGS]], passages)
            return replace(context, evidence=evidence, shaped=((draft, LISTED),))
        return _said_in_lines(context, block.lines, block.more)

    def _also(self, context: Context, quoted: Sequence[Offer], found: Sequence[Passage]) -> tuple[Evidence, ...]:
        """The evidence with the passages beside what was found that are quoted from."""
        held = {item.passage.text for item in context.evidence}
        missing = {offer.page.text for offer in quoted} - held
        beside = self._beside(found) if missing else ()
        return (*context.evidence, *(Evidence(passage, 0.0) for passage in beside if passage.text in missing))


def _said_in_lines(
    context: Context, lines: Sequence[tuple[Passage, Offer]], more: int = 0, least: float = LISTED
) -> Context:
    """The context with lines as a draft, and the passages that they stand in as evidence."""
    held = {item.passage.id for item in context.evidence}
    beside = {passage.id: Evidence(passage, 0.0) for passage, _ in lines if passage.id not in held}
    draft = in_lines([offer.line for _, offer in lines], more)
    return replace(context, evidence=(*context.evidence, *beside.values()), shaped=((draft, least),))


def _offers(facts: Sequence[Fact]) -> list[Offer]:
    return [fact.offer for fact in facts]


def _screened(context: Context, found: Sequence[Evidence]) -> list[Passage]:
    """What the screening left of what was found: the evidence that lies where it was found, in its order."""
    left = [item.passage for item in context.evidence if item.passage.kind == "document"]
    return [
        passage
        for place in (item.passage for item in found)
        for passage in left
        if passage.source == place.source and place.start <= passage.start and passage.end <= place.end
    ]


def load_shaper(reader: "PassageReader", neighbours: Neighbours = lambda ids: ()) -> Shaper:
    """Return what reads shapes by the reader's word on passages. Raises RetrievalError."""
    return Shaper(load_answers(reader), neighbours)


def _judged(context: Context, claim: str, ranked: Sequence[Fact]) -> Context:
    """The context with the likeliest fact that says yes or no clearly as a draft, after that word.

    Where the source asks the same question, its own answer stands as it is.
    """
    nearest = [fact for fact in ranked if usable(fact)][:NEAREST]
    said = [(word, fact) for fact in nearest if (word := verdict(claim, itself(fact.offer), setting(fact.offer)))]
    if answers := [fact for fact in nearest if settled(claim, itself(fact.offer))]:
        return replace(context, shaped=((answers[0].text, CLEAR),))
    if len({word for word, _ in said}) != 1:  # nothing is clear, or two sources say otherwise
        return context
    word, fact = said[0]
    mark = ":" if word == "No" and len(sentences(fact.text)) == 1 else "."
    return replace(context, shaped=((f"{word}{mark} {fact.text}", CLEAR),))


def _told(part: str, passages: Sequence[Passage], row: list[Fact]) -> list[Fact]:
    """The facts of a part, first what is told of the thing that it asks about as a whole."""
    told = told_of(part, passages)[:1]
    return [*(Fact(offer, LISTED, (offer.start, offer.stop), told=True) for offer in told), *row]


def _combined(plan: Plan, ranked: Sequence[Sequence[Fact]]) -> tuple[str, ...]:
    """Drafts of the best unit of each part, and of fewer parts with what is missing said, the whole one first."""
    chosen: list[Fact | None] = []
    for place, row in enumerate(ranked):
        about = plan.about[place] if plan.about else ""
        able = [fact for fact in row if usable(fact) and (not about or is_about(about, fact))]
        thing = topic(plan.parts[place])
        if any(sign.isupper() or sign.isdigit() for sign in thing):  # of things named alike the one that is meant
            able = [f for f in able if f.probability >= LIKELY and is_about(thing, f, exactly=True)] or able
        best = able[0] if able else None
        taken = {fact.offer for fact in chosen if fact}
        again = next((fact for fact in able if fact.offer in taken), None)
        same = best and again and again.probability >= SAME * best.probability and again.logit >= best.logit - NEAR
        chosen.append(again if same else best)
    if all(fact and fact.probability >= ANSWERS for fact in chosen):
        return (joined([fact.offer for fact in chosen if fact]),)
    order = sorted(range(len(chosen)), key=lambda place: -(fact.probability if (fact := chosen[place]) else 0.0))
    drafts = []
    for count in range(len(order), 0, -1):
        kept = sorted(place for place in order[:count] if chosen[place])
        missing = [part for place, part in enumerate(plan.parts) if place not in kept]
        said = joined([fact.offer for place in kept if (fact := chosen[place])])
        if said:
            drafts.append(put_together([said, nothing_on(missing)]) if missing else said)
    return tuple(dict.fromkeys(drafts))
