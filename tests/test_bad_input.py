"""What people get wrong by hand: odd things where a file is expected, empty names, mistyped folders, full devices."""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import deep_folder

from app.bot import Bot, open_bot
from app.commands.cli import run
from app.config import load_settings
from app.errors import AppError, InputError, SettingsError
from app.evaluation.rows import AnswerRow, EvaluationError, Rows, digest_of
from app.library.catalogue import as_text
from app.pictures import read_pictures
from app.store.database import Database
from app.store.history import History
from dialogue.models.scripted import load_scripted
from dialogue.roles import load_role
from dialogue.types import DialogueError
from retrieval.encoder.embed import Encoder
from retrieval.sources import read_documents
from retrieval.types import SourceError
from safety.files import FileError, NoFile, open_regular, read_text, read_toml
from safety.policy import load_policy
from safety.types import SafetyError

Candor = Callable[..., tuple[int, str, str]]
NOTE = "# Mount Everest\n\nMount Everest is 8,849 metres high. It stands in Asia.\n"
ODD = ("folder", "pipe", "device", "dangling", "missing", "loop", "long", "latin", "huge", "sealed")


def odd(folder: Path, kind: str, name: str) -> Path:
    """Put something odd where a file of that name is expected."""
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "dangling":
        path.symlink_to(folder / "nowhere")
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "long":
        return folder / ("a" * 300 + name)
    elif kind == "latin":
        path.write_bytes(b"name = 'caf\xe9'\n")
    elif kind == "huge":
        path.touch()
        os.truncate(path, 1 << 30)  # takes no room on the disk
    elif kind == "sealed":
        path.write_text("x")
        path.chmod(0)
        if os.access(path, os.R_OK):
            pytest.skip("this user may read everything")
    return path


@pytest.mark.parametrize("kind", ODD)
def test_no_text_file_that_a_user_names_makes_a_command_wait_or_break(tmp_path: Path, kind: str) -> None:
    def policy(path: Path) -> object:
        return load_policy(path)

    readers: list[tuple[str, type[Exception], Callable[[Path], object]]] = [
        ("a/c.toml", SettingsError, lambda path: load_settings({}, {}, path)),
        ("b/p.toml", SafetyError, policy),
        ("c/s.txt", DialogueError, load_scripted),
    ]
    for name, error, read in readers:
        with pytest.raises(error, match=r"cannot be read|there is no settings file") as caught:
            read(odd(tmp_path, kind, name))
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind not in ("missing", "long")])
def test_what_stands_in_the_place_of_a_role_is_named(tmp_path: Path, kind: str) -> None:
    path = odd(tmp_path, kind, "roles/ada.toml")
    with pytest.raises(DialogueError, match=rf"the role {str(path)!r} cannot be read"):
        load_role("ada", path.parent)


@pytest.mark.parametrize("kind", [kind for kind in ODD if kind not in ("latin", "huge")])
def test_data_pictures_and_evidence_are_regular_files(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match=r"the picture '.*' cannot be read"):
        read_pictures(odd(tmp_path, kind, "a/a.png"))
    with pytest.raises(SourceError):
        next(read_documents(odd(tmp_path, kind, "b/b.txt")))
    path = odd(tmp_path, kind, "c/rows.jsonl")
    with pytest.raises(EvaluationError, match="cannot be read"):
        list(Rows(path, AnswerRow))
    if kind != "folder":
        with pytest.raises(EvaluationError, match="cannot be read"):
            digest_of(path)


def test_a_small_file_is_read_whole_and_a_large_one_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"\xef\xbb\xbfname = 'caf\xc3\xa9'\n")
    assert read_toml(path) == {"name": "café"}
    assert read_text(path) == "name = 'café'\n"
    with pytest.raises(FileError, match="it has 18 bytes, the limit is 17"):
        read_text(path, 17)
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(FileError, match="not valid TOML"):
        read_toml(path)
    with pytest.raises(NoFile):
        open_regular(tmp_path / "none")


@given(st.text(max_size=20))
def test_any_name_is_a_file_or_an_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError):
        open_regular(tmp_path / "none" / name)
    assert as_text(name).encode().decode() == as_text(name)


# --- the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def candor(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, encoder: Encoder, tmp_path: Path
) -> Candor:
    """Run a command in a folder with notes and a script, beside the loaded encoder."""
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    monkeypatch.setenv("CANDOR_MODEL", "scripted:script.txt")
    (tmp_path / "script.txt").write_text("Mount Everest is 8,849 metres high.\n")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "everest.md").write_text(NOTE)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = run(arguments)
        out, err = capfd.readouterr()
        return code, out, err

    return call


@pytest.mark.parametrize("empty", ["", " \t"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["ingest", "*"],
        ["ingest", "notes", "*"],
        ["sources", "remove", "*"],
        ["sources", "refresh", "*"],
        ["history", "show", "*"],
        ["history", "export", "*"],
        ["history", "delete", "*"],
        ["ask", "Hi", "--conversation", "*"],
        ["ask", "Hi", "--image", "*"],
        ["ask", "Hi", "--config", "*"],
        ["chat", "--conversation", "*"],
        ["serve", "--example", "*"],
        ["check", "Hi.", "--evidence", "*"],
        ["evaluate", "answers", "notes/everest.md", "--out", "*"],
        ["train", "judges", "--data", "*"],
        ["train", "generator", "notes/everest.md", "--out", "*"],
    ],
)
def test_an_empty_name_is_wrong_use_and_does_nothing(
    candor: Candor, tmp_path: Path, arguments: list[str], empty: str
) -> None:
    code, out, err = candor(*[empty if word == "*" else word for word in arguments])
    assert (code, out) == (2, "")
    assert "it is empty: is a variable of the shell not set?" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes", "script.txt"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["sources", "list"],
        ["sources", "remove", "everest.md"],
        ["sources", "refresh"],
        ["sources", "rebuild"],
        ["history", "list"],
        ["history", "show", "x"],
        ["history", "export", "x"],
        ["history", "delete", "x"],
        ["ask", "Hi", "--conversation", "x"],
        ["chat", "--conversation", "x"],
    ],
)
def test_a_mistyped_data_folder_is_told_and_not_made(candor: Candor, tmp_path: Path, arguments: list[str]) -> None:
    code, _, err = candor(*arguments, "--data-dir", "candor-dta")
    assert code == 1
    assert "there is no data in 'candor-dta' yet" in err
    assert not (tmp_path / "candor-dta").exists()
    (tmp_path / "candor-dta").mkdir()
    assert candor(*arguments, "--data-dir", "candor-dta")[0] == 1
    assert not list((tmp_path / "candor-dta").iterdir())


def test_an_evaluation_makes_no_data_folder(candor: Candor, tmp_path: Path) -> None:
    row = {"question": "How high is it?", "sentence": "It is 8,849 metres high.", "answers": True}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "answers": False}) + "\n")
    code, out, err = candor("evaluate", "answers", "rows.jsonl", "--data-dir", "candor-dta")
    assert (code, json.loads(out)["n"]) == (0, 2)
    assert "there is no data folder 'candor-dta': this runs without documents" in err
    assert not (tmp_path / "candor-dta").exists()


def test_an_unknown_source_is_named_beside_the_nearest_and_nothing_is_removed(candor: Candor) -> None:
    assert candor("ingest", "notes")[0] == 0
    code, out, err = candor("sources", "remove", "everest.md", "notes/Evrest.md")
    assert (code, out) == (1, "")
    assert "there is no source 'notes/Evrest.md' (did you mean 'everest.md'?)" in err
    assert "did you mean" not in candor("sources", "remove", "unlike-anything")[2]
    assert "everest.md" in candor("sources", "list")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["history", "list", "--offset", "99999999999999999999"], 2, "is not in the range"),
        (["history", "list", "--data-dir", "~nosuchuser/x"], 2, "the home of a user who is not known here"),
        (["ask", "Hi", "--image", "~nosuchuser/x.png"], 1, "cannot be read (Could not determine home directory"),
        (["ask", "Hi", "--config", "/dev/zero"], 2, "it is a pipe or a device"),
        (["evaluate", "grounding", "/dev/zero"], 2, "it is a pipe or a device"),
        (["ingest", "a" * 300 + ".md"], 1, "File name too long"),
        (["check", "Hi.", "--evidence", "a" * 300 + ".md"], 1, "File name too long"),
        (["check", "Hi.", "--evidence", "a\0.md"], 2, "NUL"),
    ],
)
def test_wrong_input_is_one_line(candor: Candor, arguments: list[str], code: int, message: str) -> None:
    found, _, err = candor(*arguments)
    assert found == code
    assert message in err
    assert "unexpected" not in err


@pytest.mark.slow
def test_a_folder_deeper_than_calls_nest_is_read_and_is_no_data(candor: Candor, tmp_path: Path) -> None:
    with deep_folder(tmp_path / "deep", 1050, "d"):
        code, out, _ = candor("ingest", "deep")
        assert (code, out.split(",")[0]) == (0, "1 added")
        assert candor("sources", "refresh")[1].startswith("0 added, 0 replaced, 1 unchanged")
        code, _, err = candor("evaluate", "grounding", "deep")
        assert (code, "'deep' cannot be read: Is a directory" in err) == (2, True)
        assert candor("evaluate", "retrieval", "deep")[0] == 2


@pytest.mark.parametrize("arguments", [["history", "list", "--json"], ["sources", "list"], ["--help"]])
def test_output_to_a_full_device_is_one_line(
    candor: Candor, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert candor("ingest", "notes")[0] == 0
    full = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w")
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", full)
        assert run(arguments) == 1
    assert "candor: the output cannot be written: No space left on device" in capfd.readouterr().err
    with suppress(OSError):  # it tries once more
        full.close()


def test_too_few_descriptors_are_told_before_anything_is_opened() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "history", "list"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8)),
    )
    told = "candor: only 8 files may be open at once: allow more (ulimit -n 1024)\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


def test_too_little_memory_is_told_before_anything_is_loaded() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "app", "history", "list"],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1_200_000 << 10, resource.RLIM_INFINITY)),
    )
    told = "candor: only 1171 MB of address space, 1800 are needed: allow more (ulimit -v unlimited)\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


# --- Python -------------------------------------------------------------------------------------------------------


@pytest.fixture
def bot(tmp_path: Path, encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bot]:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "everest.md").write_text(NOTE)
    with open_bot(tmp_path / "data", "quote") as bot:
        yield bot


def test_one_string_or_path_is_one_source_and_one_text(bot: Bot, tmp_path: Path) -> None:
    assert [file.name for file in bot.ingest("notes").files] == ["everest.md"]
    assert [file.outcome for file in bot.ingest(tmp_path / "notes").files] == ["unchanged"]
    (tmp_path / "notes" / "everest.md").write_text(NOTE + "It is cold.\n")
    assert [file.outcome for file in bot.refresh("everest.md").files] == ["replaced"]
    assert [file.outcome for file in bot.refresh(tmp_path / "notes").files] == ["unchanged"]
    text = "Mount Everest is 8,849 metres high."
    assert bot.check(text, NOTE) == bot.check(text, [NOTE])
    assert bot.check(text, NOTE)[0].supported
    (tmp_path / "p.png").write_bytes(b"not a picture")
    with pytest.raises(DialogueError, match=r"the picture 'p\.png' is none of"):
        bot.ask("What is this?", images="p.png")
    with pytest.raises(DialogueError, match="the picture 'picture' is none of"):
        bot.ask("What is this?", images=b"not a picture")


@pytest.mark.parametrize("given", ["", " ", [""], ["notes", "\n"], b"notes", [b"notes"], [7]])
def test_an_empty_source_is_refused_before_any_is_read(bot: Bot, given: str | list[str | Path]) -> None:
    with pytest.raises(InputError, match=r"is empty|names no source"):
        bot.ingest(given)
    with pytest.raises(InputError, match=r"is empty|names no source"):
        bot.refresh(given)
    assert bot.library.sources() == []


def test_an_empty_picture_is_refused(bot: Bot) -> None:
    with pytest.raises(InputError, match="the name of a picture is empty"):
        bot.ask("What is this?", images=["  "])


@pytest.mark.parametrize("name", ["\ud800.md", "a\0b.md", "b" * 300 + ".md", "c" * 5000])
def test_a_name_that_no_file_can_have_fails_alone(bot: Bot, name: str) -> None:
    report = bot.ingest([name, "notes"])
    assert [file.outcome for file in report.files] == ["failed", "added"]
    assert report.files[0].reason
    assert report.files[0].name.encode()


def test_numbers_beyond_the_database_are_refused(database: Database) -> None:
    history = History(database)
    asks: list[Callable[[], object]] = [
        lambda: history.turn(10**23),
        lambda: history.picture(10**23, "a.png"),
        lambda: history.conversations(offset=10**23),
        lambda: history.pictures(10**23),
    ]
    for ask in asks:
        with pytest.raises(AppError, match="too large"):
            ask()
