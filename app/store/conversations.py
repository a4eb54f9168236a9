"""A conversation and its turns as they are stored, for whoever shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from dialogue.roles import DEFAULT
from dialogue.types import Reply

State = Literal["pending", "done", "failed", "cancelled", "interrupted", "damaged"]


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A question with its reply; `reply` is None until the state is done, `reason` says why it is not.

    A turn whose rows do not match their checksums is `damaged`; it has no reply, and its question may be another.
    `pictures` are the names of those that came with the question; `History.pictures` has the pictures.
    `versions` are the ids of all versions of this turn, itself among them, () where there is only one.
    """

    id: int
    conversation: str
    number: int
    question: str
    state: State
    reply: Reply | None
    reason: str
    created_at: datetime
    finished_at: datetime | None
    pictures: tuple[str, ...] = ()
    versions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredConversation:
    """A conversation as a list shows it; `turns` is their number, `role` the name of the role it is held in.

    `account` is the id of whose it is, None where it was held without accounts.
    """

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    turns: int
    pinned: bool
    role: str = DEFAULT
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """Where the words of a search stand in a conversation: a turn, and a stretch of what was asked or answered."""

    turn: int
    words: str
