"""Versions of one document: which is newer, and which one a question is given."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.types import Evidence, Passage
from retrieval.versions import BORN, Version, Versioned, dates, left_out, marks_of, version_of

OLD = version_of("fees-2021.md", "Fees of the pool (valid from 1 April 2021)")
NEW = version_of("fees-2024.md", "Fees of the pool (valid from 1 July 2024)")
OTHER = version_of("lockers.md", "Lockers of the pool")
FIRST, SECOND = version_of("rules-v1.docx", "Pool rules"), version_of("rules-v2.docx", "Pool rules")
BOTH = {OLD.source: 0.6, NEW.source: 0.4}


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (NEW, OLD),
        (SECOND, FIRST),
        (
            version_of("b.md", "Minutes of the choir, 4 May 2026"),
            version_of("a.md", "Minutes of the choir, 6 April 2026"),
        ),
        (version_of("leaflet.md", "Swimming", "This replaces the fees of the pool of 2021."), OLD),
        (version_of("a.md", "Dogs"), version_of("b.md", "Dogs", "These rules are no longer valid.")),
        (version_of("a/tariff_2023-02-01.pdf", "Tariff"), version_of("a/tariff_2022-12-31.pdf", "Tariff")),
    ],
)
def test_a_later_date_a_higher_number_or_its_own_word_makes_a_version_newer(newer: Version, older: Version) -> None:
    assert newer.newer(older)
    assert not older.newer(newer)


def test_documents_of_other_things_or_without_a_date_are_no_versions() -> None:
    plain = version_of("a/readme.md", "Read me"), version_of("b/readme.md", "Read me")
    pairs = [(NEW, OTHER), (OTHER, OLD), plain, plain[::-1], (NEW, SECOND)]
    assert not any(one.newer(other) for one, other in pairs)


@pytest.mark.parametrize(
    ("question", "gone"),
    [
        ("What does a season ticket cost?", OLD),
        ("What did a season ticket cost in 2021?", NEW),
        ("What does a season ticket cost in 2024?", OLD),
        ("What did the old fees say about children?", NEW),
        ("What was it in the previous version?", NEW),
    ],
)
def test_a_question_gets_the_newest_version_or_the_one_it_names(question: str, gone: Version) -> None:
    assert left_out(question, [OLD, OTHER, NEW], BOTH) == {gone.source}


def test_an_older_version_stays_where_the_newer_one_says_nothing_of_it() -> None:
    assert left_out("Who painted the hall?", [OLD, NEW], {OLD.source: 0.9, NEW.source: 0.01}) == set()


def test_a_version_number_in_a_question_is_one() -> None:
    assert left_out("What does rule 3 say in v1?", [FIRST, SECOND], {}) == {SECOND.source}


def test_dates_are_read_in_the_spellings_people_use() -> None:
    text = "2024-07-01, 1.7.2024, 1st July 2024, July 1, 2024, July 2024 and 2023; not 12024 or 3,2024 or v20.24"
    assert [date for date, _ in dates(text)] == [*[(2024, 7, 1)] * 4, (2024, 7), (2023,)]
    assert marks_of("minutes v1.2 of 3 May 2026") == {"2026", "2026-5", "2026-5-3", "v1.2"}


NAMES = st.sampled_from(["Fees", "Fees 2021", "Fees 2024", "Fees v2", "Fees, 3 May 2022", "Old fees", "Rules 2020", ""])


@given(NAMES, NAMES, NAMES)
def test_being_newer_is_an_order(first: str, second: str, third: str) -> None:
    a, b, c = (version_of(f"{number}.md", title) for number, title in enumerate((first, second, third)))
    assert not (a.newer(b) and b.newer(a))
    assert not (a.newer(b) and b.newer(c) and c.newer(a))


class Found:
    """A retriever that finds a passage of every version."""

    def search(self, queries: object, k: int, sources: object = ()) -> tuple[Evidence, ...]:
        return tuple(
            Evidence(Passage(n, "Text.", one.source, one.title, (), 0, 5), 1.0, None, 0.5)
            for n, one in enumerate((OLD, OTHER, NEW))
        )


def test_the_passages_of_a_version_that_gives_way_are_left_out() -> None:
    asked: list[list[str]] = []

    def openings(sources: list[str]) -> dict[str, str]:
        asked.append(list(sources))
        return {}

    found = Versioned(Found(), openings).search(["What does a ticket cost?"], 8)  # type: ignore[arg-type]
    assert [item.passage.source for item in found] == [OTHER.source, NEW.source]
    assert asked == [[OLD.source, OTHER.source, NEW.source]]


DAYS = ("2023-01-15", "2023-09-01", "2024-06-30")
JANUARY, SEPTEMBER, JUNE = (version_of(f"ferry-{day}.html", "Ferry notice") for day in DAYS)


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("What does a car cost?", JUNE),
        ("What did a car cost before 2024?", SEPTEMBER),
        ("What did a car cost until August 2023?", JANUARY),
        ("What did a car cost in May 2023?", JANUARY),
        ("What has a car cost since June 2024?", JUNE),
        ("What has a car cost since March?", JUNE),
        ("In the newest version, what does a car cost?", JUNE),
        ("What did a car cost in 2022?", JUNE),
    ],
)
def test_a_question_that_says_when_gets_the_newest_version_of_that_time(question: str, kept: Version) -> None:
    notices = [JANUARY, SEPTEMBER, JUNE]
    likely = {one.source: 0.5 for one in notices}
    assert left_out(question, notices, likely) == {one.source for one in notices} - {kept.source}


def test_a_line_below_the_title_or_the_file_dates_a_version_and_a_draft_is_older() -> None:
    draft = version_of("waste-draft.txt", "Waste calendar", "Draft of 4 January 2024\n\nPaper goes on Mondays.")
    final = version_of("waste-final.txt", "Waste calendar", "Final version of 20 February 2024\n\nPaper: Fridays.")
    assert (draft.date, final.date) == ((2024, 1, 4), (2024, 2, 20))
    assert final.newer(draft)
    assert version_of("rules-final.txt", "Rules").newer(version_of("rules-draft.txt", "Rules"))
    same = "The gates are shut at ten. Dogs are kept on a lead."
    old, new = (version_of(f"{n}.docx", "Park", f"{same}{BORN}{n}-02-03") for n in (2021, 2023))
    other = version_of("c.docx", "Park", f"Trees were felled and planted in the north.{BORN}2024-01-01")
    assert new.newer(old)
    assert not other.newer(new)
    assert version_of("a.txt", "Tides", "The flood of 3 May 2021 was the highest of all so far.").date == ()


def test_a_version_is_remarked_upon_beside_the_one_that_gave_way() -> None:
    found = Versioned(Found(), lambda sources: {}).search(["What does a ticket cost?"], 8)  # type: ignore[arg-type]
    assert [item.remark for item in found] == ["", f"This is the newer version; an older one is “{OLD.source}”."]
    found = Versioned(Found(), lambda sources: {}).search(["What did it cost in 2021?"], 8)  # type: ignore[arg-type]
    assert f"There is a newer version: “{NEW.source}”." in [item.remark for item in found]


def test_of_meetings_the_later_is_given_and_is_no_newer_version() -> None:
    named = ("Minutes of the choir, 6 April 2026", "Minutes of the choir, 4 May 2026")
    found = [
        Evidence(Passage(place, "The next meeting is soon.", title, title, (), 0, 25), 0.5, probability=0.8)
        for place, title in enumerate(named)
    ]

    class Both:
        def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
            return tuple(found)

    [kept] = Versioned(Both(), lambda sources: {}).search(["When is the next meeting?"], 4)
    assert kept.passage.title == named[1]
    assert not kept.remark
