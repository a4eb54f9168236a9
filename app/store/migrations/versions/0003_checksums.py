"""Checksums of passages, of their vectors and of documents."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

from app.library.checksums import of_bytes, of_document, of_passage
from retrieval.types import Passage

revision = "0003"
down_revision = "0002"

_SOURCE = sa.table("source", *map(sa.column, ("id", "name", "title", "text", "sections", "checksum")))
_PASSAGE = sa.table(
    "passage",
    *map(sa.column, ("id", "source_id", "start", "end", "text", "headings", "place", "vector")),
    *map(sa.column, ("checksum", "vector_checksum")),
)


def upgrade() -> None:
    """Add the columns, and fill them from what is stored, one document at a time."""
    op.add_column("source", sa.Column("checksum", sa.LargeBinary(), nullable=True))
    op.add_column("passage", sa.Column("checksum", sa.LargeBinary(), nullable=True))
    op.add_column("passage", sa.Column("vector_checksum", sa.LargeBinary(), nullable=True))
    connection = op.get_bind()
    for (identity,) in connection.execute(sa.select(_SOURCE.c.id)).all():
        source = connection.execute(sa.select(_SOURCE).where(_SOURCE.c.id == identity)).one()
        found = of_document(source.text, _read(source.sections))
        connection.execute(sa.update(_SOURCE).where(_SOURCE.c.id == identity).values(checksum=found))
        for row in connection.execute(sa.select(_PASSAGE).where(_PASSAGE.c.source_id == identity)).all():
            headings = tuple(_read(row.headings))
            passage = Passage(row.id, row.text, source.name, source.title, headings, row.start, row.end, row.place)
            sums = {"checksum": of_passage(passage), "vector_checksum": of_bytes(row.vector)}
            connection.execute(sa.update(_PASSAGE).where(_PASSAGE.c.id == row.id).values(sums))


def _read(value: str | list[Any]) -> list[Any]:
    """JSON as the driver gives it: SQLite text, PostgreSQL a list."""
    return list(json.loads(value)) if isinstance(value, str) else value
