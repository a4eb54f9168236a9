"""What the application can say went wrong, drawn as a tree::

    AppError
    ├── SettingsError    a setting is unknown, of the wrong type or out of range
    ├── InputError       a message, a path or an id that cannot be used
    └── DataError        the data folder cannot be opened, read or written
        ├── InUse        another process holds the data folder
        └── OlderSchema  an earlier version wrote it, and it is only read

Every message is one line, fit to be shown to a user, and says what to do next.
"""


class AppError(Exception):
    """Base of the application's own errors."""


class SettingsError(AppError):
    """A setting is unknown, of the wrong type or out of range."""


class InputError(AppError):
    """A message, a path or an id that cannot be used."""


class DataError(AppError):
    """The data folder cannot be opened, read or written."""


class InUse(DataError):
    """Another process holds the data folder."""


class OlderSchema(DataError):
    """An earlier version wrote the database, and it is only read."""
