"""Candidates of a generator on questions whose answers are known, labelled: what judges that guard it learn from.

LaMDA's discriminators are trained on candidates of the generator they guard (Thoppilan et al. 2022, section 6.1). Knows
models and questions; what a label is stands in `candidate_labels`.
"""

import gzip
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from app.training.candidate_labels import LABELS, labelled, words_of
from app.training.generator_loop import Progress
from app.training.quality_data import rows as lines
from app.training.reading_questions import SQUAD, TALES, Reading
from dialogue.types import Context, LanguageModel, Sampling, Turn
from retrieval.types import Evidence, Passage

TOGETHER: Final = 10  # questions whose candidates are written in the same steps
NEW_TOKENS: Final = 44
SHARES: Final = {
    "squad": 0.4, "several": 0.16, "near": 0.1, "twin": 0.12,
    "tale": 0.08, "sentence": 0.08, "strange": 0.03, "dolly": 0.03,
}  # fmt: skip


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
    known = set()
    if out.is_file():
        known = {row["key"] for row in drafts_of(out)}
        whole = out.read_bytes()
        out.write_bytes(whole[: whole.rfind(b"\n") + 1])  # without a row that was cut off
    left = [question for question in questions if question.key not in known]

    def drafts(question: Reading) -> dict[str, int]:
        written = model.sample(context_of(question), sampling)
        return Counter(draft for draft in written if isinstance(draft, str))

    with out.open("a", encoding="utf-8") as file, ThreadPoolExecutor(TOGETHER) as pool:
        for place, (question, found) in enumerate(zip(left, pool.map(drafts, left), strict=True), 1):
            row = {name: getattr(question, name) for name in Reading.__slots__}
            row |= {"temperature": sampling.temperature, "drafts": found}
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


def vocabulary(data: Path) -> frozenset[str]:
    """Return the words that two paragraphs of the shared reading data or more have."""
    counted: Counter[str] = Counter()
    for name in (SQUAD, TALES):
        for text in {row["paragraph"] for row in lines(data / "reading" / name)}:
            counted.update(set(words_of(text)))
    return frozenset(word for word, times in counted.items() if times > 1)


def corpus(drafts: Path, known: frozenset[str]) -> Iterator[dict[str, Any]]:
    """Yield every draft with its label: a row for judges.

    ``{evidence, response, context, supported, answers, sensible, label, times, key, kind, split, known}``: the three
    are 1, 0 or None, where the texts do not tell; `known` are the answers of the question, [] where no passage has one.
    """
    for row in drafts_of(drafts):
        for draft, times in row["drafts"].items():
            found = labelled(draft, row["question"], row["passages"], row["answers"], known)
            judged = {
                name: value if value is None else int(value) for name, value in asdict(found).items() if name != "label"
            }
            yield {
                "evidence": row["passages"], "response": draft, "context": [row["question"]], **judged,
                "label": found.label, "times": times, "key": row["key"], "kind": row["kind"],
                "split": "held" if row["split"] == "held" else "train", "known": row["answers"],
                "temperature": row.get("temperature", 1.0),
            }  # fmt: skip


def write_corpus(rows: Iterable[dict[str, Any]], out: Path) -> dict[str, Any]:
    """Write the rows as gzipped JSONL; return the number of drafts, the share of every label, and the outcomes.

    Where a passage answers, a reply holds the answer, is wrong or abstains wrongly; where none does, it abstains
    rightly or is wrong. What cannot be told is counted as wrong.
    """
    counted: Counter[str] = Counter()
    outcomes: dict[str, Counter[str]] = {"answered": Counter(), "unanswered": Counter()}
    unfinished = out.with_suffix(".part")
    with gzip.open(unfinished, "wt", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            counted[row["label"]] += row["times"]
            outcomes["answered" if row["known"] else "unanswered"][_outcome(row)] += row["times"]
    unfinished.replace(out)
    drafts = sum(counted.values())
    shares = {name: round(counted[name] / max(drafts, 1), 4) for name in LABELS}
    return {"drafts": drafts, "labels": shares, "outcomes": {name: dict(found) for name, found in outcomes.items()}}


def _outcome(row: Mapping[str, Any]) -> str:
    if row["label"] == "abstains":
        return "abstains"
    return "holds" if row["answers"] else "wrong"
