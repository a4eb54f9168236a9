"""What the safety adapter learns from, and how its logits become probabilities with thresholds.

The only file that knows the data sets.
"""

import math
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.training import document_questions
from app.training.contrast import Kind, held_back, load_ordinary, load_pairs, load_templates
from app.training.invented import invented
from app.training.quality_data import rows
from app.training.stated import stated
from retrieval.text import sentences
from safety.types import SafetyError
from safety.windows import windows

BLOCKING: Final = 0.6  # the threshold of the balanced preset
MISTAKES: Final = {  # the share of ordinary validation rows that may reach it
    "request": 0.0015,  # a question refused is refused
    "reply": 0.006,  # a draft dropped leaves the others
}
SHARES: Final = {  # of the examples drawn, by source
    "contrast": 0.242, "contrast reply": 0.122, "diasafety": 0.092, "lookalikes": 0.092, "gptfuzz": 0.072,
    "unsafe questions": 0.068, "kinds": 0.048, "spoken": 0.036, "benign": 0.032, "sound unsafe": 0.032,
    "convabuse": 0.028, "statements": 0.028, "topical_chat": 0.028, "ordinary": 0.022, "quotations": 0.019,
    "advbench": 0.014, "cmu_dog": 0.009, "davidson": 0.009, "patients": 0.009, "surge": 0.009,
    "words for people": 0.008, "passages": 0.006, "jailbreaks": 0.004, "titles": 0.004, "gptfuzz questions": 0.002,
}  # fmt: skip
LATE: Final = {name: 0.8 * share for name, share in SHARES.items()} | {"documents": 0.2}  # then, at a lower rate
LAST: Final = {name: 0.55 * share for name, share in SHARES.items()} | {"documents": 0.15, "diasafety": 0.3}
SAID: Final = {name: 0.5 * share for name, share in SHARES.items()} | {  # what is no claim: offers, requests, adverts
    "spoken": 0.18, "statements": 0.12, "documents": 0.12, "diasafety": 0.08,
}  # fmt: skip
ASKED: Final = {name: 0.66 * share for name, share in SAID.items()} | {  # what people ask of their documents, and read
    "asked": 0.11, "documents": 0.15, "ordinary": 0.10, "contrast": 0.22, "contrast reply": 0.20,
}  # fmt: skip
KEPT: Final = 3  # of the public questions that are declined or only sound so, one in so many is kept for the report
FILLINGS: Final = 12  # of a template
PHRASINGS = 4  # of the dozen of an act, so that what stands alone is drawn as often
PAGES = 2_500  # invented ones of each kind
PIECES = 3  # windows of a long reply beside its first
_ORDINARY = (
    "documents",
    "asked",
    "benign",
    "topical_chat",
    "cmu_dog",
    "quotations",
    "fragments",
    "titles",
    "passages",
    "patients",
)
_CATEGORIES = {  # of CatQA, by the beginning of the name; what the policy does not decline is left out
    "Illegal Activity / Weapon": "weapons_mass",
    "Illegal Activity": "crime_howto",
    "Child Abuse": "child_safety",
    "Hate/Harass/Violence / Racial": "hate",
    "Hate/Harass/Violence / Religious": "hate",
    "Hate/Harass/Violence / Cyberbullying": "harassment",
    "Hate/Harass/Violence": "violence",
    "Malware Viruses / Spyware": "privacy",
    "Malware Viruses": "crime_howto",
    "Physical Harm / Self-harm": "self_harm",
    "Physical Harm / Assault": "violence",
    "Physical Harm / Weapon": "weapons_mass",
    "Physical Harm": "",
    "Economic Harm": "crime_howto",
    "Fraud/Deception": "crime_howto",
    "Adult Content": "sexual",
    "Privacy Violation": "privacy",
}
_SLOT = re.compile(r"\[[^\]\n]{0,30}PROMPT[^\]\n]{0,30}\]", re.IGNORECASE)
_SPLIT = (  # sources of which whole files or templates are kept apart
    "diasafety", "convabuse", "contrast", "contrast reply", "ordinary", "lookalikes", "words for people", "kinds",
    "statements", "spoken", "jailbreaks",
)  # fmt: skip
_DIASAFETY = {
    "Offending User": "harassment",
    "Toxicity Agreement": "harassment",
    "Biased Opinion": "hate",
    "Risk Ignorance": "violence",
    "Unauthorized Expertise": "specialised_advice",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A labelled text; `objective` is "" when unknown, `weight` its part in the loss, `name` its data set."""

    kind: Kind
    before: str
    text: str
    unsafe: bool
    objective: str = ""
    weight: float = 1.0
    source: str = ""
    name: str = ""


def read(path: Path) -> list[dict[str, Any]]:
    """The rows of a .jsonl.gz file. Raises SafetyError when it is not there."""
    if not path.is_file():
        raise SafetyError(f"{path} is missing: --data must name the folder of the development data")
    return list(rows(path))


def gather(data: Path, seed: int) -> list[Row]:
    """All rows to learn from and to validate on. Test splits and held-back parts are not among them."""
    chance = random.Random(seed)
    found = [
        *_contrast(chance),
        *_requests(data, chance),
        *_dialogues(data),
        *_quotations(data),
        *_documents(data, chance),
        *_asked(chance),
        *_replies(data, chance),
        *_lookalikes(),
        *(row for row in public_questions(data) if not kept(row)),
        *jailbreaks(data, seed),
    ]
    openers = [row.text for row in found if row.source == "topical_chat" and row.kind == "request"]
    return [_with_turn(row, openers, chance) for row in found]


def _with_turn(row: Row, openers: Sequence[str], chance: random.Random) -> Row:
    """Give half the texts that came alone an ordinary turn before, so that its absence tells nothing."""
    if row.before or row.source == "contrast reply" or chance.random() < 0.5:
        return row
    return replace(row, before=chance.choice(openers))


def _validates(row: Row) -> bool:
    if row.source.endswith("valid"):
        return True
    return row.source not in _SPLIT and held_back("validation" + row.text, 12)


def _contrast(chance: random.Random) -> Iterator[Row]:
    for pair in load_pairs():
        if pair.held_back:
            continue
        source = "contrast reply" if pair.kind == "reply" else "contrast"
        for phrasings, unsafe in ((pair.unsafe, True), (pair.safe, False)):
            texts = chance.sample(phrasings, min(PHRASINGS, len(phrasings)))
            weight = 3 / (len(texts) + 2)
            for text in texts:
                yield Row(pair.kind, pair.before, text, unsafe, pair.objective, weight, source)
                if pair.kind == "request" and pair.objective in ("hate", "harassment", "profanity"):
                    yield Row("reply", "", text, unsafe, pair.objective, weight / 2, source)

    for wordings in load_ordinary():
        for text in wordings:
            yield Row("request", "", text, False, weight=6 / (len(wordings) + 2), source="ordinary")


def _lookalikes() -> Iterator[Row]:
    for template in load_templates(FILLINGS):
        for before, text in () if template.held_back else zip(template.before, template.texts, strict=True):
            weight = 1.0 if template.unsafe else 1.5
            row = Row(template.kind, before, text, template.unsafe, template.objective, weight, template.source)
            yield row
            if template.source == "statements":
                yield replace(row, kind="reply", weight=weight / 2)


def public_questions(data: Path) -> Iterator[Row]:
    """Questions that are declined (CatQA, HarmfulQA, DangerousQA), and such as only sound so (CoCoNot)."""
    safety = data / "safety"
    for row in read(safety / "catqa_english.jsonl.gz"):
        found = [meant for name, meant in _CATEGORIES.items() if row["category"].startswith(name)]
        if found:
            yield Row("request", "", row["text"], True, found[0], 1.0, "unsafe questions", "catqa")
    for name, weight in (("harmfulqa", 0.6), ("dangerousqa", 1.0)):
        for row in read(safety / f"{name}.jsonl.gz"):
            yield Row("request", "", row["text"], True, "", weight, "unsafe questions", name)
    for row in read(safety / "coconot_pref_benign_lookalikes.jsonl.gz"):
        yield Row("request", "", row["text"], False, "", 1.0, "sound unsafe", "coconot")


def jailbreaks(data: Path, seed: int, held: bool = False) -> Iterator[Row]:
    """Wrappers that talk a model out of its rules, around requests that are declined; one wrapper in KEPT is held."""
    chance = random.Random(seed)
    wanted = [row.text for row in public_questions(data) if row.unsafe and kept(row) == held]
    for row in read(data / "safety" / "selfreminder_jailbreak_prompts_train.jsonl.gz"):
        if held_back(row["text"], KEPT) == held:
            asked = _SLOT.sub(lambda _: chance.choice(wanted), row["text"])
            for piece in [asked] if held else windows(asked):
                yield Row("request", "", piece, True, "", 0.5, "jailbreaks", "jailbreaks")


def kept(row: Row) -> bool:
    """Whether a public question is kept from training, for the report."""
    return held_back(row.text, KEPT)


def _requests(data: Path, chance: random.Random) -> Iterator[Row]:
    safety = data / "safety"
    for row in read(safety / "advbench.train.jsonl.gz"):
        yield Row("request", "", row["text"], True, source="advbench")
    for question in sorted({row["context"][-1] for row in read(safety / "gptfuzz.train.jsonl.gz")}):
        yield Row("request", "", question, True, weight=2.0, source="gptfuzz questions")
    for row in read(safety / "benign_questions.train.jsonl.gz"):
        if not held_back(row["text"], 10):
            yield Row("request", "", row["text"], False, weight=0.5, source="benign")
    for split, source in (("train", "convabuse"), ("valid", "convabuse valid")):
        for row in read(safety / f"convabuse.{split}.jsonl.gz"):
            before = row["context"][-1] if row["context"] else ""
            yield Row("request", before, row["text"], bool(row["unsafe"]), "harassment", 1.0, source)
    for row in read(safety / "surge.train.jsonl.gz"):
        for kind in ("request", "reply"):
            yield Row(kind, "", row["text"], bool(row["unsafe"]), source="surge")
    yield from _tweets(safety / "davidson.train.jsonl.gz", chance)
    for row in read(safety / "diasafety.train.jsonl.gz"):
        if row["category"] == "Unauthorized Expertise":
            yield Row("request", "", windows(row["context"][-1])[0], False, weight=0.5, source="patients")


def _tweets(path: Path, chance: random.Random) -> Iterator[Row]:
    """A part of Davidson only: its labels follow dialect and single words."""
    by_label: dict[str, list[str]] = {}
    for row in read(path):
        by_label.setdefault(row["category"], []).append(row["text"])
    for label, objective, count in (("hate", "hate", 1000), ("offensive", "profanity", 400), ("", "", 1400)):
        for text in chance.sample(sorted(by_label[label]), count):
            for kind in ("request", "reply"):
                yield Row(kind, "", text, bool(label), objective, 0.4, "davidson")


def _dialogues(data: Path) -> Iterator[Row]:
    """Ordinary chat is safe, as a request and as a reply. Dialogues for the report are held back whole."""
    for name, one_in in (("topical_chat_rare", 4), ("cmu_dog", 16)):
        for dialogue in read(data / "dialogues" / f"{name}.train.jsonl.gz"):
            if held_back(dialogue["id"], 4) or not held_back("learn" + dialogue["id"], one_in):
                continue
            texts = [turn["text"] for turn in dialogue["turns"]]
            source = name.removesuffix("_rare")
            for place, (before, text) in enumerate(pairwise(texts)):
                yield Row("request" if place % 2 else "reply", before, text, False, source=source)


def _quotations(data: Path) -> Iterator[Row]:
    """Sentences of encyclopaedias and newspapers, their openings, titles and abstracts are safe replies."""
    retrieval = data / "retrieval"
    trec = read(retrieval / "trecqa.train.jsonl.gz")
    for row in [*read(retrieval / "wikiqa.train.jsonl.gz"), *trec]:
        yield Row("reply", row["question"], row["sentence"], False, source="quotations")
    for place, row in enumerate(trec[::3]):
        opening = " ".join(row["sentence"].split()[: 1 + place % 6])
        yield Row("reply", "", opening, False, weight=0.3, source="fragments")
    for row in read(retrieval / "scifact" / "corpus.jsonl.gz")[:800]:
        yield Row("reply", "", row["title"], False, weight=0.5, source="titles")
    for row in read(retrieval / "scifact" / "corpus.jsonl.gz")[2400:2700]:
        yield Row("reply", "", windows(row["text"])[0], False, source="passages")
    for film in read(data / "dialogues" / "cmu_dog_films.jsonl.gz"):
        for section in list(film["sections"].values())[1:]:
            yield Row("reply", "", windows(str(section))[0], False, source="passages")
    for question in sorted({row["question"] for row in trec}):
        yield Row("request", "", question, False, source="quotations")


def _documents(data: Path, chance: random.Random) -> Iterator[Row]:
    """Sentences and lists of rules, manuals, tables and articles are safe replies to what their readers ask."""
    for asked in [*invented(PAGES, PAGES), *stated(PAGES, PAGES)]:
        lines = [asked.page.text[start:end] for start, end in sentences(asked.page.text)]
        first = chance.randrange(len(lines))
        for text in (lines[first], "\n".join(lines[first : first + chance.randrange(2, 6)])):
            yield Row("reply", asked.question, text, False, weight=0.7, source="documents")
    read_of = [row for row in rows(data / "reading" / "squad1_train.jsonl.gz") if held_back(row["id"], 30)]
    for row in read_of:
        chosen = chance.choice([row["paragraph"][start:end] for start, end in sentences(row["paragraph"])])
        yield Row("reply", row["question"], chosen, False, weight=0.7, source="documents")


def _asked(chance: random.Random) -> Iterator[Row]:
    """What is asked of documents is a safe request, and what they say in answer a safe reply."""
    for document in document_questions.documents():
        if document.held():
            continue
        asked = [chance.choice(wordings) for wordings, _ in document.answered]
        for question in [*asked, *chance.sample(document.unanswered, min(3, len(document.unanswered)))]:
            yield Row("request", "", question, False, weight=0.7, source="asked")
        for passage in document.passages:
            lines = [passage.text[start:end] for start, end in sentences(passage.text)]
            first = chance.randrange(len(lines))
            text = "\n".join(lines[first : first + chance.randrange(1, 6)])
            before = chance.choice(asked) if chance.random() < 0.5 else ""
            yield Row("reply", before, text, False, weight=0.7, source="documents")


def _replies(data: Path, chance: random.Random) -> Iterator[Row]:
    safety = data / "safety"
    for split, source in (("train", "diasafety"), ("val", "diasafety valid")):
        for row in read(safety / f"diasafety.{split}.jsonl.gz"):
            objective = _DIASAFETY[row["category"]]
            yield Row("reply", row["context"][-1], row["text"], bool(row["unsafe"]), objective, 1.0, source)
    for row in read(safety / "gptfuzz.train.jsonl.gz"):
        first, *others = windows(row["text"])
        for text in [first, *chance.sample(others, min(PIECES, len(others)))]:
            if text.strip():
                yield Row("reply", row["context"][-1], text, bool(row["unsafe"]), "", 1.0, "gptfuzz")


def split(found: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the rows to learn from and those to validate on."""
    parts: tuple[list[Row], list[Row]] = ([], [])
    for row in found:
        parts[_validates(row)].append(row)
    return parts


def calibrate(logits: NDArray[np.float32], check: Sequence[Row]) -> dict[str, float]:
    """Return temperature, shift and threshold of one kind's logits (rows,) on its validation rows.

    P(unsafe) is ``sigmoid(logit / temperature - shift)``. The temperature has the least weighted loss (Guo et al.
    2017). The shift lays the decision of best macro-F1 on the published validation sets at BLOCKING, the balanced
    preset's threshold, or further down until at most MISTAKES of the ordinary rows reach it. `threshold` is where
    the former then lies.
    """
    labels = np.array([row.unsafe for row in check])
    weights = np.array([row.weight for row in check])

    def loss(temperature: float) -> float:
        p = _sigmoid(logits / temperature).clip(1e-6, 1 - 1e-6)
        return float((-np.log(np.where(labels, p, 1 - p)) * weights).sum())

    temperature = min((float(t) for t in np.geomspace(0.5, 6, 60)), key=loss)
    cooled = logits / temperature
    ordinary = np.array([row.source in _ORDINARY for row in check])
    published = np.array([row.source.endswith("valid") for row in check])
    limits = np.quantile(cooled[published], np.linspace(0.02, 0.98, 193))
    best = max(limits.tolist(), key=lambda limit: macro_f1(labels[published], cooled[published] >= limit))
    reached = float(np.quantile(cooled[ordinary], 1 - MISTAKES[check[0].kind]))
    shift = max(best, reached) - math.log(BLOCKING / (1 - BLOCKING))
    threshold = 1 / (1 + math.exp(shift - best))
    return {"temperature": round(temperature, 4), "shift": round(shift, 4), "threshold": round(threshold, 3)}


def _sigmoid(x: NDArray[np.float32]) -> NDArray[np.float64]:
    p: NDArray[np.float64] = 1 / (1 + np.exp(-x.astype(np.float64).clip(-30, 30)))
    return p


def macro_f1(labels: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> float:
    """Mean of the F1 of both classes."""
    scores = []
    for truth, guess in ((labels, flagged), (~labels, ~flagged)):
        hits = int((truth & guess).sum())
        scores.append(2 * hits / max(int(truth.sum()) + int(guess.sum()), 1))
    return sum(scores) / 2
