"""The result of a run, for people and for programs."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from kmodbot.kernels import InvalidInput

from .failures import Failure

if TYPE_CHECKING:
    from kmodbot.kernels import Driver, Kernel


@dataclass(frozen=True)
class InstalledModule:
    """A module in its place: the path as this machine sees it, and what it was built for."""

    path: str
    vermagic: str


@dataclass(frozen=True)
class Report:
    """What a successful run brought, with the seconds of each phase."""

    driver: Driver
    kernel: Kernel
    package: str
    url: str
    sha256: str
    sha256_from: str | None
    found_at_once: bool
    modules: list[InstalledModule]
    seconds: dict[str, float]

    def as_json(self) -> str:
        """Return the report as one JSON object, ``module`` being the first of ``modules``."""
        first = self.modules[0]
        named = {"status": "ready", "module": first.path, "vermagic": first.vermagic}
        return json.dumps({**named, **asdict(self)})

    def as_text(self) -> str:
        """Return the report as lines of name and value."""
        verified = f"as told by the {self.sha256_from}" if self.sha256_from else "NOT verified"
        lines = [
            *(("module", module.path) for module in self.modules),
            *(("vermagic", module.vermagic) for module in self.modules),
            ("package", self.package),
            ("sha256", f"{self.sha256} ({verified})"),
            ("seconds", ", ".join(f"{name} {spent:.1f}" for name, spent in self.seconds.items())),
        ]
        return "\n".join(f"{name:<9} {value}" for name, value in lines)


def failure_as_json(error: Exception, exit_status: int) -> str:
    """Return a failed run as one JSON object."""
    field = error.field if isinstance(error, InvalidInput) else None
    kind = type(error).__name__ if isinstance(error, (Failure, InvalidInput)) else "Failure"
    content = {"status": "error", "exit_status": exit_status, "kind": kind, "error": str(error)}
    return json.dumps({**content, "field": field} if field else content)
