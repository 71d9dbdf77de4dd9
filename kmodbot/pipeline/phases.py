"""What the builder tells while it works: plain lines, phases with seconds, a summary.

On GitHub Actions each phase is a folded group of the log and the table of phases also
becomes the job's summary.
https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


@dataclass
class Log:
    """Lines with the seconds since the start, and the seconds each phase took in all.

    `about` is put before notes, to tell them apart where one job builds several kernels. Errors
    stand among the lines unless `errors` is another place for them.
    """

    stream: TextIO = field(default_factory=lambda: sys.stdout)
    errors: TextIO | None = None
    on_actions: bool = False
    summary: Path | None = None
    phases: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    results: list[Mapping[str, str]] = field(default_factory=list)
    about: str = ""
    started: float = field(default_factory=time.monotonic)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Log:
        """Return the log that fits the place: GitHub Actions or anywhere else."""
        summary = environment.get("GITHUB_STEP_SUMMARY")
        on_actions = environment.get("GITHUB_ACTIONS") == "true"
        return cls(
            errors=None if on_actions else sys.stderr,
            on_actions=on_actions,
            summary=Path(summary) if summary else None,
        )

    def line(self, text: str) -> None:
        """Write one line with the seconds since the start."""
        seconds = time.monotonic() - self.started
        self.raw(f"[{seconds:6.1f}s] {' '.join(text.splitlines())}")

    def raw(self, text: str) -> None:
        """Write one line without the seconds, such as a line of the compiler."""
        # Actions looks for the older form of its commands anywhere in a line.
        self._write(text.replace("##[", "# #[") if self.on_actions else text)

    @contextmanager
    def foreign(self) -> Iterator[None]:
        """Keep lines that come from the driver's build in the block from being taken as commands.

        https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
        """
        if not self.on_actions:
            yield
            return
        token = secrets.token_hex(16)
        self._write(f"::stop-commands::{token}")
        try:
            yield
        finally:
            self._write(f"::{token}::")

    def _write(self, text: str) -> None:
        # A reader on the other side of a pipe wants the line now, not with the next 8 kB.
        self.stream.write(text + "\n")
        self.stream.flush()

    def note(self, text: str) -> None:
        """Write one line and repeat it in the summary, for what a person should know later."""
        self.notes.append(f"{self.about}: {text}" if self.about else text)
        self.line(text)

    def result(self, **columns: str) -> None:
        """Keep a row for the summary's table; every row has the same columns."""
        self.results.append(columns)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the block as phase `name`; failed blocks are counted too."""
        if self.on_actions:
            self._write(f"::group::{name}")
        started = time.monotonic()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, 0.0) + time.monotonic() - started
            if self.on_actions:
                self._write("::endgroup::")

    def failed(self, message: str) -> None:
        """Write an error; Actions shows it beside the run."""
        if self.on_actions:
            escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
            self._write(f"::error::{escaped}")
        else:
            stream = self.errors or self.stream
            stream.write(f"error: {message}\n")
            stream.flush()

    def finish(self, title: str) -> None:
        """Write phases, results and notes to the log and, on Actions, to the job's summary."""
        self.line("phase            seconds")
        for name, seconds in self.phases.items():
            self.raw(f"          {name:<16} {seconds:7.2f}")
        for result in self.results:
            self.line("result")
            for name, value in result.items():
                self.raw(f"          {name:<16} {value}")
        if self.notes:
            self.line("notes")
        for note in self.notes:
            self.raw(f"          {' '.join(note.split())}")
        if self.summary is not None:
            with self.summary.open("a", encoding="utf-8") as file:
                file.write(self._markdown(title))

    def _markdown(self, title: str) -> str:
        lines = [f"### {title}", ""]
        if self.results:
            lines += [*_table(list(self.results[0]), [row.values() for row in self.results]), ""]
        seconds = [(name, f"{taken:.2f}") for name, taken in self.phases.items()]
        lines += [*_table(["phase", "seconds"], seconds), ""]
        return "\n".join([*lines, *(f"- {_cell(note)}" for note in self.notes), ""])


def _table(header: Sequence[str], rows: Sequence[Iterable[str]]) -> list[str]:
    lines = [header, ["---"] * len(header), *rows]
    return [f"| {' | '.join(map(_cell, line))} |" for line in lines]


def _cell(text: str) -> str:
    # A line break or a bar would end the cell; neither says anything here.
    return " ".join(text.split()).replace("|", "\\|")
