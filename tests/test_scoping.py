"""A turn is answered from what the owner of its conversation may see, and from nothing else."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.accounts.accounts import Accounts
from app.bot import Bot, open_bot
from app.library.catalogue import owner_of
from retrieval.encoder.embed import Encoder
from retrieval.index.generation import build
from retrieval.passages import embedding_text
from retrieval.search import HybridRetriever
from retrieval.types import Passage

SHARED = "The harbour office opens at eight in the morning."
SECRET = "The vault code of the bank in Trondheim is 7734."


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("team")
    with open_bot(folder / "data", "quote", accounts="on") as bot:
        ada = Accounts(bot.library.database).add("ada").id
        Accounts(bot.library.database).add("bob")
        for place, text in ((folder / "harbour.txt", SHARED), (folder / "data/uploads" / ada / "vault.txt", SECRET)):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            bot.ingest([place])
        yield bot


@pytest.mark.slow
def test_a_private_document_answers_its_owner_and_nobody_else(team: Bot) -> None:
    accounts = Accounts(team.library.database)
    ada, bob = (team.of(accounts.named(name).id) for name in ("ada", "bob"))
    question = "What is the vault code of the bank in Trondheim?"
    assert "7734" in ada.ask(question).text
    other = bob.ask(question)
    assert "7734" not in str(other)
    assert "vault.txt" not in str(other.trace)
    assert "eight" in bob.ask("When does the harbour office open?").text
    told = bob.ask("Which documents are there?")
    assert "vault" not in told.text.replace(question, "")


def test_whose_an_upload_is_stands_in_its_path(tmp_path: Path) -> None:
    account = "0123456789abcdef" * 2
    uploads = tmp_path / "uploads"
    (tmp_path / "link").symlink_to(tmp_path)
    assert owner_of(str(uploads / account / "a.txt"), tmp_path) == account
    assert owner_of(str(uploads / account / "a.mbox#3"), tmp_path) == account
    assert owner_of(str(uploads / account / "a.txt"), tmp_path / "link") == account
    assert owner_of(str(uploads / "a.txt"), tmp_path) is None
    assert owner_of(str(uploads / account), tmp_path) is None  # a file of that name
    assert owner_of(f"https://example.org/uploads/{account}/a.txt", tmp_path) is None


def test_what_may_not_be_seen_takes_no_place_among_the_best(encoder: Encoder, tmp_path: Path) -> None:
    texts = [f"Ship number {n} carries timber to the north." for n in range(1, 60)] + ["A ship carries timber once."]
    passages = [Passage(n, text, f"{n}.txt", "", (), 0, len(text)) for n, text in enumerate(texts, 1)]
    vectors = encoder.encode([embedding_text(passage) for passage in passages])
    generation = build(tmp_path, [p.id for p in passages], vectors, texts, encoder.fingerprint, None)
    whole = HybridRetriever(encoder, generation, lambda ids: [passages[number - 1] for number in ids])
    last = whole.among(lambda ids: [passages[number - 1] for number in ids if number == 60])
    assert [found.passage.id for found in last.search(["Ship number 7 carries timber to the north."], 2)] == [60]
