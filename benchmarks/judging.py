"""What it costs to judge a turn: 16 drafts of three sentences against eight passages, by all judges and the guard.

    git worktree add /tmp/first b42b63b
    python benchmarks/judging.py --first-cut /tmp/first --out benchmarks/results/judging.json

Every turn is new text, so that nothing is known from the turn before. Beside it stand two limits, timed in the same
rounds: one pass of the encoder over the very pairs that the judges read (context and draft, evidence and claim), as
a cross-encoder would have to make for a single one of them; and one over the distinct texts alone, which no judge that
looks at two texts together can do with. The first cut (heads on frozen vectors) runs in a process of its own on its own
checkout, turn about with the present one.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
DRAFTS, SENTENCES, PASSAGES = 16, 3, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--first-cut", type=Path, help="a checkout of the first cut")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.threads)
        return
    result = measure(turns(options.rounds + 1), options.threads, options.first_cut)
    text = json.dumps(result, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def turns(count: int) -> list[dict[str, Any]]:
    """Return turns of demo passages and of drafts whose sentences are theirs, cut short or altered."""
    from app.training.alterations import alter
    from retrieval.markup import from_markdown
    from retrieval.passages import cut
    from retrieval.text import sentences

    found = []
    for path in sorted((ROOT / "examples/demo/sources").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        document = from_markdown(text, path.name, path.stem)
        found += [passage.text for passage in cut(document) if len(sentences(passage.text)) >= 3]
    chance = random.Random(0)
    chance.shuffle(found)
    made = []
    for place in range(count):
        passages = found[place * PASSAGES : (place + 1) * PASSAGES]
        claims = [claim.claim for claim in alter(passages, place, per_paragraph=12) if claim.kind != "elsewhere"]
        drafts = [" ".join(chance.sample(claims, SENTENCES)) for _ in range(DRAFTS)]
        asked = f"What do you know about {claims[0].split(' is ')[0][:60]}?"
        made.append({"asked": asked, "passages": passages, "drafts": drafts})
    return made


def work(threads: int) -> None:
    """Judge the turns that come on standard input, one a line, and answer with seconds."""
    judge = judging(threads)
    print("ready", flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        judge(json.loads(line))
        print(time.perf_counter() - began, flush=True)


def judging(threads: int) -> Callable[[dict[str, Any]], None]:
    """Return what judges a turn as a bot does: all judges, then the guard on the drafts."""
    import torch

    torch.set_num_threads(threads)
    from dialogue.judges.embedded import load_judge
    from dialogue.types import Context, Turn
    from retrieval.encoder.embed import load_encoder
    from retrieval.types import Evidence, Passage
    from safety import EmbeddedGuard, load_policy
    from safety.guards.embedded import SHIPPED, WEIGHTS

    encoder = load_encoder()
    if WEIGHTS.is_file():
        from retrieval.encoder.adapters import load_reader

        guard = EmbeddedGuard(load_reader(encoder, WEIGHTS, SHIPPED), load_policy())
    else:  # the first cut, whose weights were a folder of heads
        guard = EmbeddedGuard(encoder.encode, load_policy())  # type: ignore[arg-type]
    try:
        from retrieval.reader import load_passage_reader
    except ImportError:  # before the reader
        judge = load_judge(encoder)  # type: ignore[call-arg]
    else:
        judge = load_judge(encoder, load_passage_reader(encoder))

    def run(turn: dict[str, Any]) -> None:
        passages = [Passage(i, text, f"{i}.md", "", (), 0, len(text)) for i, text in enumerate(turn["passages"])]
        context = Context((Turn("user", turn["asked"]),), turn["asked"], tuple(Evidence(p, 1.0) for p in passages))
        judge.score(context, turn["drafts"])
        guard.check(turn["drafts"], "candidate", [turn["asked"]])

    return run


class Worker:
    """A judging process on one checkout."""

    def __init__(self, root: Path, threads: int) -> None:
        limits = {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(root)}
        command = [sys.executable, str(Path(__file__).resolve()), "--worker", "--threads", str(threads)]
        self.process = subprocess.Popen(
            command, cwd=root, env=os.environ | limits, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.answer()

    def answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a judging process has ended: see its message above")
        return line

    def __call__(self, turn: dict[str, Any]) -> float:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(turn) + "\n")
        self.process.stdin.flush()
        return float(self.answer())


def measure(made: list[dict[str, Any]], threads: int, first_cut: Path | None) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    from retrieval.encoder.adapters import Reader
    from retrieval.encoder.embed import load_encoder

    encoder = load_encoder()
    judge = judging(threads)
    read: list[tuple[str, str]] = []
    plain = Reader.__call__

    def noted(self: Reader, pairs: Any) -> Any:  # noqa: ANN401
        read.extend(pairs)
        return plain(self, pairs)

    texts = []
    for turn in made:
        read.clear()
        Reader.__call__ = noted  # type: ignore[method-assign]
        judge(turn)
        Reader.__call__ = plain  # type: ignore[method-assign]
        texts.append(([f"{before} {text}" for before, text in read], list(dict.fromkeys(t for p in read for t in p))))
    del judge
    present = Worker(ROOT, threads)
    first = Worker(first_cut, threads) if first_cut else None
    seconds: dict[str, list[float]] = {"judges": [], "pairs": [], "texts": [], "first_cut": []}
    for turn, (pairs, distinct) in zip(made, texts, strict=True):
        seconds["judges"].append(present(turn))
        if first:
            seconds["first_cut"].append(first(turn))
        for name, given in (("pairs", pairs), ("texts", distinct)):
            began = time.perf_counter()
            encoder.encode(given)
            seconds[name].append(time.perf_counter() - began)
    return report({name: found[1:] for name, found in seconds.items()}, texts, encoder)  # the first turn warms up


def report(seconds: dict[str, list[float]], texts: list[tuple[list[str], list[str]]], encoder: Any) -> dict[str, Any]:  # noqa: ANN401
    def ratio(name: str) -> float | None:
        pairs = zip(seconds["judges"], seconds[name], strict=False)
        found = [judged / other for judged, other in pairs]
        return round(statistics.median(found), 3) if found else None

    spans = [[len(tokens) for _, tokens in encoder.encode_tokens(given)] for pair in texts[1:] for given in pair]
    return {
        "drafts": DRAFTS,
        "sentences": SENTENCES,
        "passages": PASSAGES,
        "rounds": len(seconds["judges"]),
        "tokens_of_pairs": round(statistics.median(map(sum, spans[::2]))),
        "tokens_of_texts": round(statistics.median(map(sum, spans[1::2]))),
        "judges_over_one_pass_of_the_pairs": ratio("pairs"),
        "judges_over_one_pass_of_the_texts": ratio("texts"),
        "judges_over_first_cut": ratio("first_cut"),
        "median_seconds": {name: round(statistics.median(found), 3) for name, found in seconds.items() if found},
    }


if __name__ == "__main__":
    main()
