from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kmodbot.bot.store.audit import Audit


async def test_the_newest_row_comes_first_and_older_ones_by_page(audit: Audit) -> None:
    for number in range(5):
        await audit.record("token-1", "build.request", f"package-{number}", "started")

    newest = await audit.last(2)
    older = await audit.last(2, before_id=newest[-1].id)

    assert [row.subject for row in (*newest, *older)] == [f"package-{n}" for n in (4, 3, 2, 1)]
    assert (newest[0].caller, newest[0].action, newest[0].outcome) == (
        *("token-1", "build.request"),
        "started",
    )
    assert datetime.now(UTC) - newest[0].at < timedelta(minutes=1)


async def test_hostile_words_are_stored_within_bounds(audit: Audit) -> None:
    await audit.record("\0" + "x" * 9999, "a" * 999, "s" * 9999, "o" * 999, "\ud800\0" + "é" * 9999)

    (row,) = await audit.last(1)
    assert row.caller == "x" * 255
    assert row.detail == "?" + "é" * 1999


async def test_what_is_too_old_is_forgotten(audit: Audit) -> None:
    await audit.record("token-1", "build.request", "package", "started")

    await audit.forget(datetime.now(UTC) - timedelta(minutes=1))
    assert len(await audit.last(9)) == 1
    await audit.forget(datetime.now(UTC) + timedelta(minutes=1))
    assert await audit.last(9) == []
