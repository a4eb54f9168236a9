"""Roles, research, pictures and token counts of a turn; a judge's own opinion of safety and role."""

import sqlalchemy as sa
from alembic import op

from app.store.tables import SafeText

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add columns that older rows leave empty, and the table of pictures."""
    op.add_column("conversation", sa.Column("role", SafeText(), nullable=True))
    op.add_column("turn", sa.Column("role", SafeText(), nullable=True))
    op.add_column("turn", sa.Column("research", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("turn", sa.Column("tokens", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("candidate", sa.Column("safe", sa.Double(), nullable=True))
    op.add_column("candidate", sa.Column("in_role", sa.Double(), nullable=True))
    op.create_table(
        "picture",
        sa.Column("turn_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["turn_id"], ["turn.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("turn_id", "number"),
    )
