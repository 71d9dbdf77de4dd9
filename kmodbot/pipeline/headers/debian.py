"""Where Debian keeps kernel headers."""

from __future__ import annotations

from types import MappingProxyType

from kmodbot.pipeline.headers.debian_snapshot import DebianSnapshot
from kmodbot.pipeline.headers.mirrors import Keyring, Mirror
from kmodbot.pipeline.headers.suites import AptDistribution, AptSuites, Place

MIRROR = Mirror("KMODBOT_DEBIAN_MIRROR", "http://deb.debian.org/debian")
SECURITY_MIRROR = Mirror(
    "KMODBOT_DEBIAN_SECURITY_MIRROR", "http://security.debian.org/debian-security"
)
SNAPSHOT_MIRROR = Mirror("KMODBOT_DEBIAN_SNAPSHOT_MIRROR", "https://snapshot.debian.org")

DEBIAN = AptDistribution(
    title="Debian",
    # https://www.debian.org/releases/
    codenames=MappingProxyType({"12": "bookworm", "13": "trixie"}),
    components=("main",),
    keyring=Keyring(
        "KMODBOT_DEBIAN_KEYRING",
        "/usr/share/keyrings/debian-archive-keyring.gpg",
        "debian-archive-keyring",
    ),
    kbuild_apart=True,
)

CHAIN = (
    AptSuites(
        "Debian suites",
        DEBIAN,
        (
            Place(MIRROR, ("{codename}", "{codename}-updates")),
            Place(SECURITY_MIRROR, ("{codename}-security",)),
        ),
    ),
    # Kernels of the next Debian release, for those who run this one.
    AptSuites("Debian backports", DEBIAN, (Place(MIRROR, ("{codename}-backports", "{codename}")),)),
    DebianSnapshot("Debian snapshot", DEBIAN, SNAPSHOT_MIRROR),
)
