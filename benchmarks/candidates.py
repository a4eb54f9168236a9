"""What many candidates cost: a whole turn of the hf door against one greedy reply of transformers' own `generate`.

    python benchmarks/candidates.py --dtype float32 --prompt 512 > benchmarks/results/candidates-fp32-512.json
    python benchmarks/candidates.py --shape llama-8b --device cuda --dtype bfloat16 --prompt 2000 --new 128

Random weights, random prompts, no end token, so every way writes the same number of tokens. A turn is: the
prompt read once, n candidates sampled (top-k 40), and n x attributes weighed. Beside it: `generate` with
`num_return_sequences`, n separate calls, and weighing by separate passes. All ways take turns within a round;
the figures are medians over rounds of ratios within a round.
"""

import argparse
import copy
import json
import platform
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import torch
from transformers import LlamaConfig, LlamaForCausalLM
from transformers.utils import logging

from dialogue.models.decoding import Drafting, Question, rated
from dialogue.models.decoding.attention import Branches, Prefill
from dialogue.models.decoding.engine import Engine
from dialogue.models.decoding.packed import pack
from dialogue.models.decoding.shared_prompt import takes_shared_prompt
from dialogue.types import Sampling

SHAPES: Final[dict[str, dict[str, int]]] = {
    "llama-153m": {"hidden_size": 768, "intermediate_size": 2736, "num_hidden_layers": 12, "num_attention_heads": 12},
    "llama-8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "vocab_size": 128256,
    },
}
QUESTION: Final = 4  # tokens of an attribute in LaMDA's format

Ids = list[int]


class Ways:
    """The ways to write and weigh n candidates, each a call that returns seconds."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.device = torch.device(options.device)
        config = LlamaConfig(max_position_embeddings=8192, **SHAPES[options.shape])
        torch.manual_seed(0)
        with self.device:
            torch.set_default_dtype(getattr(torch, options.dtype))
            self.model = LlamaForCausalLM(config).eval()
            torch.set_default_dtype(torch.float32)
        self.model.generation_config.eos_token_id = None
        self.model.generation_config.pad_token_id = 0
        self.vocabulary = config.vocab_size
        self.questions = [
            Question(tuple(range(first, first + QUESTION)), (11,), (12,))
            for first in range(100, 100 + options.attributes * 50, 50)
        ]
        self.rival = self.model
        if options.generate_dtype not in ("", options.dtype):
            self.rival = copy.deepcopy(self.model).to(getattr(torch, options.generate_dtype))
        self.shared = takes_shared_prompt(self.model)
        pack(self.model, 2**40)
        self.tokens = Counter[str]()

    def prompt(self, seed: int) -> Ids:
        """Return random tokens, others for each seed."""
        chance = torch.Generator().manual_seed(seed)
        ids: Ids = torch.randint(3, self.vocabulary, (self.options.prompt,), generator=chance).tolist()
        return ids

    def timed(self, work: Callable[[], Any]) -> float:
        """Return the seconds that `work` takes, the device's included."""
        self._wait()
        start = time.perf_counter()
        work()
        self._wait()
        return time.perf_counter() - start

    def generate(self, ids: Ids, rows: int = 1, times: int = 1, sample: bool = False) -> float:
        """Replies by transformers: `rows` in one call by num_return_sequences, the call made `times` times."""
        self.rival.set_attn_implementation("sdpa")
        given = torch.tensor([ids], device=self.device)
        more = {"do_sample": True, "top_k": 40, "num_return_sequences": rows} if sample else {"do_sample": False}

        def work() -> None:
            for _ in range(times):
                self.rival.generate(
                    given,
                    attention_mask=torch.ones_like(given),
                    max_new_tokens=self.options.new,
                    min_new_tokens=self.options.new,
                    **more,
                )

        return self.timed(work)

    def turn(self, ids: Ids, n: int) -> tuple[float, float]:
        """Return the seconds of a whole turn of ours and those of its weighing."""
        takes_shared_prompt(self.model)
        engine = Engine(self.model)
        self.tokens = Counter()
        rows: list[Ids] = []
        drafting = Drafting(Sampling(n=n, max_new_tokens=self.options.new), frozenset(), None, self.tokens)

        def sample() -> None:
            for step in engine.sample(ids, drafting):
                rows.extend(row for row, _ in step)

        written = self.timed(sample)
        weighed = self.timed(lambda: engine.weigh(ids, rows, self.questions, self.tokens))
        assert all(len(row) == self.options.new for row in rows)
        assert len(rows) == n
        return written + weighed, weighed

    def decoding(self, ids: Ids, n: int) -> dict[str, float]:
        """Return the seconds of one step of n rows, and the share of the time in which memory could be read at all.

        A step has to read every weight once and the caches; the limit is what a copy of 256 MiB reaches.
        """
        takes_shared_prompt(self.model)
        drafting = Drafting(Sampling(n=n, max_new_tokens=self.options.new), frozenset())
        steps = Engine(self.model).sample(ids, drafting)
        for _ in range(3):  # the prompt, and on a GPU the capture
            next(steps)
        seconds = self.timed(lambda: list(steps)) / (self.options.new - 4)
        config = self.model.config
        size = self.model.dtype.itemsize
        head = config.hidden_size // config.num_attention_heads
        token = 2 * config.num_hidden_layers * config.num_key_value_heads * head * size
        weights = sum(p.numel() for p in self.model.parameters()) - self.vocabulary * config.hidden_size
        read = weights * size + (len(ids) + n * self.options.new / 2) * token
        block = torch.empty(2**28, dtype=torch.uint8, device=self.device)
        other = torch.empty_like(block)
        rate = 2 * block.numel() / min(self.timed(lambda: other.copy_(block)) for _ in range(5))
        return {"seconds_per_step": round(seconds, 5), "gib_per_step": round(read / 2**30, 3)} | {
            "gib_per_second_of_a_copy": round(rate / 2**30, 1),
            "share_of_the_limit": round(read / rate / seconds, 3),
        }

    def passes(self, ids: Ids, rows: list[Ids]) -> tuple[float, list[list[float]]]:
        """Weigh by one pass over everything per draft and attribute; return seconds and probabilities."""
        self.model.set_attn_implementation("sdpa")
        found: list[list[float]] = []

        def work() -> None:
            for row in rows:
                found.append([])
                for question in self.questions:
                    given = torch.tensor([[*ids, *row, *question.ids]], device=self.device)
                    with torch.inference_mode():
                        logits = self.model(given, use_cache=False, logits_to_keep=1).logits
                    found[-1].append(rated(logits, [question])[0][0])

        return self.timed(work), found

    def differences(self, ids: Ids) -> dict[str, float]:
        """Return how far four candidates' logits and probabilities are from separate passes, at most."""
        return {"candidates_logits": self.apart(ids, 4), "probabilities": self.difference(ids, 4)}

    def difference(self, ids: Ids, n: int) -> float:
        """Return the largest difference of probabilities between kept caches and separate passes."""
        takes_shared_prompt(self.model)
        engine = Engine(self.model)
        drafting = Drafting(Sampling(n=n, max_new_tokens=self.options.new), frozenset())
        rows = [row for step in engine.sample(ids, drafting) for row, _ in step]
        ours = engine.weigh(ids, rows, self.questions, Counter())
        _, theirs = self.passes(ids, rows)
        return max(abs(a - b) for one, two in zip(ours, theirs, strict=True) for a, b in zip(one, two, strict=True))

    def apart(self, ids: Ids, n: int) -> float:
        """Return the largest difference of a candidate's next-token logits: ours in the batch, theirs alone."""
        takes_shared_prompt(self.model)
        engine = Engine(self.model)
        kept: list[torch.Tensor] = []
        forward = engine.forward

        def seen(
            given: torch.Tensor, places: torch.Tensor, reading: Prefill | Branches, keep: "int | torch.Tensor"
        ) -> torch.Tensor:
            logits = forward(given, places, reading, keep)
            kept.append(logits[:, -1].clone())
            return logits

        engine.forward = seen  # type: ignore[method-assign, assignment]
        drafting = Drafting(Sampling(n=n, max_new_tokens=self.options.new, seed=1), frozenset())
        rows = [row for step in engine.sample(ids, drafting) for row, _ in step]
        decoded = kept[-(self.options.new - 1) :]
        self.model.set_attn_implementation("sdpa")
        worst = 0.0
        for place, row in enumerate(rows):
            given = torch.tensor([[*ids, *row]], device=self.device)
            with torch.inference_mode():
                logits = self.model(given, use_cache=False, logits_to_keep=len(row)).logits[0]
            ours = torch.stack([step[place] for step in decoded])
            worst = max(worst, float((logits[:-1] - ours).abs().max()))
        return worst

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize()


def main() -> None:
    options = _options()
    logging.set_verbosity_error()
    torch.set_num_threads(options.threads)
    ways = Ways(options)
    if not ways.shared:
        sys.exit("the model's attention does not agree with its own: nothing to measure")
    ways.generate(ways.prompt(0))  # both warm
    ways.turn(ways.prompt(0), options.candidates[0])
    rounds: list[dict[str, float]] = []
    for number in range(1, options.rounds + 1):
        ids = ways.prompt(number)
        seconds: dict[str, float] = {"generate": ways.generate(ids)}
        for n in options.candidates:
            seconds[f"turn {n}"], seconds[f"weigh {n}"] = ways.turn(ids, n)
            if number <= options.slow:
                seconds[f"num_return_sequences {n}"] = ways.generate(ids, rows=n, sample=True)
        seconds["generate again"] = ways.generate(ids)
        if number <= options.slow:
            most = max(n for n in options.candidates if n <= 16)
            rows = [ways.prompt(100 * number + n)[: options.new] for n in range(most)]
            seconds[f"separate calls {most}"] = ways.generate(ids, times=most)
            seconds[f"separate passes {most}"] = ways.passes(ids, rows)[0]
        rounds.append(seconds)
        print(json.dumps(seconds), file=sys.stderr)
    print(json.dumps(_result(ways, rounds), indent=1))


def _result(ways: Ways, rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Ratios to the mean of the two greedy replies that stand around them in a round."""
    options = ways.options
    ratios: dict[str, list[float]] = {}
    for seconds in rounds:
        base = (seconds["generate"] + seconds["generate again"]) / 2
        for name, value in seconds.items():
            ratios.setdefault(name, []).append(value / base)
        for name, value in seconds.items():
            if name.startswith("separate passes"):
                own = seconds[name.replace("separate passes", "weigh")]
                ratios.setdefault(f"{name} against weigh", []).append(value / own)
    return {
        "command": " ".join(["python", *sys.argv]),
        "machine": {"cpu": platform.processor() or platform.machine(), "threads": options.threads}
        | {"device": torch.cuda.get_device_name() if options.device == "cuda" else "cpu", "torch": torch.__version__},
        "shape": {"name": options.shape, "parameters": sum(p.numel() for p in ways.model.parameters())},
        "dtype": options.dtype,
        "generate_dtype": options.generate_dtype or options.dtype,
        "prompt": options.prompt,
        "new": options.new,
        "attributes": options.attributes,
        "rounds": len(rounds),
        "generate_seconds": round(statistics.median(r["generate"] for r in rounds), 3),
        "against_one_generate": {name: round(statistics.median(all_), 3) for name, all_ in sorted(ratios.items())},
        "decoding": {str(n): ways.decoding(ways.prompt(98), n) for n in options.candidates},
        "tokens_of_last_turn": dict(ways.tokens),
    } | ({"largest_difference": ways.differences(ways.prompt(99))} if options.dtype == "float32" else {})


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shape", choices=SHAPES, default="llama-153m")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--generate-dtype", default="", help="of `generate`, the same unless named")
    parser.add_argument("--prompt", type=int, default=512, help="tokens")
    parser.add_argument("--new", type=int, default=64, help="tokens of a candidate")
    parser.add_argument("--attributes", type=int, default=5)
    parser.add_argument("--candidates", type=int, nargs="+", default=[1, 4, 8, 16])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow", type=int, default=1, help="rounds that also take the slow ways")
    return parser.parse_args()


if __name__ == "__main__":
    main()
