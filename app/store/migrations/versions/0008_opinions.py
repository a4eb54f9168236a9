"""Versions of turns, what users think of replies, and shared conversations."""

import sqlalchemy as sa
from alembic import op

from app.store.tables import SafeText

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the columns and tables; every turn so far is the only version of itself."""
    op.add_column("turn", sa.Column("version_of", sa.Integer(), nullable=True))
    op.add_column("turn", sa.Column("hidden", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_table(
        "rating",
        sa.Column("turn_id", sa.Integer(), sa.ForeignKey("turn.id", ondelete="CASCADE"), primary_key=True),
        sa.Column("good", sa.Boolean(), nullable=False),
        sa.Column("reason", SafeText(), nullable=False),
        sa.Column("words", SafeText(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "preference",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column(
            "turn_id", sa.Integer(), sa.ForeignKey("turn.id", ondelete="CASCADE"), nullable=False, index=True
        ),
        sa.Column("chosen", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "share",
        sa.Column(
            "conversation_id", SafeText(), sa.ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("word", SafeText(), nullable=False, unique=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
    )
