"""Talk: what a message is that asks for nothing in the sources, and what is said to it.

Told from questions by patterns; knows nothing of evidence, models or judges.
"""

import re

from dialogue.types import Role

_ASKING = re.compile(
    r"(?:(?:and|but|so|ok|okay|please|hey|hi|hello)[\s,]+)*"
    r"(?:who|what|when|where|which|why|how|whom|whose|whats|what's|is|are|was|were|"
    r"do|does|did|can|could|will|would|has|have|had|tell|explain|describe|compare|name|list|give|show|find|"
    r"define|summari[sz]e)\b",
    re.IGNORECASE,
)

_SMALL_TALK: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        r"(?P<greets>hi|hello|hey|hiya|greetings|good (?:morning|afternoon|evening|day))(?: (?:there|all|everyone))*",
        (
            "Hello! Ask me about anything in my sources, and I will show you where each answer comes from.",
            "Hi there! What would you like to know? I answer from my sources and name them.",
            "Hello! What can I look up for you today?",
        ),
    ),
    (
        r"(?:thanks|thank you|thx|cheers|many thanks)(?: (?:so|very|a) (?:much|lot))*"
        r"|(?:that|this) (?:was|is) (?:very )?helpful|great,? thanks",
        (
            "You are welcome! Is there anything else you would like to know?",
            "My pleasure. Ask on whenever you like.",
        ),
    ),
    (
        r"(?:bye|goodbye|good night|see you(?: later| soon)?|farewell)",
        ("Goodbye! I enjoyed our conversation.", "See you soon. I will keep this conversation for you."),
    ),
    (
        r"how are you(?: doing)?(?: today)?|how(?: i|['’])s it going|how do you do|what(?: i|['’])s up",
        (
            "I am well, thank you, and ready to look things up. What would you like to know?",
            "Very well, thank you! What shall we talk about?",
        ),
    ),
    (
        r"who are you|what are you|what(?: i|['’])s your name|are you (?:a )?(?:bot|robot|human|real|chatgpt|an? ai)|"
        r"introduce yourself|tell me about yourself",
        (
            "I am {name}. I look your question up in my sources, check every sentence against them, and show you the "
            "passage behind each one.",
            "My name is {name}, and I only say what my sources support.",
        ),
    ),
    (
        r"what can you do|how (?:do|can) you help(?: me)?|help(?: me)?|what (?:do|can) (?:you|i) "
        r"(?:know|ask)(?: you)?(?: about)?"
        r"|how do(?:es)? (?:you|this) work|what are your sources|what topics do you know(?: about)?",
        (
            "I can answer questions from the documents I was given, compare what they say, and show you the sentence "
            "behind each answer. I will tell you when they do not answer your question.",
            "Ask me anything about my documents. I will quote the sentence that answers you and name its source.",
        ),
    ),
)  # fmt: skip


def small_talk(text: str, role: Role | None = None) -> tuple[str, ...]:
    """Return replies to a greeting, thanks or a question about the system itself, empty for anything else.

    They are said in the role's name; it greets as in its opening.
    """
    role = role or Role()
    plain = re.sub(r"[^\w\s'’,]", " ", text.casefold())
    name = role.name.casefold()
    called = "|".join(map(re.escape, (name, *name.split()[-1:])))
    plain = re.sub(rf"(?<=\w)[ ,]+(?:{called})$", "", " ".join(plain.split()).strip(" ,"))
    rest = re.sub(r"^(?:hi|hello|hey|ok|okay|well|so|and)[ ,]+(?=\w)", "", plain)
    for pattern, answers in _SMALL_TALK:
        match = re.fullmatch(pattern, plain) or re.fullmatch(pattern, rest)
        if match:
            greeting = [turn.text for turn in role.opening if turn.role == "assistant"][:1]
            if greeting and "greets" in match.groupdict():
                return (*greeting, f"Hello! I am {role.name}. What would you like to know?")
            return tuple(line.replace("{name}", role.name) for line in answers)
    return ()


def asks(text: str) -> bool:
    """Say whether a message asks for something to be known, rather than telling or greeting."""
    return "?" in text or bool(_ASKING.match(text.strip()))
