"""What the bot tells of itself: metrics, and whether it can do its work."""

from __future__ import annotations

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kmodbot.bot import keys
from kmodbot.bot.build import Build, Phase
from kmodbot.bot.metrics import Metrics
from kmodbot.bot.reachability import Reachability
from kmodbot.bot.store.deliveries import Deliveries, Delivery
from kmodbot.bot.timing import BuildTimes
from kmodbot.sandbox import Fault
from tests.bot.conftest import DEBIAN, eventually, running_bot, target_of
from tests.bot.stored import receive

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot, QuickRunner

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


async def scrape(bot: Bot) -> Samples:
    """Read the metrics as Prometheus does."""
    async with bot.client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        text = await answer.text()
    return parsed(text)


def parsed(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, tuple(sorted(labels.items()))), 0.0)


class TestMetrics:
    async def test_requests_are_counted_by_route_not_by_path(self, bot: Bot) -> None:
        for path in ("/status/unknown1", "/status/unknown2", "/made/up/1", "/made/up/2"):
            async with bot.client.get(path):
                pass
        samples = await scrape(bot)

        requests = "kmodbot_http_requests_total"
        route = {"method": "GET", "status": "404"}
        assert value(samples, requests, route="/status/{build_id}", **route) == 2
        assert value(samples, requests, route="unknown", **route) == 2
        assert "made" not in str(samples)

    async def test_an_unusual_method_is_no_label_of_its_own(self, bot: Bot) -> None:
        async with bot.client.request("PROPFIND", "/build"):
            pass
        samples = await scrape(bot)

        labels = {"route": "unknown", "method": "other", "status": "405"}
        assert value(samples, "kmodbot_http_requests_total", **labels) == 1

    async def test_a_build_is_counted_with_the_time_it_took(
        self, bot: Bot, github: Sandbox
    ) -> None:
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])

        async def is_counted() -> bool:
            return value(await scrape(bot), "kmodbot_time_to_driver_seconds_count") == 1

        await eventually(is_counted)
        samples = await scrape(bot)
        assert value(samples, "kmodbot_builds", phase="done") == 1
        assert value(samples, "kmodbot_builds", phase="error") == 0
        assert value(samples, "kmodbot_builds_ended_total", outcome="done") == 1
        queued = ("kmodbot_build_phase_duration_seconds_count", (("phase", "queued"),))
        assert samples[queued] == 1

    async def test_a_failure_is_counted(self, bot: Bot, runner: QuickRunner) -> None:
        runner.conclusion = "failure"
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])

        async def is_counted() -> bool:
            ended = value(await scrape(bot), "kmodbot_builds_ended_total", outcome="error")
            return ended == 1

        await eventually(is_counted)

    async def test_calls_of_github_are_counted_by_kind(self, bot: Bot) -> None:
        _, asked = await bot.ask()
        await bot.finished(asked["build_id"])
        samples = await scrape(bot)

        requests = "kmodbot_github_requests_total"
        assert value(samples, requests, kind="dispatch", status="200") == 1
        assert value(samples, requests, kind="pull", status="201") == 1
        assert value(samples, "kmodbot_github_remaining_requests") > 0

    async def test_a_limit_shows_until_when_work_is_parked(self, bot: Bot, github: Sandbox) -> None:
        github.faults.add(Fault(path="dispatches", kind="secondary_limit", seconds=600))
        await bot.ask()

        until = value(await scrape(bot), "kmodbot_github_parked_until_time_seconds")
        assert 500 < until - datetime.now(UTC).timestamp() <= 600

    async def test_work_that_waits_shows_with_its_age(
        self, bot: Bot, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await wait_with(bot, timedelta(seconds=90))
        samples = await scrape(bot)

        assert value(samples, "kmodbot_deliveries", state="waiting") == 1
        assert 90 <= value(samples, "kmodbot_deliveries_oldest_age_seconds") < 200

    async def test_every_metric_is_documented(self, bot: Bot) -> None:
        async with bot.client.get("/metrics") as answer:
            text = await answer.text()
        exposed = set(re.findall(r"^# TYPE (kmodbot_\w+)", text, re.MULTILINE))
        page = (Path(__file__).parents[2] / "docs/observability.md").read_text()
        documented = set(re.findall(r"^\| `(kmodbot_\w+)`", page, re.MULTILINE))

        created = {name for name in exposed if name.endswith("_created")}
        # What tells of the last look appears with it.
        assert documented - exposed == {"kmodbot_discovery_last_time_seconds"}
        assert exposed - created <= documented

    async def test_two_bots_in_one_process_count_apart(
        self, settings: Settings, github: Sandbox
    ) -> None:
        async with running_bot(settings, github) as first, running_bot(settings, github) as second:
            await scrape(first)
            samples = await scrape(second)

        labels = {"route": "/metrics", "method": "GET", "status": "200"}
        assert value(samples, "kmodbot_http_requests_total", **labels) == 0


async def wait_with(bot: Bot, age: timedelta) -> None:
    """Put a delivery that nobody works on into the store, as if it had come a while ago."""
    delivery = Delivery("old", "push", b"{}")
    now = datetime.now(UTC)
    deliveries = bot.app[keys.DELIVERIES]
    await receive(deliveries, delivery, now - age)
    await deliveries.lease("nobody", now, now + timedelta(hours=1), 10)


async def ready(bot: Bot) -> tuple[int, dict[str, Any]]:
    async with bot.client.get("/readyz") as answer:
        return answer.status, await answer.json()


class TestReadiness:
    async def test_a_bot_that_is_well_is_ready(self, bot: Bot) -> None:
        assert await ready(bot) == (
            200,
            {"status": "ready", "checks": {"store": "ok", "github": "ok", "queue": "ok"}},
        )

    async def test_probes_cost_github_nothing(self, bot: Bot, github: Sandbox) -> None:
        await bot.settled()
        await ready(bot)
        before = len(github.calls)
        for _ in range(20):
            await ready(bot)

        assert len(github.calls) == before

    async def test_a_dead_store_is_named(self, bot: Bot, monkeypatch: pytest.MonkeyPatch) -> None:
        async def dead(self: Deliveries) -> object:
            raise OSError("disk gone: /srv/secret-place")

        monkeypatch.setattr(Deliveries, "backlog", dead)
        status, body = await ready(bot)

        assert (status, body["error"]["code"]) == (503, "not_ready")
        assert body["error"]["message"].startswith("store: ")
        assert "secret-place" not in str(body)
        assert body["checks"]["github"] == "ok"

    async def test_a_store_that_can_only_be_read_is_named(self, bot: Bot) -> None:
        async with bot.app[keys.DATABASE].writing() as connection:
            await connection.exec_driver_sql(
                "CREATE TRIGGER full_disk BEFORE INSERT ON leases "
                "BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
            )
        status, body = await ready(bot)

        assert status == 503
        assert body["checks"]["store"].startswith("it fails with")
        assert body["checks"]["store"].endswith(": database or disk is full")

    async def test_a_github_that_never_answered_is_named(
        self, settings: Settings, github: Sandbox
    ) -> None:
        nowhere = dataclasses.replace(settings, api_url="http://127.0.0.1:1")
        async with running_bot(nowhere, github, is_away=True) as bot:
            status, body = await ready(bot)

        assert status == 503
        assert body["checks"]["github"].startswith("no good answer for")
        assert body["checks"]["store"] == "ok"

    async def test_work_that_waits_too_long_is_named(self, bot: Bot) -> None:
        await wait_with(bot, timedelta(seconds=301))
        status, body = await ready(bot)

        assert status == 503
        assert "waited for 30" in body["checks"]["queue"]
        assert body["error"]["message"].startswith("queue: ")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class TestReachability:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def github(self, clock: Clock) -> Reachability:
        return Reachability(Metrics().github, clock)

    def test_one_error_is_no_outage(self, github: Reachability, clock: Clock) -> None:
        github.called("run", 200, 0.1, 5000)
        clock.now = 10
        github.called("run", 502, 0.1, None)

        assert github.problem() is None

    @pytest.mark.parametrize(("status", "words"), [(502, "answered 502"), (0, "did not answer")])
    def test_errors_for_a_minute_are_one(
        self, github: Reachability, clock: Clock, status: int, words: str
    ) -> None:
        github.called("run", 200, 0.1, 5000)
        github.called("run", status, 0.1, None)
        clock.now = 61
        github.called("run", status, 0.1, None)

        assert words in (github.problem() or "")

    def test_a_good_answer_ends_it(self, github: Reachability, clock: Clock) -> None:
        github.called("run", 0, 0.1, None)
        assert github.problem()
        github.called("run", 404, 0.1, 5000)

        assert github.problem() is None

    @pytest.mark.parametrize("kind", ["token", "installation"])
    @pytest.mark.parametrize("status", [401, 403, 404])
    def test_an_app_that_gets_no_token_can_do_nothing(
        self, github: Reachability, clock: Clock, kind: str, status: int
    ) -> None:
        github.called(kind, status, 0.1, None)
        assert f"does not let the App in ({status})" in (github.problem() or "")

        github.denied("token", "the App is not installed")
        assert "the App is not installed" in (github.problem() or "")

        # What the App may read as itself, or with an older token, says nothing about the next one.
        clock.now = 61
        github.called("run", 200, 0.1, 5000)
        assert github.problem()

        github.called("token", 201, 0.1, None)
        assert github.problem() is None

    def test_a_refusal_ends_where_it_came_from(self, github: Reachability, clock: Clock) -> None:
        github.called("token", 201, 0.1, None)
        github.called("deliveries", 403, 0.1, None)
        github.denied("deliveries", "a permission is missing")
        clock.now = 61
        for kind, status in (("run", 200), ("deliveries", 301), ("deliveries", 404)):
            github.called(kind, status, 0.1, None)
            assert "a permission is missing" in (github.problem() or "")

        github.called("deliveries", 200, 0.1, None)
        assert github.problem() is None

    def test_what_the_app_reads_as_itself_does_not_end_that_it_gets_no_token(
        self, github: Reachability
    ) -> None:
        github.denied("token", "the installation is suspended")
        github.called("deliveries", 200, 0.1, None)

        assert "suspended" in (github.problem() or "")

    async def test_github_is_asked_once_a_minute_at_most(
        self, github: Reachability, clock: Clock
    ) -> None:
        asked = []

        async def ask() -> None:
            asked.append(clock.now)
            github.called("repository", 0, 0.1, None)

        for second in range(200):
            clock.now = second
            await github.check(ask, 1)

        assert asked == [0, 60, 120, 180]

    async def test_github_is_not_asked_while_others_ask(
        self, github: Reachability, clock: Clock
    ) -> None:
        asked = []

        async def ask() -> None:
            asked.append(clock.now)

        for second in range(0, 3600, 60):
            clock.now = second
            github.called("runs", 200, 0.1, 5000)
            await github.check(ask, 1)

        assert asked == []


class TestBuildTimes:
    """Phases are timed from one change to the next."""

    @pytest.fixture
    def metrics(self) -> Metrics:
        return Metrics()

    @pytest.fixture
    def times(self, metrics: Metrics) -> BuildTimes:
        class Silent:
            def tell_others(self, tell: object) -> None:
                """Tell nothing."""

        return BuildTimes(None, Silent(), metrics.builds)  # type: ignore[arg-type]  # not asked

    def sum_of(self, metrics: Metrics, phase: str) -> float | None:
        return metrics.registry.get_sample_value(
            "kmodbot_build_phase_duration_seconds_sum", {"phase": phase}
        )

    def test_each_phase_has_its_time(self, times: BuildTimes, metrics: Metrics) -> None:
        created = datetime.now(UTC)
        build = Build("b1", target_of(DEBIAN), Phase.DISPATCHED, created)
        times.changed(build, 10)
        times.changed(dataclasses.replace(build, phase=Phase.BUILDING), 40)
        times.changed(dataclasses.replace(build, phase=Phase.BUILDING), 50)
        done = dataclasses.replace(
            build, phase=Phase.DONE, finished_at=created + timedelta(seconds=95)
        )
        times.changed(done, 100)
        times.changed(done, 200)

        assert self.sum_of(metrics, "dispatched") == 30
        assert self.sum_of(metrics, "building") == 60
        registry = metrics.registry
        assert registry.get_sample_value("kmodbot_time_to_driver_seconds_sum") == 95
        assert registry.get_sample_value("kmodbot_time_to_driver_seconds_count") == 1

    def test_a_build_whose_beginning_was_not_seen_is_not_guessed_at(
        self, times: BuildTimes, metrics: Metrics
    ) -> None:
        build = Build("b1", target_of(DEBIAN), Phase.BUILDING, datetime.now(UTC))
        times.changed(build, 10)

        assert self.sum_of(metrics, "dispatched") is None
        assert self.sum_of(metrics, "queued") is None
