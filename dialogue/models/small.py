"""The prompts of small models: short and plain, the text first, the question after it, the cue last.

Marks, numbered sources, rules of conduct and complaints about earlier drafts make them answer the prompt instead of the
question (`benchmarks/prompts.py` prints the figures). What they write is checked like everything else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dialogue.cite import without_marks
from dialogue.models.formats import Asked, Chat
from dialogue.prompts import plain
from dialogue.rank import Gates
from dialogue.talk import ASKING, FEELINGS
from dialogue.types import Attribute, Context, Sampling

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

PARAMETERS: Final = 10**9  # models of fewer are small; measured at 0.135 billion
PASSAGES: Final = 1  # for each part of the question; with one 7 of 14 replies held the answer, with two 6
TEMPERATURE: Final = 0.7
TOKENS: Final = 64  # of a draft
GATES: Final = Gates(written=0.85)  # of what passes one in ten does not hold the words that are expected (recipe.py)
TURNS: Final = 4  # of the conversation, in talk
# of 14 greedy replies 7 held the answer with this one, 6 when nothing but the question follows the text
ANSWER: Final = "Read the text and answer the question.\n\n{text}\n\nQuestion: {question}\nAnswer:"
SUMMARY: Final = "Read the text and summarise it in two sentences.\n\n{text}\n\nSummary:"
REWORDED: Final = {
    "shorter": "Say this in one short sentence.\n\n{text}\n\nShorter:",
    "again": "Explain this in other words.\n\n{text}\n\nIn other words:",
    "meaning": "Explain this in plain words.\n\n{text}\n\nIn plain words:",
}
TALK: Final = "You are {name}. {style}Reply to the user in one or two short, friendly sentences."
SYSTEM: Final = "You are a helpful AI assistant."  # in the place of the template's own (8 of 14); 7, an empty one 6
TALKS: Final = (*FEELINGS, "happy", "personal", "play", "statement")  # what a line of its own says less well


@dataclass(frozen=True, slots=True)
class Small:
    """See `Format`: chat models that follow one plain request at a time. `talks` says whether their small talk is any
    good.
    """

    tokenizer: "PreTrainedTokenizerBase"
    special: bool = False
    stops: tuple[str, ...] = ("\n\n", "\nQuestion:", "\nText:")
    unwanted: tuple[str, ...] = ("The text",)  # what speaks of the text, or declines: the judges decide that
    passages: int = PASSAGES
    talks: bool = True

    def prompt(self, context: Context) -> str:
        """See `Format`; "" where such a model had better say nothing."""
        if context.complaints:
            return ""  # told why its drafts were dropped it copies the reasons
        if context.intent != ASKING:
            return self._talk(context)
        documents = [item.passage for item in context.evidence if item.passage.kind != "tool"]
        if not context.evidence:
            return self._said(context) if self.talks else ""
        if len(documents) < len(context.evidence) or context.language != "en":
            return ""  # what a tool has worked out is quoted
        texts = [passage.text for passage in documents]
        if context.about:
            said = [passage.text for passage in documents if passage.source in context.about]
            return self._asked(SUMMARY.format(text=plain("\n".join(said[: self.passages])))) if said else ""
        text = plain("\n\n".join(texts[: self.passages * max(1, len(context.parts))]))
        return self._asked(ANSWER.format(text=text, question=plain(context.query)))

    def reply(self, draft: str) -> str:
        """See `Format`."""
        return draft

    def asked(self, attribute: Attribute) -> Asked:
        """See `Format`."""
        return Chat(self.tokenizer).asked(attribute)

    def _talk(self, context: Context) -> str:
        """The prompt for a message that asks for nothing in the sources, or for another form of the last reply."""
        if context.language != "en":
            return ""
        if context.intent in REWORDED:
            reply = without_marks(context.earlier[-1].text) if context.earlier else ""
            return self._asked(REWORDED[context.intent].format(text=plain(reply))) if reply else ""
        return self._said(context) if self.talks and context.intent in TALKS else ""

    def _said(self, context: Context) -> str:
        style = f"{plain(context.role.style).strip()} ".lstrip()
        said = [turn for turn in context.turns if turn.role != "system"][-TURNS:]
        messages = [{"role": turn.role, "content": plain(without_marks(turn.text))} for turn in said]
        return self._written(TALK.format(name=plain(context.role.name), style=style), messages)

    def _asked(self, request: str) -> str:
        return self._written(SYSTEM, [{"role": "user", "content": request}])

    def _written(self, system: str, messages: list[dict[str, str]]) -> str:
        first = [{"role": "system", "content": system}]
        return Chat(self.tokenizer).written([*first, *messages])


def small_sampling(n: int) -> Sampling:
    """Return how a small model is sampled: it loses the thread when hot, or when it may go on."""
    return Sampling(n, temperature=TEMPERATURE, max_new_tokens=TOKENS)


def sized(model: "PreTrainedModel", tokenizer: "PreTrainedTokenizerBase") -> Small | None:
    """Return the prompts of a small chat model; None for any other."""
    count: Callable[[], int] = model.num_parameters
    return Small(tokenizer) if tokenizer.chat_template and count() < PARAMETERS else None
