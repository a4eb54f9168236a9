"""The rounds of one turn: drafts are written, judged, repaired, and written once more while none may be served.

What quotes writes first and is judged first; a language model's drafts then compete with the quotes. Knows nothing of
how the sources were searched or which draft wins.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from dialogue.cite import without_marks
from dialogue.pictures import rests_on_pictures
from dialogue.prompts import ABSTENTION, DECLINED, is_abstention
from dialogue.rank import QUOTES, Gates, ample, quality, why_dropped
from dialogue.research import replies
from dialogue.talk import ASKING, said
from dialogue.types import EARLY, Candidate, Context, Drafted, Judge, LanguageModel, ModelError, Sampling, Scores, Step
from dialogue.vetting import SHARE, vetted
from retrieval.text import paired
from safety.types import Guard, Stage, Verdict

OFFER: Final = 0.5  # the least probability that what a complaint is offered answers the question

Steps = Generator[Step | Drafted, None, None]


@dataclass(frozen=True, slots=True)
class Written:
    """A draft and the name of what wrote it."""

    text: str
    writer: str


@dataclass
class Rounds:
    """Runs the rounds of one turn; `candidates` are what was judged so far, `number` the rounds begun.

    `writers` write in this order, what quotes before a language model. With `early` nobody writes once a draft passes
    every gate with room to spare. `lap` is told of every stage that ends.
    """

    writers: Sequence[LanguageModel]
    guard: Guard
    judge: Judge
    gates: Gates
    sampling: Sampling
    most: int = 2
    early: bool = False
    lap: Callable[[str], None] = lambda _: None
    number: int = 0
    candidates: list[Candidate] = field(default_factory=list)
    _seen: dict[str, int] = field(default_factory=dict)  # the drafts by text, each with its number
    _vetted: dict[str, Verdict] = field(default_factory=dict)  # what the guard has seen while others were written

    def steps(self, context: Context, found: Sequence[Written]) -> Steps:
        """Yield progress and drafts; `found` are drafts that were there before anybody was asked to write.

        Raises ModelError when not one draft can be had.
        """
        while self.number < self.most and all(map(_unfit, self.candidates)):
            self.number += 1
            for writer in self.writers:
                if self.early and any(ample(candidate, self.gates) for candidate in self.candidates):
                    context.working.notes.append(EARLY)
                    return
                yield Step("sample", f"{len(context.evidence)} passages")
                drafts = yield from self._written(context, writer, found)
                found = ()
                self.lap("sample")
                yield Step("judge", f"{len(drafts)} drafts")
                yield from self._compete(context, drafts)
                self.lap("judge")
            context = replace(context, complaints=tuple(c.dropped for c in self.candidates if c.dropped))

    def _written(
        self, context: Context, writer: LanguageModel, found: Sequence[Written]
    ) -> Generator[Step | Drafted, None, list[Written]]:
        """Yield progress and each new draft as it is finished; return them, those that were found first.

        A model that fails now loses no draft that it wrote before; without one its ModelError is raised.
        """
        seed = self.sampling.seed
        sampling = replace(self.sampling, seed=None if seed is None else seed + self.number - 1)
        new = [draft for draft in map(_clean, found) if self._enter(draft)]
        expected = len(self._seen) + sampling.n
        for draft in new:
            yield self._event(draft, expected)
        try:
            for made in writer.sample(context, sampling):
                if isinstance(made, Step):
                    yield made
                    continue
                for text in replies(context, [paired(made)]):  # what cannot be encoded could be neither judged nor kept
                    draft = _clean(Written(text, writer.name))
                    if self.gates.written and writer.name != QUOTES:
                        context.working.sampled[draft.text] += 1
                    if self._enter(draft):
                        new.append(draft)
                        self._vet(context, draft)
                        yield self._event(draft, expected)
        except ModelError as error:
            if not (new or self.candidates):
                raise
            context.working.notes.append(f"the writing stopped: {error}")
        return new

    def _enter(self, draft: Written) -> bool:
        """Number a draft; one that is empty or a repetition, also of an earlier round, is left out."""
        if not draft.text or draft.text in self._seen:
            return False
        self._seen[draft.text] = len(self._seen)
        return True

    def _event(self, draft: Written, expected: int = 0, candidate: Candidate | None = None) -> Drafted:
        verdict = candidate.verdict if candidate else self._vetted.get(draft.text)
        safe, of = verdict is not None and verdict.safe, max(expected, len(self._seen))
        return Drafted(draft.text, draft.writer, self._seen[draft.text], of, candidate, safe)

    def _vet(self, context: Context, draft: Written) -> None:
        """Have the guard read what a language model wrote as soon as it is there; quotes come all at once."""
        if draft.writer != QUOTES:
            [self._vetted[draft.text]] = self._verdicts(context, [draft.text])

    def _compete(self, context: Context, drafts: Sequence[Written]) -> Steps:
        """Judge drafts, and then those of them without their unsupported sentences as new candidates."""
        judged = self._judged(context, drafts)
        rest = [Written(repair(c.text, c.scores), c.writer) for c in judged if c.dropped and c.verdict.safe]
        fresh = [draft for draft in map(_clean, rest) if self._enter(draft)]
        if self.gates.written:
            context.working.sampled.update({draft.text: 0 for draft in fresh if draft.writer != QUOTES})
        judged += self._judged(context, fresh, repaired=True)
        self.candidates += judged
        for candidate in judged:
            yield self._event(Written(candidate.text, candidate.writer), candidate=candidate)

    def _judged(self, context: Context, drafts: Sequence[Written], repaired: bool = False) -> list[Candidate]:
        """Judge all drafts in one batch: safety, then everything else."""
        if not drafts:
            return []
        texts = [draft.text for draft in drafts]
        new = [text for text in texts if text not in self._vetted]
        if new:
            self._vetted.update(zip(new, self._verdicts(context, new), strict=True))
        verdicts = [self._vetted[text] for text in texts]
        scores = self.judge.score(context, texts)
        return [
            Candidate(
                draft.text,
                verdict,
                score,
                quality(score),
                why_dropped(verdict, score, self._gates(context, score, draft.writer)),
                repaired,
                draft.writer,
            )
            for draft, verdict, score in zip(drafts, verdicts, scores, strict=True)
        ]

    def _verdicts(self, context: Context, drafts: Sequence[str]) -> list[Verdict]:
        before = [turn.text for turn in context.turns]
        wary = (*context.role.tightened, *((name, SHARE) for name in context.doubts))

        def check(texts: Sequence[str], stage: Stage) -> list[Verdict]:
            return self.guard.check(texts, stage, before, wary if stage == "quotation" else context.role.tightened)

        own = said(context.intent, context.language, context.role)
        return vetted(check, drafts, context.evidence, own, f"{context.question} {context.query}")

    def _gates(self, context: Context, scores: Scores, writer: str) -> Gates:
        """The gates of a draft; what describes a picture that was asked about need not look like an answer."""
        gates = self.gates
        if context.intent == ASKING and writer != QUOTES:
            gates = replace(gates, answers=max(gates.answers, gates.written))
        if context.intent != ASKING:  # a line of talk need not look like an answer; another answer has to be one
            return replace(gates, sensible=0.0, answers=OFFER if context.intent == "complaint" else 0.0)
        return replace(gates, answers=0.0) if rests_on_pictures(scores, context.turns) else gates


def repair(text: str, scores: Scores) -> str:
    """Return the draft without its unsupported sentences, empty when no supported sentence is left."""
    bad = [claim for claim in scores.claims if claim.support is not None and not claim.supported]
    if not bad or not any(claim.supported for claim in scores.claims):
        return ""
    kept, place = [], 0
    for claim in bad:
        kept.append(text[place : claim.start])
        place = claim.end
    kept.append(text[place:])
    return " ".join(" ".join(kept).split())


def _clean(draft: Written) -> Written:
    """A draft without marks that its writer put in; one that declines in other words is the one abstention."""
    text = without_marks(draft.text).strip()
    return replace(draft, text=ABSTENTION if text.startswith(DECLINED) else text)


def _unfit(candidate: Candidate) -> bool:
    return bool(candidate.dropped) or is_abstention(candidate.text)
