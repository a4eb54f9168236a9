"""Which answers of an HTTP server may be different a little later, and how long it asks to wait.

One rule for every server that is asked by POST and asked again: `safety.guards.moderation` and
`dialogue.models.server`.
"""

from email.utils import parsedate_to_datetime
from math import isnan
from time import time
from typing import Final

# What OpenAI's own clients try again: a request timed out (408), found something locked (409: nothing that we send
# changes what is stored there, so the conflict is with others and ends), came too early (425) or too often (429), or
# met a server in trouble. 501 and 505 are not among them: they say that it will never do this.
TRANSIENT: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


def retry_after(header: str) -> float:
    """Return the seconds that a Retry-After header asks to wait, given as such or as a date (RFC 9110, section 10.2.3).

    0 for anything else.
    """
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time()
        except (ValueError, TypeError, OverflowError):
            return 0.0
    return 0.0 if isnan(seconds) else min(max(seconds, 0.0), 1e6)
