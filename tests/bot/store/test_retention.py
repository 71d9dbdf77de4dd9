from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from kmodbot.bot.store.deliveries import Deliveries, Delivery
from kmodbot.bot.store.retention import Retention
from tests.bot.store.conftest import PACKAGE, target
from tests.bot.stored import done

if TYPE_CHECKING:
    from kmodbot.bot.store.audit import Audit
    from kmodbot.bot.store.builds import Builds


async def test_everything_is_kept_for_its_time(
    builds: Builds, deliveries: Deliveries, audit: Audit
) -> None:
    now = datetime.now(UTC)
    await builds.reserve("failed", target(), now)
    await builds.failed("failed", "boom", now)
    await builds.reserve("done", target(), now)
    await builds.done("done", PACKAGE, now)
    await deliveries.receive_all([Delivery(guid, "push", b"{}") for guid in "abc"], now)
    await deliveries.lease("me", now, now, limit=3)
    await done(deliveries, "a")
    await deliveries.stumbled("b", "me", "boom", None)
    await audit.record("token-1", "build.request", "package", "started")
    retention = Retention(builds, deliveries, audit, audit_days=365)

    async def left_after(**age: float) -> set[str]:
        await retention.forget(now + timedelta(**age, minutes=1))
        kept = set(await deliveries.states(["a", "b", "c"]))
        kept |= {name for name in ("failed", "done") if await builds.get(name) is not None}
        return kept | {row.caller for row in await audit.last(9)}

    assert await left_after(days=3.9) == {"a", "b", "c", "failed", "done", "token-1"}
    assert await left_after(days=4) == {"b", "c", "failed", "done", "token-1"}
    assert await left_after(days=30) == {"c", "failed", "done", "token-1"}
    assert await left_after(days=90) == {"c", "done", "token-1"}
    assert await left_after(days=365) == {"c", "done"}
