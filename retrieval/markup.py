"""Markdown and HTML to plain text with sections."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from retrieval.hidden import hides, is_passage, styles_of, take_out_hidden
from retrieval.outline import Outline, one_line
from retrieval.rows import MOST_SPANNED, Grid
from retrieval.types import Document, Note

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag
    from markdown_it.token import Token

_FRONT_MATTER = re.compile(r"\A(---|\+\+\+)[ \t]*\n(?:.*?\n)?(?:\1|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title[ \t]*[:=][ \t]*[\"']?(.+?)[\"']?[ \t]*$", re.MULTILINE)

_DROPPED = [
    *(
        "script",
        "style",
        "noscript",
        "template",
        "svg",
        "math",
        "iframe",
        "object",
        "canvas",
        "audio",
        "video",
    ),
    *("nav", "aside", "form", "button", "select", "textarea", "dialog", "head"),
]
_BLOCKS = frozenset(
    [
        *(
            "address",
            "article",
            "blockquote",
            "body",
            "center",
            "dd",
            "details",
            "div",
            "dl",
            "dt",
        ),
        *(
            "fieldset",
            "figcaption",
            "figure",
            "header",
            "hr",
            "html",
            "li",
            "main",
            "ol",
            "p",
            "pre",
            "section",
        ),
        *("summary", "table", "tbody", "tfoot", "thead", "tr", "ul"),
    ]
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)([^<>]*)>")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_UNCLOSED = frozenset(
    "area base br col embed hr img input link meta p source track wbr li dt dd tr td th option".split()
)
_CONTACT = re.compile(r"@|(?<![\d-])(?:\+|0)\d[\d ()/-]{5,}\d|\b\d{3}[-. ]\d{3,4}[-. ]\d{3,4}\b")
_LONGEST_FOOTER = 300  # characters
_LONGEST_BOLD = 80  # characters of a bold line that is a heading
_ITEMS = frozenset({"li", "dt", "dd"})


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
            pieces.append(" ")
    notes[Note.HIDDEN] += is_passage(_TAG.sub(" ", "".join(hidden)))
    return "".join(pieces)


def from_html(text: str, source: str, fallback: str, outline: Outline | None = None) -> Document:
    """Return the visible text of a page. Its title is the heading above all others if the page's own contains that."""
    outline = outline or Outline()
    page_title = feed_html(outline, text)
    first = outline.title
    title = first if first and (not page_title or first in page_title) else page_title
    return outline.document(source, title or fallback)


def feed_html(outline: Outline, text: str) -> str:
    """Append the visible text of a page or a piece of one; return the title it declares, or nothing."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(text, "html.parser")
    title = one_line(soup.title.get_text()) if soup.title else ""
    styles = styles_of(soup)
    for tag in soup.find_all(_is_dropped):
        if not tag.decomposed:
            tag.decompose()
    outline.notes[Note.HIDDEN] += take_out_hidden(soup, styles)
    contacts = _contacts(soup)
    root = soup.find("main") or soup
    page = _Text(outline, _layouts(root))
    for event, tag, string in _events(root):
        page.take(event, tag, string)
    page.end()
    for told in contacts:
        outline.add(told)
    return title


class _Text:
    """The text of a page as its tags come: running text in a buffer, cells in a grid."""

    def __init__(self, outline: Outline, layouts: set[int]) -> None:
        self.outline, self.layouts = outline, layouts
        self.buffer: list[str] = []
        self.grid = Grid()
        self.row = self.pre = False
        self.items = 0
        self.caption = ""

    def take(self, event: str, tag: "Tag", string: str) -> None:
        """Take what `_events` gives."""
        opens = event == "open"
        if event == "text":
            self.buffer.append(string if self.pre else re.sub(r"\s+", " ", string))
        elif tag.name == "br":
            self.buffer.append("\n" if opens else "")
        elif tag.name in _HEADINGS and opens:
            self.flush(False)
        elif tag.name in _HEADINGS:
            self._table()
            self.outline.heading(_HEADINGS[tag.name], "".join(self.buffer))
            self.buffer.clear()
        elif tag.name in {"td", "th"}:
            self._cell(tag, opens)
        elif tag.name == "caption":
            self.caption = "" if opens else "".join(self.buffer)
            self.buffer.clear()
        elif tag.name in _BLOCKS and not (self.row and tag.name != "tr"):
            self._block(tag, opens)

    def _cell(self, tag: "Tag", opens: bool) -> None:
        if self.row and opens:
            self.flush(True)
            self.grid.open(tag.name == "th", _span(tag, "colspan"), _span(tag, "rowspan"))
        self.buffer.append(" ")

    def _block(self, tag: "Tag", opens: bool) -> None:
        self.flush(self.items > 0)
        self.items += (tag.name in _ITEMS) * (1 if opens else -1)
        self.row = tag.name == "tr" and opens and id(tag) not in self.layouts
        if self.row:
            self.grid.begin(tag.parent is not None and tag.parent.name == "thead")
        elif tag.name == "table":
            self._table()
        self.pre = tag.name == "pre" and opens

    def flush(self, item: bool) -> None:
        """Hand on what was gathered, to the open cell or as a paragraph."""
        text = "".join(self.buffer).strip()
        self.buffer.clear()
        if self.row:
            self.grid.fill(text)
        elif text:
            self._table()
            self.outline.add(text, item=item)

    def end(self) -> None:
        """Hand on what is left."""
        self.flush(False)
        self._table()

    def _table(self) -> None:
        """Hand on the rows that were gathered, if there are some."""
        if rows := self.grid.taken():
            self.outline.add_table(rows, self.caption)
        self.caption = ""


def _contacts(soup: "BeautifulSoup") -> list[str]:
    """Take the footers out of a page; return what they say where it is how to reach somebody, and little else."""
    feet = [foot.extract() for foot in soup.find_all("footer") if foot.find_parent("footer") is None]
    texts = (" ".join(foot.get_text(" ").split()) for foot in feet)
    return [text for text in texts if _CONTACT.search(text) and len(text) <= _LONGEST_FOOTER]


def _span(cell: "Tag", name: str) -> int:
    """How many columns or rows a cell takes up."""
    said = str(cell.attrs.get(name, "")).strip()
    return min(max(int(said), 1), MOST_SPANNED) if said.isdecimal() and len(said) < 5 else 1


def _is_dropped(tag: "Tag") -> bool:
    return tag.name in _DROPPED or tag.attrs.get("role") in ("navigation", "search", "contentinfo")


def _layouts(root: "Tag") -> set[int]:
    """Return the ids of tags that hold more than text: rows among them make up a page, the others hold data."""
    found: set[int] = set()
    for tag in root.find_all(["table", "ul", "ol", "pre", *_HEADINGS]):
        for parent in tag.parents:
            if id(parent) in found:
                break
            found.add(id(parent))
    return found


def _events(root: "Tag") -> "Iterator[tuple[str, Tag, str]]":
    """Walk the tree without recursion: (open or close, tag, "") and ("text", parent, text)."""
    from bs4.element import NavigableString, Tag

    stack = [(root, iter(root.children))]
    while stack:
        tag, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            yield "close", tag, ""
        elif isinstance(child, Tag):
            yield "open", child, ""
            stack.append((child, iter(child.children)))
        elif type(child) is NavigableString:  # not a comment, a declaration or the like
            yield "text", tag, str(child)
