"""The title of a workflow run, which carries the build across GitHub and back."""

from __future__ import annotations

from dataclasses import dataclass

from .driver import parse_build_id, parse_driver_version
from .errors import InvalidInput
from .kernel import Kernel

_WORD = "kmodbot"
_PARTS = 7


@dataclass(frozen=True)
class RunTitle:
    """What the ``run-name`` of ``driver-build.yml`` says: which build of which kernel.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#run-name
    """

    build_id: str
    driver_version: str
    kernel: Kernel

    def __str__(self) -> str:
        kernel = self.kernel
        return (
            f"{_WORD} {self.build_id} {self.driver_version} {kernel.distribution}"
            f" {kernel.distro_version} {kernel.architecture} {kernel.release}"
        )


def parse_run_title(title: str) -> RunTitle | None:
    """Return what a title says, None when it is not exactly one that ``str(RunTitle)`` gives.

    Anybody who may start workflows chooses the title, so every part is held to its grammar.
    """
    parts = title.split(" ")
    if len(parts) != _PARTS or parts[0] != _WORD:
        return None
    try:
        found = RunTitle(
            parse_build_id(parts[1]),
            parse_driver_version(parts[2]),
            Kernel.parse(
                distribution=parts[3],
                distro_version=parts[4],
                architecture=parts[5],
                release=parts[6],
            ),
        )
    except InvalidInput:
        return None
    return found if str(found) == title else None
