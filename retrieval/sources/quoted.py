"""The body of a message: what its writer says first, then what is quoted, each message of a thread by itself."""

import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final

_MARKS: Final = re.compile(r"(?:[ \t]?>)+ ?")
_WROTE: Final = re.compile(
    r"[ \t>]*(?:On\b[^\n]{5,200}\bwrote:|Am\b[^\n]{5,200}\bschrieb[^\n]{0,80}:|Le\b[^\n]{5,200}a écrit ?:|"
    r"-{2,} ?(?:Original Message|Forwarded message|Ursprüngliche Nachricht)[^\n]*-{2,})[ \t]*$",
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(r"--[ \t]*")


def parts(body: str) -> Iterator[tuple[str, str]]:
    """Yield the texts of a thread, the newest first, each with the line that says who wrote it when, "" for the own.

    The marks of quoting are left out, the texts stay in their order. A signature is a paragraph of its own.
    """
    lines = [(len(marks.replace(" ", "")), line) for line in _unwrapped(body) for marks, line in [_unmarked(line)]]
    said = ""
    depth = 0
    for is_head, group in groupby(lines, key=lambda row: bool(_WROTE.match(row[1]))):
        if is_head:
            said = " ".join(line.strip() for _, line in group)
            depth = -1
            continue
        for level, run in groupby(group, key=lambda row: row[0]):
            text = "\n".join("" if _SIGNATURE.fullmatch(line) else line for _, line in run).strip()
            if not text:
                continue
            if depth >= 0 and level < depth:
                said = ""
            yield (said if level or depth < 0 else ""), text
            depth = level


def _unwrapped(body: str) -> list[str]:
    """The lines, one that says who wrote joined where it was wrapped in two."""
    lines: list[str] = []
    for line in body.split("\n"):
        before = lines[-1] if lines else ""
        bare = _unmarked(line)[1]
        joined = f"{before.rstrip()} {bare.strip()}"
        if re.match(r"[ \t>]*(?:On|Am|Le)\b", before) and bare.rstrip().endswith(":") and _WROTE.match(joined):
            lines[-1] = joined
        else:
            lines.append(line)
    return lines


def _unmarked(line: str) -> tuple[str, str]:
    """The marks of quoting before a line, and the line."""
    found = _MARKS.match(line)
    return (found[0], line[found.end() :]) if found else ("", line)
