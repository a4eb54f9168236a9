"""Settings come from one place each, in a fixed order, and mistakes are named."""

import contextlib
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_vision import save_vision

from app.bot import assemble, open_bot
from app.commands.cli import run
from app.config import RANGES, Settings, load_settings
from app.doctor import examine
from app.errors import SettingsError
from dialogue.rank import Gates
from dialogue.respond import Options
from retrieval.encoder.embed import Encoder
from safety.policy import load_policy


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path: Path) -> None:
    file = tmp_path / "candor.toml"
    file.write_text('model = "hf:file"\nport = 1111\ncandidates = 3\nhost = "::1"\n')
    env = {"CANDOR_MODEL": "hf:env", "CANDOR_PORT": "2222"}
    found = load_settings({"model": "hf:flag", "port": None}, env, file)
    assert (found.model, found.port, found.candidates, found.host) == ("hf:flag", 2222, 3, "::1")
    assert found.passages == Settings().passages


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy file with a preset of its own."""
    path = tmp_path / "own.toml"
    path.write_text('preset = "strict"\n')
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "env", "file", "chosen"),
    [
        ({}, {}, "", "strict"),
        ({}, {}, 'preset = ""', "strict"),
        ({}, {}, 'preset = "balanced"', "balanced"),
        ({}, {"CANDOR_PRESET": "permissive"}, 'preset = "balanced"', "permissive"),
        ({}, {"CANDOR_PRESET": ""}, 'preset = "balanced"', "balanced"),
        ({"preset": "balanced"}, {"CANDOR_PRESET": "permissive"}, 'preset = "strict"', "balanced"),
    ],
)
def test_a_preset_that_is_set_wins_over_the_policy_file_and_the_default_does_not(
    flags: dict[str, object],
    env: dict[str, str],
    file: str,
    chosen: str,
    policy: Path,
    tmp_path: Path,
    encoder: Encoder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    (tmp_path / "candor.toml").write_text(file)
    settings = load_settings({"policy": str(policy), **flags}, env, tmp_path / "candor.toml")
    [told] = [finding for finding in examine(settings, "loaded") if finding.name == "policy"]
    assert told.detail == f"{policy}, preset {chosen}"
    with assemble(settings) as bot:
        assert bot.responder.guard.policy.preset == chosen  # type: ignore[attr-defined]


def test_without_any_word_of_it_the_preset_is_balanced() -> None:
    assert load_policy(None, load_settings({}, {}).preset or None).preset == "balanced"


WHOLE = {field.name: field.default for field in fields(Settings) if isinstance(field.default, int)}


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("value", [-1, 10**10, True, 1.0, float("nan"), float("inf"), "1e3", "-1", "nan", "0x10", [1]])
def test_every_number_has_a_range_and_nothing_but_a_number_is_one(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=f"{name} = .*must be a whole number from"):
        load_settings({name: value}, {})
    low, high = RANGES[name]
    for end in (low, high):
        assert getattr(load_settings({name: end}, {}), name) == end
    for beyond in (low - 1, high + 1):
        with pytest.raises(SettingsError, match="must be a whole number from"):
            load_settings({name: beyond}, {})


@pytest.mark.parametrize("option", ["--share", "--rate", "--held", "--keep"])
@pytest.mark.parametrize("value", ["nan", "inf", "-0.5"])
def test_no_option_takes_what_is_no_number(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("rows.jsonl").write_text("{}")
    words = ["judges", "--data", "."] if option == "--share" else ["generator", "rows.jsonl", "--out", "made"]
    assert run(["train", *words, option, value]) == 2
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [99, -0.1, float("nan"), True, "0.5"])
def test_gates_and_bounds_are_checked_where_they_are_made(wrong: float) -> None:
    for name in ("sensible", "answers", "safe"):
        with pytest.raises(ValueError, match=f"the gate {name} is .*: it has to be a probability"):
            Gates(**{name: wrong})
    for name in ("passages", "rounds", "research"):
        with pytest.raises(ValueError, match=f"{name} is .*: it has to be a whole number"):
            Options(**{name: -1 if wrong == 99 else wrong})


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_precision_that_is_set_holds_for_the_viewer_too(
    dtype: str, monkeypatch: pytest.MonkeyPatch, encoder: Encoder
) -> None:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    folder = save_vision(Path("viewer").absolute(), "blip")
    with open_bot("data", "quote", viewer=f"hf:{folder}", dtype=dtype) as bot:
        assert str(bot.responder.viewer._viewer._model.dtype) == f"torch.{dtype}"  # type: ignore[attr-defined]


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    assert load_settings({}, {"CANDOR_MODEL": "", "CANDOR_PORT": ""}) == Settings()


def test_other_variables_are_left_alone() -> None:
    assert load_settings({}, {"CANDOR_DEV_DATA": "/data", "HOME": "/", "PORT": "1"}) == Settings()


@pytest.mark.parametrize(
    ("flags", "env", "message"),
    [
        ({"modell": "x"}, {}, "the command line sets 'modell', which is no setting .did you mean 'model'"),
        (
            {},
            {"CANDOR_CANDIDATE": "3"},
            "the environment sets 'candidate', which is no setting .did you mean 'cand",
        ),
        ({"port": 70000}, {}, "port = 70000 in the command line: must be a whole number from 0 to 65535"),
        ({}, {"CANDOR_PORT": "http"}, "port = 'http' in the environment: must be a whole number"),
        ({"candidates": True}, {}, "candidates = True .*: must be a whole number from 1 to 64"),
        ({"candidates": 1.5}, {}, "candidates = 1.5 "),
        ({"passages": -1}, {}, "passages = -1 "),
        ({"port": float("inf")}, {}, "port = inf "),
        ({}, {"CANDOR_PORT": "9" * 5000}, "must be a whole number"),
        ({"model": 3}, {}, "model = 3 .*: must be text"),
        ({"model": " "}, {}, "model = ' ' .*: must not be empty"),
        ({"data_dir": ""}, {}, "data_dir = '' .*: must not be empty"),
        ({"data_dir": "a\0b"}, {}, "must not hold a NUL"),
        ({"log_level": "loud"}, {}, "must be one of debug, info, warning, error"),
        ({"preset": "nope"}, {}, "preset = 'nope' .*: must be one of strict, balanced, permissive"),
        ({}, {"CANDOR_PRESET": "balancd"}, "in the environment: must be one of .*did you mean 'balanced'"),
        ({"preset": 3}, {}, "preset = 3 .*: must be text"),
        ({"dtype": "float23"}, {}, "did you mean 'float32'"),
        ({"index": "milvus"}, {}, "index = 'milvus' in the command line: must be faiss, milvus:http://HOST:PORT with"),
        ({"index": "milvus:http://me:pw@h:1"}, {}, "index = … in the command line: must be faiss"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(flags: dict[str, object], env: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(flags, env)


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SettingsError, match=r"port = .*; candidates = "):
        load_settings({"port": -1, "candidates": 0}, {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"port = \n", r"not valid TOML: .*line 1, column 8"),
        (b"port = 1\nport = 2", "not valid TOML"),
        (b"\xff\xfe\x00", "not valid TOML"),
        (b"prot = 1", "sets 'prot', which is no setting .did you mean 'port'"),
        (b"[model]\nname = 'x'", "model = {'name': 'x'} .*must be text"),
    ],
)
def test_a_file_with_a_mistake_is_refused_by_name(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "candor.toml"
    file.write_bytes(content)
    with pytest.raises(SettingsError, match=message) as caught:
        load_settings({}, {}, file)
    assert "candor.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"there is no settings file '.*none.toml'"):
        load_settings({}, {}, tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="cannot be read: Is a directory"):
        load_settings({}, {}, tmp_path)


@pytest.mark.parametrize("index", ["milvus:http://10.0.0.1:19530", "milvus:https://h.example/db", "milvus:a b/c.db"])
def test_milvus_is_named_by_its_address_or_its_folder(index: str) -> None:
    found = load_settings({}, {"CANDOR_INDEX": index, "CANDOR_INDEX_KEY": "root:secret"})
    assert (found.index, found.index_key) == (index, "root:secret")
    assert "secret" not in repr(found)


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    file = tmp_path / "candor.toml"
    file.write_bytes(b'\xef\xbb\xbfmodel = "quote"\r\nport = 80\r\n')
    assert load_settings({}, {}, file).port == 80


@given(st.dictionaries(st.text(max_size=12), st.text(max_size=12) | st.integers() | st.floats() | st.none()))
def test_any_flags_give_settings_or_one_line_that_says_why_not(flags: dict[str, object]) -> None:
    with contextlib.suppress(SettingsError):
        assert isinstance(load_settings(flags, {}), Settings)


@given(st.integers(0, 65535))
def test_a_number_reads_the_same_from_flag_and_environment(port: int) -> None:
    assert load_settings({"port": port}, {}) == load_settings({}, {"CANDOR_PORT": str(port)})
