"""``GET /metrics``: numbers for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from kmodbot.bot import keys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.bot.store.discoveries import Discovery
    from kmodbot.bot.watch import Look


async def metrics(request: web.Request) -> web.Response:
    """Answer with the state of discovery in Prometheus's text format."""
    registry = CollectorRegistry()
    _describe_kernels(registry, await request.app[keys.DISCOVERIES].all())
    if (last := await request.app[keys.WATCH].last()) is not None:
        _describe_look(registry, last)
    body = generate_latest(registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


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
