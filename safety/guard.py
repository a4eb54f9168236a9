"""The embedded guard: rules, small heads on sentence vectors, and the policy, put together into verdicts.

Knows nothing of who encodes, of dialogue or retrieval. Two heads judge, one for requests and one for replies;
one topic head per objective says what an unsafe text is about.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from safety.features import JUDGED, TOPIC, Array, Encode, rows, windows
from safety.heads import Head
from safety.policy import Objective, Policy
from safety.rules import find, rules_fingerprint, visible
from safety.types import UNSAFE, RiskSource, SafetyError, Stage, Verdict

WEIGHTS = Path(__file__).with_name("weights")
JUDGES: dict[Stage, str] = {
    "request": "request",
    "evidence": "reply",
    "candidate": "reply",
    "served": "reply",
}
STRONG, WEAK = 0.95, 0.3  # the risk a rule's finding is given: beyond every threshold, or below

_log = logging.getLogger(__name__)


def load_heads(folder: Path = WEIGHTS) -> dict[str, Head]:
    """Read the heads in `folder` by name. Raises SafetyError when one is missing or takes other features."""
    heads = {path.stem: Head.load(path) for path in sorted(folder.glob("*.safetensors"))}
    wanted = {"request": JUDGED, "reply": JUDGED} | {name: TOPIC for name in heads if name not in JUDGES.values()}
    for name, features in wanted.items():
        if name not in heads or heads[name].features != features:
            raise SafetyError(
                f"{folder} holds no head {name!r} for the features {features!r}: "
                "reinstall candor, or train it with: candor train judges"
            )
    return heads


class EmbeddedGuard:
    """Judges with heads on frozen sentence vectors; `encode` maps n texts to vectors (n, 384), float32.

    A `source` of risks stands beside the heads: the larger risk counts, so that it only ever adds.
    """

    def __init__(
        self,
        encode: Encode,
        policy: Policy,
        heads: Mapping[str, Head] | None = None,
        source: RiskSource | None = None,
    ) -> None:
        """Use the packaged heads unless `heads` are given. Raises SafetyError when they cannot be read."""
        self.policy = policy
        self.heads = dict(load_heads() if heads is None else heads)
        self._encode = encode
        self._source = source
        self._own_words = {policy.message(name, o.title) for name, _ in policy.messages for o in policy.objectives}
        parts = [policy.fingerprint, rules_fingerprint(), JUDGED, TOPIC, *map(_digest, self.heads.values())]
        parts += [source.fingerprint] if source else []
        self.fingerprint = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def check(
        self,
        texts: Sequence[str],
        stage: Stage,
        context: Sequence[str] = (),
        tightened: Sequence[tuple[str, float]] = (),
    ) -> list[Verdict]:
        """Return one verdict per text on `stage`; the last of `context` is read as the turn before.

        `tightened` lowers thresholds as `Policy.tightened` does. Never raises for a text: what cannot be judged
        is unsafe with risk None. The policy's own messages and blank texts are safe unread.
        """
        before = context[-1] if context else ""
        return self.check_pairs([(before, text) for text in texts], stage, tightened)

    def check_pairs(
        self, pairs: Sequence[tuple[str, str]], stage: Stage, tightened: Sequence[tuple[str, float]] = ()
    ) -> list[Verdict]:
        """As `check`, but each text comes with its own turn before: (before, text), "" for none."""
        watched = (self.policy.tightened(tightened) if tightened else self.policy).at(stage)
        read = [p for p in dict.fromkeys(pairs) if p[1].strip() and p[1] not in self._own_words]
        try:
            risks = self._risks(read, stage, watched)
            verdicts = {p: self._verdict(p[1], stage, watched, risks[p]) for p in read}
        except Exception as error:  # whatever went wrong, the texts are unjudged and so unsafe
            _log.warning("texts could not be judged at stage %s: %r", stage, error)
            unjudged = Verdict(False, None, reason=self.policy.message("unjudged"), action=_fallback(stage))
            verdicts = dict.fromkeys(read, unjudged)
        return [verdicts.get(pair, Verdict(True, 0.0)) for pair in pairs]

    def _risks(
        self, pairs: Sequence[tuple[str, str]], stage: Stage, watched: Mapping[str, Objective]
    ) -> dict[tuple[str, str], dict[str, float]]:
        """Probability per watched objective that has a head; long texts by their worst window."""
        topics = [name for name in self.heads if name not in JUDGES.values()]
        found: dict[tuple[str, str], dict[str, float]] = {pair: {} for pair in pairs}
        pieces = [(pair, piece) for pair in pairs for piece in windows(visible(pair[1]))]
        told = self._told(pairs, stage, watched)
        for pair, risks in told.items():
            found[pair] = {name: risk for name, risk in risks.items() if name in watched}
        if not pairs or not set(topics) & set(watched):
            return found
        judged, topic = rows(self._encode, [piece for _, piece in pieces], [pair[0] for pair, _ in pieces])
        unsafe = np.maximum(
            self.heads[JUDGES[stage]](judged),
            np.array([told[pair].get(UNSAFE, 0.0) for pair, _ in pieces], dtype=np.float32),
        )
        for (pair, _), line in zip(pieces, _spread(unsafe, topic, self.heads, topics), strict=True):
            for name, risk in zip(topics, line, strict=True):
                if name in watched:
                    found[pair][name] = max(found[pair].get(name, 0.0), float(risk))
        return found

    def _told(
        self, pairs: Sequence[tuple[str, str]], stage: Stage, watched: Mapping[str, Objective]
    ) -> dict[tuple[str, str], dict[str, float]]:
        """What the source says of each pair; it is asked only where that can matter. Raises SafetyError."""
        may = set(self._source.tells(stage)) if self._source else set()
        matter = set(watched) | ({UNSAFE} if set(self.heads) & set(watched) else set())
        if self._source is None or not pairs or not may & matter:
            return {pair: {} for pair in pairs}
        told = self._source.risks([(visible(before), visible(text)) for before, text in pairs], stage)
        if not all(0 <= risk <= 1 for risks in told for risk in risks.values()):
            raise SafetyError(f"{self._source.fingerprint} told a risk that is no probability: mend or replace it")
        return dict(zip(pairs, told, strict=True))

    def _verdict(self, text: str, stage: Stage, watched: Mapping[str, Objective], risks: dict[str, float]) -> Verdict:
        findings = [finding for finding in find(text, stage) if finding.objective in watched]
        for finding in findings:
            floor = STRONG if finding.strong else WEAK
            risks[finding.objective] = max(risks.get(finding.objective, 0.0), floor)
        fired = [watched[name] for name, risk in risks.items() if risk >= watched[name].threshold]
        noted = [*fired, *(watched[finding.objective] for finding in findings)]
        ordered = tuple(sorted(risks.items(), key=lambda item: -item[1]))
        worst = ordered[0][1] if ordered else 0.0
        if not noted:
            return Verdict(True, worst, risks=ordered)
        acting = [o for o in fired if o.action_at(stage) != "annotate"]
        chosen = max(acting or noted, key=lambda o: (o.locked and bool(acting), risks[o.id]))
        action = chosen.action_at(stage) if acting else "annotate"
        words = [finding.words for finding in findings if finding.objective == chosen.id]
        reason = self._reason(chosen, action, stage, risks[chosen.id], words)
        return Verdict(not acting, worst, chosen.id, reason, action, ordered)

    def _reason(self, about: Objective, action: str, stage: Stage, risk: float, words: Sequence[str]) -> str:
        """What a user may read: a whole message for a declined request, else what was found and how sure."""
        if action in ("refuse", "support"):
            return self.policy.message(action, about.title)
        matched = f": “{'; '.join(words)}”" if words else f" (probability {risk:.2f})"
        note = f". {about.note}" if about.note and action == "annotate" else ""
        return f"{about.title}{matched}{note}"


def _spread(unsafe: Array, topic: Array, heads: Mapping[str, Head], topics: Sequence[str]) -> Array:
    """Risk (n, topics): the likeliest topic bears the whole probability, the others their share of it."""
    likely = np.stack([heads[name](topic) for name in topics], axis=1)
    risk: Array = unsafe[:, None] * likely / likely.max(axis=1, keepdims=True)
    if not np.isfinite(risk).all():
        raise SafetyError("the encoder returned vectors that are not finite")
    return risk


def _fallback(stage: Stage) -> str:
    return "refuse" if stage == "request" else "drop"


def _digest(head: Head) -> str:
    about = json.dumps([head.name, head.features, head.temperature, head.threshold])
    arrays = [head.mean, head.scale, *(array for layer in head.layers for array in layer)]
    return hashlib.sha256(about.encode() + b"".join(a.astype(np.float16).tobytes() for a in arrays)).hexdigest()
