"""Whether the server can answer: ``/readyz`` tells of the database, the index and the model."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from app.errors import AppError
from app.library.library import index_state
from app.web.health import trouble

if TYPE_CHECKING:
    from app.bot import Bot


def readiness(bot: "Bot", folder: Path, stopping: bool) -> dict[str, Any]:
    """Return what is ready, part by part; `ready` says whether messages can be answered now.

    An index that lags behind what was stored still serves, and so does quoting while a model server is down.
    """
    parts = {"server": "stopping" if stopping else "ok", "storage": trouble(folder) or "ok"}
    index: dict[str, Any] = {"state": "unknown"}
    try:
        with bot.library.database.read() as session:
            session.execute(text("SELECT 1"))
        parts["database"] = "ok"
        stored = index_state(bot.library.database)
        current = not stored.passages or stored.published.startswith(f"{stored.version}:")
        index = {"state": "ok" if current else "behind", "passages": stored.passages}
    except AppError as error:
        parts["database"] = str(error)
    writer = bot.responder.model
    writes = "down: quoting answers" if getattr(writer, "resting", False) else "ok"
    model = {"state": writes, "name": bot.settings.model, "fingerprint": writer.fingerprint}
    ready = all(state == "ok" for state in parts.values())
    return {"ready": ready, **parts, "index": index, "model": model, "notice": bot.notice}
