"""The kernel a driver is built for."""

from __future__ import annotations

from dataclasses import dataclass

from .architectures import parse_architecture
from .distributions import parse_distribution, require_supported
from .errors import InvalidInput, show
from .releases import Reading, read_release


@dataclass(frozen=True, order=True)
class Kernel:
    """Distribution, distro version, architecture and kernel release, known to fit together.

    ``parse`` is the only way in for values from outside.
    """

    distribution: str
    distro_version: str
    architecture: str
    release: str

    @classmethod
    def parse(
        cls,
        *,
        distribution: str,
        architecture: str,
        release: str,
        distro_version: str | None = None,
    ) -> Kernel:
        """Return the kernel that the four values name, or the three when the release decides.

        Raises ``InvalidInput`` for the first field that is wrong or contradicts another:
        ``distribution``, ``architecture``, ``kernel_version`` or ``distro_version``.
        """
        distribution = parse_distribution(distribution)
        architecture = parse_architecture(architecture)
        reading = read_release(distribution, release)
        _require_architecture(reading, architecture, release)
        if distro_version is None:
            distro_version = _derive(reading, distribution, release)
        if reading.tagged and distro_version not in reading.candidates:
            named = f"{release} is of {distribution} {' or '.join(reading.candidates)}"
            raise InvalidInput("distro_version", f"{named}, not {show(distro_version)}")
        require_supported(distribution, distro_version)
        return cls(distribution, distro_version, architecture, release)


def _require_architecture(reading: Reading, architecture: str, release: str) -> None:
    if architecture not in reading.architectures:
        named = f"{release} is of {reading.architectures[0]}"
        raise InvalidInput("architecture", f"{named}, not {architecture}")


def _derive(reading: Reading, distribution: str, release: str) -> str:
    if len(reading.candidates) == 1:
        return reading.candidates[0]
    if not reading.candidates:
        message = f"{release} alone does not say which {distribution} it is of; say which"
    else:
        choices = " or ".join(reading.candidates)
        message = f"{release} alone is ambiguous: may be {distribution} {choices}; say which"
    raise InvalidInput("distro_version", message)
