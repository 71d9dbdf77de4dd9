"""The one error of this room: a value from outside that does not fit."""

from __future__ import annotations

_SHOWN = 60


class InvalidInput(ValueError):
    """A value that was refused: which field it came in and what was expected there.

    ``str(error)`` is ``"{field}: {message}"``. Field names are those of ``POST /build``
    (``kernel_version``, ``architecture``, ``distribution``, ``distro_version``,
    ``driver_version``), and ``driver``, ``build_id``, ``repository``, ``kernels.json``.
    """

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message

    def __reduce__(self) -> tuple[type[InvalidInput], tuple[str, str]]:
        return type(self), (self.field, self.message)


def show(value: str) -> str:
    """Return a refused value as it may stand in a message: short, quoted, in ASCII."""
    # ascii() rather than repr(): a look-alike letter of another script must be seen as such.
    return ascii(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!a}..."
