"""What a person can do when no source had the headers of a kernel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.pipeline.errors import BuildError, NoAnswer, Unequipped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kmodbot.kernels import Kernel

_REMOVED = (
    "Distributions remove the headers of kernels they have replaced. Boot the node on a kernel "
    "that is still listed, or point the builder at an archive that keeps old ones (see --help: "
    "mirrors; in a workflow set them with the repository's variable KMODBOT_ENV)."
)
_ASK_AGAIN = (
    "so the headers may be there all the same: check what it says (network, mirrors, keys; see "
    "--help), then build again."
)
_OWN_ARCHIVE = (
    "boot the node on a kernel of Ubuntu's archive, or put both linux-headers packages into an apt "
    "archive of your own, laid out like Ubuntu's, and name it by KMODBOT_UBUNTU_MIRROR and its key "
    "by KMODBOT_UBUNTU_KEYRING."
)


@dataclass(frozen=True)
class Failure:
    """A step that did not bring the headers: its name, what it met, and the seconds it took."""

    name: str
    error: BuildError
    seconds: float

    @property
    def unequipped(self) -> bool:
        """Whether the machine was to blame and not the archive."""
        return isinstance(self.error, Unequipped)

    @property
    def unanswered(self) -> bool:
        """Whether the archive may have the headers, because it could not be asked."""
        return isinstance(self.error, NoAnswer)

    def __str__(self) -> str:
        # Programs say more than one line, and the list has one for each step.
        return f"{self.name}: {' '.join(str(self.error).split())} ({self.seconds:.1f} s)"


@dataclass(frozen=True)
class Elsewhere:
    """Kernels of a distribution, by their release, that do not come from its public archives.

    `sometimes`: a few of them do.
    """

    distribution: str
    release: re.Pattern[str]
    source: str
    sometimes: bool = False


ELSEWHERE = (
    # https://wiki.ubuntu.com/Kernel/MainlineBuilds
    Elsewhere(
        "ubuntu",
        re.compile(r"[0-9.]+-0[0-9]{5}-.+"),
        "This is a mainline build of https://kernel.ubuntu.com/mainline/, made for tests and never "
        "part of Ubuntu's archive",
    ),
    # https://documentation.ubuntu.com/pro/
    Elsewhere(
        "ubuntu",
        re.compile(r"[0-9.]+-[0-9]+-(?:.+-)?fips(?:-.+)?"),
        "FIPS kernels come with Ubuntu Pro, from archives of https://esm.ubuntu.com/ that ask for "
        "a subscription",
    ),
    Elsewhere(
        "ubuntu",
        re.compile(r"[0-9.]+-[0-9]+-(?:.+-)?realtime(?:-.+)?"),
        "Most real-time kernels come with Ubuntu Pro, from archives of https://esm.ubuntu.com/ "
        "that ask for a subscription",
        sometimes=True,
    ),
)


def elsewhere(kernel: Kernel) -> Elsewhere | None:
    """Return where such a kernel comes from unless that is a public archive."""
    for each in ELSEWHERE:
        if each.distribution == kernel.distribution and each.release.fullmatch(kernel.release):
            return each
    return None


def advice(kernel: Kernel, failures: Sequence[Failure]) -> str:
    """Return the error's text: every step with what it met, then what to do."""
    lines = "\n".join(f"  {number}. {failure}" for number, failure in enumerate(failures, 1))
    return (
        f"no headers for {kernel.release} ({kernel.distribution} {kernel.distro_version}, "
        f"{kernel.architecture}); asked were:\n{lines}\n{_what_to_do(kernel, failures)}"
    )


def _what_to_do(kernel: Kernel, failures: Sequence[Failure]) -> str:
    lacking = [number for number, each in enumerate(failures, 1) if each.unequipped]
    silent = [number for number, each in enumerate(failures, 1) if each.unanswered]
    image = f"the image of {kernel.distribution} {kernel.distro_version}, which has it"
    if lacking and len(lacking) == len(failures):
        return f"No archive was asked: install what is named above, or build in {image}."
    origin = elsewhere(kernel)
    if origin:
        text = f"{origin.source}: {_OWN_ARCHIVE}"
    elif silent:
        text = f"{_steps(silent)} could not tell, {_ASK_AGAIN}"
    else:
        text = _REMOVED
    if lacking:
        text += f" {_steps(lacking)} could not be tried: install what is named there, or build in "
        text += f"{image}."
    return text


def _steps(numbers: Sequence[int]) -> str:
    return f"{'Step' if len(numbers) == 1 else 'Steps'} {', '.join(map(str, numbers))}"
