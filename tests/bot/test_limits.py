"""What every answer of GitHub means, and when GitHub is not asked at all."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from types import SimpleNamespace

import gidgethub
import pytest

from kmodbot.bot.github.errors import (
    GitHubConflict,
    GitHubError,
    GitHubGone,
    GitHubLimited,
    GitHubRefused,
    GitHubUnauthorized,
    GitHubUnavailable,
    Verdict,
    classify,
    judge,
)
from kmodbot.bot.github.pace import Pace, Silence
from kmodbot.bot.github.quota import Quota


def answer(status: int, message: str = "", **headers: str) -> gidgethub.HTTPException:
    return gidgethub.BadRequest(HTTPStatus(status), message, headers=dashed(headers))


def dashed(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("status", "message", "headers", "verdict"),
    [
        (200, "", {}, Verdict.SUCCESS),
        (201, "", {}, Verdict.SUCCESS),
        (202, "", {}, Verdict.SUCCESS),
        (204, "", {}, Verdict.SUCCESS),
        (304, "", {}, Verdict.SUCCESS),
        (404, "Not Found", {}, Verdict.GONE),
        (410, "Gone", {}, Verdict.GONE),
        (422, "Reference does not exist", {}, Verdict.GONE),
        (409, ".github/kernels.json does not match 95b966", {}, Verdict.CONFLICT),
        (409, "Cannot cancel a workflow run that is completed.", {}, Verdict.CONFLICT),
        (422, "Reference already exists", {}, Verdict.CONFLICT),
        (422, "A pull request already exists for acme:add-kernel/x.", {}, Verdict.CONFLICT),
        (422, "Update is not a fast forward", {}, Verdict.CONFLICT),
        (401, "Bad credentials", {}, Verdict.RETRY_NOW),
        (408, "Request Timeout", {}, Verdict.RETRY_LATER),
        (500, "", {}, Verdict.RETRY_LATER),
        (502, "Server Error", {}, Verdict.RETRY_LATER),
        (503, "Service unavailable", {}, Verdict.RETRY_LATER),
        (504, "", {}, Verdict.RETRY_LATER),
        (429, "Too many requests", {}, Verdict.PARK),
        (403, "Forbidden", {"retry_after": "7"}, Verdict.PARK),
        (403, "You have exceeded a secondary rate limit.", {}, Verdict.PARK),
        (403, "You have triggered an abuse detection mechanism.", {}, Verdict.PARK),
        (403, "API rate limit exceeded", {"x_ratelimit_remaining": "0"}, Verdict.PARK),
        (403, "Forbidden", {"x_ratelimit_remaining": "12"}, Verdict.GIVE_UP),
        (403, "Resource not accessible by integration", {}, Verdict.GIVE_UP),
        (422, "Workflow does not have 'workflow_dispatch' trigger", {}, Verdict.GIVE_UP),
        (400, '"return_run_details" is not a permitted key.', {}, Verdict.GIVE_UP),
        (301, "Moved Permanently", {}, Verdict.MOVED),
        (307, "Temporary Redirect", {}, Verdict.MOVED),
        (302, "Found", {}, Verdict.GIVE_UP),
        (405, "Base branch was modified", {}, Verdict.GIVE_UP),
    ],
)
def test_an_answer_is_what_can_be_done_about_it(
    status: int, message: str, headers: dict[str, str], verdict: Verdict
) -> None:
    assert judge(status, dashed(headers), message) is verdict


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (answer(404), GitHubGone),
        (answer(409), GitHubConflict),
        (answer(401), GitHubUnauthorized),
        (answer(400), GitHubRefused),
        (answer(429), GitHubLimited),
        (answer(503), GitHubUnavailable),
    ],
)
def test_every_verdict_but_success_has_its_exception(
    error: gidgethub.HTTPException, kind: type[GitHubError]
) -> None:
    assert type(classify(error)) is kind


@pytest.mark.parametrize("status", range(100, 600))
def test_every_status_has_a_verdict(status: int) -> None:
    assert judge(status, {}, "") in Verdict


@pytest.mark.parametrize(
    ("headers", "seconds", "said"),
    [
        ({"retry_after": "7"}, 7, True),
        ({"retry_after": "0"}, 1, True),
        ({"x_ratelimit_remaining": "0"}, 60, True),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1"}, 1, True),
        ({}, 60, False),
    ],
)
def test_a_limit_says_how_long_to_wait(headers: dict[str, str], seconds: int, said: bool) -> None:
    limit = classify(answer(429, "", **headers))

    assert isinstance(limit, GitHubLimited)
    assert (limit.retry_after, limit.said) == (seconds, said)


def test_the_primary_limit_waits_for_the_reset() -> None:
    reset = str(int(time.time()) + 600)
    limit = classify(answer(403, "", x_ratelimit_remaining="0", x_ratelimit_reset=reset))

    assert isinstance(limit, GitHubLimited)
    assert 590 <= limit.retry_after <= 600


class TestQuota:
    @staticmethod
    def told(quota: Quota, **headers: str) -> int | None:
        return quota.note({f"x-ratelimit-{name}": value for name, value in headers.items()})

    def test_nothing_is_held_back_before_github_has_told_a_limit(self) -> None:
        assert Quota().seconds_until_spare() == 0

    @pytest.mark.parametrize(("remaining", "seconds"), [("501", 0), ("500", 600), ("0", 600)])
    def test_a_tenth_is_kept_until_the_hour_is_over(self, remaining: str, seconds: int) -> None:
        now = [1000.0]
        quota = Quota(lambda: now[0])

        assert self.told(quota, limit="5000", remaining=remaining, reset="1600") == int(remaining)
        assert quota.seconds_until_spare() == seconds
        now[0] = 1601.0
        assert quota.seconds_until_spare() == 0

    def test_another_limit_says_nothing_about_this_one(self) -> None:
        quota = Quota(lambda: 1000.0)

        assert self.told(quota, limit="30", remaining="1", reset="1600", resource="search") is None
        assert self.told(quota) is None
        assert quota.seconds_until_spare() == 0


def test_the_reset_is_measured_by_the_clock_that_named_it() -> None:
    headers = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "1000000600"}
    limit = classify(answer(403, "", date="Sun, 09 Sep 2001 01:46:40 GMT", **headers))

    assert isinstance(limit, GitHubLimited)
    assert limit.retry_after == 600


class TestSilence:
    def test_it_lasts_as_long_as_github_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        silence = Silence()
        silence.check()

        assert silence.begin(GitHubLimited("too fast", 7)) == 7
        with pytest.raises(GitHubLimited) as limited:
            silence.check()
        assert limited.value.retry_after == 7

        ended = time.monotonic() + 8
        later = SimpleNamespace(monotonic=lambda: ended)
        monkeypatch.setattr("kmodbot.bot.github.pace.time", later)
        silence.check()

    def test_the_answers_to_calls_under_way_do_not_shorten_it(self) -> None:
        silence = Silence()
        silence.begin(GitHubLimited("primary", 3000))

        assert silence.begin(GitHubLimited("secondary", 60)) > 2990
        assert not silence.end()
        with pytest.raises(GitHubLimited) as limited:
            silence.check()
        assert limited.value.retry_after > 2990

    def test_it_grows_where_github_does_not_say_and_starts_anew_after_an_answer(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        clock = SimpleNamespace(now=0.0)
        clock.monotonic = lambda: clock.now
        monkeypatch.setattr("kmodbot.bot.github.pace.time", clock)
        silence = Silence()
        unsaid = GitHubLimited("too fast", 60, said=False)

        assert [silence.begin(unsaid) for _ in range(6)] == [60, 120, 240, 480, 900, 900]
        assert not silence.end()
        clock.now += 900
        assert silence.end()
        assert not silence.end()
        assert silence.begin(unsaid) == 60


class TestPace:
    async def test_writes_come_one_by_one_with_a_pause_after_each(self) -> None:
        pace, began, ended = Pace(0.01), [], []

        async def write() -> None:
            async with pace:
                began.append(time.monotonic())
                await asyncio.sleep(0)
                ended.append(time.monotonic())

        await asyncio.gather(*(write() for _ in range(5)))

        assert all(b - e >= 0.01 for e, b in zip(ended, began[1:], strict=False))

    async def test_it_is_busy_while_the_next_write_would_wait(self) -> None:
        pace = Pace(60)
        before = pace.is_busy
        assert not before
        async with pace:
            within = pace.is_busy
        assert within
        assert pace.is_busy

    async def test_who_gives_up_waiting_does_not_block_the_others(self) -> None:
        pace = Pace(0.01)
        async with pace:
            impatient = asyncio.create_task(pace.__aenter__())
            await asyncio.sleep(0)
            impatient.cancel()
            await asyncio.gather(impatient, return_exceptions=True)
        async with pace:
            assert pace.is_busy
