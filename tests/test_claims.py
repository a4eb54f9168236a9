"""dialogue.judges.claims: which sentences claim something."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialogue.judges.claims import bare, is_claim, split

CHAT = """Hello!
Hi there, nice to meet you.
Thanks for asking!
You're welcome.
I am happy to help.
What would you like to know about me?
The sources do not say how old he is.
I could not find anything about that in the sources.
None of the sources mentions his age.
The nearest source is Mount Everest.
I don't know.
That's a great question!
Let me know if you have other questions.
You can ask me about mountains.
Sure!
I'm Candor, a dialogue system.
Sorry, I can't help with that.
Here is what I found:
Wow, how interesting!
Is it true that Everest is 8,849 m high?
Yes.
I love reading about mountains.
If you want, I can tell you more about K2.
Have a nice day!
There is no information on this in the documents.
[1]
Your sources don't mention that.
I hope that helps.""".splitlines()

CLAIMS = """Everest is 8,849 m high.
I think Everest is 8,849 m high.
Did you know that whales are mammals?
1953.
Edmund Hillary
According to the sources, Hillary was a beekeeper.
The sources say that Hillary was a beekeeper.
You can see the Great Wall from space.
Yes, it was built in 1889.
The sources do not give his age, but he was born in 1919.
I was first climbed in 1953.
My summit is 8,849 metres high.
Whales are mammals, aren't they?
Wow, Hillary was the first!
No climber reached the top before 1953.
We orbit the Sun.
Hello, Everest is the highest mountain.
Nothing grows on the summit.
The Moon has no atmosphere.
The documents were signed in Paris.
Look-alike species do not exist.
The main sources are springs in the Alps.""".splitlines()


@pytest.mark.parametrize("sentence", CHAT)
def test_small_talk_questions_and_abstentions_claim_nothing(sentence: str) -> None:
    assert not is_claim(sentence)


@pytest.mark.parametrize("sentence", CLAIMS)
def test_statements_about_the_world_are_claims_whatever_leads_them_in(sentence: str) -> None:
    assert is_claim(sentence)
    assert is_claim("Level: P2 | Example: no text messages")


def test_a_lead_and_citation_marks_are_no_part_of_what_is_claimed() -> None:
    assert bare("According to the sources, I think that Hillary kept bees [2].") == "Hillary kept bees."


@given(st.text())
def test_any_text_splits_into_verbatim_sentences_that_cover_it(draft: str) -> None:
    found = split(draft)
    assert all(draft[s.start : s.end] == s.text for s in found)
    assert "".join("".join(s.text.split()) for s in found) == "".join(draft.split())


@given(st.lists(st.sampled_from(["the sources ", "do not ", "I ", "say, ", "but ", "thanks ", "you "]), max_size=80))
def test_long_runs_of_cue_words_are_read_quickly(parts: list[str]) -> None:
    is_claim("".join(parts))
