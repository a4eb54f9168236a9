"""What can be done with a turn: send, stop, again, edit, leaf, take another draft, rate, report, go on."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from app.bot import USER_ERRORS, checked_message
from app.errors import AppError, InputError
from app.store.opinions import LONGEST, REASONS, Rating
from app.store.versions import show_version
from app.web.jobs import Busy
from app.web.parts import transcript
from app.web.parts.basics import sentence
from app.web.parts.following import following
from app.web.parts.replies import served
from app.web.pictures import Shown, sent, waiting
from app.web.view import GONE, Data, Session, View, data, text
from app.web.who import known
from app.web.words import said
from dialogue.cite import cited
from dialogue.types import Picture, Reply

if TYPE_CHECKING:
    from app.store.conversations import StoredTurn

POLL = 0.08  # seconds between two looks at a running job

Given = tuple[tuple[Picture, ...], tuple[Shown, ...]]  # the pictures of a message, and how they are shown


class Turns(View):
    """The handlers of turns."""

    def send(self, conversation: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A message was sent. It is stored before this returns; refused words stay in the box."""
        role = text(event, "role") or None
        words = data(event).get("pictures")
        words = [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
        session = self.session(request, conversation)
        try:
            given = self.held.get(words)
        except AppError as error:
            return self._unsent(session, sentence(str(error)))
        return self._begin(session, conversation, text(event, "text"), role, (given, waiting(words, given)))

    def retry(self, conversation: str, request: gr.Request) -> list[Any]:
        """The last message, which failed, is sent again."""
        session, refused = self.session(request, conversation), self.jobs.refused(conversation)
        if refused:
            return self._begin(session, conversation, refused.question, given=(refused.pictures, refused.shown))
        try:
            turns = self.bot.history.turns(conversation, limit=1) if conversation else []
        except AppError:
            return self._unsent(session, said(GONE))
        question, given = (turns[-1].question, self._pictures(turns[-1])) if turns else ("", ((), ()))
        return self._begin(session, conversation, question, given=given)

    def turn(self, conversation: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        """Something was done with a turn: "again", "edit", "version", "use", "rate" or "report"."""
        session, act = self.session(request, conversation), text(event, "act")
        try:
            turn = self.own_turn(conversation, event)
            if turn is None:
                raise InputError(said("That message no longer exists."))
            if act in ("again", "edit"):
                words = text(event, "text") if act == "edit" else turn.question
                return self._begin(session, conversation, words, given=self._pictures(turn), instead=turn.id)
            return self._acted(session, turn, act, event)
        except AppError as error:
            return self._unsent(session, sentence(str(error)))

    def _acted(self, session: Session, turn: "StoredTurn", act: str, event: gr.EventData) -> list[Any]:
        words: Data = {}
        if act == "version" and not self.jobs.live(turn.conversation):
            show_version(self.bot.library.database, turn.id)
            words["say"] = said("Another version is shown")
        elif act == "use":
            self._take(turn, int(text(event, "rank") or 0))
            words["toast"] = said("Taken. The other reply is kept as an earlier version.")
        elif act == "rate":
            words["toast"] = self._rate(turn, event)
        return self.view(session, turn.conversation, stay=True, **words)

    def _rate(self, turn: "StoredTurn", event: gr.EventData) -> str:
        reason, good = text(event, "reason"), data(event).get("good") is True
        if data(event).get("undo") is True:
            self.opinions.rate(turn.id, None)
            return said("Your rating is taken back")
        if reason not in REASONS:
            raise InputError(f"{reason!r} is no reason")
        self.opinions.rate(turn.id, Rating(good, reason, text(event, "words")[:LONGEST]))  # type: ignore[arg-type]
        return said("Thank you. It is reported.") if reason == "refused" else said("Thank you. It is noted.")

    def _take(self, turn: "StoredTurn", rank: int) -> None:
        """Serve another candidate instead, as a version of the turn, and store that it was preferred."""
        reply = turn.reply
        if reply is None or not 0 <= rank < len(reply.trace.candidates) or self.jobs.live(turn.conversation):
            raise InputError(said("That draft cannot be taken."))
        chosen, before = reply.trace.candidates[rank], served(reply)
        if chosen.dropped or chosen is before or before is None:
            raise InputError(said("That draft cannot be taken."))
        rest = [draft for draft in reply.trace.candidates if draft is not chosen]
        trace = replace(reply.trace, candidates=(chosen, *rest))
        words, citations = cited(chosen)
        history = self.bot.history
        version = history.begin(turn.conversation, turn.question, history.pictures(turn.id), turn.id)
        history.finish(version, Reply(words, "answered", citations, trace))
        self.opinions.prefer(version, 0, 1 + rest.index(before))

    def _pictures(self, turn: "StoredTurn") -> Given:
        return self.bot.history.pictures(turn.id), sent(turn)

    def own_turn(self, conversation: str, event: gr.EventData) -> "StoredTurn | None":
        """The turn of this conversation that an event names, None where there is none."""
        try:
            turn = self.bot.history.turn(int(text(event, "turn")))
        except (AppError, ValueError):
            return None
        return turn if turn.conversation == conversation else None

    def _begin(
        self,
        session: Session,
        conversation: str,
        words: str,
        role: str | None = None,
        given: Given = ((), ()),
        instead: int | None = None,
    ) -> list[Any]:
        history, begun = self.bot.history, ""
        try:
            message = checked_message(words, pictured=bool(given[0]))
            if self.account:
                self.limits.turn(known())
            begun = "" if conversation else self.bot.start(role)
            conversation = conversation or begun
            before = history.conversation(conversation).turns - (instead is not None)
            self.jobs.start(conversation, message, before, *given, instead)
        except Busy as busy:
            if begun:
                history.delete(begun)
            return self._unsent(session, str(busy))
        except USER_ERRORS as error:
            return self._unsent(session, sentence(str(error)))
        session.search = ""
        told = said("Message sent. A reply is being written.")
        return self.view(session, conversation, sent=instead is None, say=told, changed=True)

    def _unsent(self, session: Session, problem: str) -> list[Any]:
        return [gr.skip(), self.signal(session, toast=problem), *[gr.skip()] * 6]

    async def follow(self, conversation: str, request: gr.Request) -> AsyncIterator[list[Any]]:
        """Paint the stages and drafts of a running reply, then the reply; stop when the page shows something else."""
        session = self.session(request, conversation)
        job = self.jobs.live(conversation) if conversation else None
        seen: tuple[int, int, bool] | None = None
        yield [gr.skip()] * 8
        while job is not None and not job.ended:
            if session.conversation != conversation:
                return
            now = (job.changes, job.ahead, job.stopping)
            if now != seen:
                seen = now
                with self.told(request):
                    painted = transcript.working(job)
                yield [*[gr.skip()] * 4, painted, *[gr.skip()] * 3]
            await asyncio.sleep(POLL)
        if session.conversation == conversation and session.busy:
            with self.told(request):
                ended = await asyncio.to_thread(self._ended, session, conversation)
            yield ended

    def _ended(self, session: Session, conversation: str) -> list[Any]:
        last = self.bot.history.turns(conversation, limit=1)
        message, words = said("Stopped."), Data()
        if last and (reply := last[0].reply) is not None:
            message = self.ready(len(reply.citations))
            if self._same_again(last[0]):
                words["toast"] = said("The same reply again. Other drafts stand under “Why this reply”.")
        elif self.jobs.refused(conversation):
            message = said("The reply failed.")
        return self.view(session, conversation, fresh=True, say=message, changed=True, **words)

    def _same_again(self, turn: "StoredTurn") -> bool:
        """Whether a reply reads like the version of its turn before it, to the same question."""
        if turn.reply is None or not turn.versions or turn.versions.index(turn.id) == 0:
            return False
        before = self.bot.history.turn(turn.versions[turn.versions.index(turn.id) - 1])
        return before.reply is not None and (before.question, before.reply.text) == (turn.question, turn.reply.text)

    def stop(self, conversation: str, request: gr.Request) -> Data:
        """Stop was pressed; the running job sees it at its next step."""
        stopping = self.jobs.stop(conversation)
        told = said("Stopping") if stopping else said("Nothing to stop")
        return self.signal(self.session(request, conversation), say=told)

    async def suggest(self, conversation: str, request: gr.Request) -> AsyncIterator[str]:
        """Offer what may be asked next, once it is worked out; nothing while a reply is being written."""
        session = self.session(request, conversation)
        yield ""
        if not conversation or self.jobs.live(conversation):
            return
        questions = await asyncio.to_thread(self._next, conversation)
        if session.conversation == conversation and questions and not self.jobs.live(conversation):
            with self.told(request):
                painted = following(questions)
            yield painted

    def _next(self, conversation: str) -> tuple[str, ...]:
        try:
            turns = self.bot.history.turns(conversation, limit=6)
        except AppError:
            return ()
        role, retriever = (
            self.bot.history.conversation(conversation).role,
            self.bot.responder_of(self.account).retriever,
        )
        return self.following.after(turns, self.role(role), retriever)
