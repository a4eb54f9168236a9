"""What may be asked next, under the last reply."""

from collections.abc import Sequence
from html import escape

from app.web.words import html


def following(questions: Sequence[str]) -> str:
    """A button for each question that the sources answer."""
    buttons = "".join(
        f"<button type='button' class='chip next' data-act='ask'>{escape(question)}</button>" for question in questions
    )
    return f"<div class='next' role='group' aria-label='{html('Questions that your documents answer')}'>{buttons}</div>"
