"""The table of the paper for a model: greedy, the best of 1 to 16 by the judges, the oracle, quotes, and both together.

    python benchmarks/recipe.py READING.jsonl.gz --questions 60 --work /tmp/recipe --out benchmarks/results/recipe.json
    python benchmarks/recipe.py --field FIELD/A --work /tmp/recipe-a
    python benchmarks/recipe.py READING.jsonl.gz --split fit --questions 100 --work /tmp/fit \
      --fit dialogue/weights/written.safetensors

Questions are spread over articles that neither the model nor the reader was tuned on (--split fit: those that the judge
of what models write was fitted on); the paragraphs of these articles are the library, but for those of every fifth
question, which the sources cannot answer then. With --field they are the single questions of a field set, its documents
the library. Every turn is taken once: quotes, one greedy draft and 16 samples, all judged; the rows of the table choose
among the same drafts. What is done is kept in the folder --work, and the same command goes on from there; with --write
it ends when all is written, and what is judged later are these drafts. Prints the table, and JSON with --out.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.bot import Bot, open_bot
from app.evaluation.metrics import answer_hit, wilson
from app.evaluation.rows import lines
from app.training.quality_data import share
from app.training.reading_questions import split_of
from app.training.written import fit_written, worth
from dialogue.judges.embedded import EmbeddedJudge
from dialogue.models.small import GATES
from dialogue.prompts import is_abstention
from dialogue.rank import QUOTES, Gates, quality, ranked
from dialogue.respond import Responder
from dialogue.types import Attribute, Candidate, Claim, Context, LanguageModel, Reply, Sampling, Scores, Step, Turn
from safety.types import Verdict

MOST = 16
COUNTS = (1, 2, 4, 8, 16)
PARAGRAPHS = 400  # of the library
SCORES = ("sensible", "specific", "interesting", "answers", "grounded")
Row = dict[str, Any]
Way = Callable[[Row], "Row | None"]


@dataclass
class Recorded:
    """A LanguageModel that writes one greedy draft, then samples, and remembers them in this order."""

    model: LanguageModel
    written: list[str] = field(default_factory=list)
    known: Sequence[str] = ()  # what was written before: said again instead

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def fingerprint(self) -> str:
        return self.model.fingerprint

    def sample(self, context: Context, sampling: Sampling) -> Iterator[Step | str]:
        self.written = list(self.known)
        yield from self.written
        for chosen in () if self.known else (replace(sampling, n=1, temperature=0.0), sampling):
            for made in self.model.sample(context, chosen):
                if isinstance(made, str):
                    self.written.append(made.strip())
                yield made
            if len(self.written) == 0:
                self.written.append("")  # a greedy draft that is empty keeps its place

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        return self.model.weigh(context, drafts, attributes)


class Watched(EmbeddedJudge):
    """The judge that serves, remembering of each of a small model's drafts how it reads alone and what is known."""

    def _right(
        self,
        context: Context,
        drafts: Sequence[str],
        answers: Sequence[float | None],
        judged: Sequence[tuple[Sequence[Claim], float | None]],
    ) -> list[float | None]:
        assert self.written is not None
        rows = self.written.rows(context, drafts, [grounded for _, grounded in judged]) if drafts else []
        seen.update({draft: (alone, row.tolist()) for draft, alone, row in zip(drafts, answers, rows, strict=True)})
        return super()._right(context, drafts, answers, judged)


seen: dict[str, tuple[float | None, list[float]]] = {}  # by draft of the running turn


def main() -> None:
    given = arguments()
    given.work.mkdir(parents=True, exist_ok=True)
    rows, pages = of_field(given.field) if given.field else of_reading(given.data, given.split)
    step = max(1, len(rows) // given.questions)
    rows = random.Random(0).sample(rows[::step], min(given.questions, len(rows[::step])))
    if not given.field:
        rows = [row | {"answers": [] if place % 5 == 4 else row["answers"]} for place, row in enumerate(rows)]
    documents = pages if isinstance(pages, Path) else library(pages, rows, given.work / "articles")
    if given.among:  # after the library is made, which is that of all
        chosen = kept(given.among / "drafts.jsonl")
        rows = [row for row in rows if row["id"] in chosen]
    begun, taken = kept(given.work / "drafts.jsonl"), kept(given.work / "turns.jsonl")
    if any(row["id"] not in taken for row in rows):
        with open_bot(given.work / "data", given.model, early_stop="off", candidates=MOST) as bot:
            bot.ingest([documents])
            until = time.monotonic() + 60 * given.minutes
            for row in rows:
                if row["id"] in taken or time.monotonic() > until:
                    continue
                if given.write and row["id"] not in begun:
                    keep(given.work / "drafts.jsonl", {"id": row["id"], **drafted(bot, row)})
                elif not given.write:
                    taken[row["id"]] = asked(bot, row, begun.get(row["id"], {}))
                    keep(given.work / "turns.jsonl", taken[row["id"]])
    records = [taken[row["id"]] for row in rows if row["id"] in taken]
    if records and given.fit:
        print(json.dumps(fitted(records, given.fit), indent=1))
    if records:
        tell(records, given.out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, nargs="?", help="reading comprehension, JSONL")
    parser.add_argument("--field", type=Path, help="a field set instead")
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--split", choices=("report", "fit"), default="report", help="which articles")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--work", type=Path, required=True, help="the folder of what is done")
    parser.add_argument("--among", type=Path, help="only the questions that another folder of work has drafts for")
    parser.add_argument("--write", action="store_true", help="only write the drafts")
    parser.add_argument("--fit", type=Path, help="fit the judge of what models write to these drafts, into this file")
    parser.add_argument("--minutes", type=float, default=1e9, help="take no new turn after so many")
    parser.add_argument("--out", type=Path)
    return parser.parse_args()


def kept(path: Path) -> dict[str, Row]:
    """The whole rows of a file of --work, by id."""
    found = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return {row["id"]: row for row in (json.loads(text) for text in found if text.endswith("\n"))}


def keep(path: Path, row: Row) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")


def tell(records: list[Row], out: Path | None) -> None:
    """Print the table, and write it."""
    table = [line(name, records, choose) for name, choose in ways().items()]
    seconds = [record["seconds"] for record in records]
    told = {"model": records[0]["model"], "n": len(records), "answerable": sum(bool(r["answers"]) for r in records)}
    told |= {"seconds_p50": float(np.median(seconds)), "seconds_p95": float(np.quantile(seconds, 0.95)), "table": table}
    print_table(told)
    if out:
        out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def fitted(records: list[Row], path: Path) -> Row:
    """Fit the head, write it, and say what it is worth, each half of the questions by a head fitted to the other."""
    drafts = [
        (record, draft)
        for record in records
        for draft in record["drafts"]
        if draft.get("row") and draft["answers"] is not None
    ]
    rows = np.array([draft["row"] for _, draft in drafts], np.float32)
    told = np.array([right(draft["text"], record) for record, draft in drafts])
    groups = [record["id"] for record, _ in drafts]
    half = np.array([share(group) < 0.5 for group in groups])
    after = np.zeros(len(rows), np.float32)
    for side in (half, ~half):
        part = [group for group, here in zip(groups, side, strict=True) if here]
        after[~side] = fit_written(rows[side], told[side], part)(rows[~side])
    head = fit_written(rows, told, groups)
    head.save(path)
    before = [draft["alone"] or 0.0 for _, draft in drafts]
    return {"questions": len(set(groups)), **worth(before, after.tolist(), told), "weights": head.layers[0][0].tolist()}


def of_reading(data: Path, split: str) -> tuple[list[Row], dict[str, str]]:
    """Questions of articles of one split, and all their paragraphs with the title of each."""
    read = [row for row in (json.loads(text) for _, text in lines(data)) if half_of(row["title"]) == split]
    rows = [{**row, "answers": [[answer] for answer in row["answers"][:1]]} for row in read]
    return rows, {row["paragraph"]: row["title"] for row in read}


def half_of(title: str) -> str:
    """Of the articles that the reader has not learnt from one half is for fitting, the other for the report."""
    if split_of(title) != "held":
        return ""
    return "fit" if share(f"half {title}") < 0.5 else "report"


def of_field(folder: Path) -> tuple[list[Row], Path]:
    read = [json.loads(text) for _, text in lines(folder / "questions.jsonl")]
    single = [row for row in read if len(row["context"]) == 1 and row["expect"] in ("answer", "abstain")]
    rows = [row | {"question": row["context"][0]} for row in single if row["expect"] == "abstain" or row["answers"]]
    return [row | {"answers": row["answers"] if row["expect"] == "answer" else []} for row in rows], folder / "docs"


def library(paragraphs: dict[str, str], rows: list[Row], folder: Path) -> Path:
    """The library: a document for each article, of the paragraphs of the questions, filled up with others."""
    folder.mkdir(exist_ok=True)
    own = {row["paragraph"] for row in rows}
    gone = {row["paragraph"] for row in rows if not row["answers"]}
    chosen = [text for text in sorted(paragraphs, key=lambda text: text not in own) if text not in gone][:PARAGRAPHS]
    for title in dict.fromkeys(paragraphs.values()):
        told = [text for text in paragraphs if paragraphs[text] == title and text in set(chosen)]
        name = title.replace("_", " ")
        page = "\n\n".join([f"# {name}", *told]) + "\n"
        (folder / f"{name.replace('/', ' ')}.md").write_text(page, encoding="utf-8") if told else None
    return folder


def drafted(bot: Bot, row: Row) -> Row:
    """What the model writes, without a judgement of it."""
    responder, model = recording(bot)
    for step in responder.steps([Turn("user", row["question"])]):
        if model.written and isinstance(step, Step) and step.stage == "judge":
            break
    return {"model": model.fingerprint, "written": model.written}


def recording(bot: Bot, known: Sequence[str] = ()) -> tuple[Responder, Recorded]:
    assert isinstance(bot.responder, Responder)
    model = Recorded(bot.responder.model, known=known)
    sampling = replace(bot.responder.options.sampling, n=MOST, seed=1)
    options = replace(bot.responder.options, sampling=sampling, early=False, rounds=1, research=0)
    options = replace(options, gates=GATES)
    judge = bot.responder.judge
    assert isinstance(judge, EmbeddedJudge)
    judge = Watched(judge.quality, judge.grounder, judge.answers, judge.written)
    return replace(bot.responder, model=model, options=options, judge=judge), model


def asked(bot: Bot, row: Row, before: Row) -> Row:
    """Take the turn and keep what the table needs of it; `before` has what was written in it already."""
    responder, model = recording(bot, before.get("written", ()))
    seen.clear()
    begun = time.perf_counter()
    reply = next(step for step in responder.steps([Turn("user", row["question"])]) if isinstance(step, Reply))
    drafts = [
        {
            "text": c.text,
            "writer": c.writer,
            "dropped": c.dropped,
            "repaired": c.repaired,
            **{name: getattr(c.scores, name) for name in SCORES},
            **({"alone": seen[c.text][0], "row": seen[c.text][1]} if c.writer != QUOTES and c.text in seen else {}),
        }
        for c in reply.trace.candidates
    ]
    return {
        "id": row["id"],
        "question": row["question"],
        "answers": row["answers"],
        "model": before.get("model", model.fingerprint),
        "seconds": time.perf_counter() - begun,
        "timings": reply.trace.timings,
        "written": model.written,
        "drafts": drafts,
    }


def ways() -> dict[str, Way]:
    """The rows of the table: from a record to the text that is served and its scores, None for an abstention."""
    best = {f"best of {k}": lambda record, k=k: served(record, pool(record, k)) for k in COUNTS}
    return {
        "greedy, unchecked": greedy,
        **best,
        f"oracle of {MOST}": oracle,
        "quotes alone": lambda record: served(record, [d for d in record["drafts"] if d["writer"] == QUOTES]),
        "quotes and 8": lambda record: served(
            record, [*[d for d in record["drafts"] if d["writer"] == QUOTES], *pool(record, 8)]
        ),
    }


def greedy(record: Row) -> Row | None:
    text = record["written"][0] if record["written"] else ""
    return next((draft for draft in record["drafts"] if draft["text"] == text), {"text": text}) if text else None


def pool(record: Row, count: int) -> list[Row]:
    """The judged drafts that come from the first `count` samples."""
    texts = record["written"][1 : count + 1]
    return [
        draft
        for draft in record["drafts"]
        if draft["text"] in texts or (draft["repaired"] and any(draft["text"][:40] in text for text in texts))
    ]


def served(record: Row, drafts: list[Row]) -> Row | None:
    """What would be served if these were all the drafts."""
    judged = [judged_again(draft) for draft in drafts]
    first = next(iter(ranked(judged)), None)
    if first is None or first.dropped or is_abstention(first.text):
        return None
    return next(draft for draft in drafts if draft["text"] == first.text)


def judged_again(draft: Row) -> Candidate:
    found = scores(draft)
    return Candidate(draft["text"], Verdict(True, 0.0), found, quality(found), dropped(draft), False, draft["writer"])


def dropped(draft: Row) -> str:
    """Why a draft is dropped, by the gates as they are now."""
    reason: str = draft["dropped"]
    gate = Gates().answers if draft["writer"] == QUOTES else max(Gates().answers, GATES.written)
    if draft["answers"] is not None and draft["answers"] < gate:
        return "does not answer the question"
    return "" if reason.startswith("does not answer") else reason


def oracle(record: Row) -> Row | None:
    return next((draft for draft in pool(record, MOST) if right(draft["text"], record)), None)


def scores(draft: Row) -> Scores:
    return Scores(*(draft[name] for name in SCORES))


def right(text: str, record: Row) -> bool:
    return bool(record["answers"]) and all(answer_hit(text, part) for part in record["answers"])


def line(name: str, records: list[Row], choose: Way) -> Row:
    chosen = [(record, choose(record)) for record in records]
    shown = [(record, draft) for record, draft in chosen if draft is not None]
    hits = sum(right(draft["text"], record) for record, draft in shown)
    answerable = sum(bool(record["answers"]) for record in records)
    quiet = [record for record, draft in chosen if draft is None]
    known = [draft for _, draft in shown if draft.get("sensible") is not None]
    means = {kind: float(np.mean([draft[kind] or 0 for draft in known])) if known else None for kind in SCORES[:3]}
    return {
        "way": name,
        "right": hits,
        "served": len(shown),
        "coverage": len(shown) / len(records),
        "right_of_answerable": hits / max(1, answerable),
        "ci95": wilson(hits, max(1, answerable)),
        "wrong_when_served": (len(shown) - hits) / max(1, len(shown)),
        "abstained_rightly": sum(not record["answers"] for record in quiet),
        "abstained_wrongly": sum(bool(record["answers"]) for record in quiet),
        **means,
    }


def print_table(told: Row) -> None:
    print(f"{told['model']}: {told['n']} questions, {told['answerable']} of them answerable")
    print(f"seconds a turn p50 {told['seconds_p50']:.1f}, p95 {told['seconds_p95']:.1f}, all 17 drafts judged")
    heads = ("right", "served", "wrong/served", "quiet rightly", "quiet wrongly", "sensible", "specific", "interesting")
    print(f"{'':20}" + "".join(f"{head:>14}" for head in heads))
    for row in told["table"]:
        means = "".join(f"{'–' if row[name] is None else f'{row[name]:.2f}':>14}" for name in SCORES[:3])
        counts = f"{row['abstained_rightly']:14}{row['abstained_wrongly']:14}"
        print(f"{row['way']:20}{row['right']:14}{row['served']:14}{row['wrong_when_served']:14.3f}{counts}{means}")


if __name__ == "__main__":
    main()
