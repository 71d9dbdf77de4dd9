"""Where Fedora keeps the headers of its kernels.

https://docs.fedoraproject.org/en-US/infra/ and https://fedoraproject.org/security/ (keys)
"""

from __future__ import annotations

from types import MappingProxyType

from kmodbot.pipeline.headers.mirrors import Mirror
from kmodbot.pipeline.headers.rpm.dnf import Dnf
from kmodbot.pipeline.headers.rpm.places import Koji, Place, Places
from kmodbot.pipeline.headers.rpm.signatures import Keys

MIRROR = Mirror("KMODBOT_FEDORA_MIRROR", "https://dl.fedoraproject.org/pub/fedora/linux")
ARCHIVE = Mirror(
    "KMODBOT_FEDORA_ARCHIVE_MIRROR", "https://dl.fedoraproject.org/pub/archive/fedora/linux"
)
UPDATES_ARCHIVE = Mirror(
    "KMODBOT_FEDORA_UPDATES_ARCHIVE_MIRROR",
    "https://fedoraproject-updates-archive.fedoraproject.org/fedora",
)
KOJI = Mirror("KMODBOT_FEDORA_KOJI_URL", "https://kojipkgs.fedoraproject.org")

KEYS = Keys(("RPM-GPG-KEY-fedora-{number}-*",), "fedora-gpg-keys")
# The last eight digits of the fingerprints of the primary keys.
SIGNERS = MappingProxyType({"42": ("105ef944",), "43": ("31645531",)})

_UPDATES = "updates/{number}/Everything/{arch}/Packages/k"
_RELEASE = "releases/{number}/Everything/{arch}/os/Packages/k"

CHAIN = (
    Dnf("Fedora repositories, by path", "{number}", KEYS, by_path=True),
    Dnf("Fedora repositories, by name", "{number}", KEYS),
    Places(
        "Fedora mirrors and archives",
        (
            Place(MIRROR, _UPDATES),
            Place(MIRROR, _RELEASE),
            Place(UPDATES_ARCHIVE, "{number}/{arch}"),
            Place(UPDATES_ARCHIVE, "{number}/{arch}/Packages/k"),
            Place(ARCHIVE, _UPDATES),
            Place(ARCHIVE, _RELEASE),
        ),
        KEYS,
    ),
    Koji("Fedora Koji, signed", KOJI, KEYS, SIGNERS),
    Koji("Fedora Koji, unsigned", KOJI, KEYS),
)
