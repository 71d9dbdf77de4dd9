"""How many builds a caller may start."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kmodbot.bot.auth.limits import RateLimit


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_worth_may_be_started_at_once() -> None:
    limit = RateLimit(3, Clock())

    assert [limit.take("node") for _ in range(4)] == [0, 0, 0, 20]


def test_a_caller_may_go_on_after_the_time_that_was_told() -> None:
    clock = Clock()
    limit = RateLimit(3, clock)
    for _ in range(3):
        limit.take("node")

    clock.now += limit.take("node")

    assert limit.take("node") == 0
    assert limit.take("node") > 0


def test_callers_do_not_take_from_each_other() -> None:
    limit = RateLimit(1, Clock())

    assert limit.take("first") == 0
    assert limit.take("second") == 0


def test_what_was_not_started_does_not_count() -> None:
    limit = RateLimit(1, Clock())
    limit.take("node")
    limit.give_back("node")

    assert limit.take("node") == 0
    assert limit.take("node") > 0


def test_giving_back_does_not_save_up() -> None:
    limit = RateLimit(2, Clock())
    for _ in range(5):
        limit.give_back("node")

    assert [limit.take("node") for _ in range(3)] == [0, 0, 30]


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=60))
def test_no_caller_gets_more_than_the_rate(per_minute: int, pauses: list[float]) -> None:
    clock = Clock()
    limit = RateLimit(per_minute, clock)
    granted = 0
    for pause in pauses:
        clock.now += pause
        granted += limit.take("node") == 0

    assert granted <= per_minute + per_minute * sum(pauses) / 60 + 1e-6
