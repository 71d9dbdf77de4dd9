"""Whether the bot's memory stays flat: resident size after builds and after requests.

``python -m bench.memory`` tells a bot 10,000 builds, from the request to the pull request; then
nodes ask for all of them by turns, and GitHub sends webhooks that are stored and worked off.
"""

from __future__ import annotations

import argparse
import hmac
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.github import sandbox
from bench.load import Load, put, require_wrk
from bench.processes import MeasurementFailed, bot_environment, serving
from bench.storm import body
from bench.table import markdown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.github import GitHub
    from bench.processes import Server

_BUILDS, _STEPS = 10_000, 4
_REQUESTS, _LOOKS = 1_000_000, 8
# Of what it was after half of the requests; the allocator rounds to more than this.
_MOST_GROWTH = 0.02
_CONNECTIONS, _SECONDS = 64, 3
_RUN = {
    "action": "in_progress",
    "repository": {"full_name": "acme/hello-driver", "default_branch": "main"},
    "workflow_run": {"id": 1, "path": ".github/workflows/driver-build.yml"},
}


def main() -> int:
    """Measure, print the table and return 1 when it could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=_REQUESTS, help="in all (%(default)s)")
    parser.add_argument("--builds", type=int, default=_BUILDS, help="in all (%(default)s)")
    given = parser.parse_args()
    try:
        require_wrk()
        with sandbox() as github:
            _report(list(measure(github, given.builds, given.requests)))
    except MeasurementFailed as error:
        print(f"bench.memory: {error}", file=sys.stderr)
        return 1
    return 0


def measure(github: GitHub, builds: int, requests: int) -> Iterator[tuple[int, int, float]]:
    """Yield how many builds and requests there were, and the resident size in MiB."""
    # In memory, because what is measured has nothing to do with the disk.
    with tempfile.TemporaryDirectory(prefix="kmodbot-bench-", dir="/dev/shm") as name:
        store = f"sqlite:///{Path(name)}/kmodbot.db"
        settings = bot_environment(github.environment, store)
        with serving((sys.executable, "-m", "bench.servers", "fed"), settings) as bot:
            loads = _loads(settings["GITHUB_WEBHOOK_SECRET"])
            yield 0, 0, bot.rss()
            for step in range(_STEPS):
                edges = [builds * number // _STEPS for number in (step, step + 1)]
                numbers = {"from": edges[0], "to": edges[1]}
                status, _ = bot.ask("POST", "/bench/builds", json.dumps(numbers).encode())
                if status != 200:
                    raise MeasurementFailed(f"the builds were answered {status}")
                yield edges[1], 0, bot.rss()
            done, next_look = 0, requests // 10
            while done < requests:
                done += _round(bot, loads)
                if done >= min(next_look, requests):
                    yield builds, done, bot.rss()
                    next_look = done + requests // _LOOKS


def _loads(secret: str) -> list[Load]:
    payload = json.dumps(_RUN).encode()
    headers = {
        "X-GitHub-Event": "workflow_run",
        "X-GitHub-Delivery": "@@",
        "X-Hub-Signature-256": f"sha256={hmac.digest(secret.encode(), payload, 'sha256').hex()}",
    }
    return [Load("/build", body("@@")), Load("/webhooks/github", payload, headers)]


def _round(bot: Server, loads: list[Load]) -> int:
    asking, telling = loads
    asked = put(asking, bot, _CONNECTIONS, _SECONDS).requests
    return asked + put(telling, bot, _CONNECTIONS, _SECONDS).requests


def _report(looks: list[tuple[int, int, float]]) -> None:
    rows, before = [], looks[0][2]
    for builds, requests, mebibytes in looks:
        growth = mebibytes - before
        rows.append((f"{builds:,}", f"{requests:,}", f"{mebibytes:.0f}", f"{growth:+.1f}"))
        before = mebibytes
    print(markdown(("builds", "requests", "MiB", "growth"), rows))
    _, requests, size = looks[-1]
    half = next(look for look in looks if look[1] >= requests / 2)
    verdict = "met" if size - half[2] <= _MOST_GROWTH * half[2] else "MISSED"
    print(
        f"\n{size - half[2]:+.1f} MiB in the last {requests - half[1]:,} requests; "
        f"at most {_MOST_GROWTH:.0%} is flat: {verdict}"
    )


if __name__ == "__main__":
    sys.exit(main())
