"""Documents that people vote down lose rank at once, and have it again when the rating is taken back."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from app import open_bot
from app.store.opinions import Opinions, Rating
from retrieval.types import Evidence, Passage
from retrieval.votes import Voted


class Found:
    """Finds passages of these sources in turn."""

    def __init__(self, *sources: str) -> None:
        self.items = tuple(
            Evidence(Passage(at, "", source, source, (), 0, 0), 1.0, probability=0.8)
            for at, source in enumerate(sources)
        )

    def search(self, queries: Sequence[str], k: int, sources: Sequence[str] = ()) -> tuple[Evidence, ...]:
        return self.items[:k]


@pytest.mark.parametrize(
    ("votes", "order"),
    [
        ({}, "abcdef"),
        ({"a": 1}, "bcdaef"),
        ({"a": 2}, "bcdefg"),
        ({"a": 99}, "bcdefg"),
        ({"b": 1}, "acdebf"),
        ({"a": -1}, "abcdef"),
    ],
)
def test_a_passage_falls_three_places_for_every_vote(votes: dict[str, int], order: str) -> None:
    found = Voted(Found(*"abcdefghijklmnop"), lambda sources: {s: votes[s] for s in sources if votes.get(s, 0) > 0})
    items = found.search("?", 6)
    assert "".join(item.passage.source for item in items) == order
    assert [item.probability for item in items if votes.get(item.passage.source, 0) > 0] in ([], [0.8 / 2])


@pytest.mark.slow
def test_a_document_that_is_voted_down_loses_rank_until_the_rating_is_taken_back(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    notes.mkdir()
    (notes / "old.md").write_text("# The swimming pool\n\nThe swimming pool of Arnhem opens at 9 in the morning.\n")
    (notes / "new.md").write_text("# Swimming hours\n\nIn Arnhem the pool opens its doors for swimmers at 7 a.m.\n")
    with open_bot(tmp_path / "data", model="quote") as bot:
        bot.ingest([notes])
        question = "When does the swimming pool of Arnhem open in the morning?"

        def sources() -> list[str]:
            return [item.passage.source for item in bot.responder.retriever.search([question], 8)]

        first = bot.ask(question)
        assert first.citations[0].source == sources()[0] == "old.md"
        [turn] = bot.history.turns(first.conversation)
        opinions = Opinions(bot.library.database)
        for rating in (Rating(False, "other"), Rating(False, "padded"), Rating(True)):
            opinions.rate(turn.id, rating)
            assert sources()[0] == "old.md"
        for rating in (Rating(False, "wrong"), Rating(False, "unsupported")):
            opinions.rate(turn.id, rating)
            assert sources() == ["new.md", "old.md"]
        opinions.rate(turn.id, None)
        assert sources() == ["old.md", "new.md"]
