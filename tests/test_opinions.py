"""Versions of turns, ratings, preferences, shared conversations, and where the words of a search stand."""

from dataclasses import replace
from pathlib import Path

import pytest
from store_files import full, holding

from app.errors import InputError
from app.store.database import Database
from app.store.history import History
from app.store.opinions import Opinions, Preference, Rating
from app.store.shares import Shares
from app.store.versions import matches, show_version


@pytest.fixture
def history(database: Database) -> History:
    return History(database)


def answered(history: History, conversation: str, question: str, instead: int | None = None) -> int:
    turn = history.begin(conversation, question, instead=instead)
    history.finish(turn, full())
    return turn


def test_of_several_versions_of_a_turn_one_is_shown_read_and_counted(database: Database, history: History) -> None:
    talk = history.start()
    first = answered(history, talk, "Which whale?")
    old = answered(history, talk, "How heavy?")
    new = answered(history, talk, "How long?", instead=old)
    newest = history.begin(talk, "How old?", instead=new)
    assert [(turn.id, turn.versions) for turn in history.turns(talk)] == [(first, ()), (newest, (old, new, newest))]
    assert [turn.text for turn in history.context(talk) if turn.role == "user"] == ["Which whale?"]
    assert history.conversation(talk).turns == history.conversations()[0].turns == 2
    show_version(database, old)
    assert [turn.question for turn in history.turns(talk)] == ["Which whale?", "How heavy?"]
    assert history.turn(old).versions == (old, new, newest)
    assert [turn.text for turn in history.context(talk, before=old) if turn.role == "user"] == ["Which whale?"]
    assert history.conversations(search="How long") == []
    for other in (first, new, 99):
        with pytest.raises(InputError, match="only the last message"):
            history.begin(talk, "Why?", instead=other)
    last = answered(history, talk, "And why?")
    with pytest.raises(InputError, match="only the last message"):
        history.begin(history.start(), "Why?", instead=last)


def test_a_rating_takes_the_place_of_the_one_before_and_can_be_taken_back(database: Database, history: History) -> None:
    turn, opinions = answered(history, history.start(), "Which?"), Opinions(database)
    opinions.rate(turn, Rating(True))
    opinions.rate(turn, Rating(False, "wrong", "It is 1764."))
    assert opinions.ratings([turn, 99]) == {turn: Rating(False, "wrong", "It is 1764.")}
    opinions.rate(turn, None)
    assert opinions.ratings([turn]) == {}
    for bad in (lambda: opinions.rate(99, None), lambda: opinions.rate(turn, Rating(False, "dull"))):  # type: ignore[arg-type]
        with pytest.raises(InputError):
            bad()


def test_a_preference_names_two_candidates_and_goes_with_its_conversation(
    database: Database, history: History, tmp_path: Path
) -> None:
    talk, opinions = history.start(), Opinions(database)
    turn, reply = history.begin(talk, "Which?"), full()
    [draft, *_] = reply.trace.candidates
    texts = ["It is 8611 m high.", "It is 8848 m high."]
    trace = replace(reply.trace, candidates=tuple(replace(draft, text=text) for text in texts))
    history.finish(turn, replace(reply, trace=trace))
    opinions.rate(turn, Rating(False, "other", "zugzwang"))
    opinions.prefer(turn, 1, 0)
    assert opinions.preferences() == [Preference("Which?", texts[1], texts[0])]
    with pytest.raises(InputError, match="no such candidates"):
        opinions.prefer(turn, 0, 99)
    history.delete(talk)
    assert opinions.preferences() == []
    assert holding(tmp_path, "zugzwang") == []


def test_a_secret_word_opens_its_conversation_until_it_is_revoked(database: Database, history: History) -> None:
    talk, shares = history.start(), Shares(database)
    word = shares.share(talk)
    assert (shares.share(talk), shares.word(talk), shares.conversation(word)) == (word, word, talk)
    assert shares.conversation("") == shares.conversation(word[:-1]) == ""
    shares.revoke(talk)
    assert (shares.word(talk), shares.conversation(word)) == ("", "")
    assert shares.share(talk) != word
    history.delete(talk)
    assert shares.word(talk) == ""
    with pytest.raises(InputError):
        shares.share(talk)


def test_a_search_says_where_its_words_stand(database: Database, history: History) -> None:
    talk, other = history.start("Kilns"), history.start("Mills")
    answered(history, talk, "x " * 40 + "Where does the OSPREY nest? " + "y " * 90)
    answered(history, other, "100% of what?")
    found = matches(database, [talk, other], "osprey nest")
    assert list(found) == [talk]
    assert found[talk].turn == 1
    assert found[talk].words.startswith("…")
    assert "OSPREY nest?" in found[talk].words
    assert list(matches(database, [talk, other], "0% of")) == [other]
    assert matches(database, [talk], "") == matches(database, [], "osprey") == {}
