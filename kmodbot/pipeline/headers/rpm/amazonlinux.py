"""Where Amazon Linux 2023 keeps the headers of its kernels.

Its repositories are locked to a release unless told otherwise; ``latest`` has them all.
A package with live patches holds no headers: a patched kernel keeps the release of the kernel it
booted as, so its headers are that kernel's.
https://docs.aws.amazon.com/linux/al2023/ug/deterministic-upgrades.html
https://docs.aws.amazon.com/linux/al2023/ug/live-patching.html
"""

from __future__ import annotations

from kmodbot.pipeline.headers.mirrors import Mirror
from kmodbot.pipeline.headers.rpm.dnf import Dnf
from kmodbot.pipeline.headers.rpm.repository import Repository
from kmodbot.pipeline.headers.rpm.signatures import Keys

MIRROR = Mirror("KMODBOT_AMAZONLINUX_MIRROR", "https://cdn.amazonlinux.com/al2023")

KEYS = Keys(("RPM-GPG-KEY-amazon-linux-{number}",), "system-release")

CHAIN = (
    Dnf("Amazon Linux repositories, by path", "latest", KEYS, by_path=True),
    Dnf("Amazon Linux repositories, by name", "latest", KEYS),
    Repository("Amazon Linux core", MIRROR, "core/mirrors/latest/{arch}/mirror.list", KEYS),
)
