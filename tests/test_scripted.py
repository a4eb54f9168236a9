"""The scripted model."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from conformance_model import context

from dialogue.attributes import SENSIBLE, UNSAFE
from dialogue.models.scripted import Scripted, load_scripted
from dialogue.types import Context, ModelError, Sampling


def test_it_gives_the_script_in_order_up_to_n() -> None:
    model = Scripted(["one", "two", "three"])
    assert model.sample(context("?"), Sampling(n=2)) == ["one", "two"]
    assert model.sample(context("?"), Sampling(n=9)) == ["one", "two", "three"]


def test_a_function_writes_from_the_context() -> None:
    def echo(asked: Context) -> Sequence[str]:
        return [asked.question, *asked.complaints]

    assert Scripted(echo).sample(context("Hello?"), Sampling()) == ["Hello?"]


def test_one_string_is_not_a_list_of_letters() -> None:
    with pytest.raises(TypeError, match="Hello"):
        Scripted("Hello")


def test_it_weighs_only_when_it_was_given_weights() -> None:
    with pytest.raises(ModelError, match="weights="):
        Scripted(["x"]).weigh(context("?"), ["x"], [SENSIBLE])
    model = Scripted(["x"], weights=lambda draft, attribute: 0.75 if attribute is SENSIBLE else 0.25)
    assert model.weigh(context("?"), ["x", "y"], [SENSIBLE, UNSAFE]) == [[0.75, 0.25]] * 2
    with pytest.raises(ModelError, match="from 0 to 1"):
        Scripted(["x"], weights=lambda draft, attribute: 3).weigh(context("?"), ["x"], [SENSIBLE])


def test_other_drafts_have_another_fingerprint() -> None:
    assert Scripted(["a"]).fingerprint == Scripted(["a"]).fingerprint != Scripted(["b"]).fingerprint


@pytest.mark.parametrize(
    "text",
    [
        '["It eats krill.", " ", "Krill [1]."]',
        "It eats krill.\r\n\r\nKrill [1].\n",
        "\ufeffIt eats krill.\nKrill [1].",
    ],
)
def test_a_script_is_a_json_list_or_one_draft_per_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "script"
    path.write_text(text, encoding="utf-8", newline="")
    assert load_scripted(path).sample(context("?"), Sampling()) == ["It eats krill.", "Krill [1]."]


def test_lines_may_begin_with_a_bracket(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text("[1] says so.\nYes.")
    assert load_scripted(path).sample(context("?"), Sampling()) == ["[1] says so.", "Yes."]


@pytest.mark.parametrize("text", ["", " \n\n", "[]", "[1, 2]", "[broken]"])
def test_a_script_without_drafts_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "empty.json"
    path.write_text(text)
    with pytest.raises(ModelError, match=r"empty\.json"):
        load_scripted(path)


def test_a_missing_script_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing-here"):
        load_scripted(tmp_path / "nothing-here")
