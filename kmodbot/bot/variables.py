"""Environment variables: read one by one, with everything that is wrong with them collected."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, TypeVar

from kmodbot.kernels import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

# What nobody else names variables like. GitHub Actions and others set GITHUB_* of their own.
_OURS = re.compile(r"(KMODBOT|GITHUB_APP|GITHUB_WEBHOOK)_[A-Z0-9_]*")
# What Kubernetes tells every pod of a service that is called kmodbot.
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_OF_KUBERNETES = re.compile(
    r"KMODBOT_(\w+_)?(SERVICE_(HOST|PORT)\w*|PORT_[0-9]+_(TCP|UDP|SCTP)\w*)"
)
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class Variables:
    """Parses variables one by one. ``problems`` is what is wrong, a sentence for each."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self._known: set[str] = set()
        self.problems: list[str] = []

    def __call__(
        self, name: str, parse: Callable[[str], T], default: T | None = None, what: str = ""
    ) -> T | None:
        """Return a variable's value; ``what`` says what one that must be set is to be set to."""
        if not self.has(name):
            if default is None:
                self.problems.append(f"{name} is missing: set it{what} (docs/configuration.md)")
            return default
        try:
            return parse(self._environ[name])
        except InvalidInput as error:
            message = error.message
        except ValueError as error:
            message = str(error)
        usual = f"; the default is {default:g}" if type(default) in {int, float} else ""
        self.problems.append(f"{name}: {message}{usual}")
        return None

    def has(self, name: str) -> bool:
        """Tell whether a variable is set; an empty one is not."""
        self._known.add(name)
        return bool(self._environ.get(name))

    def unknown(self) -> Iterator[str]:
        """Say of each variable that looks like ours and was not asked for what may be meant."""
        for name in sorted(self._environ.keys() - self._known):
            if not _OURS.fullmatch(name) or not self._environ[name] or self._is_given(name):
                continue
            near = self._nearest(name)
            meant = f"; is {near} meant?" if near else " (docs/configuration.md has all)"
            yield f"{name} is no setting of the bot and is ignored{meant}"

    def _is_given(self, name: str) -> bool:
        """Tell whether Kubernetes set a variable, not the operator."""
        value = self._environ[name]
        return bool(_OF_KUBERNETES.fullmatch(name) or _ADDRESS.match(value))

    def _nearest(self, name: str) -> str | None:
        # PORT and DATABASE_URL have no prefix, which is easily forgotten.
        bare = name.removeprefix("KMODBOT_")
        if bare in self._known:
            return bare
        near = difflib.get_close_matches(name, sorted(self._known), n=1, cutoff=0.75)
        return near[0] if near else None
