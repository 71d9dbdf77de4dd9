"""Where Ubuntu keeps kernel headers."""

from __future__ import annotations

from datetime import datetime, timezone
from types import MappingProxyType

from kmodbot.pipeline.headers.launchpad import Launchpad
from kmodbot.pipeline.headers.mirrors import Keyring, Mirror
from kmodbot.pipeline.headers.suites import AptDistribution, AptSuites, Place
from kmodbot.pipeline.headers.ubuntu_snapshot import UbuntuSnapshot

MIRROR = Mirror("KMODBOT_UBUNTU_MIRROR", "http://archive.ubuntu.com/ubuntu")
SECURITY_MIRROR = Mirror("KMODBOT_UBUNTU_SECURITY_MIRROR", "http://security.ubuntu.com/ubuntu")
# https://wiki.ubuntu.com/ARM/Ports: everything but x86 has a server of its own.
PORTS_MIRROR = Mirror("KMODBOT_UBUNTU_PORTS_MIRROR", "http://ports.ubuntu.com/ubuntu-ports")
OLD_RELEASES_MIRROR = Mirror(
    "KMODBOT_UBUNTU_OLD_RELEASES_MIRROR", "http://old-releases.ubuntu.com/ubuntu"
)
SNAPSHOT_MIRROR = Mirror("KMODBOT_UBUNTU_SNAPSHOT_MIRROR", "https://snapshot.ubuntu.com/ubuntu")
LAUNCHPAD = Mirror("KMODBOT_LAUNCHPAD_URL", "https://launchpad.net")
LAUNCHPAD_API = Mirror("KMODBOT_LAUNCHPAD_API_URL", "https://api.launchpad.net/devel")

# https://wiki.ubuntu.com/Releases
RELEASED = MappingProxyType(
    {
        "22.04": datetime(2022, 4, 21, tzinfo=timezone.utc),
        "24.04": datetime(2024, 4, 25, tzinfo=timezone.utc),
        "25.10": datetime(2025, 10, 9, tzinfo=timezone.utc),
        "26.04": datetime(2026, 4, 23, tzinfo=timezone.utc),
    }
)
# The archive may drop the suites of a version at any time after its end.
ENDED = MappingProxyType({"25.10": datetime(2026, 7, 9, tzinfo=timezone.utc)})
UBUNTU = AptDistribution(
    title="Ubuntu",
    codenames=MappingProxyType(
        {"22.04": "jammy", "24.04": "noble", "25.10": "questing", "26.04": "resolute"}
    ),
    # Kernels of some clouds and vendors are in restricted or universe.
    components=("main", "restricted", "universe"),
    keyring=Keyring(
        "KMODBOT_UBUNTU_KEYRING",
        "/usr/share/keyrings/ubuntu-archive-keyring.gpg",
        "ubuntu-keyring",
    ),
    kbuild_apart=False,
)
_RELEASE = ("{codename}", "{codename}-updates")
_SECURITY = ("{codename}-security",)

CHAIN = (
    AptSuites(
        "Ubuntu suites",
        UBUNTU,
        (
            Place(MIRROR, _RELEASE, ("x86_64",)),
            Place(SECURITY_MIRROR, _SECURITY, ("x86_64",)),
            Place(PORTS_MIRROR, (*_RELEASE, *_SECURITY), ("aarch64",)),
        ),
    ),
    # Releases with nine months of support are moved there some time after their end.
    AptSuites(
        "Ubuntu old releases",
        UBUNTU,
        (Place(OLD_RELEASES_MIRROR, (*_RELEASE, *_SECURITY)),),
        versions=("25.10",),
    ),
    Launchpad("Launchpad", UBUNTU, LAUNCHPAD_API, LAUNCHPAD),
    UbuntuSnapshot("Ubuntu snapshot", UBUNTU, SNAPSHOT_MIRROR, RELEASED, ENDED),
)
