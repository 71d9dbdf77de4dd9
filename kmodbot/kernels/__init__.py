"""The vocabulary of kmodbot as pure functions: kernels, drivers, and every name made of them."""

from __future__ import annotations

from .architectures import ARCHITECTURES, package_architecture, parse_architecture
from .distributions import SUPPORTED, host_distribution, parse_os_release
from .driver import (
    Driver,
    parse_build_id,
    parse_driver_name,
    parse_driver_version,
    parse_repository,
)
from .errors import InvalidInput
from .kernel import Kernel
from .kernels_json import KERNELS_JSON, add_kernel, read_kernels
from .names import (
    asset_name,
    branch_name,
    download_url,
    package_format,
    package_name,
    release_tag,
)
from .releases import distro_version_candidates
from .runs import RunTitle, parse_run_title
from .versions import version_key

__all__ = [
    "ARCHITECTURES",
    "KERNELS_JSON",
    "SUPPORTED",
    "Driver",
    "InvalidInput",
    "Kernel",
    "RunTitle",
    "add_kernel",
    "asset_name",
    "branch_name",
    "distro_version_candidates",
    "download_url",
    "host_distribution",
    "package_architecture",
    "package_format",
    "package_name",
    "parse_architecture",
    "parse_build_id",
    "parse_driver_name",
    "parse_driver_version",
    "parse_os_release",
    "parse_repository",
    "parse_run_title",
    "read_kernels",
    "release_tag",
    "version_key",
]
