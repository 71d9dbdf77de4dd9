"""The version that a driver gets next."""

from __future__ import annotations

import pytest

from kmodbot.repository.versions import next_version


@pytest.mark.parametrize(
    ("tags", "version"),
    [
        ([], "v0.1.0"),
        (["latest", "v0.1.0-debian-12-x86_64"], "v0.1.0"),
        (["v0.1.9", "v0.1.10"], "v0.1.11"),
        (["1.2"], "1.3"),
        (["v1.0.0-rc.1"], "v1.0.0"),
        (["v1.0.0-rc.1", "v1.0.0"], "v1.0.1"),
    ],
)
def test_the_next_version_follows_the_newest_tag(tags: list[str], version: str) -> None:
    assert next_version(tags) == version
