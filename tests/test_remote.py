"""Language models behind a server, asked over real connections to a server with faults."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from math import exp
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from conformance_model import EVIDENCE, ModelConformance, context, written
from fault_server import KNOWN, SAYINGS, FaultServer, closed_port, fault_server
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from transformers.utils.import_utils import is_serve_available

from app import open_bot
from app.commands.terminal import show_reply
from app.config import load_settings
from app.errors import SettingsError
from dialogue import Responder
from dialogue.attributes import INTERESTING, SENSIBLE, UNSAFE
from dialogue.judges.embedded import load_judge
from dialogue.models import load_model
from dialogue.models.fallback import Fallback
from dialogue.models.scripted import Scripted
from dialogue.models.server.address import Address, read_address
from dialogue.models.server.circuit import Circuit
from dialogue.models.server.exchange import Server, ServerLimits
from dialogue.models.server.protocol import Choices, Known, yes_share
from dialogue.models.server.remote import Remote, load_remote, open_remote
from dialogue.models.server.wire import Reader, message_of
from dialogue.respond import Options
from dialogue.types import LanguageModel, ModelError, Sampling, Step, Turn, Unavailable
from retrieval import MemoryRetriever
from retrieval.encoder.adapters import load_reader
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader
from safety import SHIPPED, WEIGHTS, EmbeddedGuard, load_policy
from safety.retry import TRANSIENT

QUICK = ServerLimits(first=1.0, between=0.5, whole=20.0, backoff=0.01, cooldown=0.3)
FIVE = Sampling(n=5, max_new_tokens=40, seed=3)
ASKED = context("What does the blue whale eat?")
KEY = "sk-the-secret"


@contextmanager
def remote(
    limits: ServerLimits = QUICK,
    api_key: str = "",
    **switches: Any,  # noqa: ANN401
) -> Iterator[tuple[Remote, FaultServer]]:
    """A model behind a server that does as the switches say."""
    with fault_server(**switches) as server:
        yield Remote(Server(server.url, api_key, limits), "whale-7b"), server


class TestChat(ModelConformance):
    @pytest.fixture
    def model(self) -> Iterator[Remote]:
        with remote() as (model, _):
            yield model


class TestPlainCompletions(ModelConformance):
    @pytest.fixture
    def model(self) -> Iterator[Remote]:
        with fault_server(chat="absent") as server:
            yield load_remote(f"{server.url}/completions")


class TestAServerThatIgnoresN(ModelConformance):
    @pytest.fixture
    def model(self) -> Iterator[Remote]:
        with remote(many=False) as (model, _):
            yield model


class TestAServerWithoutProbabilities(ModelConformance):
    @pytest.fixture
    def model(self) -> Iterator[Remote]:
        with remote(logprobs=False) as (model, _):
            yield model


def test_all_drafts_come_from_one_request_where_the_server_gives_many() -> None:
    with remote() as (model, server):
        drafts = written(model, ASKED, FIVE)
        assert len(drafts) == 5
        assert set(drafts) <= set(SAYINGS)
        [body] = server.asked("/chat/completions")
        assert ASKED.working.prompt == "\n\n".join(f"{turn['role']}: {turn['content']}" for turn in body["messages"])
    assert body["n"] == 5
    assert body["seed"] == 3
    assert body["top_k"] == 40
    assert "top_p" not in body
    assert body["stream_options"] == {"include_usage": True}


def test_missing_drafts_are_asked_for_side_by_side_and_the_next_turn_does_so_at_once() -> None:
    with remote(many=False) as (model, server):
        first = written(model, ASKED, FIVE)
        assert len(first) == 5
        assert sorted(body["seed"] for body in server.asked("/chat/completions")) == [3, 4, 5, 6, 7]
        server.requests.clear()
        assert written(model, ASKED, FIVE) == first
        assert sorted(body["seed"] for body in server.asked("/chat/completions")) == [3, 4, 5, 6, 7]
        assert all("n" not in body for body in server.asked("/chat/completions"))


def test_temperature_zero_gives_the_one_greedy_draft() -> None:
    with remote() as (model, server):
        assert len(written(model, ASKED, Sampling(n=5, temperature=0))) == 1
        [body] = server.asked("/chat/completions")
        assert "top_k" not in body
        assert written(model, ASKED, Sampling(n=0)) == []


def test_tokens_are_counted_as_the_server_tells_them() -> None:
    asked = context("How heavy is it?")
    with remote() as (model, _):
        drafts = written(model, asked, FIVE)
    tokens = asked.working.tokens
    assert tokens["sampled"] == sum(len(draft.split()) for draft in drafts)
    assert tokens["reused"] == tokens["prompt"] // 2
    assert tokens["encoded"] == tokens["prompt"] - tokens["reused"] + tokens["sampled"]
    silent = context("How heavy is it?")
    with remote(details=False) as (model, _):
        written(model, silent, FIVE)
    assert set(silent.working.tokens) == {"prompt", "sampled"}


def test_progress_shows_how_many_drafts_there_are() -> None:
    with remote() as (model, _):
        steps = [made for made in model.sample(ASKED, FIVE) if isinstance(made, Step)]
    assert steps[-1] == Step("sample", "5 of 5 drafts")


@pytest.mark.parametrize("refusal", ["message", "detail"])
def test_fields_that_the_server_does_not_know_are_left_out_from_then_on(refusal: str) -> None:
    asked = context("What does it eat?")
    with remote(fields=KNOWN, refusal=refusal) as (model, server):
        assert len(written(model, asked, Sampling(n=2, min_p=0.1))) == 2
        assert any("top_k" in note for note in asked.working.notes)
        assert not any("chat_template_kwargs" in note for note in asked.working.notes)
        server.requests.clear()
        again = context("What does it eat?")
        assert len(written(model, again, Sampling(n=2, min_p=0.1))) == 2
        [body] = server.asked("/chat/completions")
        assert not {"top_k", "min_p"} & set(body)
        assert again.working.notes == []


def test_a_model_without_a_chat_template_is_asked_for_plain_completions() -> None:
    for chat, tries in (("no template", 2), ("absent", 1)):
        with remote(chat=chat) as (model, server):
            assert len(written(model, ASKED, FIVE)) == 5
            assert len(written(model, ASKED, FIVE)) == 5
            assert len(server.asked("/chat/completions")) == tries
            assert all(body["prompt"].endswith("Candor:") for body in server.asked("/completions"))


def test_a_tokenizer_that_takes_no_extras_for_its_template_gets_none() -> None:
    with remote(chat="no kwargs") as (model, server):
        assert len(written(model, ASKED, FIVE)) == 5
        assert "chat_template_kwargs" not in server.asked("/chat/completions")[-1]
        assert server.asked("/completions") == []


def test_a_template_that_wants_alternating_turns_gets_them() -> None:
    with remote(chat="strict") as (model, server):
        assert len(written(model, context("And now?", Turn("user", "Hi"), Turn("assistant", "Hello.")), FIVE)) == 5
        roles = [message["role"] for message in server.asked("/chat/completions")[-1]["messages"]]
    assert roles == ["user", "assistant", "user"]


def test_a_prompt_that_is_too_long_loses_its_oldest_turns_and_says_so() -> None:
    turns = [Turn("user" if i % 2 == 0 else "assistant", f"turn {i} " + "krill " * 100) for i in range(12)]
    asked = context("How heavy is it?", *turns)
    with remote(window=6000) as (model, server):
        assert len(written(model, asked, FIVE)) == 5
        sent = json.dumps(server.asked("/chat/completions")[-1]["messages"])
    assert "turn 0 " not in sent
    assert "turn 11 " in sent
    assert EVIDENCE[0].passage.text in sent
    assert any("left out to fit" in note for note in asked.working.notes)
    with remote(window=100) as (model, _), pytest.raises(ModelError, match="too long for the model"):
        written(model, ASKED, FIVE)


# --- weighing ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chat", ["yes", "absent"])
def test_weights_are_the_share_of_the_wanted_answer(chat: str) -> None:
    with remote(chat=chat) as (model, server):
        rows = model.weigh(ASKED, ["It eats krill.", "Hm."], [SENSIBLE, UNSAFE])
        path = "/chat/completions" if chat == "yes" else "/completions"
        bodies = server.asked(path)
    assert len(bodies) == 4
    assert all(body.get("max_tokens") == 1 for body in bodies)
    assert len({weight for row in rows for weight in row}) == 4
    last = bodies[0]["messages"][-1]["content"] if chat == "yes" else bodies[0]["prompt"]
    assert "Answer yes or no." in last


def test_yes_and_no_are_read_in_all_their_spellings() -> None:
    top = [("Yes", -1.0), (" yes", -2.0), ("▁YES", -3.0), ("no", -1.5), ("Ġno", -2.5), ("perhaps", -0.1)]
    content = [{"token": "Yes", "logprob": -1.0, "top_logprobs": [{"token": t, "logprob": p} for t, p in top]}]
    yes, no = exp(-1) + exp(-2) + exp(-3), exp(-1.5) + exp(-2.5)
    share = yes / (yes + no)
    assert yes_share({"choices": [{"logprobs": {"content": content}}]}) == pytest.approx(share)
    plain = {"tokens": ["Yes"], "token_logprobs": [-1.0], "top_logprobs": [dict(top)]}
    assert yes_share({"choices": [{"logprobs": plain}]}) == pytest.approx(share)
    assert yes_share({"choices": [{"logprobs": None}]}) is None
    with pytest.raises(ModelError, match="neither"):
        yes_share({"choices": [{"logprobs": {"content": [{"token": "<think>", "logprob": 0.0}]}}]})
    for strange in ({"content": [1]}, {"content": [{"token": "a", "logprob": "b"}]}, {"top_logprobs": [3]}):
        with pytest.raises(ModelError, match="protocol"):
            yes_share({"choices": [{"logprobs": strange}]})


def test_a_server_without_probabilities_is_told_so_and_asked_once() -> None:
    with remote(logprobs=False) as (model, server):
        for _ in range(2):
            with pytest.raises(ModelError, match="no probabilities"):
                model.weigh(ASKED, ["It eats krill."], [SENSIBLE])
        assert len(server.asked("/chat/completions")) == 1
        assert len(written(model, ASKED, FIVE)) == 5


def test_fewer_alternatives_are_asked_for_where_twenty_are_too_many() -> None:
    with remote(top=5) as (model, server):
        assert len(model.weigh(ASKED, ["It eats krill."], [SENSIBLE, INTERESTING])[0]) == 2
        assert server.asked("/chat/completions")[-1]["top_logprobs"] == 5
    with remote(top=2) as (model, _), pytest.raises(ModelError, match="no probabilities"):
        model.weigh(ASKED, ["It eats krill."], [SENSIBLE])


# --- faults --------------------------------------------------------------------------------------------------


def test_a_server_that_is_down_is_named_with_what_to_do() -> None:
    model = Remote(Server(f"http://127.0.0.1:{closed_port()}/v1", "", QUICK), "whale-7b")
    with pytest.raises(Unavailable, match=r"not reachable .*start it"):
        written(model, ASKED, FIVE)
    with pytest.raises(Unavailable, match="not reachable"):
        model.weigh(ASKED, ["x"], [SENSIBLE])


@pytest.mark.parametrize("fault", ["hang", "hang mid stream", "ping"])
def test_a_server_that_says_nothing_is_left(fault: str) -> None:
    with remote(fault=fault) as (model, server):
        with pytest.raises(Unavailable, match="sent nothing for"):
            written(model, ASKED, FIVE)
        assert server.hung_up.wait(5)
        assert len(server.asked("/chat/completions")) == 1


def test_all_the_time_there_is_bounds_a_sampling() -> None:
    with (
        remote(ServerLimits(first=9, whole=0.3), fault="hang") as (model, _),
        pytest.raises(Unavailable, match="in time"),
    ):
        written(model, ASKED, FIVE)


def test_what_broke_off_is_asked_for_again() -> None:
    with remote(fault="cut", times=1) as (model, server):
        drafts = written(model, ASKED, FIVE)
        assert len(drafts) == 5
        assert set(drafts) <= set(SAYINGS)
        assert [body.get("n", 1) for body in server.asked("/chat/completions")] == [5, 1, 1, 1, 1]
        assert written(model, ASKED, FIVE)
        assert server.asked("/chat/completions")[-1]["n"] == 5


def test_whole_drafts_are_kept_when_the_rest_is_lost() -> None:
    asked = context("What does it eat?")
    with remote(fault="malformed stream") as (model, _):
        assert written(model, asked, FIVE) == [SAYINGS[0]]
    assert any(note.startswith("4 of 5 drafts are missing") for note in asked.working.notes)


@pytest.mark.parametrize("fault", ["cut at once", "told in stream"])
def test_a_server_that_always_breaks_off_is_unavailable(fault: str) -> None:
    with remote(fault=fault) as (model, _), pytest.raises(Unavailable, match=r"broke off|engine died"):
        written(model, ASKED, Sampling(n=1))


def test_more_choices_than_asked_for_are_left_out() -> None:
    with remote(extra=3) as (model, _):
        assert len(written(model, ASKED, FIVE)) == 5


def test_fewer_choices_are_made_up() -> None:
    with remote(extra=-2) as (model, server):
        server.does.extra = -2
        steps = model.sample(ASKED, FIVE)
        first = next(made for made in steps if isinstance(made, str))
        server.does.extra = 0
        assert len([first, *(made for made in steps if isinstance(made, str))]) == 5
    with remote(extra=-9) as (model, _), pytest.raises(Unavailable, match="no choices"):
        written(model, ASKED, FIVE)


def test_an_answer_in_one_piece_is_as_good_as_a_stream() -> None:
    with remote(fault="whole anyway") as (model, _):
        assert written(model, ASKED, FIVE) == [SAYINGS[0]] * 5


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("malformed", "JSON object"),
        ("wrong types", "OpenAI's protocol"),
        ("other protocol", "generated_text"),
        ("html fine", "mostly ends in /v1"),
        ("compressed", "compresses"),
        ("huge", "more than 100,000 bytes"),
        ("huge line", "more than 100,000 bytes"),
    ],
)
def test_what_is_no_such_server_is_told_so(fault: str, said: str) -> None:
    limits = ServerLimits(size=100_000, backoff=0.01)
    with remote(limits, fault=fault) as (model, server):
        with pytest.raises(ModelError, match=said) as caught:
            written(model, ASKED, FIVE)
        assert not isinstance(caught.value, Unavailable)
        assert len(server.asked("/chat/completions")) == 1
        with pytest.raises(ModelError):
            model.weigh(ASKED, ["x"], [SENSIBLE])


def test_an_error_page_is_tried_again_and_never_quoted() -> None:
    with remote(fault="html") as (model, server):
        with pytest.raises(Unavailable, match="HTTP 502") as caught:
            written(model, ASKED, FIVE)
        assert "<" not in str(caught.value)
        assert len(server.asked("/chat/completions")) == QUICK.tries


def test_a_failure_that_passes_is_not_noticed() -> None:
    for fault in ("failing", "html", "told in stream"):
        with remote(fault=fault, times=2) as (model, _):
            assert len(written(model, ASKED, FIVE)) == 5


@pytest.mark.parametrize("status", sorted(TRANSIENT))
def test_every_status_that_may_pass_is_tried_again(status: int) -> None:
    with remote(fault="busy", times=2, status=status) as (model, server):
        assert len(written(model, ASKED, FIVE)) == 5
        assert len(server.asked("/chat/completions")) == 3


def test_a_mistake_of_ours_is_not_taken_for_one_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Reader, response: object) -> Iterator[dict[str, Any]]:
        raise KeyError("a mistake")

    monkeypatch.setattr(Reader, "objects", broken)
    with remote() as (model, server):
        with pytest.raises(KeyError, match="a mistake"):
            written(model, ASKED, FIVE)
        assert len(server.asked("/chat/completions")) <= 1


def test_a_busy_server_is_asked_again_when_it_says() -> None:
    with remote(fault="busy", times=1, retry_after="0.2") as (model, _):
        assert len(written(model, ASKED, FIVE)) == 5
    with remote(fault="busy", retry_after="3600") as (model, server):
        with pytest.raises(Unavailable, match="asks to wait 3600 s"):
            written(model, ASKED, FIVE)
        assert len(server.asked("/chat/completions")) == 1
    for header in ("nan", "inf", "-5", "soon", "Sat, 01 Jan 2000 00:00:00 GMT"):
        outcome = pytest.raises(Unavailable) if header == "inf" else nullcontext()
        with remote(fault="busy", times=1, retry_after=header) as (model, _), outcome:
            assert len(written(model, ASKED, FIVE)) == 5


def test_no_redirect_is_followed() -> None:
    with fault_server() as elsewhere, remote(api_key=KEY, fault="redirect", location=elsewhere.url) as (model, _):
        with pytest.raises(ModelError, match=r"redirects to '127\.0\.0\.1'"):
            written(model, ASKED, FIVE)
        assert elsewhere.requests == []


def test_empty_drafts_are_left_out_with_a_note() -> None:
    asked = context("What does it eat?")
    with remote(saying="") as (model, server):
        assert written(model, asked, FIVE) == []
        assert len(server.asked("/chat/completions")) == 1
    assert asked.working.notes == [f"{model.name} wrote nothing but empty drafts"]


def test_an_unknown_model_is_told_by_name() -> None:
    with fault_server() as server, pytest.raises(ModelError, match="no-such-model"):
        written(Remote(Server(server.url, "", QUICK), "no-such-model"), ASKED, FIVE)


def test_a_server_with_a_key_gets_it_in_its_header_and_nobody_else_sees_it() -> None:
    with fault_server(key=KEY) as server:
        model = load_remote(server.url, KEY)
        assert len(written(model, ASKED, FIVE)) == 5
        assert KEY not in model.fingerprint + model.name + repr(vars(model))
        assert all(headers["Authorization"] == f"Bearer {KEY}" for headers in server.headers)
        with pytest.raises(ModelError, match="CANDOR_API_KEY") as caught:
            load_remote(server.url, "sk-the-wrong-one")
        assert "sk-the-wrong" not in str(caught.value)
    with pytest.raises(ModelError, match="no header can carry") as caught:
        load_remote("http://127.0.0.1:1/v1", "sk-\n-broken")
    assert "broken" not in str(caught.value)


def test_a_server_that_quotes_the_key_is_not_quoted() -> None:
    with fault_server() as server, pytest.raises(ModelError, match="does not exist") as caught:
        written(Remote(Server(server.url, KEY, QUICK), f"model-{KEY}"), ASKED, FIVE)
    assert KEY not in str(caught.value)


def test_the_circuit_opens_and_one_try_closes_it_again() -> None:
    with remote(fault="failing") as (model, server):
        for _ in range(QUICK.failures):
            with pytest.raises(Unavailable, match="HTTP 500"):
                written(model, ASKED, FIVE)
        asked = len(server.requests)
        with pytest.raises(Unavailable, match="left alone"):
            written(model, ASKED, FIVE)
        assert len(server.requests) == asked
        server.does.fault = ""
        threading.Event().wait(QUICK.cooldown)
        assert len(written(model, ASKED, FIVE)) == 5
        assert len(written(model, ASKED, FIVE)) == 5
        assert not Fallback(model, Scripted([])).resting


def test_a_model_that_is_left_alone_says_so() -> None:
    circuit = Circuit(1, 10.0)
    assert not circuit.resting
    circuit.settle(False)
    assert circuit.resting


@given(st.lists(st.sampled_from(["worked", "failed", "given up", "later"]), max_size=40))
def test_an_open_circuit_lets_one_try_through_at_a_time(events: list[str]) -> None:
    now = 0.0
    circuit = Circuit(2, 10.0, lambda: now)
    row, opened = 0, -10.0
    for event in events:
        if event == "later":
            now += 6.0
            continue
        wait = circuit.enter()
        assert (wait > 0) == (row >= 2 and now < opened + 10.0)
        if wait:
            continue
        if row >= 2:
            assert circuit.enter() > 0
        circuit.settle({"worked": True, "failed": False, "given up": None}[event])
        row = {"worked": 0, "failed": row + 1, "given up": row}[event]
        opened = now if event == "failed" else opened


@pytest.mark.parametrize("fault", ["hang", "hang mid stream", "ping"])
@pytest.mark.parametrize("many", [True, False])
def test_closing_the_drafts_hangs_up_at_the_server(fault: str, many: bool) -> None:
    with remote(ServerLimits(first=60, between=60), fault=fault, many=many) as (model, server):
        steps = model.sample(ASKED, FIVE)
        assert isinstance(next(steps), Step)
        steps.close()
        assert server.hung_up.wait(5)


def test_no_thread_is_left_behind() -> None:
    with remote(many=False) as (model, _):
        written(model, ASKED, FIVE)
        steps = model.sample(ASKED, FIVE)
        next(steps)
        steps.close()
    for thread in threading.enumerate():
        if thread.name == "ask":
            thread.join(5)
            assert not thread.is_alive()


# --- addresses, names, models --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "address"),
    [
        ("http://host:8000/v1", Address("http://host:8000/v1", False, "")),
        ("http://host:8000", Address("http://host:8000/v1", False, "")),
        ("https://host/api/v1/#org/model-7b", Address("https://host/api/v1", False, "org/model-7b")),
        ("http://host/v1/chat/completions#m", Address("http://host/v1", False, "m")),
        ("http://host/v1/completions#m%20x", Address("http://host/v1", True, "m x")),
        ("http://[::1]:8000/v1", Address("http://[::1]:8000/v1", False, "")),
    ],
)
def test_addresses_are_read(spec: str, address: Address) -> None:
    assert read_address(spec) == address


@pytest.mark.parametrize(
    "spec",
    [
        "http://",
        "http:///v1",
        "http://me:hunter2@host/v1",
        "http://host/v1?key=hunter2",
        "http://host:hunter2/v1",
        "http://ho st/v1",
        "http://[hunter2/v1",
        "http://@host/v1",
        "http://höst/v1",
    ],
)
def test_addresses_with_secrets_or_none_are_refused_without_showing_them(spec: str) -> None:
    with pytest.raises(ModelError) as caught:
        read_address(spec)
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_an_error(text: str) -> None:
    for spec in (f"http://{text}", f"https://host/{text}"):
        with suppress(ModelError):
            assert read_address(spec).url.startswith(("http://", "https://"))


def test_a_key_that_goes_unencrypted_to_another_machine_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    open_remote("http://127.0.0.1:8000/v1", KEY)
    open_remote("https://models.example.org/v1", KEY)
    open_remote("http://models.example.org/v1")
    assert caplog.text == ""
    open_remote("http://models.example.org/v1", KEY)
    assert "use https" in caplog.text
    assert KEY not in caplog.text


def test_the_first_model_is_taken_where_none_is_named() -> None:
    with fault_server(models=["whale-7b", "krill-1b"]) as server:
        model = load_remote(server.url)
        assert model.name == f"{server.url}#whale-7b"
        assert model.fingerprint == load_remote(server.url).fingerprint
        assert model.fingerprint != load_remote(f"{server.url}#krill-1b").fingerprint
        server.does.models = []
        with pytest.raises(ModelError, match="URL#MODEL"):
            load_remote(server.url)


def test_a_server_that_is_away_at_first_is_found_later() -> None:
    with fault_server() as server:
        model = Remote(Server(server.url, "", QUICK))
        server.does.key = "other"
        with pytest.raises(ModelError, match="CANDOR_API_KEY"):
            written(model, ASKED, FIVE)
        server.does.key = ""
        assert len(written(model, ASKED, FIVE)) == 5
        assert model.name.endswith("#whale-7b")
    away = load_remote(f"http://127.0.0.1:{closed_port()}/v1")
    with pytest.raises(Unavailable):
        written(away, ASKED, FIVE)


# --- standing in ---------------------------------------------------------------------------------------------


def test_another_model_answers_in_place_of_one_that_is_away() -> None:
    asked = context("What does it eat?")
    quote = Scripted(["It eats krill."])
    model = Fallback(Remote(Server(f"http://127.0.0.1:{closed_port()}/v1", "", QUICK), "whale-7b"), quote)
    assert written(model, asked, FIVE) == ["It eats krill."]
    [note] = asked.working.notes
    assert note.startswith("answered in quoting mode")
    assert "not reachable" in note
    assert model.name.endswith("#whale-7b")
    with pytest.raises(Unavailable):
        model.weigh(asked, ["x"], [SENSIBLE])


def test_nobody_answers_in_place_of_a_model_that_refuses() -> None:
    with fault_server(key="other") as server:
        model = Fallback(Remote(Server(server.url, "", QUICK), "whale-7b"), Scripted(["It eats krill."]))
        with pytest.raises(ModelError, match="CANDOR_API_KEY"):
            written(model, ASKED, FIVE)


# --- the protocol alone --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ('{"error": {"message": "no"}}', "no"),
        ('{"error": "no"}', "no"),
        ('{"object": "error", "message": "no"}', "no"),
        ('{"detail": "no"}', "no"),
        ('[{"error": {"message": "no"}}]', "no"),
        ('{"detail": [{"loc": ["body", "n"], "msg": "no"}]}', "['body', 'n'] no"),
        ("no", "no"),
        (" <html>no</html>", ""),
    ],
)
def test_errors_are_read_in_every_usual_shape(body: str, message: str) -> None:
    assert message_of(body) == message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "message", "content", "index", "usage", "logprobs", "text"])
            | st.sampled_from(
                ["finish_reason", "top_logprobs", "token", "logprob", "prompt_tokens", "error", "detail"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_any_answer_is_read_or_refused(data: object) -> None:
    for answer in (data, {"choices": [data]}, {"choices": [{"delta": data}]}, {"choices": [{"logprobs": data}]}):
        if isinstance(answer, dict):
            for read in (Choices(3).feed, yes_share):
                with suppress(ModelError):
                    read(answer)
        assert isinstance(message_of(json.dumps(answer)), str)


@given(st.lists(st.tuples(st.integers(0, 4), st.text(max_size=4), st.booleans()), max_size=30))
def test_choices_are_put_together_whatever_their_order(pieces: list[tuple[int, str, bool]]) -> None:
    choices, texts, ended = Choices(3), dict[int, str](), dict[int, str]()
    for index, text, end in pieces:
        delta = {"index": index, "delta": {"content": text}, "finish_reason": "stop" if end else None}
        complete = choices.feed({"choices": [delta]})
        if index < 3 and index not in ended:
            texts[index] = texts.get(index, "") + text
            if end:
                ended[index] = texts[index]
                assert [(whole.index, whole.text) for whole in complete] == [(index, texts[index])]
                continue
        assert complete == []
    assert {whole.index: whole.text for whole in choices.rest()} == {
        index: text for index, text in texts.items() if index not in ended
    }


WORDS = ["top_k", "min_p", "seed", "temperature", "top_p", "stream_options", "chat_template_kwargs", "logprobs", "n"]
WORDS += ["chat template", "system role", "max_tokens", "max_completion_tokens", "model", "Not Found", "must alternate"]


@given(
    st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join),
    st.sampled_from([400, 404, 405, 422, 501]),
    st.booleans(),
    st.booleans(),
)
def test_whatever_a_server_rejects_there_is_an_end_to_learning(
    said: str, status: int, plain: bool, weigh: bool
) -> None:
    known, sampling = Known(plain=plain), Sampling(n=4, min_p=0.1, top_p=0.9, seed=1)

    def body() -> dict[str, Any]:
        drafts = known.sampling("m", ASKED, sampling, 4 if known.many else 1, 1)
        return known.weighing("m", ASKED, "x", SENSIBLE) if weigh else drafts

    for _ in range(20):
        path, sent = known.path, body()
        if known.learn(sent, status, said) is None or known.mute:
            return
        assert (known.path, body()) != (path, sent)
    raise AssertionError("it never ended")


def test_a_newer_name_for_the_length_is_learned() -> None:
    known = Known()
    body = known.sampling("m", ASKED, FIVE, 5, None)
    said = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    assert known.learn(body, 400, said) == ""
    assert "max_completion_tokens" in known.sampling("m", ASKED, FIVE, 5, None)


# --- whole turns ---------------------------------------------------------------------------------------------


def responder(model: LanguageModel, encoder: Encoder, reader: PassageReader) -> Responder:
    passages = [item.passage for item in EVIDENCE]
    guard = EmbeddedGuard(load_reader(encoder, WEIGHTS, SHIPPED), load_policy())
    return Responder(model, MemoryRetriever(passages, encoder), guard, load_judge(encoder, reader))


def test_a_turn_is_answered_with_drafts_of_a_server(encoder: Encoder, passage_reader: PassageReader) -> None:
    with remote() as (model, server):
        seeded = replace(
            responder(model, encoder, passage_reader), options=Options(Sampling(seed=3))
        )  # else the server draws at random
        reply = seeded.respond([Turn("user", "How much krill does a blue whale eat a day?")])
        assert server.asked("/chat/completions")[0]["n"] == 8
    assert reply.outcome == "answered"
    assert "four tonnes" in reply.text
    assert reply.citations[0].source == "whale.md"
    assert reply.trace.model == model.fingerprint
    assert reply.trace.tokens["sampled"] > 0
    assert reply.trace.notes == ()


def test_while_the_server_is_down_quote_answers_and_every_reader_is_told(
    encoder: Encoder, passage_reader: PassageReader
) -> None:
    model = load_model(f"http://127.0.0.1:{closed_port()}/v1", passage_reader)
    reply = responder(model, encoder, passage_reader).respond(
        [Turn("user", "How much krill does a blue whale eat a day?")]
    )
    assert reply.outcome == "answered"
    assert "four tonnes" in reply.text
    [note] = reply.trace.notes
    assert note.startswith("answered in quoting mode")
    console = Console(record=True, width=500)
    show_reply(console, reply)
    assert note in console.export_text()


def test_the_key_is_in_nothing_that_is_stored_or_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: Encoder, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("retrieval.encoder.embed.load_encoder", lambda name="": encoder)
    (tmp_path / "whale.md").write_text("# Blue whale\n\nAn adult eats four tonnes of krill a day.\n")
    caplog.set_level("DEBUG")
    with fault_server(key=KEY) as server:
        with open_bot(tmp_path / "data", model=server.url, api_key=KEY) as bot:
            bot.ingest([tmp_path / "whale.md"])
            reply = bot.ask("How much krill does a blue whale eat a day?")
            shown = [repr(bot), repr(bot.settings), repr(reply), *map(repr, bot.doctor())]
            assert any(f"{server.url}#whale-7b answers" in line for line in shown)
            server.does.key = "another"
            with pytest.raises(ModelError) as caught:
                bot.ask("How heavy is it?")
        assert KEY in server.headers[-1]["Authorization"]
    stored = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert all(KEY not in text for text in [*shown, str(caught.value), caplog.text])
    assert all(KEY.encode() not in data for data in stored)
    with pytest.raises(SettingsError) as refused:
        load_settings({}, {"CANDOR_API_KEY": f"{KEY}\0"})
    assert KEY not in str(refused.value)


# --- a server that others wrote ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The address and the model of `transformers serve`: a tiny chat model that samples."""
    if not is_serve_available():
        pytest.skip("transformers serve needs the openai package of the dev extra")
    from transformers.cli.serve import Serve

    folder = tiny_models.save(tmp_path_factory.mktemp("served"), "llama", tiny_models.CHAT)
    config = folder / "generation_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"do_sample": True}))
    port = closed_port()
    server = Serve(str(folder), host="127.0.0.1", port=port, device="cpu", log_level="error", non_blocking=True)
    try:
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        server.kill_server()


@pytest.mark.slow
@pytest.mark.parametrize("path", ["", "/completions"])
def test_transformers_serve_gives_all_drafts_though_it_ignores_n(served: tuple[str, str], path: str) -> None:
    model = open_remote(f"{served[0]}{path}#{served[1]}")
    asked = context("What does it eat?", evidence=())
    drafts = written(model, asked, Sampling(n=3, max_new_tokens=12))
    assert len(set(drafts)) == 3
    assert asked.working.tokens["sampled"] <= 3 * 12
    assert asked.working.notes == ["the model server does not take top_k: left out"]
    again = context("What does it eat?", evidence=())
    assert len(written(model, again, Sampling(n=3, max_new_tokens=12))) == 3
    assert again.working.notes == []
    with pytest.raises(ModelError, match="no probabilities"):
        model.weigh(asked, ["Krill."], [SENSIBLE])


@pytest.mark.slow
def test_transformers_serve_survives_callers_that_hang_up(served: tuple[str, str]) -> None:
    model = open_remote("#".join(served))
    steps = model.sample(ASKED, Sampling(n=3, max_new_tokens=1000))
    assert isinstance(next(steps), Step)
    steps.close()
    assert written(model, context("Hello", evidence=()), Sampling(n=1, max_new_tokens=8))


@pytest.mark.parametrize("many", [True, False])
def test_half_a_character_that_a_server_sends_becomes_a_sign_and_two_halves_become_one(many: bool) -> None:
    with remote(saying="It eats \ud800 krill \ud83d\ude0b .", many=many) as (model, _):
        assert set(written(model, ASKED, FIVE)) == {"It eats \ufffd krill \U0001f60b ."}


def test_a_character_whose_halves_come_in_two_pieces_is_whole() -> None:
    choices = Choices(1)
    for text, reason in (("Krill \ud83d", None), ("\ude0b", None), (" \ude0b", "stop")):
        done = choices.feed({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": reason}]})
    assert [choice.text for choice in done] == ["Krill \U0001f60b \ufffd"]


def test_a_model_that_cannot_be_named_is_not_taken() -> None:
    with fault_server(models=["\ud800", "whale-7b"]) as server:
        assert load_remote(server.url).name.endswith("#whale-7b")
