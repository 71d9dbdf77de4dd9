"""Lists, and the command as a person runs it."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from kmodbot.discovery.commands import matrix

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

RELEASES = ["6.1.0-38-amd64", "6.1.0-9-amd64", "6.12.57+deb12-amd64"]


def kernels_json(*releases: str, **entries: list[dict[str, str]]) -> str:
    """Return a kernels.json of Debian 12 kernels on x86_64 and of whatever else is given."""
    debian = [
        {"target": "debian", "kernelrelease": release, "distroversion": "12"}
        for release in releases
    ]
    return json.dumps({"x86_64": debian, **entries})


def crawled(target: str, release: str, version: str = "1", **more: Any) -> dict[str, Any]:
    """Return an entry of a kernel-crawler list."""
    return {"kernelversion": version, "kernelrelease": release, "target": target, **more}


def write(path: Path, content: str | object) -> str:
    """Write text, or anything else as JSON, and return the path as an argument."""
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return str(path)


def run(*words: str, environment: Mapping[str, str] | None = None) -> int:
    """Run ``kmodbot matrix`` and return its exit status."""
    parser = argparse.ArgumentParser()
    matrix.add_arguments(parser)
    return matrix.run(parser.parse_args(words), environment or {})


def make(path: Path, *words: str, environment: Mapping[str, str] | None = None) -> Any:
    """Run ``kmodbot matrix``, which must succeed, and return the document it writes."""
    assert run(*words, "-o", str(path), environment=environment) == 0
    return json.loads(path.read_text(encoding="utf-8"))


def builds(document: Any) -> list[tuple[str, str]]:
    """Return driver version and release of every build of a document."""
    return [
        (job["driver_version"], release)
        for chunk in document["chunks"]
        for job in chunk
        for release in job["kernels"]
    ]
