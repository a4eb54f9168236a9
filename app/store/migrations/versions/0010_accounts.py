"""Accounts with their keys, logins and audit log; whose conversations and sources are; who answers a turn."""

import sqlalchemy as sa
from alembic import op

from app.store.tables import SafeText, UtcTime

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Make the tables, and add the columns, which older rows leave empty."""
    op.create_table(
        "account",
        sa.Column("id", SafeText(), primary_key=True),
        sa.Column("name", SafeText(), nullable=False, unique=True),
        sa.Column("role", SafeText(), nullable=False),
        sa.Column("password", SafeText(), nullable=True),
        sa.Column("subject", SafeText(), nullable=True, unique=True),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=True),
        sa.Column("per_day", sa.Integer(), nullable=True),
        sa.Column("created_at", UtcTime(), nullable=False),
    )
    op.create_table(
        "api_key",
        sa.Column("id", SafeText(), primary_key=True),
        _account(),
        sa.Column("name", SafeText(), nullable=False),
        sa.Column("prefix", SafeText(), nullable=False),
        sa.Column("sha256", SafeText(), nullable=False, unique=True),
        sa.Column("scopes", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=True),
        sa.Column("revoked_at", UtcTime(), nullable=True),
        sa.Column("used_at", UtcTime(), nullable=True),
    )
    op.create_table(
        "login",
        sa.Column("sha256", SafeText(), primary_key=True),
        _account(),
        sa.Column("created_at", UtcTime(), nullable=False),
        sa.Column("expires_at", UtcTime(), nullable=False),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", UtcTime(), nullable=False, index=True),
        sa.Column("account_id", SafeText(), nullable=True, index=True),
        sa.Column("action", SafeText(), nullable=False),
        sa.Column("detail", SafeText(), nullable=False),
        sa.Column("address", SafeText(), nullable=False),
        sqlite_autoincrement=True,
    )
    for table in ("conversation", "source"):
        op.add_column(table, sa.Column("account_id", SafeText(), nullable=True))
        op.create_index(op.f(f"ix_{table}_account_id"), table, ["account_id"])
    op.add_column("turn", sa.Column("holder", sa.BigInteger(), nullable=True))


def _account() -> sa.Column[str]:
    key = sa.ForeignKey("account.id", ondelete="CASCADE")
    return sa.Column("account_id", SafeText(), key, nullable=False, index=True)
