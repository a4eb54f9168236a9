"""One turn of the dialogue, from the user's message to the served reply: the whole story in `Responder.steps`.

Knows nothing of SQL, the web, the environment or files; its parts are handed in.
"""

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from glob import escape
from time import perf_counter

from dialogue.cite import cited
from dialogue.emergency import is_of_another, with_help
from dialogue.judges.facts import words
from dialogue.judges.subject import subject_of
from dialogue.pictures import BLANK, QUESTION, UNSEEN, Viewer, Viewing, look
from dialogue.prompts import ABSTENTION, CLOSEST, is_abstention
from dialogue.query import Rewriter, meant, puts_another, search_queries
from dialogue.rank import QUOTES, Gates, closest, ranked
from dialogue.readings import reading
from dialogue.research import SNIPPETS, Findings, Researcher
from dialogue.rounds import Rounds, Written
from dialogue.screen import Withheld, left_out, screened, too_unsafe
from dialogue.shapes.message import asked_in
from dialogue.shapes.shaper import Shaper
from dialogue.talk import ABOUT, ASKING, DISTRESS, FEELINGS, aside, asks, in_their_language, taken_for
from dialogue.terms import in_terms
from dialogue.types import (
    Context,
    DialogueError,
    Drafted,
    Intent,
    Judge,
    LanguageModel,
    Listener,
    Reply,
    Role,
    Sampling,
    Step,
    Trace,
    Turn,
)
from dialogue.vetting import Mask, covered, doubts, refused, shown
from retrieval.tools.clock import leans
from retrieval.tools.library import LibraryTool, answers_whole
from retrieval.tools.toolset import Search, Tool, Toolset
from retrieval.types import Evidence, Retriever
from safety.masking import Mask as Personal
from safety.types import Guard, Stage, Verdict

_CLAUSES = re.compile(r"[,;:.!?]+\s+|\s+[-–]\s+")
FEW = 3  # words that mean nothing without the message before them
PART = 6  # passages looked at for each part of a question
TOLD = 0.2  # the least probability of a passage that answers what is asked beside what is told
UNSAFE_REPLIES = "I found replies, but left them all out: none of them passed the safety check."


@dataclass(frozen=True, slots=True)
class Options:
    """How a turn is taken.

    `rounds` bounds the sampling: one, and one more with the reasons of the losers. `research` bounds the look-ups
    before it; 0 is for models that always write the same from the same sources. With `early` no more drafts are
    written once one passes every gate with room to spare.
    """

    sampling: Sampling = field(default_factory=Sampling)
    gates: Gates = field(default_factory=Gates)
    passages: int = 8
    rounds: int = 2
    research: int = 0
    early: bool = False

    def __post_init__(self) -> None:
        """Raise ValueError for a bound that is no whole number of 0 or more."""
        for name, bound in (("passages", self.passages), ("rounds", self.rounds), ("research", self.research)):
            if isinstance(bound, bool) or not isinstance(bound, int) or bound < 0:
                raise ValueError(f"{name} is {bound!r}: it has to be a whole number, 0 or more")


@dataclass(frozen=True)
class Responder:
    """Answers the last user turn with the best draft that passes every gate, and shows the working.

    `tools`, such as a calculator, are asked before the retriever with every message and in research; `web` after it, in
    research or, for a model that does none, with every question. `spelling` mends what users type, `rewriter` reads
    their follow-ups; without it rules do. Without a `listener` every message is a question. `shaper` answers questions
    of several facts. `quotes` writes from the sources what the drafts of `model` compete with. `mask` covers personal
    data in a reply.
    """

    model: LanguageModel
    retriever: Retriever
    guard: Guard
    judge: Judge
    options: Options = field(default_factory=Options)
    viewer: Viewer | None = None
    tools: tuple[Tool, ...] = ()
    web: tuple[Tool, ...] = ()
    spelling: Callable[[str], str] = str
    rewriter: Rewriter | None = None
    listener: Listener | None = None
    shaper: Shaper | None = None
    quotes: LanguageModel | None = None
    mask: Mask = field(default_factory=Personal)

    def respond(self, turns: Sequence[Turn], role: Role | None = None) -> Reply:
        """Return the reply to the last user turn. Raises DialogueError when `turns` does not end with one."""
        return next(step for step in self.steps(turns, role) if isinstance(step, Reply))

    def steps(self, turns: Sequence[Turn], role: Role | None = None) -> Iterator[Step | Drafted | Reply]:
        """Yield progress and drafts as they come, then the reply.

        Closing the iterator abandons the turn and frees what it held.
        """
        clock = _Clock()
        role, given = role or Role(), _ending_with_user(turns)
        alone = not given[-1].text.strip()  # pictures without words
        given = _in_words(given)
        turns = (*role.opening, *given)
        yield Step("guard")
        [asked] = self._checked(role, [turns[-1].text], "request", turns[:-1])
        clock.lap("guard")
        intent, plain = self._understood(given, role), Trace(asked, role=role.name)
        clock.lap("guard" if self.listener is None else "intent")
        if at_once := self._at_once(plain, intent, clock):
            yield at_once
            return
        if alone and self.viewer is None:
            yield Reply(UNSEEN, "abstained", (), self._trace(plain, clock))
            return
        context, queries, withheld = yield from self._gathered(role, given, intent, clock)
        context, told = self._checked_again(context, turns, plain)
        if refused(told.asked) and (at_once := self._at_once(told, intent, clock)):
            yield at_once
            return
        if alone and not any(item.passage.kind == "picture" for item in (*context.evidence, *(w for w, _ in withheld))):
            plain = replace(plain, notes=tuple(context.working.notes))
            yield Reply(BLANK, "abstained", (), self._trace(plain, clock))
            return
        findings = Findings(context, withheld=withheld)
        if self.options.research and intent.kind == ASKING:
            findings = yield from self._researcher(context).steps(context, withheld, self.options.sampling)
            clock.lap("research")
        context = findings.context
        rounds = self._rounds(clock)
        shaped = [Written(text, QUOTES) for text, _ in context.shaped]
        drafts = [*shaped, *(Written(text, self.model.name) for text in findings.drafts)]
        asked_for = f"{context.question} {context.query}"
        for step in rounds.steps(context, drafts):
            yield covered(step, self.mask, asked_for) if isinstance(step, Drafted) else step
        candidates = rounds.candidates
        yield Step("rank", f"{sum(not c.dropped for c in candidates)} of {len(candidates)} drafts may be served")
        trace = Trace(
            asked,
            context.query if queries else "",
            queries,
            context.evidence,
            findings.withheld,
            ranked(candidates),
            rounds.number,
            notes=tuple(dict.fromkeys((*taken_for(intent), *context.working.notes))),
            role=role.name,
            research=findings.exchange,
            tokens=dict(context.working.tokens),
            prompt=context.working.prompt,
        )
        reply = with_help(in_their_language(_best(trace, self.options.gates), intent), given[-1].text)
        clock.lap("rank")
        yield shown(replace(reply, trace=self._trace(reply.trace, clock)), self.mask, asked_for)

    def _gathered(
        self, role: Role, given: Sequence[Turn], intent: Intent, clock: "_Clock"
    ) -> Generator[Step, None, tuple[Context, tuple[str, ...], tuple[tuple[Evidence, str], ...]]]:
        """Look at the pictures and search; return what may be written from, the queries, and what is withheld."""
        seen = Viewing()
        if any(turn.pictures for turn in given):
            yield Step("look")
            seen = look(self.viewer, given)
            clock.lap("look")
        context = Context((*role.opening, *given), given[-1].text, role=role)
        context = replace(context, intent=intent.kind, language=intent.language)
        earlier = self._earlier(given, role) if intent.kind in ABOUT else ()
        if intent.kind != ASKING and not earlier:
            return context, (), ()  # nothing is asked of the sources
        notes, given = list(seen.notes), earlier[:-1] or given
        typed = given[-1].text
        told = () if len(given) > 1 and leans(typed) else Toolset(self._first(role), notes.append).look_up(typed)
        about = tuple(dict.fromkeys(item.passage.source for item in told if answers_whole(item)))
        # what a tool can work out stands by itself, whatever was spoken of before
        asked = (*given[:-1], replace(given[-1], text=asked_in(typed)))
        query, forms = (typed, (typed,)) if told else self._forms(asked, role, notes, intent.language == "en")
        queries = (*forms, *seen.words)
        yield Step("search", query)
        abroad: Sequence[Evidence] = ()
        if not self.options.research and not told and asks(typed):
            abroad = Toolset(self._web(role), notes.append).look_up(query)
        searched = () if about else self.retriever.search(queries, self.options.passages, role.sources)
        find, most = self.retriever.search, self.options.passages
        query, documents = in_terms(query, searched, lambda put, source: find([put], most, [escape(source)]))
        plan = self.shaper.plan(query) if self.shaper and not told else None
        parts = [self.retriever.search(forms, PART, role.sources) for forms in plan.forms] if plan else []
        of_parts = [item for row in parts for item in row]
        found = _distinct((*seen.now, *told, *documents, *of_parts, *abroad, *seen.before))
        context = replace(context, query=query, evidence=found, earlier=earlier, about=about)
        context, withheld = self._screened(context)
        context.working.notes.extend(notes)
        if self.shaper and not told:
            shaped = self.shaper.shaped(context, plan, parts)
            beside = [item.passage.text for item in shaped.evidence[len(context.evidence) :]]
            safe = not beside or all(verdict.safe for verdict in self._checked(role, beside, "evidence"))
            context = shaped if safe else context
        clock.lap("search")
        return context, queries, withheld

    def _forms(self, given: Sequence[Turn], role: Role, notes: list[str], english: bool) -> tuple[str, tuple[str, ...]]:
        """Return the query, slips of English mended, made to stand alone, and the forms to search; note its reading."""
        read = [replace(one, text=self.spelling(one.text)) if english and one.role == "user" else one for one in given]
        typed = given[-1].text

        def search(forms: Sequence[str]) -> Sequence[Evidence]:
            return self.retriever.search(forms, PART, role.sources)

        query, forms = reading(read, role.subject, self.rewriter, search)
        if read[-1].text != typed:
            notes.append(f"read as: {read[-1].text}")
        return query, tuple(dict.fromkeys((*forms, " ".join(typed.split()))))

    def _rounds(self, clock: "_Clock") -> Rounds:
        writers = (self.quotes, self.model) if self.quotes else (self.model,)
        options = self.options
        most, early = options.rounds, options.early
        return Rounds(writers, self.guard, self.judge, options.gates, options.sampling, most, early, clock.lap)

    def _first(self, role: Role) -> tuple[Tool, ...]:
        """The tools that are asked first; the library speaks only of documents that the role may use."""
        return tuple(tool.within(role.sources) if isinstance(tool, LibraryTool) else tool for tool in self.tools)

    def _understood(self, given: Sequence[Turn], role: Role) -> Intent:
        """Say what the last message is; one that comes with pictures asks about them.

        What is taken for talk is a question all the same where it names an identifier, or is one with its slips mended
        and standing alone, or where a tool knows it.
        """
        if self.listener is None or given[-1].pictures:
            return Intent()
        typed = given[-1].text
        intent = self.listener.hear(typed, role)
        if intent.kind in DISTRESS:
            listener = self.listener
            other = is_of_another(typed, lambda part: listener.hear(part, role).kind in DISTRESS)
            return replace(intent, kind=ASKING) if other else intent
        if intent.kind != ASKING:
            mended = self.spelling(typed)
            readings = [mended] if mended != typed else []
            if asks(typed) and len(given) > 1 and (intent.kind not in ABOUT or puts_another(typed)):
                readings.append(search_queries((*given[:-1], replace(given[-1], text=mended)), "", self.rewriter)[0])
            asked = subject_of(typed).identifiers or any(self.listener.hear(r, role).kind == ASKING for r in readings)
            if not asked and intent.kind not in (*ABOUT, "override"):
                asked = bool(Toolset(self._first(role), lambda _: None).look_up(typed))
            intent = replace(intent, kind=ASKING) if asked else intent
        return self._weighed(intent, typed, role)

    def _weighed(self, intent: Intent, typed: str, role: Role) -> Intent:
        """What a message is that tells something and asks something: a question where it asks for something of its own
        ("I am tired, when does it close?", "Just my luck, who mends the lift?") or, after a feeling, the sources answer
        it ("I am ill, what now?"), else what it tells."""
        told, *parts = _CLAUSES.split(typed)
        asked = [part for part in parts if asks(part)]
        if self.listener is None or not told or not asked or intent.kind == "override":
            return intent
        felt = self.listener.hear(told, role) if intent.kind == ASKING else intent
        plainly = sum(word.content for word in words(asked[-1])) > 1
        if felt.kind not in FEELINGS:
            own = intent.kind != ASKING and plainly and self.listener.hear(asked[-1], role).kind == ASKING
            return replace(intent, kind=ASKING) if own else intent
        if plainly:
            return replace(intent, kind=ASKING)
        found = self.retriever.search([typed], PART, role.sources)
        answered = max((item.probability or 0.0 for item in found), default=0.0) >= TOLD
        return replace(intent, kind=ASKING) if answered else felt

    def _earlier(self, given: Sequence[Turn], role: Role) -> tuple[Turn, ...]:
        """Return the turns up to the reply that a request about a reply means: the last one to a question."""
        for place in range(len(given) - 2, 0, -1):
            asked, reply = given[place - 1 : place + 1]
            paired_up = (asked.role, reply.role) == ("user", "assistant")
            if paired_up and self._understood(given[:place], role).kind == ASKING:
                return tuple(given[: place + 1])
        return ()

    def _at_once(self, told: Trace, intent: Intent, clock: "_Clock") -> Reply | None:
        """Return the reply to a message to which no draft is written, None to any other."""
        if not (said := aside(told.asked, intent)):
            return None
        return Reply(*said, (), self._trace(replace(told, notes=taken_for(intent)), clock))

    def _checked_again(self, context: Context, turns: Sequence[Turn], told: Trace) -> tuple[Context, Trace]:
        """Check the message as it is understood; return what is doubtful of it with the context, and the verdict."""
        understood = self._understood_query(context, turns, told.asked)
        doubtful = replace(context, doubts=doubts(told.asked, understood))
        return doubtful, replace(told, asked=understood, query=context.query)

    def _understood_query(self, context: Context, turns: Sequence[Turn], asked: Verdict) -> Verdict:
        """Check the message as it is understood; what hides in a follow-up shows in it. Unchanged, it was `asked`.

        A few words that nothing was made of ("And then?") are read after the message before them.
        """
        typed = " ".join(turns[-1].text.split())
        before = [turn.text for turn in turns[:-1] if turn.role == "user"]
        if before and context.query and len(typed.split()) <= FEW:
            return self._checked(context.role, [f"{before[-1]} {context.query}"], "request", turns[:-2])[0]
        if " ".join(context.query.split()) in ("", typed):
            return asked
        return self._checked(context.role, [context.query], "request", turns[:-1])[0]

    def _web(self, role: Role) -> tuple[Tool, ...]:
        """The tools that find what is no document of ours; none for a role that names the documents it may use."""
        return () if role.sources else self.web

    def _researcher(self, context: Context) -> Researcher:
        depth, role = self.options.passages + SNIPPETS * self.options.research, context.role
        search = Search(self.retriever, depth, role.sources)
        tools = Toolset((*self._first(role), search, *self._web(role)), context.working.notes.append)
        return Researcher(self.model, tools, self._screened, self.options.research)

    def _checked(self, role: Role, texts: Sequence[str], stage: Stage, before: Sequence[Turn] = ()) -> list[Verdict]:
        """Have the guard check texts, as strictly as the role asks."""
        return self.guard.check(texts, stage, [turn.text for turn in before], role.tightened)

    def _screened(self, context: Context) -> tuple[Context, Withheld]:
        """Take out what the guard will not let into a prompt, sentences or passages, keeping the reason."""
        kept, withheld = screened(lambda texts: self._checked(context.role, texts, "evidence"), context.evidence)
        return replace(context, evidence=kept), withheld

    def _trace(self, trace: Trace, clock: "_Clock") -> Trace:
        return replace(
            trace,
            timings=clock.laps,
            model=self.model.fingerprint,
            judges=self.judge.fingerprint,
            policy=self.guard.fingerprint,
        )


def _best(trace: Trace, gates: Gates) -> Reply:
    """Choose the reply: the best draft; an abstention only if no other draft is left, never the least bad.

    An abstention shows what nearly answers, and says that it is no more than that. What was withheld is said.
    """
    served = [candidate for candidate in trace.candidates if not candidate.dropped]
    if served and not is_abstention(served[0].text):
        text, citations = cited(served[0])
        sources = {citation.source for citation in citations}
        remarks = dict.fromkeys(item.remark for item in trace.evidence if item.passage.source in sources)
        left = " ".join(filter(None, [left_out(trace, sources) if citations else "", *remarks]))
        return Reply(f"{text}\n\n{left}".strip(), "answered", citations, trace)
    if trace.candidates and not any(candidate.verdict.safe for candidate in trace.candidates):
        return Reply(UNSAFE_REPLIES, "refused", (), trace)
    if near := closest(trace.candidates, gates):
        text, citations = cited(near)
        return Reply(f"{CLOSEST} {text}", "abstained", citations, trace)
    text = too_unsafe(trace, gates) or (served[0].text if served else ABSTENTION)
    return Reply(f"{text} {left_out(trace, ())}".strip(), "abstained", (), trace)


def _distinct(found: Sequence[Evidence]) -> tuple[Evidence, ...]:
    """Return what was found, each passage once, where it came first."""
    first: dict[int, Evidence] = {}
    for item in found:
        first.setdefault(item.passage.id, item)
    return tuple(first.values())


def _ending_with_user(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns, ending with a message in words or pictures. Raises DialogueError."""
    if not turns or turns[-1].role != "user" or not (turns[-1].text.strip() or turns[-1].pictures):
        roles = [turn.role for turn in turns]
        raise DialogueError(f"the last turn must be the user's and not empty; got roles {roles!r}")
    return tuple(turns)


def _in_words(turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
    """The turns as they are answered: a picture without words asks what is in it, "I meant" what was meant."""
    *before, last = turns
    asked = meant(last.text) if before else last.text
    return (*before, replace(last, text=asked if asked.strip() else QUESTION))


class _Clock:
    """Seconds per stage, summed when a stage is entered again."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, stage: str) -> None:
        now = perf_counter()
        self.laps[stage] = self.laps.get(stage, 0.0) + now - self._last
        self._last = now
