"""dnf with a state of its own: it downloads, and nothing of the machine is changed.

Works with dnf 4 and dnf 5, as root and without. The machine's repositories are asked when it is
the kernel's own distribution and version, which the builder's images are; KMODBOT_DNF_REPOS names
a directory of .repo files to be asked instead, on any machine.
"""

from __future__ import annotations

import hashlib
import math
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.kernels import InvalidInput, host_distribution, parse_os_release
from kmodbot.pipeline.commands import CommandFailed, capture, find_program
from kmodbot.pipeline.errors import HeadersNotFound, Unequipped
from kmodbot.pipeline.headers.deadline import (
    SHORTEST_RUN_SECONDS,
    require_time,
    seconds_left,
)
from kmodbot.pipeline.headers.rpm.accept import Acceptance
from kmodbot.pipeline.headers.rpm.names import devel_package
from kmodbot.pipeline.headers.rpm.repos import (
    DIRECTORIES,
    VARIABLE,
    asking,
    own_repositories,
    read_repositories,
)
from kmodbot.pipeline.headers.transfer import Pace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.kernels import Kernel
    from kmodbot.pipeline.headers.rpm.names import DevelPackage
    from kmodbot.pipeline.headers.rpm.repos import Repo
    from kmodbot.pipeline.headers.rpm.signatures import Keys
    from kmodbot.pipeline.headers.tree import HeaderTree
    from kmodbot.pipeline.phases import Log

OS_RELEASE = (Path("/etc/os-release"), Path("/usr/lib/os-release"))
# What failed at which address, as dnf 4 and dnf 5 write it, and what they say of it in general.
_CAUSE = re.compile(r"(?:-|>>>) ([A-Z].*)")
_VERDICT = re.compile(r"(?:Error|No match|No package|Failed|Cannot)\b", re.IGNORECASE)


# https://dnf.readthedocs.io/en/latest/conf_ref.html (varsdir)
VARS = (Path("/etc/yum/vars"), Path("/etc/dnf/vars"))


@dataclass(frozen=True)
class Dnf:
    """The repositories of a distribution, asked by dnf.

    `releasever` may be ``{number}``, the distro version's. With `by_path` the owner of
    ``/usr/src/kernels/R`` is asked for, whatever it is called, else the packages by their names.
    Repositories that are off may have a family of packages: `families` names them by the beginning
    of the package's name, and they are asked if they are there.
    """

    name: str
    releasever: str
    keys: Keys
    by_path: bool = False
    families: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def fetch(self, kernel: Kernel, work: Path, cache: Path, log: Log) -> HeaderTree:
        """Download the headers of `kernel` with dnf; raises HeadersNotFound or Unequipped."""
        directory = own_repositories()
        if directory is None:
            require_own_distribution(kernel)
        program = find_program("dnf")
        if program is None:
            raise Unequipped("the program dnf is missing on this machine")
        wanted = devel_package(kernel)
        specs = (wanted.directory,) if self.by_path else wanted.specs
        acceptance = Acceptance.of(kernel, self.keys, work, log, any_name=self.by_path)
        repositories = self._repositories(wanted, directory)
        root = self._root(kernel, directory, cache)
        words = [program, *self._options(program, kernel, directory, root)]
        words += [f"--setopt={repo.name}.enabled=1" for repo in repositories if not repo.enabled]
        require_time()
        with asking(repositories, cache):
            package = download(words, specs, root, log)
        return acceptance.accept(package, f"dnf: {package.name}")

    def _repositories(self, wanted: DevelPackage, directory: Path | None) -> list[Repo]:
        """Return the repositories to ask: those that are on, and those of the package's family."""
        families = (
            names
            for family, names in self.families
            if any(name.startswith(family) for name in wanted.names)
        )
        extra = {name for names in families for name in names}
        there = read_repositories([directory] if directory else DIRECTORIES)
        return [repo for repo in there if repo.enabled or repo.name in extra]

    def _root(self, kernel: Kernel, directory: Path | None, cache: Path) -> Path:
        key = f"{directory} {kernel.distribution} {kernel.distro_version} {kernel.architecture}"
        root = cache.resolve() / "dnf" / hashlib.sha256(key.encode()).hexdigest()[:16]
        root.mkdir(parents=True, exist_ok=True)
        return root

    def _options(
        self, program: str, kernel: Kernel, directory: Path | None, root: Path
    ) -> list[str]:
        releasever = self.releasever.format(number=kernel.distro_version.replace("stream", ""))
        new = is_dnf5(capture([program, "--version"]))
        words = options(new, root, releasever, kernel.architecture, directory)
        # Names need no lists of files, which are the largest part of what repositories tell.
        return [*words, "--setopt=optional_metadata_types=filelists"] if self.by_path else words


def download(command: Sequence[str], specs: Sequence[str], root: Path, log: Log) -> Path:
    """Return the one package that dnf, `command`, finds for `specs`; raises HeadersNotFound.

    Each set of specs has its own directory below `root`. dnf does not fetch again what is there.
    """
    key = hashlib.sha256(" ".join(specs).encode()).hexdigest()[:16]
    directory = root / "packages" / key
    directory.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    # dnf 5 knows some options only before its command's name and some only after it.
    worked, said = _run([*command, "download", f"--destdir={directory}", *specs])
    found = sorted(directory.glob("*.rpm")) if worked else []
    outcome = " ".join(path.name for path in found) or reason(said) or "not in the repositories"
    text = f"dnf download {' '.join(specs)}: {outcome} ({time.monotonic() - started:.1f} s)"
    log.line(f"headers: {text}")
    if len(found) != 1:
        raise HeadersNotFound(text)
    return found[0]


def _run(command: Sequence[str]) -> tuple[bool, str]:
    # Success may be that nothing was found because a repository could not be read.
    try:
        seconds = max(SHORTEST_RUN_SECONDS, seconds_left())
        return True, capture(command, with_errors=True, seconds=seconds)
    except CommandFailed as error:
        return False, error.output


def options(
    new: bool, root: Path, releasever: str, architecture: str, repositories: Path | None
) -> list[str]:
    """Return the options that keep dnf (`new`: dnf 5) to `root` and to the wanted repositories.

    https://dnf.readthedocs.io/en/latest/command_ref.html
    https://dnf5.readthedocs.io/en/latest/dnf5.8.html
    """
    # dnf 5 otherwise looks for repositories, variables and settings below the empty root.
    own = ["--use-host-config", "--setopt=disable_excludes=*", "--setopt=skip_unavailable=True"]
    # Of dnf 4's plugins only the one that downloads: others keep things of their own.
    plugins = ["--disableplugin=*", "--enableplugin=download"]
    # dnf 4 looks there for variables when it is told where the repositories are.
    variables = f"--setopt=varsdir={','.join(map(str, VARS))}"
    old = ["--disableexcludes=all", "--setopt=strict=False", variables, *plugins]
    named = [] if repositories is None else [f"--setopt=reposdir={repositories}"]
    return [
        "--assumeyes",
        f"--installroot={root}",
        f"--releasever={releasever}",
        f"--forcearch={architecture}",
        # A kernel may have come into the repositories a minute ago.
        "--refresh",
        # Paths given here are the machine's own: dnf puts no installroot before them.
        f"--setopt=cachedir={root}/cache",
        *([f"--setopt=system_cachedir={root}/cache"] if new else []),
        *_pace(),
        *(own if new else old),
        *named,
    ]


def _pace() -> list[str]:
    pace = Pace.from_environment()
    return [
        f"--setopt=timeout={math.ceil(pace.window)}",
        f"--setopt=minrate={math.ceil(pace.floor / pace.window)}",
        f"--setopt=retries={pace.tries}",
        "--setopt=max_parallel_downloads=1",
    ]


def is_dnf5(version: str) -> bool:
    """Whether `dnf --version` speaks of dnf 5, whose options differ."""
    return version.lstrip().startswith("dnf5")


def require_own_distribution(kernel: Kernel) -> None:
    """Raise Unequipped unless this machine is of the kernel's distribution and version."""
    text = next((path.read_text("utf-8") for path in OS_RELEASE if path.is_file()), "")
    wanted = (kernel.distribution, kernel.distro_version)
    try:
        found = host_distribution(parse_os_release(text))
    except InvalidInput as error:
        raise Unequipped(f"not {' '.join(wanted)}: {error.message}") from None
    if found != wanted:
        raise Unequipped(
            f"this machine is {' '.join(found)}, so its repositories are not asked about "
            f"{' '.join(wanted)}; {VARIABLE} can name others"
        )


def reason(output: str) -> str:
    """Return what of dnf's output tells why nothing came: causes, else its verdict."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    causes = [match[1] for match in map(_CAUSE.match, lines) if match]
    verdicts = [line for line in lines if _VERDICT.match(line)]
    return "; ".join(dict.fromkeys(causes or verdicts or lines[-2:]))[:500]
