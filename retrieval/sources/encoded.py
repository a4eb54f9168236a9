"""Data in letters: Base64, data: addresses, PEM blocks, dumps and machine-written lines, found in a text.

A digest, a token or an address that somebody quotes is shorter than what is taken for data here, and a sequence of
amino acids has no small letters: they stay.
"""

import re
from itertools import pairwise
from typing import Final

_SHORTEST: Final = 160  # characters; SHA-512 takes 88 in Base64 and 128 in hexadecimal
_MIXED: Final = 0.35  # neighbours of different kinds (capital, small, digit) in a run; Base64 has 0.6, a path 0.2
_BLOB: Final = 500  # characters of a line that no hand wrote
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----\s(?:(?:[A-Za-z0-9+/=:,]|-(?!-)){1,80}\s{1,4})*-----END \1-----")
_UU = re.compile(r"^begin [0-7]{3,4} [^\n]{1,200}\n(?:[ -`]{1,62}\n)+end$", re.MULTILINE)
_ADDRESS = re.compile(
    r"\bdata:[\w.+-]{1,60}(?:/[\w.+-]{1,60})?(?:;[\w=.+-]{1,60}){0,5},[\w%+/=:;.&!*'()-]{64,}", re.IGNORECASE
)
_LETTERS = r"[A-Za-z0-9+/_-]"
_LINE_END = r"[ \t]{0,8}\n[ \t]{0,8}"
_RUN = re.compile(  # markup leaves a space where its lines ended
    rf"(?<!{_LETTERS}){_LETTERS}{{40,}}={{0,2}}(?:(?: |{_LINE_END}){_LETTERS}{{40,}}={{0,2}})*"
    rf"(?:{_LINE_END}{_LETTERS}{{1,76}}={{0,2}}(?=[ \t]*(?:\n|\Z))| {_LETTERS}{{1,76}}={{1,2}})?"
)
_HEX = re.compile(r"(?<![0-9a-zA-Z])(?:(?:\\x|0x)?[0-9a-fA-F]{2}[ :,]{0,2}\n?){128,}")
_DUMP = re.compile(
    r"(?:^ {0,8}(?:0x)?[0-9a-fA-F]{4,16}:?[ \t]{1,4}(?:[0-9a-fA-F]{2,4}[ \t]{1,3}){4,16}[^\n]{0,24}(?:\n|\Z)){3,}",
    re.MULTILINE,
)
_KIND = str.maketrans(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=-", "A" * 26 + "a" * 26 + "0" * 10 + "+" * 5
)
_LONG_LINE = re.compile(rf"^[^\n]{{{_BLOB},}}$", re.MULTILINE)
_SIGNS = frozenset("{}()[];=,:&|<>!?+*/'\"\\")


def encoded(text: str) -> list[tuple[int, int]]:
    """Return the spans that hold encoded data, in order and disjoint."""
    found = [match.span() for pattern in (_PEM, _UU, _ADDRESS, _DUMP) for match in pattern.finditer(text)]
    found += [match.span() for match in _RUN.finditer(text) if _is_base64(match[0])]
    found += [match.span() for match in _HEX.finditer(text) if len(match[0]) > 2 * _SHORTEST and _is_hex(match[0])]
    found += [match.span() for match in _LONG_LINE.finditer(text) if _is_blob(match[0])]
    spans: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if spans and start <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(end, spans[-1][1]))
        else:
            spans.append((start, end))
    return spans


def _is_base64(run: str) -> bool:
    letters = "".join(run.split())
    kinds = letters.translate(_KIND)
    changes = sum(a != b for a, b in pairwise(kinds))
    mixed = {"A", "a"} <= set(kinds) and changes > _MIXED * len(letters)
    return mixed and len(letters) >= _SHORTEST and 25 * kinds.count("0") > len(letters)


def _is_hex(run: str) -> bool:
    """Whether no number is meant: a table of figures has no letters, a word no figures."""
    return any(c.isdigit() for c in run) and any(c.isalpha() for c in run)


def _is_blob(line: str) -> bool:
    """Whether a line was written by a machine for a machine: hardly a space, many signs."""
    spaces = sum(map(str.isspace, line))
    return 12 * spaces < len(line) and sum(c in _SIGNS for c in line) * 10 > len(line)
