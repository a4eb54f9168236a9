"""Which requests are read and written next, and which prompts are remembered: queues, room, batches, prefix memory.

Counts in tokens and bytes and holds no tensors. Not thread-safe: the engine asks under its lock.
"""

from typing import Generic, Protocol, TypeVar

from dialogue.models.decoding import common


class Request(Protocol):
    """A prompt to be read, then drafts to be written."""

    @property
    def cost(self) -> int:
        """Bytes that its caches may come to hold."""
        ...

    @property
    def alone(self) -> bool:
        """Whether it may share no batch: sums in a batch depend on its size, and a seed asks for the same ones."""
        ...

    @property
    def started(self) -> bool:
        """Whether the prompt is read and the drafts are begun."""
        ...

    @property
    def done(self) -> bool:
        """Whether every draft is finished."""
        ...


class Prompt(Protocol):
    """A prompt with its keys and values."""

    @property
    def ids(self) -> list[int]: ...  # noqa: D102

    @property
    def bytes(self) -> int: ...  # noqa: D102


RequestT = TypeVar("RequestT", bound=Request)
PromptT = TypeVar("PromptT", bound=Prompt)


class Scheduler(Generic[RequestT]):
    """Requests, first come first served, as far as the `memory` bytes for their caches go; one always runs."""

    def __init__(self, memory: int) -> None:
        self.memory = memory
        self.waiting: list[RequestT] = []
        self.running: list[RequestT] = []

    def add(self, request: RequestT) -> None:
        """Put a request at the end of the queue."""
        self.waiting.append(request)

    def remove(self, request: RequestT) -> None:
        """Take a request out, wherever it is; one that is gone already is no error."""
        for queue in (self.waiting, self.running):
            if request in queue:
                queue.remove(request)

    def reading(self) -> RequestT | None:
        """Let in what there is room for and return the request that reads a piece of its prompt now, in turns."""
        while self.waiting and self._has_room(self.waiting[0]):
            self.running.append(self.waiting.pop(0))
        request = next((request for request in self.running if not request.started), None)
        if request is not None:
            self.running.append(self.running.pop(self.running.index(request)))
        return request

    def batches(self) -> list[list[RequestT]]:
        """Return the requests that write a token, in the batches that write it together."""
        ready = [request for request in self.running if request.started and not request.done]
        single = [[request] for request in ready if request.alone]
        together = [request for request in ready if not request.alone]
        return [*single, together] if together else single

    def retire(self) -> None:
        """Take out what is done."""
        self.running = [request for request in self.running if not request.done]

    def _has_room(self, request: RequestT) -> bool:
        return not self.running or sum(other.cost for other in self.running) + request.cost <= self.memory


class PrefixMemory(Generic[PromptT]):
    """Prompts of earlier turns, whole ones, up to `most` bytes; the latest is always kept."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.prompts: list[PromptT] = []  # the latest last

    def find(self, ids: list[int]) -> tuple[PromptT | None, int]:
        """Return the prompt that begins most like `ids`, and for how many tokens; first of all one that equals it."""
        best, shared = None, 0
        for prompt in self.prompts:
            if prompt.ids == ids:
                return prompt, len(ids)
            alike = common(prompt.ids, ids)
            if alike > shared:
                best, shared = prompt, alike
        return best, shared

    def keep(self, prompt: PromptT) -> None:
        """Remember a prompt as the latest, the oldest giving way."""
        self.prompts = [other for other in self.prompts if other is not prompt] + [prompt]
        total = sum(other.bytes for other in self.prompts)
        while len(self.prompts) > 1 and total > self.most:
            total -= self.prompts.pop(0).bytes
