"""The first schema: sources and passages, conversations and the working behind each turn."""

import sqlalchemy as sa
from alembic import op

from app.store.tables import SafeText, UtcTime

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "conversation",
        sa.Column("id", SafeText(), nullable=False),
        sa.Column("title", SafeText(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("updated_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_conversation_updated_at"), "conversation", ["updated_at"], unique=False)
    op.create_table(
        "meta",
        sa.Column("key", SafeText(), nullable=False),
        sa.Column("value", SafeText(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "source",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uri", SafeText(), nullable=False),
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("title", SafeText(), nullable=False),
        sa.Column("kind", SafeText(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", SafeText(), nullable=False),
        sa.Column("text", SafeText(), nullable=False),
        sa.Column("sections", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("added_at", UtcTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("uri"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "passage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("source_id", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("text", SafeText(), nullable=False),
        sa.Column("headings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("place", SafeText(), nullable=False),
        sa.Column("vector", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_passage_source_id"), "passage", ["source_id"], unique=False)
    op.create_table(
        "turn",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("conversation_id", SafeText(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("question", SafeText(), nullable=False),
        sa.Column("state", SafeText(), nullable=False),
        sa.Column("reason", SafeText(), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("finished_at", UtcTime(), nullable=True),
        sa.Column("reply", SafeText(), nullable=True),
        sa.Column("outcome", SafeText(), nullable=True),
        sa.Column("asked", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("query", SafeText(), nullable=True),
        sa.Column("queries", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("rounds", sa.Integer(), nullable=True),
        sa.Column("timings", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("model", SafeText(), nullable=True),
        sa.Column("judges", SafeText(), nullable=True),
        sa.Column("policy", SafeText(), nullable=True),
        sa.Column("notes", sa.JSON(none_as_null=True), nullable=True),
        sa.ForeignKeyConstraint(["conversation_id"], ["conversation.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("conversation_id", "number"),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_turn_state"), "turn", ["state"], unique=False)
    op.create_table(
        "candidate",
        sa.Column("turn_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("text", SafeText(), nullable=False),
        sa.Column("quality", sa.Double(), nullable=False),
        sa.Column("dropped", SafeText(), nullable=False),
        sa.Column("repaired", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("sensible", sa.Double(), nullable=True),
        sa.Column("specific", sa.Double(), nullable=True),
        sa.Column("interesting", sa.Double(), nullable=True),
        sa.Column("answers", sa.Double(), nullable=True),
        sa.Column("grounded", sa.Double(), nullable=True),
        sa.Column("claims", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("notes", sa.JSON(none_as_null=True), nullable=False),
        sa.ForeignKeyConstraint(["turn_id"], ["turn.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("turn_id", "rank"),
    )
    op.create_table(
        "citation",
        sa.Column("turn_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("source", SafeText(), nullable=False),
        sa.Column("title", SafeText(), nullable=False),
        sa.Column("headings", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("place", SafeText(), nullable=False),
        sa.Column("passage", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("quote", SafeText(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("end", sa.Integer(), nullable=False),
        sa.Column("support", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["turn_id"], ["turn.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("turn_id", "rank"),
    )
    op.create_index(op.f("ix_citation_source"), "citation", ["source"], unique=False)
    op.create_table(
        "evidence",
        sa.Column("turn_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("source", SafeText(), nullable=False),
        sa.Column("passage", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("similarity", sa.Double(), nullable=True),
        sa.Column("withheld", SafeText(), nullable=True),
        sa.ForeignKeyConstraint(["turn_id"], ["turn.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("turn_id", "rank"),
    )
    op.create_index(op.f("ix_evidence_source"), "evidence", ["source"], unique=False)
