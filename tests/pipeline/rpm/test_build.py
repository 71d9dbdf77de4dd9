"""A driver for a Fedora kernel, from its headers package to an rpm of our own."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

from kmodbot.pipeline.build import build
from kmodbot.pipeline.elf import read_module
from kmodbot.pipeline.inputs import Request
from tests.pipeline.conftest import HELLO

if TYPE_CHECKING:
    from .conftest import World
    from .kernel_devel import KernelDevel


def test_hello_is_built_for_a_fedora_kernel(with_dnf: World, kernel_devel: KernelDevel) -> None:
    shutil.copytree(kernel_devel.repository, with_dnf.server.root / "repository")
    source = shutil.copytree(HELLO, with_dnf.directory / "checkout")
    request = Request(kernel_devel.kernel, "v0.1.0", "manual")
    out, cache = with_dnf.directory / "out", with_dnf.directory / "cache"
    package = build(request, source, out, cache, with_dnf.log)
    assert package.name == "hello-fedora-6.14.0-100.fc42.x86_64_v0.1.0_amd64.rpm"
    assert with_dnf.found_in() == "Fedora repositories, by path"
    root = with_dnf.directory / "unpacked"
    root.mkdir()
    command = f"rpm2cpio {package} | cpio --quiet -id"
    subprocess.run(["sh", "-c", command], cwd=root, check=True)
    (path,) = root.rglob("*.ko")
    module = read_module(path.read_bytes())
    assert module.vermagic.split()[0] == kernel_devel.release
    assert f"/lib/modules/{kernel_devel.release}/" in str(path)
