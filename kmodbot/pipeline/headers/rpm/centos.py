"""Where CentOS Stream keeps the headers of its kernels.

The kernel itself is in BaseOS, its headers are in AppStream.
https://docs.centos.org/centos-stream/ and https://www.centos.org/keys/
"""

from __future__ import annotations

from types import MappingProxyType

from kmodbot.pipeline.headers.mirrors import Mirror
from kmodbot.pipeline.headers.rpm.dnf import Dnf
from kmodbot.pipeline.headers.rpm.places import Koji, Place, Places
from kmodbot.pipeline.headers.rpm.signatures import Keys

MIRROR = Mirror("KMODBOT_CENTOS_MIRROR", "https://mirror.stream.centos.org")
KOJI = Mirror("KMODBOT_CENTOS_KOJI_URL", "https://kojihub.stream.centos.org/kojifiles")

KEYS = Keys(("RPM-GPG-KEY-centosofficial*",), "centos-gpg-keys")
# The last eight digits of the official key's fingerprint.
SIGNERS = MappingProxyType({"stream9": ("8483c65d",), "stream10": ("8483c65d",)})

_PACKAGES = "{{number}}-stream/{0}/{{arch}}/os/Packages"

# Both come with the distribution switched off.
_FAMILIES = (("kernel-rt", ("rt", "nfv")),)

CHAIN = (
    Dnf("CentOS Stream repositories, by path", "{number}", KEYS, by_path=True, families=_FAMILIES),
    Dnf("CentOS Stream repositories, by name", "{number}", KEYS, families=_FAMILIES),
    Places(
        "CentOS Stream mirror",
        (
            Place(MIRROR, _PACKAGES.format("AppStream")),
            Place(MIRROR, _PACKAGES.format("RT"), "kernel-rt"),
            Place(MIRROR, _PACKAGES.format("NFV"), "kernel-rt"),
        ),
        KEYS,
    ),
    Koji("CentOS Stream Koji, signed", KOJI, KEYS, SIGNERS),
    Koji("CentOS Stream Koji, unsigned", KOJI, KEYS),
)
