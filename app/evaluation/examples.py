"""The worst rows of a run, each to be opened on its page: what was asked, what was said, and how it was judged."""

import heapq
from html import escape
from typing import Any, Final

Record = dict[str, Any]
MOST: Final = 24
CUT: Final = 4000  # characters shown of a text
ASKED: Final = 160  # characters of a question that are shown above its example


class Worst:
    """Takes the rows one by one and keeps the worst, and the first that failed."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._heap: list[tuple[float, int, Record]] = []
        self._failed: list[Record] = []

    def add(self, row: Record) -> None:
        """Take a row that was evaluated."""
        bad = _badness(self._kind, row)
        if bad > 0:
            entry = (bad, -int(row["line"]), row)
            heapq.heappush(self._heap, entry) if len(self._heap) < MOST else heapq.heappushpop(self._heap, entry)

    def failed(self, row: Record) -> None:
        """Take a row that could not be evaluated."""
        if len(self._failed) < MOST:
            self._failed.append(row)

    def rows(self) -> list[Record]:
        """The worst first."""
        return [row for _, _, row in sorted(self._heap, key=lambda entry: (-entry[0], -entry[1]))]

    def html(self) -> str:
        """A section of the page, and one of the rows that failed."""
        parts = []
        if rows := self.rows():
            note = "The worst first: wrong, then unsafe, then unsupported, then senseless."
            if self._kind == "grounding":
                note = "Called otherwise than their label says, the surest first; without labels the least supported."
            parts.append(f"<h2>Worst examples</h2><p class=note>{note}</p>{''.join(map(self._one, rows))}")
        if self._failed:
            lines = "".join(
                f"<tr><td class=num>{row['line']}</td><td>{escape(row['error'])}</td></tr>" for row in self._failed
            )
            parts.append(f"<h2>Rows that failed</h2><table><tr><th class=num>line</th><th>why</th></tr>{lines}</table>")
        return "".join(parts)

    def _one(self, row: Record) -> str:
        tags = "".join(f'<span class="tag {tone}">{escape(text)}</span>' for text, tone in _tags(self._kind, row))
        asked = row["question"] or row["reply"]
        facts = [("Asked", row["question"]), ("Replied", row["reply"]), ("Expected", _expected(row))]
        facts += [("Forbidden, and said", ", ".join(row.get("forbidden") or []))]
        facts += [("Scores", _scores(row)), ("Source", row.get("source") or ""), ("Line", str(row["line"]))]
        shown = "".join(f"<dt>{name}</dt><dd>{_cut(text)}</dd>" for name, text in facts if text)
        claims = "".join(_claim(claim) for claim in row.get("sentences", ()))
        asked = asked if len(asked) <= ASKED else f"{asked[:ASKED]}…"
        return (
            f'<details><summary><span class="q">{escape(asked)}</span>{tags}</summary>'
            f'<div class="inside"><dl>{shown}</dl>{claims}</div></details>'
        )


def _badness(kind: str, row: Record) -> float:
    """How bad a row is; 0 for one that is not shown."""
    if kind == "grounding":
        if row["score"] is None:
            return 0.0
        if row["label"] is None:
            return 1.0 - float(row["score"]) if not row["called"] else 0.0
        return 1.0 + abs(float(row["label"]) - float(row["score"])) if row["called"] != row["label"] else 0.0
    bad = {"wrong": 8.0, "abstained": 3.0, "refused": 3.0}.get(row["verdict"] or "", 0.0)
    bad += 4.0 if row["safe"] is False else 0.0
    if row["claims"]:
        bad += 2.0 * (1 - row["supported"] / row["claims"])
    if row["outcome"] == "answered" and row["sensible"] is not None:
        bad += max(0.0, 0.5 - row["sensible"])
    return bad


def _tags(kind: str, row: Record) -> list[tuple[str, str]]:
    if kind == "grounding":
        tags = [("called supported" if row["called"] else "called unsupported", "good" if row["called"] else "bad")]
        if row["label"] is not None:
            tags.append(("label: supported" if row["label"] else "label: not supported", ""))
        return tags
    tags = []
    if row["verdict"]:
        said = row["verdict"] if row["verdict"] in ("right", "wrong") else f"{row['verdict']} wrongly"
        tags.append((said, "good" if row["verdict"] == "right" else "bad"))
    if row["safe"] is False:
        tags.append(("unsafe", "bad"))
    if row["claims"]:
        whole = row["supported"] == row["claims"]
        tags.append((f"{row['supported']} of {row['claims']} claims supported", "good" if whole else "bad"))
    return [*tags, *((row[key], "") for key in ("kind",) if row.get(key))]


def _expected(row: Record) -> str:
    answers = row.get("answers")
    parts = answers if answers and isinstance(answers[0], list) else [answers] if answers else []
    said = " and ".join(" or ".join(f"“{each}”" for each in part) for part in parts)
    wanted = row.get("expect") or ""
    return f"{wanted}: {said}" if said and wanted else said or wanted


def _scores(row: Record) -> str:
    names = ("sensible", "specific", "interesting", "answers_it", "grounded", "score", "overlap", "citation_recall")
    shown = [f"{name.replace('_', ' ')} {row[name]:.2f}" for name in names if isinstance(row.get(name), float)]
    return ", ".join(shown)


def _claim(claim: Record) -> str:
    if claim["support"] is None:
        return f'<p class="claim">{_cut(claim["text"])}</p>'
    quote = f"<q>{_cut(claim['quote'])}</q>" if claim.get("quote") else ""
    reason = f" <span class=sub>{escape(claim['reason'])}</span>" if claim.get("reason") else ""
    tone = "yes" if claim["supported"] else "no"
    shown = f"{_cut(claim['text'])} <span class=sub>{claim['support']:.2f}</span>"
    return f'<p class="claim {tone}">{shown}{reason}{quote}</p>'


def _cut(text: str) -> str:
    return escape(text if len(text) <= CUT else f"{text[:CUT]} …")
