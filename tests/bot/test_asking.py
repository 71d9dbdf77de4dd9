"""Who may start how much, what is remembered, and what the audit trail says of it."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from kmodbot.bot import keys
from kmodbot.bot.auth.caller import Role
from kmodbot.bot.auth.issuers import IssuerSettings
from kmodbot.bot.auth.tokens import ApiToken, parse_api_tokens
from kmodbot.sandbox import Fault
from tests.bot.auth.support import AUDIENCE, NODE, running_issuer
from tests.bot.conftest import DEBIAN, dispatch_by_hand, running_bot

if TYPE_CHECKING:
    from kmodbot.bot.settings import Settings
    from kmodbot.bot.store.audit import AuditRow
    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot, QuickRunner

TOKENS = f"{ApiToken.of('n', 'fleet')}, {ApiToken.of('m', 'other')}"
OPERATOR = str(ApiToken.of("o", "ops", Role.OPERATOR))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return dataclasses.replace(
        settings,
        api_tokens=parse_api_tokens(f"{TOKENS}, {OPERATOR}"),
        rate_per_minute=2,
        failure_seconds=3600.0,
    )


@dataclasses.dataclass
class Answered:
    """An answer of the API."""

    status: int
    body: dict[str, Any]
    retry_after: str | None

    @property
    def code(self) -> str | None:
        return (self.body.get("error") or {}).get("code")


async def ask(bot: Bot, who: str = "n", **changes: Any) -> Answered:
    """POST /build as the holder of a token."""
    headers = {"Authorization": f"Bearer {who}"}
    async with bot.client.post("/build", json=DEBIAN | changes, headers=headers) as answer:
        return Answered(answer.status, await answer.json(), answer.headers.get("Retry-After"))


def release(number: int) -> str:
    return f"6.1.0-{number}-amd64"


async def trail(bot: Bot) -> list[AuditRow]:
    """Return the audit trail, the oldest row first."""
    return (await bot.app[keys.AUDIT].last(1000))[::-1]


async def in_flight(bot: Bot, build_id: str) -> bool:
    build = await bot.app[keys.BUILDS].get(build_id)
    return build is not None and not build.phase.is_final


class TestRate:
    async def test_a_caller_that_starts_too_much_is_told_when_to_come_back(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        answers = [await ask(bot, kernel_version=release(number)) for number in (30, 31, 32)]

        assert [answer.status for answer in answers] == [202, 202, 429]
        assert answers[2].code == "rate_limited"
        assert 0 < int(answers[2].retry_after or 0) <= 30

    async def test_what_is_under_way_or_known_is_answered_all_the_same(
        self, bot: Bot, github: Sandbox
    ) -> None:
        first = await ask(bot, kernel_version=release(30))
        headers = {"Authorization": "Bearer n"}
        url = f"{first.body['status_url']}?wait=30"
        async with bot.client.get(url, headers=headers) as ended:
            assert (await ended.json())["status"] == "done"
        github.hold_runs()
        await ask(bot, kernel_version=release(31))

        known = [await ask(bot, kernel_version=release(30)) for _ in range(20)]
        joined = [await ask(bot, kernel_version=release(31)) for _ in range(20)]

        assert {answer.status for answer in known} == {200}
        assert {answer.status for answer in joined} == {202}
        assert (await ask(bot, kernel_version=release(32))).status == 429

    async def test_a_boot_storm_behind_one_token_counts_once_for_each_kernel(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        kernels = [release(number) for number in (30, 31)]
        answers = await asyncio.gather(
            *(ask(bot, kernel_version=kernel) for kernel in kernels for _ in range(100))
        )

        assert {answer.status for answer in answers} == {202}
        assert len({answer.body["build_id"] for answer in answers}) == 2

    async def test_one_caller_does_not_use_up_what_is_anothers(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        for number in (30, 31, 32):
            await ask(bot, kernel_version=release(number))

        assert (await ask(bot, "m", kernel_version=release(32))).status == 202

    async def test_who_asks_together_with_a_limited_caller_is_not_limited(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        for number in (30, 31):
            await ask(bot, kernel_version=release(number))

        mine, *others = await asyncio.gather(
            *(ask(bot, token, kernel_version=release(32)) for token in ("n", "m", "m"))
        )

        assert mine.status in {202, 429}
        assert [answer.status for answer in others] == [202, 202]


class TestMostBuilds:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return dataclasses.replace(settings, rate_per_minute=100, max_builds=2)

    async def test_no_more_builds_are_started_than_are_allowed(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        answers = await asyncio.gather(
            *(ask(bot, kernel_version=release(number)) for number in range(30, 40))
        )

        assert sum(answer.status == 202 for answer in answers) <= 2
        refused = [answer for answer in answers if answer.status != 202]
        assert {answer.code for answer in refused} == {"too_many_builds"}
        assert all(answer.status == 503 and answer.retry_after for answer in refused)

    async def test_there_is_room_again_when_a_build_has_ended(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        started = [await ask(bot, kernel_version=release(number)) for number in (30, 31)]
        assert (await ask(bot, kernel_version=release(32))).status == 503

        github.release_runs()
        for answer in started:
            await eventually_ended(bot, answer.body["build_id"])

        assert (await ask(bot, kernel_version=release(32))).status == 202
        await bot.settled()


async def eventually_ended(bot: Bot, build_id: str) -> None:
    """Wait for the end of a build."""
    headers = {"Authorization": "Bearer n"}
    async with bot.client.get(f"/status/{build_id}?wait=30", headers=headers) as answer:
        assert (await answer.json())["status"] != "in_progress"
    await bot.settled()


class TestFailures:
    async def test_a_failure_is_remembered_and_told_with_its_run(
        self, bot: Bot, github: Sandbox, runner: QuickRunner
    ) -> None:
        runner.conclusion = "failure"
        first = await ask(bot)
        await eventually_ended(bot, first.body["build_id"])

        again = await ask(bot)

        error = again.body["error"]
        assert (again.status, error["code"]) == (409, "build_failed")
        assert error["build_id"] == first.body["build_id"]
        assert error["run_url"].endswith(str(github.runs[0].id))
        assert 0 < error["retry_after"] <= 3600
        assert again.retry_after == str(error["retry_after"])
        assert len(github.runs) == 1

    async def test_an_operator_may_force_a_build(
        self, bot: Bot, github: Sandbox, runner: QuickRunner
    ) -> None:
        runner.conclusion = "failure"
        first = await ask(bot)
        await eventually_ended(bot, first.body["build_id"])
        runner.conclusion = "success"

        forced = await ask(bot, "o", force=True)

        assert (forced.status, forced.body["message"]) == (202, "workflow dispatched")
        await eventually_ended(bot, forced.body["build_id"])
        assert (await ask(bot)).status == 200
        assert len(github.runs) == 2

    async def test_a_node_may_not_force(self, bot: Bot) -> None:
        refused = await ask(bot, force=True)

        assert (refused.status, refused.code) == (403, "forbidden")
        assert refused.body["error"]["field"] == "force"

    async def test_saying_that_nothing_is_forced_is_allowed(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.hold_runs()
        assert (await ask(bot, force=False)).status == 202


class TestAudit:
    async def test_a_build_that_was_started_leaves_a_row(self, bot: Bot, github: Sandbox) -> None:
        github.hold_runs()
        asked = await ask(bot)
        await ask(bot, "m")

        (row,) = await trail(bot)
        assert (row.caller, row.action, row.outcome) == ("fleet", "build.request", "started")
        assert row.subject == "v0.1.0-debian-12-x86_64/hello-debian-6.1.0-38-amd64_v0.1.0_amd64.deb"
        assert row.detail == f"build {asked.body['build_id']}"

    async def test_many_refusals_of_a_caller_leave_one_row(self, bot: Bot, github: Sandbox) -> None:
        github.hold_runs()
        for number in range(30, 36):
            await ask(bot, kernel_version=release(number))

        outcomes = [row.outcome for row in await trail(bot)]
        assert outcomes == ["started", "started", "refused: rate_limited"]

    async def test_a_dispatch_that_is_made_up_for_later_is_a_row_too(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.faults.add(Fault(method="POST", path=".*/dispatches", kind="status", status=502))

        assert (await ask(bot)).status == 503

        assert [row.outcome for row in await trail(bot)] == ["started"]

    async def test_a_dispatch_that_github_refuses_is_one_row(
        self, bot: Bot, github: Sandbox
    ) -> None:
        github.faults.add(Fault(method="POST", path=".*/dispatches", kind="status", status=403))

        assert (await ask(bot)).code == "dispatch_refused"

        (row,) = await trail(bot)
        build = await bot.app[keys.BUILDS].get(row.detail.removeprefix("build "))
        assert build is not None
        assert "GitHub refused" in str(build.error)

    async def test_a_forced_build_is_a_row_of_its_own(self, bot: Bot, github: Sandbox) -> None:
        github.faults.add(Fault(method="POST", path=".*/dispatches", kind="status", status=403))
        await ask(bot)
        github.hold_runs()

        assert (await ask(bot)).code == "build_failed"
        forced = await ask(bot, "o", force=True)
        await ask(bot, "o", force=True)

        first, second = await trail(bot)
        assert (first.action, second.action) == ("build.request", "build.force")
        assert second.detail == f"build {forced.body['build_id']}"

    async def test_a_package_that_is_adopted_is_a_row_once(self, bot: Bot, github: Sandbox) -> None:
        github.webhook_url = None
        await dispatch_by_hand(bot)
        await github.settled()
        await asyncio.gather(ask(bot), ask(bot, "m"), ask(bot, "o"))

        (row,) = await trail(bot)
        assert (row.action, row.outcome) == ("build.request", "adopted")

    async def test_operators_read_it_page_by_page(self, bot: Bot, github: Sandbox) -> None:
        github.hold_runs()
        for number in (30, 31):
            await ask(bot, kernel_version=release(number))

        first = await audit(bot, limit=1)
        second = await audit(bot, limit=1, before=first["next"])

        assert [page["rows"][0]["subject"].count("-31-") for page in (first, second)] == [1, 0]
        assert (await audit(bot, limit=5))["next"] is None

    async def test_nodes_do_not_read_it(self, bot: Bot) -> None:
        headers = {"Authorization": "Bearer n"}
        async with bot.client.get("/audit", headers=headers) as answer:
            assert answer.status == 403

    @pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "before=-1", "before="])
    async def test_a_page_that_cannot_be_is_refused(self, bot: Bot, query: str) -> None:
        headers = {"Authorization": "Bearer o"}
        async with bot.client.get(f"/audit?{query}", headers=headers) as answer:
            assert answer.status == 400


async def audit(bot: Bot, **query: int) -> dict[str, Any]:
    params = {name: str(value) for name, value in query.items()}
    headers = {"Authorization": "Bearer o"}
    async with bot.client.get("/audit", params=params, headers=headers) as answer:
        assert answer.status == 200
        page: dict[str, Any] = await answer.json()
        return page


class TestIssuers:
    async def test_a_service_account_asks_under_its_own_name(
        self, settings: Settings, github: Sandbox
    ) -> None:
        async with running_issuer() as issuer:
            trusted = IssuerSettings((issuer.url,), (AUDIENCE,))
            guarded = dataclasses.replace(settings, api_tokens=(), oidc=trusted)
            async with running_bot(guarded, github) as bot:
                github.hold_runs()
                answer = await ask(bot, issuer.token())

                assert answer.status == 202
                assert (await trail(bot))[0].caller == f"{issuer.url}#{NODE}"

    async def test_what_is_refused_says_why_and_quotes_nothing(
        self, settings: Settings, github: Sandbox, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with running_issuer() as issuer:
            trusted = IssuerSettings((issuer.url,), (AUDIENCE,), subjects=("nobody",))
            guarded = dataclasses.replace(settings, oidc=trusted)
            async with running_bot(guarded, github) as bot:
                expired = issuer.token(exp=1)
                refused = await ask(bot, expired)
                stranger = await ask(bot, issuer.token())
                unknown = await ask(bot, "eyJhbGciOiJub25lIn0.e30.")
                issuer.up = False

        assert (refused.status, refused.code) == (401, "unauthenticated")
        assert "expired" in refused.body["error"]["message"]
        assert (stranger.status, stranger.code) == (403, "forbidden")
        assert unknown.status == 401
        assert expired not in str(refused.body) + caplog.text

    async def test_an_issuer_that_is_away_is_told(
        self, settings: Settings, github: Sandbox
    ) -> None:
        async with running_issuer() as issuer:
            issuer.up = False
            trusted = IssuerSettings((issuer.url,), (AUDIENCE,))
            guarded = dataclasses.replace(settings, oidc=trusted)
            async with running_bot(guarded, github) as bot:
                answer = await ask(bot, issuer.token())

        assert (answer.status, answer.code) == (503, "issuer_unavailable")
        assert answer.retry_after == "15"


async def test_a_node_that_goes_away_does_not_take_the_answer_from_the_others(
    bot: Bot, github: Sandbox
) -> None:
    github.hold_runs()
    github.faults.add(Fault(method="POST", path=".*/dispatches", kind="delay", seconds=0.5))
    impatient = aiohttp.ClientTimeout(total=0.1)
    headers = {"Authorization": "Bearer n"}
    with pytest.raises(TimeoutError):
        async with bot.client.post("/build", json=DEBIAN, headers=headers, timeout=impatient):
            pass

    answer = await ask(bot, "m")

    assert answer.status == 202
    assert await in_flight(bot, answer.body["build_id"])
