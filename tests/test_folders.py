"""Which files of a folder are read."""

import logging
import os
from pathlib import Path

import pytest
from source_files import deep_folder

from retrieval.sources import find_files
from retrieval.types import SourceError


def found(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in find_files([folder])]


def put(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_folders_are_searched_sorted_without_hidden_linked_or_special_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("b.txt", "a/z.md", "a/y.HTML", ".hidden.txt", ".git/x.txt", "a/photo.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "link.txt").symlink_to(tmp_path / "b.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.txt")
    with caplog.at_level(logging.INFO):
        files = find_files([tmp_path, tmp_path / "b.txt"])
    assert [str(path.relative_to(tmp_path)) for path in files] == ["a/y.HTML", "a/z.md", "b.txt"]
    for reason in ("link.txt: a link", "loop: a link", ".git: hidden", "not a regular file", "a picture"):
        assert reason in caplog.text


def test_a_named_path_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.md: no such file"):
        find_files([tmp_path / "gone.md"])
    (tmp_path / "a.pages").touch()
    with pytest.raises(SourceError, match=r"'\.pages'.*\.docx.*source code"):
        find_files([tmp_path / "a.pages"])


def test_what_a_folder_says_to_ignore_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, a_md="x", a_txt="x", b_txt="x", build__a_md="x", sub__a_txt="x", sub__b_txt="x", sub__build__x_md="x")
    (tmp_path / ".gitignore").write_text("# comment\n*.txt\n!b.txt\n/build/\n")
    (tmp_path / "sub" / ".gitignore").write_text("!a.txt\n")
    with caplog.at_level(logging.INFO):
        assert found(tmp_path) == ["a.md", "b.txt", "sub/a.txt", "sub/b.txt", "sub/build/x.md"]
    assert "build: ignored" in caplog.text
    (tmp_path / ".candorignore").write_text("sub/\n!a.txt\n")
    assert found(tmp_path) == ["a.md", "a.txt", "b.txt"]
    assert find_files([tmp_path / "build" / "a.md"])  # named itself


def test_a_broken_rule_is_an_error_that_names_its_folder(tmp_path: Path) -> None:
    put(tmp_path, a_md="x")
    (tmp_path / ".candorignore").write_text("!\n")
    with pytest.raises(SourceError, match=r"\.candorignore has a broken rule"):
        find_files([tmp_path])


def test_a_single_path_is_one(tmp_path: Path) -> None:
    put(tmp_path, a_txt="x")
    assert find_files(tmp_path) == find_files(str(tmp_path)) == [tmp_path / "a.txt"]


def test_what_lies_deeper_than_paths_may_be_long_is_skipped_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(tmp_path, near_txt="x")
    with deep_folder(tmp_path / "deep", 40, "d" * 120):
        assert found(tmp_path) == ["near.txt"]
    [record] = caplog.records
    assert record.getMessage().endswith("d: File name too long")
    assert len(record.getMessage()) < 300


def test_rules_that_are_no_regular_file_are_not_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    put(tmp_path, a_txt="x")
    os.mkfifo(tmp_path / ".gitignore")
    (tmp_path / ".candorignore").symlink_to("/dev/zero")
    assert found(tmp_path) == ["a.txt"]
    assert caplog.text.count("its rules are not heeded") == 2
