"""The processor's cores, shared by the threads that read at the same time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


class Cores:
    """Gives whoever is alone all cores, and several their part: products of few rows gain little by a second core."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy = 0

    @contextmanager
    def share(self) -> Iterator[int]:
        """Bound the threads of this thread's products until the context ends; gives their number, 1 at least."""
        with self._lock:
            self._busy += 1
            part = max(1, torch.get_num_threads() // self._busy)
        try:
            with _pools().limit(limits=part):
                yield part
        finally:
            with self._lock:
                self._busy -= 1


@cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")
