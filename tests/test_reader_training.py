"""What the reader learns from, how it learns, and how what it says is made a probability; rows are made up here."""

import gzip
import json
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from app.training import document_questions, reader_calibration, reader_report
from app.training import reader as reader_module
from app.training.asked import Asked
from app.training.invented import invented, kinds
from app.training.judges import PARTS
from app.training.reader import ReaderTraining, fit, mean
from app.training.reader_calibration import Found, calibrated, collect, report
from app.training.reader_data import as_typed, held, sources, spans_in, windows
from app.training.reader_report import f1, likeliest
from dialogue.judges.answers import FEATURES as UNIT
from dialogue.judges.answers import Offer, load_answers
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader, initial, load_passage_reader
from retrieval.reading import Page
from retrieval.rerank import FEATURES, weighed

SETS = (
    "fairytaleqa_train",
    "qamr_sentences_dev",
    "policyqa_dev",
    "covidqa_deepset_windows",
    "boolq_val",
    "squad2_train_unanswerable_pairs",
)


def row(title: str, paragraph: str, question: str, answer: str, plausible: str = "") -> dict[str, Any]:
    start = paragraph.find(answer) if answer else -1
    known = {"answers": [answer], "starts": [start]} if answer else {"answers": [], "starts": []}
    return {"title": title, "paragraph": paragraph, "question": question, **known, "plausible": plausible}


def article(title: str, year: int, city: str, other: str) -> list[dict[str, Any]]:
    """Four questions on two paragraphs about one thing."""
    first = f"The old bridge at {city} was finished in {year} by Ada Shaw. It is 310 metres long and made of oak."
    second = f"The ferry to {other} runs since {year + 9}. Its fare was raised to 40 pence by Carl Berg in spring."
    return [
        row(title, first, f"When was the bridge at {city} finished?", str(year)),
        row(title, first, f"How long is the bridge that Ada Shaw finished in {year}?", "310 metres"),
        row(title, second, f"Since when does the ferry to {other} run?", str(year + 9)),
        row(title, second, f"Who raised the fare of the ferry to {other}?", "Carl Berg"),
    ]


TITLES = [
    f"Crossings_of_the_{name}"
    for name in (
        "Elbe Oder Main Isar Tay Dee Po Arno Ebro Loire Rhine Weser Saale Spree Inn Lech Tiber Adda "
        "Minho Severn Trent Wye"
    ).split()
]
SQUAD = [
    each
    for place, title in enumerate(TITLES)
    for each in article(title, 1801 + 7 * place, f"Fenwick{place}", f"Oban{place}")
]
KEPT_APART = {title for title in TITLES if held({"title": title})}


def packed(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(each) + "\n" for each in rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of the training data, with a few rows in every set."""
    reading = tmp_path / "data" / "reading"
    packed(reading / "squad1_train.jsonl.gz", SQUAD)
    for name in SETS:
        packed(reading / f"{name}.jsonl.gz", [])
    twins = [
        row(each["title"], each["paragraph"], "Who sold the bridge?", "", plausible="Ada Shaw")
        for each in SQUAD
        if "Ada" in each["paragraph"]
    ]
    packed(reading / "squad2_train_unanswerable_pairs.jsonl.gz", twins)
    packed(
        reading / "boolq_val.jsonl.gz",
        [row("Tea", "Tea -- Tea is made of leaves.", "is tea made of leaves", "yes"), row("", "A. -- B.", "b", "no")],
    )
    spaced = "The valves -- two of them -- were sold for $ 40 , he said ; it 's cheap ."
    packed(
        reading / "qamr_sentences_dev.jsonl.gz",
        [row("Wiki:1", spaced, "What was it sold for ?", "$ 40"), row("Wiki:1", spaced, "Who ?", "nobody here")],
    )
    packed(
        tmp_path / "data" / "retrieval" / "trecqa.train.jsonl.gz",
        [
            {"question": "Who built it?", "sentence": text, "answers": right}
            for text, right in [("Ada built it.", 1), *((f"It has {n} doors.", 0) for n in range(20))]
        ],
    )
    packed(
        tmp_path / "data" / "retrieval" / "xquad_a.jsonl.gz",
        [
            {
                "paragraph": each["paragraph"],
                "question": each["question"],
                "answer": each["answers"][0],
                "starts": each["starts"],
            }
            for each in SQUAD[:8]
        ],
    )
    return tmp_path / "data"


@pytest.fixture
def learnt(data: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Asked]]:
    _few(monkeypatch, 200)
    return {name: rows for name, (_, rows) in sources(data).items()}


def _few(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Have `count` questions invented, stated and mixed, which are tens of thousands, and a few documents asked."""
    some = document_questions.documents()[:24]
    monkeypatch.setattr(document_questions, "documents", lambda: some)
    monkeypatch.setattr(reader_calibration, "asked_documents", lambda: some)
    monkeypatch.setattr(reader_calibration, "OF_DOCUMENTS", 6)
    for name in ("INVENTED", "STATED", "STRANGE"):
        monkeypatch.setattr(f"app.training.reader_data.{name}", count)


# --- data


@pytest.mark.slow
def test_the_shares_of_what_is_drawn_are_a_whole(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _few(monkeypatch, 5)
    drawn = sources(data)
    assert sum(share for share, _ in drawn.values()) == pytest.approx(1.01, abs=0.011)
    again = sources(data)
    assert drawn == again
    assert sources(data, seed=1)["invented"] != drawn["invented"]


def test_every_span_points_at_words_of_its_page(learnt: dict[str, list[Asked]]) -> None:
    spans = [(asked, span) for rows in learnt.values() for asked in rows for span in asked.spans]
    assert len(spans) > 100
    for asked, (start, end) in spans:
        text = asked.page.text[start:end]
        assert 0 <= start < end <= len(asked.page.text)
        assert text == text.strip() != ""
    assert {asked.page.text[slice(*asked.spans[0])] for asked in learnt["squad"]} == {
        each["answers"][0] for each in SQUAD if each["title"] not in KEPT_APART
    }
    assert [asked.page.text[slice(*asked.spans[0])] for asked in learnt["qamr"]] == ["$40"]
    assert learnt["qamr"][0].page.text == "The valves -- two of them -- were sold for $40, he said; it's cheap."


def test_articles_that_are_kept_apart_are_never_learnt_from(learnt: dict[str, list[Asked]]) -> None:
    assert 0 < len(KEPT_APART) < len(TITLES) / 2
    titles = {title.replace("_", " ") for title in KEPT_APART}
    texts = {each["paragraph"] for each in SQUAD if each["title"] in KEPT_APART}
    for name in ("squad", "near", "exchanged", "twins", "strange"):
        assert learnt[name], name
        assert not any(asked.page.title in titles or asked.page.text in texts for asked in learnt[name])


def test_a_twin_has_no_span_and_is_not_answered(learnt: dict[str, list[Asked]]) -> None:
    assert {(asked.spans, asked.answers, asked.relevant) for asked in learnt["twins"]} == {((), 0.0, None)}
    assert all("Ada Shaw" in asked.page.text for asked in learnt["twins"])


def test_a_near_passage_is_of_the_same_article_and_does_not_hold_the_answer(learnt: dict[str, list[Asked]]) -> None:
    answers = {each["question"]: (each["title"].replace("_", " "), each["answers"][0]) for each in SQUAD}
    for asked in learnt["near"]:
        title, answer = answers[asked.question]
        assert asked.page.title == title
        assert answer not in asked.page.text
        assert (asked.spans, asked.answers) == ((), 0.0)


def test_an_exchanged_question_names_what_the_page_does_not(learnt: dict[str, list[Asked]]) -> None:
    asked_before = {each["question"] for each in SQUAD}
    assert len(learnt["exchanged"]) > 10
    for asked in learnt["exchanged"]:
        assert asked.question not in asked_before
        assert (asked.spans, asked.answers) == ((), 0.0)
        [before] = [
            each
            for each in SQUAD
            if each["paragraph"] == asked.page.text and differing(each["question"], asked.question)
        ][:1] or [None]
        assert before is not None
        assert differing(before["question"], asked.question) not in asked.page.text


def differing(before: str, after: str) -> str:
    """What stands in a question in the place of something else, "" if the two differ by more than that."""
    old, new = before.split(), after.split()
    while old and new and old[0] == new[0]:
        del old[0], new[0]
    while old and new and old[-1] == new[-1]:
        del old[-1], new[-1]
    return " ".join(new).strip("?") if old and len(old) <= 4 and len(new) <= 4 else ""


def test_yes_and_no_and_sentences_have_an_answer_without_a_place(learnt: dict[str, list[Asked]]) -> None:
    assert learnt["boolq"][0] == Asked("is tea made of leaves", Page("Tea is made of leaves.", "Tea"))
    assert [asked.answers for asked in learnt["trecqa"]] == [1.0] + [0.0] * 8


def test_a_long_paragraph_is_cut_and_a_span_is_that_of_its_window() -> None:
    lines = [f"The {name} of the castle is {number} feet high." for number, name in enumerate(["tower"] * 90, 100)]
    each = row("Castle", " ".join(lines), "Which is the last?", lines[-1])
    pages = windows(each)
    assert len(pages) > 2
    assert all(each["paragraph"][start : start + len(page.text)] == page.text for page, start in pages)
    held_by = [(page, span) for page, start in pages for span in spans_in(each, page, start)]
    assert held_by
    assert all(page.text[slice(*span)] == lines[-1] for page, span in held_by)


@pytest.mark.parametrize("seed", [0, 1])
def test_invented_pages_hold_what_they_say(seed: int) -> None:
    asked = list(invented(600, seed))
    assert asked == list(invented(600, seed))
    assert 0.35 < np.mean([bool(each.spans) for each in asked]) < 0.75
    for each in asked:
        assert (each.answers == 1.0) == bool(each.spans) == (each.relevant == 1.0)
        assert "{" not in each.question + each.page.text + each.page.title
        assert each.page.text == each.page.text.rstrip() != ""
        for start, end in each.spans:
            value = each.page.text[start:end]
            assert value == value.strip() != ""
            assert not each.page.text[end : end + 1].isalnum()
            assert not start or not each.page.text[start - 1].isalnum()


def test_the_same_question_is_asked_of_invented_pages_that_hold_it_and_that_do_not() -> None:
    asked = list(invented(3000))
    shapes = {(each.relevant, bool(each.spans)) for each in asked}
    assert shapes == {(1.0, True), (0.6, False), (0.1, False)}
    assert len({each.page.text for each in asked}) > 2900


def test_every_kind_has_facts_that_are_asked_for_and_told() -> None:
    for kind in kinds():
        assert len(kind.facts) >= 2
        labels = [fact.label for fact in kind.facts]
        assert len(set(labels)) == len(labels)
        for fact in kind.facts:
            assert all("{n}" in form or "{N}" in form for form in fact.asked), fact
            assert all("{v}" in form for form in (*fact.said, *fact.further)), fact


@given(st.from_regex(r"[A-Z][a-z ?.]{0,40}[a-z]", fullmatch=True), st.integers(0, 400))
def test_a_question_as_it_is_typed_keeps_its_page_and_its_answer(question: str, seed: int) -> None:
    asked = Asked(question, Page("A text.", "Title"), ((2, 6),))
    typed = as_typed(asked, random.Random(seed))
    assert replace(typed, question=question, page=asked.page) == asked
    assert typed.page.title in ("Title", "")
    assert typed.page.text in ("A text.", "a text ")
    assert typed.question.strip()


# --- training


@given(st.integers(1, 64), st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 12_000))
def test_the_rate_rises_stays_and_falls(batch: int, warm: int, cool: int, done: int) -> None:
    plan = ReaderTraining(examples=12_000, rate=1e-3, batch=batch, warm=warm, cool=cool)
    assert 0 <= plan.rate_at(done) <= plan.rate
    later = plan.rate_at(done + batch)
    if done + batch <= min(warm, 12_000 - cool):
        assert plan.rate_at(done) <= later
    if warm <= done and done + batch <= 12_000 - cool:
        assert plan.rate_at(done) == later == plan.rate
    if cool and done >= max(warm, 12_000 - cool):
        assert later <= plan.rate_at(done)
    if cool:
        assert plan.rate_at(12_000) == 0


def handful() -> dict[str, tuple[float, list[Asked]]]:
    return {"some": (1.0, list(invented(6, seed=3))), "none": (0.0, []), "empty": (0.5, [])}


def taught(
    encoder: Encoder, seed: int, examples: int = 128, checkpoint: Path | None = None
) -> tuple[dict[str, torch.Tensor], list[dict[str, float]]]:
    torch.manual_seed(99)  # what was drawn before does not matter
    weights = {
        name: weight for name, weight in initial(encoder, seed).items() if not "2" <= name[0] <= "9"
    }  # two layers
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.training.reader.REPORTED", 2)
        patch.setattr("app.training.reader.SORTED", 2)
        patch.setattr("app.training.reader.KEPT", 0)
        plan = ReaderTraining(examples=examples, rate=3e-4, batch=8, warm=16, cool=0)
        curve = fit(encoder, weights, handful(), plan, seed, checkpoint)
    assert [point["examples"] for point in curve] == list(range(16, examples + 1, 16))
    assert not any(weight.requires_grad for weight in weights.values())
    return weights, curve


def test_a_few_questions_are_learnt(encoder: Encoder) -> None:
    weights, curve = taught(encoder, 0)
    assert curve[-1]["span"] < 0.6 * curve[0]["span"]
    assert curve[-1]["passage"] < curve[0]["passage"]
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_the_same_seed_gives_the_same_weights(encoder: Encoder) -> None:
    one, other = taught(encoder, 5, 16)[0], taught(encoder, 5, 16)[0]
    assert all(torch.equal(one[name], other[name]) for name in one)
    third, _ = taught(encoder, 6, 16)
    assert not torch.equal(one["span.weight"], third["span.weight"])


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, curve = taught(encoder, 5, 48)
    path = tmp_path / "half.checkpoint"
    losses, left = reader_module._losses, iter(range(4))

    def stopped(*given: object) -> object:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return losses(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(reader_module, "_losses", stopped)
    with pytest.raises(KeyboardInterrupt):
        taught(encoder, 5, 48, path)
    monkeypatch.undo()
    assert path.exists()
    for _ in range(2):  # goes on, and then has nothing left to do
        again, resumed = taught(encoder, 5, 48, path)
        assert path.exists()
        assert resumed == curve
        assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_the_mean_of_trainings_lies_between_them() -> None:
    one, other = {"a": torch.tensor([0.0, 2.0])}, {"a": torch.tensor([1.0, 4.0])}
    assert torch.equal(mean([one, other])["a"], torch.tensor([0.5, 3.0]))
    assert torch.equal(mean([one])["a"], one["a"])


def test_an_answer_that_was_cut_off_is_not_taken_for_none(encoder: Encoder) -> None:
    """Neither its place nor its absence can be learnt, so only the passage's own logits are."""
    page = Page("word " * 500 + "krill")
    weights = {name: weight for name, weight in initial(encoder).items() if not "1" <= name[0] <= "9"}
    before = {name: weight.clone() for name, weight in weights.items()}
    plan = ReaderTraining(examples=2, rate=1e-3, batch=2, warm=0, cool=0, decay=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("app.training.reader.SORTED", 1)
        fit(encoder, weights, {"cut": (1.0, [Asked("Eats?", page, ((2500, 2505),))])}, plan)
    assert torch.equal(weights["span.weight"], before["span.weight"])
    assert not torch.equal(weights["passage.weight"], before["passage.weight"])


# --- figures


@pytest.mark.parametrize(
    ("said", "wanted", "expected"),
    [("the Blue Whale.", "blue whale", 1.0), ("blue", "blue whale", 2 / 3), ("", "krill", 0.0), ("krill", "oak", 0.0)],
)
def test_f1_is_that_of_squad(said: str, wanted: str, expected: float) -> None:
    assert f1(said, wanted) == pytest.approx(expected)


@pytest.mark.slow
def test_the_report_is_on_articles_that_are_kept_apart(
    data: Path, passage_reader: PassageReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(
        reader_report, "likeliest", lambda reader, each: asked.append(each["title"]) or likeliest(reader, each)
    )
    figures = reader_report.report(data, passage_reader, limit=12)
    assert set(asked) <= KEPT_APART | {""}
    assert {"squad_f1", "squad_exact", "xquad_f1", "twins_auroc", "invented_auroc", "documents_found"} <= figures.keys()
    assert all(0 <= value <= 1 for value in figures.values())
    assert figures["squad_f1"] > 0.5


Draw = Callable[[int], np.ndarray[Any, np.dtype[np.float64]]]


def drawn(rng: np.random.Generator, answered: bool) -> Found:
    """A find in which the third feature tells a passage that answers and the first a unit that does."""
    met = np.zeros(5, dtype=bool)
    met[rng.integers(5)] = answered
    rows = rng.normal(size=(5, len(FEATURES)))
    rows[:, 2] += 3 * met
    units = rng.normal(size=(15, len(UNIT)))
    right = np.repeat(met, 3) & (np.arange(15) % 3 == 0)
    units[:, 0] += 6 * right
    return Found(rows, met, units, right)


@pytest.mark.slow
def test_calibration_finds_what_tells_an_answer() -> None:
    rng = np.random.default_rng(0)
    found = {"10": [drawn(rng, True) for _ in range(150)], "without": [drawn(rng, False) for _ in range(150)]}
    card = calibrated(found)
    assert max(FEATURES, key=lambda name: card["order"][name]) == FEATURES[2]
    assert max(FEATURES, key=lambda name: card["likely"][name]) == FEATURES[2]
    assert max(UNIT, key=lambda name: card["unit"][name]) == UNIT[0]
    fresh = {"10": [drawn(rng, True) for _ in range(150)], "without": [drawn(rng, False) for _ in range(150)]}
    figures = report(fresh, card)
    assert figures["best_passage_10"] > 0.8
    assert figures["best_unit_10"] > 0.9
    assert figures["answerable"] > 0.9
    assert figures["calibration_error"] < 0.1
    likely = 1 / (1 + np.exp(-np.concatenate([weighed(each.rows, card["likely"]) for each in fresh["10"]])))
    assert np.mean(likely) == pytest.approx(np.mean([each.met for each in fresh["10"]]), abs=0.12)


@pytest.mark.slow
def test_collections_are_searched_with_and_without_what_answers(
    data: Path, encoder: Encoder, passage_reader: PassageReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    _few(monkeypatch, 40)
    monkeypatch.setattr(reader_calibration, "SIZES", ((1, 2), (4, 1)))
    monkeypatch.setattr(reader_calibration, "ASKED", 4)
    monkeypatch.setattr(reader_calibration, "MADE", 1)
    monkeypatch.setattr(reader_calibration, "natural", lambda folder: reader_calibration.made(7))
    found = collect(data, encoder, passage_reader)
    assert all(found[name] for name in ("1", "4", "without", "documents", "documents without"))
    assert all(each.met.sum() == 1 and each.right.sum() >= 1 for name in ("1", "4") for each in found[name])
    assert not any(each.met.any() or each.right.any() for each in found["without"])
    assert all(len(each.rows) == len(each.met) and len(each.units) == len(each.right) for each in found["4"])


@pytest.mark.slow
def test_what_the_command_trains_is_stored_with_its_calibration_and_graded(
    data: Path, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _few(monkeypatch, 40)
    monkeypatch.setattr("app.training.reader.SORTED", 2)
    monkeypatch.setattr(reader_calibration, "SIZES", ((1, 2), (4, 1)))
    monkeypatch.setattr(reader_calibration, "ASKED", 4)
    monkeypatch.setattr(reader_calibration, "MADE", 1)
    monkeypatch.setattr(reader_calibration, "natural", lambda folder: reader_calibration.made(7))
    part = PARTS["reader"]
    figures = part.train(data, encoder, tmp_path, 3, 1e-4)
    assert {"curve", "answerable", "best_unit_4"} <= figures.keys()
    [name] = part.files
    made = load_passage_reader(encoder, tmp_path / name)
    assert {"order", "likely", "unit", "base", "sources", "examples", "seed"} <= made.about.keys()
    assert (made.about["seed"], made.about["base"]) == (3, encoder.fingerprint)
    monkeypatch.setattr(reader_report, "invented", lambda count, seed: invented(min(count, 20), seed))
    grades = part.grade(data, encoder, tmp_path)
    assert grades.keys() == {"squad_f1", "twins_auroc", "invented_auroc"}
    assert all(0 <= grade <= 1 for grade in grades.values())
    assert load_answers(made).score("Who?", [Offer(Page("Ada Shaw."))])[0] >= 0
