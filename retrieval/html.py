"""HTML to plain text with sections: what a page says, without what leads around its site."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from retrieval.furniture import margins_of, take_out_furniture
from retrieval.hidden import styles_of, take_out_hidden
from retrieval.linked import said_in_data
from retrieval.outline import Outline, iso_date, one_line
from retrieval.rows import MOST_SPANNED, Grid
from retrieval.types import Document, Note, SourceError

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

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
    *("nav", "form", "button", "select", "textarea", "dialog", "head"),
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
_STREET = re.compile(
    r"^\d{1,4}\w?(?:[-/]\d+\w?)? [A-Z]\w+|^[A-Z][^\d,:]+ \d{1,4}\w?,?$"
)  # "6 Capstan Quay", "Am Markt 3"
_NO_ADDRESS = re.compile(r"[:;.!?@]|\d{5,} ?\d{3}|\bwww\b")
_SHORT = 48  # characters of a line of a postal address
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_ITEMS = frozenset({"li", "dd"})
_DATES = (  # the last change before the first appearance
    *("datemodified", "article:modified_time", "og:updated_time", "last-modified", "dcterms.modified"),
    *("datepublished", "article:published_time", "dcterms.created", "dcterms.date", "dc.date", "date"),
)
_IN_DATA = re.compile(r"\"(dateModified|datePublished)\"\s*:\s*\"([^\"]{4,40})\"")
_SHORT = 200  # characters below which a page may be one that scripts write
_NEEDS_SCRIPTS = re.compile(
    r"<noscript[^>]*>(?:(?!</noscript).){0,2000}javascript|"
    r"<(?:div|main)[^>]{0,200}\bid\s*=\s*[\"']?(?:root|app|__next|__nuxt)\b[^>]{0,200}>\s*</",
    re.IGNORECASE | re.DOTALL,
)
_SCRIPTED = "its text is written by scripts, which are not run here: open it in a browser and save it as PDF"


def from_html(text: str, source: str, fallback: str, outline: Outline | None = None) -> Document:
    """Return the visible text of a page. Its title is the heading above all others if the page's own contains that.

    Raises SourceError for a page that scripts would have to write.
    """
    outline = outline or Outline()
    page_title = feed_html(outline, text)
    if outline.length < _SHORT and _NEEDS_SCRIPTS.search(text):
        if not outline.length:
            raise SourceError(_SCRIPTED)
        outline.notes[Note.SCRIPTED] += 1
    first = outline.title
    title = first if first and (not page_title or first in page_title) else page_title
    return outline.document(source, title or fallback)


def feed_html(outline: Outline, text: str) -> str:
    """Append the visible text of a page or a piece of one; return the title it declares, or nothing."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(text, "html.parser")
    title = one_line(soup.title.get_text()) if soup.title else ""
    outline.dated = outline.dated or _dated(soup)
    styles = styles_of(soup)
    told = said_in_data(soup)
    for tag in soup.find_all(_is_dropped):
        if not tag.decomposed:
            tag.decompose()
    outline.notes[Note.HIDDEN] += take_out_hidden(soup, styles)
    take_out_furniture(soup)
    root = soup.find("main") or soup
    margins = margins_of(soup, root)
    _feed(outline, root)
    for part in margins:
        outline.close(1)
        _feed(outline, part)
    missing = list(told.missing(soup.get_text(" ") + " ".join(part.get_text(" ") for part in margins)))
    if missing:  # else what follows a piece of HTML in Markdown stays under its heading
        outline.close(1)
    for line in missing:
        outline.add(line, item=True)
    return title


def _dated(soup: "BeautifulSoup") -> str:
    """The day on which a page says that it was changed, or else written; "" where it does not."""
    told: dict[str, str] = {}
    for meta in soup.find_all("meta"):
        name = str(meta.get("property") or meta.get("name") or meta.get("itemprop") or "").casefold()
        told.setdefault(name, str(meta.get("content") or ""))
    for script in soup.find_all("script", type="application/ld+json"):
        told |= {name.casefold(): day for name, day in _IN_DATA.findall(script.get_text())}
    return next(filter(None, (iso_date(told.get(name)) for name in _DATES)), "")


def _feed(outline: Outline, root: "Tag") -> None:
    page = _Text(outline, _layouts(root))
    for event, tag, string in _events(root):
        page.take(event, tag, string)
    page.end()


def _on_one_line(text: str) -> str:
    """Return a text with the lines of a postal address in it joined: short ones around a street with its number."""
    lines = [line.strip() for line in text.split("\n")]
    street = next((at for at, line in enumerate(lines) if len(line) <= _SHORT and _STREET.search(line)), -1)
    if street < 0 or len(lines) < 2:
        return text
    plain = [0 < len(line) <= _SHORT and not _NO_ADDRESS.search(line) for line in lines]
    first, last = street, street
    while first and plain[first - 1]:
        first -= 1
    while last + 1 < len(lines) and plain[last + 1]:
        last += 1
    joined = ", ".join(line.rstrip(",") for line in lines[first : last + 1])
    return "\n".join([*lines[:first], joined, *lines[last + 1 :]])


class _Text:
    """The text of a page as its tags come: running text in a buffer, cells in a grid."""

    def __init__(self, outline: Outline, layouts: set[int]) -> None:
        self.outline, self.layouts = outline, layouts
        self.buffer: list[str] = []
        self.grid = Grid()
        self.row = self.pre = False
        self.items = 0
        self.caption = ""
        self.terms: list[str] = []  # what the next definition is of
        self.in_term = self.in_definition = self.defined = False

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
        elif tag.name == "dt" and not self.row:
            self._term(opens)
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
        if tag.name == "dd":
            self.in_definition = opens
        elif tag.name == "dl":
            self._end_list()
        self.row = tag.name == "tr" and opens and id(tag) not in self.layouts
        if self.row:
            self.grid.begin(tag.parent is not None and tag.parent.name == "thead")
        elif tag.name == "table":
            self._table()
        self.pre = tag.name == "pre" and opens

    def flush(self, item: bool) -> None:
        """Hand on what was gathered, to the open cell or as a paragraph; a definition with what it defines."""
        text = _on_one_line("".join(self.buffer).strip())
        self.buffer.clear()
        if self.row:
            self.grid.fill(text)
        elif text and self.in_term:
            self.terms = [*([] if self.defined else self.terms), text]
            self.defined = False
        elif text:
            self._table()
            self.outline.add(f"{self._defined()}{text}", item=item)

    def _end_list(self) -> None:
        """Hand on what was to be defined and was not."""
        terms, self.terms = self.terms, []
        for term in terms if not self.defined else []:
            self.outline.add(term, item=True)
        self.defined = False

    def _term(self, opens: bool) -> None:
        """Begin or end what is defined next; several things may be defined together, and one several times."""
        self.flush(self.items > 0)
        self.in_term = opens

    def _defined(self) -> str:
        """What the text that comes now defines, once for each definition."""
        if not self.terms or self.in_term or not self.in_definition:
            return ""
        self.in_definition, self.defined = False, True
        term = " / ".join(self.terms)
        return f"{term} " if term.endswith((":", "?")) else f"{term}: "

    def end(self) -> None:
        """Hand on what is left."""
        self.flush(False)
        self._table()

    def _table(self) -> None:
        """Hand on the rows that were gathered, if there are some."""
        if rows := self.grid.taken():
            self.outline.add_table(rows, self.caption)
        self.caption = ""


def _span(cell: "Tag", name: str) -> int:
    """How many columns or rows a cell takes up."""
    said = str(cell.attrs.get(name, "")).strip()
    return min(max(int(said), 1), MOST_SPANNED) if said.isdecimal() and len(said) < 5 else 1


def _is_dropped(tag: "Tag") -> bool:
    return tag.name in _DROPPED or tag.attrs.get("role") in ("navigation", "search")


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
