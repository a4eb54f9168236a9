"""PowerPoint presentations."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from retrieval.hidden import is_passage
from retrieval.outline import Outline, one_line, own_date
from retrieval.rows import Grid
from retrieval.sources.archive import checked_zip
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.unseen import Ground
from retrieval.types import Document, Note

if TYPE_CHECKING:
    from pptx.chart.chart import Chart
    from pptx.shapes.base import BaseShape
    from pptx.slide import Slide
    from pptx.table import Table

_P: Final = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_A: Final = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_RECURRING: Final = frozenset({"dt", "ftr", "sldNum"})  # placeholders that say the same on every slide
_MOST_VALUES: Final = 2_000  # of a chart


def read_pptx(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document: a section per slide under the slide's title, and one of its notes."""
    from pptx import Presentation

    checked_zip(path, "PowerPoint", limits).close()
    file = Presentation(str(path))
    outline = Outline()
    ground, first = Ground(file), ""
    footers: dict[str, None] = {}
    for number, slide in enumerate(file.slides, start=1):
        if slide._element.get("show") in ("0", "false"):
            outline.notes[Note.SLIDE] += 1
            continue
        outline.at(f"slide {number}")
        title = slide.shapes.title
        outline.close(1)
        if title is not None and title.has_text_frame and not ground.is_away(title):
            outline.heading(1, title.text_frame.text)
            first = first or one_line(title.text_frame.text)
        for shape in slide.shapes:
            if recurring := _recurring(shape):
                said = one_line(shape.text_frame.text) if recurring == "ftr" else ""
                footers |= dict.fromkeys(filter(None, [said]))
            elif title is None or shape.shape_id != title.shape_id:
                _add_shape(outline, shape, slide, ground)
        if slide.has_notes_slide and (notes := slide.notes_slide.notes_text_frame) is not None:
            outline.at(f"slide {number}, notes")
            outline.add(notes.text)
    outline.close(1)
    outline.at("footer")
    for said in footers:
        outline.add(said)
    outline.dated = own_date(file.core_properties.modified, file.core_properties.created)
    yield "", outline.document("", one_line(file.core_properties.title) or first)


def _recurring(shape: "BaseShape") -> str:
    """Return the kind of a placeholder that says the same on every slide, empty for anything else."""
    mark = next(shape._element.iter(f"{_P}ph"), None) if shape.is_placeholder else None
    kind = (mark.get("type") or "") if mark is not None else ""
    return kind if kind in _RECURRING and shape.has_text_frame else ""


def _add_shape(outline: Outline, shape: "BaseShape", slide: "Slide", ground: Ground) -> None:
    from pptx.shapes.graphfrm import GraphicFrame
    from pptx.shapes.group import GroupShape
    from pptx.shapes.picture import Picture

    if ground.is_away(shape):
        texts = (element.text or "" for element in shape._element.iter(f"{_A}t"))
        outline.notes[Note.HIDDEN] += is_passage(" ".join(texts))
    elif isinstance(shape, GroupShape):
        for part in shape.shapes:
            _add_shape(outline, part, slide, ground)
    elif isinstance(shape, GraphicFrame) and shape.has_table:
        _add_table(outline, shape.table)
    elif isinstance(shape, GraphicFrame) and shape.has_chart:
        _add_chart(outline, shape.chart)
    elif isinstance(shape, Picture):
        outline.notes[Note.PICTURE] += 1
    elif shape.has_text_frame:
        for paragraph in shape.text_frame.paragraphs:  # type: ignore[attr-defined]
            hidden = [run for run in paragraph.runs if ground.hides(run._r, shape, slide)]
            outline.notes[Note.HIDDEN] += is_passage("".join(run.text for run in hidden))
            for run in hidden:
                run.text = ""
            outline.add(paragraph.text, item=True)


def _add_table(outline: Outline, table: "Table") -> None:
    grid = Grid()
    for number, row in enumerate(table.rows):
        grid.begin(table.first_row and number == 0)
        for cell in row.cells:
            if not cell.is_spanned:
                grid.open(False, cell.span_width, cell.span_height)
                grid.fill(cell.text)
    outline.add_table(grid.taken())


def _add_chart(outline: Outline, chart: "Chart") -> None:
    """Add the values of a chart as the rows of a table, its series as columns."""
    grid = Grid()
    title = chart.chart_title.text_frame.text if chart.has_title and chart.chart_title.has_text_frame else ""
    for plot in chart.plots:
        series = list(plot.series)
        names = [str(name) for name in plot.categories]
        if len(names) * len(series) > _MOST_VALUES:
            continue
        grid.begin(True)
        for name in ("Item", *(one.name for one in series)):
            grid.open(True)
            grid.fill(name)
        for name, *values in zip(names, *(one.values for one in series), strict=False):
            grid.begin()
            for value in (name, *values):
                grid.open()
                grid.fill("" if value is None else f"{value:g}" if isinstance(value, float) else str(value))
    outline.add_table(grid.taken(), title)
