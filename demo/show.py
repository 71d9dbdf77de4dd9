"""What the demo shows: steps with their seconds, live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Step:
    """One step of the demo and what came of it."""

    title: str
    outcome: str = ""
    seconds: float = 0.0


def _console() -> Console:
    # A pipe has no width; the default of 80 would fold the table.
    console = Console(highlight=False, soft_wrap=True)
    return console if console.is_terminal else Console(highlight=False, soft_wrap=True, width=120)


@dataclass
class Show:
    """Prints steps as they happen, and at the end the table of all of them."""

    console: Console = field(default_factory=_console)
    steps: list[Step] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Show a step while the block runs; the block sets its ``outcome``."""
        step = Step(title)
        number = len(self.steps) + 1
        self.steps.append(step)
        self.console.print(f"\n[bold]{number}. {title}[/bold]")
        begun = time.monotonic()
        with self._spinner(title):
            yield step
        step.seconds = time.monotonic() - begun
        self.line("", f"[green]ok[/green] {step.outcome} ({step.seconds:.1f} s)")

    @contextmanager
    def _spinner(self, title: str) -> Iterator[None]:
        if self.console.is_terminal:
            with self.console.status(f"{title} …"):
                yield
        else:
            yield

    def line(self, speaker: str, text: str) -> None:
        """Print one line with the time since the start and who says it."""
        seconds = time.monotonic() - self.started
        self.console.print(f"[dim]{seconds:7.1f} s[/dim]  [cyan]{speaker:8}[/cyan] {text}")

    def table(self) -> None:
        """Print what happened, step by step."""
        table = Table("", "step", title="The loop, closed")
        table.add_column("what happened", overflow="fold")
        table.add_column("seconds", justify="right")
        for number, step in enumerate(self.steps, 1):
            table.add_row(str(number), step.title, step.outcome, f"{step.seconds:.1f}")
        table.add_row("", "", "in total", f"{time.monotonic() - self.started:.1f}")
        self.console.print()
        self.console.print(table)
