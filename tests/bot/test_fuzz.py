"""Whatever is sent, the bot answers; and what it answers is never that something broke."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kmodbot.bot.app import create_app
from kmodbot.bot.auth.caller import Role
from kmodbot.bot.auth.tokens import ApiToken
from kmodbot.bot.errors import ApiError
from kmodbot.bot.http.wanted import FIELDS, Reader
from kmodbot.bot.settings import Settings
from kmodbot.kernels import parse_run_title
from kmodbot.sandbox import Sandbox
from tests.bot.conftest import CONTENT, DEBIAN, QuickRunner
from tests.bot.lives import Complaints
from tests.bot.test_webhooks import RUN, signed
from tests.kernels.strategies import HOSTILE, build_ids, driver_versions, kernels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kmodbot.kernels import Kernel
    from tests.bot.postgresql import Server

TOKEN = "operator-of-the-fuzz-test"

over_http = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
# What one of the two stores takes and the other does not.
delicate = st.sampled_from(["\0", "\ud800", "\uffff", 2**31, 2**63 - 1, 2**63, 2**64, -(2**63) - 1])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | delicate,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
hostile = st.sampled_from(HOSTILE) | st.text(max_size=40)
field_values = hostile | json_values | st.sampled_from(sorted(set(DEBIAN.values())))
build_requests = st.dictionaries(st.sampled_from(FIELDS) | hostile, field_values, max_size=8)
almost_right = st.builds(
    lambda name, value: DEBIAN | {name: value}, st.sampled_from(FIELDS), field_values
)
# What may stand in a header at all; the rest does not reach the bot.
header_values = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0xFF, exclude_categories=["Cc"]), max_size=80
)
_RUN = ("path", "display_title", "head_branch", "conclusion", "event", "run_attempt")
runs = st.fixed_dictionaries(
    {"id": st.integers() | delicate | json_values},
    optional=dict.fromkeys(_RUN, json_values | hostile),
)
deliveries = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["requested", "in_progress", "completed"]) | json_values,
        "workflow_run": runs | json_values,
        "repository": st.just(RUN["repository"]) | json_values,
        "commits": st.lists(json_values, max_size=3) | json_values,
        "ref": hostile,
    },
)


@dataclass(frozen=True)
class Running:
    """A bot in a thread of its own, asked by an operator."""

    port: int
    secret: str
    complaints: list[str]

    def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> int:
        """Send one request; return the status of a well-formed answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        usual = {"Content-Length": str(len(body)), "Authorization": f"Bearer {TOKEN}"}
        try:
            connection.putrequest(method, path)
            for name, value in (usual | (headers or {})).items():
                connection.putheader(name, value)
            # Apart from its headers the body takes another way through the server.
            connection.endheaders()
            if body:
                connection.send(body)
            answer = connection.getresponse()
            content = answer.read()
            # What is no HTTP is refused by the server itself, in words.
            if answer.getheader("Content-Type", "").startswith("application/json"):
                assert answer.status < 400 or json.loads(content)["error"]["message"]
            else:
                assert answer.status == 400
            # Nor has anything gone wrong behind the answers so far.
            assert self.complaints == []
            return answer.status
        finally:
            connection.close()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def fuzz_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return the address of a database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('fuzz')}/kmodbot.db"
        return
    server: Server = request.getfixturevalue("postgresql")
    name = server.create(template=request.getfixturevalue("migrated"))
    yield server.url(name)
    server.drop(name)


@pytest.fixture(scope="module")
def running(fuzz_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run a bot beside the tests, which wait for its answers."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    started = threading.Event()
    found: list[Running] = []
    complaints = Complaints()

    async def serve(directory: Path) -> None:
        async with Sandbox(directory / "github", content=CONTENT, runner=QuickRunner()) as github:
            environment = github.environment() | {
                "KMODBOT_DRIVER": "hello",
                "KMODBOT_DISCOVERY": "off",
                "KMODBOT_API_TOKENS": str(ApiToken.of(TOKEN, "ops", Role.OPERATOR)),
                "DATABASE_URL": fuzz_database,
            }
            bot_settings = Settings.from_environment(environment)
            async with TestServer(create_app(bot_settings)) as server:
                assert server.port is not None
                secret = bot_settings.webhook_secrets[0].reveal()
                found.append(Running(server.port, secret, complaints.messages))
                started.set()
                await stop.wait()

    with complaints.of("kmodbot.bot"):
        work = loop.create_task(serve(tmp_path_factory.mktemp("fuzz")))
        thread = threading.Thread(target=loop.run_until_complete, args=(work,))
        thread.start()
        assert started.wait(60)
        yield found[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
    assert complaints.messages == []


@over_http
@given(build_requests | almost_right | json_values)
@example({"kernel_version": "\ud800"})
def test_a_request_for_a_build_is_taken_or_refused(running: Running, body: Any) -> None:
    status = running.send(
        "POST", "/build", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )

    assert status in {200, 202, 400, 403, 413}


@over_http
@given(st.binary(max_size=200), st.sampled_from(["gzip", "deflate", "identity", "x", ""]))
def test_bytes_are_refused(running: Running, body: bytes, encoding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}

    assert running.send("POST", "/build", body, headers) in {400, 415}


@over_http
@given(deliveries | json_values, st.sampled_from(["workflow_run", "push", "ping", "pull_request"]))
def test_a_signed_delivery_is_taken_or_refused(running: Running, body: Any, event: str) -> None:
    payload = json.dumps(body).encode()
    headers = signed(payload, running.secret, X_GitHub_Event=event)

    assert running.send("POST", "/webhooks/github", payload, headers) in {202, 400}


@over_http
@given(
    st.sampled_from(["X-GitHub-Event", "X-GitHub-Delivery", "X-Hub-Signature-256", "Content-Type"]),
    header_values,
)
def test_a_delivery_with_strange_headers_is_refused(
    running: Running, name: str, value: str
) -> None:
    payload = json.dumps(RUN).encode()
    headers = signed(payload, running.secret) | {name: value}

    assert running.send("POST", "/webhooks/github", payload, headers) in {202, 400, 401, 415}


@over_http
@given(st.lists(hostile, min_size=1, max_size=4))
def test_any_address_is_answered(running: Running, parts: list[str]) -> None:
    path = "/" + "/".join(quoted(part) for part in parts)

    assert running.send("GET", path[:4000]) in {200, 400, 403, 404, 405}


@over_http
@given(
    st.sampled_from(
        ["/status/{}", "/packages/{}/{}", "/audit?limit={}&before={}", "/status/abcd?wait={}"]
    ),
    st.lists(hostile | st.integers().map(str) | delicate.map(str), min_size=2, max_size=2),
)
def test_any_part_of_an_address_is_answered(running: Running, path: str, parts: list[str]) -> None:
    address = path.format(*(quoted(part)[:1500] for part in parts))

    assert running.send("GET", address) in {200, 400, 404}


@over_http
@given(header_values)
def test_nobody_gets_in_with_a_strange_authorization(running: Running, value: str) -> None:
    assert running.send("GET", "/audit", headers={"Authorization": value}) in {400, 401}


def quoted(part: str) -> str:
    return "".join(f"%{byte:02x}" for byte in part.encode(errors="surrogatepass"))


@given(st.binary() | st.text().map(str.encode) | json_values.map(lambda v: json.dumps(v).encode()))
def test_a_body_is_read_or_refused(body: bytes) -> None:
    statuses = []
    try:
        wanted = Reader("hello").read(body)
    except ApiError as error:
        statuses.append(error.status)
    else:
        assert wanted.key == wanted.target.key
    assert set(statuses) <= {400}


@given(st.text() | hostile.map(lambda part: f"kmodbot {part} v0.1.0 debian 12 x86_64 {part}"))
def test_a_title_is_read_or_is_not_ours(title: str) -> None:
    found = parse_run_title(title)

    assert found is None or str(found) == title


@given(build_ids, driver_versions, kernels, hostile.filter(bool))
def test_a_title_with_something_around_it_is_not_ours(
    build_id: str, version: str, kernel: Kernel, around: str
) -> None:
    title = f"kmodbot {build_id} {version} {kernel.distribution} {kernel.distro_version} "
    title += f"{kernel.architecture} {kernel.release}"

    assert parse_run_title(title) is not None
    assert parse_run_title(f"{around} {title}") is None
    assert parse_run_title(f"{title} {around}") is None


@pytest.mark.parametrize("encoding", ["deflate", "gzip", "br"])
def test_a_stream_that_was_cut_is_not_waited_for(running: Running, encoding: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}

    assert running.send("POST", "/build", zlib.compress(b"{}")[:-2], headers) in {400, 415}
