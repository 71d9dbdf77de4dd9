"""`kmodbot discover al2023`: the kernels of Amazon Linux 2023 that its repositories name."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kmodbot.discovery.crawler.errors import BadListError
from kmodbot.discovery.crawler.output import whole_output
from kmodbot.kernels import ARCHITECTURES, InvalidInput, parse_architecture

if TYPE_CHECKING:
    import argparse

    from kmodbot.discovery.al2023 import Discovery, Outcome, RepositorySpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `kmodbot discover al2023` to a parser."""
    add = parser.add_argument
    add(
        "--repo",
        action="append",
        metavar="URL",
        help="a repository: base URL, mirror list or metalink, file:// for one on the disk; "
        "$basearch stands for the architecture (default: Amazon's livepatch and core)",
    )
    add("--arch", action="append", metavar="ARCH", help="x86_64 or aarch64 (default: both)")
    add(
        "--merge",
        type=Path,
        metavar="FILE",
        help="a list of kernel-crawler's to add the kernels to; without --arch only those of its "
        "own architecture",
    )
    add("--json", action="store_true", help="print the list as JSON")
    add("-o", "--output", type=Path, metavar="FILE", help="write the list as JSON to this file")
    add("--cache", type=Path, metavar="DIR", help="where fetched files are kept between runs")
    add(
        "--allow-partial",
        action="store_true",
        help="give the kernels of the other repositories when one cannot be read",
    )


def run(arguments: argparse.Namespace) -> int:
    """Discover kernels; return the exit status.

    0 when the list was given; 1 when a repository could not be read; 2 when the input is wrong.
    """
    from kmodbot.discovery.al2023 import DEFAULT_REPOSITORIES, RepositorySpec, Unfit

    if arguments.output is not None and arguments.output.is_dir():
        return _fail(f"{arguments.output}: Is a directory; choose another -o", 2)
    try:
        specs = [RepositorySpec.parse(url) for url in arguments.repo or ()]
        document = _read_list(arguments.merge) if arguments.merge else None
        architectures = _architectures(arguments.arch, document)
        discovery = asyncio.run(
            _discover(specs or list(DEFAULT_REPOSITORIES), architectures, arguments.cache)
        )
        return _give(discovery, document, arguments)
    except (BadListError, InvalidInput, Unfit) as error:
        return _fail(str(error), 2)
    except OSError as error:
        return _fail(f"{error.filename or 'cannot write'}: {error.strerror or error}", 2)


def _architectures(given: list[str] | None, document: dict[str, Any] | None) -> tuple[str, ...]:
    from kmodbot.discovery.al2023 import listed_architectures

    if given:
        return tuple(dict.fromkeys(parse_architecture(value) for value in given))
    return listed_architectures(document or {}) or ARCHITECTURES


async def _discover(
    specs: list[RepositorySpec], architectures: tuple[str, ...], cache: Path | None
) -> Discovery:
    from kmodbot.discovery.al2023 import discover
    from kmodbot.discovery.cache import cache_directory
    from kmodbot.discovery.fetch import Fetcher
    from kmodbot.discovery.progress import progress_on

    with progress_on(sys.stderr) as progress:
        async with Fetcher(cache or cache_directory(), progress=progress) as fetcher:
            return await discover(specs, architectures, fetcher=fetcher, progress=progress)


def _read_list(path: Path) -> dict[str, Any]:
    from kmodbot.discovery.al2023 import Unfit, check_list
    from kmodbot.discovery.crawler.strict import parse_strict

    try:
        document = parse_strict(path.read_bytes())
        json.dumps(document, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        place = f"{path}, line {error.lineno}, column {error.colno}"
        raise Unfit(
            place, f"is not JSON: {error.msg}; expected a list of kernel-crawler's"
        ) from None
    except UnicodeDecodeError:
        raise Unfit(str(path), "is not UTF-8; expected a list of kernel-crawler's") from None
    except UnicodeEncodeError:
        reason = "holds half of a character (a lone surrogate), which no file can; repair it"
        raise Unfit(str(path), reason) from None
    except RecursionError:
        raise Unfit(str(path), "is nested too deeply to be written; repair it") from None
    except ValueError as error:
        raise Unfit(str(path), f"cannot be read: {error}; repair it") from None
    return check_list(document, str(path))


def _give(
    discovery: Discovery, document: dict[str, Any] | None, arguments: argparse.Namespace
) -> int:
    from kmodbot.discovery.al2023 import listing, merge

    unread = [outcome for outcome in discovery.outcomes if outcome.status == "unknown"]
    if any(outcome.unfit for outcome in unread):
        return _fail("; ".join(_told(outcome) for outcome in unread if outcome.unfit), 2)
    if unread and not (arguments.allow_partial and discovery.kernels):
        reasons = "; ".join(map(_told, unread))
        return _fail(f"the list would not be whole, so none is given: {reasons}", 1)
    result = listing(discovery) if document is None else merge(document, discovery)
    try:
        text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
    except RecursionError:
        return _fail(f"{arguments.merge}: is nested too deeply to be written; repair it", 2)
    if arguments.output is not None:
        with whole_output(arguments.output) as stream:
            stream.write(text)
    if arguments.json:
        sys.stdout.write(text)
    else:
        sys.stdout.write(_report(discovery))
    return 0


def _told(outcome: Outcome) -> str:
    return f"{outcome.url}: {outcome.reason}"


def _report(discovery: Discovery) -> str:
    lines = []
    for found in discovery.kernels:
        seen = ", ".join(sorted({sighting.repository for sighting in found.seen_in}))
        lines.append(f"{found.kernel.release:<40} devel {found.devel:<8} seen in {seen}")
    missing, unknown = (
        sum(found.devel == state for found in discovery.kernels) for state in ("missing", "unknown")
    )
    lines.append(f"{len(discovery.kernels)} kernels, {missing} of them without headers")
    if unknown:
        lines.append(
            f"of {unknown} it is not known: not every repository that may hold them was read"
        )
    if discovery.unsupported:
        first = discovery.unsupported[0]
        count = len(discovery.unsupported)
        lines.append(f"{count} packages left out, for example {first.package}: {first.reason}")
    return "\n".join(lines) + "\n"


def _fail(message: str, status: int) -> int:
    sys.stderr.write(f"kmodbot discover al2023: {message}\n")
    return status
