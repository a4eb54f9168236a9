"""What is stored is what was said, across processes, removals and crashes."""

import json
import sqlite3
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, inspect, select

from app.errors import DataError, InputError
from app.library.checksums import seal
from app.store.database import NAME, Database, open_database
from app.store.history import History
from app.store.tables import Base, CandidateRow, CitationRow, ConversationRow, EvidenceRow, TurnRow
from dialogue.types import Candidate, Citation, Claim, Reply, Scores, Trace, Turn
from retrieval.types import Evidence, Passage
from safety.types import Verdict

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
number = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | st.floats(0, 1)
many = st.lists(words, max_size=2).map(tuple)
offset = st.integers(0, 2**31 - 1)
kinds = st.sampled_from(["document", "picture", "tool", "page"])
passages = st.builds(Passage, offset, words, words, words, many, offset, offset, words, kinds)
verdicts = st.builds(
    Verdict,
    st.booleans(),
    maybe,
    words,
    words,
    words,
    st.lists(st.tuples(words, number), max_size=2).map(tuple),
)
claims = st.builds(Claim, words, offset, offset, maybe, st.booleans(), st.none() | passages, offset, offset, words)
scores = st.builds(
    Scores, maybe, maybe, maybe, maybe, maybe, st.lists(claims, max_size=2).map(tuple), many, maybe, maybe
)
found = st.builds(Evidence, passages, number, maybe)
candidates = st.builds(Candidate, words, verdicts, scores, number, words, st.booleans())
traces = st.builds(
    Trace,
    asked=verdicts,
    query=words,
    queries=many,
    evidence=st.lists(found, max_size=2).map(tuple),
    withheld=st.lists(st.tuples(found, words), max_size=2).map(tuple),
    candidates=st.lists(candidates, max_size=2).map(tuple),
    rounds=st.integers(0, 9),
    timings=st.dictionaries(words, number, max_size=3),
    model=words,
    judges=words,
    policy=words,
    notes=many,
    role=words,
    research=st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), words), max_size=2).map(tuple),
    tokens=st.dictionaries(words, offset, max_size=3),
)
citations = st.builds(Citation, offset, words, words, many, words, passages, words, offset, offset, st.floats(0, 1))
replies = st.builds(
    Reply,
    words,
    st.sampled_from(["answered", "abstained", "refused"]),
    st.lists(citations, max_size=2).map(tuple),
    traces,
)

SAFE = Verdict(True, 0.01)
PLAIN = Reply("Blue.", "answered", (), Trace(asked=SAFE))


@pytest.fixture
def history(database: Database) -> History:
    return History(database)


@given(words, replies)
def test_any_reply_comes_back_exactly_as_it_was_stored(database: Database, question: str, reply: Reply) -> None:
    history = History(database)
    conversation = history.start()
    turn = history.begin(conversation, question)
    history.finish(turn, reply)
    [stored] = history.turns(conversation)
    assert stored.reply == replace(reply, conversation=conversation)
    assert (stored.question, stored.state, stored.number) == (question, "done", 1)
    assert list(stored.reply.trace.timings) == list(reply.trace.timings)


@pytest.mark.parametrize(
    ("number", "source", "kind"),
    [
        (7, "sky.md", "document"),
        (7, "https://sky.example/", "document"),  # a page that was ingested
        (-1, "sky.png", "picture"),
        (-8, "sky.png", "picture"),
        (-(1 << 32), "calculator", "tool"),
        (-(1 << 33), "https://sky.example/", "page"),
    ],
)
def test_passages_stored_before_they_had_kinds_get_them_when_read(
    history: History, number: int, source: str, kind: str
) -> None:
    passage = Passage(number, "The sky is blue.", source, "Sky", (), 0, 16)
    claim = Claim("It is blue.", 0, 11, 0.9, True, replace(passage, title="Elsewhere"), 0, 16)
    draft = Candidate("It is blue.", SAFE, Scores(claims=(claim, replace(claim, passage=passage))), 3.2)
    cited = Citation(1, source, "Sky", (), "", replace(passage, title="Sky again"), "The sky is blue.", 0, 16, 0.9)
    trace = Trace(SAFE, evidence=(Evidence(passage, 1.0),), candidates=(draft,))
    conversation = history.start()
    turn = history.begin(conversation, "Why?")
    history.finish(turn, Reply("It is blue.[1]", "answered", (cited,), trace))
    with history._database.write() as session:
        for row in session.scalars(select(EvidenceRow)):
            row.passage = _without_kind(row.passage)
        for row in session.scalars(select(CitationRow)):
            row.passage = _without_kind(row.passage)
        for row in session.scalars(select(CandidateRow)):
            row.claims = [{**claim, "passage": _without_kind(claim["passage"])} for claim in row.claims]
        seal(session, turn)
    [stored] = history.turns(conversation)
    assert stored.reply is not None
    [judged] = stored.reply.trace.candidates
    read = [stored.reply.trace.evidence[0].passage, stored.reply.citations[0].passage]
    read += [claim.passage for claim in judged.scores.claims if claim.passage]
    assert [(one.id, one.kind) for one in read] == [(number, kind)] * 4


def _without_kind(passage: object) -> object:
    return {key: value for key, value in passage.items() if key != "kind"} if isinstance(passage, dict) else passage


def test_a_passage_of_the_evidence_is_stored_once_and_shared_by_claims_and_citations(database: Database) -> None:
    passage = Passage(7, "The sky is blue." * 50, "sky.md", "Sky", ("Colour",), 0, 800)
    claim = Claim("It is blue.", 0, 11, 0.9, True, passage, 0, 16)
    draft = Candidate("It is blue.", SAFE, Scores(0.9, 0.8, 0.7, 0.6, 0.9, (claim,)), 3.2)
    cited = Citation(1, "sky.md", "Sky", ("Colour",), "", passage, "The sky is blue.", 0, 16, 0.9)
    reply = Reply(
        "It is blue.[1]",
        "answered",
        (cited,),
        Trace(SAFE, evidence=(Evidence(passage, 1.0),), candidates=(draft,)),
    )
    history = History(database)
    conversation = history.start()
    history.finish(history.begin(conversation, "Why?"), reply)
    assert history.turns(conversation)[0].reply == replace(reply, conversation=conversation)
    with database.read() as session:
        assert session.scalars(select(CitationRow.passage)).all() == [0]


def test_another_process_reads_the_same_reply(tmp_path: Path, history: History, database_url: str) -> None:
    conversation = history.start("Colours")
    history.finish(history.begin(conversation, "Which colour, 👩‍👩‍👧?"), PLAIN)
    program = (
        "import sys; from pathlib import Path; from app.store.database import open_database\n"
        "from app.store.history import History\n"
        "print(History(open_database(Path(sys.argv[1]), False, sys.argv[3])).export(sys.argv[2]))"
    )
    command = [sys.executable, "-c", program, str(tmp_path), conversation, database_url]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == json.loads(history.export(conversation))
    assert json.loads(done.stdout)["turns"][0]["reply"]["text"] == "Blue."


def test_only_finished_turns_are_context(history: History) -> None:
    conversation = history.start()
    history.finish(history.begin(conversation, "One?"), PLAIN)
    history.fail(history.begin(conversation, "Two?"), "failed", "the model went away")
    history.begin(conversation, "Three?")
    assert history.context(conversation) == (Turn("user", "One?"), Turn("assistant", "Blue."))
    assert [turn.state for turn in history.turns(conversation)] == ["done", "failed", "pending"]
    assert [turn.number for turn in history.turns(conversation, limit=2)] == [2, 3]


def test_a_settled_turn_does_not_change_any_more(history: History) -> None:
    conversation = history.start()
    turn = history.begin(conversation, "One?")
    history.fail(turn, "cancelled", "stopped")
    history.finish(turn, PLAIN)
    history.fail(turn, "failed", "late")
    assert history.turn(turn).state == "cancelled"
    assert history.turn(turn).reply is None


def test_pending_turns_of_a_dead_process_become_interrupted(
    history: History, tmp_path: Path, database_url: str
) -> None:
    conversation = history.start()
    history.finish(history.begin(conversation, "One?"), PLAIN)
    other = open_database(tmp_path, url=database_url)
    turn = History(other).begin(conversation, "Two?")
    other.close()
    assert history.interrupt() == 1
    assert history.turn(turn).state == "interrupted"
    assert history.interrupt() == 0


def test_conversations_are_listed_pinned_first_then_latest_and_searched_in_messages(history: History) -> None:
    old, new, pinned = history.start("Old"), history.start(), history.start("Pinned 100%")
    history.pin(pinned)
    history.finish(history.begin(new, "What colour is the sky?"), PLAIN)
    history.begin(old, "Older, but asked later?")
    assert [c.id for c in history.conversations()] == [pinned, old, new]
    assert [c.id for c in history.conversations(limit=1, offset=1)] == [old]
    assert [c.id for c in history.conversations(search="BLUE sky")] == [new]
    assert [c.id for c in history.conversations(search="100%")] == [pinned]
    assert history.conversation(new).title == "What colour is the sky?"
    assert history.conversation(new).turns == 1


def test_titles_are_tidied_and_never_empty(history: History) -> None:
    conversation = history.start("  a\n" * 300)
    assert len(history.conversation(conversation).title) == 200
    history.rename(conversation, " \n ")
    assert history.conversation(conversation).title == "New conversation"


def test_deleting_a_conversation_leaves_no_rows_behind(database: Database, history: History) -> None:
    conversation = history.start()
    history.finish(history.begin(conversation, "One?"), PLAIN)
    history.delete(conversation)
    with database.read() as session:
        for table in (ConversationRow, TurnRow, CandidateRow, EvidenceRow, CitationRow):
            assert session.scalar(select(func.count()).select_from(table)) == 0


@pytest.mark.parametrize("call", ["turns", "delete", "export", "conversation"])
def test_an_unknown_conversation_is_named_in_the_error(history: History, call: str) -> None:
    with pytest.raises(InputError, match="there is no conversation 'nope'"):
        getattr(history, call)("nope")


def test_hostile_text_is_stored_as_text(history: History) -> None:
    conversation = history.start()
    history.finish(history.begin(conversation, "'); DROP TABLE turn; --"), replace(PLAIN, text="a\ud800b\0c"))
    [turn] = history.turns(conversation)
    assert turn.question == "'); DROP TABLE turn; --"
    assert turn.reply is not None
    assert turn.reply.text == "a\ufffdb\ufffdc"


def test_fifty_threads_lose_no_turn_and_number_them_in_order(history: History) -> None:
    conversation = history.start()
    threads = [
        threading.Thread(target=lambda: history.finish(history.begin(conversation, "?"), PLAIN)) for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    turns = history.turns(conversation)
    assert [turn.number for turn in turns] == list(range(1, 51))
    assert {turn.state for turn in turns} == {"done"}


def test_markdown_export_reads_like_the_conversation(history: History) -> None:
    conversation = history.start("Colours")
    history.finish(history.begin(conversation, "Which?"), PLAIN)
    history.fail(history.begin(conversation, "And now?"), "failed", "no model")
    assert history.export(conversation, "md") == (
        "# Colours\n\n**You:** Which?\n\n**Candor:** Blue.\n\n**You:** And now?\n\n*failed: no model*\n"
    )


def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert inspect(connection).has_table("turn")


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(200)])
def test_a_file_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(DataError, match=r"candor\.db' is (empty|damaged)"):
        open_database(tmp_path)
    assert (tmp_path / NAME).read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("CREATE TABLE notes (text)")
    other.commit()
    other.close()
    with pytest.raises(DataError, match="not a candor database"):
        open_database(tmp_path)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    open_database(tmp_path).close()
    raw = sqlite3.connect(tmp_path / NAME)
    raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.commit()
    raw.close()
    with pytest.raises(DataError, match=r"newer candor \(schema 9999\): update candor"):
        open_database(tmp_path)


def test_a_failed_migration_leaves_the_old_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_database(tmp_path).close()
    raw = sqlite3.connect(tmp_path / NAME)
    for (table,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if table not in ("sqlite_sequence", "source"):  # the first version will stumble over this one
            raw.execute(f"DROP TABLE {table}")
    raw.commit()
    raw.close()
    with pytest.raises(DataError, match="table source already exists"):
        open_database(tmp_path)
    raw = sqlite3.connect(tmp_path / NAME)
    tables = [name for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    raw.close()
    assert sorted(tables) == ["source", "sqlite_sequence"]


def test_a_damaged_database_says_so(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    history = History(database)
    for _ in range(50):
        history.finish(history.begin(history.start(), "One?" * 500), PLAIN)
    database.close()
    content = bytearray((tmp_path / NAME).read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    (tmp_path / NAME).write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        History(open_database(tmp_path)).conversations()


def test_a_full_disk_is_one_clear_line_and_keeps_what_was_stored(tmp_path: Path) -> None:
    database = open_database(tmp_path)
    history = History(database)
    conversation = history.start()
    history.finish(history.begin(conversation, "One?"), PLAIN)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(DataError, match="disk is full: free some space"):
        history.begin(conversation, "Two?" * 50_000)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
    assert history.turns(conversation)[0].state == "done"
    history.begin(conversation, "Three?")
    database.close()


def test_a_writer_waits_for_another_process(tmp_path: Path, history: History) -> None:
    other = sqlite3.connect(tmp_path / NAME, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, lambda: other.execute("COMMIT"))
    timer.start()
    assert history.start("waited")
    timer.join()
    other.close()


def test_reading_needs_data_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data in"):
        open_database(tmp_path, writable=False)
    assert list(tmp_path.iterdir()) == []


def test_a_zero_below_zero_is_no_damage(history: History) -> None:
    conversation, safe = history.start(), Verdict(True, 0.0)
    candidate = Candidate("Yes.", safe, Scores(-0.0), -0.0)
    found = Evidence(Passage(1, "Yes.", "a.md", "A", (), 0, 4), -0.0, -0.0, -0.0)
    reply = Reply("Yes.", "answered", (), Trace(safe, evidence=(found,), candidates=(candidate,)))
    history.finish(history.begin(conversation, "Is it?"), reply)
    assert history.turns(conversation)[0].reply == replace(reply, conversation=conversation)
