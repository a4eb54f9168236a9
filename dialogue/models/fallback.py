"""What answers while a language model cannot be asked: the drafts of another one, and a note that says so."""

from collections.abc import Iterator, Sequence

from dialogue.types import Attribute, Context, LanguageModel, Sampling, Step, Unavailable

NOTE = "answered in quoting mode, without the language model"


class Fallback:
    """A LanguageModel: `model`, and where it is unavailable the drafts of `quote`. Goes by the name of `model`."""

    def __init__(self, model: LanguageModel, quote: LanguageModel) -> None:
        self._model = model
        self._quote = quote

    @property
    def name(self) -> str:
        """The model's."""
        return self._model.name

    @property
    def fingerprint(self) -> str:
        """The model's; a note marks drafts that are not its own."""
        return self._model.fingerprint

    @property
    def resting(self) -> bool:
        """Whether the model is left alone for a while, so that `quote` answers."""
        return bool(getattr(self._model, "resting", False))

    def sample(self, context: Context, sampling: Sampling) -> Iterator[Step | str]:
        """Yield the model's drafts, or those of `quote` when it is unavailable. Raises ModelError."""
        try:
            yield from self._model.sample(context, sampling)
        except Unavailable as error:
            if not any(note.startswith(NOTE) for note in context.working.notes):
                context.working.notes.append(f"{NOTE}: {error}")
        else:
            return
        yield from self._quote.sample(context, sampling)

    def weigh(self, context: Context, drafts: Sequence[str], attributes: Sequence[Attribute]) -> list[list[float]]:
        """Return what the model weighs; `quote` has no probabilities. Raises ModelError."""
        return self._model.weigh(context, drafts, attributes)
