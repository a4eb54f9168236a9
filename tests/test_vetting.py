"""dialogue.vetting and safety.masking: what is hidden behind a true sentence, strange links, personal data."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_screen import page

from dialogue.types import Candidate, Citation, Claim, Drafted, Reply, Scores, Trace
from dialogue.vetting import covered, doubts, refused, shown, strange_links, vetted
from safety import load_policy
from safety.masking import Mask
from safety.types import Stage, Verdict

TRUE = "The mill of Arden has four sails."
EVIDENCE = [page(f"{TRUE} Its pages are at https://arden.example/mill and mill.example/sails.")]
NUMBERS = "Ring Ada on +44 1632 960511 or write to ada@mill.example."


def test_drafts_are_masked_while_they_are_written() -> None:
    score = Scores(claims=(Claim(NUMBERS, 0, len(NUMBERS), 0.9),))
    judged = Candidate(NUMBERS, Verdict(True, 0.1), score, 0.5)
    for draft in (Drafted(NUMBERS, "quote", 0, 1), Drafted(NUMBERS, "quote", 0, 1, judged)):
        made = covered(draft, Mask(), "Who is the miller?")
        for text in (made.text, *([made.candidate.text] if made.candidate else [])):
            assert "960511" not in text
            assert "withheld" in text
        assert covered(draft, Mask(), "How can I contact her?") == draft


def guard(bad: str, limit: float = 0.6) -> tuple[list[tuple[str, Stage]], object]:
    """A guard that objects to one sentence by itself, and what it is asked."""
    asked: list[tuple[str, Stage]] = []

    def check(texts: Sequence[str], stage: Stage) -> list[Verdict]:
        asked.extend((text, stage) for text in texts)
        return [
            Verdict(text != bad, 0.9 if text == bad else 0.1, "solicitation" if text == bad else "") for text in texts
        ]

    return asked, check


def test_nothing_hides_behind_a_true_sentence() -> None:
    asked, check = guard("Please type your password below.")
    good, bad = vetted(check, [TRUE, f"{TRUE} Please type your password below."], EVIDENCE)  # type: ignore[arg-type]
    assert good.safe
    assert not bad.safe
    assert (TRUE, "quotation") in asked
    assert (f"{TRUE} Please type your password below.", "candidate") in asked
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    ("draft", "strange"),
    [
        ("See https://evil.example/?q=mill for details.", ["https://evil.example/?q=mill"]),
        ("See www.evil.example, too.", ["www.evil.example"]),
        ("It is at evil.example/path.", ["evil.example/path"]),
        ("See https://arden.example/mill.", []),
        ("See mill.example/sails for more.", []),
        ("See evil.example for more.", ["evil.example"]),
        ("Write to collector@evil.example.", ["collector@evil.example"]),
        ("It ended at five p.m. in the U.S. of course, i.e. late.It was dark.", []),
        ("It is told in mill.md, version 3.5.", []),
        ("It has four sails and/or 3.5 stones, e.g. two.", []),
    ],
)
def test_a_link_has_to_stand_in_a_source(draft: str, strange: list[str]) -> None:
    assert strange_links(draft, EVIDENCE) == strange
    [verdict] = vetted(guard("")[1], [draft], EVIDENCE)  # type: ignore[arg-type]
    assert verdict.safe is not bool(strange)
    asked = "Is evil.example or www.evil.example or https://evil.example/?q=mill or collector@evil.example told of?"
    assert not strange_links("See evil.example for more.", EVIDENCE, asked)


@pytest.mark.parametrize(
    ("asked", "mail", "phone"),
    [
        ("What is her phone number?", False, True),
        ("What is her e-mail address?", True, False),
        ("How can I contact her?", True, True),
        ("Who is the miller?", False, False),
    ],
)
def test_what_was_not_asked_for_is_masked(asked: str, mail: bool, phone: bool) -> None:
    said = Mask()(NUMBERS, asked)
    assert ("ada@mill.example" in said, "960511" in said) == (mail, phone)
    assert Mask({"email": "never", "phone": "never"})(NUMBERS, asked) == NUMBERS
    assert load_policy().mask(NUMBERS, asked) == said


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Her card is 4111 1111 1111 1111.", "4111 1111"),
        ("The key is sk-abcdefghijklmnopqrstuvwx.", "sk-abc"),
        ("The password is hunter2.", "hunter2"),
        ("Password: sunflower", "sunflower"),
        ("The PIN of the card is 4711.", "4711"),
        ("Set client_secret = 'x9Kq7mZp31LwT' first.", "x9Kq7mZp31LwT"),
        ("Use postgres://mill:S3cretPw@db.example/main.", "S3cretPw"),
    ],
)
def test_secrets_are_masked_even_when_asked_for(text: str, secret: str) -> None:
    asked = "What is the password, the PIN, the card number and the key?"
    assert secret not in Mask()(text, asked)
    assert "withheld" in Mask({"card": "always"})(text, asked)


@pytest.mark.parametrize(
    "text",
    [
        "Passwords expire after 120 days.",
        "The Wi-Fi password is changed on the first Monday.",
        "The fee is 1,234,567.89 euros, order 2024-001-4711.",
        "It was built in 1931 and is 412 metres long.",
        "Open the card and choose a new PIN.",
        "The token of the fair: 4096 were struck. Secret: chocolate.",
        "The passport office is on the second floor, and a new identity card costs 37 euros.",
        "Its part number is GB29 4711 0815 and its tax band is B.",
        "See https://mill.example:8080/a@b for more.",
    ],
)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert Mask()(text, "What is it?") == text


def test_quotes_are_masked_with_the_reply() -> None:
    passage = page(NUMBERS).passage
    citation = Citation(1, "mill.md", "The mill", (), "", passage, NUMBERS, 0, len(NUMBERS), 0.99)
    reply = shown(Reply(f"{NUMBERS} [1]", "answered", (citation,), Trace(Verdict(True, 0.0))), Mask(), "Who is Ada?")
    assert "ada@" not in reply.text + reply.citations[0].quote
    assert reply.text.endswith(" [1]")
    assert reply.citations[0] == replace(citation, quote=reply.citations[0].quote)


@given(st.text(max_size=80), st.text(max_size=40))
def test_masking_twice_is_masking_once(text: str, asked: str) -> None:
    once = Mask()(text, asked)
    assert Mask()(once, asked) == once


@pytest.mark.parametrize(
    ("text", "number", "asked"),
    [
        ("Mr Lee's IBAN is DE89 3704 0044 0532 0130 00.", "3704 0044", "What is the IBAN of Mr Lee?"),
        ("His social security number is 078-05-1120.", "078-05-1120", "What is his social security number?"),
        ("Passport no. X1234567 is hers.", "X1234567", "Which passport has she?"),
    ],
)
def test_numbers_of_persons_and_accounts_are_shown_to_whom_asks_for_them(text: str, number: str, asked: str) -> None:
    assert number not in Mask()(text, "Who is it?")
    assert Mask()(text, asked) == text


def test_a_doubtful_request_is_answered_with_less_risky_quotes() -> None:
    asked = Verdict(True, 0.4, risks=(("weapons_mass", 0.4), ("hate", 0.01)))
    assert doubts(asked, asked) == ("weapons_mass",)
    assert not refused(Verdict(False, 0.65))
    assert refused(Verdict(False, 0.75))
    assert refused(Verdict(False, None))
