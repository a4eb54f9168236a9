"""Who wrote each draft."""

import sqlalchemy as sa
from alembic import op

from app.store.tables import SafeText

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column, of which older drafts have nothing."""
    op.add_column("candidate", sa.Column("writer", SafeText(), nullable=True))
