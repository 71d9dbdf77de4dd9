"""How often GitHub is called, counted by the sandbox, for any number of nodes on one kernel.

``python -m bench.calls`` lets 1, 50 and 5,000 nodes ask for a new kernel at once, has it built and
proposed, and lets them ask again. What does not depend on builds is learnt once an hour.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from bench.github import sandbox
from bench.processes import MeasurementFailed, allow_many_files
from bench.requests import new_bot, wait_until
from bench.storm import body, storm
from bench.table import markdown
from tests.bot.test_budget import CONSTANT, TO_BUILD, TO_PROPOSE, share

if TYPE_CHECKING:
    from collections import Counter

_NODES = (1, 50, 5_000)


def main() -> int:
    """Count, print the table and return 1 when it could not be counted."""
    allow_many_files()
    header = ("nodes", "per build", "per pull request", "once an hour", "other", "next boot of all")
    try:
        rows = [_count(nodes) for nodes in _NODES]
    except MeasurementFailed as error:
        print(f"bench.calls: {error}", file=sys.stderr)
        return 1
    print(markdown(header, rows))
    return 0


def _count(nodes: int) -> tuple[str, ...]:
    with sandbox() as github, new_bot(github) as bot:
        github.hold_runs()
        _boot(storm(bot, nodes, kernels=1).statuses, {"202": nodes})
        github.release_runs()
        wait_until(lambda: bot.ask("POST", "/build", body(1))[0] == 200, "the package")
        calls = github.calls()

        def proposed() -> bool:
            calls.update(github.calls())
            return calls["POST /pulls"] > 0

        wait_until(proposed, "the pull request")
        github.settle()
        calls.update(github.calls())
        _boot(storm(bot, nodes, kernels=1).statuses, {"200": nodes})
        return f"{nodes:,}", *_shares(calls), str(github.calls().total())


def _boot(statuses: dict[str, int], expected: dict[str, int]) -> None:
    if statuses != expected:
        raise MeasurementFailed(f"the nodes were answered {statuses}, not {expected}")


def _shares(calls: Counter[str]) -> list[str]:
    shares = [share(calls, kinds) for kinds in (TO_BUILD, TO_PROPOSE, CONSTANT)]
    return [str(count) for count in (*shares, calls.total() - sum(shares))]


if __name__ == "__main__":
    sys.exit(main())
