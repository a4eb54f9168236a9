"""Configuration and code: every key with its path, secrets masked, functions with what is said of them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import read, sections

from retrieval.sources.tree import MASKED, masked
from retrieval.types import Note, SourceError

YAML = """# broker of the tide alarm
broker:
  # listens on the inner network only
  port: 1884
  tls: {min_version: "1.2"}
defaults: &d
  retries: 3
alarms:
  - name: Flood
    <<: *d
    levels: [2.1, 2.8]
  - name: Ebb
"""


@pytest.mark.parametrize(
    ("name", "text", "lines"),
    [
        (
            "a.yaml",
            YAML,
            [
                "broker.port = 1884  # listens on the inner network only",
                "broker.tls.min_version = 1.2",
                "defaults.retries = 3",
                "alarms: name: Flood | retries: 3 | levels: 2.1, 2.8",
                "alarms: name: Ebb",
            ],
        ),
        (
            "b.toml",
            'kiln = "Big Bertha"\n[burner]\ngas_bar = 0.30 # while cold\n[[shelf]]\nno = 1\n[[shelf]]\nno = 2\n',
            ["kiln = Big Bertha", "burner.gas_bar = 0.30  # while cold", "shelf: no: 1", "shelf: no: 2"],
        ),
        (
            "c.ini",
            "; scales of the mill\n[drum]\n; in turns a minute\nspeed=40\nname = 'North wheel' ; old\n",
            ["drum.speed = 40  # in turns a minute", "drum.name = North wheel  # old"],
        ),
        (".env", "export DEPTH=12\nURL=amqp://ada:hunter22@mill.example/x\n", ["DEPTH = 12", "URL = amqp://ada:"]),
        ("d.properties", "mill.stones: 4\nmill.open=yes\n", ["mill.stones = 4", "mill.open = yes"]),
        (
            "e.json",
            '{"server": {"http": {"port": 8080}}, "routes": [{"path": "/a", "limits": {"rate": 5}}]}',
            ["server.http.port = 8080", "path: /a | limits.rate: 5"],
        ),
    ],
)
def test_a_key_is_told_with_its_path_and_a_list_of_objects_as_rows(
    tmp_path: Path, name: str, text: str, lines: list[str]
) -> None:
    told = [line for line in read(tmp_path, name, text.encode()).text.split("\n") if line]
    assert len(told) == len(lines)
    assert all(line.startswith(wanted) for line, wanted in zip(told, lines, strict=True)), told


def test_a_file_is_named_by_its_first_comment_and_a_template_is_read_as_code(tmp_path: Path) -> None:
    assert read(tmp_path, "a.yaml", YAML.encode()).title == "a.yaml: broker of the tide alarm"
    assert read(tmp_path, "b.yaml", b"a: {{ .Values.port }}\nb: [\n").text == "a: {{ .Values.port }}\nb: ["
    with pytest.raises(SourceError, match="nested too deeply"):
        read(tmp_path, "c.yaml", b"a: &a [*a]")
    for deep in (b"[" * 32_000, b"- " * 16_000, b"{a: " * 8_000):
        with pytest.raises(SourceError, match="nested more than 50 deep"):
            read(tmp_path, "d.yaml", deep)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("api_key", "zk-81aQ"),
        ("db.password", "correct horse"),
        ("clientSecret", "abcdef"),
        ("note", "AKIAABCDEFGHIJKLMNOP"),
        ("AUTH_TOKEN", "9f86d081884c"),
    ],
)
def test_a_secret_is_never_read(tmp_path: Path, key: str, value: str) -> None:
    document = read(tmp_path, "a.ini", f"{key} = {value}\nport = 8080\n".encode())
    assert value not in document.text
    assert MASKED in document.text
    assert dict(document.notes)[Note.SECRET] == 1
    assert value not in read(tmp_path, "b.json", f'{{"x": {{"{key}": "{value}"}}}}'.encode()).text


@given(st.sampled_from(["max_tokens", "password_min_length", "keyboard", "author", "tokenizer"]), st.integers(0, 99999))
def test_what_only_sounds_like_a_secret_stays(key: str, value: int) -> None:
    assert masked(key, str(value)) == str(value)


PYTHON = '''"""Soundings of the ferry."""

LIMIT = 4


@cached
def deepest(soundings: list[float], unit: str = "m") -> float:
    """Return the largest of the soundings.

    In metres.
    """
    return max(soundings)


class Lead:
    # weighs three kilograms
    def drop(self, line: str) -> None:
        pass
'''
GO = "package lock\n\n// Fill opens the upper sluice.\nfunc Fill(level int) error {\n\treturn nil\n}\n"


def test_functions_and_classes_are_sections_that_say_what_they_are(tmp_path: Path) -> None:
    document = read(tmp_path, "ferry.py", PYTHON.encode())
    assert document.title == "ferry.py: Soundings of the ferry."
    made = sections(document)
    assert [headings for headings, _ in made] == [
        (),
        ("function deepest",),
        ("class Lead",),
        ("class Lead", "function drop"),
    ]
    assert made[1][1].startswith("function deepest(soundings, unit): Return the largest of the soundings.\n\n@cached")
    assert [section.place for section in document.sections] == ["lines 1-3", "lines 6-12", "line 15", "lines 16-18"]
    assert made[3][1].startswith("function drop(line): weighs three kilograms")
    told = sections(read(tmp_path, "lock.go", GO.encode()))
    assert told[1] == (
        ("function Fill",),
        "function Fill(level): Fill opens the upper sluice.\n\n" + GO[14:-1].expandtabs(4),
    )
