"""A database as an earlier version of the program left it, by undoing what the later migrations added."""

import sqlite3
from pathlib import Path

from app.store.database import NAME

ADDED = {  # the columns that each migration adds
    "0003": [("source", "checksum"), ("passage", "checksum"), ("passage", "vector_checksum")],
    "0004": [("source", "origin")],
    "0005": [("evidence", "probability")],
    "0006": [("turn", "checksum"), ("turn", "working_checksum"), ("picture", "checksum")],
    "0009": [("source", "notes"), ("source", "dated")],
}


def take_back(folder: Path, version: str) -> None:
    """Make the closed database of the folder one of this version."""
    raw = sqlite3.connect(folder / NAME)
    for migration, columns in ADDED.items():
        for table, column in columns if migration > version else ():
            raw.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    raw.execute("UPDATE alembic_version SET version_num = ?", (version,))
    raw.commit()
    raw.close()
