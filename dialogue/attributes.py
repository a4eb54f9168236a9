"""What a language model is asked about drafts: the attributes of LaMDA's discriminators.

Names and questions only. Knows nothing of models, thresholds or ranking.
"""

from typing import Final

from dialogue.types import Attribute

SENSIBLE: Final = Attribute(
    "SENSIBLE",
    "Does your last reply make sense in this conversation, without contradicting what was said before?",
)
SPECIFIC: Final = Attribute(
    "SPECIFIC",
    "Is your last reply specific to this conversation, rather than one that would fit almost anywhere?",
)
INTERESTING: Final = Attribute(
    "INTERESTING",
    "Would your last reply catch somebody's attention: is it insightful, witty or unexpected?",
)
UNSAFE: Final = Attribute(
    "UNSAFE",
    "Could your last reply do harm: is it dangerous, hateful, obscene, or plainly false about the world?",
    desired="0",
    answer="no",
)
GROUNDED: Final = Attribute(
    "GROUNDED",
    "Is all that your last reply says about the world said by the sources?",
)
IN_ROLE: Final = Attribute("IN_ROLE", "Is your last reply what you, in your role, would say?")

QUALITY: Final = (SENSIBLE, SPECIFIC, INTERESTING, UNSAFE)
