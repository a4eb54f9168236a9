"""What is given out beside the page: conversations on paper, shared ones, originals; and what is taken back in time."""

import time
from pathlib import Path

import pytest
from web_client import call, request
from web_fixture import canned_bot, serving

from app.bot import Bot
from app.store.opinions import Opinions
from app.store.shares import Shares
from app.web import originals
from app.web.undo import Undo
from retrieval.encoder.embed import Encoder

TEXT = "# Whales\n\nThe whale is the largest animal. The whale eats krill.\n"


def test_a_conversation_is_given_out_by_its_id_or_a_secret_word_and_no_other_way(bot: Bot, url: str) -> None:
    talk = bot.start()
    bot.ask("hello <b>there</b>", talk)
    paper = request(url, "GET", f"/paper?c={talk}")
    assert paper.status == 200
    assert b"hello &lt;b&gt;there&lt;/b&gt;" in paper.body
    assert b"<script" not in paper.body
    word = Shares(bot.library.database).share(talk)
    assert request(url, "GET", f"/shared?word={word}").body == paper.body
    for path in (f"/shared?word={word[:-1]}", f"/shared?word={talk}", "/shared", "/paper", f"/shared?c={talk}"):
        assert request(url, "GET", path).status == 404
    assert call(url, "do_change", [talk], {"act": "delete", "id": talk}).status == 200
    assert request(url, "GET", f"/shared?word={word}").status == 404  # although it can still be taken back
    assert call(url, "do_change", [talk], {"act": "undo", "id": talk}).status == 200
    assert request(url, "GET", f"/shared?word={word}").status == 200
    bot.history.delete(talk)


def test_an_original_is_given_out_only_as_it_was_read(encoder: Encoder, tmp_path: Path) -> None:
    file, other = tmp_path / "whales.md", tmp_path / "secret.txt"
    file.write_text(TEXT)
    other.write_text("secret")
    with canned_bot(tmp_path / "data", encoder, [file]) as bot, serving(bot) as url:
        [row] = bot.library.sources()
        path = f"/original?source={row.id}"
        assert request(url, "GET", path).body == TEXT.encode()
        for wrong in ("/original?source=99", "/original?source=../x", "/original", f"/original?source={2**63}"):
            assert request(url, "GET", wrong).status in (404, 422)
        file.write_text(TEXT + "More.")
        assert request(url, "GET", path).status == 404
        file.unlink()
        file.symlink_to(other)
        assert request(url, "GET", path).status == 404
        assert originals.original_of(row) is None


def test_a_draft_that_was_dropped_cannot_be_taken(encoder: Encoder, tmp_path: Path) -> None:
    file = tmp_path / "whales.md"
    file.write_text(TEXT)
    with canned_bot(tmp_path / "data", encoder, [file]) as bot, serving(bot) as url:
        reply = bot.ask("How large is the whale?")
        [turn] = bot.history.turns(reply.conversation)
        for rank in range(len(reply.trace.candidates) + 1):
            answer = call(url, "do_turn", [reply.conversation], {"turn": str(turn.id), "act": "use", "rank": str(rank)})
            assert answer.status == 200
            turn = bot.history.turns(reply.conversation)[-1]
        drafts = reply.trace.candidates
        kept = [draft.text for draft in drafts if not draft.dropped]
        assert {one.chosen for one in Opinions(bot.library.database).preferences()} <= set(kept)
        assert turn.reply is not None
        assert turn.reply.outcome == "answered"


@pytest.mark.parametrize("undone", [True, False])
def test_what_can_be_undone_is_done_once_or_not_at_all(undone: bool) -> None:
    done: list[str] = []
    undo = Undo(seconds=0.05)
    undo.later(("source", 1), lambda: done.append("one"))
    undo.later(("source", 1), lambda: done.append("again"))
    undo.later(("talk", "a"), lambda: done.append("talk"))
    assert undo.waits(("source", 1))
    if undone:
        assert undo.undo(("source", 1))
    undo.close("talk")
    for _ in range(100):
        if undone or "one" in done:
            break
        time.sleep(0.02)
    assert not undo.undo(("source", 1))
    undo.close()
    assert sorted(done) == (["talk"] if undone else ["one", "talk"])
