"""Requests for builds per second, and 10,000 nodes that boot at once.

``python -m bench.requests`` compares the bot with a bare aiohttp handler that parses JSON and
answers with JSON: each is one process, all run at once, and the rounds take turns; the best of each
counts. Then 10,000 connections are opened, and a node asks on each, for one of 50 new kernels.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.github import sandbox
from bench.load import Load, put, require_wrk
from bench.processes import (
    BOT,
    MeasurementFailed,
    Server,
    allow_many_files,
    bot_environment,
    serving,
)
from bench.storm import Storm, body, storm
from bench.table import markdown
from kmodbot.bot.auth.tokens import ApiToken, new_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bench.github import GitHub

_CONNECTIONS = 64
_LEAST_OF_BARE = 0.6
_NODES, _KERNELS, _STORMS = 10_000, 50, 5
_MOST_OF_RATE = 2.7
_SECONDS_TO_WAIT = 120
_KNOWN, _IN_FLIGHT = 1, 2
_BARE, _FLYING = "bare aiohttp handler", "kmodbot, build in flight"
#: So that the pauses which GitHub wants between two writes are not what is measured.
HURRIED = {"KMODBOT_WRITE_SECONDS": "0.001", "KMODBOT_RATE_PER_MINUTE": "9999"}


def main() -> int:
    """Measure, print the tables and return 1 when something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=4, help="of each server (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each round (%(default)s)")
    parser.add_argument("--nodes", type=int, default=_NODES, help="that boot (%(default)s)")
    given = parser.parse_args()
    try:
        require_wrk()
        allow_many_files()
        with sandbox() as github:
            rates = measure_rates(github, given.rounds, given.seconds)
            print(_rate_table(rates), end="\n\n")
            github.hold_runs()
            storms = [measure_storm(github, given.nodes, turn) for turn in range(_STORMS)]
            print(_storm_table(storms, rates[_FLYING]))
    except MeasurementFailed as error:
        print(f"bench.requests: {error}", file=sys.stderr)
        return 1
    return 0


def measure_rates(github: GitHub, rounds: int, seconds: int) -> dict[str, float]:
    """Return the requests per second of each kind of request."""
    token = new_token()
    kept = str(ApiToken.of(token, "nodes"))
    bearer = {"Authorization": f"Bearer {token}"}
    with (
        serving((sys.executable, "-m", "bench.servers", "bare"), {}) as bare,
        new_bot(github) as open_bot,
    ):
        _prepare(github, open_bot)
        # It finds the package and the run that the other bot had made.
        with new_bot(github, KMODBOT_API_TOKENS=kept) as bot:
            known, flying = (Load("/build", body(kernel)) for kernel in (_KNOWN, _IN_FLIGHT))
            loads = {
                _BARE: (bare, flying),
                "kmodbot, known package": (open_bot, known),
                _FLYING: (open_bot, flying),
                "kmodbot, known package, API token": (bot, Load("/build", known.body, bearer)),
                "kmodbot, in flight, API token": (bot, Load("/build", flying.body, bearer)),
            }
            for server, load in loads.values():
                put(load, server, _CONNECTIONS, seconds=1)
            best = dict.fromkeys(loads, 0.0)
            for _ in range(rounds):
                for name, (server, load) in loads.items():
                    rate = put(load, server, _CONNECTIONS, seconds).per_second
                    best[name] = max(best[name], rate)
    return best


@contextmanager
def new_bot(github: GitHub, **settings: str) -> Iterator[Server]:
    """Run a bot with a new store, which webhooks reach, until the block ends."""
    with tempfile.TemporaryDirectory(prefix="kmodbot-bench-") as name:
        store = f"sqlite:///{Path(name)}/kmodbot.db"
        with serving(BOT, bot_environment(github.environment, store, **HURRIED, **settings)) as bot:
            github.send_webhooks_to(f"{bot.url}/webhooks/github")
            yield bot


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Wait for a condition in another process.

    Raises:
        MeasurementFailed: it does not come true.

    """
    until = time.monotonic() + _SECONDS_TO_WAIT
    while not holds():
        if time.monotonic() > until:
            raise MeasurementFailed(f"{what}: waited in vain")
        time.sleep(0.05)


def _prepare(github: GitHub, bot: Server) -> None:
    """Have one kernel built, and the build of another go on."""
    bot.ask("POST", "/build", body(_KNOWN))
    wait_until(lambda: bot.ask("POST", "/build", body(_KNOWN))[0] == 200, "the package")
    github.hold_runs()
    status, answer = bot.ask("POST", "/build", body(_IN_FLIGHT))
    if status != 202:
        raise MeasurementFailed(f"the build is not in flight: {answer!r}")


def measure_storm(github: GitHub, nodes: int, turn: int) -> tuple[Storm, int]:
    """Return what nodes met that booted at once, and how many runs that started."""
    with new_bot(github) as bot:
        # The bot has looked round, and knows where it is.
        wait_until(lambda: bot.ask("GET", "/readyz")[0] == 200, "the bot")
        github.settle()
        github.calls()
        first = 1000 * (turn + 1)
        result = storm(bot, nodes, _KERNELS, first)
        for kernel in range(first, first + _KERNELS):
            _, answer = bot.ask("POST", "/build", body(kernel))
            path = json.loads(answer)["status_url"]
            wait_until(
                lambda path=path: b'"queued"' not in bot.ask("GET", path)[1],  # type: ignore[misc]
                "the dispatch of every build",
            )
        return result, github.calls()["POST /dispatches"]


def _rate_table(rates: dict[str, float]) -> str:
    rows = [(name, f"{rate:,.0f}", f"{rate / rates[_BARE]:.2f}") for name, rate in rates.items()]
    met = all(rate >= _LEAST_OF_BARE * rates[_BARE] for rate in rates.values())
    return (
        markdown(("POST /build", "requests/s", "of bare"), rows)
        + f"\n\n{_CONNECTIONS} connections; at least {_LEAST_OF_BARE} of bare: {_verdict(met)}"
    )


def _storm_table(storms: list[tuple[Storm, int]], rate: float) -> str:
    rows, met = [], False
    for result, runs in storms:
        at_that_rate = result.opened / rate
        errors = sum(n for status, n in result.statuses.items() if status != "202")
        rows.append(
            (
                *(f"{result.opened:,}", str(errors), str(result.builds), str(runs)),
                *(f"{result.total:.2f}", f"{result.total / at_that_rate:.2f}"),
                *(f"{result.p99:.2f}", f"{result.p99 / at_that_rate:.2f}"),
            )
        )
        exact = (errors, result.builds, runs) == (0, _KERNELS, _KERNELS)
        if not exact:
            raise MeasurementFailed(f"{errors} errors, {result.builds} builds, {runs} runs")
        met = met or result.total <= _MOST_OF_RATE * at_that_rate
    header = (
        *("connections", "errors", "builds", "runs"),
        *("total s", "of the rate", "p99 s", "of the rate"),
    )
    return (
        f"{markdown(header, rows)}\n\n{_KERNELS} new kernels, pauses between writes switched off; "
        f"total and p99 at most {_MOST_OF_RATE} of what the rate makes of it, in the best round: "
        f"{_verdict(met)}"
    )


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
