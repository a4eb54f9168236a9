"""Safety: policy, rules, embedded guard. Takes strings; knows nothing of retrieval or dialogue."""

from safety.guard import EmbeddedGuard, load_heads
from safety.policy import Objective, Policy, load_policy
from safety.types import Guard, SafetyError, Stage, Verdict

__all__ = [
    "EmbeddedGuard",
    "Guard",
    "Objective",
    "Policy",
    "SafetyError",
    "Stage",
    "Verdict",
    "load_heads",
    "load_policy",
]
