"""Which sentences of a draft claim something about the world.

Decides by form alone: knows nothing of evidence, of truth or of the language model. When in doubt a sentence
is a claim, because an unchecked claim costs more than a checked pleasantry.
"""

import re
from dataclasses import dataclass

from retrieval.text import BAR, sentences

_MARK = re.compile(r"\s*\[\d{1,3}\]")
_I = r"(?:i|we)(?:['’](?:m|d|ll|ve|re))?"
_HEAR = (
    r"(?:say|says|said|mentions?|mentioned|states?|stated|tells?|cover|covers|contains?|includes?|gives?|"
    r"answers?|specif(?:y|ies)|explains?|describes?|discuss(?:es)?|address(?:es)?|provides?|shows?|confirms?)"
)
_MATERIAL = (
    r"(?:sources?|documents?|passages?|evidence|texts?|materials?|articles?|files?|notes?|information|"
    r"excerpts?)"
)

_LEAD = re.compile(  # what may stand before a claim without being one
    r"^(?:(?:yes|no|yeah|yep|sure|ok|okay|well|oh|ah|wow|hi|hello|hey|thanks|thank you|of course|"
    r"certainly|absolutely|"
    r"indeed|actually|in fact|great question|good question|so|and|but|also|however|fun fact|interestingly)"
    r"\s*[,;:!—–-]+\s*|"
    rf"(?:{_I}\s+(?:also\s+|really\s+|do\s+)?(?:think|believe|know|heard|read|learned|guess|suppose|"
    rf"understand|recall|"
    rf"remember|see|found|find|would say|can tell you|can confirm|should add|should mention)(?:\s+out)?\s*"
    rf"(?:that|:|,)?\s+(?!about\b|of\b|it\b|so\b|out\b|more\b|any|what\b|you))|"
    rf"(?:according to|based on)\s+(?:the\s+|my\s+|your\s+|these\s+)?{_MATERIAL}(?:\s+i\s+(?:have|"
    rf"found))?\s*[,:]?\s+|"
    rf"(?:the|my|your|one|another)\s+(?:\w+\s+)?{_MATERIAL}\s+(?:{_HEAR})\s+(?:that\s+|:\s*)|"
    r"did you know (?:that\s+)?|you (?:may|might|will|would) (?:like|want|be \w+) to know (?:that\s+)?|"
    r"here is (?:what|the answer)[^:]*:\s+)",
    re.IGNORECASE,
)

_COURTESY = re.compile(
    r"(?:(?:hi|hello|hey|greetings|welcome|good (?:morning|afternoon|evening|night|day|luck)|goodbye|"
    r"bye|see you|take care|"
    r"thanks?|thank you|many thanks|cheers|sorry|i apologi[sz]e|my apologies|apologies|excuse me|"
    r"congratulations|well done|"
    r"you(?:['’]re| are) (?:very |most |quite )?(?:welcome|right|kind)|no problem|my pleasure|"
    r"any ?time|not at all|don['’]t mention it|"
    r"sure|of course|certainly|absolutely|ok(?:ay)?|yes|no|yeah|yep|nope|indeed|exactly|right|maybe|"
    r"perhaps|well|oh|ah|wow|"
    r"haha|lol|hmm+|cool|nice|great|awesome|amazing|interesting|fascinating|enjoy|have (?:a|fun))\b"
    r"(?:[ ,]+(?:there|again|everyone|friend|all|so much|very much|too|for \w+(?: \w+){0,2}|a lot|"
    r"to hear(?: that)?|"
    r"you|indeed|thing|day|time|(?:a )?(?:nice|great|good|lovely) (?:day|one|time|evening)|(?:nice |"
    r"good |great )?to (?:meet|see) you|later|soon|now|me))*[ ,!.…:;)(-]*)+",
    re.IGNORECASE,
)
_COMMENT = re.compile(
    r"(?:(?:that|this|it)(?:['’]s| is| was| sounds| seems| looks)|what|how)\s+(?:(?:really|very|so|"
    r"such|quite|pretty|just|also|a|an)\s+)*"
    r"(?:great|good|nice|interesting|fascinating|cool|amazing|awesome|fun|funny|wonderful|lovely|"
    r"excellent|true|right|fair|"
    r"sad|too bad|a shame|a pity|hard to say|tricky|tough)(?:\s+(?:question|one|point|idea|topic|"
    r"thought|choice|fact|to (?:hear|know)))?"
    r"[\s!.…]*",
    re.IGNORECASE,
)
_ABOUT_SELF = re.compile(
    r"(?:i(?:['’](?:m|d|ll|ve))?|my|mine|me)\b|"
    r"we(?:['’](?:d|ll|ve|re))?\s+(?:can|could|may|might|should|will|would)?\s*(?:help|talk|discuss|"
    r"chat|look|start|try)\b|"
    r"(?:let['’]s|let (?:me|us)|please|feel free|try|ask|tell|add|check|see|look|click|upload|"
    r"rephrase|remember to|consider|"
    r"hope|happy to|glad to|nice to|pleased to|looking forward)(?![\w-])|"
    r"you(?:['’](?:re|d|ll|ve))?\s+(?:(?:can|could|may|might|should|will|would|also|always|are|have|"
    r"want|wanted|just)\s+)*"
    r"(?:ask|asked|asking|try|find out|check|add|upload|tell|told|say|said|mean|meant|mention|"
    r"mentioned|like|want|wanted|need|"
    r"interested|curious|welcome|right|look up|rephrase|let me)\b|"
    r"(?:if|when|whenever|should) you\b[^,]*,\s*(?:i|we|let|just|feel|please)\b|"
    r"(?:what|how) about you\b|is there anything\b|anything else\b",
    re.IGNORECASE,
)
_SILENCE = re.compile(
    rf"\b{_MATERIAL}\b[^.;]*\b(?:do|does|did|don|doesn|didn|is|are|has|have|can|could)(?:es)?(?:\s*not|"
    rf"n['’]t|\s+no)\b|"
    rf"\b(?:none|neither|nothing|no(?:ne)?|not? (?:any|enough))\b[^.;]*\b{_MATERIAL}\b|"
    rf"\b{_MATERIAL}\b[^.;]*\b(?:silent|nothing|no answer|lacks?|no mention)\b|"
    rf"\b{_I}\s*(?:could|can|do|did|am|have|would)?\s*(?:['’]?n['’]?t|not|cannot|unable)\b[^.;]*"
    rf"\b(?:find|found|know|say|answer|tell|sure|able|see|have|help|confirm|certain|comment|discuss)\b|"
    rf"\b(?:i|we) (?:cannot|am unable|do not|don['’]t|could not|couldn['’]t|can['’]t|am not|"
    rf"would rather not|will not|won['’]t)\b|"
    r"\bnot (?:stated|mentioned|covered|given|said|in the sources)\b[^.;]*\bsources?\b",
    re.IGNORECASE,
)
_META = re.compile(
    rf"(?:the|my|your|a|one)?\s*(?:nearest|closest|most relevant|"
    rf"following)\s+{_MATERIAL}(?:\s+(?:i (?:have|found)|closest to \w+))?"
    r"\s+(?:is|are|was|were)\b[^.;]*|(?:sources?:|references?:|see(?: also)?\s|further reading|"
    r"here(?:['’]s| is| are)|based on|according to)\b[^.;]{0,80}:?",
    re.IGNORECASE,
)
_CONTRAST = re.compile(r"(?:[,;:]|\s[—–-])\s*(?:but|however|yet|though|although|while)\s+", re.IGNORECASE)
_TAG = re.compile(
    r",\s*(?:right|correct|no|(?:is|are|was|were|do|does|did|has|have|ca|wo)(?:n['’]t)?\s+(?:it|he|"
    r"she|they))\s*$"
)
_OWN_FACT = re.compile(  # of "I" and "my", all but feelings, wishes, offers and manners
    r"(?:I(?:['’](?:m|ve))?\s+(?:(?:also|always|really|just|still|often|so|very|truly|do)\s+)*"
    r"(?!(?:love|like|enjoy|hope|wish|feel|think|believe|suppose|guess|know|remember|see|hear|want|would|could|"
    r"can|should|shall|will|might|may|wonder|miss|look|answer|quote|cite|check|say|speak|talk|tell|keep|"
    r"only (?:say|answer|quote|speak)|welcome|appreciate|recommend|suggest|thank|apologi[sz]e|look forward|"
    r"ask|mean|admit|promise|prefer|dream|understand|"
    r"(?:(?:am|was|have been|been)\s+)?(?:(?:so|very|quite|always|not|a bit|a little|rather|never)\s+)*"
    r"(?:happy|glad|proud|sorry|afraid|sure|delighted|pleased|grateful|curious|patient|lonely|"
    r"fond|well|fine|listening|here|ready|tired|honou?red|thankful|looking forward|certain|used to))\b)\w|"
    r"My\s+(?!(?:pleasure|apologies|friends?|favou?rite|dear|guess|advice|name|sources?|documents?|"
    r"thanks|thoughts|feelings)\b)\w)",
    re.IGNORECASE,
)
_PERSONAL_FACT = re.compile(r"(?<![^\W\d_])(?<![^\W\d_]-)\d|\b(?:million|billion|thousand|hundred)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a draft, verbatim ``draft[start:end]``, and whether it is a claim about the world."""

    text: str
    start: int
    end: int
    claims: bool


def split(draft: str, subject: str = "") -> list[Sentence]:
    """Return the sentences of a draft in order.

    Where a `subject` speaks for itself ("Mount Everest"), what it says of itself is a claim about the world too.
    """
    return [
        Sentence(draft[a:b], a, b, is_claim(draft[a:b]) or bool(subject and testifies(draft[a:b], subject)))
        for a, b in sentences(draft)
    ]


def testifies(sentence: str, subject: str) -> bool:
    """Whether a subject states something of itself that others could check ("I stand in Nepal").

    Who it is, what it feels or wishes, and what it offers is the persona, and claims nothing.
    """
    text = bare(sentence)
    if not _OWN_FACT.match(text) or _asks(sentence, text) or _SILENCE.search(text):
        return False
    return not re.fullmatch(rf"I(?:['’]m| am) {re.escape(subject)}[^\w]*", text, re.IGNORECASE)


def bare(sentence: str) -> str:
    """Return a sentence without citation marks and without what may lead a claim in ("I think that")."""
    text = _MARK.sub("", sentence).strip(' \t\r\n*_#>"“”')
    for _ in range(4):
        shorter = _LEAD.sub("", text, count=1)
        if shorter == text or not shorter.strip():
            break
        text = shorter
    return text.strip()


def is_claim(sentence: str) -> bool:
    """Whether a sentence claims something about the world.

    Questions, courtesies, talk of the speaker or to the user, abstentions and remarks on the sources do not,
    unless they carry a figure or a second clause that does.
    """
    text = bare(sentence)
    if BAR in text:
        return True  # a row of a table, whatever its cells say
    if not any(character.isalnum() for character in text) or _asks(sentence, text):
        return False
    if _COURTESY.fullmatch(text) or _COMMENT.fullmatch(text):
        return False
    clauses = _CONTRAST.split(text, maxsplit=1)
    if len(clauses) == 2:
        return any(is_claim(clause) for clause in clauses if clause.strip() and clause != sentence)
    if _SILENCE.search(text) or _META.fullmatch(text.rstrip(".!: ")):
        return False
    return not _ABOUT_SELF.match(text) or bool(_PERSONAL_FACT.search(text))


def _asks(sentence: str, text: str) -> bool:
    """Whether it is a question that asks, not one that tells ("did you know", "isn't it?")."""
    if not text.endswith("?") or "did you know" in sentence.lower():
        return False
    return not _TAG.search(text.rstrip("?").lower())
