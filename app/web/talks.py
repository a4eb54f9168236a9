"""What can be done with conversations: open, search, rename, pin, share, take with one, delete and take back."""

from typing import Any, Literal

import gradio as gr

from app.bot import USER_ERRORS
from app.errors import AppError, InputError
from app.web.parts.basics import sentence
from app.web.view import ROWS, Data, View, data, text
from app.web.words import said

ALL = 10_000  # turns of a long conversation


class Talks(View):
    """The handlers of conversations."""

    def load(self, request: gr.Request) -> list[Any]:
        """A page was opened: ``?c=`` names its conversation."""
        wanted, session = str(dict(request.query_params).get("c", "")), self.session(request)
        language = self.language(request)
        words = self.languages[language].words
        still = self.frame() if words or self.account else [gr.skip()] * 5
        view = self.view(session, wanted, language=language, words=dict(words))
        return [*view, self.documents(), self.settings(request, session), *still]

    def open(self, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A conversation was chosen, at a turn of it or as another page left it; or a new one asked for (no id)."""
        session, seek = self.session(request), text(event, "turn")
        if seek:
            session.turns = ALL
        quiet = data(event).get("quiet") is True
        return self.view(session, text(event, "id"), focus=not (quiet or seek), seek=seek, stay=quiet)

    def choose(self, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A role was chosen for a new conversation."""
        session, wanted = self.session(request), text(event, "role")
        session.role = wanted if wanted in self.offered_roles() else ""
        return [*self.view(session, ""), self.settings(request, session)]

    def tune(self, conversation: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A setting of the server was changed; every reply that is begun from now on heeds it."""
        session, key, value = self.session(request, conversation), text(event, "key"), text(event, "value")
        try:
            if not self.may_change(request) or (key == "model" and value not in self.models(request)):
                raise InputError(said("That cannot be changed here."))
            self.bot.change(**{key: value})
            words = Data(toast=said("Changed, from the next question on."), notice=self.notice())
        except USER_ERRORS as error:
            words = Data(toast=sentence(str(error)))
        return [self.signal(session, **words), self.settings(request, session)]

    def earlier(self, conversation: str, request: gr.Request) -> list[Any]:
        """All turns of a long conversation."""
        session = self.session(request, conversation)
        session.conversation, session.turns = conversation, ALL
        return self.view(session, conversation, stay=True)

    def find(self, conversation: str, request: gr.Request, event: gr.EventData) -> str:
        """Words were typed into the search, or more rows asked for."""
        session = self.session(request, conversation)
        search = " ".join(text(event, "search").split())[:200]
        session.rows = session.rows + ROWS if data(event).get("more") else ROWS
        session.search = search
        return self.rows(session)

    def change(self, conversation: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        """A conversation was renamed, pinned, downloaded, shared, deleted, or is not to be deleted after all."""
        session, identity, words = self.session(request, conversation), text(event, "id"), Data(stay=True)
        try:
            act = text(event, "act")
            words |= self._changed(act, identity, event)
            if act == "delete" and identity == conversation:
                conversation = ""
            elif act == "undo" and words.pop("back", False):
                conversation = conversation or identity
        except AppError as error:
            words["toast"] = sentence(str(error))
        return self.view(session, conversation, **words)

    def _changed(self, act: str, identity: str, event: gr.EventData) -> Data:  # noqa: PLR0911, one per act
        history = self.bot.history
        if act == "undo":
            back = self.undo.undo(("conversation", identity))
            return {"changed": True, "back": back, "toast": said("It is back") if back else said("It is too late")}
        about = history.conversation(identity)
        match act:
            case "rename":
                history.rename(identity, text(event, "title"))
                return {"changed": True}
            case "pin":
                history.pin(identity, not about.pinned)
                return {"changed": True}
            case "export":
                form: Literal["json", "md"] = "json" if text(event, "form") == "json" else "md"
                return {"file": {"name": f"{about.title[:80]}.{form}", "text": history.export(identity, form)}}
            case "share":
                return {"share": {"id": identity, "word": self.shares.share(identity)}}
            case "revoke":
                self.shares.revoke(identity)
                return {"toast": said("The address opens nothing any more")}
            case "delete":
                self.jobs.stop(identity)
                self.undo.later(("conversation", identity), lambda: history.delete(identity))
                undo = {"event": "do_change", "act": "undo", "id": identity}
                return {"changed": True, "toast": said("Conversation deleted"), "undo": undo}
        return {}
