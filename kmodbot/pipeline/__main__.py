"""The builder's command line, the same in GitHub Actions, in the sandbox and by hand."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline import texts
from kmodbot.pipeline.build import build
from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.github import GitHub
from kmodbot.pipeline.inputs import asks_for_several, read_request, read_requests, read_target
from kmodbot.pipeline.many import build_all, publish_all
from kmodbot.pipeline.matrix import read_matrix
from kmodbot.pipeline.phases import Log
from kmodbot.pipeline.publish import find_package, publish_package
from kmodbot.pipeline.signing import take_signing_key

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn


def main(argv: Sequence[str] | None = None) -> int:
    """Run the builder with `argv` and return its exit status."""
    options = _parser().parse_args(argv)
    # So that an interrupted job stops its compilers and removes its work directory.
    signal.signal(signal.SIGTERM, _terminate)
    log = Log.from_environment()
    try:
        return int(options.run(options, log))
    except BuildError as error:
        log.failed(str(error))
        return error.exit_status
    finally:
        if log.phases:
            log.finish(f"driver-builder {options.command}")


def _check(_: argparse.Namespace, log: Log) -> int:
    request = read_request()
    kernel = request.kernel
    log.line(
        f"{request.driver_version} for {kernel.distribution} {kernel.distro_version} "
        f"{kernel.architecture} {kernel.release}"
    )
    return 0


def _build(options: argparse.Namespace, log: Log) -> int:
    signing = take_signing_key()
    if asks_for_several():
        build_all(read_requests(), options.source, options.output, options.cache, log, signing)
        return 0
    request = read_request()
    package = build(request, options.source, options.output, options.cache, log, signing)
    log.line(f"built {package}")
    return 0


def _publish(options: argparse.Namespace, log: Log) -> int:
    if options.matrix:
        return _publish_all(options, log)
    request = read_request()
    github = _github()
    with log.phase("publish"):
        package = find_package(options.packages, request)
        published = publish_package(github, package, request, log)
    log.note(f"published {published.url} (sha256 {published.sha256})")
    return 0


def _publish_all(options: argparse.Namespace, log: Log) -> int:
    github = _github()
    with log.phase("publish"):
        publish_all(github, options.packages, read_matrix(options.matrix), log)
    return 0


def _github() -> GitHub:
    target = read_target()
    return GitHub(target.api_url, target.repository, target.token)


def _parser() -> argparse.ArgumentParser:
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="driver-builder",
        description=texts.DESCRIPTION,
        epilog=texts.EXIT,
        formatter_class=style,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    check_parser = commands.add_parser(
        "check",
        help="check the description of a build",
        description=texts.CHECK,
        epilog=texts.EXIT,
        formatter_class=style,
    )
    check_parser.set_defaults(run=_check)
    build_parser = commands.add_parser(
        "build",
        help="make the package",
        description=texts.BUILD,
        epilog=texts.EXIT,
        formatter_class=style,
    )
    build_parser.add_argument(
        "--source",
        type=Path,
        required=True,
        metavar="DRIVER_CHECKOUT",
        help="the driver's source with driver.yml at its root; never written to",
    )
    build_parser.add_argument(
        "--output", type=Path, required=True, metavar="DIR", help="where the package is put"
    )
    build_parser.add_argument(
        "--cache",
        type=Path,
        default=_default_cache(),
        metavar="DIR",
        help="downloads kept between builds, safe to delete (default: %(default)s)",
    )
    build_parser.set_defaults(run=_build)
    publish_parser = commands.add_parser(
        "publish",
        help="upload the package",
        description=texts.PUBLISH,
        epilog=texts.EXIT,
        formatter_class=style,
    )
    publish_parser.add_argument(
        "--packages", type=Path, required=True, metavar="DIR", help="what build wrote"
    )
    publish_parser.add_argument(
        "--matrix", type=Path, metavar="FILE", help="what kmodbot matrix -o wrote"
    )
    publish_parser.set_defaults(run=_publish)
    return parser


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kmodbot"


def _terminate(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
