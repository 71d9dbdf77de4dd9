"""A string that does not show itself."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """A key, token or webhook secret.

    Neither ``repr`` nor ``str`` nor formatting gives the value away, so it cannot reach a log or an
    error by accident. Whoever needs the value says so with :meth:`reveal`.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")
