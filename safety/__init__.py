"""Safety: policy, rules, embedded guard, larger guards beside it.

Takes strings; knows nothing of retrieval or dialogue.
"""

from safety.guards.embedded import SHIPPED, WEIGHTS, EmbeddedGuard
from safety.guards.sources import load_source
from safety.policy import Objective, Policy, load_policy
from safety.types import Guard, PairReader, RiskSource, SafetyError, Stage, Verdict

__all__ = [
    "SHIPPED",
    "WEIGHTS",
    "EmbeddedGuard",
    "Guard",
    "Objective",
    "PairReader",
    "Policy",
    "RiskSource",
    "SafetyError",
    "Stage",
    "Verdict",
    "load_policy",
    "load_source",
]
