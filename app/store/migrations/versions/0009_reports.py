"""How each source was read, and the date that it bears."""

import sqlalchemy as sa
from alembic import op

from app.store.tables import SafeText

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns; of older rows nothing is known, and the next ingest reads them again."""
    op.add_column("source", sa.Column("notes", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("source", sa.Column("dated", SafeText(), nullable=False, server_default=""))
