"""Which prompt makes a small model answer? Share of greedy replies that hold the answer, by prompt and passages.

    python benchmarks/prompts.py XQUAD.jsonl.gz --rows 40 --out benchmarks/results/prompts.json

Rows have ``paragraph``, ``question`` and ``answer``; those asked are spread over the file. The passages are those that
search and the reader put first; with `gold` it is the paragraph that the question was asked about. The first prompt is
the one that `dialogue.models.small` uses. Questions are decoded together. Prints one line per prompt, and JSON.
"""

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from app.evaluation.metrics import answer_hit, wilson
from app.evaluation.rows import lines
from dialogue.models import load_model
from dialogue.models.decoding import Drafting
from dialogue.models.drafts import clean
from dialogue.models.local import Local
from dialogue.models.small import ANSWER, SYSTEM
from dialogue.prompts import render
from dialogue.types import Context, Sampling, Turn
from retrieval.encoder.embed import load_encoder
from retrieval.index.memory import MemoryRetriever
from retrieval.reader import load_passage_reader
from retrieval.rerank import load_reranker
from retrieval.types import Evidence, Passage

TOKENS = 48
Row = dict[str, Any]
Messages = list[dict[str, str]]
Prompt = Callable[[str, list[str]], Messages]
DEFAULT = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # what the template puts there


def plainly(system: str | None, request: str) -> Prompt:
    def made(question: str, texts: list[str]) -> Messages:
        content = request.format(text="\n\n".join(texts), question=question)
        first = [] if system is None else [{"role": "system", "content": system}]
        return [*first, {"role": "user", "content": content}]

    return made


def full(question: str, texts: list[str]) -> Messages:
    """The prompt of larger models, with its rules and marks."""
    found = tuple(Evidence(_passage(number, text), 1.0) for number, text in enumerate(texts, 1))
    return render(Context((Turn("user", question),), question, found))


PROMPTS: dict[str, Prompt] = {
    "chosen": plainly(SYSTEM, ANSWER),
    "the template's system text": plainly(None, ANSWER),
    "an empty system text": plainly("", ANSWER),
    "in a sentence": plainly(
        SYSTEM, "Read the text and answer the question in a full sentence.\n\n{text}\n\nQuestion: {question}\nAnswer:"
    ),
    "question first": plainly(SYSTEM, "Question: {question}\n\nUse this text to answer:\n\n{text}\n\nAnswer:"),
    "question only after the text": plainly(SYSTEM, "{text}\n\n{question}"),
    "rules and marks": full,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--rows", type=int, default=40)
    parser.add_argument("--prompts", help="only these, with commas")
    parser.add_argument("--passages", default="1,2,4,8", help="numbers of passages for the chosen prompt")
    parser.add_argument("--out", type=Path, help="write the result to this file too")
    given = parser.parse_args()
    read = [json.loads(line) for _, line in lines(given.data)]
    rows = read[:: max(1, len(read) // given.rows)][: given.rows]
    reader = load_passage_reader(load_encoder())
    model = load_model(given.model, reader)
    assert isinstance(model, Local)
    texts = list(dict.fromkeys(row["paragraph"] for row in read))
    found = load_reranker(
        MemoryRetriever([_passage(*pair) for pair in enumerate(texts, 1)], reader.encoder), reader, lambda _: ()
    )
    nearest = [[item.passage.text for item in found.search([row["question"]], 8)] for row in rows]
    results = []
    wanted = given.prompts.split(",") if given.prompts else list(PROMPTS)
    for name, prompt in ((name, PROMPTS[name]) for name in wanted):
        asked = [prompt(row["question"], [row["paragraph"]]) for row in rows]
        results.append(measured(model, name, "gold", rows, asked))
    for number in map(int, filter(None, given.passages.split(","))):
        asked = [PROMPTS["chosen"](row["question"], near[:number]) for row, near in zip(rows, nearest, strict=True)]
        results.append(measured(model, "chosen", number, rows, asked))
    text = json.dumps({"model": model.fingerprint, "n": len(rows), "prompts": results}, indent=1)
    print(text)
    if given.out:
        given.out.write_text(text + "\n", encoding="utf-8")


def measured(
    model: Local, name: str, passages: object, rows: list[dict[str, Any]], asked: list[Messages]
) -> dict[str, Any]:
    begun = time.perf_counter()
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda messages: greedy(model, messages), asked))
    hits = sum(answer_hit(reply, [row["answer"]]) for reply, row in zip(replies, rows, strict=True))
    words = sum(len(reply.split()) for reply in replies) / len(rows)
    spent = (time.perf_counter() - begun) / len(rows)
    print(f"{name:30} {passages!s:>4} {hits:3} of {len(rows)}  {words:5.1f} words  {spent:.2f} s", flush=True)
    examples = [{"question": row["question"], "reply": reply} for row, reply in zip(rows, replies, strict=True)][:6]
    return {
        "prompt": name,
        "passages": passages,
        "hits": hits,
        "share": hits / len(rows),
        "ci95": wilson(hits, len(rows)),
        "words": words,
        "seconds": spent,
        "examples": examples,
    }


def greedy(model: Local, messages: Messages) -> str:
    """The greedy reply, written in one batch with those of the other threads."""
    tokenizer: Any = model._tokenizer
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    drafting = Drafting(Sampling(n=1, temperature=0.0, max_new_tokens=TOKENS), model._ends, None, Counter())
    [(row, ended)] = [pair for step in model._decoder.sample(ids, drafting) for pair in step]
    return clean(tokenizer.decode(row, skip_special_tokens=True), ended)


def _passage(number: int, text: str) -> Passage:
    return Passage(number, text, f"{number}.txt", "", (), 0, len(text))


if __name__ == "__main__":
    main()
