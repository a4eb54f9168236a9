"""The handlers of all events of the page, by what they are about: conversations, turns, sources."""

from app.web.shelf import Shelf
from app.web.talks import Talks


class Handlers(Talks, Shelf):
    """What every event of the page does."""
