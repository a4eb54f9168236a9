"""The documentation is run and compared with the code, so that neither can leave the other behind."""

import re
import runpy
import subprocess
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import click
import pytest

from app.commands.cli import KINDS, cli, run
from app.config import ABOUT, Settings
from dialogue.rank import ANSWERS_WEIGHT, GROUNDED_WEIGHT, IN_ROLE_WEIGHT, Gates
from retrieval.encoder.embed import Encoder

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (DOCS / "architecture.md").read_text(encoding="utf-8")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
PACKAGES = ("app", "dialogue", "retrieval", "safety")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
EVEREST = ROOT / "examples" / "demo" / "sources" / "everest.md"


@pytest.fixture
def one_encoder(monkeypatch: pytest.MonkeyPatch, encoder: Encoder) -> None:
    """Examples load the encoder themselves; here they share the loaded one."""
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)


def run_blocks(page: Path) -> dict[str, Any]:
    """Run the Python of a page from top to bottom and return the names it leaves."""
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {}
    for block in BLOCK.finditer(text):
        lines_above = text[: block.start(1)].count("\n")
        exec(compile("\n" * lines_above + block[1], page.name, "exec"), names)
    return names


@pytest.mark.slow
@pytest.mark.usefixtures("one_encoder")
def test_the_python_of_the_readme_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    names = run_blocks(ROOT / "README.md")
    assert_printed(README, capsys.readouterr().out)
    assert 0 < names["reply"].trace.candidates[0].scores.sensible <= 1


@pytest.mark.usefixtures("one_encoder")
def test_the_python_of_the_architecture_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    names = run_blocks(DOCS / "architecture.md")
    assert_printed(ARCHITECTURE, capsys.readouterr().out)
    [dropped] = [c for c in names["answer"].trace.candidates if "331" in c.text]
    assert dropped.dropped.startswith("not grounded")


def assert_printed(text: str, out: str) -> None:
    """What the comments of a page's examples promise has been printed."""
    promised = [line for line in re.findall(r"print\(.+\)  # (.+)$", text, re.MULTILINE) if line != "a probability"]
    assert promised
    assert [line for line in promised if line not in out.splitlines()] == []


@pytest.mark.usefixtures("one_encoder")
def test_the_python_of_the_scores_runs() -> None:
    names = run_blocks(DOCS / "scoring.md")
    assert names["claims"][0].supported
    assert names["claims"][1].support is None
    assert names["high"] > names["low"]
    assert 0 <= names["interesting"] <= 1


@pytest.mark.usefixtures("one_encoder")
def test_the_python_of_the_evaluation_does_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    run_blocks(DOCS / "evaluation.md")
    assert_printed((DOCS / "evaluation.md").read_text(encoding="utf-8"), capsys.readouterr().out)


@pytest.mark.usefixtures("one_encoder")
def test_the_quickstart_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "everest.md").write_bytes(EVEREST.read_bytes())
    script = ROOT / "examples" / "quickstart.py"
    monkeypatch.setattr("sys.argv", [str(script), str(tmp_path / "sources")])
    runpy.run_path(str(script), run_name="__main__")
    said = capsys.readouterr().out
    assert "1 documents are new" in said
    assert "8,849" in said
    assert "[1] everest.md" in said


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, under its full name."""
    if isinstance(command, click.Group):
        for name, child in command.commands.items():
            yield from commands(child, (*path, name))
    else:
        yield " ".join(path), command


def test_every_command_is_in_the_readme_and_none_is_invented() -> None:
    documented = re.findall(r"^\| `candor ((?:[a-z]+ ?)+)", README, re.MULTILINE)
    assert sorted(name.strip() for name in documented) == sorted(name for name, _ in commands(cli))


def test_every_command_that_help_lists_is_in_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    listed = re.findall(r"^  ([a-z]+)  ", capsys.readouterr().out.partition("Commands:")[2], re.MULTILINE)
    assert listed
    assert [name for name in listed if f"| `candor {name}" not in README] == []


def test_every_option_that_a_page_names_exists() -> None:
    known = {option for _, command in commands(cli) for parameter in command.params for option in parameter.opts}
    for page in PAGES:
        found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8")))
        assert found - known - {"--help", "--version", "--no-deps"} == set(), page.name


def test_every_common_option_is_in_the_readme() -> None:
    assert [option.opts[0] for option in cli.params if option.opts[0] not in README] == ["--version"]


def test_every_setting_says_what_it_is() -> None:
    assert list(ABOUT) == [field.name for field in fields(Settings) if field.name != "origins"]


def test_the_reference_is_that_of_the_code() -> None:
    made = runpy.run_path(str(DOCS / "reference.py"))
    assert made["MORE"].keys() | made["CHOICES"].keys() <= ABOUT.keys()
    assert (DOCS / "reference.md").read_text(encoding="utf-8") == made["page"](), "run `make docs`"


def test_the_readme_stays_short_and_its_pictures_small() -> None:
    assert len(README.encode()) <= 12_000
    screens = list((DOCS / "screens").iterdir())
    assert sum(screen.stat().st_size for screen in screens) <= 2_000_000
    assert {f"docs/screens/{screen.name}" for screen in screens} >= set(re.findall(r"docs/screens/[\w.-]+", README))


def test_the_gates_and_weights_of_the_architecture_are_those_of_the_code() -> None:
    gates = Gates()
    assert f"`safe` is below {gates.safe:g};" in ARCHITECTURE
    assert f"`sensible` is below {gates.sensible:g} " in ARCHITECTURE
    assert f"`answers` is below {gates.answers:g};" in ARCHITECTURE
    assert f"`{GROUNDED_WEIGHT:g}*grounded` and `{ANSWERS_WEIGHT:g}*answers`" in ARCHITECTURE
    assert f"`{IN_ROLE_WEIGHT:g}*in_role`" in ARCHITECTURE


def test_every_kind_of_evaluation_is_in_the_docs() -> None:
    table = (DOCS / "evaluation.md").read_text(encoding="utf-8").partition("## Data")[2].partition("## Results")[0]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == sorted(KINDS)


def test_every_benchmark_is_in_the_docs() -> None:
    page = (DOCS / "evaluation.md").read_text(encoding="utf-8")
    assert [
        script.name for script in sorted((ROOT / "benchmarks").glob("*.py")) if f"`{script.name}`" not in page
    ] == []


def test_the_rooms_of_the_architecture_are_those_that_there_are() -> None:
    told = re.findall(r"^\| `([a-z/]+)/` \|", ARCHITECTURE, re.MULTILINE)
    found = [*PACKAGES, *(f"{package}/{path.parent.name}" for package in PACKAGES for path in inits(package))]
    assert sorted(told) == sorted(found)


def inits(package: str) -> Iterator[Path]:
    return (ROOT / package).glob("*/__init__.py")


def test_the_file_tree_of_the_architecture_is_complete() -> None:
    found = {str(path.relative_to(ROOT)) for package in PACKAGES for path in (ROOT / package).rglob("*.py")}
    assert tree() == sorted(found)


def tree() -> list[str]:
    """The Python files that the tree of the architecture lists; each line has a phrase, folders end in a slash."""
    [listing] = re.findall(r"^```\n(app/.*?)^```", ARCHITECTURE, re.MULTILINE | re.DOTALL)
    files, folders = [], [""]
    for line in listing.splitlines():
        name, _, phrase = line.strip().partition(" ")
        depth = (len(line) - len(line.lstrip())) // 2
        if name.endswith("/"):
            folders = [*folders[: depth + 1], folders[depth] + name]
        else:
            assert phrase.strip(), f"{name} has no phrase"
            files.append(folders[depth] + name)
    return sorted(files)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        aim = page.parent / name if name else page
        assert aim.exists(), target
        assert not anchor or anchor in anchors(aim), target


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`([a-z_]+/[\w/]+\.(?:py|toml|json))`", page.read_text(encoding="utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_no_tracked_file_names_a_machine_path_or_a_registry() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    wrong = re.compile(r"(?<![\w.])/(?:work|root|Users)/\w|pypi\.|pythonhosted|--(?:extra-)?index-url|--find-links")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.suffix in {".png", ".webp", ".gz", ".safetensors"} or path == Path(__file__) or not path.is_file():
            continue
        assert wrong.search(path.read_text(encoding="utf-8")) is None, name
