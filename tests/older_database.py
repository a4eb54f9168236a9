"""A database as an earlier version of the program left it, by undoing what the later migrations added."""

import sqlite3
from pathlib import Path

from app.store.database import NAME

ADDED = {  # the columns that each migration adds
    "0003": [("source", "checksum"), ("passage", "checksum"), ("passage", "vector_checksum")],
    "0004": [("source", "origin")],
    "0005": [("evidence", "probability")],
    "0006": [("turn", "checksum"), ("turn", "working_checksum"), ("picture", "checksum")],
    "0007": [("candidate", "writer")],
    "0008": [("turn", "version_of"), ("turn", "hidden")],
    "0009": [("source", "notes"), ("source", "dated")],
    "0010": [("conversation", "account_id"), ("source", "account_id"), ("turn", "holder")],
    "0011": [("turn", "prompt")],
    "0012": [("candidate", "preferred")],
}
TABLES = {
    "0008": ("rating", "preference", "share"),
    "0010": ("api_key", "login", "account", "audit"),
    "0012": ("annotation",),
}
INDEXES = {"0010": ("ix_conversation_account_id", "ix_source_account_id")}


def take_back(folder: Path, version: str) -> None:
    """Make the closed database of the folder one of this version."""
    raw = sqlite3.connect(folder / NAME)
    for migration, indexes in INDEXES.items():
        for index in indexes if migration > version else ():
            raw.execute(f"DROP INDEX {index}")
    for migration, columns in ADDED.items():
        for table, column in columns if migration > version else ():
            raw.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    for migration, tables in TABLES.items():
        for table in tables if migration > version else ():
            raw.execute(f"DROP TABLE {table}")
    raw.execute("UPDATE alembic_version SET version_num = ?", (version,))
    raw.commit()
    raw.close()
