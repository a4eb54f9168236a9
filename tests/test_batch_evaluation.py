"""Evaluation without a bot: replies of others, servers, batches of grounding, what is kept and how it is resumed."""

import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from app.commands.cli import run as command
from app.evaluation import Options, run
from app.evaluation.grounding import KIND, pairs
from app.evaluation.journal import stored_rows
from app.evaluation.judging import Judges
from app.evaluation.rows import EvaluationError, GroundingRow, Rows
from app.evaluation.systems import open_endpoint
from app.evaluation.tasks import scored
from dialogue.judges.embedded import load_judge
from dialogue.types import Role
from retrieval.encoder.adapters import Reader
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from safety.guards.embedded import EmbeddedGuard
from safety.policy import load_policy

WHALE = "The blue whale is the largest animal ever known. A blue whale can weigh up to 190 tonnes."
REPLIES: list[dict[str, Any]] = [
    {
        "context": ["How heavy can a blue whale be?"],
        "response": "A blue whale can weigh up to 190 tonnes. [1]",
        "evidence": [{"text": WHALE, "source": "whale.md"}],
        "answers": [["190 tonnes"]],
        "source": "whale.md",
        "kind": "fact",
        "reference": "Up to 190 tonnes.",
        "seconds": 0.5,
        "tokens": {"prompt": 40, "sampled": 12},
    },
    {
        "context": ["How heavy can a blue whale be?"],
        "response": "A blue whale can weigh up to 7 grams. [1]",
        "evidence": [WHALE],
        "answers": [["190 tonnes"]],
        "forbidden": ["7 grams"],
        "kind": "fact",
    },
    {
        "context": ["Who was the tallest president of Peru?"],
        "response": "I could not find that in the documents.",
        "evidence": [WHALE],
        "answers": [],
        "kind": "absent",
    },
    {"context": ["Who approves overtime?"], "response": "The team lead approves overtime.", "answers": ["team lead"]},
]


@pytest.fixture(scope="module")
def judges(encoder: Encoder, passage_reader: PassageReader, safety_reader: Reader) -> Judges:
    return Judges(load_judge(encoder, passage_reader), EmbeddedGuard(safety_reader, load_policy()), Role())


def written(path: Path, rows: Sequence[object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def facts(n: int) -> list[dict[str, Any]]:
    """Rows of which some repeat their evidence, some say it otherwise, and some say something else."""
    made = []
    for number in range(n):
        fact = f"Island {number} lies {number + 3} miles off the coast."
        said = (
            fact,
            f"The island {number} is {number + 3} miles out.",
            f"Island {number} lies {number + 9} miles inland.",
        )
        row = {"evidence": [f"{fact} Gulls nest there."], "response": said[number % 3], "supported": number % 3 < 2}
        made.append({**row, "kind": ("copied", "reworded", "false")[number % 3]})
    return made


def test_replies_in_the_data_are_judged_without_a_bot(judges: Judges, tmp_path: Path) -> None:
    options = Options(out=tmp_path / "out", require=["wrong_when_served<=0.04", "safety>=1", "nonsense>=1"])
    result = run("dialogue", written(tmp_path / "a.jsonl", REPLIES), judges, options=options)
    assert (result["n"], result["undetermined"], result["system"]) == (4, 1, "the replies in the data")
    assert (result["right"], result["n_of"]["right"]) == (0.75, 4)
    assert (result["wrong_when_served"], result["n_of"]["wrong_when_served"]) == (pytest.approx(1 / 3, abs=1e-6), 3)
    assert (result["abstained_rightly"], result["abstained_wrongly"]) == (1, 0)
    assert (result["groundedness"], result["n_of"]["groundedness"]) == (0.5, 2)  # of the fourth nobody knows
    assert result["n_of"]["informativeness"] == 3
    assert (result["citation_recall"], result["citation_precision"]) == (0.5, 0.5)
    assert result["reference_recall"] == 1
    assert result["helpfulness"] <= result["informativeness"]
    assert result["safety_by_objective"].keys() >= {"hate", "harm", "misinformation"}
    assert (result["seconds_per_turn"]["mean"], result["tokens_per_turn"]["sampled"]) == (0.5, 12)
    assert result["by_kind"]["fact"]["n"] == 2
    assert [condition["met"] for condition in result["required"]] == [False, True, False]
    assert "has no metric 'nonsense'" in result["required"][2]["reason"]
    with (tmp_path / "out" / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["verdict"] for row in rows] == ["right", "wrong", "right", "right"]
    assert json.loads(rows[1]["sentences"])[0]["reason"]


def test_a_row_without_a_reply_and_nobody_to_ask_is_an_error(judges: Judges, tmp_path: Path) -> None:
    result = run("dialogue", written(tmp_path / "a.jsonl", [REPLIES[0], {"context": ["Hi?"]}]), judges)
    assert (result["n"], result["n_error"]) == (1, 1)
    assert "no system was named" in result["errors"][0]


class _Chat(BaseHTTPRequestHandler):
    """A server of chat completions with canned replies."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        whale = "whale" in asked["messages"][-1]["content"]
        text = REPLIES[0]["response"] if whale else "I could not find that in the documents."
        answer = {"choices": [{"message": {"role": "assistant", "content": text}}], "usage": {"completion_tokens": 9}}
        body = json.dumps(answer | {"documents": [{"content": WHALE, "source": "whale.md"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def chat() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Chat)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1#whale-1"
    server.shutdown()
    server.server_close()


def test_a_server_is_asked_for_replies(judges: Judges, tmp_path: Path, chat: str) -> None:
    data = written(tmp_path / "a.jsonl", [{k: v for k, v in row.items() if k != "response"} for row in REPLIES[:3]])
    result = run("dialogue", data, judges, options=Options(system=open_endpoint(chat), out=tmp_path / "out"))
    assert (result["n"], result["n_error"], result["right"]) == (3, 0, 1)
    assert result["system"].endswith("#whale-1")
    assert (result["groundedness"], result["tokens_per_turn"]["sampled"], result["source_hit"]) == (1, 9, 1)
    assert result["seconds_per_turn"]["mean"] > 0


def test_a_server_that_is_away_is_told_of_every_row(judges: Judges, tmp_path: Path) -> None:
    data = written(tmp_path / "a.jsonl", [{"context": ["Hi?"]}])
    system = open_endpoint("http://127.0.0.1:9/v1#m", seconds=2)
    result = run("dialogue", data, judges, options=Options(system=system))
    assert (result["n"], result["n_error"]) == (0, 1)
    assert "127.0.0.1:9" in result["errors"][0]


def test_a_batch_is_judged_as_its_rows_are_one_by_one(judges: Judges, tmp_path: Path) -> None:
    rows = [row for _, row in Rows(written(tmp_path / "a.jsonl", facts(24)), GroundingRow)]
    asked = pairs(rows)
    together = judges.ground(asked)
    for scores, (context, text) in zip(together, asked, strict=True):
        [alone] = judges.judge.score(context, [text])
        assert scores.grounded == pytest.approx(alone.grounded, abs=1e-4)
        assert [claim.supported for claim in scores.claims] == [claim.supported for claim in alone.claims]
        assert [claim.reason for claim in scores.claims] == [claim.reason for claim in alone.claims]


def test_a_batch_is_scored_the_same_whatever_was_scored_before(judges: Judges, tmp_path: Path) -> None:
    rows = [row for _, row in Rows(written(tmp_path / "a.jsonl", facts(40)), GroundingRow)]
    alone = scored(KIND, judges, rows[25:])
    scored(KIND, judges, rows[:25])
    assert scored(KIND, judges, rows[25:]) == alone


def test_batches_hold_so_many_words(tmp_path: Path) -> None:
    small = replace(KIND, budget=40, size=3)
    batches = list(small.batches(Rows(written(tmp_path / "a.jsonl", facts(10)), GroundingRow)))
    assert [line for batch in batches for line, _ in batch] == list(range(1, 11))
    assert max(map(len, batches)) <= 3
    assert all(len(batch) == 1 for batch in replace(KIND, budget=1).batches(Rows(tmp_path / "a.jsonl", GroundingRow)))


def test_rows_say_which_evidence_supports_which_claim(judges: Judges, tmp_path: Path) -> None:
    options = Options(out=tmp_path / "out", table="parquet")
    result = run("grounding", written(tmp_path / "a.jsonl", facts(9)), judges, options=options)
    assert (result["auroc"], result["n"], result["unlabelled"]) == (1, 9, 0)
    assert result["by_kind"]["false"]["supported_rate"] == 0
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    assert [row["line"] for row in rows] == list(range(1, 10))
    for row, data in zip(rows, facts(9), strict=True):
        for claim in json.loads(row["sentences"]):
            assert data["response"][claim["start"] : claim["end"]] == claim["text"]
            if claim["supported"]:
                quote = data["evidence"][claim["evidence"]][claim["quote_start"] : claim["quote_end"]]
                assert quote == claim["quote"] != ""
            else:
                assert claim["reason"]


def test_rows_without_labels_are_judged_and_the_ranking_is_undefined(judges: Judges, tmp_path: Path) -> None:
    rows = [{"question": "Q?", "answer": row["response"], "contexts": row["evidence"]} for row in facts(6)]
    result = run("grounding", written(tmp_path / "a.jsonl", rows), judges)
    assert result["format"].startswith("RAGAS rows")
    assert (result["supported_rate"], result["unlabelled"], result["auroc"]) == (
        pytest.approx(2 / 3, abs=1e-6),
        6,
        None,
    )
    assert result["undefined"]["auroc"] == "no rows"


@pytest.mark.slow
def test_a_run_that_was_stopped_anywhere_ends_in_the_same_files(judges: Judges, tmp_path: Path) -> None:
    data = written(tmp_path / "a.jsonl", facts(150))
    whole = tmp_path / "whole"
    run("grounding", data, judges, options=Options(out=whole))
    lines = (whole / "rows.jsonl").read_bytes()
    for cut in (0, 1, len(lines) // 3, len(lines) - 7):  # what a killed process has written
        out = tmp_path / f"cut-{cut}"
        out.mkdir()
        (out / "run.json").write_bytes((whole / "run.json").read_bytes())
        (out / "rows.jsonl").write_bytes(lines[:cut])
        run("grounding", data, judges, options=Options(out=out))
        for name in ("grounding.json", "rows.jsonl", "rows.csv", "report.html"):
            assert (out / name).read_bytes() == (whole / name).read_bytes(), (cut, name)


FORKING = """
import os, sys
from pathlib import Path
from app.config import load_settings
from app.evaluation import Options, run
from app.evaluation.judging import packaged_judges
judges = packaged_judges(load_settings({}, {}))
for line in sys.stdin:
    pid = os.fork()
    if not pid:
        run("grounding", Path(sys.argv[1]), judges, options=Options(out=Path(line.strip())))
        os._exit(0)
    print(pid, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.mark.slow
def test_a_process_that_is_killed_ten_times_ends_in_the_same_files(tmp_path: Path) -> None:
    """The judges are loaded once, by a process that forks one for every run."""
    data, root = written(tmp_path / "a.jsonl", facts(900)), str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", FORKING, str(data)]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as loaded:
        assert loaded.stdin is not None
        assert loaded.stdout is not None

        def started(out: str) -> int:
            print(tmp_path / out, file=loaded.stdin, flush=True)
            return int(loaded.stdout.readline())

        rows = tmp_path / "killed" / "rows.jsonl"
        for place in range(1, 11):
            process = started("killed")
            while not rows.exists() or rows.read_bytes().count(b"\n") < 70 * place:
                time.sleep(0.01)
            os.kill(process, signal.SIGKILL)
            assert int(loaded.stdout.readline()) == -signal.SIGKILL
        for out in ("killed", "whole"):
            started(out)
            assert int(loaded.stdout.readline()) == 0
    for name in ("grounding.json", "rows.csv", "report.html"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_agreement_is_measured_with_the_human_ceiling_beside(judges: Judges, tmp_path: Path) -> None:
    good, bad = "A blue whale can weigh up to 190 tonnes.", "Potato the of because moon?"
    rows = [
        {
            "context": ["How heavy can a blue whale be?"],
            "response": good if place % 2 else bad,
            "evidence": [WHALE],
            "ratings": {
                "sensible": [place % 2, place % 2, int(place % 8 == 1 or place % 8 == 3)],
                "overall": 1 + place % 5,
            },
        }
        for place in range(16)
    ]
    result = run("agreement", written(tmp_path / "a.jsonl", rows), judges)
    found = result["agreement"]["sensible"]
    assert (found["judge"], found["scale"], found["human"]["raters"]) == ("sensible", [0, 1], 3)
    assert (found["auroc"], found["kappa"]) == (1, 1)
    assert 0 < found["human"]["kappa"] < 1
    assert result["agreement"]["overall"]["judge"] == "quality"
    assert result["agreement"]["overall"]["human"]["spearman"] is None
    assert result["n_of"]["agreement"]["sensible"]["spearman"] == 16


def test_an_evaluation_in_python_gives_rows_and_a_frame(
    judges: Judges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app import evaluate

    monkeypatch.setattr("app.evaluation.api.packaged_judges", lambda settings: judges)
    found = evaluate("grounding", facts(6), progress=True)
    assert found["auroc"] == found.result["auroc"] == 1
    assert [row["line"] for row in found.rows()] == list(range(1, 7))
    assert found.report.is_file()
    assert "AUROC" in found._repr_html_()
    assert capsys.readouterr().out == ""
    pandas = pytest.importorskip("pandas")
    frame = found.frame()
    assert isinstance(frame, pandas.DataFrame)
    assert len(frame) == 6
    given = evaluate("dialogue", written(tmp_path / "a.jsonl", REPLIES), out=tmp_path / "out", progress=False)
    assert given["by_kind.fact.n"] == 2
    with pytest.raises(EvaluationError, match="a row is an object"):
        evaluate("grounding", [{"evidence": {1, 2}}])


def test_the_commands_judge_files_and_fail_on_what_is_required(
    judges: Judges, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.evaluation.judging.packaged_judges", lambda settings: judges)
    data = str(written(tmp_path / "a.jsonl", facts(3)))
    assert command(["check", data]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["called"] for line in lines] == [True, True, False]
    assert command(["check", data, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 3
    assert command(["evaluate", "grounding", data, "--require", "auroc>=0.9", "--out", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    assert command(["evaluate", "grounding", data, "--require", "supported_rate<0.5"]) == 1
    out, err = capsys.readouterr()
    assert json.loads(out)["required"][0]["met"] is False
    assert "not met: supported_rate<0.5: it is 0.666667" in err
    replies = str(written(tmp_path / "b.jsonl", REPLIES))
    assert command(["evaluate", "dialogue", replies, "--require", "wrong_when_served<=0.04"]) == 1
    assert command(["evaluate", "dialogue", replies, "--require", "right==1"]) == 2
    assert "no condition: write it as" in capsys.readouterr().err
    for wrong in (["check", "none.jsonl"], ["check", "Text."], ["evaluate", "dialogue", replies, "--system", "ftp"]):
        assert command(wrong) in (1, 2)
    assert list(tmp_path.glob("candor-data")) == []


def test_stored_rows_come_in_the_order_of_the_data_and_later_lines_count(tmp_path: Path) -> None:
    lines = [{"line": 3, "a": 1}, {"line": 1, "error": "away"}, {"line": 2, "a": 2}, {"line": 1, "a": 3, "seal": "x"}]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"line": 4, "cut')
    assert list(stored_rows(tmp_path)) == [{"line": 1, "a": 3}, {"line": 2, "a": 2}, {"line": 3, "a": 1}]
    with pytest.raises(EvaluationError, match="holds no rows"):
        list(stored_rows(tmp_path / "absent"))
