"""The API as its clients use it: the official openai client and a chat front end, against a real server."""

import base64
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image
from test_jobs import until
from web_client import request
from web_fixture import canned_bot, serving

from app.bot import Bot
from retrieval.encoder.embed import Encoder

EVEREST = """# Mount Everest

Mount Everest is 8,849 metres high. Mount Everest was first climbed in 1953. Mount Everest stands in the Himalayas.
"""
ASKED = "Which Mount Everest facts are there?"


@pytest.fixture(scope="module")
def bot(encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("api")
    (folder / "everest.md").write_text(EVEREST)
    with canned_bot(folder / "data", encoder, [folder / "everest.md"], pace=0.01) as bot:
        yield bot


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[openai.OpenAI]:
    """The official client; what it retries by itself would hide what a server says."""
    with openai.OpenAI(base_url=f"{url}v1", api_key="none", max_retries=0) as client:
        yield client


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


def test_a_question_is_answered_with_citations_and_trace(client: openai.OpenAI, bot: Bot) -> None:
    made = client.chat.completions.create(model="candor", messages=said(ASKED))  # type: ignore[arg-type]
    [choice] = made.choices
    assert choice.finish_reason == "stop"
    assert choice.message.role == "assistant"
    assert "8,849 metres high. [1]" in (choice.message.content or "")
    candor = made.model_extra["candor"]  # type: ignore[index]
    assert candor["outcome"] == "answered"
    assert candor["citations"][0]["source"] == "everest.md"
    assert candor["citations"][0]["quote"] == "Mount Everest is 8,849 metres high."
    assert [draft["dropped"] for draft in candor["trace"]["candidates"]][-1] == "It demeans people."
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.prompt_tokens + made.usage.completion_tokens > 0
    assert bot.history.turns(candor["conversation"])[0].question == ASKED


def test_n_gives_the_candidates_that_passed_as_they_rank(client: openai.OpenAI) -> None:
    made = client.chat.completions.create(model="candor", messages=said(ASKED), n=100)  # type: ignore[arg-type]
    texts = [choice.message.content or "" for choice in made.choices]
    assert [choice.index for choice in made.choices] == list(range(len(texts)))
    assert len(set(texts)) == len(texts) == 4  # the served one and three; two were dropped
    assert all("[1]" in text for text in texts)
    assert not any("unkind" in text or "oldest" in text for text in texts)
    others = made.model_extra["candor"]["others"]  # type: ignore[index]
    assert [len(cited) for cited in others] == [1, 1, 1]


def test_a_stream_tells_the_stages_then_the_reply_then_the_usage(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="candor",
            messages=said(ASKED),  # type: ignore[arg-type]
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    whole = client.chat.completions.create(model="candor", messages=said(ASKED))  # type: ignore[arg-type]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == whole.choices[0].message.content
    told = [chunk.model_extra["candor"] for chunk in chunks if "candor" in (chunk.model_extra or {})]  # type: ignore[index]
    assert [entry["step"]["stage"] for entry in told[:-1]] == ["guard", "search", "sample", "judge", "rank"]
    assert told[-1]["outcome"] == "answered"
    assert chunks[-1].usage is not None
    assert chunks[-1].choices == []
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-1]][-1] == "stop"


def test_a_conversation_goes_on_under_its_id(client: openai.OpenAI, bot: Bot) -> None:
    made = client.chat.completions.create(model="candor", messages=said(ASKED))  # type: ignore[arg-type]
    conversation = made.model_extra["candor"]["conversation"]  # type: ignore[index]
    more = {"conversation": conversation}
    client.chat.completions.create(model="candor", messages=said("And Everest?"), extra_body=more)  # type: ignore[arg-type]
    assert [turn.question for turn in bot.history.turns(conversation)] == [ASKED, "And Everest?"]
    with pytest.raises(openai.NotFoundError, match="no such conversation"):
        client.chat.completions.create(
            model="candor",
            messages=said("Hi"),  # type: ignore[arg-type]
            extra_body={"conversation": "another"},
        )


def test_earlier_turns_are_given_to_the_responder_and_what_a_system_says_is_style(bot: Bot, url: str) -> None:
    from app.bot import styled, told_apart
    from dialogue.types import Role, Turn

    before, style = told_apart([Turn("system", "Be brief."), Turn("user", "a"), Turn("assistant", "b")])
    assert before == (Turn("user", "a"), Turn("assistant", "b"))
    assert styled(Role(style="You are kind."), style).style == "You are kind. Be brief."
    seen: list[Any] = []
    inner = bot.responder.steps

    def watched(turns: Any, role: Any = None) -> Any:  # noqa: ANN401
        seen.append((turns, role.style))
        return inner(turns, role)

    bot.responder.steps = watched  # type: ignore[method-assign]
    try:
        messages = [
            {"role": "developer", "content": "Be brief."},
            *said("How high is Everest?"),
            {"role": "assistant", "content": "8,849 metres."},
            *said(ASKED),
        ]
        for store in (True, False):
            body = json.dumps({"messages": messages, "store": store}).encode()
            assert request(url, "POST", "/v1/chat/completions", body).status == 200
    finally:
        bot.responder.steps = inner  # type: ignore[method-assign]
    for turns, style in seen:
        assert [turn.text for turn in turns] == ["How high is Everest?", "8,849 metres.", ASKED]
        assert style.endswith("Be brief.")


def test_without_store_nothing_is_kept(client: openai.OpenAI, bot: Bot) -> None:
    before = len(bot.history.conversations(1000))
    made = client.chat.completions.create(model="candor", messages=said(ASKED), store=False)  # type: ignore[arg-type]
    assert "8,849" in (made.choices[0].message.content or "")
    assert made.model_extra["candor"]["conversation"] is None  # type: ignore[index]
    assert len(bot.history.conversations(1000)) == before


def test_responses_are_what_the_client_expects_and_go_on(client: openai.OpenAI, bot: Bot) -> None:
    made = client.responses.create(model="candor", instructions="Be brief.", input=ASKED)
    assert made.status == "completed"
    assert "8,849 metres high. [1]" in made.output_text
    assert made.usage is not None
    assert made.usage.total_tokens > 0
    [part] = made.output[0].content  # type: ignore[union-attr]
    assert part.annotations[0].filename == "everest.md"  # type: ignore[union-attr]
    again = client.responses.create(model="candor", input="And Everest?", previous_response_id=made.id)
    conversation = again.model_extra["candor"]["conversation"]  # type: ignore[index]
    assert [turn.question for turn in bot.history.turns(conversation)] == [ASKED, "And Everest?"]
    with pytest.raises(openai.BadRequestError, match="has gone on"):
        client.responses.create(model="candor", input="And K2?", previous_response_id=made.id)
    with client.responses.stream(model="candor", input=[{"role": "user", "content": ASKED}]) as stream:
        kinds = [event.type for event in stream]
        assert stream.get_final_response().output_text == made.output_text
    assert kinds[0] == "response.created"
    assert "response.output_text.delta" in kinds
    assert kinds[-1] == "response.completed"


def test_models_are_the_roles(client: openai.OpenAI) -> None:
    names = [model.id for model in client.models.list()]
    assert names[0] == "candor"
    assert "candor:everest" in names
    assert client.models.retrieve("candor:everest").model_extra["role"] == "everest"  # type: ignore[index]
    for name in ("gpt-5", "candor:nobody", "../x"):
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(name)
    with pytest.raises(openai.NotFoundError, match="GET /v1/models"):
        client.chat.completions.create(model="gpt-5", messages=said(ASKED))  # type: ignore[arg-type]


def test_what_changes_nothing_is_named_and_what_cannot_be_honoured_is_refused(client: openai.OpenAI) -> None:
    made = client.chat.completions.create(
        model="candor",
        messages=said(ASKED),  # type: ignore[arg-type]
        temperature=0.3,
        max_tokens=5,
        seed=1,
        stop=["x"],
        tools=[{"type": "function", "function": {"name": "f"}}],
        user="me",
        extra_body={"keep_alive": "5m"},
    )
    ignored = made.model_extra["candor"]["ignored"]  # type: ignore[index]
    assert ignored == ["keep_alive", "max_tokens", "seed", "stop", "temperature", "tools"]
    with pytest.raises(openai.BadRequestError, match="only text is written"):
        client.chat.completions.create(
            model="candor",
            messages=said(ASKED),  # type: ignore[arg-type]
            response_format={"type": "json_object"},
        )
    with pytest.raises(openai.BadRequestError, match="no tools of a client"):
        client.chat.completions.create(model="candor", messages=said(ASKED), tool_choice="required")  # type: ignore[arg-type]


def test_a_picture_comes_with_a_message(client: openai.OpenAI, bot: Bot) -> None:
    drawn = BytesIO()
    Image.new("RGB", (8, 8), "red").save(drawn, "PNG")
    url = "data:image/png;base64," + base64.b64encode(drawn.getvalue()).decode()
    content = [{"type": "text", "text": ASKED}, {"type": "image_url", "image_url": {"url": url}}]
    made = client.chat.completions.create(model="candor", messages=[{"role": "user", "content": content}])  # type: ignore[misc, list-item]
    [turn] = bot.history.turns(made.model_extra["candor"]["conversation"])  # type: ignore[index]
    assert bot.history.pictures(turn.id)[0].data == drawn.getvalue()
    content[1] = {"type": "image_url", "image_url": {"url": "http://127.0.0.1:9/x.png"}}
    with pytest.raises(openai.BadRequestError, match="none is fetched"):
        client.chat.completions.create(model="candor", messages=[{"role": "user", "content": content}])  # type: ignore[misc, list-item]


def test_a_refusal_and_an_abstention_are_replies_like_others(client: openai.OpenAI) -> None:
    for text, outcome in (("How do I build a bomb?", "refused"), ("Zyzzyva quux?", "abstained")):
        made = client.chat.completions.create(model="candor", messages=said(text), n=3)  # type: ignore[arg-type]
        assert made.model_extra["candor"]["outcome"] == outcome  # type: ignore[index]
        assert len(made.choices) == 1


def test_a_failure_is_told_without_its_details_and_in_a_stream_as_an_event(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="candor", messages=said("crash"))  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)
    with pytest.raises(openai.APIError) as told:
        list(client.chat.completions.create(model="candor", messages=said("crash"), stream=True))  # type: ignore[arg-type]
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_stops_its_turn(bot: Bot, url: str, stream: bool) -> None:
    import http.client
    from urllib.parse import urlsplit

    connection = http.client.HTTPConnection(urlsplit(url).netloc)
    body = json.dumps({"messages": said(f"slow {stream} Everest"), "stream": stream})
    connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
    if stream:
        assert connection.getresponse().read(10)
    until(lambda: bool(bot.history.conversations(1, search=f"slow {stream}")))
    [talk] = bot.history.conversations(1, search=f"slow {stream}")
    until(lambda: bot.history.turns(talk.id) != [])
    assert connection.sock is None or connection.sock.close() is None  # type: ignore[func-returns-value]
    connection.close()
    until(lambda: bot.history.turns(talk.id)[0].state != "pending")
    assert bot.history.turns(talk.id)[0].state == "cancelled"


def test_overload_is_429_with_a_time_to_come_again_and_never_a_hang(encoder: Encoder, tmp_path: Path) -> None:
    from dataclasses import replace

    with canned_bot(tmp_path / "data", encoder, pace=0.05) as bot:
        object.__setattr__(bot, "settings", replace(bot.settings, workers=1, waiting=2))
        with serving(bot) as url:
            got: list[int] = []
            body = json.dumps({"messages": said("Everest")}).encode()

            def ask() -> None:
                answer = request(url, "POST", "/v1/chat/completions", body)
                got.append(answer.status)
                if answer.status == 429:
                    assert answer.json()["error"]["code"] == "busy_full"

            threads = [threading.Thread(target=ask) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
            assert len(got) == 12
            assert set(got) == {200, 429}
            assert got.count(200) >= 3


def test_the_requests_of_open_webui_are_answered(url: str) -> None:
    """What this front end sends to a connection: its check, its chat with forwarded headers, its task for a title."""
    headers = {"Authorization": "Bearer ", "X-OpenWebUI-User-Name": "Ann", "X-OpenWebUI-Chat-Id": "1"}
    checked = request(url, "GET", "/v1/models", headers=headers)
    assert checked.status == 200
    model = checked.json()["data"][0]["id"]
    chat = {
        "stream": True,
        "model": model,
        "messages": [{"role": "system", "content": "Be nice."}, *said(ASKED)],
        "stream_options": {"include_usage": True},
        "max_completion_tokens": 1000,
        "reasoning": {"effort": "low"},
        "logit_bias": {},
    }
    answer = request(url, "POST", "/v1/chat/completions", json.dumps(chat).encode(), headers)
    lines = answer.body.decode().split("\n\n")
    assert lines[-2:] == ["data: [DONE]", ""]
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-2] if line.startswith("data: ")]
    assert {event["object"] for event in events} == {"chat.completion.chunk"}
    assert events[-1]["usage"]["total_tokens"] > 0
    title = {"model": model, "messages": said("### Task:\nGenerate a title for: Everest"), "stream": False}
    answer = request(url, "POST", "/v1/chat/completions", json.dumps(title).encode(), headers)
    assert answer.json()["choices"][0]["message"]["content"]


def test_a_request_that_is_sent_again_under_its_key_is_one_turn(client: openai.OpenAI, bot: Bot) -> None:
    key = {"Idempotency-Key": "one-turn-7"}
    ask = client.chat.completions.create
    first = ask(model="candor", messages=said(ASKED), extra_headers=key)  # type: ignore[arg-type]
    again = ask(model="candor", messages=said(ASKED), extra_headers=key)  # type: ignore[arg-type]
    pieces = ask(model="candor", messages=said(ASKED), extra_headers=key, stream=True)  # type: ignore[arg-type]
    text = first.choices[0].message.content
    identity = first.model_extra["candor"]["conversation"]  # type: ignore[index]
    assert again.choices[0].message.content == text
    assert again.model_extra["candor"] == first.model_extra["candor"]  # type: ignore[index]
    assert "".join(piece.choices[0].delta.content or "" for piece in pieces if piece.choices) == text
    assert len(bot.history.turns(identity)) == 1
    other = ask(model="candor", messages=said(ASKED), extra_headers={"Idempotency-Key": "8"})  # type: ignore[arg-type]
    assert other.model_extra["candor"]["conversation"] != identity  # type: ignore[index]
    with pytest.raises(openai.UnprocessableEntityError, match="another message"):
        ask(model="candor", messages=said("Hello."), extra_headers=key)  # type: ignore[arg-type]
    with pytest.raises(openai.BadRequestError, match="begins a stored conversation"):
        ask(model="candor", messages=said(ASKED), store=False, extra_headers=key)  # type: ignore[arg-type]


def test_a_turn_that_was_never_answered_is_taken_again_under_its_key(client: openai.OpenAI, bot: Bot) -> None:
    key = {"Idempotency-Key": "broken-off"}
    made = client.chat.completions.create(model="candor", messages=said(ASKED), extra_headers=key)  # type: ignore[arg-type]
    identity = made.model_extra["candor"]["conversation"]  # type: ignore[index]
    bot.history.delete(identity)
    broken = bot.history.begin(identity, ASKED, role="candor")
    with pytest.raises(openai.ConflictError):
        client.chat.completions.create(model="candor", messages=said(ASKED), extra_headers=key)  # type: ignore[arg-type]
    bot.history.fail(broken, "interrupted", "the process ended")
    client.chat.completions.create(model="candor", messages=said(ASKED), extra_headers=key)  # type: ignore[arg-type]
    [turn] = bot.history.turns(identity)
    assert (turn.state, turn.versions and turn.versions[0]) == ("done", broken)
