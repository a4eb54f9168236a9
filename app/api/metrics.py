"""What is counted for operators, as Prometheus reads it: requests, turns, stages, candidates, groundedness, queue."""

import logging
import re
from collections.abc import Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.process_collector import ProcessCollector

from app.logs import FIELDS
from app.web.jobs import Job
from dialogue.types import Candidate, Reply

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
SHARES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)
_REASONS: Final = {  # how the reasons of `dialogue.rank` begin, and what they are called here
    "unsafe": "unsafe",
    "not sensible": "not_sensible",
    "not grounded": "not_grounded",
    "does not answer": "does_not_answer",
}
log = logging.getLogger(__name__)


class Metrics:
    """The counters of one server. With `text` the log of turns holds what was asked and replied."""

    def __init__(self, text: bool = False) -> None:
        self.registry = own = CollectorRegistry()
        self._text = text
        ProcessCollector(registry=own)
        self._requests = Counter(
            "candor_requests", "Requests by route and status", ["route", "method", "status"], registry=own
        )
        self._request_seconds = Histogram(
            "candor_request_seconds", "Seconds until a response was sent", ["route"], buckets=SECONDS, registry=own
        )
        self._turns = Counter(
            "candor_turns", "Turns by outcome; failed and stopped ones too", ["outcome"], registry=own
        )
        self._turn_seconds = Histogram("candor_turn_seconds", "Seconds of a turn", buckets=SECONDS, registry=own)
        self._stages = Histogram(
            "candor_stage_seconds", "Seconds of each stage of a turn", ["stage"], buckets=SECONDS, registry=own
        )
        self._candidates = Counter(
            "candor_candidates", "Candidates by whether they passed, or why they were dropped", ["fate"], registry=own
        )
        self._grounded = Histogram(
            "candor_reply_grounded", "Groundedness of served answers that claim anything", buckets=SHARES, registry=own
        )
        self._tokens = Counter("candor_tokens", "Tokens of models that count them, by kind", ["kind"], registry=own)

    def watch(self, load: Callable[[], tuple[int, int]]) -> None:
        """Show how many replies are being written, and how many wait, which `load` says."""
        running = Gauge("candor_replies_running", "Replies that are being written", registry=self.registry)
        waiting = Gauge("candor_replies_waiting", "Replies that wait for their turn", registry=self.registry)
        running.set_function(lambda: load()[0])
        waiting.set_function(lambda: load()[1])

    def request(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request that has been answered."""
        self._requests.labels(route, method, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def turn(self, job: Job) -> None:
        """Count a turn that has ended, and log it."""
        try:
            facts = self._counted(job)
            if self._text:
                facts |= {"question": job.question, "reply": job.reply.text if job.reply else None}
            log.info("turn", extra={FIELDS: {"conversation": job.conversation, **facts}})
        except Exception:
            log.exception("a turn could not be counted")

    def exposition(self) -> bytes:
        """Return all that is counted, in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counted(self, job: Job) -> dict[str, object]:
        reply = job.reply
        if reply is None:
            outcome = "failed" if job.failure is not None else "stopped"
            self._turns.labels(outcome).inc()
            return {"outcome": outcome}
        trace, total = reply.trace, sum(reply.trace.timings.values())
        self._turns.labels(reply.outcome).inc()
        self._turn_seconds.observe(total)
        for stage, seconds in trace.timings.items():
            self._stages.labels(stage).observe(seconds)
        for candidate in trace.candidates:
            self._candidates.labels(fate_of(candidate)).inc()
        for kind, count in trace.tokens.items():
            self._tokens.labels(kind).inc(count)
        grounded = groundedness(reply)
        if grounded is not None:
            self._grounded.observe(grounded)
        dropped = sum(bool(candidate.dropped) for candidate in trace.candidates)
        return {
            "outcome": reply.outcome,
            "seconds": round(total, 3),
            "candidates": len(trace.candidates),
            "dropped": dropped,
            "grounded": grounded,
            **_stages(trace.timings),
        }


def fate_of(candidate: Candidate) -> str:
    """Return "passed", or the kind of reason for which a candidate was dropped."""
    if not candidate.dropped:
        return "passed"
    return next((name for begins, name in _REASONS.items() if candidate.dropped.startswith(begins)), "other")


def groundedness(reply: Reply) -> float | None:
    """Return the groundedness of the served candidate; None where nothing was claimed or answered."""
    if reply.outcome != "answered" or not reply.trace.candidates:
        return None
    return reply.trace.candidates[0].scores.grounded


def _stages(timings: Mapping[str, float]) -> dict[str, object]:
    return {f"seconds_{re.sub(r'[^a-z]', '_', stage)}": round(seconds, 3) for stage, seconds in timings.items()}
