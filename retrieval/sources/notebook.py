"""Notebooks: cells of text by their headings, those of code with what they printed, each placed by its number."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from retrieval.markup import from_markdown
from retrieval.outline import Outline
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.text import clean
from retrieval.types import Document, SourceError

_LONGEST_OUTPUT: Final = 4_000  # characters of what a cell printed


def read_notebook(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document. Raises SourceError."""
    outline = Outline()
    try:
        value = json.loads(decode(path.read_bytes(), outline.notes))
    except json.JSONDecodeError as error:
        raise SourceError(f"broken notebook: line {error.lineno}: {error.msg}") from None
    sheets = [value, *value.get("worksheets", [])] if isinstance(value, dict) else []
    cells = [cell for sheet in sheets for cell in sheet.get("cells", [])]
    if not cells:
        raise SourceError("no notebook: it holds no cells")
    for number, cell in enumerate(cells, start=1):
        _add_cell(outline, number, cell)
    yield "", outline.document("", outline.title)


def _add_cell(outline: Outline, number: int, cell: dict[str, Any]) -> None:
    source = _joined(cell.get("source", cell.get("input")))
    outline.at(f"cell {number}")
    if cell.get("cell_type") == "heading":
        outline.heading(int(cell.get("level", 1)), source)
    elif cell.get("cell_type") == "markdown":
        from_markdown(clean(source), "", "", outline)
    else:
        outline.add(source)
        for output in cell.get("outputs", []):
            outline.at(f"cell {number}, output")
            outline.add(_joined(output.get("text") or output.get("data", {}).get("text/plain"))[:_LONGEST_OUTPUT])


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text or "")
