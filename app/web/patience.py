"""The patience of the server: a connection has so many seconds for the head of each request."""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS: Final = 10.0


class Patient(H11Protocol):
    """HTTP of uvicorn, which by itself waits for ever for the head of a request. Bodies are timed by `gate`."""

    _waits: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came; wait for the rest of a head, and no more once it is there."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        super().connection_lost(exc)
        if self._waits is not None:
            self._waits.cancel()

    def _watch(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering and self._waits is not None:
            self._waits.cancel()
            self._waits = None
        elif not answering and self._waits is None:
            self._waits = self.loop.call_later(HEAD_SECONDS, self._late)

    def _late(self) -> None:
        self._waits = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
