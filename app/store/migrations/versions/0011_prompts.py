"""What a language model was asked."""

import sqlalchemy as sa
from alembic import op

from app.library.checksums import seal
from app.store.tables import SafeText

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column, of which older turns have nothing, and seal the turns that have no checksum yet."""
    op.add_column("turn", sa.Column("prompt", SafeText(), nullable=True))
    connection = op.get_bind()
    for (turn,) in connection.execute(sa.text("SELECT id FROM turn WHERE checksum IS NULL")).all():
        seal(connection, turn)
