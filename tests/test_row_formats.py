"""Rows of other people's tools, and tables of other kinds than JSON lines, become rows of ours."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from app.evaluation.refusals import outcome_of
from app.evaluation.rows import DialogueRow, EvaluationError, GroundingRow, Rows
from app.evaluation.systems import given

ROWS: dict[str, dict[str, Any]] = {
    "RAGAS": {"question": "Q?", "answer": "R.", "contexts": ["E."], "ground_truth": "T."},
    "RAGAS of today": {"user_input": "Q?", "response": "R.", "retrieved_contexts": ["E."], "reference": "T."},
    "RAGAS of several turns": {
        "user_input": [{"type": "human", "content": "Q?"}, {"type": "ai", "content": "R."}],
        "retrieved_contexts": ["E."],
        "reference": "T.",
    },
    "OpenAI": {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": [{"type": "text", "text": "Q?"}]},
            {"role": "assistant", "content": "R."},
        ],
        "contexts": ["E."],
        "reference": "T.",
    },
    "OpenAI log": {
        "request": {"messages": [{"role": "user", "content": "Q?"}]},
        "response": {
            "choices": [{"message": {"role": "assistant", "content": "R."}}],
            "documents": [{"content": "E."}],
        },
    },
    "MTRAG": {
        "task_id": "a<::>1",
        "Collection": "mt-rag-clapnq",
        "input": [{"speaker": "user", "text": "Q?"}],
        "contexts": [{"document_id": "d1", "text": "E.", "title": "Title"}],
        "targets": [{"speaker": "agent", "text": "T."}],
        "predictions": [{"text": "R."}],
        "Answerability": ["ANSWERABLE"],
        "Question Type": ["Factoid"],
    },
    "LangSmith": {
        "inputs": {"question": "Q?"},
        "outputs": {"answer": "R.", "documents": [{"page_content": "E.", "metadata": {"source": "a.md"}}]},
        "reference_outputs": {"answer": "T."},
    },
    "Phoenix": {
        "parent_id": None,
        "attributes.input.value": "Q?",
        "attributes.output.value": "R.",
        "attributes.retrieval.documents": [{"document": {"content": "E."}}],
    },
    "OpenInference": {
        "attributes": {
            "input": {"value": '{"question": "Q?"}'},
            "output": {"value": '{"answer": "R."}'},
            "retrieval": {"documents": [{"document.content": "E."}]},
        }
    },
}


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ROWS)
def test_a_row_of_another_tool_is_known_by_its_fields(tmp_path: Path, form: str) -> None:
    rows = Rows(written(tmp_path / "a.jsonl", [ROWS[form]]), DialogueRow)
    [(line, row)] = rows
    assert (line, row.context, row.response) == (1, ["Q?"], "R.")
    assert [piece.text for piece in row.evidence or ()] == ["E."]
    assert rows.formats.total() == 1
    assert form.split(maxsplit=1)[0] in " ".join(rows.formats) or form in ("Phoenix",)
    if form not in ("OpenAI", "OpenAI log", "Phoenix", "OpenInference"):
        assert row.reference == "T."


def test_the_evidence_of_other_tools_grounds_a_response_too(tmp_path: Path) -> None:
    [(_, row)] = Rows(written(tmp_path / "a.jsonl", [ROWS["RAGAS"]]), GroundingRow)
    assert (row.evidence, row.response, row.supported, row.context) == (["E."], "R.", None, ["Q?"])


def test_spans_inside_a_trace_are_counted_and_left_out(tmp_path: Path) -> None:
    rows = Rows(written(tmp_path / "a.jsonl", [ROWS["Phoenix"], {**ROWS["Phoenix"], "parent_id": "x"}]), DialogueRow)
    assert len(list(rows)) == 1
    assert rows.n_invalid == 1
    assert "inside a trace" in rows.invalid[0]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"messages": "hi"}, "messages are a list"),
        ({"messages": [{"role": "assistant", "content": "R."}]}, "no turn of a user"),
        ({"inputs": {"a": 1}, "outputs": {}}, "no question among the inputs"),
        ({"question": "Q?", "answer": "R.", "contexts": [{"score": 1}]}, "evidence is a text"),
        ({"input": [{"speaker": "user", "text": "Q?"}], "predictions": [{}]}, "lacks"),
        ({"context": ["Q?"], "evidence": [3]}, "evidence is a text"),
    ],
)
def test_a_row_that_lacks_something_is_told(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    rows = Rows(written(tmp_path / "a.jsonl", [{"context": ["Q?"]}, row]), DialogueRow)
    assert len(list(rows)) == 1
    assert said in rows.invalid[0]


def test_csv_holds_lists_as_json_or_as_python_writes_them(tmp_path: Path) -> None:
    with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["evidence", "response", "supported", "kind"])
        writer.writerow([json.dumps(["E.", "F."]), "R.", "1", "fact"])
        writer.writerow(["['E.', 'it''s']".replace("''", "\\'"), "R.", "false", ""])
        writer.writerow(["plain text", "R.", "", ""])
    rows = [row for _, row in Rows(tmp_path / "a.csv", GroundingRow)]
    assert [row.evidence for row in rows] == [["E.", "F."], ["E.", "it's"], ["plain text"]]
    assert [row.supported for row in rows] == [True, False, None]


def test_parquet_gives_the_rows_that_json_lines_give(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    made = [{"evidence": ["E."], "response": f"R {n}.", "supported": bool(n % 2)} for n in range(600)]
    parquet.write_table(pyarrow.Table.from_pylist(made), tmp_path / "a.parquet")
    lines = written(tmp_path / "a.jsonl", made)
    assert list(Rows(tmp_path / "a.parquet", GroundingRow)) == list(Rows(lines, GroundingRow))
    (tmp_path / "b.parquet").write_bytes(b"PAR1 and then nothing PAR1")
    with pytest.raises(EvaluationError, match="damaged Parquet"):
        list(Rows(tmp_path / "b.parquet", GroundingRow))


def test_a_folder_of_mtrag_and_one_of_beir_are_conversations(tmp_path: Path) -> None:
    (tmp_path / "mtrag" / "generation_tasks").mkdir(parents=True)
    written(tmp_path / "mtrag" / "generation_tasks" / "reference.jsonl", [ROWS["MTRAG"]])
    [(_, row)] = Rows(tmp_path / "mtrag", DialogueRow)
    assert (row.id, row.category, row.kind) == ("a<::>1", "mt-rag-clapnq", "Factoid")
    beir = tmp_path / "beir"
    (beir / "qrels").mkdir(parents=True)
    written(beir / "queries.jsonl", [{"_id": "q1", "text": "Q?"}, {"_id": "q2", "text": "unjudged"}])
    (beir / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tdoc\t1\n")
    [(_, row)] = Rows(beir, DialogueRow)
    assert (row.context, row.source, row.id) == (["Q?"], "doc", "q1")
    with pytest.raises(EvaluationError, match="Is a directory"):
        list(Rows(tmp_path, DialogueRow))


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("A blue whale weighs 190 tonnes. [1]", "answered"),
        ("My documents do not cover that.", "abstained"),
        ("I couldn't find that in the documents.", "abstained"),
        ("The context does not mention who won.", "abstained"),
        ("Unfortunately, there is no information about this in the provided context.", "abstained"),
        ("I'm sorry, but I can't help with that.", "refused"),
        ("I cannot assist with this request.", "refused"),
        ("Penguins do not fly.", "answered"),
        ("The door cannot be opened without a key. [1]", "answered"),
        ("No, the office does not open on Sundays.", "answered"),
        ("", "answered"),
    ],
)
def test_what_a_reply_is_shows_in_its_wording(text: str, outcome: str) -> None:
    assert outcome_of(text) == outcome


def test_the_marks_of_a_given_reply_lead_to_its_citations_or_to_its_evidence() -> None:
    plain = DialogueRow(context=["Q?"], response="It is so. [2]", evidence=["E.", {"text": "F.", "source": "f.md"}])  # type: ignore[list-item]
    reply = given(plain)
    assert [(c["source"], c["quote"]) for c in reply.citations] == [("f.md", "F.")]
    named = DialogueRow(context=["Q?"], response="It is so. [1]", citations=[{"quote": "G.", "source": "g.md"}])  # type: ignore[list-item]
    assert [c["quote"] for c in given(named).citations] == ["G."]
    assert [e.passage.text for e in given(named).evidence or ()] == ["G."]
    assert given(DialogueRow(context=["Q?"], response="It is so.")).evidence is None
