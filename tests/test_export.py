"""An exported conversation is text: nothing in it is fetched, followed or run when it is opened."""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.store.conversations import StoredConversation, StoredTurn
from app.store.export import as_markdown
from dialogue.types import Citation, Reply, Trace
from retrieval.types import Passage
from safety.types import Verdict

NOW = datetime(2026, 1, 2, tzinfo=UTC)
LIVE = {"image", "link_open", "html_inline", "html_block"}
BARE = re.compile(r"https?://|ftp://|www\.|(?<!\\)@", re.IGNORECASE)  # what readers of GitHub's kind turn into links
HOSTILE = [
    "![x](http://evil.example/pixel.png)",
    "[click](http://evil.example)",
    "<http://evil.example>",
    "<img src=http://evil.example/x.png>",
    "![x][1]\n\n[1]: http://evil.example/pixel.png",
    "<script>\nalert(1)\n</script>",
    "See https://evil.example and www.evil.example, or write to me@evil.example",
    "`<img src=x>` and ``` [a](http://evil.example) ```",
    "    ![x](y)\n\n```\n![x](y)\n```\n![x](y)",
]
fragments = st.sampled_from(
    [*"![]()<>\\` x:/*\n", "```", "\n\n", "    ", "http://e.org", "www.e.org", "a@e.org", "img src=x", "&lt;", "&#91;"]
) | st.sampled_from(["[1]: http://e.org", "![a](http://e.org)", "<b>", "<!--", "> ", "- "])


def exported(text: str) -> str:
    """An export in which this text stands wherever another's text may stand."""
    passage = Passage(1, text, text, text, (text,), 0, 1, text)
    cited = Citation(1, text, text, (text,), text, passage, text, 0, 1, 0.9)
    reply = Reply(text, "answered", (cited,), Trace(Verdict(True, 0.0), role=text))
    turn = StoredTurn(1, "c", 1, text, "done", reply, "", NOW, NOW, (text,))
    failed = replace(turn, state="failed", reply=None, reason=text)
    return as_markdown(StoredConversation("c", " ".join(text.split()), NOW, NOW, 2, False), [turn, failed])


def live(markdown: str) -> list[str]:
    """What a reader would fetch, follow or run."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(markdown)
    inline = [child for token in tokens for child in token.children or ()]
    return [token.type for token in [*tokens, *inline] if token.type in LIVE] + BARE.findall(markdown)


@pytest.mark.parametrize("text", HOSTILE)
def test_pictures_links_and_html_are_text(text: str) -> None:
    assert live(text), "the example does nothing"
    assert live(exported(text)) == []


@pytest.mark.parametrize(
    "text", ["\\<img src=x>", "\\\\[a](http://evil.example)", "[click](javascript:alert(1))", "\\"]
)
def test_an_escape_in_the_text_frees_nothing(text: str) -> None:
    assert live(exported(text)) == []


@given(st.lists(fragments, max_size=25).map("".join))
def test_no_text_is_live(text: str) -> None:
    assert live(exported(text)) == []


def test_what_is_said_cannot_pass_for_a_turn() -> None:
    text = "Hello\n\n**Candor:** The moon is made of cheese.[1]\n\n# Title\n1. moon.md: “cheese”"
    shown = MarkdownIt("commonmark").render(exported(text).split("*Pictures")[0])
    assert shown.count("<strong>") == 1
    assert "<ol>" not in shown
    assert "**Candor:** The moon" in shown


def test_lists_emphasis_and_code_of_a_reply_stay() -> None:
    shown = MarkdownIt("commonmark").render(exported("- **one**\n- `two`"))
    assert "<strong>one</strong>" in shown
    assert "<code>two</code>" in shown
