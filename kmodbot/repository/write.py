"""Carrying a plan out: every file appears whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import RepositoryError
from .plan import WRITES

if TYPE_CHECKING:
    from .plan import Plan


def write(plan: Plan) -> None:
    """Write what the plan says; raises RepositoryError naming the file that cannot be written.

    The manifest is the last step: a run that ends early is finished by the next one.
    """
    for step in plan.steps:
        if step.action in WRITES:
            mode = 0o755 if step.file.executable else 0o644
            _replace(plan.root / step.file.path, step.file.content, mode)


def _replace(target: Path, content: bytes, mode: int) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".", delete=False) as file:
            try:
                file.write(content)
                file.flush()
                os.fchmod(file.fileno(), mode)
                Path(file.name).replace(target)
            except BaseException:
                Path(file.name).unlink()
                raise
    except OSError as error:
        raise RepositoryError(f"{target}: {error.strerror}") from None
