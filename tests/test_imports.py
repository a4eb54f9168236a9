"""The direction of imports, and which file may import which heavy library."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "retrieval": {"retrieval"},
    "safety": {"safety"},
    "dialogue": {"dialogue", "retrieval", "safety"},
    "app": {"app", "dialogue", "retrieval", "safety"},
}


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef):
                    lines = (node.end_lineno or 0) - node.lineno + 1
                    assert lines <= 60, f"{path.relative_to(ROOT)}: {node.name} has {lines} lines"
