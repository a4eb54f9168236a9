"""The tools for MCP clients, called by the client of the official SDK: in this process, and over stdin and stdout."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from web_fixture import canned_bot

from app.bot import Bot
from dialogue.judges.embedded import load_judge
from retrieval.encoder.embed import Encoder
from retrieval.reader import PassageReader

pytest.importorskip("mcp", reason="the extra mcp is not installed")

from mcp import Client, StdioServerParameters

from app.api.tools import build

EVEREST = "# Mount Everest\n\nMount Everest is 8,849 metres high. Mount Everest was first climbed in 1953.\n"


@pytest.fixture(scope="module")
def bot(encoder: Encoder, passage_reader: PassageReader, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    folder = tmp_path_factory.mktemp("mcp")
    (folder / "everest.md").write_text(EVEREST)
    with canned_bot(folder / "data", encoder, [folder / "everest.md"]) as bot:
        judge = load_judge(encoder, passage_reader)
        bot.responder.judge = judge  # type: ignore[misc]
        object.__setattr__(bot, "judge", judge)
        yield bot


def called(server: Any, *calls: tuple[str, dict[str, Any]]) -> list[Any]:  # noqa: ANN401
    """The results of calls to the tools of a server."""

    async def call() -> list[Any]:
        async with Client(server) as client:
            tools = await client.list_tools()
            assert sorted(tool.name for tool in tools.tools) == ["ask", "check", "search"]
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(call)


def told(result: Any) -> dict[str, Any]:  # noqa: ANN401
    assert not result.is_error, result
    found: dict[str, Any] = result.structured_content or json.loads(result.content[0].text)
    return found


def test_a_client_asks_goes_on_searches_and_checks(bot: Bot) -> None:
    text = "Mount Everest is 8,849 metres high. Mount Everest is in France."
    asked, found, library, given = called(
        build(bot),
        ("ask", {"question": "Which Mount Everest facts are there?"}),
        ("search", {"query": "Everest", "limit": 3}),
        ("check", {"text": text}),
        ("check", {"text": "Kai is tall.", "evidence": ["Kai is tall."]}),
    )
    reply = told(asked)
    assert reply["outcome"] == "answered"
    assert reply["citations"][0]["source"] == "everest.md"
    [more] = called(build(bot), ("ask", {"question": "And Everest?", "conversation": reply["conversation"]}))
    assert told(more)["conversation"] == reply["conversation"]
    assert told(found)["passages"][0]["source"] == "everest.md"
    assert [claim["supported"] for claim in told(library)["claims"]] == [True, False]
    assert told(given)["supported"] is True


def test_what_a_user_can_mend_is_a_failed_call_with_its_words(bot: Bot) -> None:
    unknown, empty, long = called(
        build(bot),
        ("ask", {"question": "Hi", "conversation": "none"}),
        ("ask", {"question": " \u200b "}),
        ("check", {"text": "One. " * 200}),
    )
    for result, words in ((unknown, "there is no conversation"), (empty, "is empty"), (long, "sentences")):
        assert result.is_error
        assert words in result.content[0].text


@pytest.mark.slow
def test_the_command_serves_the_tools_over_stdin_and_stdout(tmp_path: Path) -> None:
    from app import open_bot

    (tmp_path / "everest.md").write_text(EVEREST)
    with open_bot(tmp_path / "data", "quote") as bot:
        bot.ingest([tmp_path / "everest.md"])
    arguments = ["-m", "app", "--data-dir", str(tmp_path / "data"), "--model", "quote", "mcp"]
    paths = {"PYTHONPATH": str(Path(__file__).parents[1])}
    server = StdioServerParameters(command=sys.executable, args=arguments, env=paths)
    [asked] = called(server, ("ask", {"question": "How high is Mount Everest?"}))
    assert told(asked)["text"] == "Mount Everest is 8,849 metres high. [1]"
