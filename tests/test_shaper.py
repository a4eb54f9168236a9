"""Drafts that answer questions of certain shapes, on the real encoder and reader."""

from collections.abc import Sequence
from datetime import date

import pytest

from dialogue.judges.embedded import EmbeddedJudge, load_judge
from dialogue.judges.grounding import PUT_IN
from dialogue.prompts import nothing_on
from dialogue.shapes.shaper import Shaper, load_shaper
from dialogue.types import Context, Turn
from dialogue.units import asks_in_passing, joined, units, with_lead
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from retrieval.types import Evidence, Passage

TEXTS = {
    ("Locks", ()): (
        "The lock at Orrin Ferry was dug by Peder Holm. It was opened in 1852. It is 4 metres deep.\n\n"
        "The lock at Tarff was dug by Agnes Bell. It was opened in 1861. It is 6 metres deep."
    ),
    ("Lamps", ()): (
        "The Vireo weighs 1.2 kilograms and has a battery life of 9 hours. The Vireo costs 39 euros.\n\n"
        "The Wren weighs 1.6 kilograms and has a battery life of 14 hours. The Wren costs 64 euros."
    ),
    ("Summer camp", ("What to bring",)): (
        "Please bring:\na sleeping bag\na head torch\nrubber boots with thick soles\na signed health form"
    ),
    (
        "Baths",
        (),
    ): "The outdoor pool is heated from May to September. The cafe on the roof was opened in 2015 by Rina Dell.",
}
CHAT = (
    "[11/07/2026, 18:01] Petra: who has the key to the shed\n[11/07/2026, 18:03] Olaf: Ingrid has it\n"
    "[11/07/2026, 18:09] Petra: the ladder is at the smithy"
)


def passages() -> list[Passage]:
    return [
        Passage(number, text, f"{title}.md", title, headings, 0, len(text))
        for number, ((title, headings), text) in enumerate(TEXTS.items(), 1)
    ]


@pytest.fixture(scope="module")
def shaper(passage_reader: PassageReader) -> Shaper:
    made = load_shaper(passage_reader)
    return Shaper(made.scorer, made.neighbours, lambda: date(2026, 11, 29))


@pytest.fixture(scope="module")
def judge(encoder: Encoder, passage_reader: PassageReader) -> EmbeddedJudge:
    return load_judge(encoder, passage_reader)


def shaped(shaper: Shaper, question: str, found: Sequence[Passage] | None = None) -> Context:
    evidence = tuple(Evidence(passage, 1.0) for passage in (passages() if found is None else found))
    context = Context((Turn("user", question),), question, evidence)
    plan = shaper.plan(question)
    return shaper.shaped(context, plan, [evidence] * len(plan.parts) if plan else ())


def drafts(context: Context) -> list[str]:
    return [draft for draft, _ in context.shaped]


def test_each_part_is_answered_by_its_own_unit_with_the_subject_put_in(shaper: Shaper) -> None:
    context = shaped(shaper, "When was the lock at Tarff opened and how deep is it?")
    assert drafts(context)[0] == "The lock at Tarff was opened in 1861. The lock at Tarff is 6 metres deep."
    assert len(context.parts) == 2


def test_a_subject_put_in_is_supported_by_both_sentences_and_marked(judge: EmbeddedJudge) -> None:
    evidence = tuple(Evidence(passage, 1.0) for passage in passages())
    question = "How deep is the lock at Tarff?"
    said = "The lock at Tarff is 6 metres deep."
    [scores] = judge.score(Context((Turn("user", question),), question, evidence), [said])
    [claim] = scores.claims
    assert claim.supported
    assert claim.passage is not None
    quote = claim.passage.text[claim.quote_start : claim.quote_end]
    assert quote == "The lock at Tarff was dug by Agnes Bell. It was opened in 1861. It is 6 metres deep."
    assert claim.reason == PUT_IN


def test_a_part_is_read_as_it_was_typed_where_that_is_answered(shaper: Shaper) -> None:
    lines = "Chair: Fiona Ade\nSecretary: Paul Wren\nTreasurer: Mina Cole"
    board = Passage(1, lines, "board.md", "Board", (), 0, len(lines))
    context = shaped(shaper, "Who is the secretary and who is the treasurer?", [board])
    assert drafts(context)[0] == "Secretary: Paul Wren\nTreasurer: Mina Cole"
    assert context.parts == ("Who is the secretary?", "who is the treasurer?")


def test_a_part_without_an_answer_is_said_to_be_missing_and_wins(shaper: Shaper, judge: EmbeddedJudge) -> None:
    context = shaped(shaper, "How much does the Wren weigh and who designed it?")
    scores = dict(zip(drafts(context), judge.score(context, drafts(context)), strict=True))
    best = max(scores, key=lambda draft: scores[draft].answers or 0)
    assert best.startswith("The Wren weighs 1.6 kilograms")
    assert best.endswith(nothing_on(["who designed the Wren?"]))
    assert all(claim.supported or claim.support is None for claim in scores[best].claims)


def test_one_unit_that_answers_both_parts_is_quoted_once(shaper: Shaper) -> None:
    context = shaped(shaper, "How much does the Vireo weigh and what is its battery life?")
    assert drafts(context)[0] == "The Vireo weighs 1.2 kilograms and has a battery life of 9 hours."


def test_a_comparison_is_two_facts_and_the_calculator_s_verdict(shaper: Shaper, judge: EmbeddedJudge) -> None:
    context = shaped(shaper, "Which lock is deeper, Orrin Ferry or Tarff?")
    [draft] = drafts(context)
    assert draft.startswith("Tarff is deeper: 6 metres against 4 metres, a difference of 2 metres.")
    [scores] = judge.score(context, [draft])
    assert (scores.answers or 0) > 0.3
    sources = [claim.passage.source for claim in scores.claims if claim.passage]
    assert sources == ["calculator", "Locks.md", "Locks.md"]
    for claim in scores.claims:
        assert claim.passage is not None
        quote = claim.passage.text[claim.quote_start : claim.quote_end]
        assert all(figure in quote for figure in ("6", "4") if figure in claim.text)


def test_what_is_no_fact_of_both_is_compared_with_nothing(shaper: Shaper) -> None:
    context = shaped(shaper, "Which is heavier, the Vireo or the Finch?")
    assert not any(item.passage.kind == "tool" for item in context.evidence)


def test_a_fact_in_another_unit_is_worked_out(shaper: Shaper) -> None:
    [draft] = drafts(shaped(shaper, "How much does the Wren weigh in pounds?"))
    assert draft.startswith("1.6 kilograms is about 3.5 pounds. The Wren weighs 1.6 kilograms")


def test_how_long_ago_is_counted_to_today(shaper: Shaper) -> None:
    [draft] = drafts(shaped(shaper, "How long ago was the cafe on the roof opened?"))
    assert "From 2015 to 2026 it is 11 years." in draft


def test_a_list_is_whole_and_its_lines_are_judged_as_one(shaper: Shaper, judge: EmbeddedJudge) -> None:
    context = shaped(shaper, "What should I bring to the summer camp?")
    assert drafts(context) == [
        "a sleeping bag\n\na head torch\n\nrubber boots with thick soles\n\na signed health form"
    ]
    part = "a head torch"
    whole, single = judge.score(context, [drafts(context)[0], part])
    assert (whole.answers or 0) > (single.answers or 0)
    assert len(whole.claims) == 4
    assert all(claim.supported for claim in whole.claims)


def test_a_list_goes_on_in_the_passages_beside(passage_reader: PassageReader) -> None:
    texts = ["Mix flour and salt.\n\nAdd the water.", "Knead for ten minutes.\n\nBake for an hour."]
    cut = [Passage(n, text, "bread.md", "Rye bread", ("Steps",), 0, len(text)) for n, text in enumerate(texts, 1)]
    made = load_shaper(passage_reader, lambda ids: [passage for passage in cut if passage.id in ids])
    context = shaped(made, "What are the steps for rye bread?", cut[:1])
    assert drafts(context) == ["Mix flour and salt.\nAdd the water.\nKnead for ten minutes.\nBake for an hour."]
    assert [item.passage.id for item in context.evidence] == [1, 2]


def test_no_is_said_where_a_date_speaks_against_it(shaper: Shaper) -> None:
    [draft] = drafts(shaped(shaper, "Was the cafe on the roof opened in 2012?"))
    assert draft == "No: The cafe on the roof was opened in 2015 by Rina Dell."
    assert drafts(shaped(shaper, "Is the outdoor pool heated?"))[0].startswith("Yes. The outdoor pool is heated")
    assert not drafts(shaped(shaper, "Is there a tennis court on the roof?"))


def test_where_two_sources_disagree_neither_yes_nor_no_is_said(shaper: Shaper) -> None:
    texts = ["Dogs are allowed in the garden.", "Dogs are not allowed in the garden."]
    found = [Passage(n, text, f"{n}.md", "Rules", (), 0, len(text)) for n, text in enumerate(texts, 1)]
    assert not drafts(shaped(shaper, "Are dogs allowed in the garden?", found))
    assert drafts(shaped(shaper, "Are dogs allowed in the garden?", found[1:])) == [f"No: {texts[1]}"]


def test_a_plain_question_has_no_shape(shaper: Shaper) -> None:
    context = shaped(shaper, "Who opened the cafe on the roof?")
    assert context.shaped == ()
    assert context.parts == ()


def test_lines_of_a_chat_are_units_and_a_question_there_goes_with_the_answer() -> None:
    said = [offer.text for offer in units(Passage(1, CHAT, "chat.txt", "chat", (), 0, len(CHAT)))]
    first, second, third = CHAT.split("\n")
    assert said == [f"{first}\n{second}", third]
    assert asks_in_passing(first)
    assert not asks_in_passing(third)


def test_a_question_that_nobody_marked_goes_with_its_answer() -> None:
    text = "[03/02/2026, 09:12] Ida: morning. who has the ladder\n[03/02/2026, 09:15] Sam: it stands behind the shed"
    said = [offer.line for offer in units(Passage(1, text, "chat.txt", "", (), 0, len(text)))]
    assert said[-1].startswith("who has the ladder")
    assert said[-1].endswith("behind the shed")


def test_units_are_joined_without_saying_a_lead_twice() -> None:
    text = "The fee of the Heath hall is 98 euros. It is run by Tom. It has a stage."
    offers = units(Passage(1, text, "hall.md", "Hall", (), 0, len(text)))
    assert joined(offers[1:]) == text
    assert joined([offers[2], offers[2]]) == "The fee of the Heath hall is 98 euros. It has a stage."
    assert with_lead(offers[0]) == offers[0].text


HULDA = (
    ("Life", "Hulda Marr (1890 to 1974) was a painter of boats. She learnt from nobody."),
    (
        "Paintings",
        "Year: 1921 | Title: Ferrymen\nYear: 1927 | Title: Under the Ladder\nYear: 1933 | Title: The Salt Clock",
    ),
    ("Measures", "Easel: 2 metres\nBrush: 4 centimetres\nPalette: 30 centimetres"),
)


def of_hulda() -> list[Passage]:
    return [
        Passage(number, text, "marr.md", "Hulda Marr", (heading,), 0, len(text))
        for number, (heading, text) in enumerate(HULDA, 1)
    ]


def test_the_rows_under_the_heading_that_is_asked_for_are_listed(shaper: Shaper) -> None:
    [(draft, _)] = shaped(shaper, "Which paintings did Hulda Marr make?", of_hulda()).shaped
    assert [line.rpartition(": ")[2] for line in draft.splitlines()] == [
        "Ferrymen",
        "Under the Ladder",
        "The Salt Clock",
    ]


def test_a_list_of_something_else_in_the_same_document_is_not(shaper: Shaper) -> None:
    found = shaped(shaper, "Which prizes did Hulda Marr win?", of_hulda()).shaped
    assert not any("Easel" in draft or "Ferrymen" in draft for draft, _ in found)


def test_steps_that_state_something_are_steps(shaper: Shaper) -> None:
    steps = ("Check that the canopy is locked.", "Hook in the cable.", "Lift the wing.", "The pilot pulls the knob.")
    text = "\n\n".join(steps)
    page = Passage(1, text, "winch.md", "Winch launch", ("Steps",), 0, len(text))
    assert drafts(shaped(shaper, "What are the steps of a winch launch?", [page])) == ["\n".join(steps)]


def test_steps_are_given_whole_where_steps_are_asked_for(shaper: Shaper) -> None:
    text = "Pull the red lever.\nWait for the bell.\nOpen the hatch.\nWrite the time into the log."
    drill = Passage(1, text, "drill.md", "Drill of the watch", ("If the hatch sticks",), 0, len(text))
    for question in ("How do I open the hatch when it sticks, step by step?", "What are the steps to open the hatch?"):
        [draft] = drafts(shaped(shaper, question, [drill]))
        assert draft.splitlines()[0] == "Pull the red lever."
        assert draft.splitlines()[-1] == "Write the time into the log."


def test_all_things_of_a_kind_that_answer_are_quoted(shaper: Shaper) -> None:
    text = (
        "The Tarn Bridge was designed by Ada Quist and opened in 1906. It is made of steel.\n\n"
        "The Ford Bridge was also designed by Ada Quist and opened in 1913.\n\n"
        "The Mill Bridge was designed by Otto Brandt in 1920."
    )
    page = Passage(1, text, "bridges.md", "Bridges over the Lorn", (), 0, len(text))
    [draft] = drafts(shaped(shaper, "Which bridges did Ada Quist design?", [page]))
    assert "Tarn Bridge" in draft
    assert "Ford Bridge" in draft
    assert "Mill Bridge" not in draft


def test_rows_are_listed_by_the_column_that_is_asked_for_under_titles_that_say_the_rest(shaper: Shaper) -> None:
    rows = [f"Date: {day} June | Town: {town} | Hotel: {hotel}" for day, town, hotel in
            ((5, "Trier", "Pension Basalt"), (8, "Lugano", "Miravento"), (12, "Ljubljana", "Lipa"))]  # fmt: skip
    text = "\n".join(rows)
    tour = Passage(1, text, "tour.csv", "Tour of the choir", (), 0, len(text))
    [draft] = drafts(shaped(shaper, "Which towns are on the choir's tour?", [tour]))
    assert draft.splitlines() == rows
    assert not drafts(shaped(shaper, "Which towns do we leave before noon?", [tour]))
