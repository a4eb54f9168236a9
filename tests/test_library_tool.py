"""Questions about the library itself, and about a document as a whole, through the bot that answers them."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.bot import Bot, open_bot
from dialogue.types import Reply, Role, Turn
from retrieval.encoder.embed import Encoder
from retrieval.tools.holdings import Holding, Holdings
from retrieval.tools.letters import letters_meant
from retrieval.tools.library import SOURCE, LibraryTool, _spread
from retrieval.tools.requests import Requests
from retrieval.types import Passage

DOCUMENTS = {
    "beekeeping.md": """# Keeping bees

## Hives

A hive stands on a dry base and faces south-east. It is opened on warm days only.

## Feeding

Bees are fed with sugar syrup in September. Twelve kilograms see a colony through the winter.

## Swarms

A swarm is caught with a box and a brush. It is hived in the evening.
""",
    "hall-rules-2021.md": """# Rules of the hall (valid from 1 March 2021)

The hall is closed at 22:00. Dogs may be brought. The deposit is 40 euros.
""",
    "hall-rules-2024.md": """# Rules of the hall (valid from 1 June 2024)

These rules replace those of 2021. The hall is closed at 23:00. Dogs may not be brought. The deposit is 75 euros.
""",
    "key.eml": """From: Una Pell <u@example.org>
To: Jan Roe <j@example.org>
Subject: Key of the cellar
Date: Mon, 02 Feb 2026 10:00:00 +0000

Dear Jan,

the key of the cellar was found under the stage. It hangs in the office now.
""",
    "honey.csv": "Jar,Grams,Price\nSmall,250,€4.20\nLarge,500,€7.90\n",
}


@pytest.fixture(scope="module")
def bot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("library")
    (folder / "docs").mkdir()
    for name, text in DOCUMENTS.items():
        (folder / "docs" / name).write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, open_bot(folder / "data", "quote") as bot:
        patch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
        bot.ingest([folder / "docs"])
        yield bot


def asked(bot: Bot, question: str, role: Role | None = None) -> Reply:
    return bot.responder.respond([Turn("user", question)], role)


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("Which documents do you hold?", ["5 documents", "beekeeping.md", "key.eml"]),
        ("How many files have you read?", ["5 documents"]),
        ("Which documents mention swarms?", ["1 document", "beekeeping.md"]),
        ("In which files does Una Pell appear?", ["key.eml"]),
        ("Do you have a document about bees?", ["Yes", "beekeeping.md"]),
        ("Have you got anything about sugar syrup?", ["1 document mentions it", "beekeeping.md"]),
        ("Where can I read about dogs?", ["2 documents", "hall-rules-2021.md", "hall-rules-2024.md"]),
        ("Which documents are about swarms in boxes?", ["in others", "beekeeping.md"]),
        ("Which documents can you look things up in?", ["5 documents", "key.eml"]),
        ("What have you read?", ["5 documents"]),
        ("Is there a file about submarines?", ["No document", "submarines"]),
        ("Which version of the rules of the hall is in force?", ["newest", "hall-rules-2024.md"]),
        ("When was the e-mail about the cellar key added?", ["key.eml", "was added on"]),
    ],
)
def test_questions_about_the_library_are_answered_by_the_library(bot: Bot, question: str, wanted: list[str]) -> None:
    reply = asked(bot, question)
    assert reply.outcome == "answered"
    assert all(part in reply.text for part in wanted), reply.text
    assert {citation.source for citation in reply.citations} <= {SOURCE}
    assert {item.passage.source for item in reply.trace.evidence} == {SOURCE}


@pytest.mark.parametrize(
    "question",
    [
        "How many kilograms of syrup does a colony need?",
        "Which documents do I have to bring to the hall?",
        "On which day is the paper of the hall collected?",
        "What do the rules of the hall say about dogs?",
        "When was the hall built?",
        "Who wrote to Jan Roe?",
    ],
)
def test_other_questions_are_none_of_its_business(bot: Bot, question: str) -> None:
    assert SOURCE not in {item.passage.source for item in asked(bot, question).trace.evidence}


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("Could you please sum up X in a few lines?", "summary"),
        ("what does X say", "summary"),
        ("Name every file that mentions X.", "mention"),
        ("Which of your sources speak of X?", "mention"),
        ("Have you got any documents on X?", "have"),
        ("How many sources are in your library?", "count"),
        ("Please list all the documents that you have.", "list"),
        ("Which files were added most recently?", "new"),
        ("Which version of X is valid at the moment?", "current"),
        ("On what day was X added to your library?", "added"),
        ("What happened at X, in short?", "summary"),
        ("Do you have something on X?", "have"),
        ("What files can you access?", "list"),
        ("What does X say about children?", None),
        ("Who signed X?", None),
        ("Which documents must a visitor show?", None),
        ("How many documents were burnt in the fire?", None),
        ("When was X painted?", None),
        ("What is the highest part of X?", None),
        ("What can you do for me?", None),
        ("Who was at X?", None),
        ("Which X arrives the latest?", None),
    ],
)
def test_what_a_message_wants_is_told_by_the_nearest_example(
    encoder: Encoder, message: str, wanted: str | None
) -> None:
    [(told, _)] = Requests(encoder).told([message])
    assert told == wanted


def test_the_questions_of_the_demo_want_nothing_of_the_library(encoder: Encoder) -> None:
    lines = (Path(__file__).parents[1] / "examples/demo/questions.jsonl").read_text(encoding="utf-8").splitlines()
    messages = [json.loads(line)["context"][-1] for line in lines]
    assert len(messages) > 100
    assert [m for m, (want, _) in zip(messages, Requests(encoder).told(messages), strict=True) if want] == []


def test_a_role_hears_only_of_the_documents_it_may_use(bot: Bot) -> None:
    reply = asked(bot, "Which documents do you hold?", Role(sources=("hall-*",)))
    assert "2 documents" in reply.text
    assert "beekeeping" not in reply.text
    assert "No document" in asked(bot, "Which documents mention swarms?", Role(sources=("hall-*",))).text


@pytest.mark.parametrize(
    ("question", "source", "sections"),
    [
        ("Summarise the document about beekeeping.", "beekeeping.md", 3),
        ("Summarise the document about syrup.", "beekeeping.md", 3),
        ("What does the e-mail about the key say?", "key.eml", 1),
        ("What is Una Pell's mail about?", "key.eml", 1),
        ("What is in the rules of the hall?", "hall-rules-2024.md", 1),
        ("Give me a short summary of the hall rules of 2021.", "hall-rules-2021.md", 1),
    ],
)
def test_a_summary_covers_the_document_in_its_own_sentences(
    bot: Bot, question: str, source: str, sections: int
) -> None:
    reply = asked(bot, question)
    assert reply.outcome == "answered"
    quoted = [citation for citation in reply.citations if citation.source != SOURCE]
    assert {citation.source for citation in quoted} == {source}
    assert len({citation.headings for citation in quoted}) == sections
    stored = bot.library.document(bot.library.source(source).id).text
    assert all(stored[c.start : c.end] == c.quote for c in quoted)
    assert "From:" not in reply.text


def test_a_letter_is_introduced_by_its_subject_and_writer(bot: Bot) -> None:
    reply = asked(bot, "What is Una Pell's mail about?")
    assert reply.text.startswith("“Key of the cellar” is an e-mail from Una Pell to Jan Roe.")
    assert "under the stage" in reply.text
    assert letters_meant("What is Jan Roe's mail about?", bot_holdings(bot), lambda names: {}).holdings == ()


def bot_holdings(bot: Bot) -> Sequence[Holding]:
    [tool] = [tool for tool in bot.responder.tools if isinstance(tool, LibraryTool)]
    return tool.catalogue.holdings()


def test_a_meeting_is_found_by_its_minutes_and_its_month() -> None:
    added = datetime(2026, 1, 1, tzinfo=UTC)
    held = [
        Holding(n, f"{n}.md", f"Rowing club: minutes of 4 {month} 2026", "md", added)
        for n, month in enumerate(["March", "May"])
    ]
    for message, month in (("What happened at the rowing club meeting in May?", 1), ("the March meeting", 0)):
        assert Holdings(held).meant(message).holdings == (held[month],)
    assert Holdings(held).meant("the rowing club's meeting in June").holdings == ()


def test_of_two_versions_the_newer_one_is_quoted_and_the_older_one_when_it_is_named(bot: Bot) -> None:
    assert "75 euros" in asked(bot, "How much is the deposit?").text
    assert "40 euros" in asked(bot, "How much was the deposit in 2021?").text


def test_what_was_added_meanwhile_is_known(bot: Bot, tmp_path: Path) -> None:
    (tmp_path / "chairs.txt").write_text("There are eighty chairs in the hall.\n", encoding="utf-8")
    bot.ingest([tmp_path / "chairs.txt"])
    assert "6 documents" in asked(bot, "How many documents are there?").text
    bot.library.remove("chairs.txt")
    assert "5 documents" in asked(bot, "How many documents are there?").text


def test_a_long_document_is_shown_by_the_openings_of_its_sections() -> None:
    made = [Passage(n, f"{n}", "a", "a", (f"s{n // 4}",), n, n + 1) for n in range(80)]
    chosen = _spread(made)
    assert len(chosen) == 12
    assert chosen[0] is made[0]
    assert all(one.id % 4 == 0 for one in chosen)
    assert [one.id for one in chosen] == sorted(one.id for one in chosen)
