"""What every Retriever has to do, whatever it searches with. Each check takes a maker of retrievers."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from retrieval.types import Evidence, Passage, Retriever

Make = Callable[[Sequence[Passage]], Retriever]

TEXTS = (
    "The octopus has three hearts and blue blood.",
    "Mount Everest is the highest mountain above sea level.",
    "Chocolate is made from the seeds of the cacao tree.",
    "The ENIAC was an early electronic computer built in Philadelphia.",
    "Emperor penguins breed during the Antarctic winter.",
    "the OCTOPUS has  three hearts and blue blood.",
)


def passages(texts: Sequence[str] = TEXTS) -> list[Passage]:
    return [Passage(10 + row, text, f"{row}.txt", f"Note {row}", (), 0, len(text)) for row, text in enumerate(texts)]


def sources(found: Sequence[Evidence]) -> list[str]:
    return [item.passage.source for item in found]


def finds_the_passage_that_answers(make: Make) -> None:
    retriever = make(passages())
    assert sources(retriever.search(["What is the highest mountain?"], 1)) == ["1.txt"]
    assert sources(retriever.search(["Where was the ENIAC built?"], 1)) == ["3.txt"]


def a_single_string_is_one_query_and_one_pattern(make: Make) -> None:
    retriever = make(passages())
    query = "What is the highest mountain?"
    assert sources(retriever.search(query, 3)) == sources(retriever.search([query], 3))
    assert sources(retriever.search([query], 3, sources="[34].txt")) == sources(
        retriever.search([query], 3, sources=["[34].txt"])
    )
    assert set(sources(retriever.search(query, 3, sources="[34].txt"))) <= {"3.txt", "4.txt"}


def a_text_finds_itself_first(make: Make) -> None:
    retriever = make(passages())
    for passage in passages()[:5]:
        [best] = retriever.search([passage.text], 1)
        assert best.passage.text.casefold().split() == passage.text.casefold().split()


def evidence_is_ordered_distinct_and_bounded(make: Make) -> None:
    retriever = make(passages())
    for k in (1, 2, 5, 50):
        found = retriever.search(["three hearts", "cacao seeds"], k)
        assert 0 < len(found) <= k
        plain = [item.score for item in found if item.probability is None]  # what is read again is ordered anew
        assert plain == sorted(plain, reverse=True)
        texts = [" ".join(item.passage.text.casefold().split()) for item in found]
        assert len(set(texts)) == len(texts)
        assert all(item.similarity is None or -1.001 <= item.similarity <= 1.001 for item in found)
        assert all(item.passage in passages() for item in found)


def near_copies_are_shown_once_and_reports_that_differ_all(make: Make) -> None:
    text = "The stone bridge at Ulm was built by the guild of masons after the flood, and it carried {} carts a day."
    copy = text.format(90).replace("carts", "carts, each")
    retriever = make([replace(item, title="Ulm") for item in passages((text.format(90), copy, text.format(400)))])
    found = {item.passage.id for item in retriever.search(["How many carts did the bridge at Ulm carry?"], 3)}
    assert found in ({10, 12}, {11, 12})


def similarity_is_the_best_over_the_query_forms(make: Make) -> None:
    retriever = make(passages())
    forms = ["How many hearts has an octopus?", "animal circulation"]
    together = {item.passage.id: item.similarity for item in retriever.search(forms, 50)}
    for form in forms:
        for item in retriever.search([form], 50):
            both = together[item.passage.id]
            assert item.similarity is None or (both is not None and both >= item.similarity - 1e-4)


def the_order_of_the_query_forms_does_not_matter(make: Make) -> None:
    retriever = make(passages())
    forms = ["penguins in winter", "computer history", "chocolate"]
    assert sources(retriever.search(forms, 5)) == sources(retriever.search(forms[::-1], 5))


def nothing_to_search_gives_nothing(make: Make) -> None:
    assert make([]).search(["anything"], 5) == ()
    retriever = make(passages())
    assert retriever.search([], 5) == ()
    assert retriever.search(["", " \n"], 5) == ()
    assert retriever.search(["octopus"], 0) == ()


def sources_restrict_what_is_found_and_cost_no_recall(make: Make) -> None:
    others = [f"Mount Everest is high, says climber number {n}." for n in range(200)]
    items = passages([*others, "The octopus has three hearts.", "Cacao seeds are fermented."])
    items = [replace(item, source=f"Notes/{item.source}") if item.id >= 210 else item for item in items]
    retriever = make(items)
    query = ["How high is Mount Everest?"]
    assert sorted(sources(retriever.search(query, 4, sources=["notes/*.txt"]))) == ["Notes/200.txt", "Notes/201.txt"]
    assert sources(retriever.search(query, 4, sources=["*/200.txt", "nowhere"])) == ["Notes/200.txt"]
    assert retriever.search(query, 4, sources=["nowhere"]) == ()
    assert len(retriever.search(query, 4, sources=["*.txt"])) == 4
    assert retriever.search(query, 4, sources=["*"]) == retriever.search(query, 4)


def any_text_may_be_asked(make: Make) -> None:
    retriever = make(passages())
    for query in ("\ud800 octopus", "a\0b", '(("', "😀" * 50, "why " * 10_000, "AND OR NOT"):
        assert len(retriever.search([query], 2)) <= 2


CHECKS = (
    finds_the_passage_that_answers,
    a_single_string_is_one_query_and_one_pattern,
    a_text_finds_itself_first,
    evidence_is_ordered_distinct_and_bounded,
    near_copies_are_shown_once_and_reports_that_differ_all,
    similarity_is_the_best_over_the_query_forms,
    the_order_of_the_query_forms_does_not_matter,
    nothing_to_search_gives_nothing,
    sources_restrict_what_is_found_and_cost_no_recall,
    any_text_may_be_asked,
)
ORDERED = (the_order_of_the_query_forms_does_not_matter,)  # not asked of what reads the passages after the first form
