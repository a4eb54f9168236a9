"""What a language model was asked."""

import sqlalchemy as sa
from alembic import op

from app.store.tables import SafeText

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the column, of which older turns have nothing; a later migration seals them."""
    op.add_column("turn", sa.Column("prompt", SafeText(), nullable=True))
