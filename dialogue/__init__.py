"""How a reply is chosen: `Responder` and the types it speaks. Import this package to build your own pipeline."""

from dialogue.pictures import Viewer
from dialogue.rank import Gates
from dialogue.respond import Options, Responder
from dialogue.types import (
    Candidate,
    Citation,
    Claim,
    Context,
    DialogueError,
    Drafted,
    Judge,
    LanguageModel,
    ModelError,
    Picture,
    Reply,
    Role,
    Sampling,
    Scores,
    Step,
    Trace,
    Turn,
)

__all__ = [
    "Candidate",
    "Citation",
    "Claim",
    "Context",
    "DialogueError",
    "Drafted",
    "Gates",
    "Judge",
    "LanguageModel",
    "ModelError",
    "Options",
    "Picture",
    "Reply",
    "Responder",
    "Role",
    "Sampling",
    "Scores",
    "Step",
    "Trace",
    "Turn",
    "Viewer",
]
