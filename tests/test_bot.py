"""A turn is stored before it is answered and acknowledged after; whatever happens to it is kept."""

import importlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import app
from app.bot import MESSAGE_LIMIT, Bot, checked_message, open_bot
from app.errors import DataError, InputError, InUse, SettingsError
from app.store.conversations import StoredTurn
from dialogue.models.scripted import Scripted
from dialogue.respond import Responder
from dialogue.types import Context, DialogueError, ModelError, Reply, Step
from retrieval.encoder.embed import Encoder

NOTE = "# Mount Everest\n\nMount Everest is 8,849 metres high. It stands in Asia.\n"


@pytest.fixture(autouse=True)
def one_encoder(monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> None:
    """Every bot of these tests shares the loaded encoder."""
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)


@pytest.fixture
def script(tmp_path: Path) -> str:
    (tmp_path / "script.txt").write_text("Mount Everest is 8,849 metres high.\n")
    return f"scripted:{tmp_path / 'script.txt'}"


@pytest.fixture
def bot(tmp_path: Path, script: str) -> Iterator[Bot]:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "everest.md").write_text(NOTE)
    with open_bot(tmp_path / "data", script) as bot:
        bot.ingest([tmp_path / "notes"])
        yield bot


def scripted(bot: Bot, model: Scripted) -> Bot:
    """The same bot with another language model."""
    assert isinstance(bot.responder, Responder)
    return replace(bot, responder=replace(bot.responder, model=model))


def only_turn(bot: Bot) -> StoredTurn:
    [conversation] = bot.history.conversations()
    [turn] = bot.history.turns(conversation.id)
    return turn


def test_a_question_is_answered_from_the_notes_and_stored(bot: Bot) -> None:
    reply = bot.ask("How high is Mount Everest?")
    assert reply.outcome == "answered"
    assert reply.citations[0].source == "everest.md"
    source = bot.library.source_of(reply.citations[0].passage.id)
    assert source is not None
    document = bot.library.document(source.id)
    assert document.text[reply.citations[0].start : reply.citations[0].end] == reply.citations[0].quote
    [turn] = bot.history.turns(reply.conversation)
    assert (turn.state, turn.reply) == ("done", reply)


def test_a_conversation_goes_on_under_its_id(bot: Bot) -> None:
    first = bot.ask("How high is Mount Everest?")
    second = bot.ask("And where is it?", first.conversation)
    assert second.conversation == first.conversation
    assert [turn.number for turn in bot.history.turns(first.conversation)] == [1, 2]
    assert len(bot.history.context(first.conversation)) == 4


def test_a_removed_source_leaves_old_citations_whole(bot: Bot) -> None:
    reply = bot.ask("How high is Mount Everest?")
    bot.library.remove("everest.md")
    assert bot.history.turns(reply.conversation)[0].reply == reply
    assert bot.ask("How high is Mount Everest?").citations == ()


def test_the_message_is_stored_before_anything_is_generated(bot: Bot) -> None:
    seen: list[str] = []

    def look(context: Context) -> list[str]:
        seen.append(only_turn(bot).state)
        return ["Mount Everest is 8,849 metres high."]

    scripted(bot, Scripted(look)).ask("How high is Mount Everest?")
    assert seen[0] == "pending"
    assert only_turn(bot).state == "done"


def test_the_reply_comes_last_and_only_after_it_is_stored(bot: Bot) -> None:
    for step in bot.steps("How high is Mount Everest?"):
        state = only_turn(bot).state
        assert state == ("done" if isinstance(step, Reply) else "pending")


def test_closing_the_steps_cancels_the_turn(bot: Bot) -> None:
    steps = bot.steps("How high is Mount Everest?")
    assert isinstance(next(steps), Step)
    steps.close()
    assert only_turn(bot).state == "cancelled"
    assert only_turn(bot).question == "How high is Mount Everest?"


def test_steps_that_are_never_taken_store_nothing(bot: Bot) -> None:
    bot.steps("How high is Mount Everest?").close()
    assert bot.history.conversations() == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModelError("the server does not answer: start it"), "the server does not answer: start it"),
        (ZeroDivisionError("secret detail"), "unexpected: ZeroDivisionError"),
    ],
)
def test_a_failure_is_stored_with_its_reason_and_raised(bot: Bot, error: Exception, reason: str) -> None:
    def fail(context: Context) -> list[str]:
        raise error

    with pytest.raises(type(error)):
        scripted(bot, Scripted(fail)).ask("How high is Mount Everest?")
    turn = only_turn(bot)
    assert (turn.state, turn.reason, turn.reply) == ("failed", reason, None)
    assert bot.ask("How high is Mount Everest?", turn.conversation).outcome == "answered"


def test_ctrl_c_in_the_middle_cancels_the_turn(bot: Bot) -> None:
    def stop(context: Context) -> list[str]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        scripted(bot, Scripted(stop)).ask("How high is Mount Everest?")
    assert only_turn(bot).state == "cancelled"


def test_two_threads_answer_at_once_and_lose_nothing(bot: Bot) -> None:
    replies: list[Reply] = []
    threads = [threading.Thread(target=lambda: replies.append(bot.ask("How high is it?"))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({reply.conversation for reply in replies}) == 4
    assert all(bot.history.turns(reply.conversation)[0].reply == reply for reply in replies)


@pytest.mark.parametrize("text", ["", "  \n\t ", "\u200b\u200d\ufeff", "\0\x07", "\ufe0f"])
def test_an_empty_message_is_refused_and_stores_nothing(bot: Bot, text: str) -> None:
    with pytest.raises(InputError, match="the message is empty"):
        bot.ask(text)
    assert bot.history.conversations() == []


def test_a_message_over_the_limit_is_refused_with_both_numbers() -> None:
    assert checked_message("a" * MESSAGE_LIMIT)
    with pytest.raises(InputError, match="has 32,001 characters, the limit is 32,000"):
        checked_message("a" * (MESSAGE_LIMIT + 1))


def test_a_message_is_stored_as_it_can_be_seen(bot: Bot) -> None:
    reply = bot.ask("How \ud800high\0 is\u202e it? 👩‍👩‍👧")
    assert bot.history.turns(reply.conversation)[0].question == "How \ufffdhigh is it? 👩‍👩‍👧"


def test_an_unknown_conversation_is_refused(bot: Bot) -> None:
    with pytest.raises(InputError, match="there is no conversation 'nope'"):
        bot.ask("How high?", "nope")


def test_a_second_bot_is_told_who_holds_the_folder(bot: Bot, script: str, tmp_path: Path) -> None:
    with pytest.raises(InUse, match=r"is in use by process \d+ .*; stop it or use another --data-dir"):
        open_bot(tmp_path / "data", script)
    bot.close()
    open_bot(tmp_path / "data", script).close()


def test_a_closed_bot_answers_stores_and_reads_nothing(bot: Bot, script: str, tmp_path: Path) -> None:
    conversation = bot.ask("How high is Mount Everest?").conversation
    bot.close()
    note = tmp_path / "late.md"
    note.write_text("Late notes are late.")
    with open_bot(tmp_path / "data", script) as other:  # who has the lock now
        before = len(other.history.turns(conversation))
        for use in (
            lambda: bot.ask("How high is Mount Everest?"),
            lambda: bot.ask("And when?", conversation),
            lambda: bot.ingest([note]),
            lambda: bot.history.turns(conversation),
            lambda: bot.library.remove(1),
        ):
            with pytest.raises(DataError, match="has been closed: open the data folder again"):
                use()
        assert len(other.history.turns(conversation)) == before
        assert len(other.history.conversations()) == 1
    bot.close()


def test_turns_left_pending_become_interrupted_at_the_next_start(bot: Bot, script: str, tmp_path: Path) -> None:
    conversation = bot.history.start()
    turn = bot.history.begin(conversation, "How high?")
    bot.close()
    with open_bot(tmp_path / "data", script) as again:
        assert again.history.turn(turn).state == "interrupted"


def test_what_cannot_be_opened_is_one_clear_line(tmp_path: Path, script: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="is a file: name another with --data-dir"):
        open_bot(tmp_path / "file", script)
    with pytest.raises(DataError, match="cannot be made"):
        open_bot("/proc/candor-data", script)
    with pytest.raises(ModelError, match="there is no model 'nope'"):
        open_bot(tmp_path / "data", "nope")
    with pytest.raises(SettingsError, match="did you mean 'candidates'"):
        open_bot(tmp_path / "data", script, candidate=3)
    open_bot(tmp_path / "data", script).close()  # a failed start holds nothing


def test_a_text_is_checked_against_given_evidence(bot: Bot) -> None:
    claims = bot.check(
        "Mount Everest is 8,849 metres high. It was first climbed by penguins.",
        ["Mount Everest is 8,849 metres high.", ""],
    )
    assert [claim.supported for claim in claims] == [True, False]
    assert claims[0].passage is not None
    assert claims[0].passage.source == "evidence 1"


def test_the_doctor_finds_a_healthy_folder_healthy(bot: Bot) -> None:
    findings = {finding.name: finding for finding in bot.doctor()}
    assert {finding.state for finding in findings.values()} <= {"ok", "warn"}
    assert findings["index"].state == "ok"
    assert "in use by process" in findings["lock"].detail


def test_without_a_language_model_the_bot_says_that_it_quotes(tmp_path: Path) -> None:
    with open_bot(tmp_path / "data", "quote") as bot:
        assert bot.notice == "quoting mode: no language model is loaded"
        assert bot.ask("How high is Mount Everest?").outcome in ("abstained", "answered")


def test_some_settings_change_while_the_bot_is_open(tmp_path: Path, script: str) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "everest.md").write_text(NOTE)
    with open_bot(tmp_path / "data", script) as bot:
        bot.ingest([tmp_path / "notes"])
        bot.change(model="quote", candidates="3", passages="2")
        assert (bot.settings.candidates, bot.settings.passages, bot.settings.origins["passages"]) == (3, 2, "page")
        assert "quoting mode" in bot.notice
        trace = bot.ask("How high is Mount Everest?").trace
        assert {draft.writer for draft in trace.candidates} == {"quote"}
        for values in ({"passages": "0"}, {"passages": 9, "preset": "strict"}, {"candidates": "many"}):
            with pytest.raises(SettingsError):
                bot.change(**values)
        with pytest.raises(ModelError):
            bot.change(model="hf:/nowhere/at-all", passages=9)
        assert (bot.settings.model, bot.settings.passages, bot.responder.model.name) == ("quote", 2, "quote")


def test_importing_the_package_is_light() -> None:
    program = "import sys, app; print([m for m in ('torch', 'sqlalchemy', 'gradio', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_exported_names_exist() -> None:
    assert app.open_bot is importlib.import_module("app.bot").open_bot
    assert all(hasattr(app, name) for name in app.__all__)
    with pytest.raises(AttributeError):
        _ = app.nothing
    assert issubclass(ModelError, DialogueError)
