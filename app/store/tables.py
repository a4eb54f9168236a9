"""The SQL tables, and the column types that make SQLite and PostgreSQL behave alike.

A change here needs a migration.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    LargeBinary,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeEngine

Blob = bytes  # under a name that no column takes
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class SafeText(TypeDecorator[str]):
    """Text that every database takes: what UTF-8 or PostgreSQL refuses becomes U+FFFD, one for one."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Have PostgreSQL order and compare text by its code points, as SQLite does."""
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace lone surrogates and NUL; offsets into the text stay true."""
        return None if value is None else storable(value)


class UtcTime(TypeDecorator[datetime]):
    """An aware moment, stored as naive UTC with microseconds."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Drop the zone after turning to UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        return None if value is None else value.replace(tzinfo=UTC)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any] | None:
        """Read a moment, or what `damaged` makes of one that cannot be read."""
        read = super().result_processor(dialect, coltype)

        def tried(value: object) -> datetime | None:
            try:
                return cast(datetime | None, read(value) if read else value)
            except (ValueError, TypeError) as error:
                return self.damaged(value, error)

        return tried

    def damaged(self, value: object, error: Exception) -> datetime:
        """Raise ValueError."""
        raise ValueError(f"no moment in isoformat: {value!r}") from error


class CheckedTime(UtcTime):
    """A moment under a checksum: a damaged one is the earliest date, so that its row can be read and reported."""

    cache_ok = True

    def damaged(self, value: object, error: Exception) -> datetime:
        """Return a moment that no checksum takes for what was."""
        return datetime.min.replace(tzinfo=UTC)


def storable(text: str) -> str:
    """Return `text` with lone surrogates and NUL replaced by U+FFFD, of the same length."""
    return text if text.isascii() and "\0" not in text else _UNSTORABLE.sub("\ufffd", text)


class Base(DeclarativeBase):
    """Base of the tables."""

    type_annotation_map = {  # noqa: RUF012
        str: SafeText,
        datetime: UtcTime,
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON(none_as_null=True),
        bytes: LargeBinary,
    }


class MetaRow(Base):
    """One fact about the whole folder: its library version, the encoder of its vectors."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class SourceRow(Base):
    """A document with its text; `uri` is the absolute path or the address, `name` what is shown and cited.

    `origin` is the folder or the sitemap through which it was found, empty where it was named itself. `notes` tell how
    it was read, `dated` the date that it bears itself in ISO 8601, empty where none is known. `account_id` is whose
    own it is, None of one that all share.
    """

    __tablename__ = "source"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012
    id: Mapped[int] = mapped_column(primary_key=True)
    uri: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    title: Mapped[str]
    kind: Mapped[str]
    bytes: Mapped[int]
    sha256: Mapped[str]
    text: Mapped[str] = mapped_column(deferred=True)
    sections: Mapped[list[Any]] = mapped_column(deferred=True)
    checksum: Mapped[Blob | None] = mapped_column(deferred=True)
    added_at: Mapped[datetime]
    origin: Mapped[str] = mapped_column(server_default="")
    notes: Mapped[list[Any]] = mapped_column(deferred=True, server_default="[]")
    dated: Mapped[str] = mapped_column(server_default="")
    account_id: Mapped[str | None] = mapped_column(index=True)


class PassageRow(Base):
    """A slice of a source's text and its vector in float16. Ids are never used twice."""

    __tablename__ = "passage"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012
    id: Mapped[int] = mapped_column(primary_key=True)
    source_id: Mapped[int] = mapped_column(ForeignKey("source.id", ondelete="CASCADE"), index=True)
    start: Mapped[int]
    end: Mapped[int]
    text: Mapped[str]
    headings: Mapped[list[Any]]
    place: Mapped[str]
    vector: Mapped[bytes] = mapped_column(deferred=True)
    checksum: Mapped[bytes | None]
    vector_checksum: Mapped[bytes | None] = mapped_column(deferred=True)


class ConversationRow(Base):
    """A conversation; `account_id` is whose it is, None where it was held without accounts."""

    __tablename__ = "conversation"
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    pinned: Mapped[bool]
    role: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[str | None] = mapped_column(index=True)


class TurnRow(Base):
    """A question, and from `reply` on what answered it; those columns are empty until the state is done.

    `working_checksum` is that of the rows beside it, and one of what `checksum` is over. `version_of` is the id of the
    first of several versions of one turn, of which all but one are `hidden`. `holder` is the number of the process that
    answers it, where several share the database.
    """

    __tablename__ = "turn"
    __table_args__ = (UniqueConstraint("conversation_id", "number"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    number: Mapped[int]
    question: Mapped[str]
    state: Mapped[str] = mapped_column(index=True)
    reason: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(CheckedTime)
    finished_at: Mapped[datetime | None] = mapped_column(CheckedTime)
    reply: Mapped[str | None]
    outcome: Mapped[str | None]
    asked: Mapped[dict[str, Any] | None]
    query: Mapped[str | None]
    queries: Mapped[list[Any] | None]
    rounds: Mapped[int | None]
    timings: Mapped[dict[str, Any] | None]
    model: Mapped[str | None]
    judges: Mapped[str | None]
    policy: Mapped[str | None]
    notes: Mapped[list[Any] | None]
    role: Mapped[str | None]
    research: Mapped[list[Any] | None]
    tokens: Mapped[dict[str, Any] | None]
    prompt: Mapped[str | None]
    checksum: Mapped[bytes | None]
    working_checksum: Mapped[bytes | None]
    version_of: Mapped[int | None]
    hidden: Mapped[bool] = mapped_column(server_default=false())
    holder: Mapped[int | None] = mapped_column(BigInteger)


class PictureRow(Base):
    """A picture that came with a question, as it was sent."""

    __tablename__ = "picture"
    turn_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    data: Mapped[bytes] = mapped_column(deferred=True)
    checksum: Mapped[bytes | None]


class CandidateRow(Base):
    """A judged draft, losers included; `rank` counts from 0."""

    __tablename__ = "candidate"
    turn_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    quality: Mapped[float]
    dropped: Mapped[str]
    repaired: Mapped[bool]
    writer: Mapped[str | None]
    verdict: Mapped[dict[str, Any]]
    sensible: Mapped[float | None]
    specific: Mapped[float | None]
    interesting: Mapped[float | None]
    answers: Mapped[float | None]
    grounded: Mapped[float | None]
    safe: Mapped[float | None]
    in_role: Mapped[float | None]
    preferred: Mapped[float | None]
    claims: Mapped[list[Any]]
    notes: Mapped[list[Any]]


class EvidenceRow(Base):
    """A passage as it read when it was found, so that removing its source loses no working."""

    __tablename__ = "evidence"
    turn_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(index=True)
    passage: Mapped[dict[str, Any]]
    score: Mapped[float]
    similarity: Mapped[float | None]
    probability: Mapped[float | None]
    withheld: Mapped[str | None]


class CitationRow(Base):
    """A numbered mark of a reply, with the passage behind it."""

    __tablename__ = "citation"
    turn_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), primary_key=True)
    rank: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    source: Mapped[str] = mapped_column(index=True)
    title: Mapped[str]
    headings: Mapped[list[Any]]
    place: Mapped[str]
    passage: Mapped[dict[str, Any]]
    quote: Mapped[str]
    start: Mapped[int]
    end: Mapped[int]
    support: Mapped[float]


class RatingRow(Base):
    """What a user thinks of a reply: `good` or not, then for which reason, and in words of their own."""

    __tablename__ = "rating"
    turn_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), primary_key=True)
    good: Mapped[bool]
    reason: Mapped[str]
    words: Mapped[str]
    created_at: Mapped[datetime]


class PreferenceRow(Base):
    """A candidate that a user took instead of another; both are ranks of candidates of the turn."""

    __tablename__ = "preference"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012
    id: Mapped[int] = mapped_column(primary_key=True)
    turn_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"), index=True)
    chosen: Mapped[int]
    rejected: Mapped[int]
    created_at: Mapped[datetime]


class AnnotationRow(Base):
    """What a rater answered about a reply: a column per question, None where it was not asked or left open."""

    __tablename__ = "annotation"
    __table_args__ = (UniqueConstraint("turn_id", "rater"), {"sqlite_autoincrement": True})
    id: Mapped[int] = mapped_column(primary_key=True)
    turn_id: Mapped[int] = mapped_column(ForeignKey("turn.id", ondelete="CASCADE"))
    rater: Mapped[str] = mapped_column(index=True)
    sensible: Mapped[bool | None]
    specific: Mapped[bool | None]
    interesting: Mapped[bool | None]
    grounded: Mapped[bool | None]
    safe: Mapped[bool | None]
    helpful: Mapped[bool | None]
    created_at: Mapped[datetime]


class ShareRow(Base):
    """The secret word under which a conversation can be read."""

    __tablename__ = "share"
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"), primary_key=True)
    word: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]


class AccountRow(Base):
    """Somebody who may use a server; `password` is an Argon2 hash, None where only an identity provider vouches.

    `subject` is who this is to that provider. `per_minute` and `per_day` are the turns allowed, None where the settings
    say.
    """

    __tablename__ = "account"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    role: Mapped[str]
    password: Mapped[str | None]
    subject: Mapped[str | None] = mapped_column(unique=True)
    disabled: Mapped[bool]
    per_minute: Mapped[int | None]
    per_day: Mapped[int | None]
    created_at: Mapped[datetime]


class KeyRow(Base):
    """An API key: the SHA-256 of it, and how it begins."""

    __tablename__ = "api_key"
    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    prefix: Mapped[str]
    sha256: Mapped[str] = mapped_column(unique=True)
    scopes: Mapped[list[Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    used_at: Mapped[datetime | None]


class LoginRow(Base):
    """A login of a page: the SHA-256 of the word in its cookie."""

    __tablename__ = "login"
    sha256: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class AuditRow(Base):
    """Who did what when; `account_id` outlives the account, and says nothing once that is gone."""

    __tablename__ = "audit"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    account_id: Mapped[str | None] = mapped_column(index=True)
    action: Mapped[str]
    detail: Mapped[str]
    address: Mapped[str]
