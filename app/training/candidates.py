"""Candidates of a generator on questions whose answers are known, labelled: what judges that guard it learn from.

LaMDA's discriminators are trained on candidates of the generator they guard (Thoppilan et al. 2022, section 6.1). Knows
models and questions; what a label is stands in `candidate_labels`.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from app.training.generator_loop import Progress
from app.training.reading_questions import Reading
from dialogue.types import Context, LanguageModel, Sampling, Turn
from retrieval.types import Evidence, Passage

TOGETHER: Final = 10  # questions whose candidates are written in the same steps
NEW_TOKENS: Final = 44


def context_of(reading: Reading) -> Context:
    """Return the turn at which a question is asked with its passages."""
    found = tuple(
        Evidence(Passage(place, text, f"passage {place + 1}", "", (), 0, len(text)), 1.0)
        for place, text in enumerate(reading.passages)
    )
    return Context((Turn("user", reading.question),), reading.question, found)


def sampled(
    model: LanguageModel, questions: Sequence[Reading], out: Path, sampling: Sampling, progress: Progress
) -> None:
    """Write the drafts of every question to the JSONL file `out`, a row each, going on with what it holds.

    A row is ``{key, kind, split, question, passages, answers, gold, drafts: {text: times}}``.
    """
    known = {row["key"] for row in drafts_of(out)} if out.is_file() else set()
    left = [question for question in questions if question.key not in known]

    def drafts(question: Reading) -> dict[str, int]:
        written = model.sample(context_of(question), sampling)
        return Counter(draft for draft in written if isinstance(draft, str))

    with out.open("a", encoding="utf-8") as file, ThreadPoolExecutor(TOGETHER) as pool:
        for place, (question, found) in enumerate(zip(left, pool.map(drafts, left), strict=True), 1):
            row = {name: getattr(question, name) for name in Reading.__slots__} | {"drafts": found}
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()
            progress("sampling", len(known) + place, len(known) + len(left))
        os.fsync(file.fileno())


def drafts_of(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole rows of such a file, gzipped or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)
