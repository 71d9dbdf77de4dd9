"""GitHub's refusals, limits and outages are told apart by status and headers."""

from __future__ import annotations

import time
from http import HTTPStatus

import gidgethub
import pytest

from kmodbot.bot.github.errors import (
    GitHubError,
    GitHubLimited,
    GitHubRefused,
    GitHubUnavailable,
    classify,
)


def answer(status: int, message: str = "", **headers: str) -> gidgethub.HTTPException:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gidgethub.BadRequest(HTTPStatus(status), message, headers=named)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer(404, "Not Found"), GitHubRefused),
        (answer(422, "Reference already exists"), GitHubRefused),
        (answer(403, "Resource not accessible by integration"), GitHubRefused),
        (answer(403, "Forbidden", x_ratelimit_remaining="12"), GitHubRefused),
        (answer(403, "Forbidden", retry_after="7"), GitHubLimited),
        (answer(429, "Too many requests"), GitHubLimited),
        (answer(403, "You have exceeded a secondary rate limit."), GitHubLimited),
        (answer(403, "API rate limit exceeded", x_ratelimit_remaining="0"), GitHubLimited),
        (answer(500), GitHubUnavailable),
        (answer(502, "Server Error"), GitHubUnavailable),
    ],
)
def test_an_answer_is_what_can_be_done_about_it(
    error: gidgethub.HTTPException, kind: type[GitHubError]
) -> None:
    assert type(classify(error)) is kind


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"x_ratelimit_remaining": "0"}, 60),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1"}, 1),
        ({}, 60),
    ],
)
def test_a_limit_says_how_long_to_wait(headers: dict[str, str], seconds: int) -> None:
    limit = classify(answer(429, "", **headers))

    assert isinstance(limit, GitHubLimited)
    assert limit.retry_after == seconds


def test_the_primary_limit_waits_for_the_reset() -> None:
    reset = str(int(time.time()) + 600)
    limit = classify(answer(403, "", x_ratelimit_remaining="0", x_ratelimit_reset=reset))

    assert isinstance(limit, GitHubLimited)
    assert 590 <= limit.retry_after <= 600
