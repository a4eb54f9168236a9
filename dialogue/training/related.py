"""Claims beside evidence on the same subject that does or does not state them, from texts without labels.

An inference corpus rarely shows what retrieval brings all the time: a passage on the very subject that is silent about
the claim. Knows nothing of features, heads or the files it is given.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dialogue.facts import names, words
from retrieval.text import sentences

OPENERS = ("Yes, ", "Yeah, ", "Sure! ", "Well, ", "Oh, ", "I know that ", "It seems that ", "As far as I know, ")
CLOSERS = ("", "", "", " Isn't that something?", " Did you know that?", " How about you?")
WINDOW = 3  # sentences of evidence, at most
LOOKED_AT = 6  # silent sentences of which the likest is taken
_SUBJECT = re.compile(r"^(?:The |A |An )?[A-Z][\w.'’-]*(?: [A-Z][\w.'’-]*)* (?=(?:is|was|has|had|became|can|will)\b)")


@dataclass(frozen=True, slots=True)
class Related:
    """A claim beside evidence. `kind` is "stated", "spoken" (stated, as one talks) or "silent"."""

    evidence: str
    claim: str
    supported: bool
    kind: str


def from_subjects(subjects: Sequence[Sequence[str]], seed: int, each: int = 4) -> list[Related]:
    """Return up to `each` stated and as many silent claims for each subject, a sequence of texts about one thing.

    Evidence is one to three neighbouring sentences of a text; the stated claim is one of these, the silent one another
    sentence about the subject, the likest in words of a few. Half of both are put as one talks.
    """
    rng = random.Random(seed)
    found = []
    for texts in subjects:
        cut = [[text[a:b] for a, b in sentences(text)] for text in texts]
        places = [(t, s) for t, own in enumerate(cut) for s, one in enumerate(own) if 6 <= len(words(one)) <= 45]
        for at, place in rng.sample(places, min(each, len(places))):
            first = max(0, place - rng.randrange(WINDOW))
            around = cut[at][first : first + rng.randrange(place - first, WINDOW) + 1]
            others = [(t, s) for t, s in places if t != at or not first <= s < first + len(around)]
            stated, evidence = cut[at][place], " ".join(around)
            found.append(_put(evidence, stated, True, rng))
            some = [cut[t][s] for t, s in rng.sample(others, min(LOOKED_AT, len(others)))]
            silent = max(some, key=lambda one: len(_stems(one) & _stems(evidence)), default="")
            if silent and silent not in evidence:
                found.append(_put(evidence, silent, False, rng))
    return found


def from_answers(asked: Sequence[tuple[str, str, str]]) -> list[Related]:
    """Return each (paragraph, question, answer) as a claim beside its paragraph and beside a silent neighbour."""
    paragraphs = list(dict.fromkeys(paragraph for paragraph, _, _ in asked))
    place = {paragraph: at for at, paragraph in enumerate(paragraphs)}
    found = []
    for paragraph, question, answer in asked:
        claim = f"{question} {answer}"
        found.append(Related(paragraph, claim, True, "stated"))
        at = place[paragraph]
        near = [p for p in paragraphs[max(0, at - 2) : at + 3] if answer.lower() not in p.lower()]
        if near:
            found.append(Related(max(near, key=lambda p: len(_stems(p) & _stems(question))), claim, False, "silent"))
    return found


def from_abstracts(
    claims: Mapping[str, str], found_in: Mapping[str, Sequence[str]], abstracts: Mapping[str, str]
) -> list[Related]:
    """Return each claim beside the abstracts that decide it, and beside as many that are merely like it.

    `found_in` names the abstracts that decide a claim, most of them by supporting it; the others are the nearest by
    TF-IDF that do not.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    ids = sorted(abstracts)
    counted = TfidfVectorizer(sublinear_tf=True, stop_words="english")
    table = counted.fit_transform([abstracts[name] for name in ids])
    made = []
    for claim, right in sorted(found_in.items()):
        near = np.argsort(-(table @ counted.transform([claims[claim]]).T).toarray()[:, 0])
        silent = [ids[at] for at in near[:12] if ids[at] not in right]
        for name, wrong in zip(right, silent, strict=False):
            made.append(Related(abstracts[name], claims[claim], True, "stated"))
            made.append(Related(abstracts[wrong], claims[claim], False, "silent"))
    return made


def _put(evidence: str, sentence: str, supported: bool, rng: random.Random) -> Related:
    kind = "stated" if supported else "silent"
    if rng.random() < 0.5:
        return Related(evidence, sentence, supported, kind)
    return Related(evidence, spoken(sentence, rng), supported, "spoken" if supported else kind)


def spoken(sentence: str, rng: random.Random) -> str:
    """Return a sentence as one says it in talk: an opener, a pronoun for the subject, lower case, a tag."""
    text = sentence
    subject = _SUBJECT.match(text)
    if subject and rng.random() < 0.4:
        text = f"it {text[subject.end() :]}"
    elif rng.random() < 0.5 and text.split()[0] not in names(text):
        text = text[0].lower() + text[1:]
    if rng.random() < 0.6:
        text = rng.choice(OPENERS) + text
    text = text.rstrip(".") + rng.choice(("", ".", " .", "!")) + rng.choice(CLOSERS)
    return text.lower() if rng.random() < 0.35 else text


def _stems(text: str) -> set[str]:
    return {word.stem for word in words(text) if word.content}
