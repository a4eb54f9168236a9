"""In which language a question is asked.

The one file that needs py3langid. English unless another language is all but certain: a name or a keyword is no
reason to call a question foreign.
"""

from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

KNOWN: Final = tuple("en de nl fr es it pt sv da no fi pl cs hu ro tr ru uk el ar he hi zh ja ko".split())
CERTAIN: Final = 0.87  # the least probability of another language
SHORT: Final = 4  # words; what is no longer and has no question mark may be a name, and has to be surer
SURER: Final = 0.95


@cache
def _identifier() -> "LanguageIdentifier":
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(KNOWN)
    return identifier


def language_of(text: str) -> str:
    """Return the ISO 639-1 code of the language of a question, one of KNOWN; "en" where there is doubt."""
    language, probability = _identifier().classify(text)
    name = len(text.split()) <= SHORT and "?" not in text
    return str(language) if probability >= (SURER if name else CERTAIN) else "en"
