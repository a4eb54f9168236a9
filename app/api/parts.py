"""What the API is served from: the bot, the queue of replies, the uploads and the limits of a server."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from app.web.jobs import Jobs

if TYPE_CHECKING:
    from app.accounts.limits import Limits
    from app.bot import Bot
    from app.web.uploads import Uploads


@dataclass(eq=False)
class Parts:
    """The parts of one server.

    `uploads` returns those of who is served (`app.web.who`), `folder` is the data folder, `limits` bound the turns of
    accounts.
    """

    bot: "Bot"
    jobs: Jobs
    uploads: "Callable[[], Uploads]"
    folder: Path
    limits: "Limits"
