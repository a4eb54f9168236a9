"""What a language model wrote, made into a draft: the reply alone, without thoughts and other speakers.

Knows nothing of models or prompts.
"""

import re

_SPEAKER = re.compile(r"(?:^|\n)\s*(?:User|Human|Assistant|Candor|System|Note)\s*:", re.IGNORECASE)
_THOUGHT = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
_SENTENCE_END = re.compile(r"[.!?…][\"'”’)\]]*(?=\s|$)")


def clean(text: str, finished: bool = True) -> str:
    """Return a draft without hidden thoughts and what the model wrote for other speakers.

    A draft cut off by its length (not `finished`) loses its broken last sentence if a whole one is left.
    """
    text = _THOUGHT.sub("", text).strip()
    while (marker := _SPEAKER.match(text)) is not None:
        text = text[marker.end() :].lstrip()
    if (marker := _SPEAKER.search(text)) is not None:
        return text[: marker.start()].strip()
    if not finished:
        ends = [match.end() for match in _SENTENCE_END.finditer(text)]
        text = text[: ends[-1]] if ends else text
    return text.strip()
