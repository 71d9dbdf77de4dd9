"""The log: ids on every line, and no secret on any."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.http_exceptions import BadHttpMessage
from asyncpg import CannotConnectNowError  # type: ignore[import-untyped]  # it ships no types
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from kmodbot.bot.attempts import report
from kmodbot.bot.choices import LogFormat, LogLevel
from kmodbot.bot.completion import Completion
from kmodbot.bot.logs import Console, JsonLines, bind, configure, note, redact
from kmodbot.kernels import InvalidInput
from kmodbot.sandbox import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kmodbot.sandbox import Sandbox
    from tests.bot.conftest import Bot, QuickRunner

JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
SECRETS = [
    "ghs_16C7e42F292c6912E7710c838347Ae178B4a",
    f"ghs_12345_{JWT}",
    "github_pat_11ABCDEFG0abcdefghijkl_ABCDEFGHIJKLMNOP",
    "kmb_Zx8sQ0-abcdefghijklmnopqrstuvwxyzABCDEFGHIJ",
    JWT,
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN PRIVATE KEY-----\nMIIEow",
]


def record(message: str, error: BaseException | None = None) -> logging.LogRecord:
    info = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord("kmodbot.x", logging.INFO, "x.py", 1, message, (), info)


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Return what the log of this process goes to, while the test runs."""
    root, alembic = logging.getLogger(), logging.getLogger("alembic")
    before = (root.handlers[:], root.level, alembic.level)
    root.handlers = []
    yield io.StringIO()
    root.handlers, root.level = before[0], before[1]
    alembic.setLevel(before[2])
    logging.captureWarnings(capture=False)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "token={} end", '{{"token": "{}"}}', "for {}."])
def test_a_secret_does_not_reach_the_log(secret: str, around: str) -> None:
    text = around.format(secret)

    for formatter in (Console(), JsonLines()):
        line = formatter.format(record(text))
        assert "***" in line
        for part in (secret, secret[-12:], "MIIEow"):
            assert part not in line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdefgh12345", "Authorization: Bearer ***"),
        ("authorization: token abcdefgh12345", "authorization: token ***"),
        ("https://s.example/a/1?se=5&sig=abc%3D x", "https://s.example/a/1?*** x"),
        ("https://s.example/a?X-Amz-Signature=abc&x=1", "https://s.example/a?***"),
        ("postgresql://bot:hunter2@db/kmodbot", "postgresql://***@db/kmodbot"),
    ],
)
def test_only_the_secret_is_left_out(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "GitHub gives no token (404): the App is not installed",
        "the bearer of bad news",
        "GET https://api.github.com/repos/acme/hello-driver/actions/runs?page=2&per_page=100",
        "build 6f1ed002ab5595859014ebf0951522d9: run 7 started",
        "https://github.com/acme/hello-driver/actions/runs/7",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text


def test_a_secret_in_a_traceback_is_left_out_too() -> None:
    with pytest.raises(KeyError) as caught:
        os.environ[SECRETS[0]]
    line = JsonLines().format(record("failed", caught.value))

    assert SECRETS[0] not in line
    assert "KeyError: '***'" in json.loads(line)["exception"]


def test_ids_are_on_every_line_of_their_block(stream: io.StringIO) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, stream)
    log = logging.getLogger("kmodbot.test")

    with bind(delivery="d1"):
        with bind(build="b1", run=7):
            log.info("inside")
        log.info("outside")
    log.info("after")

    inside, outside, after = lines(stream)
    assert (inside["delivery"], inside["build"], inside["run"]) == ("d1", "b1", 7)
    assert ("build" in outside, outside["delivery"]) == (False, "d1")
    assert "delivery" not in after


async def test_tasks_keep_the_ids_of_those_who_started_them(stream: io.StringIO) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, stream)

    async def work(name: str) -> None:
        with bind(build=name):
            await asyncio.sleep(0)
            logging.getLogger("kmodbot.test").info(name)

    await asyncio.gather(work("b1"), work("b2"))

    assert [(line["message"], line["build"]) for line in lines(stream)] == [
        ("b1", "b1"),
        ("b2", "b2"),
    ]


async def test_what_the_bot_does_is_logged_with_its_ids(
    bot: Bot, github: Sandbox, runner: QuickRunner, stream: io.StringIO
) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, stream)
    runner.conclusion = "failure"
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    started, failed = (
        next(line for line in lines(stream) if word in line["message"])
        for word in ("started for", "failed")
    )
    assert (started["build"], started["run"]) == (asked["build_id"], github.runs[0].id)
    assert (failed["build"], failed["run"]) == (asked["build_id"], github.runs[0].id)
    assert failed["delivery"] in {delivery.guid for delivery in github.deliveries}


async def test_every_line_of_a_build_that_is_done_has_its_ids(
    bot: Bot, github: Sandbox, stream: io.StringIO
) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, stream)
    _, asked = await bot.ask()
    await bot.finished(asked["build_id"])

    said = lines(stream)
    for word in ("started for", "is published", "pull request opened"):
        (line,) = (line for line in said if word in line["message"])
        assert (line["build"], line["run"]) == (asked["build_id"], github.runs[0].id)


async def test_work_that_went_wrong_is_logged_with_what_it_was_about(
    bot: Bot, github: Sandbox, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def go_wrong(_self: Completion, _event: object) -> None:
        raise KeyError("a fault of ours")

    configure(LogFormat.JSON, LogLevel.INFO, stream)
    monkeypatch.setattr(Completion, "_ended", lambda self, _build, event: go_wrong(self, event))
    _, asked = await bot.ask()
    await bot.settled()

    wrong = [line for line in lines(stream) if "unexpected error" in line["message"]]
    assert wrong
    for line in wrong:
        assert (line["build"], line["run"]) == (asked["build_id"], github.runs[0].id)
        assert line["delivery"] in {delivery.guid for delivery in github.deliveries}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidInput("kernels.json", "not JSON at line 1"), "kernels.json: not JSON at line 1"),
        (
            OperationalError("SELECT 'value'", {}, OSError("disk full")),
            "the store fails: disk full",
        ),
        (
            CannotConnectNowError("the database system is starting up"),
            "the store fails: the database system is starting up",
        ),
        (PoolTimeout("no connection is free"), "the store fails: no connection is free"),
    ],
)
def test_what_is_no_fault_of_ours_needs_no_traceback(
    stream: io.StringIO, error: Exception, words: str
) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, stream)
    report("build b1", error)

    (line,) = lines(stream)
    assert line["message"] == f"build b1: tried again later: {words}"
    assert "exception" not in line


async def test_a_run_that_is_found_again_is_logged_with_both_ids(
    bot: Bot, github: Sandbox, stream: io.StringIO
) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, stream)
    github.faults.add(Fault(method="POST", path="/dispatches", kind="lost_answer"))
    await bot.ask()
    await bot.reconcile()
    await bot.settled()

    (found,) = (line for line in lines(stream) if "is found" in line["message"])
    (run,) = github.runs
    assert (found["build"], found["run"]) == (run.inputs["build_id"], run.id)


def test_an_id_that_becomes_known_on_the_way_holds_to_the_end_of_the_block(
    stream: io.StringIO,
) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, stream)
    log = logging.getLogger("kmodbot.test")

    with bind(delivery="d1"):
        note(build="b1", run=None)
        log.info("inside")
    log.info("after")

    inside, after = lines(stream)
    assert (inside["delivery"], inside["build"]) == ("d1", "b1")
    assert "run" not in inside
    assert "build" not in after


def test_a_request_that_is_no_http_leaves_no_traceback(stream: io.StringIO) -> None:
    configure(LogFormat.JSON, LogLevel.INFO, stream)
    server = logging.getLogger("aiohttp.server")
    server.error("Error handling request", exc_info=BadHttpMessage("no HTTP"))
    server.error("Error handling request", exc_info=ValueError("a fault of ours"))

    (line,) = lines(stream)
    assert "a fault of ours" in line["exception"]


def test_a_line_says_when_where_and_how_bad(stream: io.StringIO) -> None:
    configure(LogFormat.JSON, LogLevel.WARNING, stream)
    logging.getLogger("kmodbot.test").info("not worth it")
    logging.getLogger("kmodbot.test").warning("worth %s", "it")

    (line,) = lines(stream)
    assert (line["level"], line["logger"], line["message"]) == (
        "warning",
        "kmodbot.test",
        "worth it",
    )
    assert line["time"].endswith("+00:00")


def test_what_is_no_terminal_gets_json(stream: io.StringIO) -> None:
    configure(LogFormat.AUTO, LogLevel.INFO, stream)
    logging.getLogger("kmodbot.test").info("hello")

    assert lines(stream)[0]["message"] == "hello"


def test_a_terminal_gets_lines_for_people(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "isatty", lambda: True)
    configure(LogFormat.AUTO, LogLevel.INFO, stream)
    with bind(build="b1"):
        logging.getLogger("kmodbot.test").info("hello")

    assert stream.getvalue().endswith(" INFO    hello build=b1\n")


@given(st.text())
def test_an_event_is_one_line_whatever_it_says(text: str) -> None:
    for formatter in (Console(), JsonLines()):
        line = formatter.format(record(text.replace("%", "")))
        assert "\n" not in line
        assert "\r" not in line
