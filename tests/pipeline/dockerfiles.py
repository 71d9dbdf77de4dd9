"""A reader of Dockerfiles that knows what ours use: stages, arguments, continued lines.

https://docs.docker.com/reference/dockerfile/
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{(\w+)\}")


@dataclass
class Stage:
    """What one FROM begins; `image` has its arguments filled in."""

    image: str
    name: str
    arguments: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class Dockerfile:
    """The arguments before the first stage, and the stages."""

    arguments: dict[str, str]
    stages: list[Stage]

    def origin(self, stage: Stage) -> str:
        """Return the image from elsewhere that a stage goes back to."""
        named = {one.name: one for one in self.stages if one.name}
        while stage.image in named:
            stage = named[stage.image]
        return stage.image


def parse(text: str, given: Mapping[str, str] | None = None) -> Dockerfile:
    """Read a Dockerfile, built with the arguments in `given`."""
    found = Dockerfile({}, [])
    for word, rest in _instructions(text):
        if word == "ARG":
            name, _, default = rest.partition("=")
            value = (given or {}).get(name, _fill(default.strip('"'), found.arguments))
            (found.stages[-1].arguments if found.stages else found.arguments)[name] = value
        elif word == "FROM":
            image, _, name = _fill(rest, found.arguments).partition(" AS ")
            found.stages.append(Stage(image, name))
        elif word == "RUN":
            found.stages[-1].runs.append(_fill(rest, found.stages[-1].arguments))
        else:
            found.stages[-1].others.append((word, rest))
    return found


def _instructions(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [
        (word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in joined)
    ]


def _fill(text: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values[found[1]], text)
