"""Roles: read from files, kept by conversations, heard in replies, and measured."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from role_replies import SEEN, UNSEEN, Replies

from app.bot import Bot, open_bot
from app.commands.cli import run
from app.commands.terminal import _Loop
from app.errors import InputError
from app.evaluation import run as evaluate
from dialogue.intent import load_listener
from dialogue.judges.consistency import in_role
from dialogue.judges.embedded import EmbeddedJudge, load_judge
from dialogue.models.scripted import Scripted
from dialogue.prompts import ABSTENTION
from dialogue.quote import load_quote
from dialogue.rank import quality
from dialogue.respond import Responder
from dialogue.roles import DEFAULT, load_role, role_names
from dialogue.types import DialogueError, Role, Scores, Turn
from retrieval.encoder.adapters import Reader
from retrieval.encoder.embed import Encoder
from retrieval.index.memory import MemoryRetriever
from retrieval.reader import PassageReader
from retrieval.types import Passage
from safety.guards.embedded import EmbeddedGuard
from safety.policy import load_policy

EVEREST = "Mount Everest is 8,849 metres high. Everest has a snow cap. Edmund Hillary climbed it in 1953."
K2 = "K2 is 8,611 metres high. It is the second highest mountain."
PASSAGES = [
    Passage(1, EVEREST, "peaks/everest.md", "Mount Everest", (), 0, len(EVEREST)),
    Passage(2, K2, "peaks/k2.md", "K2", (), 0, len(K2)),
]


@pytest.fixture(scope="module")
def judge(encoder: Encoder, passage_reader: PassageReader) -> EmbeddedJudge:
    return load_judge(encoder, passage_reader)


@pytest.fixture(scope="module")
def quoting(encoder: Encoder, passage_reader: PassageReader, safety_reader: Reader, judge: EmbeddedJudge) -> Responder:
    guard = EmbeddedGuard(safety_reader, load_policy())
    listener = load_listener(encoder.encode)
    return Responder(load_quote(passage_reader), MemoryRetriever(PASSAGES, encoder), guard, judge, listener=listener)


def said(responder: Responder, text: str, role: Role) -> str:
    return responder.respond([Turn("user", text)], role).text


# --- files


def test_the_packaged_roles_load_and_the_default_one_is_the_plain_role() -> None:
    assert role_names() == ["candor", "everest", "music", "tutor"]
    assert replace(load_role(DEFAULT), about="") == Role()
    everest, music = load_role("everest"), load_role("music")
    assert [turn.role for turn in everest.opening] == ["assistant"]
    assert everest.subject == everest.name == "Mount Everest"
    assert [turn.role for turn in music.opening] == ["user", "assistant"] * 2
    assert all(load_role(name).about and load_role(name).style for name in ("everest", "music", "tutor"))


def test_a_role_of_the_user_is_listed_and_wins_over_a_packaged_one(tmp_path: Path) -> None:
    (tmp_path / "music.toml").write_text('name = "Jukebox"\nsources = ["songs/*"]\n[tightened]\nharm = 0.5\n')
    (tmp_path / "ada.toml").write_text('\ufeffname = " Ada  L. "\n', encoding="utf-8")
    assert role_names(tmp_path) == ["candor", "ada", "everest", "music", "tutor"]
    assert load_role("music", tmp_path) == Role("Jukebox", sources=("songs/*",), tightened=(("harm", 0.5),))
    assert load_role("ada", tmp_path) == Role("Ada L.")
    assert load_role("music").name == "Encore"
    assert role_names(tmp_path / "nowhere") == role_names()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("style = 'x'", "has no name"),
        ("name = 3", "name is 3, but must be text"),
        ("name = ' '", "name is ' '"),
        ("name = 'a'\nnane = 'b'", "unknown key 'nane' (did you mean 'name'?)"),
        ("name = 'a'\nsources = 'x'", "sources is 'x', but must list patterns"),
        ("name = 'a'\nsources = ['']", "sources is ['']"),
        ("name = 'a'\ntightened = 1", "tightened is 1, but must be a table"),
        ("name = 'a'\n[tightened]\nharrassment = 0.5", "unknown key 'harrassment' (did you mean 'harassment'?)"),
        ("name = 'a'\n[tightened]\nharm = 1.2", "harm is 1.2, but must be a share of the usual threshold"),
        ("name = 'a'\n[tightened]\nharm = 0", "a role can only be stricter"),
        ("name = 'a'\n[tightened]\nharm = nan", "harm is nan"),
        ("name = 'a'\n[tightened]\nharm = true", "harm is True"),
        ("name = 'a'\nopening = 'hi'", "opening is 'hi', but must be [[opening]] tables"),
        ("name = 'a'\n[[opening]]\nrole = 'system'\ntext = 'x'", "[[opening]] 1: role is 'system'"),
        ("name = 'a'\n[[opening]]\nrole = 'assistant'\ntext = ''", "[[opening]] 1: text is ''"),
        ("name = 'a'\n[[opening]]\nrole = 'assistant'\nsays = 'x'", "unknown key 'says'"),
        ("name = 'a'\n[[opening]]\nrole = 'user'\ntext = 'x'", "the opening ends with the user"),
        (
            "name = 'a'\n[[opening]]\nrole='assistant'\ntext='x'\n[[opening]]\nrole='assistant'\ntext='y'",
            "[[opening]] 2: role is 'assistant' twice in a row",
        ),
        (f"name = 'a'\nstyle = '{'x' * 601}'", "style has 601 characters, the limit is 600"),
        ("name =", "cannot be read"),
    ],
)
def test_a_file_that_is_no_role_is_told_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(DialogueError) as told:
        load_role("bad", tmp_path)
    assert words in str(told.value)
    assert str(tmp_path / "bad.toml") in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["", "everst", "../roles/everest", "everest.toml", "/etc/passwd"])
def test_an_unknown_role_names_the_nearest_and_all(name: str) -> None:
    with pytest.raises(DialogueError, match=r"there is no role .*; there are: candor, everest, music, tutor"):
        load_role(name)
    with pytest.raises(DialogueError, match="did you mean 'everest'"):
        load_role("everst")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_role_or_one_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    folder = tmp_path_factory.mktemp("roles")
    (folder / "any.toml").write_bytes(data)
    with suppress(DialogueError):
        assert load_role("any", folder).name


# --- a turn


def test_a_mountain_is_asked_as_you_and_answers_as_i(quoting: Responder) -> None:
    reply = quoting.respond([Turn("user", "how high are you?")], load_role("everest"))
    assert reply.text == "I am 8,849 metres high. [1]"
    assert reply.citations[0].quote == "Mount Everest is 8,849 metres high."
    assert reply.trace.query == "how high is Mount Everest?"
    assert reply.trace.role == "Mount Everest"
    assert reply.trace.candidates[0].scores.in_role == 0.9


def test_small_talk_has_the_voice_of_the_role(quoting: Responder) -> None:
    for name, own in (("everest", "Mount Everest"), ("music", "Encore"), ("tutor", "Quill"), ("candor", "Candor")):
        role = load_role(name)
        assert own in said(quoting, "who are you?", role)
        if name != DEFAULT:
            assert own in said(quoting, "hello!", role)
            assert own in said(quoting, f"Hi {own}!", role)


def test_a_greeting_offers_the_opening_of_the_role(quoting: Responder) -> None:
    role = load_role("everest")
    drafts = quoting.respond([Turn("user", "hi")], role).trace.candidates
    assert role.opening[0].text in {draft.text for draft in drafts}
    assert all("grounded" not in draft.dropped for draft in drafts)


def test_what_the_persona_says_of_itself_is_checked_against_the_sources(encoder: Encoder, quoting: Responder) -> None:
    drafts = [
        "I am 8,849 metres high.",
        "I am 9,000 metres high.",
        "I am Mount Everest.",
        "I lie in the Alps of France.",
    ]
    responder = replace(quoting, model=Scripted(drafts))
    reply = responder.respond([Turn("user", "how high are you?")], load_role("everest"))
    assert reply.text == "I am 8,849 metres high. [1]"
    claims = {draft.text: draft.scores.claims[0] for draft in reply.trace.candidates}
    assert not claims["I am 9,000 metres high."].supported
    assert not claims["I lie in the Alps of France."].supported
    assert claims["I lie in the Alps of France."].support is not None
    assert claims["I am Mount Everest."].support is None


def test_a_role_finds_only_in_its_sources(quoting: Responder) -> None:
    role = Role(sources=("peaks/k*",))
    assert said(quoting, "How high is K2?", role) == "K2 is 8,611 metres high. [1]"
    reply = quoting.respond([Turn("user", "How high is Mount Everest?")], role)
    assert {item.passage.source for item in reply.trace.evidence} == {"peaks/k2.md"}
    assert reply.outcome == "abstained"


def test_a_role_tightens_what_the_guard_lets_pass(quoting: Responder) -> None:
    quoting, text = replace(quoting, listener=None), "Why are men so stupid?"
    assert quoting.respond([Turn("user", text)]).outcome != "refused"
    strict = quoting.respond([Turn("user", text)], Role(tightened=(("unjust impact", 0.3),)))
    assert strict.outcome == "refused"


# --- consistency


def accuracy(replies: Replies, encoder: Encoder) -> float:
    right = 0
    for name in {name for name, _, _ in replies}:
        rows = [(text, good) for role, text, good in replies if role == name]
        found = in_role(load_role(name), [text for text, _ in rows], encoder)
        right += sum(
            (share or 0) >= 0.5 if good else (share or 0) < 0.5 for share, (_, good) in zip(found, rows, strict=True)
        )
    return right / len(replies)


def test_replies_in_a_role_are_told_from_others(encoder: Encoder) -> None:
    assert accuracy(SEEN, encoder) >= 28 / 30
    assert accuracy(UNSEEN, encoder) >= 28 / 30


def test_a_role_without_character_and_an_abstention_are_not_judged(encoder: Encoder) -> None:
    assert in_role(load_role(DEFAULT), ["As an AI language model, I cannot."], encoder) == [None]
    assert in_role(load_role("music"), [ABSTENTION, " ", "Try some jazz."], encoder)[:2] == [None, None]
    assert in_role(load_role("music"), [], encoder) == []


def test_being_in_the_role_decides_only_between_drafts_that_are_nearly_as_good() -> None:
    scores = Scores(0.9, 0.8, 0.6, 0.9, 0.9)
    assert quality(replace(scores, in_role=0.9)) > quality(replace(scores, in_role=0.1))
    assert quality(replace(scores, answers=0.8, in_role=1.0)) < quality(replace(scores, in_role=0.4))


# --- conversations


@pytest.fixture
def bot(encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bot]:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    (tmp_path / "everest.md").write_text(f"# Mount Everest\n\n{EVEREST}\n")
    with open_bot(tmp_path / "data", "quote", role="everest") as bot:
        bot.ingest([tmp_path / "everest.md"])
        yield bot


def test_a_conversation_keeps_its_role(bot: Bot) -> None:
    reply = bot.ask("How high are you?")
    assert reply.text == "I am 8,849 metres high. [1]"
    assert bot.history.conversation(reply.conversation).role == "everest"
    assert bot.ask("Who are you?", reply.conversation).trace.role == "Mount Everest"
    assert bot.history.turns(reply.conversation)[0].reply == reply
    assert '"role": "everest"' in bot.history.export(reply.conversation)
    with pytest.raises(InputError, match="held in the role 'everest'"):
        bot.ask("Hello", reply.conversation, role="music")

    other = bot.ask("Who are you?", role="music")
    assert "Encore" in other.text
    assert bot.history.conversation(other.conversation).role == "music"


def test_a_role_that_cannot_be_loaded_stores_nothing_or_fails_the_turn(bot: Bot) -> None:
    with pytest.raises(DialogueError, match="there is no role 'nobody'"):
        bot.ask("Hello", role="nobody")
    assert bot.history.conversations() == []
    folder = bot.settings.data_dir / "roles"
    folder.mkdir()
    (folder / "ada.toml").write_text('name = "Ada"')
    (folder / "bad.toml").write_text("nothing")
    assert list(bot.roles()) == ["candor", "ada", "everest", "music", "tutor"]
    conversation = bot.ask("Who are you?", role="ada").conversation
    (folder / "ada.toml").unlink()
    with pytest.raises(DialogueError, match="there is no role 'ada'"):
        bot.ask("Hello", conversation)
    assert [turn.state for turn in bot.history.turns(conversation)] == ["done", "failed"]


def test_the_terminal_lists_and_changes_roles(bot: Bot) -> None:
    shown = StringIO()
    loop = _Loop(bot, Console(file=shown, width=200), None)
    loop.open()
    for line in ("/role", "/role music", "hello", "/role nobody", "/why"):
        loop.take(line)
    text = shown.getvalue()
    assert text.startswith("Good day from the top of the world!")
    assert "* everest      Mount Everest: the highest mountain, speaking for itself" in text
    assert "> I have a free evening and nothing to listen to." in text
    assert "Hello! I am Encore." in text
    assert "candor: there is no role 'nobody'" in text
    assert "In the role of: Encore" in text
    assert [found.role for found in bot.history.conversations()] == ["music"]


def test_the_doctor_tells_of_roles_that_cannot_be_loaded(bot: Bot) -> None:
    [fine] = [finding for finding in bot.doctor() if finding.name == "roles"]
    assert (fine.state, fine.detail) == ("ok", "candor, everest, music, tutor")
    bot.settings.role_folder.mkdir()
    (bot.settings.role_folder / "bad.toml").write_text("nothing")
    (bot.settings.role_folder / "everest.toml").write_text("name = 1")
    states = [finding.state for finding in bot.doctor() if finding.name == "role"]
    assert states == ["warn", "fail"]


def test_role_consistency_is_measured_in_a_role_and_undefined_without(bot: Bot, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        '{"context": ["how high are you?"], "answers": ["8,849"]}\n{"context": ["Who climbed K3?"], "answers": []}\n'
    )
    found = evaluate("dialogue", rows, bot)
    assert (found["role"], found["role_consistency"], found["answer_hit"]) == ("everest", 1.0, 1.0)
    plain = evaluate("dialogue", rows, replace(bot, settings=replace(bot.settings, role=DEFAULT)))
    assert plain["role_consistency"] is None
    assert plain["undefined"]["role_consistency"] == "there are no replies in a role"


@pytest.mark.slow
def test_the_command_line_takes_a_role(bot: Bot, capfd: pytest.CaptureFixture[str]) -> None:
    conversation, folder = bot.ask("hello").conversation, str(bot.settings.data_dir)
    assert "**Mount Everest:** Hello!" in bot.history.export(conversation, "md")
    bot.close()
    for words, code, told in (
        (["ask", "hello", "--role", "evrest"], 1, "there is no role 'evrest' (did you mean 'everest'?)"),
        (["ask", "hello", "--role", "music", "--conversation", conversation], 1, "held in the role 'everest'"),
        (["chat", "--role", "music", "--conversation", conversation], 1, "held in the role 'everest'"),
        (["ask", "who are you", "--role", "tutor", "--json"], 0, '"role": "Quill"'),
    ):
        assert run([*words, "--data-dir", folder]) == code
        out, err = capfd.readouterr()
        assert told in (err if code else out)
