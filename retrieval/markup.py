"""Markdown to plain text with sections."""

import re
from collections import Counter
from typing import TYPE_CHECKING

from retrieval.hidden import hides, is_passage
from retrieval.html import feed_html
from retrieval.outline import Outline, one_line
from retrieval.types import Document, Note

if TYPE_CHECKING:
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(?:.*?\n)?(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title[ \t]*[:=][ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)

_LABELLED = re.compile(r"[^\W\d_][\w'’ /-]{0,30}: \S")  # lines like "Chair: Ada Shaw" are not wrapped
_WRAP = "\x1f"  # a line end within a paragraph, which Markdown takes for a space
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)([^<>]*)>")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_UNCLOSED = frozenset(
    "area base br col embed hr img input link meta p source track wbr li dt dd tr td th option".split()
)
_LONGEST_BOLD = 80  # characters of a bold line that is a heading


def from_markdown(text: str, source: str, fallback: str, outline: Outline | None = None) -> Document:
    """Return Markdown as plain text. Its title is the front matter's, the one heading above all others or `fallback`.

    `outline`, by default a new one, is what it is written into.
    """
    from markdown_it import MarkdownIt

    front = _FRONT_MATTER.match(text)
    named = _FRONT_TITLE.search(front.group()) if front else None
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text[front.end() :] if front else text)
    outline = outline or Outline()
    _feed_markdown(outline, tokens)
    return outline.document(source, (one_line(named.group(1)) if named else "") or outline.title or fallback)


def _feed_markdown(outline: Outline, tokens: "list[Token]") -> None:
    items, level = 0, 0
    grid: list[tuple[list[str], bool]] = []
    in_table = False
    veil = _Veil()
    for token in tokens:
        if token.content and veil.down:
            outline.notes[Note.HIDDEN] += is_passage(_TAG.sub(" ", token.content))
            veil.feed(token.content if token.type == "html_block" else "")
            continue
        match token.type:
            case "heading_open" | "heading_close":
                level = int(token.tag[1:]) if token.nesting > 0 else 0
            case "list_item_open" | "list_item_close":
                items += token.nesting
            case "table_open" | "table_close":
                in_table = token.nesting > 0
                outline.add_table(grid)
                grid = []
            case "tr_open":
                grid.append(([], not grid))
            case "inline" if level:
                outline.heading(level, _inline(token, outline.notes))
            case "inline" if in_table:
                grid[-1][0].append(_inline(token, outline.notes))
            case "inline":
                _add_inline(outline, token, items > 0)
            case "fence" | "code_block":
                outline.add(token.content)
            case "html_block":
                feed_html(outline, token.content)
                veil.feed(token.content)


def _add_inline(outline: Outline, token: "Token", item: bool) -> None:
    """Append a paragraph, or begin a section where it is but a bold line."""
    if not item and (bold := _bold(token)):
        outline.heading(7 if outline.length or outline.headings else 1, bold)
    else:
        outline.add(_inline(token, outline.notes), item=item)


def _bold(token: "Token") -> str:
    """What a paragraph says that is but one bold line, as some write headings; "" for any other."""
    children = [child for child in token.children or [] if child.type != "text" or child.content.strip()]
    kinds = [child.type for child in children]
    if len(kinds) < 3 or kinds[0] != "strong_open" or kinds[-1] != "strong_close" or kinds.count("strong_open") > 1:
        return ""
    said = "".join(child.content for child in children[1:-1] if child.type in {"text", "code_inline"}).strip()
    return "" if len(said) > _LONGEST_BOLD or said.endswith((".", "!", ",", ";")) else said.rstrip(":")


class _Veil:
    """The HTML tags that are open in Markdown, of which some may hide what stands in them."""

    def __init__(self) -> None:
        self.open: list[tuple[str, bool]] = []

    @property
    def down(self) -> bool:
        """Whether what comes now is hidden."""
        return any(hidden for _, hidden in self.open)

    def feed(self, html: str) -> None:
        """Take note of the tags in a piece of HTML."""
        from bs4 import BeautifulSoup

        for match in _TAG.finditer(_COMMENT.sub("", html)):
            closing, name, attributes = match[1], match[2].lower(), match[3]
            names = [one for one, _ in self.open]
            if closing and name in names:
                del self.open[len(names) - 1 - names[::-1].index(name) :]
            elif not closing and name not in _UNCLOSED and not attributes.endswith("/"):
                tag = BeautifulSoup(match[0], "html.parser").find() if attributes else None
                self.open.append((name, tag is not None and hides(tag)))


def _inline(token: "Token", notes: Counter[Note]) -> str:
    pieces: list[str] = []
    hidden: list[str] = []
    veil = _Veil()
    for child in token.children or []:
        if child.type == "html_inline":
            veil.feed(child.content)
        if veil.down:
            hidden.append(child.content or " ")
        elif child.type in {"text", "code_inline", "image"}:
            pieces.append(child.content)
        elif child.type == "hardbreak" or (child.type == "html_inline" and child.content.startswith("<br")):
            pieces.append("\n")
        elif child.type == "softbreak":
            pieces.append(_WRAP)
    notes[Note.HIDDEN] += is_passage(_TAG.sub(" ", "".join(hidden)))
    lines = "".join(pieces).split(_WRAP)
    return ("\n" if all(map(_LABELLED.match, lines)) else " ").join(lines)
