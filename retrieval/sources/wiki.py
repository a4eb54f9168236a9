"""Exports of MediaWiki: the articles of an XML dump one by one, wiki markup removed."""

import bz2
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from retrieval.hidden import hides, is_passage
from retrieval.outline import Outline, one_line
from retrieval.rows import MOST_SPANNED, Grid
from retrieval.sources.filetypes import SourceLimits
from retrieval.types import Document, Note, SourceError

if TYPE_CHECKING:
    from mwparserfromhell.nodes import Node, Tag
    from mwparserfromhell.wikicode import Wikicode

_FILE, _CATEGORY = "6", "14"  # the keys of these namespaces in every wiki
_UNSEEN: Final = {"ref", "references", "gallery", "math", "timeline", "score", "graph", "style", "imagemap", "chem"}
_OPENED = re.compile(r"<([a-z]+)[^<>/]*>", re.IGNORECASE)
_CLOSED = re.compile(r"</([a-z]+)\s*>", re.IGNORECASE)
_STYLED = re.compile(r"style|hidden|color", re.IGNORECASE)
_MOST_OPEN: Final = 1_000  # tags without an end; the parser's time grows with their square


class _Counted:
    """A packed file as it is unpacked, refused as soon as it unpacks to more than a dump would."""

    def __init__(self, path: Path, limits: SourceLimits) -> None:
        self._raw = path.open("rb")
        packed = path.suffix.lower() == ".bz2"
        self._file: BinaryIO | bz2.BZ2File = bz2.BZ2File(self._raw) if packed else self._raw
        self._limits = limits
        self._unpacked = 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._unpacked += len(data)
        if self._unpacked > max(1_000_000, self._limits.max_ratio * self._raw.tell()):
            raise SourceError(f"unpacks to more than {self._limits.max_ratio} times its size, as only a bomb does")
        return data


def read_dump(path: Path, limits: SourceLimits) -> Iterator[tuple[str, Document | SourceError]]:
    """Yield the articles (namespace 0, no redirects), the last revision of each, numbered from 1."""
    from defusedxml.ElementTree import iterparse

    unread = {"File", "Image", "Category", "Media"}
    number = 0
    root: Any = None
    for event, element in iterparse(_Counted(path, limits), events=("start", "end"), forbid_dtd=True):
        if root is None:
            root = element
        if event == "start":
            continue
        tag = element.tag.rpartition("}")[2]
        if tag == "namespace" and element.get("key") in (_FILE, _CATEGORY) and element.text:
            unread.add(element.text)
        if tag == "page":
            if element.findtext("{*}ns", "0") == "0" and element.find("{*}redirect") is None:
                revision = element.findall("{*}revision")[-1:]
                text = revision[0].findtext("{*}text") if revision else ""
                article = _article(one_line(element.findtext("{*}title") or ""), text or "", unread, limits)
                if isinstance(article, SourceError) or article.text:  # some are templates alone
                    number += 1
                    yield f"#{number}", article
            root.clear()


def _article(title: str, text: str, unread: set[str], limits: SourceLimits) -> Document | SourceError:
    from mwparserfromhell import parse

    opened = Counter(name.lower() for name in _OPENED.findall(text))
    opened.subtract(name.lower() for name in _CLOSED.findall(text))
    if len(text) > limits.max_text or sum(number for number in opened.values() if number > 0) > _MOST_OPEN:
        return SourceError("broken wiki markup: too much of it, or too many tags without an end")
    outline = Outline()
    line: list[str] = []
    code = parse(text)
    outline.notes[Note.HIDDEN] += _without_hidden(code)
    for node in code.nodes:
        _add(outline, line, node, unread)
    _flush(outline, line)
    return outline.document("", title)


def _without_hidden(code: "Wikicode") -> int:
    """Empty the tags whose attributes hide what is in them, and return how many passages that were."""
    from bs4 import BeautifulSoup
    from mwparserfromhell import parse

    passages = 0
    for tag in code.filter_tags():
        written = "".join(map(str, tag.attributes))
        if tag.contents is not None and _STYLED.search(written):
            alone = BeautifulSoup(f"<span {written}>", "html.parser").find()
            if alone is not None and hides(alone, behind=None):
                passages += is_passage(tag.contents.strip_code())
                tag.contents = parse("")
    return passages


def _add(outline: Outline, line: list[str], node: "Node", unread: set[str]) -> None:
    """Take one node of an article: text gathers in `line` until the line ends."""
    from mwparserfromhell.nodes import Heading, Tag

    if isinstance(node, Heading):
        _flush(outline, line)
        outline.heading(node.level, _shown(node.title, unread))
    elif isinstance(node, Tag) and str(node.tag).strip().lower() == "table":
        _flush(outline, line)
        grid = Grid()
        _fill(grid, node, unread)
        outline.add_table(grid.taken())
    elif isinstance(node, Tag) and node.wiki_markup in {"*", "#", ":", ";"}:
        line.append("\0")  # marks an item of a list
    else:
        first, *rest = _node(node, unread).split("\n")
        line.append(first)
        for following in rest:
            _flush(outline, line)
            line.append(following)


def _flush(outline: Outline, line: list[str]) -> None:
    text = "".join(line)
    line.clear()
    outline.add(text.replace("\0", ""), item=text.startswith("\0"))


def _fill(grid: Grid, table: "Tag", unread: set[str]) -> None:
    from mwparserfromhell.nodes import Tag

    grid.begin()
    for node in table.contents.nodes:
        if not isinstance(node, Tag):
            continue
        name = str(node.tag).strip().lower()
        if name in {"td", "th"}:
            grid.open(name == "th", _span(node, "colspan"), _span(node, "rowspan"))
            grid.fill(_shown(node.contents, unread))
        elif name == "tr":
            _fill(grid, node, unread)


def _span(cell: "Tag", name: str) -> int:
    said = str(cell.get(name).value).strip() if cell.has(name) else ""
    return min(max(int(said), 1), MOST_SPANNED) if said.isdecimal() and len(said) < 5 else 1


def _shown(code: "Wikicode", unread: set[str]) -> str:
    return "".join(_node(node, unread) for node in code.nodes)


def _node(node: "Node", unread: set[str]) -> str:
    """The text that a reader of the page sees of a node; nothing of templates, comments and arguments."""
    from mwparserfromhell import nodes

    text = ""
    if isinstance(node, nodes.Text):
        text = str(node.value)
    elif isinstance(node, nodes.HTMLEntity):
        text = str(node.normalize())
    elif isinstance(node, nodes.Wikilink):
        target = str(node.title).strip()
        space = target.partition(":")[0].strip()
        if space not in unread and space.capitalize() not in unread:
            text = _shown(node.text, unread) if node.text else target.lstrip(":")
    elif isinstance(node, nodes.ExternalLink):
        text = _shown(node.title, unread) if node.title else "" if node.brackets else str(node.url)
    elif isinstance(node, nodes.Tag):
        name = str(node.tag).strip().lower()
        if name == "br":
            text = "\n"
        elif name not in _UNSEEN and node.contents is not None:
            text = _shown(node.contents, unread)
    return text
