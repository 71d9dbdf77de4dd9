"""Webhook deliveries as GitHub remembers them: which failed, and sending one again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dateutil.parser import isoparse

from kmodbot.bot.github.errors import GitHubRefused, GitHubUnavailable

if TYPE_CHECKING:
    from datetime import datetime

    from kmodbot.bot.github.client import GitHubClient

_PER_PAGE = 100
# As many are read at once.
_PAGES = 20


@dataclass(frozen=True)
class HookDelivery:
    """One attempt of GitHub to deliver an event. The ``guid`` is the event's: attempts share it."""

    id: int
    guid: str
    event: str
    action: str | None
    delivered_at: datetime
    is_ok: bool
    is_redelivery: bool

    @classmethod
    def from_json(cls, item: dict[str, Any]) -> HookDelivery:
        """Read an item of the list.

        An attempt that reached nobody has a status text but no code that tells, so only the text
        counts.
        """
        return cls(
            id=int(item["id"]),
            guid=str(item["guid"]),
            event=str(item["event"]),
            action=item.get("action"),
            delivered_at=isoparse(item["delivered_at"]),
            is_ok=item.get("status") == "OK",
            is_redelivery=bool(item.get("redelivery")),
        )


class HookDeliveries:
    """The deliveries of the App's webhook."""

    def __init__(self, client: GitHubClient) -> None:
        self._client = client
        # Where reading stopped, and since when the attempts are wanted that are still to be read.
        self._left: list[tuple[str, datetime]] = []

    async def since(self, moment: datetime) -> list[HookDelivery]:
        """Return the attempts since a moment, newest first.

        What is more than a few pages is left for the next calls, which go on there after what is
        new.

        https://docs.github.com/en/rest/apps/webhooks#list-deliveries-for-an-app-webhook

        Raises:
            GitHubUnavailable: the list cannot be read now.

        """
        try:
            return await self._read(moment)
        except GitHubRefused as error:
            # A place where reading stopped may be gone, and would be refused every time.
            self._left = []
            raise GitHubUnavailable(f"GitHub does not list the deliveries: {error}") from error

    async def _read(self, moment: datetime) -> list[HookDelivery]:
        found: list[HookDelivery] = []
        left: list[tuple[str, datetime]] = []
        pages = _PAGES
        url: str | None
        for url, oldest in [(f"/app/hook/deliveries?per_page={_PER_PAGE}", moment), *self._left]:
            while url is not None and pages > 0:
                items, url = await self._client.page_as_app(url)
                pages -= 1
                page = [HookDelivery.from_json(item) for item in items]
                found += [delivery for delivery in page if delivery.delivered_at >= oldest]
                if page and page[-1].delivered_at < oldest:
                    url = None
            if url is not None:
                left.append((url, oldest))
        self._left = left
        return found

    async def redeliver(self, delivery: HookDelivery) -> None:
        """Have GitHub deliver an event once more.

        https://docs.github.com/en/rest/apps/webhooks#redeliver-a-delivery-for-an-app-webhook
        """
        await self._client.post_as_app(f"/app/hook/deliveries/{delivery.id}/attempts")
