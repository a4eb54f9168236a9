"""Safety: policy, rules, embedded guard, larger guards beside it. Takes strings; knows nothing of retrieval or dialogue."""

from safety.guard import EmbeddedGuard, load_heads
from safety.policy import Objective, Policy, load_policy
from safety.sources import load_source
from safety.types import Guard, RiskSource, SafetyError, Stage, Verdict

__all__ = [
    "EmbeddedGuard",
    "Guard",
    "Objective",
    "Policy",
    "RiskSource",
    "SafetyError",
    "Stage",
    "Verdict",
    "load_heads",
    "load_policy",
    "load_source",
]
