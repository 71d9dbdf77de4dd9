"""Webhooks: signed, sent once, recorded, sent again when asked.

https://docs.github.com/webhooks/webhook-events-and-payloads
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import time
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from kmodbot.sandbox.accounts import APP_ID, HOOK_ID, INSTALLATION_ID, Account
from kmodbot.sandbox.records import Delivery
from kmodbot.sandbox.render import node_id, timestamp
from kmodbot.sandbox.render.accounts import organization, user
from kmodbot.sandbox.render.repository import whole

if TYPE_CHECKING:
    from kmodbot.sandbox.faults import Fault
    from kmodbot.sandbox.world import World

# https://docs.github.com/webhooks/using-webhooks/handling-failed-webhook-deliveries
TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
KEPT: Final = timedelta(days=3)

log = logging.getLogger(__name__)


def sign(secret: str, body: bytes) -> dict[str, str]:
    """Return the two signature headers of a body.

    https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries
    """
    return {
        "X-Hub-Signature-256": "sha256="
        + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest(),
        "X-Hub-Signature": "sha1=" + hmac.new(secret.encode(), body, hashlib.sha1).hexdigest(),
    }


class Hooks:
    """The App's webhook. Nothing is sent while `url` is None."""

    def __init__(self, world: World, url: str | None, secret: str) -> None:
        self.url = url
        self.secret = secret
        self.deliveries: list[Delivery] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self._world = world
        self._session = aiohttp.ClientSession(timeout=TIMEOUT)

    def emit(self, event: str, action: str | None, sender: Account, **members: Any) -> None:
        """Send an event in the background, once, or as a fault wants it."""
        if self.url is None:
            return
        world = self._world
        payload = {
            **({"action": action} if action else {}),
            **members,
            "repository": members.get("repository") or whole(world),
            "organization": organization(world),
            "sender": user(world, sender),
            "installation": {
                "id": INSTALLATION_ID,
                "node_id": node_id("I", INSTALLATION_ID),
            },
        }
        fault = world.faults.for_webhook(event, action)
        if fault is not None and fault.kind == "lost":
            return
        guid = str(uuid.uuid4())
        for _ in range(2 if fault is not None and fault.kind == "doubled" else 1):
            self._start(self._new(guid, event, action, payload, redelivery=False), fault)

    def redeliver(self, delivery: Delivery) -> None:
        """Send a delivery again, with the same GUID."""
        self._start(
            self._new(
                delivery.guid, delivery.event, delivery.action, delivery.payload, redelivery=True
            ),
            None,
        )

    def listed(self) -> list[Delivery]:
        """Return the deliveries GitHub still shows, newest first."""
        since = self._world.clock() - KEPT
        kept = (d for d in self.deliveries if d.delivered_at >= since)
        return sorted(kept, key=lambda delivery: delivery.id, reverse=True)

    async def close(self) -> None:
        """Stop sending."""
        for task in tuple(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self._session.close()

    def _new(
        self,
        guid: str,
        event: str,
        action: str | None,
        payload: dict[str, Any],
        *,
        redelivery: bool,
    ) -> Delivery:
        now = self._world.clock()
        return Delivery(next(self._world.ids), guid, event, action, payload, redelivery, now)

    def _start(self, delivery: Delivery, fault: Fault | None) -> None:
        delay = fault.seconds if fault is not None and fault.kind == "delay" else 0.0
        task = asyncio.create_task(self._deliver(delivery, delay))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _deliver(self, delivery: Delivery, delay: float) -> None:
        if delay:
            await asyncio.sleep(delay)
        body = json.dumps(delivery.payload).encode()
        delivery.request_headers = self._headers(delivery, body)
        delivery.delivered_at = self._world.clock()
        started = time.monotonic()
        try:
            await self._post(delivery, body)
        except TimeoutError:
            delivery.status, delivery.status_code = "timed out", 504
        except aiohttp.ClientError:
            delivery.status, delivery.status_code = "failed to connect to host", 502
        delivery.duration = round(time.monotonic() - started, 2)
        self.deliveries.append(delivery)
        log.info("webhook %s %s -> %s", delivery.event, delivery.action or "", delivery.status_code)

    async def _post(self, delivery: Delivery, body: bytes) -> None:
        async with self._session.post(
            self.url or "", data=body, headers=delivery.request_headers, allow_redirects=False
        ) as response:
            delivery.response_headers = dict(response.headers)
            delivery.response_body = (await response.read()).decode(errors="replace")
            delivery.status_code = response.status
            good = 200 <= response.status < 300
            delivery.status = "OK" if good else f"Invalid HTTP Response: {response.status}"

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": f"GitHub-Hookshot/{HOOK_ID:x}",
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(HOOK_ID),
            "X-GitHub-Hook-Installation-Target-ID": str(APP_ID),
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            **sign(self.secret, body),
        }


def delivery_item(delivery: Delivery) -> dict[str, Any]:
    """Return a delivery as it stands in the list."""
    return {
        "id": delivery.id,
        "guid": delivery.guid,
        "delivered_at": timestamp(delivery.delivered_at),
        "redelivery": delivery.redelivery,
        "duration": delivery.duration,
        "status": delivery.status,
        "status_code": delivery.status_code,
        "event": delivery.event,
        "action": delivery.action,
        "installation_id": INSTALLATION_ID,
        "repository_id": delivery.payload["repository"]["id"],
        "throttled_at": None,
    }


def whole_delivery(delivery: Delivery, url: str | None) -> dict[str, Any]:
    """Return a delivery with its request and response."""
    return delivery_item(delivery) | {
        "url": url or "",
        "request": {"headers": delivery.request_headers, "payload": delivery.payload},
        "response": {"headers": delivery.response_headers, "payload": delivery.response_body},
    }
