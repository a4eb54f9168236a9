"""Rows of other people's tools, recognised by their fields and put into ours.

RAGAS (`question`, `answer`, `contexts`, `ground_truth`, and the names of its later versions), logged chats in OpenAI's
messages, MTRAG (`input`, `contexts`, `targets`, `predictions`), LangSmith (`inputs`, `outputs`), spans of OpenInference
as Phoenix exports them, and folders in BEIR's form. Knows nothing of files but folders, and nothing of metrics.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.evaluation.beir import judged_queries
from app.evaluation.tables import EvaluationError, Raw, lines, raw_rows

Object = Mapping[str, Any]
_ASKED = ("question", "query", "input", "user_input", "prompt", "text", "message")
_SAID = ("answer", "response", "output", "text", "content", "result", "generation", "completion")
_FOUND = ("contexts", "context", "documents", "retrieved_contexts", "source_documents", "sources", "evidence")
_TEXT = ("text", "content", "page_content", "document.content", "body")
_NAME = ("source", "document_id", "id", "_id", "url", "document.id", "name")


class NoReply(ValueError):
    """A row that is none of a reply, such as a span inside a trace."""


@dataclass(frozen=True)
class Format:
    """A form of rows: its name, as it is told, whether a row has it, and the row in our fields."""

    name: str
    fits: Callable[[Object], bool]
    convert: Callable[[Object], dict[str, Any]]


def source_of(found: object) -> dict[str, str]:
    """Return a piece of evidence as {"text", "title", "source"}. Raises ValueError for what has no text."""
    if isinstance(found, str):
        return {"text": found}
    if isinstance(found, Mapping):
        inner = found.get("document")
        found = {**found, **inner} if isinstance(inner, Mapping) else found
        text = next((found[name] for name in _TEXT if isinstance(found.get(name), str)), None)
        about = found.get("metadata")
        names = {**about, **found} if isinstance(about, Mapping) else found
        if text is not None:
            source = next((str(names[name]) for name in _NAME if names.get(name)), "")
            return {"text": text, "title": str(names.get("title") or ""), "source": source}
    raise ValueError(f"evidence is a text or an object with one, this is {str(found)[:60]!r}")


def turns_from(messages: object) -> tuple[list[str], str | None]:
    """Return the conversation of chat messages up to the last user turn, and what the assistant said to it.

    Neighbouring messages of one speaker are one turn; those of the system and of tools are left out. Raises ValueError.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str):
        raise ValueError("messages are a list")
    turns: list[tuple[bool, str]] = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise ValueError("a message is an object with role and content")
        role = str(message.get("role") or message.get("type") or message.get("speaker") or "").lower()
        text = _content(message.get("content", message.get("text")))
        if role not in ("user", "human", "assistant", "ai", "agent") or not text:
            continue
        asks = role in ("user", "human")
        if turns and turns[-1][0] == asks:
            text = f"{turns.pop()[1]}\n{text}"
        turns.append((asks, text))
    reply = turns.pop()[1] if turns and not turns[-1][0] else None
    if not turns:
        raise ValueError("the messages hold no turn of a user")
    return [text for _, text in turns], reply


def _content(content: object) -> str:
    """The text of a message, of which the parts may be listed apart."""
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(str(part.get("text") or "") for part in content if isinstance(part, Mapping)).strip()
    return ""


def _ragas(row: Object) -> dict[str, Any]:
    asked = row.get("question", row.get("user_input"))
    said = row.get("answer", row.get("response"))
    if isinstance(asked, list):
        context, before = turns_from(asked)
        said = before if said is None else said
    else:
        context = [asked] if isinstance(asked, str) else []
    found = row.get("contexts", row.get("retrieved_contexts")) or []
    truth = row.get("ground_truth", row.get("ground_truths", row.get("reference")))
    made = _kept(row) | {"context": context, "evidence": [source_of(item) for item in found]}
    if said is not None:
        made["response"] = said
    if truth:
        made["reference"] = truth if isinstance(truth, str) else "\n".join(map(str, truth))
    return made


def _openai(row: Object) -> dict[str, Any]:
    body = row.get("request", row.get("body"))
    messages = row["messages"] if "messages" in row else body["messages"] if isinstance(body, Mapping) else []
    context, reply = turns_from(messages)
    answer = row.get("response")
    if isinstance(answer, Mapping):
        answer = answer["body"] if isinstance(answer.get("body"), Mapping) else answer
        choices = answer.get("choices") or [{}]
        reply, row = _content((choices[0].get("message") or {}).get("content")) or reply, {**answer, **row}
    elif isinstance(answer, str):
        reply = answer
    return _kept(row) | _found(row) | {"context": context} | ({} if reply is None else {"response": reply})


def _mtrag(row: Object) -> dict[str, Any]:
    context, _ = turns_from(row["input"])
    made = _kept(row) | {"context": context, "evidence": [source_of(item) for item in row.get("contexts") or []]}
    targets, predictions = row.get("targets") or [], row.get("predictions") or []
    if predictions:
        made["response"] = str(predictions[0]["text"])
    if targets:
        made["reference"] = str(targets[0]["text"])
    answerable = row.get("Answerability") or []
    if "UNANSWERABLE" in answerable:
        made["answers"] = []
    made["kind"] = str(next(iter(row.get("Question Type") or []), ""))
    made["category"] = str(row.get("Collection") or "")
    return made | {"id": str(row.get("task_id") or "")}


def _langsmith(row: Object) -> dict[str, Any]:
    asked, said = row["inputs"], row.get("outputs") or {}
    truth = row.get("reference_outputs", row.get("reference"))
    made = _kept(row) | _asked(asked)
    reply = _first(said, _SAID)
    if reply is None and isinstance(said, Mapping) and "messages" in said:
        _, reply = turns_from([{"role": "user", "content": "?"}, *said["messages"]])
    if reply is not None:
        made["response"] = reply
    reference = truth if isinstance(truth, str) else _first(truth or {}, _SAID)
    if reference:
        made["reference"] = reference
    return made | (_found(said) or _found(asked))


def _span(row: Object) -> dict[str, Any]:
    flat = _flat(row.get("attributes") or {}, "attributes") | dict(row)
    if flat.get("parent_id") or flat.get("parent_span_id"):
        raise NoReply("a span inside a trace: only its root is a reply")
    asked, said = flat.get("attributes.input.value"), flat.get("attributes.output.value")
    made = _asked(_json(asked))
    reply = _json(said)
    made["response"] = reply if isinstance(reply, str) else (_first(reply or {}, _SAID) or str(said))
    found = flat.get("attributes.retrieval.documents")
    if not isinstance(found, list):
        start = "attributes.retrieval.documents."
        places = dict.fromkeys(key[len(start) :].split(".")[0] for key in flat if key.startswith(start))
        found = [{"text": flat.get(f"{start}{place}.document.content", "")} for place in places]
    return made | ({"evidence": [source_of(item) for item in found]} if found else {})


FORMATS: Final = (
    Format("MTRAG tasks (input, contexts, targets)", lambda r: isinstance(r.get("input"), list), _mtrag),
    Format(
        "OpenInference spans (attributes.input.value)",
        lambda r: "attributes.input.value" in r or (isinstance(r.get("attributes"), Mapping) and "input" in _top(r)),
        _span,
    ),
    Format(
        "OpenAI messages",
        lambda r: (
            "messages" in r or any(isinstance(r.get(k), Mapping) and "messages" in r[k] for k in ("request", "body"))
        ),
        _openai,
    ),
    Format(
        "RAGAS rows (question, answer, contexts, ground_truth)",
        lambda r: (
            ("question" in r or "user_input" in r)
            and bool({"answer", "response", "contexts", "retrieved_contexts", "ground_truth", "reference"} & r.keys())
        ),
        _ragas,
    ),
    Format("LangSmith rows (inputs, outputs)", lambda r: isinstance(r.get("inputs"), Mapping), _langsmith),
)
OURS: Final = Format("Candor rows", lambda r: True, dict)


def recognise(row: Object) -> Format:
    """Return the format of a row, ours where it has the fields of no other."""
    if "context" in row and not isinstance(row.get("inputs"), Mapping):
        return OURS
    return next((form for form in FORMATS if form.fits(row)), OURS)


def rows_of(path: Path) -> Iterator[tuple[int, Raw]]:
    """Yield the raw rows of a file, or of a folder in BEIR's form or MTRAG's. Raises EvaluationError."""
    if not path.is_dir():
        yield from raw_rows(path)
        return
    tasks = [path / "generation_tasks" / "reference.jsonl", path / "reference.jsonl"]
    found = [place for place in tasks if place.is_file()]
    if found:
        yield from lines(found[0])
    elif any((path / name).is_file() for name in ("queries.jsonl", "queries.jsonl.gz")):
        yield from enumerate(judged_queries(path), 1)
    else:
        raise EvaluationError(
            f"{str(path)!r} cannot be read: Is a directory, and no folder of BEIR (queries.jsonl) or MTRAG "
            "(reference.jsonl): name a file in it"
        )


def _kept(row: Object) -> dict[str, Any]:
    """The fields of ours that a row of another form may hold beside its own."""
    names = (
        "id kind category source supported ratings expect forbidden answers seconds tokens outcome citations".split()
    )
    return {name: row[name] for name in names if row.get(name) is not None}


def _asked(asked: object) -> dict[str, Any]:
    if isinstance(asked, str):
        return {"context": [asked]}
    if isinstance(asked, Mapping):
        if "messages" in asked:
            return {"context": turns_from(asked["messages"])[0]}
        question = _first(asked, _ASKED)
        if question is not None:
            return {"context": [question]}
    raise ValueError(f"no question among the inputs: expected one of {', '.join(_ASKED)} or messages")


def _first(found: object, names: Sequence[str]) -> str | None:
    """The first of the named fields that is a text; the only field where there is but one."""
    if isinstance(found, str):
        return found
    if not isinstance(found, Mapping):
        return None
    texts = {key: value for key, value in found.items() if isinstance(value, str)}
    return next(
        (texts[name] for name in names if name in texts), next(iter(texts.values())) if len(texts) == 1 else None
    )


def _found(row: object) -> dict[str, Any]:
    """The evidence in one of the fields it is known by."""
    if isinstance(row, Mapping):
        for name in _FOUND:
            if isinstance(row.get(name), list) and row[name]:
                return {"evidence": [source_of(item) for item in row[name]]}
    return {}


def _json(text: object) -> object:
    if isinstance(text, str) and text[:1] in "{[":
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    return text


def _flat(tree: Object, path: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{path}.{key}"
        made |= _flat(value, name) if isinstance(value, Mapping) else {name: value}
    return made


def _top(row: Object) -> set[str]:
    return {str(key).split(".")[0] for key in row["attributes"]}
