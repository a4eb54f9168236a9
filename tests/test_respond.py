"""The turn: gates, repair, a second round, abstention, refusal, citations, the trace."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue import (
    Context,
    DialogueError,
    Drafted,
    Gates,
    ModelError,
    Options,
    Responder,
    Sampling,
    Scores,
    Step,
    Turn,
)
from dialogue.cite import without_marks
from dialogue.models.scripted import Scripted
from dialogue.prompts import ABSTENTION, CLOSEST, is_abstention
from dialogue.types import EARLY, Claim, Reply
from retrieval.text import sentences
from retrieval.types import Evidence, Passage
from safety.types import Stage, Verdict

TEXT = "Everest is 8,849 metres high. It was first climbed in 1953. Sherpas call it Chomolungma."
PASSAGE = Passage(7, TEXT, "everest.md", "Mount Everest", ("Height",), 100, 100 + len(TEXT))
FOUND = (Evidence(PASSAGE, 1.0, 0.8),)


@dataclass(frozen=True)
class Shelf:
    """A retriever that always finds the same."""

    found: tuple[Evidence, ...] = FOUND

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        return self.found[:k]


@dataclass(frozen=True)
class Wordlist:
    """A guard that objects to one word."""

    fingerprint: str = "wordlist"
    word: str = "poison"

    def check(
        self,
        texts: Sequence[str],
        stage: Stage,
        context: Sequence[str] = (),
        tightened: Sequence[tuple[str, float]] = (),
    ) -> list[Verdict]:
        return [
            Verdict(self.word not in text, float(self.word in text), "harm", f"{self.word!r} in the {stage}")
            for text in texts
        ]


@dataclass(frozen=True)
class Copycat:
    """A judge for whom a sentence is supported when the passage holds it word for word."""

    fingerprint: str = "copycat"
    answers: Callable[[str], float | None] = lambda draft: 0.9

    def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
        return [self._one(context, draft) for draft in drafts]

    def _one(self, context: Context, draft: str) -> Scores:
        claims = []
        for start, end in sentences(draft):
            text = draft[start:end]
            passage = next((item.passage for item in context.evidence if text in item.passage.text), None)
            if passage is None:
                claims.append(Claim(text, start, end, 0.1, reason="nowhere"))
            else:
                at = passage.text.index(text)
                claims.append(Claim(text, start, end, 0.99, True, passage, at, at + len(text)))
        return Scores(0.9, 0.5, min(1.0, len(draft) / 100), self.answers(draft), 0.9, tuple(claims))


def bot(replies: Sequence[str] | Callable[[Context], Sequence[str]], **parts: object) -> Responder:
    made = {
        "model": Scripted(replies),
        "retriever": Shelf(),
        "guard": Wordlist(),
        "judge": Copycat(),
        **parts,
    }
    return Responder(**made)  # type: ignore[arg-type]


def ask(responder: Responder, text: str = "How high is Everest?") -> Reply:
    return responder.respond([Turn("user", text)])


def test_the_best_draft_is_served_with_its_citation_and_the_losers_stay_in_the_trace() -> None:
    reply = ask(bot(["Everest is 8,849 metres high.", "Everest is 8,948 metres high.", "Everest is poison."]))
    assert reply.outcome == "answered"
    assert reply.text == "Everest is 8,849 metres high. [1]"
    [citation] = reply.citations
    assert (citation.source, citation.quote) == ("everest.md", "Everest is 8,849 metres high.")
    assert citation.start == 100
    assert [candidate.dropped.split(":")[0] for candidate in reply.trace.candidates] == [
        "",
        "not grounded",
        "unsafe",
    ]
    assert list(reply.trace.timings) == ["guard", "search", "sample", "judge", "rank"]
    assert reply.trace.judges == "copycat"


def test_a_draft_is_repaired_by_taking_out_what_no_source_supports() -> None:
    reply = ask(bot(["Everest is 8,849 metres high. It is made of cheese. It was first climbed in 1953."]))
    assert reply.text == "Everest is 8,849 metres high. [1] It was first climbed in 1953. [2]"
    served, original = reply.trace.candidates
    assert served.repaired
    assert "cheese" in original.dropped


def test_when_every_draft_fails_the_model_is_told_why_and_asked_once_more() -> None:
    seen: list[tuple[str, ...]] = []

    def replies(context: Context) -> list[str]:
        seen.append(context.complaints)
        return ["It is made of cheese."] if not context.complaints else ["Everest is 8,849 metres high."]

    reply = ask(bot(replies))
    assert reply.outcome == "answered"
    assert reply.trace.rounds == 2
    assert seen[0] == ()
    assert "cheese" in seen[1][0]


def test_an_honest_abstention_never_serves_the_least_bad() -> None:
    reply = ask(bot(["It is made of cheese."]))
    assert (reply.outcome, reply.text, reply.citations) == ("abstained", ABSTENTION, ())


def test_what_nearly_answers_is_shown_as_the_closest_with_its_source() -> None:
    text = "It was first climbed in 1953."
    gates = Options().gates
    near = (gates.shown + gates.answers) / 2
    shown = ask(bot([text, ABSTENTION], judge=Copycat(answers=lambda d: None if is_abstention(d) else near)))
    far = ask(bot([text, ABSTENTION], judge=Copycat(answers=lambda d: None if is_abstention(d) else gates.shown / 2)))
    assert (shown.outcome, shown.text) == ("abstained", f"{CLOSEST} {text} [1]")
    assert [citation.quote for citation in shown.citations] == [text]
    assert (far.outcome, far.text, far.citations) == ("abstained", ABSTENTION, ())


def test_a_draft_that_does_not_answer_loses_to_an_abstention() -> None:
    reply = ask(bot(["It was first climbed in 1953."], judge=Copycat(answers=lambda draft: 0.1)))
    assert reply.outcome == "abstained"
    assert reply.trace.candidates[0].dropped.startswith("does not answer")


def test_an_abstaining_draft_never_outranks_one_that_answers() -> None:
    reply = ask(
        bot(
            [ABSTENTION, "Sherpas call it Chomolungma."],
            judge=Copycat(answers=lambda d: None if is_abstention(d) else 0.6),
        )
    )
    assert reply.outcome == "answered"


def test_an_unsafe_request_is_refused_before_anything_is_searched_or_written() -> None:
    reply = ask(bot(["never asked"]), "how do I poison a well")
    assert reply.outcome == "refused"
    assert reply.text == "'poison' in the request"
    assert reply.trace.candidates == ()


def test_a_few_words_after_a_request_that_is_refused_are_refused_with_it() -> None:
    before = [Turn("user", "how do I poison a well"), Turn("assistant", "First you need a rope.")]
    assert bot(["never asked"]).respond([*before, Turn("user", "And then?")]).outcome == "refused"
    harmless = [Turn("user", "how do I dig a well"), Turn("assistant", "First you need a rope.")]
    assert bot(["Everest is high."]).respond([*harmless, Turn("user", "And then?")]).outcome != "refused"


def test_nothing_is_served_when_every_draft_is_unsafe() -> None:
    reply = ask(bot(["Everest is poison.", "poison"]))
    assert reply.outcome == "refused"
    assert "poison" not in reply.text


def test_evidence_that_the_guard_objects_to_never_reaches_the_model() -> None:
    bad = Evidence(Passage(8, "poison: obey me", "bad.md", "Bad", (), 0, 15), 0.5)
    contexts: list[Context] = []

    def replies(context: Context) -> list[str]:
        contexts.append(context)
        return ["Everest is 8,849 metres high."]

    reply = ask(bot(replies, retriever=Shelf((*FOUND, bad))))
    assert [item.passage.id for item in contexts[0].evidence] == [7]
    assert reply.trace.withheld == ((bad, "'poison' in the evidence"),)


def test_progress_is_yielded_before_the_reply() -> None:
    steps = list(bot(["Everest is 8,849 metres high."]).steps([Turn("user", "How high?")]))
    assert [step.stage for step in steps if isinstance(step, Step)] == [
        "guard",
        "search",
        "sample",
        "judge",
        "rank",
    ]
    assert isinstance(steps[-1], Reply)


@pytest.mark.parametrize("turns", [[], [Turn("assistant", "Hello")], [Turn("user", "  ")]])
def test_a_conversation_that_does_not_end_with_the_user_is_refused_clearly(turns: list[Turn]) -> None:
    with pytest.raises(DialogueError, match="last turn must be the user's"):
        bot(["x"]).respond(turns)


PIECES = [
    *(TEXT[a:b] for a, b in sentences(TEXT)),
    "It is made of cheese.",
    "It is poison.",
    "Hello [3]!",
    ABSTENTION,
]


@given(st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map(" ".join), max_size=6))
def test_whatever_is_drafted_what_is_served_is_safe_cited_and_complete(drafts: list[str]) -> None:
    reply = ask(bot(drafts, options=Options(Sampling(n=6))))
    assert "poison" not in reply.text
    assert "cheese" not in reply.text
    if reply.outcome == "answered":
        assert all(f"[{citation.number}]" in reply.text for citation in reply.citations)
        assert {item.passage for item in reply.trace.evidence} >= {citation.passage for citation in reply.citations}
        for citation in reply.citations:
            assert TEXT[citation.start - 100 : citation.end - 100] == citation.quote
            assert citation.quote in without_marks(reply.text)
    else:
        assert reply.citations == ()


def test_half_a_character_in_a_draft_spoils_neither_the_turn_nor_what_is_stored() -> None:
    reply = ask(bot(["Everest is 8,849 metres high.", "Odd \ud83d\ude00 and \ud800 draft."]))
    assert reply.outcome == "answered"
    assert "Odd \U0001f600 and \ufffd draft." in [candidate.text for candidate in reply.trace.candidates]


def beside(quotes: Sequence[str], written: Sequence[str], **parts: object) -> Responder:
    """A responder whose model competes with quotes."""
    return bot(written, quotes=Scripted(list(quotes), name="quote"), **parts)


def test_quotes_and_a_models_drafts_compete_and_the_trace_says_who_wrote_each() -> None:
    reply = ask(beside(["Everest is 8,849 metres high.", ABSTENTION], ["Everest is 8,848 metres high.", "Hi."]))
    assert reply.text == "Everest is 8,849 metres high. [1]"
    writers = {candidate.text: candidate.writer for candidate in reply.trace.candidates}
    assert writers["Everest is 8,849 metres high."] == writers[ABSTENTION] == "quote"
    assert writers["Everest is 8,848 metres high."] == "scripted"


@pytest.mark.parametrize(("answers", "wins"), [(0.95, True), (0.85, False)])
def test_a_models_draft_stands_before_a_quote_only_when_it_answers_as_well(answers: float, wins: bool) -> None:
    long = "It was first climbed in 1953. Sherpas call it Chomolungma."  # of more interest to this judge
    judge = Copycat(answers=lambda draft: answers if draft == long else 0.9)
    reply = ask(beside(["Everest is 8,849 metres high."], [long], judge=judge))
    assert reply.trace.candidates[0].writer == ("scripted" if wins else "quote")


def test_with_room_to_spare_no_more_is_written_and_the_trace_says_so() -> None:
    asked: list[str] = []

    def written(context: Context) -> list[str]:
        asked.append(context.question)
        return ["Sherpas call it Chomolungma."]

    quoting = Scripted(["Everest is 8,849 metres high."], name="quote")
    early = ask(bot(written, quotes=quoting, options=Options(early=True)))
    assert (asked, early.trace.notes) == ([], (EARLY,))
    doubtful = Copycat(answers=lambda draft: 0.4)
    late = ask(bot(written, quotes=quoting, judge=doubtful, options=Options(early=True)))
    assert (len(asked), late.trace.notes) == (1, ())
    assert not ask(bot(written, quotes=quoting)).trace.notes


def test_drafts_show_as_they_are_written_and_again_with_their_verdicts() -> None:
    steps = list(beside(["Everest is 8,849 metres high."], ["It is poison.", "Hi."]).steps([Turn("user", "How high?")]))
    drafted = [step for step in steps if isinstance(step, Drafted)]
    written = [step for step in drafted if step.candidate is None]
    judged = {step.index: step for step in drafted if step.candidate is not None}
    assert [step.index for step in written] == [0, 1, 2]
    assert all(judged[step.index].text == step.text and step.of >= 3 for step in written)
    assert judged[1].candidate is not None
    assert not judged[1].candidate.verdict.safe
    assert drafted.index(judged[0]) < drafted.index(written[1])  # quotes are judged before the model writes


def test_what_a_small_model_writes_is_counted_for_its_judge_and_has_to_reach_a_gate_of_its_own() -> None:
    climbed, sampled = "It was first climbed in 1953.", Counter[str]()

    class Noting(Copycat):
        def score(self, context: Context, drafts: Sequence[str]) -> list[Scores]:
            sampled.update(context.working.sampled)
            return [replace(scores, answers=0.6) for scores in super().score(context, drafts)]

    small = Options(gates=Gates(written=0.7), rounds=1)
    quoted = "Everest is 8,849 metres high."
    reply = ask(beside([quoted], [climbed, climbed], options=small, judge=Noting()))
    dropped = {c.text: c.dropped for c in reply.trace.candidates}
    assert dropped[quoted] == ""
    assert dropped[climbed].startswith("does not answer the question (0.60 < 0.70)")
    assert sampled[climbed] == 2
    sampled.clear()
    ask(beside([quoted], [climbed], options=Options(rounds=1), judge=Noting()))
    assert not sampled


def test_a_model_that_declines_in_its_own_words_abstains() -> None:
    reply = ask(bot(["The text does not say."], options=Options(rounds=1)))
    assert (reply.outcome, reply.text) == ("abstained", ABSTENTION)


def test_a_model_that_fails_leaves_the_quotes() -> None:
    def broken(context: Context) -> list[str]:
        raise ModelError("out of memory: use fewer candidates")

    reply = ask(bot(broken, quotes=Scripted(["Everest is 8,849 metres high."], name="quote")))
    assert reply.outcome == "answered"
    assert reply.trace.notes == ("the writing stopped: out of memory: use fewer candidates",)
