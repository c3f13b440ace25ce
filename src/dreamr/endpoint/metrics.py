"""What a server counts, as Prometheus reads it."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from dreamr.methods.protocol import Outcome

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100)


class Metrics:
    """Counters and histograms by method. Two servers of one process count apart."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()

        def counter(name: str, words: str, *labels: str) -> Counter:
            return Counter(f"dreamr_{name}", words, ("method", *labels), registry=registry)

        def gauge(name: str, words: str) -> Gauge:
            return Gauge(f"dreamr_{name}", words, ("method",), registry=registry)

        def seconds(name: str, words: str) -> Histogram:
            return Histogram(f"dreamr_{name}_seconds", words, ("method",), registry=registry, buckets=SECONDS)

        self.questions = counter("questions", "Questions that came to an end, by how.", "finish")
        self.refused = Counter(
            "dreamr_refused", "Requests that were not answered, by HTTP status.", ("status",), registry=registry
        )
        self.abandoned = counter("abandoned", "Questions whose client went before the answer's end.")
        self.waiting = gauge("waiting", "Questions that wait for their start.")
        self.running = gauge("running", "Questions that are being answered.")
        self.drafted = counter("steps_drafted", "Steps that the draft wrote.")
        self.verified = counter("steps_verified", "Draft steps that the target decided on.")
        self.accepted = counter("steps_accepted", "Draft steps that stand in an answer.")
        self.overruled = counter("steps_overruled", "Draft steps in whose place the target wrote its own.")
        self.cancelled = counter("cancelled_tokens", "Tokens of requests that were dropped.")
        self.queued = seconds("queue", "From a question's arrival to its start.")
        self.first_step = seconds("first_step", "From a question's start to its first committed step.")
        self.per_token = seconds("per_token", "An answer's seconds over its committed tokens.")

    def count(self, method: str, outcome: Outcome, seconds: float) -> None:
        """Take up a finished answer."""
        self.questions.labels(method, outcome.finish).inc()
        self.drafted.labels(method).inc(outcome.drafted)
        self.verified.labels(method).inc(outcome.verified)
        self.accepted.labels(method).inc(outcome.accepted)
        self.overruled.labels(method).inc(outcome.verified - outcome.accepted)
        self.cancelled.labels(method).inc(cancelled_tokens(outcome))
        if outcome.tokens:
            self.per_token.labels(method).observe(seconds / outcome.tokens)

    def text(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return bytes(generate_latest(self._registry))


def cancelled_tokens(outcome: Outcome) -> int:
    """Tokens of an answer's requests that were dropped."""
    return sum(span.tokens for span in outcome.spans if span.cancelled)
