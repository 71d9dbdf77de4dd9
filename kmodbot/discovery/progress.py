"""What a discovery says while it works: a moving bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Progress(Protocol):
    """Where the work reports to."""

    def say(self, text: str) -> None:
        """Tell one finished step."""

    def transfer(
        self, name: str, total: int | None
    ) -> AbstractContextManager[Callable[[int], object]]:
        """Show a transfer of ``total`` bytes; the callable takes the bytes that came."""


class Silent:
    """Says nothing: for work that nobody watches."""

    def say(self, text: str) -> None:
        """Pass over a finished step."""

    @contextmanager
    def transfer(self, name: str, total: int | None) -> Iterator[Callable[[int], object]]:
        """Pass over a transfer."""
        yield lambda _count: None


class Lines(Silent):
    """Writes a line for each finished step."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def say(self, text: str) -> None:
        """Write one line."""
        self._stream.write(f"{text}\n")
        self._stream.flush()


class Bars:
    """Draws transfers on a terminal and writes the finished steps above them."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn
        from rich.progress import Progress as Display

        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
        self._display = Display(*columns, console=Console(file=stream), transient=True)

    def say(self, text: str) -> None:
        """Write one line."""
        self._display.console.print(text, markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def transfer(self, name: str, total: int | None) -> Iterator[Callable[[int], object]]:
        """Draw one transfer for as long as it takes."""
        task = self._display.add_task(name, total=total)
        try:
            yield lambda count: self._display.advance(task, count)
        finally:
            self._display.remove_task(task)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Keep the display on the terminal for as long as the block takes."""
        with self._display:
            yield


@contextmanager
def progress_on(stream: TextIO) -> Iterator[Progress]:
    """Give the progress that fits a stream."""
    if not stream.isatty():
        yield Lines(stream)
        return
    bars = Bars(stream)
    with bars.drawing():
        yield bars
