"""How long is a turn with the language model in the box? Beside one plain greedy reply of transformers, in one run.

    python benchmarks/turns.py --out benchmarks/results/turns.json

Asks about the demo documents, one question after the other: with eight drafts beside the quotes, all judged; with the
early stop; and the same model in transformers' own `generate`, greedy, with the prompt that the drafts are written
from. Seconds are those of the clock and, since a machine may be busy, of the processor too. Prints one JSON object.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from app.bot import open_bot
from dialogue.models.checkpoints import load_checkpoint
from dialogue.models.local import Local
from dialogue.models.smollm2 import NAME, packaged
from dialogue.respond import Responder
from dialogue.types import Context, Drafted, Reply, Turn

if TYPE_CHECKING:
    from transformers import PreTrainedModel

SOURCES = Path(__file__).parent.parent / "examples" / "demo" / "sources"
QUESTIONS = (
    "How tall is Mount Everest?",
    "Why is octopus blood blue?",
    "Who discovered graphene?",
    "What is the Mariana Trench?",
    "When was the Eiffel Tower built?",
    "Who was the first to climb Mount Everest?",
    "How many hearts does an octopus have?",
    "What is LaMDA fine-tuned for?",
)
TOKENS = 48
Timed = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--questions", type=int, default=len(QUESTIONS))
    parser.add_argument("--out", type=Path, help="write the result to this file too")
    given = parser.parse_args()
    asked = QUESTIONS[: given.questions]
    with tempfile.TemporaryDirectory() as folder, open_bot(folder, NAME, candidates=given.candidates) as bot:
        bot.ingest([SOURCES])
        whole = bot.responder
        assert isinstance(whole, Responder)
        assert isinstance(whole.model, Local)
        whole = replace(whole, options=replace(whole.options, early=False))
        turn(whole, QUESTIONS[-1])  # what is made at the first use
        made = [turn(whole, question) for question in asked]
        early = [turn(bot.responder, question) for question in asked]
        bare = load_checkpoint(str(packaged())).model
        plain = [greedy(bare, whole.model, context) for _, context in made]
    result = {
        "model": whole.model.fingerprint,
        "threads": torch.get_num_threads(),
        "questions": len(asked),
        "drafts_judged": statistics.mean(timed["drafts"] for timed, _ in made),
        "turn": summary([timed for timed, _ in made]),
        "early_stop": summary([timed for timed, _ in early]),
        "transformers_generate_greedy": summary(plain),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


def turn(responder: Any, question: str) -> tuple[Timed, Context]:  # noqa: ANN401
    """Take a turn; return its seconds, and the context that its drafts were written from."""
    first, clock = 0.0, _Clock()
    reply = None
    for step in responder.steps([Turn("user", question)]):
        if isinstance(step, Drafted) and not first:
            first = clock()["seconds"]
        reply = step
    assert isinstance(reply, Reply)
    timed = clock() | {"first_draft": first, "drafts": float(len(reply.trace.candidates))}
    timed |= {f"seconds_{stage}": spent for stage, spent in reply.trace.timings.items()}
    return timed, Context((Turn("user", question),), reply.trace.query, reply.trace.evidence)


def greedy(plain: "PreTrainedModel", model: Local, context: Context) -> Timed:
    """One reply of transformers' own loop to the same prompt, by the model as transformers loads it."""
    ids, _ = model.fit(context, TOKENS)
    ones = torch.ones(1, len(ids), dtype=torch.long)
    clock = _Clock()
    with torch.inference_mode():
        plain.generate(torch.tensor([ids]), attention_mask=ones, do_sample=False, max_new_tokens=TOKENS)
    return clock()


def summary(rows: list[Timed]) -> dict[str, float]:
    names = dict.fromkeys(name for row in rows for name in row)
    found = {name: sorted(row.get(name, 0.0) for row in rows) for name in names}
    middle = {f"{name}_p50": round(statistics.median(values), 2) for name, values in found.items()}
    return middle | {"seconds_p95": round(found["seconds"][max(0, round(0.95 * len(rows)) - 1)], 2)}


class _Clock:
    """Seconds of the clock and of the processor since it was made."""

    def __init__(self) -> None:
        self._wall, self._busy = time.perf_counter(), time.process_time()

    def __call__(self) -> Timed:
        return {"seconds": time.perf_counter() - self._wall, "processor": time.process_time() - self._busy}


if __name__ == "__main__":
    main()
