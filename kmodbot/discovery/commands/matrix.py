"""``kmodbot matrix``: which kernels still need which driver version."""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.kernels import (
    KERNELS_JSON,
    SUPPORTED,
    InvalidInput,
    parse_driver_name,
    parse_driver_version,
    parse_repository,
)

from ..crawler import BadListError, UnreachableError
from ..crawler.output import whole_output
from ..matrix.errors import BadInputError, MatrixError
from ..matrix.guard import require_no_shrink
from ..matrix.known_bad import KnownBad, read_known_bad
from ..matrix.plan import Options, make_plan
from ..matrix.previous import Previous, read_previous
from ..matrix.render import document, table, wanted_counts
from ..matrix.wanted import Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..matrix.github import Repository
    from ..matrix.plan import Plan

_EXIT_FAILED, _EXIT_BAD_INPUT = 1, 2
_MOST_KERNELS_PER_JOB = 100
#: One job publishes all builds of a run, each by a request that makes content; GitHub takes 500 of
#: those in an hour, and the releases to hold the packages have to be made too.
#: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
_MAX_BUILDS = 450
_NO_PREVIOUS = "nothing to compare with: the shrink guard is off"
_API_URL = re.compile(r"https?://[!-?A-~]+")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    kernels = parser.add_argument_group("kernels")
    kernels.add_argument(
        "--kernels",
        type=Path,
        metavar="FILE",
        help=f"a kernels.json (default: {KERNELS_JSON}, unless --crawler is given)",
    )
    kernels.add_argument(
        "--crawler",
        action="append",
        default=[],
        metavar="FILE|URL",
        help="a list of kernel-crawler, also one merged with the AL2023 discovery; repeatable",
    )
    kernels.add_argument(
        "--arch",
        choices=("x86_64", "aarch64"),
        help="architecture of the lists, where entries and path do not tell",
    )
    kernels.add_argument(
        "--distribution",
        action="append",
        choices=tuple(SUPPORTED),
        help="build for this one; repeatable (default: all that are supported)",
    )
    kernels.add_argument(
        "--known-bad", type=Path, metavar="FILE", help="kernels known not to build, with reasons"
    )
    driver = parser.add_argument_group("driver")
    driver.add_argument(
        "--driver", metavar="NAME", help="the driver's name (default: KMODBOT_DRIVER)"
    )
    driver.add_argument(
        "--driver-version",
        action="append",
        default=[],
        metavar="VERSION",
        help="a version to build; repeatable (default: the newest tag of the repository)",
    )
    releases = parser.add_argument_group("what the releases hold")
    releases.add_argument(
        "--repository",
        metavar="OWNER/NAME",
        help="the driver's repository (default: GITHUB_REPOSITORY); GITHUB_API_URL and "
        "GITHUB_TOKEN are used as GitHub Actions sets them",
    )
    releases.add_argument(
        "--previous",
        type=Path,
        metavar="FILE",
        help="an earlier matrix, which this one may not have shrunk against; without a "
        "repository it also tells what the releases hold, as does GitHub's list of releases",
    )
    _add_output_arguments(parser)


def _add_output_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-shrink",
        type=int,
        default=20,
        choices=range(101),
        metavar="PERCENT",
        help="refuse to lose more of a group's kernels than this (default: %(default)s)",
    )
    parser.add_argument("--force", action="store_true", help="accept a list that shrank")
    parser.add_argument(
        "--kernels-per-job",
        type=int,
        default=20,
        choices=range(1, _MOST_KERNELS_PER_JOB + 1),
        metavar="N",
        help="kernels that one job builds at most, 1 to 100 (default: %(default)s)",
    )
    parser.add_argument(
        "--max-builds",
        type=_count,
        default=_MAX_BUILDS,
        metavar="N",
        help="builds of one run at most; the others are deferred (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the matrix as JSON")
    parser.add_argument(
        "-o", dest="output", type=Path, metavar="FILE", help="write the matrix to FILE"
    )


def _count(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,5}", text):
        raise argparse.ArgumentTypeError(f"expected a number from 1 to 999999, got {text[:40]!a}")
    return int(text)


def run(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> int:
    """Make the matrix; 2 when something given is wrong, 1 when it cannot be made."""
    try:
        _make(arguments, environment)
    except (BadListError, BadInputError) as error:
        print(f"kmodbot matrix: {error}", file=sys.stderr)  # noqa: T201  # the answer
        return _EXIT_BAD_INPUT
    except (MatrixError, UnreachableError) as error:
        print(f"kmodbot matrix: {error}", file=sys.stderr)  # noqa: T201  # the answer
        return _EXIT_FAILED
    return 0


def _make(arguments: argparse.Namespace, environment: Mapping[str, str]) -> None:
    repository = _repository(arguments, environment)
    options = _options(arguments, environment, repository)
    previous = read_previous(arguments.previous) if arguments.previous else Previous()
    known_bad = read_known_bad(arguments.known_bad) if arguments.known_bad else KnownBad()
    wanted = _wanted(arguments)
    note = _guard(arguments, wanted, previous)
    groups = wanted.only(arguments.distribution or SUPPORTED)
    plan = make_plan(groups, _held(repository, previous), known_bad, options)
    _write(arguments, plan, wanted, options)
    if note:
        _say(arguments, note)


def _guard(arguments: argparse.Namespace, wanted: Wanted, previous: Previous) -> str | None:
    """Raise MatrixError for a list that shrank; return why it is not known whether it did."""
    if arguments.force:
        return None
    if previous.sources is None:
        return _NO_PREVIOUS
    sources = tuple(sorted(wanted.sources))
    if require_no_shrink(wanted_counts(wanted), sources, previous, arguments.max_shrink):
        return None
    message = f"{arguments.previous} was made from {' and '.join(previous.sources)}"
    return f"{message}, so it is not known whether the list shrank"


def _say(arguments: argparse.Namespace, note: str) -> None:
    """Say it where it is noticed, and below the table where that goes elsewhere."""
    print(f"kmodbot matrix: {note}", file=sys.stderr)  # noqa: T201  # the answer
    if not arguments.json:
        print(note)  # noqa: T201  # the answer


def _repository(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Repository | None:
    name = arguments.repository or environment.get("GITHUB_REPOSITORY")
    if not name:
        return None
    # Only who asks GitHub pays for loading what that takes.
    from ..matrix.github import Repository

    api_url = environment.get("GITHUB_API_URL") or "https://api.github.com"
    if not _API_URL.fullmatch(api_url):
        raise BadInputError("GITHUB_API_URL: expected an address such as https://api.github.com")
    token = environment.get("GITHUB_TOKEN", "")
    if not (token.isascii() and (token.isprintable() or not token)):
        raise BadInputError("GITHUB_TOKEN: holds characters that no token has")
    try:
        return Repository(api_url, parse_repository(name), token)
    except InvalidInput as error:
        raise BadInputError(f"--repository: {error.message}") from None


def _options(
    arguments: argparse.Namespace,
    environment: Mapping[str, str],
    repository: Repository | None,
) -> Options:
    driver = arguments.driver or environment.get("KMODBOT_DRIVER") or None
    if driver is None and (repository or arguments.previous):
        raise BadInputError("--driver: is needed to find the driver's packages in the releases")
    try:
        if driver is not None:
            driver = parse_driver_name(driver)
        versions = [parse_driver_version(version) for version in arguments.driver_version]
    except InvalidInput as error:
        raise BadInputError(f"--{error.field.replace('_', '-')}: {error.message}") from None
    if not versions:
        if repository is None:
            raise BadInputError("--driver-version: say which, or --repository to take its newest")
        versions = [repository.newest_version()]
    return Options(
        driver, list(dict.fromkeys(versions)), arguments.kernels_per_job, arguments.max_builds
    )


def _wanted(arguments: argparse.Namespace) -> Wanted:
    wanted = Wanted()
    if arguments.kernels or not arguments.crawler:
        wanted.add_kernels_json(arguments.kernels or Path(KERNELS_JSON))
    for source in arguments.crawler:
        wanted.add_crawler_list(source, arguments.arch)
    return wanted


def _held(repository: Repository | None, previous: Previous) -> Callable[[str], frozenset[str]]:
    if repository is not None:
        return repository.packages
    return lambda tag: previous.held.get(tag, frozenset())


def _write(arguments: argparse.Namespace, plan: Plan, wanted: Wanted, options: Options) -> None:
    if arguments.output:
        with whole_output(arguments.output) as stream:
            stream.writelines(f"{line}\n" for line in document(plan, wanted, options))
    # The table makes way for JSON.
    if arguments.json:
        sys.stdout.writelines(f"{line}\n" for line in document(plan, wanted, options))
    stream = sys.stderr if arguments.json else sys.stdout
    stream.writelines(f"{line}\n" for line in table(plan, wanted))
