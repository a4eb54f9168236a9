"""What can be done with sources: look behind a citation, open, search, add, read again, remove and take back."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import gradio as gr

from app.accounts.principal import Forbidden
from app.errors import AppError
from app.library.catalogue import StoredSource, is_address
from app.web.originals import original_of
from app.web.parts import viewer
from app.web.parts.basics import sentence
from app.web.turns import POLL, Turns
from app.web.view import Data, text
from app.web.words import said
from dialogue.types import Citation
from retrieval.types import Document

DEMO = "examples/demo/sources"


class Shelf(Turns):
    """The handlers of sources."""

    def show(self, conversation: str, event: gr.EventData) -> list[str]:
        """The sources of one turn, and why its reply was chosen."""
        return self.beside(self.own_turn(conversation, event))

    def document(self, conversation: str, event: gr.EventData) -> str:
        """The document behind one citation."""
        turn = self.own_turn(conversation, event)
        cited = turn.reply.citations if turn and turn.reply else ()
        citation = next((c for c in cited if str(c.number) == text(event, "number")), None)
        if turn is None or citation is None:
            return self.beside(turn)[0]
        row, found = self._behind(citation)
        numbers = tuple(c.number for c in cited if c.passage.kind == "document")
        opened = self._opened(row, str(turn.id), numbers)
        return viewer.document(found, opened, citation)

    def _behind(self, citation: Citation) -> tuple[StoredSource | None, Document]:
        """The source that a citation came from, as it is now; an empty document when it was removed."""
        library = self.bot.library
        gone = Document(citation.source, citation.title, "", ())
        try:
            pairs = [(row, library.document(row.id)) for row in self.sources() if row.name == citation.source]
        except AppError:
            return None, gone
        whole = (pair for pair in pairs if pair[1].text[citation.start : citation.end] == citation.quote)
        return next(whole, pairs[0] if pairs else (None, gone))

    def _opened(self, row: StoredSource | None, turn: str = "", numbers: tuple[int, ...] = ()) -> viewer.Opened:
        if row is None:
            return viewer.Opened(turn=turn, numbers=numbers)
        address = row.uri if is_address(row.uri) else ""
        return viewer.Opened(str(row.id), turn, numbers, address, original_of(row) is not None)

    def source(self, conversation: str, request: gr.Request, event: gr.EventData) -> list[Any]:
        """Something was done with a source: "open", "find", "link", "refresh", "remove", "undo" or "dismiss"."""
        session, words, shown = self.session(request, conversation), Data(), gr.skip()
        act, identity = text(event, "act"), text(event, "source")
        try:
            match act:
                case "find":
                    session.library = " ".join(text(event, "search").split())[:200]
                case "dismiss":
                    self.uploads.dismiss(int(identity or -1))
                case "demo":
                    words = self._demo()
                case "link":
                    words = self._link(text(event, "url").strip())
                case "undo":
                    back = self.undo.undo(("source", int(identity or 0)))
                    words["toast"] = said("It is back") if back else said("It is too late")
                case _:
                    shown = self._one(act, int(identity or 0), words)
        except AppError as error:
            words["toast"] = sentence(str(error))
        return [self.signal(session, **words), self.documents(session), shown]

    def _require(self, row: StoredSource | None = None) -> None:
        """Raise Forbidden unless who is served may change a source, or, without one, what all share."""
        if not self.manages(row):
            raise Forbidden(said("Only an administrator can change what all share"))

    def _link(self, url: str) -> Data:
        if not url.startswith(("http://", "https://")):
            return {"toast": said("An address begins with https:// or http://")}
        self._require()
        self.undo.close("source")
        self.uploads.fetch(url, url)
        return {"say": said("The page is being fetched"), "linked": True}

    def _demo(self) -> Data:
        """Read the demo documents, where they are at hand."""
        from pathlib import Path

        import app

        self._require()
        folder = Path(app.__file__).parents[1] / DEMO
        if not folder.is_dir():
            return {
                "toast": said("The demo documents are not installed here; they are in the project’s examples folder.")
            }
        self.uploads.fetch(said("Demo documents"), str(folder))
        return {"say": said("The demo documents are being read"), "asked": True}

    def _one(self, act: str, identity: int, words: Data) -> Any:  # noqa: ANN401, HTML or nothing new
        """Open, read again or remove one source."""
        row = next((row for row in self.sources() if row.id == identity), None)
        if row is None:
            words["toast"] = said("There is no such document any more")
        elif act == "open":
            return viewer.document(self.bot.library.document(identity), self._opened(row))
        elif act == "refresh":
            self._require(row)
            self.uploads.fetch(row.title, str(identity))
            words["say"] = said("{title} is being read again", title=row.title)
        elif act == "remove":
            self._require(row)
            bot = self.bot
            self.undo.later(("source", identity), lambda: bot.remove(identity))
            words["toast"] = said("“{title}” removed", title=row.title)
            words["undo"] = {"event": "do_source", "act": "undo", "source": str(identity)}
        return gr.skip()

    def list_documents(self, request: gr.Request) -> str:
        """The list of documents is looked at."""
        return self.documents(self.session(request))

    async def follow_uploads(self, request: gr.Request) -> AsyncIterator[list[Any]]:
        """Paint the documents while files are being read, and the empty page once there is something to ask."""
        session, seen, moved = self.session(request), -1, False
        while True:
            working, revision = self.uploads.working, self.uploads.revision
            if revision != seen or not working:
                seen = revision
                # a page may still ask for a first document where all was read before this began
                stale = not working and not session.conversation and (moved or session.bare)
                with self.told(request):
                    painted = await asyncio.to_thread(self.documents, session)
                    empty = await asyncio.to_thread(self.empty, session) if stale else gr.skip()
                yield [painted, gr.skip() if session.conversation else empty]
            if not working and self.uploads.revision == revision:  # nothing came while this was painted
                return
            moved = moved or working
            await asyncio.sleep(POLL)
