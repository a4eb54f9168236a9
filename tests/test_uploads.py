"""Uploaded documents: read one by one, under names that are never lost, undone when they cannot be read."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_jobs import WAIT, until

from app.errors import InputError
from app.web.jobs import UNEXPECTED
from app.web.uploads import MOST_WAITING, Choice, NameTaken, Uploads, checked_name
from retrieval.types import SourceError

Progress = Callable[[str, float], None]


def unused(target: str, progress: object) -> str:
    raise AssertionError(f"{target} is not fetched here")


class Reader:
    """What the library has read: the words of each file; those with "bad" in them it refuses."""

    def __init__(self, folder: Path) -> None:
        self.words: dict[str, str] = {}
        self.uploads = Uploads(self.ingest, lambda path: self.words.get(path.name) == path.read_text(), folder, unused)

    def ingest(self, path: Path, progress: Progress) -> str:
        words = path.read_text()
        if "raise" in words:
            raise SourceError("it is a ZIP file")
        if "crash" in words:
            raise KeyError(path)
        if "half" in words:
            self.words[path.name] = words
            return "one message of it cannot be read"
        if "bad" in words:
            return "there is no text in it"
        self.words[path.name] = words
        return ""

    def add(self, name: str, words: str, choice: Choice = "ask") -> str:
        received = self.uploads.receive()
        received.write_text(words)
        try:
            name = self.uploads.add(received, name, choice)
        finally:
            received.unlink(missing_ok=True)
        until(lambda: not self.uploads.working)
        return name


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_uploads_are_kept_under_their_names_and_read_one_by_one(tmp_path: Path) -> None:
    seen: list[str] = []
    go = threading.Semaphore(0)

    def ingest(path: Path, progress: Progress) -> str:
        progress("Reading passage 1 of 2", 0.5)
        seen.append(path.read_text())
        assert go.acquire(timeout=WAIT)
        return ""

    uploads = Uploads(ingest, lambda path: True, tmp_path, unused)
    for name in ("a.txt", "b.txt"):
        received = uploads.receive()
        assert received.stat().st_mode & 0o077 == 0
        received.write_text(name)
        assert uploads.add(received, name) == name
        assert not received.exists()
    until(lambda: seen == ["a.txt"])
    assert [(row.name, row.state) for row in uploads.rows()] == [("a.txt", "reading"), ("b.txt", "waiting")]
    assert uploads.rows()[0].note == "Reading passage 1 of 2"
    go.release(2)
    until(lambda: not uploads.working)
    assert seen == ["a.txt", "b.txt"]
    assert uploads.rows() == ()
    assert files(tmp_path) == {"a.txt": "a.txt", "b.txt": "b.txt"}


def test_a_file_that_cannot_be_read_says_why_until_that_is_dismissed_and_does_not_stay(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for words, note in (("raise", "it is a ZIP file"), ("bad", "there is no text in it"), ("crash", UNEXPECTED)):
        reader.add("a.txt", words)
        assert [(row.name, row.state, row.note) for row in reader.uploads.rows()] == [("a.txt", "failed", note)]
        if note != UNEXPECTED:
            assert files(tmp_path) == {}
    reader.uploads.dismiss(1)
    reader.add("good.txt", "words")
    assert [row.name for row in reader.uploads.rows()] == ["a.txt"]
    reader.uploads.dismiss(0)
    assert reader.uploads.rows() == ()


def test_a_name_that_is_taken_asks_and_nothing_is_lost(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    assert reader.add("a b.tar.md", "first") == "a b.tar.md"
    with pytest.raises(NameTaken, match=r"'a b\.tar\.md' already"):
        reader.add("a b.tar.md", "second")
    assert files(tmp_path) == {"a b.tar.md": "first"}
    assert reader.add("a b.tar.md", "second", "keep") == "a b.tar (2).md"
    assert reader.add("a b.tar.md", "third", "keep") == "a b.tar (3).md"
    assert reader.add("a b.tar.md", "fourth", "replace") == "a b.tar.md"
    assert files(tmp_path) == {"a b.tar.md": "fourth", "a b.tar (2).md": "second", "a b.tar (3).md": "third"}
    assert reader.words == files(tmp_path)


@pytest.mark.parametrize("words", ["raise", "bad"])
def test_what_cannot_replace_a_document_leaves_it_as_it_was(tmp_path: Path, words: str) -> None:
    reader = Reader(tmp_path)
    reader.add("a.md", "first")
    reader.add("a.md", words, "replace")
    assert files(tmp_path) == {"a.md": "first"}
    assert reader.words == {"a.md": "first"}
    reader.add("a.md", "half", "replace")  # a mailbox, say: what was stored of it has its file
    assert files(tmp_path) == {"a.md": "half"}


def test_a_stopped_server_goes_on_with_what_it_has_not_read(tmp_path: Path) -> None:
    def stopped(path: Path, progress: Progress) -> str:
        threading.Event().wait()
        return ""

    Reader(tmp_path).add("old.md", "old")
    uploads = Uploads(stopped, lambda path: False, tmp_path, unused)
    for name, words, choice in (("new.md", "new", "ask"), ("old.md", "bad", "replace"), ("gone.md", "gone", "ask")):
        received = uploads.receive()
        received.write_text(words)
        uploads.add(received, name, choice)  # type: ignore[arg-type]
    uploads.receive().write_text("half of a file")
    with pytest.raises(NameTaken, match="or one is being read"):
        uploads.add(uploads.receive(), "old.md", "replace")
    (tmp_path / "gone.md").unlink()

    after = Reader(tmp_path)
    after.uploads.resume()
    until(lambda: not after.uploads.working)
    assert files(tmp_path) == {"new.md": "new", "old.md": "old"}
    assert after.words == {"new.md": "new"}
    assert [row.name for row in after.uploads.rows()] == ["old.md"]


def test_a_document_removed_while_it_waits_stays_removed(tmp_path: Path) -> None:
    go = threading.Event()

    def ingest(path: Path, progress: Progress) -> str:
        assert go.wait(WAIT)
        return "" if path.exists() else "it is not there"

    uploads = Uploads(ingest, lambda path: False, tmp_path, unused)
    (tmp_path / "a.md").write_text("first")
    received = uploads.receive()
    received.write_text("second")
    uploads.add(received, "a.md", "replace")
    (tmp_path / "a.md").unlink()
    go.set()
    until(lambda: not uploads.working)
    assert files(tmp_path) == {}


def test_too_many_at_once_are_told_to_wait(tmp_path: Path) -> None:
    go = threading.Event()

    def ingest(path: Path, progress: Progress) -> str:
        assert go.wait(WAIT)
        return ""

    uploads = Uploads(ingest, lambda path: True, tmp_path, unused)
    for number in range(MOST_WAITING):
        uploads.add(uploads.receive(), f"{number}.md")
    with pytest.raises(InputError, match="try again in a moment"):
        uploads.receive()
    go.set()
    until(lambda: not uploads.working)


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "a.md").symlink_to(tmp_path / "secret")
    reader = Reader(tmp_path / "up")
    for choice in ("ask", "replace"):
        with pytest.raises(NameTaken):
            reader.add("a.md", "words", choice)  # type: ignore[arg-type]
    assert reader.add("a.md", "words", "keep") == "a (2).md"
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../a.md",
        "/etc/a.md",
        "a/b.md",
        "a\\b.md",
        "a\0.md",
        "a\n.md",
        "x" * 300 + ".md",
        "é" * 101 + ".md",
        "a.exe",
        "md",
    ],
)
def test_a_name_that_is_no_plain_one_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        checked_name(name)


@given(st.text(max_size=30), st.sampled_from([".md", ".PDF", ".txt", ".exe", ""]))
def test_a_checked_name_stays_in_its_folder(stem: str, end: str) -> None:
    try:
        name = checked_name(stem + end)
    except InputError:
        return
    assert Path("/folder", name).parent == Path("/folder")
    assert checked_name(name) == name
