"""What the gateway counts, in a registry of its own, as Prometheus reads it. No text, no names of people."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_FIRST_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_TOKEN_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_LABELS = 1024
"""Label sets that are kept at hand."""
_SWAP_S = (0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60)


class Metrics:
    """Counts what passes. ``release`` is a release's id, or the model's name outside any release."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "loraloop_requests",
            "Chat requests, by release and how they ended.",
            ["release", "status"],
            registry=self.registry,
        )
        self._first = Histogram(
            "loraloop_first_token_seconds", "From the request to the first token.", ["release"],
            buckets=_FIRST_S, registry=self.registry,
        )  # fmt: skip
        self._token = Histogram(
            "loraloop_token_seconds", "Between tokens, the mean of an answer.", ["release"],
            buckets=_TOKEN_S, registry=self.registry,
        )  # fmt: skip
        self._tokens = Counter("loraloop_tokens", "Tokens, by kind.", ["release", "kind"], registry=self.registry)
        self._hits = Counter(
            "loraloop_guard_hits", "What guards stopped.", ["release", "guard"], registry=self.registry
        )
        self._refused = Counter("loraloop_refused", "Requests refused, by status.", ["status"], registry=self.registry)
        self._feedback = Counter("loraloop_feedback", "Opinions given, by kind.", ["kind"], registry=self.registry)
        self._swaps = Counter("loraloop_swaps", "Releases swapped, by outcome.", ["outcome"], registry=self.registry)
        self._swap = Histogram(
            "loraloop_swap_seconds", "From loading a release to routing it.", buckets=_SWAP_S, registry=self.registry
        )

        self._experiment = Counter(
            "loraloop_experiment", "Steps and ends of experiments, and unseen answers of a shadow, by kind.", ["kind"],
            registry=self.registry,
        )  # fmt: skip
        # looking a label up costs more than counting
        self._requests_of = lru_cache(_LABELS)(self._requests.labels)
        self._answers_of = lru_cache(_LABELS)(self._answers)

    def experimented(self, kind: str) -> None:
        """An experiment went on.

        Args:
            kind: ``"step"``, ``"promote"``, ``"roll back"``, ``"freeze"``, ``"end"``; or of an unseen answer beside the
                one shown ``"mirrored same"``, ``"mirrored different"``, ``"mirrored guarded"``, ``"mirrored failed"``,
                and ``"mirrored not"`` where none was asked for.
        """
        self._experiment.labels(kind.replace(" ", "_")).inc()

    def answered(self, release: str, status: str, first_s: float, seconds: float, tokens: tuple[int, int]) -> None:
        """An answer ended. Args: status: done, aborted, guarded or failed. tokens: of the prompt and the answer."""
        self._requests_of(release, status).inc()
        first, token, prompt, completion = self._answers_of(release)
        if first_s:
            first.observe(first_s)
        if tokens[1] > 1:
            token.observe(max(0.0, seconds - first_s) / (tokens[1] - 1))
        prompt.inc(tokens[0])
        completion.inc(tokens[1])

    def guarded(self, release: str, guard: str) -> None:
        """A guard spoke."""
        self._hits.labels(release, guard).inc()

    def refused(self, status: int) -> None:
        """A request was refused."""
        self._refused.labels(str(status)).inc()

    def judged(self, kind: str) -> None:
        """An opinion came in."""
        self._feedback.labels(kind).inc()

    def swapped(self, outcome: str, seconds: float) -> None:
        """A release came to be live (``"done"``), could not (``"failed"``), or was gone back to (``"rolled_back"``)."""
        self._swaps.labels(outcome).inc()
        self._swap.observe(seconds)

    def watch(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Show a number that somebody else keeps, read when it is asked for."""
        Gauge(f"loraloop_{name}", meaning, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        return generate_latest(self.registry)

    def _answers(self, release: str) -> tuple[Histogram, Histogram, Counter, Counter]:
        """What counts a release's answers."""
        tokens = self._tokens.labels
        first, token = self._first.labels(release), self._token.labels(release)
        return first, token, tokens(release, "prompt"), tokens(release, "completion")
