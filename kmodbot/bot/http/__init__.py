"""The HTTP API: thin handlers, one module for each resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kmodbot.bot.http.audit import list_audit
from kmodbot.bot.http.body import BUDGET, ByteBudget
from kmodbot.bot.http.builds import request_build
from kmodbot.bot.http.discoveries import list_discoveries
from kmodbot.bot.http.health import healthz, readyz
from kmodbot.bot.http.metrics import metrics
from kmodbot.bot.http.openapi import describe
from kmodbot.bot.http.packages import fetch_package
from kmodbot.bot.http.status import build_status
from kmodbot.bot.http.webhooks import receive_delivery

if TYPE_CHECKING:
    from aiohttp import web


def add_routes(app: web.Application) -> None:
    """Add every call of the API to the application."""
    app[BUDGET] = ByteBudget()
    app.router.add_post("/build", request_build)
    app.router.add_get("/status/{build_id}", build_status, name="status")
    app.router.add_get("/packages/{tag}/{name}", fetch_package, allow_head=False)
    app.router.add_post("/webhooks/github", receive_delivery)
    app.router.add_get("/discoveries", list_discoveries)
    app.router.add_get("/audit", list_audit)
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/openapi.json", describe)
