"""What several conversations at once cost: their requests decoded together, against one after another.

    python benchmarks/conversations.py --conversations 4 --candidates 4 > benchmarks/results/conversations.json
    python benchmarks/conversations.py --shape llama-8b --device cuda --dtype bfloat16 --prompt 2000 --new 128 \\
      --conversations 32 --candidates 8

Random weights and prompts, no end token. Each conversation is a thread that waits for its own candidates. On a GPU
the peak of memory stands beside what the plan asks for.
"""

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from candidates import SHAPES, Ids, Ways

from dialogue.models.checkpoints.memory import free_bytes
from dialogue.models.checkpoints.plan import Needs, planned
from dialogue.models.decoding import Drafting
from dialogue.models.decoding.engine import Engine
from dialogue.types import Sampling


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    ways = Ways(options)
    rounds = [_round(ways, number) for number in range(options.rounds)]
    tokens = options.conversations * options.candidates * options.new
    apart, together = (statistics.median(row[place] for row in rounds) for place in (0, 1))
    result: dict[str, Any] = {
        "command": " ".join(["python", *sys.argv]),
        "shape": options.shape,
        "dtype": options.dtype,
        "conversations": options.conversations,
        "candidates": options.candidates,
        "prompt": options.prompt,
        "new": options.new,
        "tokens_per_second": {"one_after_another": round(tokens / apart, 1), "together": round(tokens / together, 1)},
        "together_against_one_after_another": round(statistics.median(one / two for one, two, _ in rounds), 3),
        "slowest_against_fastest_conversation": round(statistics.median(spread for *_, spread in rounds), 3),
    }
    if options.device == "cuda":
        weights = sum(p.numel() * p.element_size() for p in ways.model.parameters())
        needs = Needs(options.prompt + options.new, options.candidates * options.conversations, options.new)
        plan = planned(ways.model.config, weights, needs, needs.context, free_bytes(ways.device), 2)
        result["memory"] = {"peak": torch.cuda.max_memory_allocated(), "planned": plan.need}
    print(json.dumps(result, indent=1))


def _round(ways: Ways, number: int) -> tuple[float, float, float]:
    """Return seconds one after another, seconds together, and the slowest conversation's share of the fastest's."""
    options = ways.options
    prompts = [ways.prompt(1000 * number + place) for place in range(options.conversations)]

    def take(engine: Engine, ids: Ids) -> float:
        start = time.perf_counter()
        drafting = Drafting(Sampling(n=options.candidates, max_new_tokens=options.new), frozenset())
        assert sum(len(rows) for rows in engine.sample(ids, drafting)) == options.candidates
        return time.perf_counter() - start

    alone = Engine(ways.model)
    apart = ways.timed(lambda: [take(alone, ids) for ids in prompts])
    engine = Engine(ways.model)
    taken: list[float] = []
    with ThreadPoolExecutor(options.conversations) as pool:
        together = ways.timed(lambda: taken.extend(pool.map(lambda ids: take(engine, ids), prompts)))
    return apart, together, max(taken) / min(taken)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="llama-153m")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--prompt", type=int, default=256, help="tokens")
    parser.add_argument("--new", type=int, default=64, help="tokens of a candidate")
    parser.add_argument("--conversations", type=int, default=4)
    parser.add_argument("--candidates", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.set_defaults(attributes=0, generate_dtype="")
    return parser.parse_args()


if __name__ == "__main__":
    main()
