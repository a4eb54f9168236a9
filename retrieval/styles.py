"""Style sheets as far as they can hide text: the rules of a page's own sheets, and what applies to a tag.

Sheets from elsewhere are not fetched, and rules for some media alone (print, narrow windows, dark rooms) do not count.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from bs4 import Tag
    from soupsieve import SoupSieve

Declarations = dict[str, str]  # property: value, both in lower case

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
_ANYWHERE = re.compile(r"@media\s+(?:only\s+)?(?:all|screen)\s*$|@(?:supports|layer|container)\b", re.IGNORECASE)
_END = re.compile(r"[{}]")
_STATE = re.compile(
    r"::?(?:hover|focus|active|target|checked|before|after|visited|not|open|placeholder|first-l)[\w()-]*"
)
_KEY = re.compile(r"([.#]?)((?:[\w-]|[^\x00-\x7f])+)")
_VARIABLE = re.compile(r"var\(\s*(--[\w-]+)\s*(?:,[^()]*)?\)")
_MOST_RULES: Final = 20_000
_MOST_TRIED: Final = 50_000  # selectors of more than one name that are tried on the tags of a page
_WATCHED = re.compile(
    r"^(?:--.*|display|visibility|opacity|color|background(?:-color|-image)?|font(?:-size)?|position|left|top|right|"
    r"bottom|text-indent|margin-left|margin-top|transform|clip|clip-path|width|height|max-width|max-height|"
    r"overflow(?:-[xy])?|filter|content-visibility|animation(?:-name)?|-webkit-text-fill-color)$"
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One selector with what it declares; `weight` orders rules, that of an important one is the highest."""

    selector: str
    weight: tuple[int, int, int, int, int]
    declared: Declarations


@dataclass
class Sheet:
    """The rules of a page, by the class, id or name that the tags they apply to have.

    `rules` apply to every such tag, those `within` to some by where they stand, and those of `states` now and then.
    """

    rules: dict[str, list[Rule]] = field(default_factory=lambda: defaultdict(list))
    within: dict[str, list[Rule]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, list[Rule]] = field(default_factory=lambda: defaultdict(list))
    variables: dict[str, str] = field(default_factory=dict)
    compiled: "dict[str, SoupSieve | None]" = field(default_factory=dict)
    tried: int = 0

    def of(self, tag: "Tag") -> Declarations:
        """Return what applies to a tag, its own attributes included."""
        keys = [*_names(tag), tag.name, "*"]
        met = [rule for key in keys for rule in self.rules.get(key, ())]
        met += [rule for key in keys for rule in self.within.get(key, ()) if self._applies(rule, tag)]
        found = _of_attributes(tag)
        for rule in sorted(met, key=lambda rule: rule.weight):
            found.update(rule.declared)
        usual, important = own_declarations(tag)
        found.update(usual)
        for rule in sorted((rule for rule in met if rule.weight[0]), key=lambda rule: rule.weight):
            found.update(rule.declared)
        found.update(important)
        return {name: self._filled(value) for name, value in found.items()}

    def _filled(self, value: str) -> str:
        for _ in range(4):
            if "var(" not in value or len(value) > 1000:
                break
            value = _VARIABLE.sub(lambda match: self.variables.get(match[1], "unknown"), value)
        return value

    def changes(self, tag: "Tag", name: str) -> bool:
        """Whether a rule for another state of this tag sets a property that hides it now: then a reader can open it."""
        names = _names(tag)
        if any(name in rule.declared for key in names for rule in self.states.get(key, ())):
            return True
        others = (rule for key in names for rule in self.within.get(key, ()) if name in rule.declared)
        return any(not self._applies(rule, tag) for rule in others)

    def _applies(self, rule: Rule, tag: "Tag") -> bool:
        if self.tried > _MOST_TRIED:
            return False
        self.tried += 1
        if rule.selector not in self.compiled:
            self.compiled[rule.selector] = _compiled(rule.selector)
        compiled = self.compiled[rule.selector]
        return compiled is not None and bool(compiled.match(tag))


def _compiled(selector: str) -> "SoupSieve | None":
    from soupsieve import SelectorSyntaxError, compile

    try:
        return compile(selector)
    except (SelectorSyntaxError, NotImplementedError, ValueError):
        return None


def own_declarations(tag: "Tag") -> tuple[Declarations, Declarations]:
    """Return what the style attribute of a tag declares, and what of it is important."""
    return declarations(str(tag.get("style") or ""))


def _names(tag: "Tag") -> list[str]:
    """The classes and the id of a tag, as selectors."""
    names: str | list[str] = tag.get("class") or []
    found = [f".{name}" for name in ([names] if isinstance(names, str) else names)]
    return [*found, f"#{tag['id']}"] if tag.get("id") else found


def read_sheet(css: str) -> Sheet:
    """Return the rules of a style sheet; what is broken in it is passed over."""
    sheet = Sheet()
    values: dict[str, set[str]] = defaultdict(set)
    for number, (selectors, body) in enumerate(_blocks(_COMMENT.sub(" ", css))):
        if number > _MOST_RULES:
            break
        usual, important = declarations(body)
        for name, value in {**usual, **important}.items():
            if name.startswith("--"):
                values[name].add(value)
        for declared, first in ((usual, 0), (important, 1)):
            for selector in selectors.split(",") if declared else ():
                _add(sheet, selector.strip(), first, number, declared)
    sheet.variables = {name: next(iter(found)) for name, found in values.items() if len(found) == 1}
    return sheet


@lru_cache(maxsize=256)
def declarations(text: str) -> tuple[Declarations, Declarations]:
    """Return what a declaration block says of the properties that can hide, and what of it is important."""
    usual: Declarations = {}
    important: Declarations = {}
    for part in text.split(";"):
        name, _, value = part.partition(":")
        name, value = name.strip().lower(), " ".join(value.lower().split())
        if value and _WATCHED.match(name):
            bare = value.removesuffix("!important").rstrip(" !")
            (important if "!" in value else usual)[name] = bare.removesuffix("! important").strip()
    return usual, important


def _add(sheet: Sheet, selector: str, first: int, number: int, declared: Mapping[str, str]) -> None:
    last = re.split(r"[\s>+~]+", selector)[-1]
    keys = _KEY.findall(re.sub(r"\[[^\]]*\]|:.*", "", last))
    parts = [mark for mark, _ in _KEY.findall(re.sub(r"\[[^\]]*\]", ".a", selector))]
    weight = (first, parts.count("#"), parts.count("."), parts.count(""), number)
    best = next((mark + name for wanted in ("#", ".", "") for mark, name in keys if mark == wanted), "*")
    kept = sheet.states if _STATE.search(selector) else sheet.within
    if _KEY.fullmatch(selector) or selector == "*":
        kept = sheet.rules
    kept[best if best[0] in ".#*" else best.lower()].append(Rule(selector, weight, dict(declared)))


def _blocks(css: str) -> Iterator[tuple[str, str]]:
    """Yield (selectors, declarations) of the rules that apply to every reader."""
    place, skipped = 0, 0
    for match in re.finditer(r"[{};]", css):
        before = css[place : match.start()].strip()
        if match[0] == "{" and (skipped or before.startswith("@")):
            skipped += bool(skipped or not _ANYWHERE.match(before))
            place = match.end()
        elif match[0] == "{":
            selectors, place = before, match.end()
            yield selectors, css[place : body.start() if (body := _END.search(css, place)) else len(css)]
        elif match[0] == "}":
            skipped = max(0, skipped - 1)
            place = match.end()
        elif before.startswith("@"):  # @import and @charset
            place = match.end()


def _of_attributes(tag: "Tag") -> Declarations:
    """Old attributes as what they mean."""
    found: Declarations = {}
    for attribute, name in (("bgcolor", "background-color"), ("background", "background-image")):
        if value := tag.get(attribute):
            found[name] = str(value).lower()
    if colour := tag.get("color" if tag.name in ("font", "basefont") else "text" if tag.name == "body" else ""):
        found["color"] = str(colour).lower()
    return found
