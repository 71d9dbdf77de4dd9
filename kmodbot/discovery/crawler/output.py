"""Output that appears whole or not at all."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from .errors import BadListError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def whole_output(path: Path | None) -> Iterator[TextIO]:
    """Give a stream whose content goes to ``path``, or to standard output, if the block succeeds.

    After an exception nothing was printed and the file is what it was. Raises BadListError when
    the file cannot be written.
    """
    if path is None:
        with tempfile.TemporaryFile("w+", encoding="utf-8") as stream:
            yield stream
            stream.seek(0)
            shutil.copyfileobj(stream, sys.stdout)
        return
    if path.is_dir():
        raise BadListError(f"{path}: Is a directory; choose another -o")
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise BadListError(f"{path}: {error.strerror}; choose another -o") from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            yield stream
        # Made for this user alone; a file that is asked for is for all that the umask lets in.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
