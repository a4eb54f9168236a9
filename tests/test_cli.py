"""The command line: one answer out, one line when it fails, exit codes that mean something."""

import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.bot import open_bot
from app.commands.cli import run
from app.library.lock import FolderLock
from retrieval.encoder.embed import Encoder

NOTE = "# Mount Everest\n\nMount Everest is 8,849 metres high. It stands in Asia.\n"
ANSWER = "Mount Everest is 8,849 metres high."
Candor = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch, encoder: Encoder, tmp_path: Path) -> None:
    """A folder with notes and a script; all commands share the loaded encoder."""
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    monkeypatch.setenv("CANDOR_MODEL", "scripted:script.txt")
    (tmp_path / "script.txt").write_text(f"{ANSWER}\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "everest.md").write_text(NOTE)


@pytest.fixture
def candor(capfd: pytest.CaptureFixture[str]) -> Candor:
    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.fixture
def told(candor: Candor) -> Callable[..., Any]:
    """Run with --json, check that stdout is one document and nothing else, and return it."""

    def call(*arguments: str) -> dict[str, Any]:
        code, out, err = candor(*arguments, "--json")
        assert code == 0, err
        return dict(json.loads(out))

    return call


def test_ingest_ask_and_history_in_json(told: Callable[..., Any]) -> None:
    report = told("ingest", "notes")
    assert report["counts"] == {"added": 1, "replaced": 0, "unchanged": 0, "removed": 0, "failed": 0}
    reply = told("ask", "How high is Mount Everest?")
    assert reply["outcome"] == "answered"
    assert reply["citations"][0]["quote"] == ANSWER
    assert reply["trace"]["candidates"][0]["scores"]["claims"][0]["supported"] is True
    assert {"query", "evidence", "timings", "model", "judges", "policy", "notes"} <= set(reply["trace"])
    again = told("ask", "And where is it?", "--conversation", reply["conversation"])
    assert again["conversation"] == reply["conversation"]
    [listed] = told("history", "list")["conversations"]
    assert (listed["id"], listed["turns"]) == (reply["conversation"], 2)
    shown = told("history", "show", reply["conversation"])
    assert shown == told("history", "export", reply["conversation"])
    assert shown["turns"][0]["reply"] == reply
    assert told("history", "list", "--search", "nothing like it") == {"conversations": []}
    [source] = told("sources", "list")["sources"]
    assert source["name"] == "everest.md"
    assert told("sources", "rebuild") == {"passages": 1}
    assert told("sources", "remove", "everest.md")["removed"][0]["id"] == source["id"]
    assert told("history", "delete", reply["conversation"]) == {"deleted": [reply["conversation"]], "unknown": []}
    assert told("doctor")["ok"] is True


@pytest.mark.slow
def test_people_get_the_reply_its_sources_and_the_reasons(candor: Candor) -> None:
    assert candor("ingest", "notes")[:2] == (0, "1 added, 0 replaced, 0 unchanged, 0 removed, 0 failed\n")
    code, out, _ = candor("ask", "How high is Mount Everest?", "--why")
    assert code == 0
    assert "[1] everest.md: “Mount Everest is 8,849 metres high.”" in out
    assert "Quality" in out
    code, out, _ = candor("history", "list")
    assert "How high is Mount Everest?" in out
    identity = out.split()[0]
    assert "> How high is Mount Everest?" in candor("history", "show", identity)[1]
    assert candor("history", "export", identity, "--format", "md")[1].startswith("# How high")
    assert candor("sources", "list")[1].strip().startswith("1  everest.md  (1 passages, ")
    assert "ok    index: 1 passages" in candor("doctor")[1]


def test_what_ingest_leaves_out_is_told(candor: Candor, told: Callable[..., Any], tmp_path: Path) -> None:
    page = tmp_path / "notes" / "kiln.html"
    page.write_text("<p>The kiln burns oak.</p><p style='font-size:0'>The kiln burns nothing but coal.</p>")
    code, _, err = candor("ingest", "notes")
    assert (code, err.count("candor: kiln.html: 1 hidden passage left out\n")) == (0, 1)
    page.write_text(page.read_text() + "<p hidden>Nobody may burn oak.</p>")
    notes = {file["name"]: file["notes"] for file in told("ingest", "notes")["files"]}
    assert notes == {"everest.md": [], "kiln.html": ["2 hidden passages left out"]}


def test_how_a_source_was_read_is_shown(candor: Candor, told: Callable[..., Any], tmp_path: Path) -> None:
    front = "---\nowner: the trust\ndate: 2024-05-02\n---\n"
    (tmp_path / "weir.md").write_text(
        f"{front}# Weir\n\nIt is old.\n\n## Fees\n\nNone.\n\n<p hidden>The old fee.</p>\n"
    )
    assert candor("ingest", "weir.md")[0] == 0
    [report] = told("sources", "show", "weir.md")["sources"]
    assert (report["title"], report["dated"], report["kind"]) == ("Weir", "2024-05-02", "md")
    assert (report["sections"], report["counts"]) == (["Fees"], {"HIDDEN": 1})
    lines = candor("sources", "show", "weir.md")[1].splitlines()
    assert lines[0].startswith("weir.md: Weir (md, dated 2024-05-02, ")
    assert lines[1:] == ["    Fees", "  1 hidden passage left out"]
    assert "there is no source 'none'" in candor("sources", "show", "none")[2]


@pytest.mark.slow
def test_sources_are_refreshed_and_removed_by_file(candor: Candor, told: Callable[..., Any], tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"Kiln {number} burns oak."}) + "\n" for number in range(11)]
    (tmp_path / "notes" / "many.jsonl").write_text("".join(rows))
    told("ingest", "notes")
    listed = candor("sources", "list")[1].splitlines()
    assert [line.split("(")[1] for line in listed] == [
        f"1 passages, {tmp_path}/notes/everest.md)",
        "11 documents, 11 passages, " + f"{tmp_path}/notes/many.jsonl)",
    ]
    names = [row["name"] for row in told("sources", "list")["sources"]]
    assert names == ["everest.md", *(f"many.jsonl#{number}" for number in range(1, 12))]
    (tmp_path / "notes" / "everest.md").unlink()
    report = told("sources", "refresh")
    assert report["counts"] == {"added": 0, "replaced": 0, "unchanged": 1, "removed": 1, "failed": 0}
    (tmp_path / "notes").rename(tmp_path / "away")
    code, out, err = candor("sources", "refresh", "many.jsonl")
    assert (code, out) == (1, "0 added, 0 replaced, 0 unchanged, 0 removed, 1 failed\n")
    assert f"`candor sources remove {tmp_path}/notes` takes it out" in err
    assert candor("sources", "remove", "many.jsonl")[:2] == (0, "removed many.jsonl (11 documents)\n")
    assert "nothing to refresh: run `candor ingest PATH` first" in candor("sources", "refresh")[2]
    assert "there is no source '*.md'" in candor("sources", "remove", "*.md")[2]


@pytest.mark.slow
def test_global_options_stand_before_or_after_the_command(candor: Candor, tmp_path: Path) -> None:
    assert candor("--data-dir", "one", "ask", "Hello?")[0] == 0
    assert candor("ask", "Hello?", "--data-dir", "two", "--json")[0] == 0
    assert candor("--data-dir", "three", "history", "--data-dir", "four", "list", "--data-dir", "one")[0] == 0
    (tmp_path / "candor.toml").write_text('data_dir = "five"\n')
    assert candor("ask", "Hello?", "--config", "candor.toml")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [
        "five",
        "notes",
        "one",
        "two",
    ]


def test_a_question_is_read_from_stdin(candor: Candor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"How high\xff is it?\n")))
    assert candor("ask", "-")[0] == 0
    monkeypatch.setattr(sys, "stdin", None)
    assert candor("ask", "-") == (1, "", "candor: stdin is closed: give the text as an argument\n")
    assert candor("chat") == (1, "", "candor: stdin is closed: use `candor ask`\n")


def test_what_follows_two_dashes_is_text(candor: Candor) -> None:
    code, out, _ = candor("ask", "--", "--json")
    assert code == 0
    assert not out.startswith("{")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["ask", " "], 1, "the message is empty"),
        (["ask", "a" * 32_001], 1, "the message has 32,001 characters, the limit is 32,000"),
        (["ask", "Hi", "--conversation", "nope"], 1, "there is no conversation 'nope'"),
        (["ask", "Hi", "--model", "nope"], 1, "there is no model 'nope'"),
        (["ask", "Hi", "--data-dir", "script.txt"], 1, "the data folder 'script.txt' is a file"),
        (["ingest", "missing.md"], 1, "no such file"),
        (["history", "list"], 1, "there is no data in 'candor-data' yet"),
        (["history", "delete", "x"], 1, "there is no data in 'candor-data' yet"),
        (["check", "Hi.", "--evidence", "none.md"], 1, "none.md: cannot be read"),
        (["ask"], 2, "Missing argument 'QUESTION'. (see candor ask --help)"),
        (["aks", "Hi"], 2, "No such command 'aks'"),
        (["ask", "Hi", "--modle", "x"], 2, "No such option"),
        (["chat", "--json"], 2, "use `candor ask --json`"),
        (["evaluate", "taste", "x"], 2, "'taste' is not one of"),
        (["ask", "Hi", "--config", "none.toml"], 2, "there is no settings file 'none.toml'"),
        (["serve", "--port", "70000"], 2, "port = 70000"),
        (["serve", "--host", "0.0.0.0"], 1, "'0.0.0.0' is not an address of this machine alone"),
        (["evaluate", "dialogue", "none.jsonl"], 2, "'none.jsonl' does not exist"),
        (["check", " ", "--evidence", "notes/everest.md"], 1, "the message is empty"),
        (["check", "Hi.", "--evidence", "notes"], 1, "notes: a folder, name a file in it"),
        (["history", "list", "--data-dir", "script.txt"], 1, "the data folder 'script.txt' is a file"),
    ],
)
def test_a_mistake_is_one_line_or_one_json_document(
    candor: Candor, arguments: list[str], code: int, message: str
) -> None:
    found, out, err = candor(*arguments)
    assert found == code
    if "--json" not in arguments:
        assert [line for line in err.splitlines() if message in line and line.startswith("candor: ")]
        assert "Traceback" not in err
        found, out, err = candor(*arguments, "--json")
        assert found == code
    if arguments[0] != "ingest":  # its document is the report
        assert message in json.loads(out)["error"]["message"]
    assert json.loads(out)


def test_a_failed_start_leaves_nothing_behind(candor: Candor, tmp_path: Path) -> None:
    candor("history", "list")
    candor("ask", " ")
    candor("ask", "Hi", "--config", "none.toml")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "script.txt"]


def test_help_and_version_need_no_data(candor: Candor) -> None:
    assert candor("--help")[0] == 0
    assert candor("ask", "--help")[1].startswith("Usage: candor ask [OPTIONS] QUESTION")
    assert candor("--version")[0] == 0
    assert candor()[0] == 2


def test_reading_commands_work_beside_a_process_that_holds_the_folder(candor: Candor, tmp_path: Path) -> None:
    assert candor("ask", "How high is it?")[0] == 0
    with open_bot(tmp_path / "candor-data", "scripted:script.txt"):
        assert candor("history", "list")[0] == 0
        assert candor("sources", "list")[0] == 0
        assert candor("doctor")[0] == 0
        code, _, err = candor("ask", "How high is it?")
    assert code == 1
    assert f"candor: the data folder 'candor-data' is in use by process {os.getpid()} (python)" in err


def test_the_lock_names_the_command_that_holds_it(candor: Candor, tmp_path: Path) -> None:
    (tmp_path / "candor-data").mkdir()
    with FolderLock(tmp_path / "candor-data", "candor serve"):
        assert "(candor serve); stop it or use another --data-dir" in candor("ingest", "notes")[2]


def test_text_of_others_commands_no_terminal(candor: Candor, tmp_path: Path) -> None:
    (tmp_path / "script.txt").write_text("\x1b[2JGo [bold]away[/bold] \x07\u202etxt.exe [link=x]\n")
    code, out, _ = candor("ask", "\x1b[31mred?")
    assert code == 0
    assert not set("\x1b\x07\u202e") & set(out)
    assert not set("\x1b\x07") & set(candor("history", "list")[1])


def test_a_text_is_checked_sentence_by_sentence(candor: Candor, told: Callable[..., Any]) -> None:
    text = f"{ANSWER} It was first climbed by penguins."
    code, out, _ = candor("check", text, "--evidence", "notes/everest.md")
    assert code == 0
    assert [line.split("  ")[0].strip() for line in out.splitlines()] == ["supported", "NOT supported"]
    assert told("check", text, "--evidence", "notes/everest.md")["supported"] is False


def test_a_damaged_database_is_named_and_fails_the_examination(candor: Candor, tmp_path: Path) -> None:
    candor("ask", "How high is it?")
    (tmp_path / "candor-data" / "candor.db").write_bytes(b"")
    assert "candor.db' is empty where a database was expected" in candor("ask", "Hi")[2]
    code, out, _ = candor("doctor")
    assert code == 1
    assert "fail  database: " in out


def test_the_chat_takes_piped_lines_and_commands(candor: Candor, monkeypatch: pytest.MonkeyPatch) -> None:
    candor("ingest", "notes")
    lines = "How high is Mount Everest?\n/why\n/sources\n\n/history\n/nope\n/new\n/why\n/help\n/quit\nnot read\n"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines.encode())))
    code, out, _ = candor("chat")
    assert code == 0
    assert "[1] everest.md: “" in out
    for part in ("Quality", "everest.md  (1 passages)", "There is no command /nope", "A new conversation."):
        assert part in out
    assert out.index("A new conversation.") < out.index("There is no reply yet.")


def _child(*arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "app", *arguments]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children would ignore it
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def test_ctrl_c_ends_with_130_and_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # never answers, so that the command is surely running
        monkeypatch.setenv("CANDOR_MODEL", f"http://127.0.0.1:{silent.getsockname()[1]}#m")
        child = _child("ask", "How high is it?")
        while not (tmp_path / "candor-data" / "candor.db").exists():
            assert child.poll() is None
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=120)
    assert child.returncode == 130
    assert "Traceback" not in err
    assert "candor: interrupted" in err


def test_a_reader_that_goes_away_is_no_error() -> None:
    child = _child("--help")
    assert child.stdout is not None
    child.stdout.close()
    assert child.stderr is not None
    assert child.stderr.read() == ""
    assert child.wait(timeout=120) in (0, 1)
    child.stderr.close()


def test_a_full_disk_behind_stdout_is_one_line() -> None:
    command = [sys.executable, "-m", "app", "nope", "--json"]
    with open("/dev/full", "w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "candor: No such command 'nope'. (see candor --help)\n")


def test_it_runs_without_a_home_or_a_locale(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C", "PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    child = _child("history", "list", "--json", env=env)
    out, _ = child.communicate(timeout=120)
    assert child.returncode == 1
    assert "there is no data" in json.loads(out)["error"]["message"]


def test_deleting_known_and_unknown_conversations_tells_of_both(candor: Candor, told: Callable[..., Any]) -> None:
    good = told("ask", "How high is Mount Everest?")["conversation"]
    code, out, err = candor("history", "delete", good, "bad", "worse", good)
    assert (code, out) == (1, "deleted 1\n")
    assert "there is no conversation 'bad'" in err
    assert "there is no conversation 'worse'" in err
    assert told("history", "list") == {"conversations": []}
    code, out, _ = candor("history", "delete", "bad", "--json")
    assert (code, json.loads(out)) == (1, {"deleted": [], "unknown": ["bad"]})


@pytest.mark.parametrize("empty", ["", "  "])
@pytest.mark.parametrize("command", [["history", "list"], ["ask", "Why?"], ["ingest", "notes"], ["doctor"]])
def test_an_empty_data_folder_is_wrong_use_and_makes_nothing(
    candor: Candor, tmp_path: Path, command: list[str], empty: str
) -> None:
    before = sorted(tmp_path.iterdir())
    code, out, err = candor(*command, "--data-dir", empty)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert "must not be empty" in err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "command",
    [["history", "list"], ["history", "delete", "x"], ["ask", "Why?"], ["ingest", "notes"], ["sources", "list"]],
)
def test_a_data_folder_that_is_a_dangling_link_is_one_clear_line(
    candor: Candor, tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    code, out, err = candor(*command, "--data-dir", "link")
    assert (code, out) == (1, "")
    assert err.strip() == "candor: 'link' is a link to 'nowhere', which is not there: mend it or use another --data-dir"
    assert not (tmp_path / "nowhere").exists()
