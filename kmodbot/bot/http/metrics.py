"""``GET /metrics``: numbers for Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kmodbot.bot import keys
from kmodbot.bot.store.figures import read_build_figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.bot.store.deliveries import Backlog
    from kmodbot.bot.store.discoveries import Discovery
    from kmodbot.bot.store.figures import BuildFigures
    from kmodbot.bot.watch import Look


async def metrics(request: web.Request) -> web.Response:
    """Answer with what this process counted and with what the store knows."""
    app = request.app
    registry = CollectorRegistry()
    figures = await read_build_figures(app[keys.DATABASE])
    _describe_builds(registry, figures)
    _describe_proposals(registry, figures)
    _describe_deliveries(registry, await app[keys.DELIVERIES].backlog())
    _describe_kernels(registry, await app[keys.DISCOVERIES].all())
    if (last := await app[keys.WATCH].last()) is not None:
        _describe_look(registry, last)
    body = generate_latest(app[keys.METRICS].registry) + generate_latest(registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _describe_builds(registry: CollectorRegistry, figures: BuildFigures) -> None:
    builds = Gauge("kmodbot_builds", "Builds in the store, by phase", ["phase"], registry=registry)
    for phase, count in figures.phases.items():
        builds.labels(phase).set(count)
    _age(
        registry,
        "kmodbot_builds_queued_oldest_age_seconds",
        "How long the oldest build that is queued has waited",
        figures.oldest_queued,
    )


def _describe_proposals(registry: CollectorRegistry, figures: BuildFigures) -> None:
    refused = Gauge(
        "kmodbot_proposals_refused",
        "Builds whose kernel GitHub did not let the bot propose so far",
        registry=registry,
    )
    refused.set(figures.refused_proposals)


def _describe_deliveries(registry: CollectorRegistry, backlog: Backlog) -> None:
    deliveries = Gauge(
        "kmodbot_deliveries",
        "Webhook deliveries that wait for their work, or went wrong too often",
        ["state"],
        registry=registry,
    )
    deliveries.labels("waiting").set(backlog.waiting)
    deliveries.labels("dead").set(backlog.dead)
    _age(
        registry,
        "kmodbot_deliveries_oldest_age_seconds",
        "How long the oldest delivery that waits has done so",
        backlog.oldest,
    )


def _age(registry: CollectorRegistry, name: str, text: str, since: datetime | None) -> None:
    age = 0.0 if since is None else (datetime.now(UTC) - since).total_seconds()
    Gauge(name, text, registry=registry).set(max(0.0, age))


def _describe_kernels(registry: CollectorRegistry, seen: Sequence[Discovery]) -> None:
    kernels = Gauge(
        "kmodbot_discovered_kernels",
        "Kernels that discovery has ever seen, by architecture and presence of their headers",
        ["architecture", "devel"],
        registry=registry,
    )
    for discovery in seen:
        devel = "present" if discovery.buildable else "missing"
        kernels.labels(discovery.kernel.architecture, devel).inc()


def _describe_look(registry: CollectorRegistry, look: Look) -> None:
    numbers = (
        ("time_seconds", "When discovery last looked, in seconds since 1970", look.at.timestamp()),
        ("new_kernels", "Kernels that the last look saw for the first time", len(look.new)),
        ("unknown_sources", "Sources that the last look could not read", len(look.unknown)),
        ("refused", "1 when the last list had lost too much to be believed", bool(look.refused)),
    )
    for name, text, value in numbers:
        gauge = Gauge(f"kmodbot_discovery_last_{name}", text, registry=registry)
        gauge.set(value)
