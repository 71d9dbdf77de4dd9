"""Trying again until a deadline."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from kmodbot.loader import web
from kmodbot.loader.failures import Unreachable
from kmodbot.loader.patience import Deadline, TransientError, patiently

from .servers import Reply, Server

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


class Chance:
    """Chance that falls the one way or the other, always."""

    highest = True

    def uniform(self, low: float, high: float) -> float:
        return high if self.highest else low


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("kmodbot.loader.patience.time", clock)
    return clock


@pytest.fixture(autouse=True)
def chance(monkeypatch: pytest.MonkeyPatch) -> Chance:
    chance = Chance()
    monkeypatch.setattr("kmodbot.loader.patience.random", chance)
    return chance


def _failing(times: int, retry_after: float = 0.0) -> Callable[[], str]:
    left = [TransientError("no luck", retry_after)] * times

    def action() -> str:
        if left:
            raise left.pop()
        return "done"

    return action


def test_pauses_grow_even_when_chance_makes_them_short(clock: Clock, chance: Chance) -> None:
    chance.highest = False
    patiently(_failing(6), Deadline(900), lambda _: None)
    assert clock.pauses == [0.25, 0.5, 1, 2, 4, 8]


def test_pauses_grow_to_a_limit(clock: Clock) -> None:
    said: list[str] = []
    assert patiently(_failing(9), Deadline(900), said.append) == "done"
    assert clock.pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert said[0] == "no luck; trying again in 0.5 s"


def test_a_server_gets_the_pause_it_asks_for_and_some_more(clock: Clock) -> None:
    patiently(_failing(1, retry_after=7), Deadline(900), print)
    assert clock.pauses == [7.5]


def test_the_last_try_is_made_at_the_deadline(clock: Clock) -> None:
    said: list[str] = []
    with pytest.raises(Unreachable, match=r"^no luck; gave up$"):
        patiently(_failing(99), Deadline(10), said.append)
    assert clock.pauses == [0.5, 1, 2, 4, 2.5]
    assert said[-1] == "no luck; trying again in 2.5 s"


def test_what_works_at_the_deadline_counts(clock: Clock) -> None:
    assert patiently(_failing(1, retry_after=3600), Deadline(10), print) == "done"
    assert clock.pauses == [10]


def test_the_first_try_is_made_even_when_time_is_over(clock: Clock) -> None:
    assert clock.now == 0
    assert patiently(_failing(0), Deadline(0), print) == "done"


def test_a_deadline_within_another_is_never_later(clock: Clock) -> None:
    deadline = Deadline(10)
    assert deadline.within(5).left() == 5
    assert deadline.within(50).left() == 10
    clock.sleep(11)
    assert deadline.left() == 0


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_an_overloaded_server_is_asked_again(github: Server, status: int) -> None:
    github.on("GET /x", Reply(status, headers={"Retry-After": "3"}))
    with pytest.raises(TransientError, match=f"answered {status}") as caught:
        web.call(web.request(f"{github.url}/x"), 5)
    assert caught.value.retry_after == 3


def test_the_reason_the_bot_gives_is_passed_on(github: Server) -> None:
    body = {"error": {"code": "github_unavailable", "message": "GitHub\x1b is away"}}
    github.on("GET /x", Reply(503, body))
    with pytest.raises(TransientError, match=r"answered 503: GitHub\? is away$"):
        web.call(web.request(f"{github.url}/x"), 5)


@pytest.mark.parametrize("body", [b"<html>", b'{"error": "x"}', b"[" * 100_000, b'{"error": {}}'])
def test_an_overloaded_server_need_not_give_a_reason(github: Server, body: bytes) -> None:
    github.on("GET /x", Reply(503, body))
    with pytest.raises(TransientError, match=r"answered 503$"):
        web.call(web.request(f"{github.url}/x"), 5)


def test_a_reason_that_breaks_off_does_not_hide_the_status(github: Server) -> None:
    github.on("GET /x", Reply(503, b'{"error": {}}', cut=5, headers={"Retry-After": "3"}))
    with pytest.raises(TransientError, match=r"answered 503$") as caught:
        web.call(web.request(f"{github.url}/x"), 5)
    assert caught.value.retry_after == 3


@pytest.mark.parametrize("value", ["soon", "", "-5", "Thu, 99 Foo"])
def test_a_senseless_retry_after_counts_as_none(github: Server, value: str) -> None:
    github.on("GET /x", Reply(503, headers={"Retry-After": value}))
    with pytest.raises(TransientError) as caught:
        web.call(web.request(f"{github.url}/x"), 5)
    assert caught.value.retry_after == 0


def test_retry_after_may_be_a_date(github: Server) -> None:
    moment = datetime.now(UTC) + timedelta(hours=1)
    github.on("GET /x", Reply(503, headers={"Retry-After": format_datetime(moment, usegmt=True)}))
    with pytest.raises(TransientError) as caught:
        web.call(web.request(f"{github.url}/x"), 5)
    assert 3000 < caught.value.retry_after <= 3600


def test_a_connection_that_is_hung_up_is_tried_again(github: Server) -> None:
    github.on("GET /x", Reply(hang_up=True))
    with pytest.raises(TransientError, match="cannot be reached"):
        web.call(web.request(f"{github.url}/x"), 5)


def test_a_download_follows_redirects(github: Server) -> None:
    github.on("GET /x", Reply(302, headers={"Location": f"{github.url}/y"}))
    github.on("GET /y", Reply(200, b"content"))
    with web.opened(web.request(f"{github.url}/x"), 5) as response:
        assert response.read() == b"content"


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/x", "javascript:1"])
def test_only_web_addresses_are_opened(url: str) -> None:
    with pytest.raises(Unreachable, match="no address of the web"):
        web.request(url)
