"""What the web chat shows: every word escaped, every number with its sentence."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.library.catalogue import StoredSource
from app.store.conversations import State, StoredConversation, StoredTurn
from app.web.jobs import Job
from app.web.parts import basics, frame, library, replies, sources, transcript, viewer, welcome, why
from app.web.parts.conversations import conversations
from app.web.uploads import Upload
from dialogue.prompts import ABSTENTION
from dialogue.types import Candidate, Citation, Claim, Outcome, Reply, Role, Scores, Step, Trace, Turn
from retrieval.types import Document, Evidence, Passage
from safety.types import Verdict

NOW = datetime(2026, 3, 14, 12, tzinfo=UTC)
DOCUMENT = "An introduction. The whale weighs 150 tonnes. It eats krill.\n\nThe end."
PASSAGE = Passage(7, DOCUMENT[:60], "whale.md", "Blue Whale", ("Blue Whale", "Body"), 0, 60, "p. 4")
QUOTE = "The whale weighs 150 tonnes."
SAFE = Verdict(True, 0.1)
HOSTILE = "<img src=x onerror=alert(1)> ![a](http://evil.test/x.png) ${1+1} {{value}} `code` \"'&"


def citation(number: int = 1, title: str = "Blue Whale") -> Citation:
    start = DOCUMENT.index(QUOTE)
    return Citation(
        number,
        "whale.md",
        title,
        ("Blue Whale", "Body"),
        "p. 4",
        PASSAGE,
        QUOTE,
        start,
        start + len(QUOTE),
        0.93,
    )


HOSTILE_ROLE = Role(HOSTILE, (Turn("user", HOSTILE), Turn("assistant", HOSTILE)), about=HOSTILE)
HOSTILE_CITATION = citation(title=HOSTILE)


def candidate(text: str, quality: float, dropped: str = "", verdict: Verdict = SAFE, **scores: float) -> Candidate:
    return Candidate(text, verdict, Scores(**scores), quality, dropped)


def reply(
    text: str = f"{QUOTE} [1]",
    outcome: Outcome = "answered",
    citations: tuple[Citation, ...] = (citation(),),
    candidates: tuple[Candidate, ...] = (),
) -> Reply:
    trace = Trace(SAFE, "whale weight", candidates=candidates, timings={"search": 0.1, "sample": 0.3})
    return Reply(text, outcome, citations, trace)


HOSTILE_REPLY = reply(HOSTILE + " [1]", citations=(HOSTILE_CITATION,))


def turn(
    number: int = 1,
    question: str = "How heavy?",
    state: State = "done",
    answer: Reply | None = None,
    reason: str = "",
) -> StoredTurn:
    given_reply = answer or (reply() if state == "done" else None)
    return StoredTurn(number, "c", number, question, state, given_reply, reason, NOW, NOW)


def cited(shown: StoredTurn) -> str:
    return sources.sources(shown.question, str(shown.id), shown.reply)


def weighed(shown: StoredTurn, preferred: bool = False) -> str:
    return why.why(shown.question, str(shown.id), shown.reply, preferred)


def opened(text: str, title: str, citation: Citation, key: str) -> str:
    found = Document("whale.md", title, text, ())
    return viewer.document(found, viewer.Opened("3", key, (citation.number,), original=True), citation)


class Tags(HTMLParser):
    """Collects the tags and the visible text of some HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.words += data


def test_a_mark_becomes_a_link_to_its_source_and_carries_its_sentence() -> None:
    html = replies.reply_html(f"{QUOTE} [1]", [citation()], "5")
    found = Tags(html)
    assert found.tags.count("a") == 1
    assert dict(found.attributes)["href"] == "#source-5-1"
    assert dict(found.attributes)["data-quote"] == QUOTE
    assert dict(found.attributes)["data-place"] == "Body · p. 4"


def test_a_mark_without_a_citation_is_left_out() -> None:
    html = replies.reply_html("One. [1] Two. [2]", [citation()], "5")
    assert "[2]" not in html
    assert html.count("class='cite'") == 1


def test_what_only_looks_like_a_mark_stays() -> None:
    html = replies.reply_html("In [2019] it ran `a[1]` and b[0].", [citation()], "5")
    assert Tags(html).words.strip() == "In [2019] it ran a[1] and b[0]."
    assert "class='cite'" not in html


def test_markdown_of_a_reply_keeps_emphasis_and_lists_but_no_links_images_or_tags() -> None:
    html = replies.reply_html(
        "# Head\n\n**bold**\n\n* one\n* two\n\n[go](http://evil.test) <b>x</b>\n\n" + HOSTILE, [], "5"
    )
    tags = set(Tags(html).tags)
    assert {"strong", "ul", "li", "p"} <= tags
    assert not tags & {"a", "img", "b", "h1", "script"}
    assert "http://evil.test" in Tags(html).words


@given(st.text(max_size=200))
def test_no_message_whatever_it_holds_adds_a_tag_and_every_word_is_shown(words: str) -> None:
    html = transcript.transcript([turn(question=words)])
    plain = transcript.transcript([turn(question="x")])
    assert Tags(html).tags == Tags(plain).tags


@given(st.text(max_size=200))
def test_no_reply_whatever_it_holds_gives_scripts_images_or_links(words: str) -> None:
    found = Tags(replies.reply_html(words, [], "5"))
    assert not set(found.tags) & {"a", "img", "script", "iframe", "style", "svg", "form", "input", "object"}
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in {"href", "src", "style"}]


@pytest.mark.parametrize(
    "html",
    [
        transcript.transcript([turn(question=HOSTILE, answer=HOSTILE_REPLY)]),
        transcript.transcript([turn(question=HOSTILE, state="failed", reason=HOSTILE)]),
        transcript.working(Job("c", HOSTILE, steps=[Step("search", HOSTILE)])),
        welcome.welcome([HOSTILE]),
        welcome.welcome([], {"candor": Role(), HOSTILE: HOSTILE_ROLE}, HOSTILE),
        welcome.opening(HOSTILE_ROLE),
        frame.header("A title", empty=False, role=HOSTILE),
        frame.header(HOSTILE, empty=False),
        frame.composer(HOSTILE, 9),
        conversations([StoredConversation(HOSTILE, HOSTILE, NOW, NOW, 1, False)], "", now=NOW),
        conversations([], "", HOSTILE),
        cited(turn(question=HOSTILE, answer=HOSTILE_REPLY)),
        weighed(turn(answer=reply(candidates=(candidate(HOSTILE, 0.5, HOSTILE),)))),
        opened(HOSTILE, HOSTILE, citation(), HOSTILE),
        library.documents(
            [StoredSource(1, HOSTILE, HOSTILE, HOSTILE, HOSTILE, 5, 1, "", NOW)],
            [Upload(HOSTILE, None, note=HOSTILE)],  # type: ignore[arg-type]
        ),
    ],
)  # fmt: skip
def test_hostile_words_are_shown_and_never_run(html: str) -> None:
    found = Tags(html)
    assert "img" not in found.tags
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert "<img" in found.words or "<img" in str(found.attributes)


def test_the_passage_is_shown_with_exactly_the_sentence_marked() -> None:
    html = cited(turn())
    assert f"An introduction. <mark>{QUOTE}</mark> It eats krill." in html
    assert "93% support" in html


def test_a_document_is_shown_whole_around_the_mark() -> None:
    html = opened(DOCUMENT, "Blue Whale", citation(), "1")
    assert f"<p>An introduction. <mark>{QUOTE}</mark> It eats krill.</p><p>The end.</p>" in html


def test_a_long_document_is_cut_on_both_sides_of_the_mark() -> None:
    start = viewer.WINDOW + 500
    text = "x" * start + QUOTE + "y" * start
    far = Citation(1, "w", "W", (), "", PASSAGE, QUOTE, start, start + len(QUOTE), 0.9)
    html = opened(text, "W", far, "1")
    assert f"<mark>{QUOTE}</mark>" in html
    assert html.count("not shown") == 2
    assert html.count("x" * 100) == viewer.WINDOW // 100


@pytest.mark.parametrize(("text", "said"), [("Quite another text.", "has changed"), ("", "was removed")])
def test_a_document_that_changed_or_went_away_shows_the_passage_as_it_was(text: str, said: str) -> None:
    html = opened(text, "Blue Whale", citation(), "1")
    assert said in html
    assert f"<mark>{QUOTE}</mark>" in html


def test_offsets_that_do_not_fit_mark_nothing() -> None:
    assert basics.marked("abc", 2, 9) == "abc"
    assert basics.marked("abc", -1, 2) == "abc"


def test_each_outcome_has_its_words() -> None:
    unsupported = Claim("Loose.", 0, 6, 0.1, False)
    partly = Candidate("Loose.", SAFE, Scores(claims=(unsupported,)), 0.5)
    assert replies.grade(reply())[1] == "Grounded"
    assert replies.grade(reply(candidates=(partly,)))[1] == "Partly grounded"
    assert replies.grade(reply("Hello!", citations=()))[1] == "Makes no claims"
    assert replies.grade(reply("Nothing.", "abstained", ()))[1] == "No source found"
    assert replies.grade(reply("No.", "refused", ()))[1] == "Declined"


WHOLE = Scores(0.8, 0.7, 0.6, 0.93, 0.9, (Claim("Best.", 0, 5, 0.9, True, PASSAGE),))
HATE = Verdict(False, 0.9, "hate", "demeans people", "drop")
WEAK = Candidate("Weak.", SAFE, Scores(grounded=0.1, claims=(Claim("Weak.", 0, 5, 0.1),)), 0.3, "no source says so")
ROWS = (
    Candidate("Best.", SAFE, WHOLE, 0.9),
    candidate("Next.", 0.7, sensible=0.8, answers=0.4),
    WEAK,
    candidate("Vile words.", 0.8, "demeans people", HATE),
)


def test_why_begins_with_one_sentence() -> None:
    assert why.summary(reply(candidates=ROWS)) == (
        "Chosen from 4 drafts because its statement is supported and it answers the question; "
        "2 were dropped: 1 unsupported, 1 unsafe."
    )
    assert why.summary(reply(candidates=ROWS[:2]), preferred=True) == (
        "You chose it from 2 drafts: its statement is supported and it answers the question."
    )
    assert why.summary(reply(candidates=(ROWS[0], WEAK))).endswith("; 1 was dropped as unsupported.")
    assert why.summary(reply("No.", "refused", ())) == "No drafts were written."
    unused = candidate(ABSTENTION, 0.99)
    assert why.summary(reply(candidates=(*ROWS[:1], unused))).startswith("Chosen from 1 draft because")
    assert ABSTENTION not in weighed(turn(answer=reply(candidates=(*ROWS[:1], unused))))


def test_each_draft_says_by_what_it_lost_and_only_sound_ones_can_be_taken() -> None:
    html = weighed(turn(answer=reply(candidates=ROWS)))
    assert html.index("<li class='served'>") < html.index("<li class='kept'>") < html.index("<li class='dropped'>")
    assert "Less good at: supported by the sources." in html
    assert "No source says so" in html
    assert html.count("data-act='use'") == 1
    assert "data-act='use' data-turn='1' data-rank='1'" in html
    assert html.count("below the limit") == 2
    hidden = html[html.index("<details class='veiled'>") :]
    assert hidden.index("Hidden: not safe") < hidden.index("</summary>") < hidden.index("Vile words.")


def test_what_was_not_judged_is_said_and_never_zero() -> None:
    html = weighed(turn(answer=reply(candidates=(candidate("Best.", 0.9, sensible=0.0),))))
    assert html.count("not judged") == 3
    assert "<b>0%</b>" in html


def test_a_try_that_failed_is_left_out_once_it_was_tried_again() -> None:
    again = [turn(1, "Q", "failed"), turn(2, "Q", "cancelled"), turn(3, "Q"), turn(4, "R", "failed")]
    html = transcript.transcript(again)
    assert html.count("class='you'") == 2
    assert html.count("data-act='retry'") == 1


def test_a_failure_offers_another_try_and_keeps_its_details_to_itself() -> None:
    html = transcript.transcript([turn(state="failed", reason="unexpected: KeyError")])
    assert "Failed – try again" in html
    assert "KeyError" not in html
    assert "The model is down." in transcript.transcript([turn(state="failed", reason="the model is down")])


@pytest.mark.parametrize(
    ("days", "group"),
    [(0, "Today"), (1, "Yesterday"), (5, "Previous 7 days"), (40, "February 2026")],
)
def test_conversations_stand_under_their_date(days: int, group: str) -> None:
    then = NOW - timedelta(days=days)
    html = conversations([StoredConversation("a", "A", then, then, 1, False)], "a", now=NOW)
    assert f"<h2>{group}</h2>" in html
    assert "aria-current='page'" in html


def test_pinned_conversations_come_first() -> None:
    rows = [StoredConversation("a", "A", NOW, NOW, 1, False), StoredConversation("b", "B", NOW, NOW, 1, True)]
    html = conversations(rows, "", now=NOW)
    assert html.index("Pinned") < html.index(">B</span>") < html.index("Today") < html.index(">A</span>")


def test_progress_is_told_in_plain_lines() -> None:
    job = Job(
        "c",
        "Q",
        steps=[Step("guard"), Step("search", "q"), Step("sample", "3 passages"), Step("judge", "8 drafts")],
    )
    words = Tags(transcript.working(job)).words
    assert "Searching your documents 3 passages (done)" in words
    assert "Writing replies 8 drafts (done)" in words
    assert "Checking safety and sources (in progress)" in words


def test_waiting_and_stopping_are_told() -> None:
    assert "2 before you" in transcript.working(Job("c", "Q", ahead=2))
    written = [Step("search", "Q"), Step("sample", "8 passages"), Step("sample", "3 of 8 drafts finished")]
    assert "documents <em>8 passages</em>" in transcript.working(Job("c", "Q", steps=written))
    assert "replies <em>3 of 8 drafts finished</em>" in transcript.working(Job("c", "Q", steps=written))
    assert "Stopping" in transcript.working(Job("c", "Q", stopping=True))


def test_passages_that_were_found_and_not_used_are_listed_apart() -> None:
    other = Passage(8, "Another passage.", "b.md", "Other", (), 0, 16)
    trace = Trace(SAFE, evidence=(Evidence(PASSAGE, 1.0), Evidence(other, 0.5)))
    html = cited(turn(answer=Reply(f"{QUOTE} [1]", "answered", (citation(),), trace)))
    assert "Also found, not used (1)" in html
    assert "Another passage." in html


def test_what_is_to_be_known_of_a_reply_stands_under_it() -> None:
    noted = replace(reply(), trace=replace(reply().trace, notes=("answered in quoting mode", HOSTILE)))
    page = transcript.transcript([turn(answer=noted)])
    assert "<p class='note'>Answered in quoting mode.</p>" in page
    assert HOSTILE not in page
    assert "class='note'" not in transcript.transcript([turn(answer=reply())])
