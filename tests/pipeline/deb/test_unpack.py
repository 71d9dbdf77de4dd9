"""Trees made for /usr/src work where they were unpacked."""

from __future__ import annotations

from pathlib import Path

import pytest

from kmodbot.pipeline.errors import BuildError
from kmodbot.pipeline.headers.tree import HeaderTree
from kmodbot.pipeline.headers.unpack import make_relocatable, unpack_headers

from .archives import build, ubuntu_headers


def test_debians_tree_is_made_to_work_where_it_is(tmp_path: Path) -> None:
    source = tmp_path / "usr/src"
    path = source / "linux-headers-6.1.0-38-amd64"
    path.mkdir(parents=True)
    (path / "Makefile").write_text("include /usr/src/linux-headers-6.1.0-38-common/Makefile\n")
    (path / "tools").symlink_to("/usr/lib/linux-kbuild-6.1/tools")
    (path / "scripts").symlink_to("../../lib/linux-kbuild-6.1/scripts")
    make_relocatable(HeaderTree(path, tmp_path))
    included = source / "linux-headers-6.1.0-38-common/Makefile"
    assert (path / "Makefile").read_text() == f"include {included}\n"
    assert (path / "tools").readlink() == tmp_path / "usr/lib/linux-kbuild-6.1/tools"
    assert (path / "scripts").readlink() == Path("../../lib/linux-kbuild-6.1/scripts")


def test_a_makefile_that_several_trees_share_is_changed_once(tmp_path: Path) -> None:
    shared = tmp_path / "usr/src/linux-hwe-6.8-headers-6.8.0-63"
    own = tmp_path / "usr/src/linux-headers-6.8.0-63-generic"
    shared.mkdir(parents=True)
    own.mkdir()
    (shared / "Makefile").write_text("include /usr/src/x\n")
    (own / "Makefile").symlink_to(f"../{shared.name}/Makefile")
    make_relocatable(HeaderTree(own, tmp_path))
    assert (own / "Makefile").read_text() == f"include {tmp_path}/usr/src/x\n"


@pytest.mark.parametrize("library", ["lib", "usr/lib"])
def test_ubuntus_tree_and_its_build_link_work_where_they_are(tmp_path: Path, library: str) -> None:
    release = "7.0.0-14-generic"
    own, shared = ubuntu_headers(release)
    files = {name.replace("lib/", f"{library}/", 1): text for name, text in own.files.items()}
    moved = type(own)(own.name, own.version, own.architecture, own.depends, files)
    debs = [build(deb, tmp_path / "pool") for deb in (moved, shared)]
    tree = unpack_headers(debs, release, tmp_path / "root")
    assert (tree.path / "include/x.h").read_text() == "1"
    assert (tmp_path / "root" / library / "modules" / release / "build").resolve() == tree.path
    tree.check()


def test_a_package_without_the_kernels_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="holds no linux-headers-x/Makefile"):
        make_relocatable(HeaderTree(tmp_path / "usr/src/linux-headers-x", tmp_path))
