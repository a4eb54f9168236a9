"""What is laid over a page of a PDF: the values of a form, where they stand, and the notes that somebody left."""

from ctypes import c_ushort
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from retrieval.sources.canvas import Handle
from retrieval.sources.words import Box, Page, Word, laid
from retrieval.text import clean

if TYPE_CHECKING:
    from pypdfium2 import PdfDocument, PdfPage

_MOST: Final = 2_000  # annotations of a page
_LONGEST: Final = 4_000  # characters of one
_SIZE: Final = 10.0  # points of a value's letters
_NEAR: Final = 20.0  # points from a box to the words that say what it means


@dataclass(slots=True)
class Overlay:
    """The values of a form as words that stand where their fields are, and the comments on the page."""

    values: list[Word] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)


def overlay(document: "PdfDocument", page: "PdfPage", drawn: Page, within: Box) -> Overlay:
    """Return what is laid over a page; `drawn` is what is drawn on it, `within` its box as the PDF has it."""
    import pypdfium2.raw as api

    found = Overlay()
    form = document.formenv.raw if document.formenv else None
    for number in range(min(_MOST, api.FPDFPage_GetAnnotCount(page.raw))):
        annotation = api.FPDFPage_GetAnnot(page.raw, number)
        if not annotation:
            continue
        try:
            kind = api.FPDFAnnot_GetSubtype(annotation)
            if kind == api.FPDF_ANNOT_WIDGET and form:
                _take_field(api, form, annotation, drawn, within, found)
            elif kind not in (api.FPDF_ANNOT_POPUP, api.FPDF_ANNOT_LINK, api.FPDF_ANNOT_WIDGET):
                _take_comment(api, annotation, found)
        finally:
            api.FPDFPage_CloseAnnot(annotation)
    return found


def _take_comment(api: Handle, annotation: Handle, found: Overlay) -> None:
    if text := _string(api.FPDFAnnot_GetStringValue, annotation, b"Contents"):
        author = _string(api.FPDFAnnot_GetStringValue, annotation, b"T")
        free = api.FPDFAnnot_GetSubtype(annotation) == api.FPDF_ANNOT_FREETEXT
        found.comments.append(text if free else f"Comment by {author}: {text}" if author else f"Comment: {text}")


def _take_field(api: Handle, form: Handle, annotation: Handle, drawn: Page, within: Box, found: Overlay) -> None:
    rect = api.FS_RECTF()
    api.FPDFAnnot_GetRect(annotation, rect)
    low, high = sorted((rect.bottom, rect.top))
    box = laid((rect.left, low, rect.right, high), drawn, within)
    left, top, right, bottom = box
    kind = api.FPDFAnnot_GetFormFieldType(form, annotation)
    middle = (top + bottom) / 2
    if kind in _buttons(api):
        checked = bool(api.FPDFAnnot_IsChecked(form, annotation))
        label = _label_right(drawn, right, middle)
        radio = kind == api.FPDF_FORMFIELD_RADIOBUTTON
        if label and (checked or not radio):
            text = label[-1].text
            _put(drawn, label[-1:], text if radio else f"{text.rstrip(':')}: {'yes' if checked else 'no'}")
        elif label:
            _put(drawn, label, "")  # what was not chosen
        elif checked or not radio:
            found.values.append(_word("yes" if checked else "no", left, middle, right))
    elif text := _string(api.FPDFAnnot_GetFormFieldValue, form, annotation):
        above = _label_above(drawn, box)
        if _has_label(drawn, left, middle):
            found.values.append(_word(text, left, middle, right))
        elif above:
            _put(drawn, above[-1:], f"{above[-1].text.rstrip(':')}: {text}")
        else:
            name = _string(api.FPDFAnnot_GetFormFieldAlternateName, form, annotation)
            name = name or _string(api.FPDFAnnot_GetFormFieldName, form, annotation).replace("_", " ")
            text = f"{name}: {text}" if name and not name.isdecimal() else text
            found.values.append(_word(text, left, middle, right))


def _put(page: Page, words: list[Word], text: str) -> None:
    """Let words say something else, or nothing."""
    gone = {id(word) for word in words}
    last = words[-1]
    page.words[:] = [word for word in page.words if id(word) not in gone]
    if text:
        page.words.append(replace(last, text=" ".join(text.split())))


def _label_above(page: Page, box: Box) -> list[Word]:
    """The words right above a field that begin where it does."""
    left, top, right, bottom = box
    high = 1.2 * (bottom - top)
    over = [word for word in page.words if top - high <= word.middle <= top + 2 and left - 4 <= word.left <= right]
    last = max(over, key=lambda word: word.middle, default=None)
    row = sorted((word for word in over if last and abs(word.middle - last.middle) < 3), key=lambda word: word.left)
    return row if row and row[0].left < left + 15 else []


def _buttons(api: Handle) -> tuple[int, int]:
    return api.FPDF_FORMFIELD_CHECKBOX, api.FPDF_FORMFIELD_RADIOBUTTON


def _word(text: str, left: float, middle: float, right: float, size: float = _SIZE) -> Word:
    return Word(" ".join(text.split()), left, middle - size / 2, right, middle + size / 2, size)


def _label_right(page: Page, right: float, middle: float) -> list[Word] | None:
    """The words right of a box, where they begin close to it."""
    row = sorted((w for w in page.words if w.top <= middle <= w.bottom and w.left >= right - 2), key=lambda w: w.left)
    if not row or row[0].left - right > _NEAR:
        return None
    label = [row[0]]
    for word in row[1:]:
        if word.left - label[-1].right > word.size:
            break
        label.append(word)
    return label


def _has_label(page: Page, left: float, middle: float) -> bool:
    """Whether words stand left of a field."""
    return any(word.top - 4 <= middle <= word.bottom + 4 and word.right <= left + 2 for word in page.words)


def _string(read: Handle, *arguments: Handle) -> str:
    """Return a text that the library writes in UTF-16 into a buffer which it is asked the length of first."""
    length = min(int(read(*arguments, None, 0)), 2 * _LONGEST)
    if length < 4:
        return ""
    buffer = (c_ushort * (length // 2 + 1))()
    read(*arguments, buffer, length)
    return clean(bytes(buffer)[: length - 2].decode("utf-16-le", "replace")).strip()
