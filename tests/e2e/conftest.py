"""Tests that build whole images. They run when they are named: ``pytest tests/e2e``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

HERE = Path(__file__).parent


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave these tests out of a run that does not name their folder."""
    named = (config.invocation_params.dir / word.partition("::")[0] for word in config.args)
    asked = any(path.resolve().is_relative_to(HERE) for path in named)
    return None if asked and collection_path.is_relative_to(HERE) else True
