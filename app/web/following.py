"""What may be asked next, worked out once per reply and kept for a while."""

import logging
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from dialogue.followups import follow_ups
from dialogue.types import Role
from retrieval.types import RetrievalError, Retriever

if TYPE_CHECKING:
    from app.store.conversations import StoredTurn

KEPT: Final = 200  # replies whose follow-up questions are kept
_log = logging.getLogger(__name__)


class Following:
    """Follow-up questions by turn."""

    def __init__(self) -> None:
        self._kept: OrderedDict[int, tuple[str, ...]] = OrderedDict()

    def after(self, turns: Sequence["StoredTurn"], role: Role, retriever: Retriever) -> tuple[str, ...]:
        """Return what may be asked after the last of these turns, () where it has no reply; `retriever` finds it."""
        if not turns or turns[-1].reply is None:
            return ()
        last = turns[-1]
        if last.id not in self._kept:
            asked = [turn.question for turn in turns]
            try:
                self._kept[last.id] = follow_ups(retriever, turns[-1].reply, asked, role)
            except RetrievalError as error:
                _log.warning("no follow-up questions: %s", error)
                return ()
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return self._kept[last.id]
