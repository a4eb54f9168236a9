"""The calculator: exact sums, percentages, units and dates, and nothing for what is none."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bot import Bot, open_bot
from app.web.parts.sources import sources
from retrieval.encoder.embed import Encoder
from retrieval.tools.arithmetic import LONGEST, NoSum, NoValue, Number, work_out, written
from retrieval.tools.calculator import Calculator
from retrieval.tools.toolset import passage_id, stated
from retrieval.tools.units import convert, unit

TODAY = date(2026, 11, 21)
CALCULATOR = Calculator(lambda: TODAY)


def said(query: str) -> str:
    found = CALCULATOR.look_up(query)
    return found[0].passage.text if found else ""


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("What is 12 * 7?", "12 * 7 equals 84."),
        ("135+7721", "135 + 7721 equals 7856."),
        ("12*7=", "12 * 7 equals 84."),
        ("what’s 12 times 7", "12 * 7 equals 84."),
        ("please calculate (3+4)*2.5", "(3 + 4) * 2.5 equals 17.5."),
        ("what is 3 × 4 − 2", "3 * 4 - 2 equals 10."),
        ("What does 3 plus 4 equal?", "3 + 4 equals 7."),
        ("how much is 1,000 * 2", "1,000 * 2 equals 2000."),
        ("0.1 + 0.2", "0.1 + 0.2 equals 0.3."),
        ("1 / 3", "1 / 3 is about 0.333333333333."),
        ("2 to the power of 10", "2 ^ 10 equals 1024."),
        ("-2^2", "-2 ^ 2 equals -4."),
        ("2^3^2", "2 ^ 3 ^ 2 equals 512."),
        ("What is the square root of 16?", "sqrt 16 equals 4."),
        ("square root of 2", "sqrt 2 is about 1.41421356237."),
        ("what is 5 squared", "5 ^ 2 equals 25."),
        ("10 / 0", "10 / 0 is not defined, because nothing can be divided by zero."),
        ("What is 15% of 80?", "15% of 80 equals 12."),
        ("15 percent of 80", "15% of 80 equals 12."),
        ("80 + 15%", "80 + 15% equals 92."),
        ("100 - 10% - 10%", "100 - 10% - 10% equals 81."),
        ("20 is what percent of 80?", "20 is 25% of 80."),
        ("What percentage of 80 is 20?", "20 is 25% of 80."),
        ("calculate 24/7", "24 / 7 is about 3.42857142857."),
    ],
)
def test_sums_are_exact(query: str, answer: str) -> None:
    assert said(query) == answer


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("3 miles in km", "3 miles equals 4.828032 kilometres."),
        ("How many km is 3 miles?", "3 miles equals 4.828032 kilometres."),
        ("How many feet are in a mile?", "1 mile equals 5280 feet."),
        ("what is 20 degrees Celsius in Fahrenheit?", "20 degrees Celsius equals 68 degrees Fahrenheit."),
        ("convert 100 F to C", "100 degrees Fahrenheit is about 37.7777777778 degrees Celsius."),
        ("-40 °C to °F", "-40 degrees Celsius equals -40 degrees Fahrenheit."),
        ("what is 60 mph in km/h", "60 miles per hour equals 96.56064 kilometres per hour."),
        ("2 GB in MB", "2 gigabytes equals 2000 megabytes."),
        ("3 in in cm", "3 inches equals 7.62 centimetres."),
        ("100 cm in m", "100 centimetres equals 1 metre."),
        ("60 miles per hour in mph", "60 miles per hour equals 60 miles per hour."),
        ("how many days in a week", "1 week equals 7 days."),
    ],
)
def test_units_are_converted(query: str, answer: str) -> None:
    assert said(query) == answer


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("days between 3 May 2021 and 2024-02-29", "There are 1032 days between 3 May 2021 and 29 February 2024."),
        (
            "How many days are there between May 3, 2021 and today?",
            "There are 2028 days between 3 May 2021 and 21 November 2026.",
        ),
        ("what day was 14 July 1789", "14 July 1789 was a Tuesday."),
        ("What day of the week was the 14th of July 1789?", "14 July 1789 was a Tuesday."),
        ("90 days after today", "90 days after 21 November 2026 is Friday, 19 February 2027."),
        ("What date is 90 days from today?", "90 days after 21 November 2026 is Friday, 19 February 2027."),
        ("1 month after 31 January 2024", "1 month after 31 January 2024 is Thursday, 29 February 2024."),
        ("three weeks ago", "3 weeks before 21 November 2026 is Saturday, 31 October 2026."),
        ("What is today's date?", "Today is Saturday, 21 November 2026."),
        ("what day is tomorrow?", "Tomorrow will be Sunday, 22 November 2026."),
        (
            "how many weeks until 25 December 2026?",
            "There are 34 days between 21 November 2026 and 25 December 2026, which is 4 weeks and 6 days.",
        ),
    ],
)  # fmt: skip
def test_dates_are_reckoned_by_the_clock_that_is_given(query: str, answer: str) -> None:
    assert said(query) == answer


@pytest.mark.parametrize(
    "query",
    [
        *("", "   ", "42", "What is 42?", "1984", "2021-05-03", "555-1234", "9-11", "What is 9/11?", "What is 24/7?"),
        *("What is 4x4?", "GPT-4", "C++", "$5 + 3", "12 * 7 people", "2+2=5", "Is 2+2=5?", "802.11", "1.2.3 + 4"),
        *("What is Mount Everest?", "How many people live in Nepal?", "Who won the 2010 World Cup?", "5 kg in miles"),
        *("3/4/2021 in days", "What was the temperature in C?", "5 Mb in MB", "How long is 3 miles of wire?"),
        *("(" * 200, "1" * 10_000, "555-1234 " * 50, "1,2 + 3", "0^-1.5 + x", "1/0 + x", "10 / 0 people", "5 of 3"),
        *("42!", "2-0!", "5!!", "nan + 1", "inf * 2", "infinity - infinity", "calculate 1e999", "2023-13-01"),
        *("__import__('os').system('true') + 1", "1 + eval('1')", "lambda: 1 + 1", "1 if 2 else 3", "10 % 3"),
    ],
)
def test_what_is_no_sum_gives_nothing(query: str) -> None:
    assert said(query) == ""


LARGE = "is out of range: the calculator goes as far as numbers of some 1,200 digits."
READ = "is out of range: numbers are read from 10^-400 to 10^400."
CALENDAR = "is out of range: dates are worked out from 15 October 1582 to 31 December 9999."
BY_ZERO = "is not defined, because nothing can be divided by zero."


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("9**9**9", f"9 ^ 9 ^ 9 {LARGE}"),
        ("9^9^9^9", f"9 ^ 9 ^ 9 ^ 9 {LARGE}"),
        ("2^100000", f"2 ^ 100000 {LARGE}"),
        ("what is 2000!", f"2000! {LARGE}"),
        ("1e999 * 2", f"1e999 * 2 {READ}"),
        ("1e-999 + 1", f"1e-999 + 1 {READ}"),
        (f"1e{'9' * 30} + 1", f"1e{'9' * 30} + 1 {READ}"),
        ("1e999 miles to km", f"1e999 miles {READ}"),
        ("How many km is 1e9999 miles?", f"1e9999 miles {READ}"),
        ("1e999 is what percent of 5", f"1e999 as a percentage of 5 {READ}"),
        ("5 is what percent of 0", f"5 as a percentage of 0 {BY_ZERO}"),
        ("What is 10/0?", f"10 / 0 {BY_ZERO}"),
        ("5 / 0%", f"5 / 0% {BY_ZERO}"),
        ("0^-1", f"0 ^ -1 {BY_ZERO}"),
        ("sqrt(-1)", "sqrt(-1) has no real value, because nothing negative has a real square root."),
        ("√-16", "sqrt -16 has no real value, because nothing negative has a real square root."),
        (
            "(-8)^(1/3)",
            "(-8) ^ (1 / 3) is out of range: powers of negative numbers are worked out for whole exponents alone.",
        ),
        ("3.5! + 1", "3.5! + 1 is not defined, because only whole numbers from 0 have a factorial."),
        ("-300 C to F", "-300 degrees Celsius is below absolute zero, -273.15 degrees Celsius."),
        ("999999999999 days after today", f"999999999999 days after 21 November 2026 {CALENDAR}"),
        ("What date is 1e999 days from now?", f"1e999 days after 21 November 2026 {CALENDAR}"),
        ("a billion years ago", f"a billion years before 21 November 2026 {CALENDAR}"),
        ("1 day after 31 December 9999", f"1 day after 31 December 9999 {CALENDAR}"),
        ("2 centuries before 1 May 1600", f"2 centuries before 1 May 1600 {CALENDAR}"),
        ("what day was 3 March 1200", f"3 March 1200 {CALENDAR}"),
        ("what day was 15 March 44 BC", f"15 March 44 BC {CALENDAR}"),
        ("how many days until 99999-01-01", f"99999-01-01 {CALENDAR}"),
        ("days between 31 June 2020 and today", "31 June 2020 is no date: June 2020 has 30 days."),
        ("what day is 29 February 2023", "29 February 2023 is no date: February 2023 has 28 days."),
        ("what day was 2023-13-01?", "2023-13-01 is no date: there is no month 13."),
        ("1.5 days after today", "Dates are worked out in whole days, weeks, months and years, not 1.5 of them."),
    ],
)
def test_what_has_no_value_or_none_in_range_is_said(query: str, answer: str) -> None:
    assert said(query) == answer


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("what is 5!", "5! equals 120."),
        ("factorial of 20", "20! equals 2432902008176640000."),
        ("5² + 1", "5 ^ 2 + 1 equals 26."),
        ("１２ * ７", "１２ * ７ equals 84."),
        ("12 × ٣", "12 * ٣ equals 36."),
        ("1e5 days after 2000-01-01", "100000 days after 1 January 2000 is Thursday, 16 October 2273."),
        ("1,000 days after 2000-01-01", "1000 days after 1 January 2000 is Friday, 27 September 2002."),
        ("-3 days after 2000-01-01", "-3 days after 1 January 2000 is Wednesday, 29 December 1999."),
        ("twenty days after 2000-01-01", "20 days after 1 January 2000 is Friday, 21 January 2000."),
        ("1 year after 29 February 2024", "1 year after 29 February 2024 is Friday, 28 February 2025."),
    ],
)
def test_factorials_digits_of_other_scripts_and_counts_of_days(query: str, answer: str) -> None:
    assert said(query) == answer


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12), st.sampled_from("+-*"))
def test_whole_numbers_come_out_as_python_has_them(a: int, b: int, sign: str) -> None:
    known = {"+": a + b, "-": a - b, "*": a * b}[sign]
    assert work_out(f"({a}) {sign} ({b})") == Number(Fraction(known))


@given(st.decimals(-1000, 1000, places=6), st.decimals(-1000, 1000, places=6))
def test_decimals_are_added_without_rounding(a: Decimal, b: Decimal) -> None:
    assert Decimal(written(work_out(f"({a:f}) + ({b:f})"))) == a + b


@given(st.text(alphabet="0123456789+-*/^%()!. eEof,sqrt×÷", max_size=60))
def test_any_text_is_a_bounded_sum_or_none(text: str) -> None:
    try:
        number = work_out(text)
    except (NoSum, NoValue):
        return
    assert len(written(number)) < 100


@given(st.text(max_size=400) | st.from_regex(r"(?:what|days|how many) [a-z0-9 ,./^*-]{0,320}", fullmatch=True))
def test_any_query_is_answered_or_not_but_never_fails(query: str) -> None:
    assert len(CALCULATOR.look_up(query)) <= 1


FIGURE = st.integers(0, 10**30).map(str) | st.from_regex(r"\d{1,3}(\.\d{1,9})?(e[+-]?\d{1,5})?", fullmatch=True)


@given(FIGURE, st.sampled_from(["+", "-", "*", "/", "^"]), FIGURE, st.sampled_from(["", "what is ", "calculate "]))
def test_two_numbers_and_a_sign_always_get_an_answer(a: str, sign: str, b: str, opening: str) -> None:
    answer = said(f"{opening}{a} {sign} {b}")
    assert answer.endswith(".")
    assert " equals " in answer or " is " in answer


@given(FIGURE, st.sampled_from(["miles to km", "C to F", "ly in nm"]))
def test_an_amount_of_any_size_is_converted_or_told_to_be_out_of_range(figure: str, units: str) -> None:
    assert said(f"{figure} {units}")


@given(
    st.integers(0, 10**15),
    st.sampled_from(["days", "weeks", "months", "years", "decades", "centuries"]),
    st.sampled_from(["before", "after"]),
    st.integers(0, 12000),
    st.integers(1, 12),
    st.integers(1, 31),
)
def test_a_date_moved_by_any_count_is_a_date_or_told_to_be_none(
    count: int, unit: str, way: str, year: int, month: int, day: int
) -> None:
    answer = said(f"{count} {unit} {way} {year:04}-{month:02}-{day:02}")
    assert any(words in answer for words in (" is out of range: ", " is no date: ", "day, "))


@given(
    st.dates(date(1583, 1, 1), date(2300, 1, 1)),
    st.integers(0, 5000),
)
def test_days_counted_and_days_added_agree(start: date, days: int) -> None:
    end = start + timedelta(days=days)
    assert f"{end.strftime('%A')}, {end.day} " in said(f"{days} days after {start.isoformat()}")
    assert f" {days} day" in said(f"days between {start.isoformat()} and {end.isoformat()}")


@given(st.fractions(0, 10**6), st.sampled_from(["miles", "feet", "km", "inches", "light years"]))
def test_a_conversion_back_is_exact(value: Fraction, name: str) -> None:
    there, here = unit(name), unit("m")
    assert there is not None
    assert here is not None
    assert convert(convert(value, there, here), here, there) == value


def test_a_long_text_is_not_read() -> None:
    assert said("1 " * LONGEST + "+ x") == ""
    assert (
        said("what is " + "1 + " * (LONGEST // 4) + "1?")
        == "The sum is out of range: sums are worked out up to 300 characters."
    )


def test_what_tools_say_is_of_its_own_kind_and_has_an_id_of_its_own() -> None:
    assert stated("84", "calculator", "Calculator").passage.kind == "tool"
    assert passage_id("calculator", "12 * 7 equals 84.") == passage_id("calculator", "12 * 7 equals 84.") < 0
    assert passage_id("calculator", "a") != passage_id("calculator", "b") != passage_id("translator", "b")


@pytest.fixture
def bot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> Iterator[Bot]:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    (tmp_path / "everest.md").write_text("# Mount Everest\n\nMount Everest is 8,849 metres high. It stands in Asia.\n")
    with open_bot(tmp_path / "data", "quote") as bot:
        bot.ingest([tmp_path / "everest.md"])
        yield bot


def test_a_sum_is_answered_with_the_calculator_cited_stored_and_shown(bot: Bot) -> None:
    earlier = bot.ask("How high is Mount Everest?")
    for question, answer in (("What is 12 * 7?", "84"), ("3 miles in km", "4.828032")):
        reply = bot.ask(question, earlier.conversation)
        assert reply.outcome == "answered"
        assert answer in reply.text
        assert [(cited.source, cited.title) for cited in reply.citations] == [("calculator", "Calculator")]
        turn = bot.history.turns(reply.conversation)[-1]
        assert turn.reply == reply
        html = sources(turn.question, str(turn.id), turn.reply)
        assert "Calculator" in html
        assert "Open in document" not in html
        assert "picture" not in html


def test_a_sum_is_answered_from_an_empty_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder
) -> None:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    with open_bot(tmp_path / "empty", "quote") as bot:
        reply = bot.ask("What is 12 * 7?")
        assert (reply.text, reply.citations[0].source) == ("12 * 7 equals 84. [1]", "calculator")
        assert bot.ask("How high is Mount Everest?", reply.conversation).outcome == "abstained"
