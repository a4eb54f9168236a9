"""What raters answer about replies, and what judges trained on ratings say of candidates."""

import sqlalchemy as sa
from alembic import op

from app.library.checksums import seal
from app.store.tables import SafeText

revision = "0012"
down_revision = "0011"
_QUESTIONS = ("sensible", "specific", "interesting", "grounded", "safe", "helpful")


def upgrade() -> None:
    """Add the column, of which older candidates have nothing, and the table; seal turns that have no checksum yet."""
    op.add_column("candidate", sa.Column("preferred", sa.Double(), nullable=True))
    op.create_table(
        "annotation",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("turn_id", sa.Integer(), sa.ForeignKey("turn.id", ondelete="CASCADE"), nullable=False),
        sa.Column("rater", SafeText(), nullable=False, index=True),
        *(sa.Column(name, sa.Boolean(), nullable=True) for name in _QUESTIONS),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.UniqueConstraint("turn_id", "rater"),
        sqlite_autoincrement=True,
    )
    connection = op.get_bind()
    for (turn,) in connection.execute(sa.text("SELECT id FROM turn WHERE checksum IS NULL")).all():
        seal(connection, turn)
