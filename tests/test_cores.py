"""retrieval.encoder.cores: how many threads a product may use while several threads read."""

import threading

import pytest
import torch

from retrieval.encoder.cores import Cores


@pytest.fixture
def threads() -> int:
    return torch.get_num_threads()


def test_whoever_is_alone_has_all_cores_and_gives_them_back(threads: int) -> None:
    cores = Cores()
    for _ in range(3):
        with cores.share() as part:
            assert part == torch.get_num_threads() == threads
    assert torch.get_num_threads() == threads


def test_several_have_their_part_each_and_at_least_one(threads: int) -> None:
    cores, parts = Cores(), list[tuple[int, int]]()
    inside, leave = threading.Barrier(4), threading.Event()

    def read() -> None:
        with cores.share() as part:
            inside.wait(30)
            parts.append((part, torch.get_num_threads()))
            leave.wait(30)

    others = [threading.Thread(target=read) for _ in range(3)]
    for other in others:
        other.start()
    inside.wait(30)
    with cores.share() as part:
        assert part == torch.get_num_threads() == max(1, threads // 4)
    leave.set()
    for other in others:
        other.join(30)
    assert all(part == seen for part, seen in parts)
    assert sorted(part for part, _ in parts) == sorted(max(1, threads // busy) for busy in (1, 2, 3))
    assert torch.get_num_threads() == threads


def test_a_thread_that_fails_gives_its_part_back(threads: int) -> None:
    cores = Cores()
    with pytest.raises(ValueError, match="no"), cores.share():
        raise ValueError("no")
    with cores.share() as part:
        assert part == threads
