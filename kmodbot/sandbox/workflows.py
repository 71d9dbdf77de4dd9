"""Workflow files: what may be dispatched with which inputs, and how the run is called.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax
"""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import yaml

from kmodbot.sandbox.errors import not_found, unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kmodbot.sandbox.git import GitRepository

FOLDER: Final = ".github/workflows"
EXPRESSION: Final = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")
# What a run's token may do when its workflow says nothing: the permissive default.
DEFAULT_PERMISSIONS: Final = {"actions": "write", "contents": "write", "pull_requests": "write"}


@dataclass(frozen=True)
class Workflow:
    """A workflow file at one commit."""

    path: str
    document: Mapping[Any, Any]

    @property
    def id(self) -> int:
        """A number that stays the same as long as the path does."""
        return workflow_id(self.path)

    @property
    def name(self) -> str:
        """The name it gives itself, else its path."""
        return str(self.document.get("name") or self.path)

    def inputs(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the inputs it declares for a dispatch.

        Raises:
            Refusal: it cannot be dispatched at all.

        """
        # YAML 1.1 reads a bare `on` as true.
        triggers = self.document.get("on", self.document.get(True))
        if isinstance(triggers, str):
            triggers = [triggers]
        if not triggers or "workflow_dispatch" not in triggers:
            raise unprocessable("Workflow does not have 'workflow_dispatch' trigger")
        if not isinstance(triggers, dict):
            return {}
        return {
            name: declared or {}
            for name, declared in (
                (triggers["workflow_dispatch"] or {}).get("inputs") or {}
            ).items()
        }

    def complete(self, given: Mapping[str, str]) -> dict[str, str]:
        """Check the given inputs and add the defaults of the others.

        Raises:
            Refusal: an input is unknown, missing or not one of its options.

        """
        declared = self.inputs()
        unexpected = [name for name in given if name not in declared]
        if unexpected:
            raise unprocessable(f"Unexpected inputs provided: {json.dumps(unexpected)}")
        complete = {}
        for name, rules in declared.items():
            complete[name] = given.get(name) or str(rules.get("default", ""))
            _check_input(name, complete[name], rules)
        return complete

    def title(self, inputs: Mapping[str, str], github: Mapping[str, str]) -> str:
        """Return what `run-name` makes of these inputs, else the workflow's name."""
        values = {f"inputs.{name}": value for name, value in inputs.items()}
        values |= {f"github.{name}": value for name, value in github.items()}
        template = str(self.document.get("run-name") or "")
        return EXPRESSION.sub(lambda found: values.get(found[1], ""), template) or self.name

    def permissions(self) -> dict[str, str]:
        """Return what the token of a run may do: what its jobs ask for, taken together."""
        jobs = self.document.get("jobs") or {}
        asked = [job["permissions"] for job in jobs.values() if "permissions" in job]
        if "permissions" in self.document:
            asked.append(self.document["permissions"])
        if not asked:
            return dict(DEFAULT_PERMISSIONS)
        granted: dict[str, str] = {}
        for name, level in ((n, lv) for scopes in asked for n, lv in (scopes or {}).items()):
            key = name.replace("-", "_")
            granted[key] = "write" if "write" in (level, granted.get(key)) else level
        return granted


def workflow_id(path: str) -> int:
    """Return the id of the workflow at `path`."""
    return zlib.crc32(path.encode())


def find_workflow(git: GitRepository, commit: str, name: str) -> Workflow:
    """Return the workflow with this file name or id, as it is in `commit`.

    Raises:
        Refusal: 404 when there is none, 422 when it is not YAML.

    """
    paths = [f"{FOLDER}/{file}" for file in git.names(commit, FOLDER)]
    path = next((p for p in paths if name in (p.rpartition("/")[2], str(workflow_id(p)))), "")
    text = git.read(commit, path)
    if text is None:
        raise not_found()
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise unprocessable(f"failed to parse workflow: {error}") from error
    if not isinstance(document, dict):
        raise unprocessable("failed to parse workflow: expected a mapping")
    return Workflow(path, document)


def _check_input(name: str, value: str, rules: Mapping[str, Any]) -> None:
    if rules.get("required") and not value:
        raise unprocessable(f"Required input '{name}' not provided")
    options = [str(option) for option in rules.get("options") or ()]
    if rules.get("type") == "choice" and value and value not in options:
        raise unprocessable(
            f"Provided value '{value}' for input '{name}' not in the list of allowed values"
        )
