"""What runs in the parser's process: limits set, the parser of the kind run, its documents written out.

    python -m retrieval.sources.child KIND FILE LIMITS

LIMITS is `SourceLimits` as JSON. Every line of stdout is a JSON object: a document with its `member` of the file, a
member with the `error` that keeps it from being one, ``{"more": true}`` while one takes its time, or at last
``{"end": true}``, with the error that ended it.
"""

import base64
import json
import resource
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from retrieval.sources.filetypes import SourceLimits
from retrieval.sources.letter import Letter
from retrieval.types import Document, SourceError

Item = tuple[str, Document | Letter | SourceError | None]  # None: the time that reading may take begins again


Parser = Callable[[Path, SourceLimits], Iterator[Item]]
_PARSERS: Final = {  # by name, so that a process loads only the one it needs
    "text": ("plain", "read_text"),
    "source code": ("code", "read_code"),
    "settings": ("settings", "read_settings"),
    "Markdown": ("plain", "read_markdown"),
    "HTML": ("plain", "read_html"),
    "PDF": ("pdf", "read_pdf"),
    "picture": ("pictures", "read_picture"),
    "Word": ("word", "read_docx"),
    "PowerPoint": ("slides", "read_pptx"),
    "Excel": ("excel", "read_xlsx"),
    "table": ("tables", "read_csv"),
    "JSON": ("records", "read_json"),
    "JSON Lines": ("records", "read_jsonl"),
    "EPUB": ("epub", "read_epub"),
    "mail": ("mail", "read_eml"),
    "mailbox": ("mail", "read_mbox"),
    "Outlook": ("mail", "read_msg"),
    "calendar": ("dates", "read_ics"),
    "contacts": ("dates", "read_vcf"),
    "subtitles": ("subtitles", "read_subtitles"),
    "RTF": ("typeset", "read_rtf"),
    "TeX": ("typeset", "read_tex"),
    "notebook": ("notebook", "read_notebook"),
    "OpenDocument": ("opendocument", "read_odf"),
    "MediaWiki": ("wiki", "read_dump"),
}


def parser(kind: str) -> Parser:
    """Return what parses files of this kind."""
    module, function = _PARSERS[kind]
    found: Parser = getattr(import_module(f"retrieval.sources.{module}"), function)
    return found


def main(kind: str, path: str, limits: SourceLimits) -> None:
    """Parse the file under the limits and write its documents."""
    parse = parser(kind)
    recognises = kind in ("PDF", "picture")
    _limit(resource.RLIMIT_AS, limits.memory, limits.memory_recognising if recognises else None)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _more_time(limits)
    for row in rows(kind, parse(Path(path), limits), limits):
        sys.stdout.write(json.dumps(row) + "\n")
        sys.stdout.flush()
        _more_time(limits)


def rows(kind: str, items: Iterator[Item], limits: SourceLimits) -> Iterator[dict[str, Any]]:
    """Yield the documents as they are written out, and the end; an error is a clause that can follow a name."""
    error = ""
    try:
        for member, item in items:
            yield {"more": True} if item is None else {"member": member, **_row(item, limits)}
    except Exception as failure:  # a broken file can break the parser anywhere
        error = clause(kind, failure, limits)
    yield {"end": True, "error": error}


def clause(kind: str, failure: Exception, limits: SourceLimits) -> str:
    """Say why a parser failed, in words that can follow the name of the file."""
    match failure:
        case SourceError():
            return str(failure)
        case MemoryError():
            return f"needs more memory than the {limits.memory >> 20} MB that a file may take"
        case RecursionError():
            return f"broken {kind}: nested too deeply"
    return f"broken or truncated {kind} ({type(failure).__name__}: {' '.join(str(failure).split())[:100]})"


def _row(item: Document | Letter | SourceError, limits: SourceLimits) -> dict[str, Any]:
    if isinstance(item, Letter):
        files = [(file.name, base64.b64encode(file.data).decode()) for file in item.attached]
        return {**_row(item.document, limits), "attached": files}
    if isinstance(item, Document) and len(item.text) > limits.max_text:
        item = SourceError(limits.too_much_text)
    if isinstance(item, SourceError):
        return {"error": str(item)}
    sections = [(s.headings, s.start, s.end, s.place) for s in item.sections]
    return {
        "title": item.title,
        "text": item.text,
        "sections": sections,
        "notes": {note.name: count for note, count in item.notes},
        "dated": item.dated,
    }


def _more_time(limits: SourceLimits) -> None:
    """Give the next document its processor seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + limits.cpu_seconds)


def _limit(what: int, amount: int, most: int | None = None) -> None:
    _, hard = resource.getrlimit(what)
    most = hard if most is None else most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (amount if most == resource.RLIM_INFINITY else min(amount, most), most))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], SourceLimits(**json.loads(sys.argv[3])))
