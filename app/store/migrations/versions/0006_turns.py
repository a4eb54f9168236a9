"""Checksums of turns, of the working beside them and of pictures."""

import sqlalchemy as sa
from alembic import op

from app.library.checksums import of_picture

revision = "0006"
down_revision = "0005"

_PICTURE = sa.table("picture", *map(sa.column, ("turn_id", "number", "name", "data", "checksum")))


def upgrade() -> None:
    """Add the columns, and fill those of pictures, one at a time; 0012 fills those of turns."""
    op.add_column("turn", sa.Column("checksum", sa.LargeBinary(), nullable=True))
    op.add_column("turn", sa.Column("working_checksum", sa.LargeBinary(), nullable=True))
    op.add_column("picture", sa.Column("checksum", sa.LargeBinary(), nullable=True))
    connection = op.get_bind()
    for turn, number in connection.execute(sa.select(_PICTURE.c.turn_id, _PICTURE.c.number)).all():
        where = (_PICTURE.c.turn_id == turn) & (_PICTURE.c.number == number)
        name, data = connection.execute(sa.select(_PICTURE.c.name, _PICTURE.c.data).where(where)).one()
        connection.execute(sa.update(_PICTURE).where(where).values(checksum=of_picture(name, data)))
