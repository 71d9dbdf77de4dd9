"""Webhooks: how long one delivery takes to verify and decode, and how many come in per second.

``python -m bench.webhooks`` compares with gidgethub in this process, and over HTTP with the same
bot without its store and with @octokit/webhooks behind Node's own server. Each server is one
process, fresh for each round; the rounds take turns, and the best of each server counts. The
deliveries are one that GitHub really sent, each with an id of its own.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import shutil
import subprocess
import sys
import tempfile
import timeit
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gidgethub.sansio import Event

from bench.github import sandbox
from bench.load import Load, put, require_wrk
from bench.processes import BOT, ROOT, MeasurementFailed, bot_environment, serving
from bench.table import markdown
from kmodbot.bot.events import is_signature, is_signed, parse_event
from kmodbot.bot.secrets import Secret
from kmodbot.bot.settings import Settings
from tests.bot import postgresql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.github import GitHub
    from bench.processes import Server

_PAYLOADS = ROOT / "tests" / "data" / "webhooks" / "github.json"
_SECRET = "correct-horse-battery-staple"  # noqa: S105  # of a server on localhost
_CONNECTIONS = (64, 256)
_MOST_OF_SHA, _LEAST_OF_GIDGETHUB = 2.0, 3.0
_LEAST_OF_STORELESS, _LEAST_OF_OCTOKIT = 0.5, 1.0
_STORED, _POSTGRESQL = "kmodbot, SQLite", "kmodbot, PostgreSQL"
_STORELESS, _OCTOKIT = "kmodbot without a store", "@octokit/webhooks, Node, no store"


@dataclass(frozen=True)
class Sample:
    """A delivery: its body, and the repository and the workflow that it is of."""

    body: bytes
    repository: str
    repository_id: int
    workflow: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that GitHub sends with it, save that the id is another each time."""
        signature = hmac.digest(_SECRET.encode(), self.body, "sha256").hex()
        return {
            "X-GitHub-Event": "workflow_run",
            "X-GitHub-Delivery": "@@",
            "X-Hub-Signature-256": f"sha256={signature}",
        }


@dataclass(frozen=True)
class Contender:
    """A server to be measured, as it is started for each round."""

    command: Sequence[str]
    environment: Callable[[ExitStack], Mapping[str, str]]


def main() -> int:
    """Measure, print the tables and return 1 when something could not be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="of each server (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="of each round (%(default)s)")
    given = parser.parse_args()
    sample = largest_run()
    try:
        require_wrk()
        print(_decoding(sample), end="\n\n")
        with ExitStack() as stack:
            contenders = _contenders(sample, stack)
            print(_receiving(sample, contenders, given.rounds, given.seconds))
    except (MeasurementFailed, postgresql.NotInstalled) as error:
        print(f"bench.webhooks: {error}", file=sys.stderr)
        return 1
    return 0


def largest_run() -> Sample:
    """Return the largest of the workflow_run deliveries that GitHub really sent."""
    examples: list[dict[str, Any]] = json.loads(_PAYLOADS.read_text())
    runs = [example["payload"] for example in examples if example["event"] == "workflow_run"]
    run = max(runs, key=lambda payload: len(json.dumps(payload)))
    body = json.dumps(run, separators=(",", ":")).encode()
    repository, path = run["repository"], run["workflow_run"]["path"]
    return Sample(body, repository["full_name"], repository["id"], path.rpartition("/")[2])


def _decoding(sample: Sample) -> str:
    seconds = decoding_seconds(sample)
    bare, ours, gidgethub = seconds.values()
    rows = [
        (name, f"{taken * 1e6:.1f}", f"{taken / bare:.2f}", f"{taken / gidgethub:.2f}")
        for name, taken in seconds.items()
    ]
    met = ours <= _MOST_OF_SHA * bare and gidgethub >= _LEAST_OF_GIDGETHUB * ours
    return (
        markdown(("verify and decode", "µs", "of sha256", "of gidgethub"), rows)
        + f"\n\n{len(sample.body):,} bytes; at most {_MOST_OF_SHA} of sha256 and "
        f"1/{_LEAST_OF_GIDGETHUB:.0f} of gidgethub: {_verdict(met)}"
    )


def decoding_seconds(sample: Sample) -> dict[str, float]:
    """Return how long the digest of the body takes, this bot, and gidgethub."""
    settings = Settings(
        *("1", Secret("unused"), (Secret(_SECRET),), sample.repository, "hello"),
        workflow=sample.workflow,
    )
    headers = {name.lower(): value for name, value in sample.headers.items()}
    signature = headers["x-hub-signature-256"]
    headers["content-type"] = "application/json"

    def ours() -> object:
        if is_signature(signature) and is_signed(sample.body, signature, settings.webhook_secrets):
            return parse_event("workflow_run", sample.body, settings)
        raise MeasurementFailed("the signature does not match")

    if ours() is None:
        raise MeasurementFailed("the delivery is not understood")
    return _best(
        {
            "sha256 of the body, nothing else": lambda: hashlib.sha256(sample.body).digest(),
            "kmodbot": ours,
            "gidgethub": lambda: Event.from_http(headers, sample.body, secret=_SECRET),
        }
    )


def _best(works: Mapping[str, Callable[[], object]], turns: int = 60) -> dict[str, float]:
    best = dict.fromkeys(works, float("inf"))
    for _ in range(turns):
        for name, work in works.items():
            best[name] = min(best[name], timeit.timeit(work, number=500) / 500)
    return best


def _contenders(sample: Sample, stack: ExitStack) -> dict[str, Contender]:
    github = stack.enter_context(sandbox(sample.repository, sample.workflow, sample.repository_id))
    server = stack.enter_context(postgresql.running(durable=True))
    template = server.create()
    settings = _bot_settings(github, sample, server.url(template))
    subprocess.run([*BOT[:-1], "migrate"], env=settings, cwd=ROOT, check=True, capture_output=True)

    def on_sqlite(stack: ExitStack) -> Mapping[str, str]:
        name = stack.enter_context(tempfile.TemporaryDirectory(prefix="kmodbot-bench-"))
        return _bot_settings(github, sample, f"sqlite:///{name}/kmodbot.db")

    def on_postgresql(stack: ExitStack) -> Mapping[str, str]:
        name = server.create(template)
        stack.callback(server.drop, name)
        return _bot_settings(github, sample, server.url(name))

    storeless = (sys.executable, "-m", "bench.servers", "storeless")
    node = ("node", str(_install_octokit() / "server.mjs"))
    return {
        _STORED: Contender(BOT, on_sqlite),
        _POSTGRESQL: Contender(BOT, on_postgresql),
        _STORELESS: Contender(storeless, on_sqlite),
        _OCTOKIT: Contender(node, lambda _: {"GITHUB_WEBHOOK_SECRET": _SECRET}),
    }


def _bot_settings(github: GitHub, sample: Sample, database_url: str) -> dict[str, str]:
    return bot_environment(
        github.environment,
        database_url,
        GITHUB_WEBHOOK_SECRET=_SECRET,
        KMODBOT_WORKFLOW=sample.workflow,
    )


def _install_octokit() -> Path:
    """Install what the lock file names, beside the Python packages."""
    place = Path(sys.prefix) / "octokit"
    shutil.copytree(ROOT / "bench" / "octokit", place, dirs_exist_ok=True)
    command = ["npm", "ci", "--prefix", str(place), "--silent", "--no-audit", "--no-fund"]
    try:
        subprocess.run(command, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MeasurementFailed(f"@octokit/webhooks cannot be installed: {error}") from error
    return place


def _receiving(
    sample: Sample, contenders: Mapping[str, Contender], rounds: int, seconds: int
) -> str:
    load = Load("/webhooks/github", sample.body, sample.headers)
    rows, missed = [], []
    for connections in _CONNECTIONS:
        best = dict.fromkeys(contenders, 0.0)
        for _ in range(rounds):
            for name, contender in contenders.items():
                with _started(contender) as server:
                    _require_acceptance(server, load)
                    put(load, server, connections, seconds=1)
                    rate = put(load, server, connections, seconds).per_second
                    best[name] = max(best[name], rate)
        rows += [
            (
                *(name, str(connections), f"{rate:,.0f}"),
                *(f"{rate / best[other]:.2f}" for other in (_STORELESS, _OCTOKIT)),
            )
            for name, rate in best.items()
        ]
        met = (
            best[_STORED] >= _LEAST_OF_STORELESS * best[_STORELESS]
            and best[_STORED] >= _LEAST_OF_OCTOKIT * best[_OCTOKIT]
        )
        missed += [] if met else [str(connections)]
    header = ("server", "connections", "deliveries/s", "of storeless", "of octokit")
    return (
        f"{markdown(header, rows)}\n\non SQLite at least {_LEAST_OF_STORELESS} of storeless and "
        f"{_LEAST_OF_OCTOKIT:.0f} of octokit: {_verdict(not missed)}"
    )


def _require_acceptance(server: Server, load: Load) -> None:
    """Make sure that what is measured is not thrown away."""
    headers = {name: value.replace("@@", "first") for name, value in load.headers.items()}
    status, answer = server.ask("POST", load.path, load.body, headers)
    if status not in {200, 202} or b"ignored" in answer:
        raise MeasurementFailed(f"the delivery was answered {status} {answer.decode()}")


@contextmanager
def _started(contender: Contender) -> Iterator[Any]:
    with ExitStack() as stack:
        environment = contender.environment(stack)
        yield stack.enter_context(serving(contender.command, environment))


def _verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    sys.exit(main())
