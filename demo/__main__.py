"""``make demo``: show the whole loop, print what happened, leave nothing running."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from demo.kernels import NoSuchKernel, choose
from demo.show import Show
from demo.steps import Loop, Unexpected
from demo.world import open_world
from kmodbot.kernels import InvalidInput
from kmodbot.pipeline.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator


_KEPT = """
Kept in {directory}:
  the driver's repository   git -C {directory}/github/git/acme/hello-driver.git log --stat main
  the runs' logs            {directory}/github/runs/*/log.txt
  the nodes, with packages  {directory}/nodes/*/var/lib/kmodbot/
"""


def main() -> int:
    """Run the demo; return 0 only when every step ended as it must."""
    parser = argparse.ArgumentParser(prog="demo", description=__doc__)
    parser.add_argument(
        "--kernel",
        metavar="RELEASE",
        help="kernel release of the first node, one that Debian lists "
        "(default: the newest 6.1 of Debian 12)",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="a new directory for the repository, packages and logs, which is not removed",
    )
    arguments = parser.parse_args()
    show = Show()
    try:
        with _directory(arguments.keep) as directory:
            asyncio.run(_demo(show, arguments.kernel, directory))
    except (InvalidInput, NoSuchKernel) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2
    except FileExistsError as error:
        print(f"demo: {error.filename} exists; name a new directory to keep", file=sys.stderr)
        return 2
    except (BuildError, RuntimeError, Unexpected) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    show.table()
    if arguments.keep is not None:
        print(_KEPT.format(directory=arguments.keep))
    return 0


@contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        keep.mkdir(parents=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="kmodbot-demo-") as directory:
        yield Path(directory)


async def _demo(show: Show, release: str | None, directory: Path) -> None:
    show.line("demo", "asking Debian which kernels it has headers for")
    first, second = await asyncio.to_thread(choose, release)
    show.line("demo", f"the first node runs {first.release}, the fleet {second.release}")
    async with open_world(show, directory) as world:
        loop = Loop(world, show, first, second)
        await loop.sandbox()
        await loop.bot()
        await loop.request()
        await loop.run()
        await loop.pull_request()
        await loop.delivery()
        await loop.merge()


if __name__ == "__main__":
    sys.exit(main())
