"""What several things cost together, of which a source gives the price of one. English only."""

import re
from collections.abc import Sequence
from functools import partial

from dialogue.shapes.figures import exact, written_like
from dialogue.shapes.money import is_money
from dialogue.shapes.plan import Plan, Value
from dialogue.shapes.words import NUMBERS, singular

_COUNT = rf"(?P<count>\d+|{'|'.join(NUMBERS)})"
_THINGS = r"(?P<things>(?:[\w-]+ ){0,2}?(?:[a-z-]{2,}s|people|children|men|women|persons))\b"
TOGETHER = re.compile(
    r",? (?:(?:all )?together|altogether|in all|in total|in sum|all in all|combined|overall|in the end)(?= |$)",
    re.IGNORECASE,
)
_DOES = r"(?:do|does|did|would|will|is|are|was|must|should|have to|has to)"
_BUYS = r"(?:buy|rent|hire|book|get|order|take|have)"
_TIMES = re.compile(
    rf"(?:how (?:much(?: money)?|many \w+)|what(?:'s)?)(?: {_DOES})?(?: (?:it|I|we|you|one|someone))?(?: {_DOES})?"
    rf"(?: (?:cost|pay|be|need))?(?: me| us)?(?: for| to {_BUYS})? {_COUNT} {_THINGS}(?P<rest>.*?)"
    r"(?: (?:cost|be|come to|amount to|add up to|work out at|set (?:me|us|you) back)(?: me| us| you)?(?P<late> .+)?)?",
    re.IGNORECASE,
)
_PRICE = re.compile(
    rf"(?:what(?: is|'s| are| would be| was)|how (?:much|high) (?:is|are|would be)|tell me|give me) (?:the )?"
    rf"(?:total |full |whole |overall )*"
    rf"(?:(?P<fee>[\w-]* ?(?:charge|fee|deposit|rent))|price|cost|sum|total|bill|costs) "
    rf"(?:of|for) {_COUNT} {_THINGS}(?P<rest>.*)",
    re.IGNORECASE,
)
_FOR_SOME = re.compile(
    rf"(?:how much|what) (?:is|are|does|do|would|will) (?:the )?(?P<what>[a-z][\w -]*?)(?: cost| be)? for {_COUNT} "
    rf"{_THINGS}(?P<rest>.*)",
    re.IGNORECASE,
)
_PAYS = re.compile(r"^ (?:have to |need to |must )?pay\b", re.IGNORECASE)
_ASKS = re.compile(r"\bhow much\b|\bcosts?\b|\bpay\b|\bprice\b|\bcome to\b|\bamount to\b|\badd up to\b", re.IGNORECASE)
_PERIODS = re.compile(r"(?:.* )?(?:seconds|minutes|hours|nights|days|weeks|months|quarters|years)", re.IGNORECASE)
_OTHERS = re.compile(
    rf"\b(?:and|plus|with) (?:an?|one|the|\d+|{'|'.join(NUMBERS)}|some)\b", re.IGNORECASE
)  # that add to it


def read_several(text: str) -> Plan | None:
    """Return how it is worked out what a number of things cost, None where a question asks nothing of the kind."""
    bare = TOGETHER.sub("", text)
    what = ""
    match = _PRICE.fullmatch(bare) or _TIMES.fullmatch(bare)
    if match is None and (match := _FOR_SOME.fullmatch(bare)):
        what = f"{match['what']} for "
    if match is None or not (_ASKS.search(bare) or match.re is _PRICE or bare != text):
        return None
    count, things = match["count"].casefold(), match["things"]
    times = int(count) if count.isdigit() else NUMBERS.index(count) + 1
    rest = f"{match['rest']}{match.groupdict().get('late') or ''}"
    if times < 2 or _PERIODS.fullmatch(things) or _OTHERS.search(rest):
        return None
    one = singular(things)
    if fee := match.groupdict().get("fee"):
        base = f"how much is the {fee.strip()} for one {one}{rest}"
    elif pays := _PAYS.match(rest):
        base = f"how much does one {one} pay{rest[pays.end() :]}"
    else:
        base = f"how much does {what}one {one}{rest} cost"
    spelt = NUMBERS[times - 1] if times <= len(NUMBERS) else str(times)
    return Plan(
        (f"{base}?",),
        (one,),
        partial(_times, times=times, things=things),
        is_money,
        kind="derive",
        stated=rf"\b(?:{times}|{spelt})\s+(?:[\w-]+\s+)?{re.escape(things)}\b",
    )


def _times(values: Sequence[Value], times: int, things: str) -> str:
    [value] = values
    if value.quantity is None or not is_money(value.quantity):
        return ""
    return f"{times} {things} at {value.said} come to {written_like(value.said, exact(value.quantity) * times)}."
