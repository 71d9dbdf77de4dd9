"""The one place where other programs are started: always a list, never a shell."""

from __future__ import annotations

import errno
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import BuildError, Unequipped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
# The words of tar, cpio, gcc and nfpm, then those of apt.
_DISK_FULL = re.compile(r"no space left on device|you don't have enough free space", re.IGNORECASE)
_PASSED_ON = ("PATH", "HOME", "TMPDIR", *_PROXIES, *(name.upper() for name in _PROXIES))


class CommandFailed(BuildError):
    """A program ended with an error; `output` holds the last of what it said."""

    def __init__(self, command: Sequence[str], status: int, output: str) -> None:
        self.output = output
        super().__init__(f"{command[0]} ended with status {status}:\n{output.rstrip()}")


def _failure(command: Sequence[str], status: int, output: str) -> CommandFailed | OSError:
    """Return the error to raise: a full disk is no fault of the program or what it was given."""
    full = [line.strip() for line in output.splitlines() if _DISK_FULL.search(line)]
    if full:
        # One line for each file that could not be written says no more than the first.
        return OSError(errno.ENOSPC, f"{command[0]} ended with status {status}: {full[0]}")
    return CommandFailed(command, status, output)


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without tokens and without settings that change a build."""
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return {**kept, "LC_ALL": "C", **(extra or {})}


def find_program(name: str) -> str | None:
    """Return the path of `name` from PATH or from beside this Python, or None."""
    return shutil.which(name) or shutil.which(name, path=str(Path(sys.executable).parent))


def require_program(name: str, package: str) -> str:
    """Return the path of `name`; raises Unequipped naming the package that has it."""
    found = find_program(name)
    if found is None:
        raise Unequipped(missing(name, package))
    return found


def missing(name: str, package: str) -> str:
    """Return what to say of a program that is not there, and of the package that has it."""
    return f"the program {name} is missing; install it with: {package}"


def capture(
    command: Sequence[str],
    *,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    given: str = "",
    with_errors: bool = False,
    seconds: float = math.inf,
) -> str:
    """Run `command`, which reads `given`, and return its standard output; raises CommandFailed.

    It is stopped, and has failed, after `seconds`. With `with_errors` what it wrote to its standard
    error comes first. Raises OSError when the program met a full disk, as the functions below do.
    """
    try:
        # S603: every command is a list whose words were validated; no shell ever sees them.
        done = subprocess.run(  # noqa: S603
            list(command),
            cwd=cwd,
            env=clean_environment(environment),
            input=given,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=None if math.isinf(seconds) else seconds,
        )
    except subprocess.TimeoutExpired:
        raise CommandFailed(command, -1, f"not done within {seconds:.0f} s") from None
    if done.returncode:
        raise _failure(command, done.returncode, done.stderr + done.stdout)
    return done.stderr + done.stdout if with_errors else done.stdout


def stream(
    command: Sequence[str],
    *,
    on_line: Callable[[str], None],
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    tail: int = 60,
) -> None:
    """Run `command`, hand over each line as it comes; raises CommandFailed with the last ones."""
    last: deque[str] = deque(maxlen=tail)
    # S603: as above.
    with subprocess.Popen(  # noqa: S603
        list(command),
        cwd=cwd,
        env=clean_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            for line in process.stdout or ():
                last.append(line.rstrip("\n"))
                on_line(last[-1])
        except BaseException:
            # make passes the signal on to the compilers it started.
            process.terminate()
            raise
    if process.returncode:
        raise _failure(command, process.returncode, "\n".join(last))


def pipe(first: Sequence[str], second: Sequence[str], *, cwd: Path) -> None:
    """Run `first` with its output going into `second`; raises CommandFailed for either."""
    environment = clean_environment()
    with tempfile.TemporaryFile() as said:
        # S603: as above.
        with subprocess.Popen(  # noqa: S603
            list(first),
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        ) as producer:
            consumer = subprocess.run(  # noqa: S603
                list(second),
                cwd=cwd,
                env=environment,
                stdin=producer.stdout,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                check=False,
            )
        said.seek(0)
        if consumer.returncode:
            raise _failure(second, consumer.returncode, consumer.stderr + consumer.stdout)
        if producer.returncode:
            output = said.read().decode("utf-8", "replace")
            raise _failure(first, producer.returncode, output)
