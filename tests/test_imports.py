"""The direction of imports, and which file may import which heavy library."""

import ast
import subprocess
import sys
from collections.abc import Container, Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

from app import open_bot
from app.errors import SettingsError
from app.training.run import train_judges

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "retrieval": {"retrieval"},
    "safety": {"safety"},
    "dialogue": {"dialogue", "retrieval", "safety"},
    "app": {"app", "dialogue", "retrieval", "safety"},
}


def _parsed(text: str) -> ast.Module:
    """Return the tree of a module. CPython 3.11 counts recursion for all threads together (gh-106905): then again."""
    for _ in range(20):
        try:
            return ast.parse(text)
        except SystemError:
            continue
    return ast.parse(text)


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(_parsed(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        wrong = (_imports(path) & MAY_IMPORT.keys()) - MAY_IMPORT[package]
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


@pytest.mark.parametrize("package", ["dialogue", "retrieval", "safety", "app"])
def test_importing_a_package_loads_no_heavy_library(package: str) -> None:
    heavy = [
        "torch",
        "transformers",
        "faiss",
        "gradio",
        "sqlalchemy",
        "tantivy",
        "sklearn",
        "sentence_transformers",
    ]
    code = f"import sys, {package}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("package", ["dialogue", "retrieval", "safety", "app"])
def test_what_a_package_exports_exists(package: str) -> None:
    module = __import__(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_no_module_grows_past_its_bounds() -> None:
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*.py"):
            if path.parent.name == "versions":  # schemas are written once and never edited
                continue
            text = path.read_text(encoding="utf-8")
            assert len(text.splitlines()) <= 400, f"{path.relative_to(ROOT)} is longer than 400 lines"
            for node in ast.walk(_parsed(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = (node.end_lineno or 0) - node.lineno + 1
                    assert lines <= 60, f"{path.relative_to(ROOT)}: {node.name} has {lines} lines"


def _modules(root: Path) -> dict[str, ast.Module]:
    found = {}
    for package in MAY_IMPORT:
        for path in (root / package).rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = _parsed(path.read_text(encoding="utf-8"))
    return found


def _imported(module: ast.Module, known: Container[str]) -> Iterator[str]:
    """Yield the modules of ours that a module imports: at once, late, or for its types alone."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            named = {name if name in known else node.module for name in inner}
            yield from (name for name in named if name in known)


def _cycle(root: Path) -> list[str]:
    """Return modules of which each imports the next, the first again at the end; [] where there are none."""
    modules = _modules(root)
    try:
        TopologicalSorter({name: _imported(module, modules) for name, module in modules.items()}).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


@pytest.mark.slow
def test_no_module_imports_itself_through_others() -> None:
    assert _cycle(ROOT) == []


@pytest.mark.parametrize(
    "back",
    [
        "from safety.one import A",
        "import safety.one",
        "from safety import A, one",
        "if TYPE_CHECKING:\n    from safety.one import A",
        "def late():\n    from safety.one import A",
    ],
)
def test_a_circle_of_imports_is_found(tmp_path: Path, back: str) -> None:
    (tmp_path / "safety").mkdir()
    (tmp_path / "safety" / "__init__.py").touch()
    (tmp_path / "safety" / "one.py").write_text("from safety.two import B")
    (tmp_path / "safety" / "two.py").write_text("from safety import A")
    assert _cycle(tmp_path) == []
    (tmp_path / "safety" / "two.py").write_text(back)
    assert sorted(set(_cycle(tmp_path))) == ["safety.one", "safety.two"]


def test_a_package_that_imports_what_imports_it_is_a_circle(tmp_path: Path) -> None:
    (tmp_path / "safety").mkdir()
    (tmp_path / "safety" / "__init__.py").write_text("from safety.one import B")
    (tmp_path / "safety" / "one.py").write_text("from safety import C")
    assert sorted(set(_cycle(tmp_path))) == ["safety", "safety.one"]


TRAINING = ("sklearn", "scipy")  # of the extra `train`: no way to an answer needs them
HEAVY = (
    *TRAINING,
    *(
        "peft",
        "gradio",
        "fastapi",
        "pandas",
        "openpyxl",
        "docx",
        "pptx",
        "pypdfium2",
        "rapidocr",
        "onnxruntime",
        "mwparserfromhell",
        "pyarrow",
        "playwright",
    ),
    *("transformers", "sentence_transformers", "torch._dynamo", "sympy", "alembic", "PIL", "bs4", "pymilvus", "ray"),
)
STARTED = (*HEAVY, "torch", "sqlalchemy", "pydantic", "faiss", "tantivy", "rich", "httpx2", "tokenizers")


def run_and_list(names: Sequence[str], *arguments: str) -> list[str]:
    """Run the command in a process of its own; return which modules it imported."""
    code = (
        f"import sys; from app.commands.cli import run; code = run({list(arguments)!r})\n"
        f"print('loaded', [name for name in {list(names)!r} if name in sys.modules], file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told: list[str] = ast.literal_eval(done.stderr.splitlines()[-1].removeprefix("loaded "))
    return told


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options of a data folder that holds a source."""
    folder = tmp_path_factory.mktemp("warm")
    (folder / "whale.md").write_text("# Whale\n\nThe blue whale eats krill. It is the largest animal.\n")
    with open_bot(folder / "data", "quote") as bot:
        bot.ingest([folder / "whale.md"])
    return ["--data-dir", str(folder / "data"), "--model", "quote"]


def test_help_imports_nothing_heavy() -> None:
    assert run_and_list(STARTED, "--help") == []


@pytest.mark.slow
def test_an_answer_imports_nothing_that_it_does_not_need(warm: list[str]) -> None:
    assert run_and_list((*HEAVY, "torch"), *warm, "ask", "What does the blue whale eat?") == ["torch"]


@pytest.mark.slow
def test_an_evaluation_needs_no_library_for_training(warm: list[str], tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"context": ["What does the blue whale eat?"], "answers": ["krill"]}\n')
    assert run_and_list(TRAINING, *warm, "evaluate", "dialogue", str(rows), "--json") == []


def test_only_training_imports_the_libraries_for_training() -> None:
    found = {
        str(path.relative_to(ROOT))
        for package in MAY_IMPORT
        for path in (ROOT / package).rglob("*.py")
        if _imports(path) & set(TRAINING)
    }
    assert found
    assert all(path.startswith("app/training/") for path in found), found


@pytest.mark.parametrize("name", ["sklearn", "scipy"])
def test_training_without_its_libraries_says_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "safety").mkdir()
    monkeypatch.setattr("app.training.run.find_spec", lambda asked: None if asked == name else find_spec(asked))
    with pytest.raises(SettingsError, match=rf"needs {name}: pip install 'candor\[train\]'"):
        train_judges(tmp_path)
