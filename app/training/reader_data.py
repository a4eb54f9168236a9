"""What the reader learns from: questions on passages, with the place of the answer, and those that are not answered.

Every paragraph is cut as the library cuts documents. Beside a passage that answers stand passages of the same article
that do not, found by the words they share with the question; questions that ask the same of another name, number or
year of the article; and questions that people wrote so as not to be answered (SQuAD 2.0: Rajpurkar et al. 2018).
"""

import random
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.training import document_questions
from app.training.asked import Asked
from app.training.invented import invented
from app.training.quality_data import rows as lines
from app.training.quality_data import share
from app.training.stated import stated
from retrieval.passages import cut_all
from retrieval.reading import Page
from retrieval.text import clean

HELD = 0.1  # of the articles of SQuAD, kept apart to measure on
INVENTED = 40_000  # questions on invented pages
STRANGE = 20_000  # questions on a page about something else
STATED = 40_000  # questions on pages of statements
NEAR = 6  # passages of the article among which a wrong one is chosen
SHORT = 2  # characters of an answer that is looked for in other passages


Source = Callable[[random.Random], Iterator[Asked]]


def sources(data: Path, seed: int = 0) -> dict[str, tuple[float, list[Asked]]]:
    """Return what is trained on: by name, its share of what is drawn and its questions."""
    rng = random.Random(seed)
    reading = data / "reading"
    squad = [row for row in lines(reading / "squad1_train.jsonl.gz") if not held(row)]
    articles = Articles(squad)
    twins = [row for row in lines(reading / "squad2_train_unanswerable_pairs.jsonl.gz") if not held(row)]
    documents = [document for document in document_questions.documents() if not document.held()]
    found = {
        "squad": (0.16, list(_known(squad))),
        "near": (0.05, list(articles.near(squad, rng))),
        "exchanged": (0.04, list(articles.exchanged(squad, rng))),
        "twins": (0.08, list(_twins(twins))),
        "fairytaleqa": (0.02, list(_known(lines(reading / "fairytaleqa_train.jsonl.gz")))),
        "qamr": (0.02, list(_qamr(lines(reading / "qamr_sentences_dev.jsonl.gz")))),
        "policyqa": (0.01, list(_known(lines(reading / "policyqa_dev.jsonl.gz")))),
        "covidqa": (0.01, list(_known(lines(reading / "covidqa_deepset_windows.jsonl.gz")))),
        "boolq": (0.01, list(_boolq(lines(reading / "boolq_val.jsonl.gz")))),
        "invented": (0.04, list(invented(INVENTED, seed))),
        "stated": (0.03, list(stated(STATED, seed))),
        "trecqa": (0.01, list(_sentences(lines(data / "retrieval" / "trecqa.train.jsonl.gz"), rng))),
        "documents": (0.30, list(document_questions.answered(documents))),
        "documents, not answered": (0.10, list(document_questions.unanswered(documents))),
        "documents, rows": (0.04, list(document_questions.rows(documents, rng))),
        "documents, beside": (0.06, list(document_questions.beside(documents))),
    }
    return {**found, "strange": (0.02, list(_strange(list(found.values()), rng)))}


def held(row: Mapping[str, Any]) -> bool:
    """Whether a row of SQuAD is of an article that the reader does not learn from."""
    return share(f"reader {row['title']}") < HELD


def titled(row: Mapping[str, Any]) -> str:
    """Return the title of a row as one would write it."""
    return clean(str(row.get("title") or "").replace("_", " ")).strip()


def windows(row: Mapping[str, Any]) -> list[tuple[Page, int]]:
    """Return the passages of a row's paragraph, each with the place where it begins there."""
    text = str(row["paragraph"])
    if clean(text) != text:
        return [(Page(text, titled(row)), 0)]  # its spans hold for the text as it is
    return [(Page(p.text, p.title), p.start) for p in cut_all([("", titled(row), text)])]


def spans_in(row: Mapping[str, Any], page: Page, start: int) -> tuple[tuple[int, int], ...]:
    """Return the spans of a row's answers that lie within a window of its paragraph."""
    found = {
        (at - start, at - start + len(answer))
        for at, answer in zip(row["starts"], row["answers"], strict=False)
        if at >= 0 and start <= at and at + len(answer) <= start + len(page.text)
    }
    return tuple(sorted(span for span in found if page.text[slice(*span)].strip()))


def _known(rows: Iterable[Mapping[str, Any]]) -> Iterator[Asked]:
    """Questions with the passage that holds their answer."""
    for row in rows:
        for page, start in windows(row):
            spans = spans_in(row, page, start)
            if spans:
                yield Asked(clean(row["question"]), page, spans)
                break


def _twins(rows: Iterable[Mapping[str, Any]]) -> Iterator[Asked]:
    """Questions that cannot be answered, with the passage that seems to: it is on the subject."""
    for row in rows:
        for page, _ in windows(row):
            if row["plausible"] and row["plausible"] in page.text:
                yield Asked(clean(row["question"]), page, (), 0.0, None)
                break


def _strange(found: Sequence[tuple[float, Sequence[Asked]]], rng: random.Random) -> Iterator[Asked]:
    """Questions of any source on a page of any other."""
    every = [asked for _, asked in found if asked]
    for _ in range(STRANGE):
        one, other = rng.sample(every, 2)
        yield Asked(rng.choice(one).question, rng.choice(other).page, (), 0.0, 0.0)


def _boolq(rows: Iterable[Mapping[str, Any]]) -> Iterator[Asked]:
    """Yes-or-no questions on the whole of a passage: it answers, nothing is said of where."""
    for row in rows:
        text = re.sub(r"^.{1,80}? -- ", "", clean(row["paragraph"]))
        yield Asked(clean(row["question"]), Page(text, titled(row)))


def _qamr(rows: Iterable[Mapping[str, Any]]) -> Iterator[Asked]:
    """Questions on single sentences, which are written with blanks between all tokens."""
    for row in rows:
        text = joined(row["paragraph"])
        spans = {(text.find(part), text.find(part) + len(part)) for part in map(joined, row["answers"])}
        found = tuple(sorted(span for span in spans if span[0] >= 0))
        if found:
            yield Asked(clean(row["question"]), Page(text), found)


def joined(tokens: str) -> str:
    """Return text whose tokens are all parted by blanks as one would write it."""
    text = re.sub(r"\s+([,.;:?!%)\]’”]|'s\b|n't\b|'\w{1,2}\b)", r"\1", clean(tokens))
    return re.sub(r"([(\[$£“])\s+", r"\1", re.sub(r"``\s*|\s*''", '"', text))


def _sentences(rows: Iterable[Mapping[str, Any]], rng: random.Random) -> Iterator[Asked]:
    """Sentences that answer or do not, of TREC's questions; nothing is said of where."""
    by_question: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        by_question[row["question"]].append(row)
    for question, candidates in by_question.items():
        wrong = [row for row in candidates if not row["answers"]]
        for row in [*(row for row in candidates if row["answers"]), *rng.sample(wrong, min(len(wrong), 8))]:
            page = Page(clean(row["sentence"]), clean(row.get("title") or ""))
            yield Asked(clean(question), page, (), float(row["answers"]), None)


class Articles:
    """The passages of every article, and what its texts name."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._pages: dict[str, list[Page]] = defaultdict(list)
        self._names: dict[str, dict[str, list[str]]] = {}
        seen: set[tuple[str, str]] = set()
        for row in rows:
            if (row["title"], row["paragraph"]) not in seen:
                seen.add((row["title"], row["paragraph"]))
                self._pages[row["title"]] += [page for page, _ in windows(row)]
        for title, pages in self._pages.items():
            kinds: dict[str, list[str]] = defaultdict(list)
            for name in dict.fromkeys(match[0] for page in pages for match in NAME.finditer(page.text)):
                kinds[shape(name)].append(name)
            self._names[title] = kinds

    def near(self, rows: Sequence[Mapping[str, Any]], rng: random.Random) -> Iterator[Asked]:
        """Questions with a passage of the same article that is near in words and does not hold the answer."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        by_title: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in rows:
            by_title[row["title"]].append(row)
        for title, asked in by_title.items():
            pages = self._pages[title]
            counted = TfidfVectorizer(sublinear_tf=True, stop_words="english")
            table = counted.fit_transform([page.text for page in pages])
            words = (counted.transform([row["question"] for row in asked]) @ table.T).toarray()
            for row, scores in zip(asked, words, strict=True):
                answers = [answer.casefold() for answer in row["answers"]]
                order = (-scores).argsort()[: 2 * NEAR].tolist()
                wrong = [at for at in order if not any(a in pages[at].text.casefold() for a in answers)][:NEAR]
                if wrong:
                    yield Asked(clean(row["question"]), pages[rng.choice(wrong)], (), 0.0, 0.3)

    def exchanged(self, rows: Sequence[Mapping[str, Any]], rng: random.Random) -> Iterator[Asked]:
        """Questions that name something else of their article, which the passage says nothing of."""
        for row in rows:
            named = [m for m in NAME.finditer(row["question"]) if m.start() > 0]
            if not named:
                continue
            old = rng.choice(named)
            page = next((p for p, start in windows(row) if spans_in(row, p, start)), None)
            if page is None:
                continue
            title = titled(row).casefold()
            others = [
                name
                for name in self._names[row["title"]][shape(old[0])]
                if name not in page.text and name not in row["question"] and name.casefold() not in title
            ]
            if others and old[0].casefold() not in title:
                text = row["question"]
                asked = text[: old.start()] + rng.choice(others) + text[old.end() :]
                yield Asked(clean(asked), page, (), 0.0, None)


NAME = re.compile(r"\b\d[\d,.]*\d\b|\b\d\b|(?<![.?!] )(?<!^)\b[A-Z][\w’'-]+(?:(?: of| the| de)* [A-Z][\w’'-]+){0,3}")


def shape(name: str) -> str:
    """The shape of a name: what may stand in the place of which other."""
    if re.fullmatch(r"1\d\d\d|20\d\d", name):
        return "year"
    return "number" if name[0].isdigit() else f"{min(2, len(name.split()))} words"


_ASKS = re.compile(r"\b(?:what|which|who|when|where|how|is|are|was|were|do|does|did|the|a|an|of)\b\s*", re.IGNORECASE)


_OPENINGS = (
    "Hi, ", "Please tell me: ", "I was wondering, ", "Quick question: ", "So ", "Do you know ", "Can you tell me ",
    "I am new here. ", "And ", "Hello! I would like to know: ",
)  # fmt: skip


def as_typed(asked: Asked, rng: random.Random) -> Asked:
    """Return a question now and then as people type: without marks or capitals, as keywords, with a slip."""
    text, chance = asked.question, rng.random()
    if chance < 0.12:
        text = text.rstrip("? .").casefold()
    elif chance < 0.16:
        text = _ASKS.sub("", text).rstrip("? .") or text
    elif chance < 0.20:
        text = _slip(text, rng)
    elif chance < 0.26:
        text = rng.choice(_OPENINGS) + text[:1].lower() + text[1:]
    page = replace(asked.page, title="") if rng.random() < 0.2 else asked.page
    if rng.random() < 0.1:  # as somebody speaks: without capitals or marks, every character in its place
        spoken = re.sub(r"[.,;:!?](?=\s|$)", " ", page.text.lower())
        page = replace(page, text=spoken) if len(spoken) == len(page.text) else page
    return replace(asked, question=text, page=page)


def _slip(text: str, rng: random.Random) -> str:
    words = [match for match in re.finditer(r"[a-z]{5,}", text)]
    if not words:
        return text
    word = rng.choice(words)
    at = rng.randrange(word.start() + 1, word.end() - 1)
    swapped = text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return rng.choice([swapped, text[:at] + text[at + 1 :]])
