"""The client of GitHub's API: tokens, identity, ETags, and who watches it."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest

from kmodbot.bot.github.client import GitHubClient
from kmodbot.bot.github.downloads import Downloads
from kmodbot.bot.github.errors import GitHubGone, GitHubLimited, GitHubUnavailable
from kmodbot.bot.github.identity import Identity
from kmodbot.bot.github.jobs import Job, failed_job
from kmodbot.bot.github.tokens import InstallationTokens, Purpose
from kmodbot.bot.github.transport import kind_of
from kmodbot.bot.repository import KnownRepository
from kmodbot.bot.secrets import Secret
from kmodbot.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kmodbot.bot.settings import Settings
    from kmodbot.sandbox import Sandbox


class Watcher:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int, int | None]] = []
        self.silences: list[datetime | None] = []

    def called(self, kind: str, status: int, seconds: float, remaining: int | None) -> None:
        assert seconds >= 0
        self.calls.append((kind, status, remaining))

    def parked(self, until: datetime | None) -> None:
        self.silences.append(until)

    def denied(self, kind: str, reason: str) -> None:
        """Take no note."""


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
async def client(settings: Settings, watcher: Watcher) -> AsyncIterator[GitHubClient]:
    async with aiohttp.ClientSession() as session:
        yield GitHubClient(session, settings, watcher)


class Mint:
    """Answers as GitHub does to an App that asks for tokens."""

    def __init__(self) -> None:
        self.now = 1_000_000_000.0
        self.installation = 7
        self.asked: list[tuple[str, Any]] = []

    async def __call__(self, method: str, url: str, body: dict[str, Any] | None) -> Any:
        self.asked.append((f"{method} {url}", body))
        await asyncio.sleep(0)
        if method == "GET":
            return {"id": self.installation}
        if f"/{self.installation}/" not in url:
            raise GitHubGone(404, "Not Found")
        expires = datetime.fromtimestamp(self.now, UTC) + timedelta(hours=1)
        return {"token": f"ghs_{len(self.asked)}", "expires_at": expires.isoformat()}

    def tokens(self) -> InstallationTokens:
        return InstallationTokens("acme/hello-driver", self, lambda: self.now, KnownRepository())

    def minted(self) -> list[Any]:
        return [body for call, body in self.asked if call.startswith("POST")]


class TestTokens:
    @pytest.mark.parametrize("purpose", Purpose)
    async def test_each_may_do_what_its_purpose_needs_in_one_repository(
        self, purpose: Purpose
    ) -> None:
        mint = Mint()
        await mint.tokens().get(purpose)

        (body,) = mint.minted()
        assert body == {"repositories": ["hello-driver"], "permissions": purpose.permissions}

    async def test_those_who_ask_at_once_share_one(self) -> None:
        mint = Mint()
        tokens = mint.tokens()

        shared = await asyncio.gather(*(tokens.get(Purpose.READ) for _ in range(20)))

        assert len({token.reveal() for token in shared}) == 1
        assert len(mint.minted()) == 1

    async def test_one_is_replaced_some_minutes_before_it_ends(self) -> None:
        mint = Mint()
        tokens = mint.tokens()
        first = await tokens.get(Purpose.READ)
        mint.now += 54 * 60
        assert await tokens.get(Purpose.READ) == first

        mint.now += 2 * 60

        assert await tokens.get(Purpose.READ) != first

    async def test_a_new_installation_is_found_once(self) -> None:
        mint = Mint()
        tokens = mint.tokens()
        await tokens.get(Purpose.READ)
        mint.installation = 8

        await tokens.get(Purpose.DISPATCH)

        calls = [call for call, _ in mint.asked]
        assert calls[2:] == [
            "POST /app/installations/7/access_tokens",
            "GET /repos/acme/hello-driver/installation",
            "POST /app/installations/8/access_tokens",
        ]

    async def test_one_that_github_refuses_is_dropped_once(
        self, client: GitHubClient, github: Sandbox
    ) -> None:
        await client.get("")
        github.faults.add(Fault(path="hello-driver$", kind="status", status=401))
        assert (await client.get(""))["name"] == "hello-driver"

        github.faults.add(Fault(path="hello-driver$", kind="status", status=401, times=2))
        with pytest.raises(Exception, match="401"):
            await client.get("")
        minted = [call for call in github.calls if call.path.endswith("/access_tokens")]
        assert len(minted) == 3

    async def test_one_that_was_replaced_meanwhile_is_not_dropped(self) -> None:
        mint = Mint()
        tokens = mint.tokens()
        first = await tokens.get(Purpose.READ)
        tokens.drop(Purpose.READ, first)
        second = await tokens.get(Purpose.READ)

        tokens.drop(Purpose.READ, first)

        assert await tokens.get(Purpose.READ) == second


class TestIdentity:
    def test_a_token_begins_in_the_past_and_ends_within_ten_minutes(self, app_key: str) -> None:
        claims = read(Identity("12", Secret(app_key)).token())

        assert claims["iss"] == "12"
        assert claims["iat"] < time.time() - 50
        assert claims["exp"] - time.time() < 540

    def test_it_is_used_again_until_it_is_old(self, app_key: str) -> None:
        identity = Identity("12", Secret(app_key))

        assert identity.token() is identity.token()

    @pytest.mark.parametrize("minutes", [-90, -3, 3, 90])
    def test_a_refused_one_is_replaced_by_one_of_githubs_time(
        self, app_key: str, minutes: int
    ) -> None:
        identity = Identity("12", Secret(app_key))
        there = datetime.now(UTC) + timedelta(minutes=minutes)

        identity.refused(identity.token(), format_datetime(there, usegmt=True))

        claims = read(identity.token())
        assert claims["iat"] < there.timestamp() - 50
        assert 0 < claims["exp"] - there.timestamp() < 540

    @pytest.mark.parametrize("date", ["", "yesterday", "\x00"])
    def test_an_answer_without_a_time_changes_no_clock(self, app_key: str, date: str) -> None:
        identity = Identity("12", Secret(app_key))

        identity.set_clock(date)

        assert abs(identity.now() - time.time()) < 5


def read(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


async def test_what_has_not_changed_is_read_for_free(
    client: GitHubClient, github: Sandbox, watcher: Watcher
) -> None:
    first = await client.get("/branches/main")
    again = await client.get("/branches/main")

    assert again == first
    assert [status for kind, status, _ in watcher.calls if kind == "branch"] == [200, 304]
    left = [remaining for kind, _, remaining in watcher.calls if kind == "branch"]
    assert left[0] == left[1]


async def test_only_the_installation_tells_what_is_left(
    client: GitHubClient, github: Sandbox, watcher: Watcher
) -> None:
    await client.get("/branches/main")

    left = {kind: remaining is not None for kind, _, remaining in watcher.calls}
    assert left == {"installation": False, "token": False, "branch": True}


async def test_every_call_and_every_silence_is_told(
    client: GitHubClient, github: Sandbox, watcher: Watcher
) -> None:
    # A connection that breaks while a thing is read is tried once more without telling.
    github.faults.add(Fault(path="/branches/", kind="reset", times=2))
    with pytest.raises(GitHubUnavailable):
        await client.get("/branches/main")
    github.faults.add(Fault(path="/branches/", kind="secondary_limit", seconds=1))
    for _ in range(2):
        with pytest.raises(GitHubLimited):
            await client.get("/branches/main")

    kinds = [(kind, status) for kind, status, _ in watcher.calls]
    assert kinds == [("installation", 200), ("token", 201), ("branch", 0), ("branch", 403)]
    (until,) = watcher.silences
    assert until is not None
    assert timedelta(0) < until - datetime.now(UTC) <= timedelta(seconds=1)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/repos/acme/hello-driver", "repository"),
        ("/repos/acme/hello-driver/installation", "installation"),
        ("/app/installations/7/access_tokens", "token"),
        ("/app/hook/deliveries?per_page=100", "deliveries"),
        ("/app/hook/deliveries/9/attempts", "deliveries"),
        ("/repos/a/b/actions/workflows/driver-build.yml/dispatches", "dispatch"),
        ("/repos/a/b/actions/workflows/driver-build.yml/runs?page=1", "runs"),
        ("/repos/a/b/actions/runs/7", "run"),
        ("/repos/a/b/actions/runs/7/jobs?filter=latest", "jobs"),
        ("/repos/a/b/actions/runs/7/cancel", "cancel"),
        ("/repos/a/b/releases/tags/v0.1.0-debian-12-x86_64", "release"),
        ("/repos/a/b/git/matching-refs/heads/add-kernel/", "branches"),
        ("/repos/a/b/git/refs", "git"),
        ("/repos/a/b/contents/.github/kernels.json", "contents"),
        ("/repos/a/b/pulls", "pull"),
    ],
)
def test_calls_are_of_few_kinds(url: str, kind: str) -> None:
    assert kind_of(f"https://api.github.com{url}") == kind


class TestDownloads:
    @pytest.mark.parametrize(
        ("fault", "expected"),
        [(None, False), ("status", None), ("reset", None)],
    )
    async def test_only_a_clear_no_is_a_no(
        self, github: Sandbox, fault: Any, expected: bool | None
    ) -> None:
        if fault:
            github.faults.add(Fault(kind=fault, path="/releases/download/", times=2))
        url = f"{github.server_url}/acme/hello-driver/releases/download/v0.1.0/hello.deb"
        async with aiohttp.ClientSession() as session:
            assert await Downloads(session).exists(url) is expected


class TestJobs:
    def test_a_failed_step_is_named(self) -> None:
        job = Job.from_json(job_json(steps=[("one", "success"), ("two", "failure")]))

        assert (job.name, job.bad_step) == ("Build", "two")

    def test_a_job_that_never_began_has_no_step(self) -> None:
        assert Job.from_json(job_json(steps=[], conclusion="startup_failure")).bad_step is None

    def test_nothing_has_failed_before_all_has_ended(self) -> None:
        bad = Job.from_json(job_json(steps=[]))
        running = Job.from_json(job_json(steps=[], conclusion=None, status="in_progress"))

        assert failed_job([bad], attempt=1) == bad
        assert failed_job([bad, running], attempt=1) is None
        assert failed_job([bad], attempt=2) is None
        assert failed_job([], attempt=1) is None

    def test_a_name_is_shown_on_one_line_and_not_at_any_length(self) -> None:
        job = Job.from_json(job_json(steps=[("a\n\x1b[31mb" + "c" * 999, "failure")]))

        assert job.bad_step is not None
        assert job.bad_step.startswith("a[31mbc")
        assert len(job.bad_step) == 80


def job_json(
    steps: list[tuple[str, str]], conclusion: str | None = "failure", status: str = "completed"
) -> dict[str, Any]:
    shown = [{"name": name, "conclusion": result} for name, result in steps]
    return {
        "name": "Build",
        "run_attempt": 1,
        "status": status,
        "conclusion": conclusion,
        "steps": shown,
    }
