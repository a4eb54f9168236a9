"""What leads around a site, taken out of its pages: menus, trails, banners. What a margin says of its own is kept.

A footer, a header or a note at the side often has what people look for: where something is, when it is open, how to
reach somebody.
"""

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bs4 import BeautifulSoup, Tag

_NAMED: Final = re.compile(
    r"(?:^|[-_ ])(?:nav|navi|navigation|navbar|menu|menue|breadcrumbs?|crumbs?|sidebar|toolbar|pager|pagination|social|"
    r"share|sharing|related|skip|skiplinks?|languages?|tags|toc)(?:$|[-_ ])",
    re.IGNORECASE,
)
_BANNER: Final = re.compile(r"cookie|consent|gdpr|ccpa|privacy-?(?:banner|notice|popup)", re.IGNORECASE)
_ASKS: Final = re.compile(
    r"(?:cookies?|consent|tracking).{0,400}(?:accept|agree|allow|consent|reject|decline|settings|preferences|policy|okay|"
    r"got it|akzeptier|zustimm|accepter|weiger)|(?:we|this site|wir|nous|wij)\b.{0,40}\bcookies",
    re.IGNORECASE | re.DOTALL,
)
_LEGAL: Final = re.compile(
    r"©|\(c\) ?\d{4}|copyright|all rights reserved|alle rechte|privacy|cookie|terms (?:of|and)|imprint|impressum|"
    r"datenschutz|powered by|back to top|skip to",
    re.IGNORECASE,
)
_CONTACT: Final = re.compile(
    r"@\w|(?<![\d-])(?:\+|0|\()\d[\d ()/.-]{5,}\d|\b\d{3}[-. ]\d{3,4}[-. ]\d{3,4}\b|"  # a telephone number
    r"\b\d{1,2}(?:[:.h]\d\d)? ?(?:[ap]\.?m\.?|uhr|h\b)|\b\d{1,2}[:.]\d\d\b|"  # an hour
    r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|\b(?:closed|open(?:s|ing)?)\b|"
    r"\b\d{4,5} [A-Z]|\b[A-Z]{1,2}\d[\dA-Z]? \d[A-Z]{2}\b|"  # a postal code
    r"\b\d{1,4}[a-z]?,? (?-i:[A-Z][a-z]+ [A-Z][a-z]+)",  # a house
    re.IGNORECASE,
)
_REACHED: Final = re.compile(r"@\w|\d[\d ()/.-]{6,}\d")
_BLOCKS: Final = [*"p li div address dt dd tr span small section h2 h3 h4 h5 h6".split(), "a"]
_HEADING: Final = re.compile(r"h[1-6]$")
_LINKED: Final = 0.6  # share of the letters that are links, of what is named as a menu
_ALL_LINKS: Final = 0.8  # of what is not
_FEWEST: Final = 3  # links of a menu
_LONGEST_LABEL: Final = 6  # words of a link in a menu, on average
_LONGEST_BANNER: Final = 1_500  # characters
_LONGEST_MARGIN: Final = 3_000


def take_out_furniture(soup: "BeautifulSoup") -> None:
    """Take menus, trails of links and banners out of a page."""
    for tag in soup.find_all(["div", "ul", "ol", "section", "header", "aside", "p", "table"]):
        if not tag.decomposed and tag.name not in ("html", "body") and (_is_banner(tag) or _is_menu(tag)):
            tag.decompose()


def margins_of(soup: "BeautifulSoup", root: "Tag") -> "list[Tag]":
    """Take the margins of a page out of it; return those that say something, without their links and legal lines."""
    found = []
    for tag in soup.find_all(_is_margin):
        if tag.decomposed or (tag.name in ("header", "address") and (root is soup or root in tag.parents)):
            continue
        if tag is root or any(parent in found for parent in tag.parents) or tag in root.parents:
            continue
        found.append(tag)
    kept = []
    for tag in found:
        footer = tag.name in ("footer", "address") or tag.get("role") == "contentinfo"
        inner = tag.find_parent(["article", "main"]) is not None and tag.name in ("footer", "address")
        if inner:
            continue
        tag.extract()
        _strip(tag, everything=footer)
        if 0 < len(" ".join(tag.get_text(" ").split())) <= _LONGEST_MARGIN:
            kept.append(tag)
    return kept


def _is_margin(tag: "Tag") -> bool:
    return tag.name in ("footer", "aside", "header", "address") or tag.attrs.get("role") == "contentinfo"


def _strip(margin: "Tag", everything: bool) -> None:
    """Leave of a margin what is no link and no legal line; unless `everything` else is wanted, what one looks for."""
    led = [heading for heading in margin.find_all(_HEADING) if _is_followed(heading)]
    for tag in margin.find_all(_BLOCKS):
        if tag.decomposed or tag.find(_BLOCKS[:-1]) is not None:
            continue
        text = " ".join(tag.get_text(" ").split())
        inside = tag.find_parent(["dl", "address", "tr"]) is not None
        wanted = everything or inside or _CONTACT.search(text) or _leads(tag)
        legal = _LEGAL.search(text) and not _REACHED.search(text)
        if not text or legal or not wanted or _linked(tag) >= _ALL_LINKS:
            tag.decompose()
    for heading in led:
        if not heading.decomposed and not _is_followed(heading):  # by links that are gone
            heading.decompose()
    inside = margin.name == "address" or margin.find(["address", "dl"]) is not None
    if not inside and not _CONTACT.search(margin.get_text(" ")):
        margin.clear()


def _is_followed(heading: "Tag") -> bool:
    """Whether something is said after a heading, beside it."""
    return any(part.get_text(" ").strip() for part in heading.find_next_siblings())


def _leads(tag: "Tag") -> bool:
    """Whether this is a heading with something after it."""
    return tag.name.startswith("h") and tag.find_next_sibling() is not None


def _is_banner(tag: "Tag") -> bool:
    if not _BANNER.search(_names(tag)) or tag.find(["h1", "main", "article"]) is not None:
        return False
    text = tag.get_text(" ")
    return len(text) <= _LONGEST_BANNER and _ASKS.search(text) is not None


def _is_menu(tag: "Tag") -> bool:
    """Whether a tag holds links alone, and its name or its place says that it is a menu."""
    if tag.find(["main", "article", "h1"]) is not None:
        return False
    named = _NAMED.search(_names(tag)) is not None
    if named and _linked(tag) >= _LINKED:
        return True
    if tag.name not in ("ul", "ol") or tag.find_parent(["main", "article"]) is not None:
        return False
    links = tag.find_all("a")
    if len(links) < _FEWEST or _linked(tag) < _ALL_LINKS:
        return False
    words = sum(len(link.get_text(" ").split()) for link in links)
    above = tag.find_previous("h1") is None and tag.find_next("h1") is not None
    outside = tag.find_parent(["header", "footer", "aside"]) is not None
    return words <= _LONGEST_LABEL * len(links) and (above or outside)


def _linked(tag: "Tag") -> float:
    """Which share of the letters of a tag are links to other pages."""
    length = len("".join(tag.get_text().split()))
    links = [tag] if tag.name == "a" else tag.find_all("a")
    away = [link for link in links if not str(link.get("href") or "").startswith(("mailto:", "tel:"))]
    return sum(len("".join(link.get_text().split())) for link in away) / length if length else 0.0


def _names(tag: "Tag") -> str:
    classes: str | list[str] = tag.get("class") or []
    return " ".join([str(tag.get("id") or ""), *([classes] if isinstance(classes, str) else classes)])
