"""RTF and TeX: their text by headings and paragraphs, tables as rows."""

import re
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Final

from retrieval.outline import Outline, one_line
from retrieval.sources.decode import decode
from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.plain import add_text
from retrieval.types import Document, Note, SourceError

_RTF_TITLE: Final = re.compile(r"\{\\title\s+([^{}\\]+)\}")
_HEADS: Final = ("part", "chapter", "section", "subsection", "subsubsection", "paragraph")
_BRACED: Final = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_HEAD: Final = re.compile(rf"\\({'|'.join(_HEADS)})\*?(?:\[[^\]]*\])?{_BRACED}")
_TITLE: Final = re.compile(rf"\\title(?:\[[^\]]*\])?{_BRACED}")
_TABLE: Final = re.compile(
    r"\\begin\{(tabular[x*]?|longtable|tabulary)\}(?:\{[^{}]*\})?(?:\[[^\]]*\])?(?:\{(?:[^{}]|\{[^{}]*\})*\})?"
    r"(.*?)\\end\{\1\}",
    re.DOTALL,
)
_CAPTION: Final = re.compile(rf"\\caption(?:\[[^\]]*\])?{_BRACED}")
_RULES: Final = re.compile(
    r"\\(?:hline|toprule|midrule|bottomrule|endhead|endfirsthead|endfoot|centering)\b|\\c(?:mid|)line\{[^}]*\}"
)
_FRONT: Final = re.compile(r"\\(?:maketitle|tableofcontents|listof\w+)\b")
_COMMENT: Final = re.compile(r"(?<!\\)%.*")


def read_rtf(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document. Raises SourceError."""
    from striprtf.striprtf import rtf_to_text

    data = path.read_bytes()
    if not data.startswith(b"{\\rtf"):
        raise SourceError("named as RTF (.rtf) but does not begin with {\\rtf")
    source = data.decode("cp1252", "replace")
    outline = Outline()
    text = rtf_to_text(source, errors="ignore")
    for table, lines in groupby(text.split("\n"), key=lambda line: line.rstrip().endswith("|") and "|" in line[:-1]):
        if table:
            outline.add_table((line.rstrip().rstrip("|").split("|"), False) for line in lines)
        else:
            add_text(outline, "\n\n".join(line for line in lines if line.strip()))
    named = _RTF_TITLE.search(source[:20_000])
    yield "", outline.document("", one_line(named[1]) if named else outline.title)


def read_tex(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document]]:
    """Yield the one document: what is typeset, by its headings."""
    outline = Outline()
    source = _COMMENT.sub("", decode(path.read_bytes(), outline.notes))
    if len(source) > limits.max_text:
        raise SourceError(f"{len(source)} characters of text, more than the {limits.max_text} allowed")
    title = _TITLE.search(source)
    begin, _, rest = source.partition(r"\begin{document}")
    body = (rest or begin).partition(r"\end{document}")[0]
    outline.notes[Note.FOOTNOTE] += body.count(r"\footnote{")
    outline.notes[Note.PICTURE] += body.count(r"\includegraphics")
    place = 0
    for head in [*_HEAD.finditer(body), None]:
        _add_piece(outline, body[place : head.start() if head else len(body)])
        if head:
            outline.heading(_HEADS.index(head[1]) + 1, _typeset(head[2]))
            place = head.end()
    yield "", outline.document("", one_line(_typeset(title[1])) if title else outline.title)


def _add_piece(outline: Outline, source: str) -> None:
    place = 0
    for table in [*_TABLE.finditer(source), None]:
        before = source[place : table.start() if table else len(source)]
        captions = _CAPTION.findall(before)
        add_text(outline, _typeset(_CAPTION.sub("", before)))
        if table:
            place = table.end()
            after = _CAPTION.match(source[place:].lstrip())
            caption = after[1] if after else captions[-1] if captions else ""
            rows = (re.split(r"(?<!\\)&", row) for row in re.split(r"\\\\(?:\[[^\]]*\])?", _RULES.sub("", table[2])))
            outline.add_table((([_typeset(cell) for cell in row], False) for row in rows), _typeset(caption))


def _typeset(source: str) -> str:
    """The text that comes out. Commands that are not known leave what they are given."""
    if not source.strip():
        return ""
    from pylatexenc.latex2text import LatexNodes2Text

    known = _FRONT.sub("", source)
    shown = LatexNodes2Text(math_mode="text", strict_latex_spaces=False).latex_to_text(known, tolerant_parsing=True)
    return re.sub(r"\n\s*\n", "\n\n", str(shown).replace("\xa0", " ")).strip()
