"""Packages, keys and repositories for the tests, all made by the real programs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SPEC = """\
Name: {name}
Epoch: {epoch}
Version: {version}
Release: {release}
Summary: Headers for the tests
License: GPL-2.0-only
AutoReqProv: no
%define debug_package %{{nil}}
%define __os_install_post %{{nil}}
%define _build_id_links none
%define _binary_payload w1.gzdio
%description
Headers for the tests.
%install
mkdir -p %{{buildroot}}
cp -a {content}/. %{{buildroot}}/
%files
{directory}
"""
SMALL = {".config": "CONFIG_X86=y\n", "Makefile": "all:\n", "Module.symvers": ""}


@dataclass(frozen=True)
class Signer:
    """A key that signs packages, made for one run of the tests."""

    home: Path
    name: str
    public: Path

    @classmethod
    def make(cls, home: Path, name: str) -> Signer:
        """Make a key; `home` must be short, because gpg keeps a socket there."""
        home.mkdir(mode=0o700)
        words = ["--quick-gen-key", f"{name} <{name}@localhost>", "rsa2048", "sign", "never"]
        _run("gpg", f"--homedir={home}", "--batch", "--passphrase=", *words)
        public = home / f"RPM-GPG-KEY-{name}"
        _run("gpg", f"--homedir={home}", "--armor", f"--output={public}", "--export", name)
        return cls(home, name, public)

    def sign(self, package: Path) -> None:
        """Add a signature to a package."""
        gpg = shutil.which("gpg")
        settings = (f"_gpg_name {self.name}", f"_gpg_path {self.home}", f"__gpg {gpg}")
        words = [word for setting in settings for word in ("--define", setting)]
        _run("rpmsign", *words, "--addsign", str(package))

    def close(self) -> None:
        """End the agent that gpg started."""
        _run("gpgconf", f"--homedir={self.home}", "--kill", "all")


@dataclass
class Workshop:
    """Makes packages and remembers them."""

    directory: Path
    signer: Signer
    made: dict[tuple[object, ...], Path] = field(default_factory=dict)

    def package(
        self,
        kernel_release: str,
        name: str = "kernel-devel",
        signer: Signer | None = None,
        *,
        signed: bool = True,
        holds: str | None = None,
    ) -> Path:
        """Return a small package `name` with the headers of a kernel release.

        `holds` is the release it has a directory for, if that is another.
        """
        signer = signer or self.signer
        key = (kernel_release, name, signer.name if signed else None, holds)
        if key not in self.made:
            tree = self.directory / f"{len(self.made)}"
            path = tree / f"content/usr/src/kernels/{holds or kernel_release}"
            path.mkdir(parents=True)
            for file, text in SMALL.items():
                (path / file).write_text(text)
            self.made[key] = self.pack(tree, kernel_release, name, signer if signed else None)
        return self.made[key]

    def pack(self, tree: Path, kernel_release: str, name: str, signer: Signer | None) -> Path:
        """Return a package of what is below `tree`/content."""
        base = kernel_release.partition("+")[0]
        nevra, _, architecture = base.rpartition(".")
        version, _, release = nevra.partition("-")
        text = SPEC.format(
            name=name,
            epoch=1 if "amzn" in release else 0,
            version=version,
            release=release,
            content=tree / "content",
            directory="/usr/src/kernels/*",
        )
        (tree / "package.spec").write_text(text)
        words = ["--quiet", "-bb", f"--target={architecture}", "--define", f"_topdir {tree}"]
        _run("rpmbuild", *words, str(tree / "package.spec"))
        (package,) = tree.rglob("*.rpm")
        if signer is not None:
            signer.sign(package)
        return package


def put(package: Path, directory: Path) -> Path:
    """Put a copy of a package into a directory under its own name."""
    directory.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(package, directory))


def index(directory: Path, *options: str) -> Path:
    """Make a repository of the packages in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    _run("createrepo_c", "--quiet", *options, str(directory))
    return directory


def repo_file(directory: Path, base: str, name: str = "kernels", *, enabled: bool = True) -> Path:
    """Return a directory with the .repo file of one repository, beside others that it has."""
    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"[{name}]", f"name={name}", f"baseurl={base}", f"enabled={enabled:d}", "gpgcheck=0"]
    (directory / f"{name}.repo").write_text("\n".join([*lines, ""]))
    return directory


def _run(*command: str) -> None:
    done = subprocess.run(
        command, check=False, text=True, capture_output=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
