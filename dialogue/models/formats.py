"""How a prompt, a reply and a question about it are written for one kind of model.

Three kinds: models with a chat template, models that only continue text, and models fine-tuned on LaMDA's
formats. Knows the texts; nothing of decoding.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from dialogue.prompts import (
    ANSWER,
    Message,
    alternating,
    render,
    render_lamda,
    render_plain,
    reply_lamda,
    weighing_lamda,
)
from dialogue.types import Attribute, Context, ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

MARK: Final = "candor.json"  # beside an adapter: which format it was trained on
LAMDA: Final = "lamda"
PLAIN: Final = "plain"  # as models of that size are asked without
_DRAFT = "\u2063draft\u2063"  # stands for a draft while a template is tried; no template writes it itself


@dataclass(frozen=True, slots=True)
class Asked:
    """What follows a draft to have it weighed, and the answers compared, each in its spellings."""

    text: str
    wanted: tuple[str, ...]
    other: tuple[str, ...]


class Format(Protocol):
    """The texts of one kind of model. `stops` end a draft where another speaker begins; none begins as `unwanted`."""

    @property
    def special(self) -> bool: ...  # noqa: D102, whether the tokenizer adds its own tokens to a prompt

    @property
    def stops(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def unwanted(self) -> tuple[str, ...]: ...  # noqa: D102

    def prompt(self, context: Context) -> str:
        """Return the text after which the model writes a reply."""
        ...

    def reply(self, draft: str) -> str:
        """Return a draft as it follows the prompt."""
        ...

    def asked(self, attribute: Attribute) -> Asked:
        """Return the question about a draft as it follows the draft."""
        ...


@dataclass(frozen=True, slots=True)
class Chat:
    """Models whose tokenizer has a chat template."""

    tokenizer: "PreTrainedTokenizerBase"
    special: bool = False
    stops: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()

    def prompt(self, context: Context) -> str:
        """See `Format`; templates that know no system role or ask for strict alternation get it."""
        return self.written(render(context))

    def reply(self, draft: str) -> str:
        """See `Format`."""
        return draft

    def asked(self, attribute: Attribute) -> Asked:
        """See `Format`: what the template writes after the assistant's message."""
        question = ANSWER.format(question=attribute.question)
        exchange = (("user", "?"), ("assistant", _DRAFT), ("user", question))
        text = self.written([{"role": role, "content": content} for role, content in exchange])
        return Asked(text.rpartition(_DRAFT)[2], *_answers(attribute, ""))

    def written(self, messages: Sequence[Message]) -> str:
        """Return messages in the template of the model."""
        from jinja2 import TemplateError

        try:
            return self._template(messages)
        except TemplateError:
            return self._template(alternating(messages))

    def _template(self, messages: Sequence[Message]) -> str:
        text: str = self.tokenizer.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)
        return text


@dataclass(frozen=True, slots=True)
class Continued:
    """Models that continue text; `before` goes ahead of the prompt, such as a control code of CTRL."""

    before: str = ""
    special: bool = True
    stops: tuple[str, ...] = ("\nUser:", "\nNote:")
    unwanted: tuple[str, ...] = ()

    def prompt(self, context: Context) -> str:
        """See `Format`."""
        return self.before + render_plain(context)

    def reply(self, draft: str) -> str:
        """See `Format`."""
        return f" {draft}"

    def asked(self, attribute: Attribute) -> Asked:
        """See `Format`."""
        question = ANSWER.format(question=attribute.question)
        return Asked(f"\nUser: {question}\nAnswer:", *_answers(attribute, " "))


@dataclass(frozen=True, slots=True)
class Lamda:
    """Models fine-tuned by `candor train generator` (Thoppilan et al. 2022, section 6.1)."""

    special: bool = True
    stops: tuple[str, ...] = ()
    unwanted: tuple[str, ...] = ()

    def prompt(self, context: Context) -> str:
        """See `Format`."""
        return render_lamda(context)

    def reply(self, draft: str) -> str:
        """See `Format`."""
        return reply_lamda(draft)

    def asked(self, attribute: Attribute) -> Asked:
        """See `Format`."""
        text, wanted, other = weighing_lamda(attribute)
        return Asked(text, (wanted,), (other,))


def fine_tuned(folder: Path) -> Lamda | None:
    """Return the format that a folder says its model was fine-tuned on; None when it says nothing.

    Raises ModelError for a format that is not known.
    """
    mark = folder / MARK
    if not mark.is_file():
        return None
    try:
        named = json.loads(mark.read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{str(mark)!r} cannot be read: write the adapter again ({error})") from error
    if named not in (LAMDA, PLAIN):
        raise ModelError(
            f"{str(mark)!r} names a format that this version does not know: it knows {LAMDA!r} and {PLAIN!r}"
        )
    return Lamda() if named == LAMDA else None


def _answers(attribute: Attribute, space: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    other = "no" if attribute.answer == "yes" else "yes"
    one, two = ((space + word, space + word.capitalize()) for word in (attribute.answer, other))
    return one, two
