"""What replies are judged by: the judges, the guard and a role, of a bot or as they ship."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.bot import Bot
from app.config import Settings
from dialogue.roles import load_role
from dialogue.types import Context, Judge, Role, Scores
from retrieval.types import Evidence, Passage
from safety.types import Guard


@dataclass(frozen=True)
class Judges:
    """The judge of drafts, the guard, and the role that replies are given in.

    `model` identifies what writes replies, "" where nothing does.
    """

    judge: Judge
    guard: Guard
    role: Role
    model: str = ""

    def ground(self, pairs: Sequence[tuple[Context, str]]) -> list[Scores]:
        """Return how the evidence of each context bears on a draft; many in one call where the judge can."""
        together = getattr(self.judge, "grounded_each", None)
        if together is not None:
            found: list[Scores] = together(pairs)
            return found
        return [self.judge.score(context, [draft])[0] for context, draft in pairs]

    def forget(self) -> None:
        """Have the judge drop what it keeps of earlier texts, where it can, so that every batch is scored by itself."""
        forget = getattr(self.judge, "forget", None)
        if forget is not None:
            forget()

    def objectives(self) -> dict[str, tuple[str, float]]:
        """The group and the threshold of every objective looked at in replies, {} for a guard without a policy."""
        policy: Any = getattr(self.guard, "policy", None)
        return {} if policy is None else {o.id: (o.group, o.threshold) for o in policy.at("served").values()}


def judges_of(bot: Bot) -> Judges:
    """The judges of a bot."""
    return Judges(bot.judge, bot.responder.guard, bot.role(), bot.responder.model.fingerprint)


def packaged_judges(settings: Settings) -> Judges:
    """The judges that ship, with the policy, the guard and the role of the settings; no data folder, no model.

    Raises as `assemble` does.
    """
    from dialogue.judges.embedded import load_judge
    from retrieval.encoder.adapters import load_reader
    from retrieval.encoder.embed import load_encoder
    from retrieval.reader import load_passage_reader
    from safety.guards.embedded import SHIPPED, WEIGHTS, EmbeddedGuard
    from safety.guards.sources import load_source
    from safety.policy import load_policy

    role = load_role(settings.role, settings.role_folder)
    policy = load_policy(Path(settings.policy) if settings.policy else None, settings.preset or None)
    encoder = load_encoder()
    source = load_source(settings.guard, settings.guard_key) if settings.guard else None
    guard = EmbeddedGuard(load_reader(encoder, WEIGHTS, SHIPPED), policy, source)
    guard.prove()
    return Judges(load_judge(encoder, load_passage_reader(encoder)), guard, role)


def pieces(texts: Sequence[tuple[str, str, str]]) -> tuple[Evidence, ...]:
    """Return (text, title, source) as evidence, empty texts left out; the passages are numbered from 1."""
    return tuple(
        Evidence(Passage(number, text, source or f"evidence {number}", title, (), 0, len(text)), 1.0)
        for number, (text, title, source) in enumerate(texts, 1)
        if text.strip()
    )
