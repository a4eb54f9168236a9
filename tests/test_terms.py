"""A contract's term stands for the party that it was defined for, in that document and in questions that name them."""

from collections.abc import Sequence

import pytest

from dialogue.terms import in_terms, mentions_term, parties, terms
from retrieval.types import Evidence, Passage

LEASE = (
    "between Quill Estates Ltd, represented by Mrs Ada Reed (the Landlord), and\nMr Bo Lind, 4 Weir Lane "
    '(hereinafter the "Tenant").\n\n1. The Landlord mends the roof.'
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (LEASE, {"Quill Estates Ltd": "the Landlord", "Mr Bo Lind": "the Tenant"}),
        ('It is made with Gatley and Sons of Mill Road, hereafter called "the Firm".', {"Gatley and Sons": "the Firm"}),
        (
            'Dr. Di Fenn ("Seller") sells to Mr Cy Moor ("Buyer").',
            {"Dr. Di Fenn": "the Seller", "Mr Cy Moor": "the Buyer"},
        ),
        ("He lives in Oslo (Norway) and reads (much).", {}),
    ],
)
def test_parties_are_found_with_their_terms(text: str, found: dict[str, str]) -> None:
    assert {one.name: one.term for one in terms(text)} == found


def passage(text: str, number: int) -> Passage:
    return Passage(number, text, "lease.txt", "Lease", (), 0, len(text))


@pytest.mark.parametrize(
    ("question", "put"),
    [
        ("What must Mr Lind pay?", "What must the Tenant pay?"),
        ("Bo Lind's rent?", "The Tenant's rent?"),
        ("What does Quill Estates Ltd mend?", "What does the Landlord mend?"),
        ("What must Ms Linden pay?", ""),
    ],
)
def test_a_question_is_put_in_terms_where_that_is_likelier_to_be_answered(question: str, put: str) -> None:
    asked: list[tuple[str, str]] = []

    def search(form: str, source: str) -> Sequence[Evidence]:
        asked.append((form, source))
        return [Evidence(passage("1. The Landlord mends the roof.", 2), 1.0, probability=0.8)]

    found = [Evidence(passage(LEASE, 1), 1.0, probability=0.1)]
    read, evidence = in_terms(question, found, search)
    assert read == (put or question)
    assert asked == ([(put, "lease.txt")] if put else [])
    assert len(evidence) == (2 if put else 1)
    assert in_terms(question, [Evidence(passage(LEASE, 1), 1.0, probability=0.9)], search)[0] == question


def test_of_two_parties_the_one_that_is_asked_about_is_told_from_the_other() -> None:
    named, others = parties("What must the Tenant repair?", [LEASE])
    assert (named, others) == ({"the Tenant"}, {"the Landlord"})
    assert mentions_term("The Tenant repairs the doors.", named)
    assert not mentions_term("The Tenantry repairs the doors.", named)
