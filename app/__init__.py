"""The application: everything that touches the world. `open_bot` is the Python API.

Importing it is light: the parts behind these names are loaded when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.bot import Bot, open_bot
    from app.config import Settings
    from app.errors import AppError, DataError, InputError, InUse, SettingsError
    from app.evaluation.api import evaluate

__all__ = ["AppError", "Bot", "DataError", "InUse", "InputError", "Settings", "SettingsError", "evaluate", "open_bot"]

_HOMES = {"Bot": "bot", "open_bot": "bot", "Settings": "config", "evaluate": "evaluation.api"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'app' has no attribute {name!r}")
    return getattr(import_module(f"app.{_HOMES.get(name, 'errors')}"), name)
