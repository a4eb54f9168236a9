"""The judges' weights that ship: where they are, their SHA-256, and how a head is read."""

from pathlib import Path
from typing import Final

from dialogue.judges.heads import Head
from retrieval.types import RetrievalError
from retrieval.weights import Shipped, read_weights

WEIGHTS: Final = Path(__file__).parents[1] / "weights"
SHIPPED: Final[Shipped] = {
    WEIGHTS / "claim.safetensors": "e300caca9aae9c30d75114bf041b39c55c9c4f5edc43c5f1f2f60773c5b9fe2d",
    WEIGHTS / "evidence.safetensors": "207f8725bc76a709fe42f0a7878025c630052b6bfac68f20f84e01501c62f626",
    WEIGHTS / "grounded.safetensors": "767adc3cda5548cbe8f179eeb466c3edf29192e43a1f171ce08a4e13214cc733",
    WEIGHTS / "intent.safetensors": "7309cbed49e6206522dee4ccf2eee8f8683382994bfb27a82519c084a31abe7e",
    WEIGHTS / "interesting.safetensors": "9be5e4a1c0f9a6ac2f991916f5c541c0c8098c17eae2d9f443e8ad4bc042dc08",
    WEIGHTS / "reply.safetensors": "9e8c760084903917eb6de94d7915bef836b2e73e81772ae769c400aa60c32278",
    WEIGHTS / "rewriting.safetensors": "705fb595b58e698ff5e295e75f58c90f3e8d0060f1cb631c1f266a7e081d7e0b",
    WEIGHTS / "sensible.safetensors": "a688a1198fbdce1f74735fda149a7fcf8d6512a3434769b44afa8a16afd47b59",
    WEIGHTS / "specific.safetensors": "f793d07f97e186554c7410d085e0665fabb061bdcbc32fa4fed5382d889709ec",
    WEIGHTS / "whole.safetensors": "d29fad08d63c6c5ff8e8e43ad0ff3faf0a1db63628452d01d52e96d0b36ce71a",
    WEIGHTS / "written.safetensors": "de7cfdac15fd23972644495181965f2de09d30f05d9a7ba285b6a3310a0c2bd5",
}


def load_head(path: Path, shipped: Shipped = SHIPPED) -> Head:
    """Read a head written by `Head.save`, verified where it is one that ships.

    Raises RetrievalError when it is missing, damaged or no head.
    """
    tensors, metadata = read_weights(path, shipped)
    try:
        return Head.read(tensors, metadata)
    except ValueError as error:
        raise RetrievalError(f"{path} is no head ({error}): train it with: candor train judges") from error
