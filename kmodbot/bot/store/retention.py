"""What the store forgets, and when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.store.deliveries import Deliveries, DeliveryState

if TYPE_CHECKING:
    from kmodbot.bot.store.audit import Audit
    from kmodbot.bot.store.builds import Builds

# GitHub redelivers for three days; an older delivery cannot come again.
# https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
_DONE_DELIVERIES = timedelta(days=4)
_DEAD_DELIVERIES = timedelta(days=30)
# A run can be started again for 30 days, and its log is kept for 90 by default.
# https://docs.github.com/en/actions/how-tos/manage-workflow-runs/re-run-workflows-and-jobs
_FAILED_BUILDS = timedelta(days=90)


class Retention:
    """Keeps the store from growing for ever. Finished builds stay: they are what is known."""

    def __init__(
        self, builds: Builds, deliveries: Deliveries, audit: Audit, audit_days: float
    ) -> None:
        self._builds = builds
        self._deliveries = deliveries
        self._audit = audit
        self._audit_time = timedelta(days=audit_days)

    async def forget(self, now: datetime) -> None:
        """Drop what has outlived its use."""
        await self._deliveries.forget(now - _DONE_DELIVERIES)
        await self._deliveries.forget(now - _DEAD_DELIVERIES, DeliveryState.DEAD)
        await self._builds.forget_failed(now - _FAILED_BUILDS)
        await self._audit.forget(now - self._audit_time)
