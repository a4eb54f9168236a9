"""The prompt that a small chat model is tuned on and its candidates are sampled with."""

from dataclasses import dataclass
from typing import Final

from dialogue.models.formats import Asked, Chat
from dialogue.prompts import ANSWER, plain
from dialogue.types import Attribute, Context

SYSTEM: Final = "You are Candor, a helpful assistant."
READ: Final = "Read the text and answer the question.\n\n{text}\n\nQuestion: {question}\nAnswer:"
REWRITE: Final = """{conversation}

Rewrite the last question so that it can be understood by itself.
Question: {question}
Rewritten:"""
UNSAID: Final = "The text does not say."


@dataclass(frozen=True, slots=True)
class Plain(Chat):
    """Short and plain: earlier turns, then the passages and the question after them."""

    def prompt(self, context: Context) -> str:
        """See `Format`."""
        said = [{"role": turn.role, "content": plain(turn.text)} for turn in context.turns[:-1]]
        text = "\n\n".join(plain(item.passage.text) for item in context.evidence)
        last = READ.format(text=text, question=plain(context.question)) if text else plain(context.question)
        steps = [
            {"role": "assistant" if turn.role == "assistant" else "user", "content": plain(turn.text)}
            for turn in context.research
        ]
        messages = [{"role": "system", "content": SYSTEM}, *said, {"role": "user", "content": last}, *steps]
        return self._written(messages)

    def asked(self, attribute: Attribute) -> Asked:
        """See `Format`: the attribute's name as the user's next message, a rating as the reply."""
        written = Chat.asked(self, attribute).text.replace(ANSWER.format(question=attribute.question), attribute.name)
        other = "0" if attribute.desired == "1" else "1"
        return Asked(written, (attribute.desired,), (other,))
