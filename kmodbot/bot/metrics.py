"""What this process counts for Prometheus. What the store knows is read when it is asked for.

Names follow https://prometheus.io/docs/practices/naming/.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

_REQUEST_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_BUILD_BUCKETS = (5, 15, 30, 60, 120, 180, 240, 300, 450, 600, 900, 1800, 3600, 7200)
_METHODS = frozenset({"GET", "HEAD", "POST"})


class Metrics:
    """The counters of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.http = HttpMetrics(registry)
        self.auth = AuthMetrics(registry)
        self.builds = BuildMetrics(registry)
        self.github = GitHubMetrics(registry)


class HttpMetrics(Collector):
    """How many requests, and how long they took.

    Every request is counted, so it is done with plain numbers, and they are given their form when
    Prometheus asks.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._answers: dict[tuple[str, str, int], int] = defaultdict(int)
        self._durations: dict[tuple[str, str], _Durations] = defaultdict(_Durations)
        registry.register(self)

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request. ``route`` is its pattern, so that callers cannot make up labels."""
        if method not in _METHODS:
            method = "other"
        self._answers[route, method, status] += 1
        durations = self._durations[route, method]
        durations.sum += seconds
        durations.counts[bisect_left(_REQUEST_BUCKETS, seconds)] += 1

    def collect(self) -> Iterator[Metric]:
        """Yield what was counted."""
        requests = CounterMetricFamily(
            "kmodbot_http_requests",
            "Requests that were answered",
            labels=["route", "method", "status"],
        )
        for (route, method, status), count in self._answers.items():
            requests.add_metric([route, method, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "kmodbot_http_request_duration_seconds",
            "How long requests took; status includes the time that its caller asked to wait",
            labels=["route", "method"],
        )
        for labels, durations in self._durations.items():
            seconds.add_metric(list(labels), durations.buckets(), durations.sum)
        yield seconds


class _Durations:
    """How many took at most as long as each bucket says, and longer than the one before."""

    def __init__(self) -> None:
        self.sum = 0.0
        self.counts = [0] * (len(_REQUEST_BUCKETS) + 1)

    def buckets(self) -> list[tuple[str, float]]:
        bounds = (*map(floatToGoString, _REQUEST_BUCKETS), "+Inf")
        return list(zip(bounds, accumulate(self.counts), strict=True))


class AuthMetrics:
    """Who was turned away."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._refused = Counter(
            "kmodbot_auth_refused",
            "Requests without credentials that hold, and webhooks without a good signature",
            ["reason"],
            registry=registry,
        )

    def refused(self, reason: str) -> None:
        """Count a refusal; ``reason`` is one of few words."""
        self._refused.labels(reason).inc()


class BuildMetrics:
    """How builds ended, and how long nodes waited for them."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._ended = Counter(
            "kmodbot_builds_ended",
            "Builds whose end this process saw, by outcome",
            ["outcome"],
            registry=registry,
        )
        self._driver = Histogram(
            "kmodbot_time_to_driver_seconds",
            "From the first request to the published package",
            buckets=_BUILD_BUCKETS,
            registry=registry,
        )
        self._phases = Histogram(
            "kmodbot_build_phase_duration_seconds",
            "How long builds stayed in a phase",
            ["phase"],
            buckets=_BUILD_BUCKETS,
            registry=registry,
        )

    def left_phase(self, phase: str, seconds: float) -> None:
        """Count how long a build stayed in a phase."""
        self._phases.labels(phase).observe(max(0.0, seconds))

    def ended(self, outcome: str) -> None:
        """Count the end of a build."""
        self._ended.labels(outcome).inc()

    def driver_ready(self, seconds: float) -> None:
        """Count how long the first node waited for its driver."""
        self._driver.observe(max(0.0, seconds))


class GitHubMetrics:
    """What GitHub was asked, and how much more it may be asked."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "kmodbot_github_requests",
            "Requests to GitHub; status 0 is one that got no answer",
            ["kind", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "kmodbot_github_request_duration_seconds",
            "How long GitHub took to answer",
            ["kind"],
            buckets=_REQUEST_BUCKETS,
            registry=registry,
        )
        self._remaining = Gauge(
            "kmodbot_github_remaining_requests",
            "Requests left within the installation's hourly limit, as GitHub last said",
            registry=registry,
        )
        self._parked = Gauge(
            "kmodbot_github_parked_until_time_seconds",
            "Until when work is parked under a limit of GitHub, in seconds since 1970; 0 if not",
            registry=registry,
        )

    def called(self, kind: str, status: int, seconds: float, remaining: int | None) -> None:
        """Count a request to GitHub."""
        self._requests.labels(kind, status).inc()
        self._seconds.labels(kind).observe(seconds)
        if remaining is not None:
            self._remaining.set(remaining)

    def parked(self, until: datetime | None) -> None:
        """Note until when nothing is asked."""
        self._parked.set(0 if until is None else until.timestamp())
