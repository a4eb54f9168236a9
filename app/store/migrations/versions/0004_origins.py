"""The folder or the sitemap through which a source was found."""

import sqlalchemy as sa
from alembic import op

from app.store.tables import SafeText

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column; of older rows it is not known, and the next ingest of the folder fills it."""
    op.add_column("source", sa.Column("origin", SafeText(), nullable=False, server_default=""))
