"""The probability that a passage found answers the question."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the column; what was found before has none."""
    op.add_column("evidence", sa.Column("probability", sa.Double(), nullable=True))
