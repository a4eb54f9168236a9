"""Training of the classifier of messages: the examples written for it, real questions beside them, and its report."""

import itertools
import random
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from app.training.document_questions import documents
from app.training.quality_data import rows as lines
from app.training.quality_data import share
from app.training.stated import statements
from dialogue.intent import BUCKETS, LANGUAGES, WEIGHTS, IntentClassifier, features, load_listener
from dialogue.talk import ASKING, DISTRESS, FEELINGS
from retrieval.encoder.embed import Encoder

if TYPE_CHECKING:
    import torch

Array = NDArray[np.float32]

WRITTEN: Final = Path(__file__).with_name("intent.toml")
MOST = 20  # sentences made of one written line
HELD = 0.1  # of the written lines and of the real questions, kept apart to measure on
EPOCHS, BATCH, RATE, DECAY, HIDDEN, DROPOUT = 12, 128, 2e-3, 0.02, 64, 0.2
MEMBERS = 3  # nets that are made one
BLOCK = 4096  # messages whose features are counted at once
QUESTIONS: Final = {  # real questions: by file, the field they stand in and how many are drawn
    "reading/squad1_train": ("question", 4500),
    "reading/boolq_val": ("question", 500),
    "rewriting/qrecc_train4k_human": ("question", 4000),
    "rewriting/disflqa_train": ("question", 400),
    "safety/benign_questions.train": ("text", 3000),
    "safety/coconot_pref_benign_lookalikes": ("text", 500),
    "safety/advbench.train": ("text", 300),
    "safety/catqa_english": ("text", 300),
    "safety/harmfulqa": ("text", 300),
    "safety/dangerousqa": ("text", 150),
}
# how much more a kind counts: taking a question for talk, or missing a cry for help, is the worse mistake
WEIGHTY: Final = {ASKING: 2.0} | dict.fromkeys(DISTRESS, 2.0)
MISTAKEN, ALARMED = 0.004, 0.001  # of the real questions held out: what may be taken for talk, and for distress
BLIND = 0.2  # of the rows, for either half of the features
ABROAD = 0.2  # of the number of pairs in English, in each other language
VARIED = 0.5  # of the messages, learnt from a second time as somebody else would type them
_CHOICE = re.compile(r"\{([^}]*)\}")
_NEAR = re.compile(  # words of talk and distress, in real questions that hold them
    r"\b(?:suicid\w*|kill\w*|died?|dying|dead|death|harm\w*|hurt\w*|hang\w*|depress\w*|lonel\w*|alone|sad\w*|grie\w+|"
    r"stress\w*|tired|afraid|fear\w*|angry|anger|happ(?:y|iness)|stupid|idiot|sorry|thank\w*|hello|goodbye|example|"
    r"mean|sure|short\w*|again|joke|song|game|ignore\w*|rules|instructions?|your?|my|I|me|myself|himself|herself)\b"
)
NEAR = 1500  # of them, from the first file
OF_DOCUMENTS = 8000
_BEFORE = (
    "thanks", "greeting", "apology", "ok", "yes", "no", "complaint", "compliment", "statement", "insult", *FEELINGS,
)  # fmt: skip
_LIGHT = ("greeting", "ok", "apology", "yes", "no")  # what says less than whatever stands beside it


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody says: its kind, its language, and the wording it is made from, by which examples are split.

    `real` is a question that somebody asked of a source, `apart` whether that source is kept apart, where that decides.
    """

    text: str
    kind: str
    language: str
    wording: str
    real: bool = False
    apart: bool | None = None

    @property
    def held(self) -> bool:
        """Whether it is kept apart to measure on; one or two words can only be learnt by heart."""
        if self.apart is not None:
            return self.apart
        return len(self.text.split()) > 2 and share(f"intent {self.wording}") < HELD


def written(path: Path = WRITTEN) -> list[Message]:
    """Return the sentences that the written lines make, up to MOST a line."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Message(text, kind, language, f"{kind} {language} {text if _CHOICE.fullmatch(line) else line}")
        for kind, languages in table.items()
        for language, block in languages.items()
        for line in block.strip().splitlines()
        for text in made(line)
    ]


def made(line: str) -> list[str]:
    """Return sentences that a line with ``{a|b|}`` makes: all, or MOST of them."""
    rng = random.Random(line)
    parts = [part.split("|") if at % 2 else [part] for at, part in enumerate(_CHOICE.split(line))]
    if np.prod([len(part) for part in parts]) <= MOST:
        found = ["".join(chosen) for chosen in itertools.product(*parts)]
    else:
        found = list(dict.fromkeys("".join(map(rng.choice, parts)) for _ in range(MOST)))
    return [" ".join(text.split()) for text in found]


def drawn(data: Path, seed: int = 0) -> list[Message]:
    """Return real questions: of the development data, and those that the reader is asked of rules and of documents."""
    rng = random.Random(seed)
    found: list[Message] = []
    for name, (field, most) in QUESTIONS.items():
        texts = list(dict.fromkeys(row[field] for row in lines(data / f"{name}.jsonl.gz") if row[field].strip()))
        chosen = rng.sample(texts, min(most, len(texts)))
        if not found:
            chosen += rng.sample([text for text in texts if _NEAR.search(text)], NEAR)
        found += [_real(text) for text in dict.fromkeys(chosen)]
    found += [_real(text) for statement in (*statements(), *statements(held=True)) for text in statement.asked]
    return found + of_documents(rng)


def of_documents(rng: random.Random) -> list[Message]:
    """Return what people ask of documents: all of those that the reader is measured on, OF_DOCUMENTS of the others."""
    asked = {True: list[str](), False: list[str]()}
    for document in documents():
        wordings = [text for texts, _ in document.answered for text in texts]
        asked[document.held()] += [*wordings, *document.unanswered]
    known = set(asked[True])
    learnt = [text for text in dict.fromkeys(asked[False]) if text not in known]
    chosen = rng.sample(learnt, min(OF_DOCUMENTS, len(learnt)))
    return [_real(text, True) for text in dict.fromkeys(asked[True])] + [_real(text, False) for text in chosen]


def _real(text: str, apart: bool | None = None) -> Message:
    return Message(text, ASKING, "en", text, True, apart)


def joined(messages: Sequence[Message], seed: int = 0, scale: float = 1.0) -> Iterator[Message]:
    """Yield two messages in one: talk before a question is a question, and a cry for help is one beside anything."""
    rng = random.Random(seed)
    for language in LANGUAGES:
        of = [message for message in messages if message.language == language]
        yield from _joined(of, rng, scale if language == "en" else ABROAD * scale)


def _joined(messages: Sequence[Message], rng: random.Random, scale: float) -> Iterator[Message]:
    """Yield two messages of one language in one."""
    by: dict[str, list[Message]] = {}
    for message in messages:
        by.setdefault(message.kind, []).append(message)
    talk = [message for kind in _BEFORE for message in by.get(kind, ())]
    light = [message for kind in _LIGHT for message in by.get(kind, ())]
    heavy = [message for kind in by if kind not in (ASKING, *_LIGHT) for message in by[kind]]
    distress = [message for kind in DISTRESS for message in by.get(kind, ())]
    calm = [message for kind in by if kind not in (*DISTRESS, "override") for message in by[kind]]
    pairs = ((talk, by.get(ASKING, []), 3000), (light, heavy, 1200), (calm, distress, 500))
    for before, after, count in pairs:
        for _ in range(int(scale * count) if before and after else 0):
            first, second = rng.choice(before), rng.choice(after)
            mark = rng.choice((". ", ", ", "! ", "... ", " "))
            yield replace(second, text=first.text.rstrip(".!") + mark + second.text)
    for _ in range(int(scale * 300) if distress and calm else 0):
        first, second = rng.choice(distress), rng.choice(calm)
        yield replace(first, text=f"{first.text.rstrip('.')}. {second.text}")


def varied(message: Message, seed: int = 0) -> Message:
    """Return a message as others type it: in other cases, with other marks at its end, now and then with a slip."""
    text = message.text
    rng = random.Random(f"{seed} {text}")
    if rng.random() < 0.3:
        text = text.casefold()
    elif rng.random() < 0.5:
        text = text[:1].upper() + text[1:]
    if rng.random() < 0.35:
        text = text.rstrip(".?!") + rng.choice(("", "", ".", "!", "...", "!!"))
    if rng.random() < 0.1:
        text = text.replace("'", rng.choice(("", "’")))
    if len(text) > 8 and rng.random() < 0.1:
        at = rng.randrange(1, len(text) - 1)
        text = rng.choice((text[:at] + text[at + 1 :], text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]))
    return replace(message, text=text)


def blinded(x: "torch.Tensor") -> "torch.Tensor":
    """Hide the embedding of some rows and the n-grams of others, so that the classifier can do with either."""
    import torch

    lot = torch.rand(len(x), 1)
    x = x.clone()
    x[:, :-BUCKETS] *= lot > BLIND
    x[:, -BUCKETS:] = torch.nn.functional.dropout(x[:, -BUCKETS:] * (lot < 1 - BLIND), DROPOUT)
    return x


def fitted(messages: Sequence[Message], encoder: Encoder, seed: int, epochs: int = EPOCHS) -> IntentClassifier:
    """Return a classifier of messages: the mean of MEMBERS of HIDDEN units, each fitted from a start of its own.

    Every kind counts by the square root of its number.
    """
    import torch

    rng = random.Random(seed)
    kinds = tuple(dict.fromkeys(message.kind for message in messages))
    counts = {kind: sum(message.kind == kind for message in messages) for kind in kinds}
    shown = [*messages, *(varied(message, seed) for message in messages if rng.random() < VARIED)]
    texts = [message.text for message in shown]
    blocks = [features(texts[at : at + BLOCK], encoder.encode) for at in range(0, len(texts), BLOCK)]
    x = torch.from_numpy(np.concatenate([block.astype(np.float16) for block in blocks]))
    kind = torch.tensor([kinds.index(message.kind) for message in shown])
    language = torch.tensor([LANGUAGES.index(message.language) for message in shown])
    weight = torch.tensor([WEIGHTY.get(m.kind, 1.0) * counts[m.kind] ** -0.5 for m in shown])
    weight /= weight.mean()
    width = len(kinds) + len(LANGUAGES)
    members = []
    for member in range(MEMBERS):
        torch.manual_seed(MEMBERS * seed + member)
        net = torch.nn.Sequential(
            torch.nn.Linear(x.shape[1], HIDDEN),
            torch.nn.ReLU(),
            torch.nn.Dropout(DROPOUT),
            torch.nn.Linear(HIDDEN, width),
        )
        optimiser = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=epochs * -(-len(x) // BATCH))
        for _ in range(epochs):
            for rows in torch.split(torch.randperm(len(x)), BATCH):
                logits = net(blinded(x[rows].float()))
                wrong = torch.nn.functional.cross_entropy(logits[:, : len(kinds)], kind[rows], reduction="none")
                strange = torch.nn.functional.cross_entropy(logits[:, len(kinds) :], language[rows])
                loss = (weight[rows] * wrong).mean() + 0.3 * strange
                optimiser.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                schedule.step()
        members.append([tensor.detach().numpy().astype(np.float32) for tensor in net.parameters()])
    return IntentClassifier(kinds, _together(members))


def _together(members: Sequence[Sequence[Array]]) -> tuple[tuple[Array, Array], ...]:
    """The layers of one net that has the hidden units of all, and as answers the means of theirs."""
    into, beside, out, bias = zip(*members, strict=True)
    first = (np.concatenate(into).T.copy(), np.concatenate(beside))
    mean: Array = (np.concatenate(out, axis=1).T / len(members)).astype(np.float32)
    level: Array = np.stack(bias).mean(0).astype(np.float32)
    return first, (mean, level)


def calibrated(classifier: IntentClassifier, questions: Sequence[Message], encoder: Encoder) -> IntentClassifier:
    """Return the classifier with thresholds that few of the real questions pass."""
    likely = classifier(features([message.text for message in questions], encoder.encode))[0]
    talk = 1 - likely[:, classifier.kinds.index(ASKING)]
    distress = likely[:, [classifier.kinds.index(kind) for kind in DISTRESS]].sum(axis=1)
    alarm = _passed(distress, ALARMED, 0.7)
    taken = np.where(distress >= alarm, 1.0, talk)
    return replace(classifier, threshold=_passed(taken, MISTAKEN, 0.55), alarm=alarm)


def _passed(scores: Array, share: float, floor: float) -> float:
    """What no more than a share of the scores pass, from `floor` to 0.95."""
    return min(max(float(np.quantile(scores, 1 - share, method="higher")) + 1e-6, floor), 0.95)


def train(data: Path, encoder: Encoder, folder: Path, seed: int, share: float) -> dict[str, Any]:
    """Write the classifier to a folder, fitted on the given share of the epochs, and return its report."""
    every = [*written(), *drawn(data, seed)]
    learn = [message for message in every if not message.held]
    questions = [message for message in every if message.held and message.real]
    made_up = (*learn, *joined(learn, seed))
    classifier = fitted(made_up, encoder, seed, max(1, round(share * EPOCHS)))
    calibrated(classifier, questions, encoder).save(folder / WEIGHTS.name)
    return {"examples": len(made_up), **report(data, encoder, folder / WEIGHTS.name)}


def report(data: Path, encoder: Encoder, path: Path = WEIGHTS) -> dict[str, Any]:
    """Return how the classifier does on what is held out: written wordings, real questions, two messages in one."""
    listener = load_listener(encoder.encode, path, {})
    apart = [message for message in (*written(), *drawn(data)) if message.held]
    texts = [message.text for message in apart]
    kinds, languages = listener.classifier(features(texts, encoder.encode))
    found = [listener.classifier.decided(row) for row in kinds]
    real = [at for at, message in enumerate(apart) if message.real]
    own = [at for at in range(len(apart)) if at not in set(real)]
    spoken = [LANGUAGES[place] == message.language for place, message in zip(languages.argmax(1), apart, strict=True)]
    talk = [at for at in own if apart[at].kind != ASKING]
    distress = [at for at in own if apart[at].kind in DISTRESS]
    pairs = [(apart[at].kind, found[at]) for at in own]
    mixed = list(joined(apart, 1, 0.15))
    taken = [
        listener.classifier.decided(row)
        for row in listener.classifier(features([message.text for message in mixed], encoder.encode))[0]
    ]
    asked = [kind for kind, message in zip(taken, mixed, strict=True) if message.kind == ASKING]
    return {
        "accuracy": _mean(found[at] == apart[at].kind for at in own),
        "talk_taken_for_a_question": _mean(found[at] == ASKING for at in talk),
        "questions_taken_for_talk": _mean(found[at] != ASKING for at in real),
        "written_questions_taken_for_talk": _mean(found[at] != ASKING for at in own if apart[at].kind == ASKING),
        "questions_after_talk_taken_for_talk": _mean(kind != ASKING for kind in asked),
        "distress_found": _mean(found[at] in DISTRESS for at in distress),
        "questions_taken_for_distress": _mean(found[at] in DISTRESS for at in real),
        "language": _mean(spoken[at] for at in talk),
        "kinds": {kind: _of_kind(pairs, kind) for kind in listener.classifier.kinds},
    }


def _mean(values: Iterable[bool]) -> float:
    given = list(values)
    return round(sum(given) / max(len(given), 1), 4)


def _of_kind(pairs: Sequence[tuple[str, str]], kind: str) -> dict[str, float]:
    """Return number, precision and recall of a kind among pairs of (true, found)."""
    right = sum(true == found == kind for true, found in pairs)
    true, found = sum(true == kind for true, _ in pairs), sum(found == kind for _, found in pairs)
    return {"n": true, "precision": round(right / max(found, 1), 2), "recall": round(right / max(true, 1), 2)}
