"""The text of a PDF, page by page: a script run in a process of its own, under limits.

    python pdf.py FILE '{"memory": 1073741824, "cpu_seconds": 30, "max_pages": 2000, "max_text": 10000000}'

Writes one JSON object to stdout: title and pages, or error. Imports nothing of this package, so that it
starts fast and a crash, a bomb or an endless loop costs no more than this one file.
"""

import json
import re
import resource
import sys
from itertools import pairwise
from typing import Any

_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad\u2010]\n(?=[a-z])")
_SENTENCE_END = re.compile(r"[.!?:;][\"'”’)\]]*$")
_BULLET = re.compile(r"[-*•–‣▪◦]\s|\d{1,3}[.)]\s")


class Refused(Exception):
    """The file is whole, but is not read. The message can follow its name."""


def main(path: str, limits: dict[str, int]) -> dict[str, Any]:
    """Return {"title", "pages"} or {"error"}, a clause that can follow the name of the file."""
    from pypdf.errors import DependencyError, FileNotDecryptedError

    _limit(resource.RLIMIT_AS, limits["memory"])
    _limit(resource.RLIMIT_CPU, limits["cpu_seconds"])
    try:
        return _read(path, limits)
    except Refused as error:
        return {"error": str(error)}
    except (DependencyError, FileNotDecryptedError):
        return {"error": "password-protected; save a copy without the password"}
    except MemoryError:
        return {"error": "needs more memory than a PDF may take"}
    except Exception as error:  # a broken file can break the parser anywhere
        return {"error": f"broken or truncated PDF ({type(error).__name__}: {str(error)[:100]})"}


def _read(path: str, limits: dict[str, int]) -> dict[str, Any]:
    from pypdf import PdfReader

    reader = PdfReader(path)
    if reader.is_encrypted and not reader.decrypt(""):
        raise Refused("password-protected; save a copy without the password")
    if (count := len(reader.pages)) > limits["max_pages"]:
        raise Refused(f"{count} pages, more than the {limits['max_pages']} allowed")
    pages: list[str] = []
    length = 0
    for page in reader.pages:
        pages.append(running_text(page.extract_text()))
        length += len(pages[-1])
        if length > limits["max_text"]:
            raise Refused(f"more than the {limits['max_text']} characters of text allowed")
    title = reader.metadata.title if reader.metadata else None
    return {"title": title if isinstance(title, str) else "", "pages": pages}


def running_text(page: str) -> str:
    """Join words hyphenated at line ends, and lines that the right margin broke; keep other line ends."""
    lines = [line.strip() for line in _HYPHEN.sub("", page).splitlines()]
    if lines and lines[-1].isdecimal():
        lines.pop()  # the page number
    if not lines:
        return ""
    width = max(map(len, lines))
    parts = [lines[0]]
    for line, following in pairwise(lines):
        runs_on = following[:1].islower() or (len(line) > 0.7 * width and len(line) > 30)
        ended = _SENTENCE_END.search(line) and len(line) < 0.9 * width
        parts.append(" " if line and following and runs_on and not ended and not _BULLET.match(following) else "\n")
        parts.append(following)
    return "".join(parts)


def _limit(what: int, amount: int) -> None:
    _, hard = resource.getrlimit(what)
    resource.setrlimit(what, (amount if hard == resource.RLIM_INFINITY else min(amount, hard), hard))


if __name__ == "__main__":
    json.dump(main(sys.argv[1], json.loads(sys.argv[2])), sys.stdout)
