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
from kmodbot.pipeline.disk import explained
from kmodbot.pipeline.driver_file import read_driver_name
from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.github import GitHub
from kmodbot.pipeline.headers.transfer import Pace
from kmodbot.pipeline.inputs import asks_for_several, read_request, read_requests, read_target
from kmodbot.pipeline.many import build_all, publish_all
from kmodbot.pipeline.matrix import read_matrix
from kmodbot.pipeline.phases import Log
from kmodbot.pipeline.publish import find_package, publish_package
from kmodbot.pipeline.settings import take_settings
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
    status, failure = 0, ""
    try:
        status = int(options.run(options, log))
    except BuildError as error:
        status, failure = error.exit_status, str(error)
    except OSError as error:
        # Such as a disk that is full: nothing that a traceback would explain.
        status, failure = BuildError.exit_status, explained(error)
    finally:
        if log.phases:
            log.finish(f"driver-builder {options.command}")
    if failure:
        log.failed(failure)
    return status


def _check(_: argparse.Namespace, log: Log) -> int:
    take_settings()
    Pace.from_environment()
    request = read_request()
    kernel = request.kernel
    log.line(
        f"{request.driver_version} for {kernel.distribution} {kernel.distro_version} "
        f"{kernel.architecture} {kernel.release}"
    )
    return 0


def _name(options: argparse.Namespace, log: Log) -> int:
    # Scripts read the answer, so an error must not stand in its place.
    log.stream = sys.stderr
    _require_directory("--source", options.source)
    print(read_driver_name(options.source))
    return 0


def _build(options: argparse.Namespace, log: Log) -> int:
    signing = take_signing_key()
    take_settings()
    # Read once more where it is used, which may be minutes later.
    Pace.from_environment()
    _require_directory("--source", options.source)
    _make_directory("--output", options.output)
    _make_directory("--cache", options.cache)
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
    parser = argparse.ArgumentParser(
        prog="driver-builder",
        description=texts.DESCRIPTION,
        epilog=texts.EXIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str, description: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name,
            help=summary,
            description=description,
            epilog=texts.EXIT,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    add("check", "check the description of a build", texts.CHECK).set_defaults(run=_check)
    _fill_name(add("name", "print the driver's name", texts.NAME))
    _fill_build(add("build", "make the package", texts.BUILD))
    _fill_publish(add("publish", "upload the package", texts.PUBLISH))
    return parser


def _fill_name(parser: argparse.ArgumentParser) -> None:
    _add_directory(parser, "--source", "DRIVER_CHECKOUT", "has driver.yml at its root")
    parser.set_defaults(run=_name)


def _fill_build(parser: argparse.ArgumentParser) -> None:
    source = "the driver's source with driver.yml at its root; never written to"
    _add_directory(parser, "--source", "DRIVER_CHECKOUT", source)
    _add_directory(parser, "--output", "DIR", "where the package is put")
    parser.add_argument(
        "--cache",
        type=Path,
        default=_default_cache(),
        metavar="DIR",
        help="downloads kept between builds, safe to delete (default: %(default)s)",
    )
    parser.set_defaults(run=_build)


def _fill_publish(parser: argparse.ArgumentParser) -> None:
    _add_directory(parser, "--packages", "DIR", "what build wrote")
    parser.add_argument("--matrix", type=Path, metavar="FILE", help="what kmodbot matrix -o wrote")
    parser.set_defaults(run=_publish)


def _add_directory(parser: argparse.ArgumentParser, option: str, metavar: str, about: str) -> None:
    parser.add_argument(option, type=Path, required=True, metavar=metavar, help=about)


def _require_directory(option: str, path: Path) -> None:
    if not path.is_dir():
        raise BadInput(f"{option}: {path} is not a directory")


def _make_directory(option: str, path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if path.exists():
            _require_directory(option, path)
        raise BadInput(f"{option}: {path} cannot be made: {error.strerror}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise BadInput(f"{option}: {path} cannot be written to")


def _default_cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "kmodbot"


def _terminate(number: int, _: object) -> NoReturn:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
