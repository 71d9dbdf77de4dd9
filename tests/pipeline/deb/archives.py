"""Small Debian archives: tiny packages, signed lists, as real ones are laid out."""

from __future__ import annotations

import email.utils
import hashlib
import subprocess
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


@dataclass(frozen=True)
class Deb:
    """A package: `files` are path to text, or to a link's target after an arrow.

    A `damaged` one was cut off before it came into the archive.
    """

    name: str
    version: str
    architecture: str
    depends: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    damaged: bool = False

    @property
    def file_name(self) -> str:
        return f"{self.name}_{self.version}_{self.architecture}.deb"

    @property
    def control(self) -> str:
        depends = f"Depends: {self.depends}\n" if self.depends else ""
        return (
            f"Package: {self.name}\nVersion: {self.version}\nArchitecture: {self.architecture}\n"
            f"Maintainer: nobody <nobody@localhost>\n{depends}Description: headers\n"
        )


@dataclass(frozen=True)
class Key:
    """A signing key: gpg's home directory and the public half as a keyring."""

    home: Path
    keyring: Path

    @classmethod
    def make(cls, home: Path) -> Key:
        home.mkdir(mode=0o700)
        key = cls(home, home / "archive.gpg")
        key.gpg("--quick-gen-key", "archive <archive@localhost>", "ed25519", "sign", "never")
        key.gpg("--export", "--output", str(key.keyring))
        return key

    def gpg(self, *words: str) -> None:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--yes", "--quiet"]
        subprocess.run(
            [*command, "--passphrase", "", *words], check=True, capture_output=True, timeout=60
        )

    def close(self) -> None:
        """End gpg's agent."""
        subprocess.run(
            ["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=True, timeout=60
        )


_BUILT: dict[tuple[object, ...], bytes] = {}


def build(deb: Deb, directory: Path) -> Path:
    """Put the package file into `directory`; the same package is made only once."""
    path = directory / deb.file_name
    key = (deb.control, deb.damaged, *deb.files.items())
    if key not in _BUILT:
        _BUILT[key] = _make(deb)
    directory.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_BUILT[key])
    return path


def _make(deb: Deb) -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        content = Path(directory, "content")
        (content / "DEBIAN").mkdir(parents=True)
        (content / "DEBIAN/control").write_text(deb.control)
        for name, text in deb.files.items():
            file = content / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if text.startswith("-> "):
                file.symlink_to(text[3:])
            else:
                file.write_text(text)
        made = Path(directory, "made.deb")
        command = ["dpkg-deb", "-Znone", "--root-owner-group", "--build", str(content), str(made)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return made.read_bytes()[: -1000 if deb.damaged else None]


def publish(
    root: Path,
    suite: str,
    debs: Iterable[Deb],
    key: Key | None,
    *,
    components: Iterable[str] = ("main",),
    architectures: Iterable[str] = ("amd64", "arm64"),
    valid_for: timedelta | None = None,
) -> None:
    """Publish `debs` as a suite of the archive at `root`, all in its last component."""
    debs = list(debs)
    components = list(components)
    dist = root / "dists" / suite
    for component in components:
        for architecture in architectures:
            own = [deb for deb in debs if deb.architecture in {architecture, "all"}]
            folder = dist / component / f"binary-{architecture}"
            folder.mkdir(parents=True, exist_ok=True)
            stanzas = (_stanza(deb, root) for deb in own if component == components[-1])
            (folder / "Packages").write_text("".join(stanzas))
    now = datetime.now(UTC)
    release = f"Suite: {suite}\nCodename: {suite}\nDate: {_date(now - timedelta(days=1))}\n"
    if valid_for is not None:
        release += f"Valid-Until: {_date(now + valid_for)}\n"
    release += f"Architectures: {' '.join(architectures)}\nComponents: {' '.join(components)}\n"
    release += "SHA256:\n" + "".join(
        f" {_sha256(path)} {path.stat().st_size} {path.relative_to(dist)}\n"
        for path in sorted(dist.rglob("Packages"))
    )
    (dist / "Release").write_text(release)
    if key is not None:
        key.gpg("--clearsign", "--output", str(dist / "InRelease"), str(dist / "Release"))


def _stanza(deb: Deb, root: Path) -> str:
    path = build(deb, root / "pool")
    place = f"Filename: pool/{path.name}\nSize: {path.stat().st_size}\n"
    return f"{deb.control}{place}SHA256: {_sha256(path)}\n\n"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _date(moment: datetime) -> str:
    return email.utils.format_datetime(moment.replace(tzinfo=UTC), usegmt=True)


def tree(name: str, makefile: str = "") -> dict[str, str]:
    """Return the files of the headers directory `name`."""
    path = f"usr/src/{name}"
    files = {".config": "CONFIG_X=y\n", "Module.symvers": "", "Makefile": makefile}
    return {f"{path}/{file}": text for file, text in files.items()}


def debian_headers(
    release: str, version: str = "1", *, common: str, kbuild: str, architecture: str = "amd64"
) -> list[Deb]:
    """Return Debian's packages for a kernel; kbuild is there for both architectures."""
    name = f"linux-headers-{release}"
    files = tree(name, f"include /usr/src/linux-headers-{common}/Makefile\n")
    files[f"usr/src/{name}/scripts"] = f"-> /usr/lib/linux-kbuild-{kbuild}/scripts"
    depends = (
        f"linux-headers-{common} (= {version}), linux-kbuild-{kbuild}, "
        f"linux-image-{release} (= {version}), gcc-12"
    )
    shared = {f"usr/src/linux-headers-{common}/Makefile": f"# of {version}\n"}
    programs = {f"usr/lib/linux-kbuild-{kbuild}/scripts/fixdep": ""}
    return [
        Deb(name, version, architecture, depends, files),
        Deb(f"linux-headers-{common}", version, "all", files=shared),
        *(
            Deb(f"linux-kbuild-{kbuild}", version, each, files=programs)
            for each in ("amd64", "arm64")
        ),
    ]


def ubuntu_headers(
    release: str, version: str = "1", *, shared: str | None = None, architecture: str = "amd64"
) -> list[Deb]:
    """Return Ubuntu's packages for a kernel; `shared` is the one all flavours have in common."""
    shared = shared or f"linux-headers-{release.rpartition('-')[0]}"
    name = f"linux-headers-{release}"
    files = tree(name, f"# {name} {version}\n")
    files[f"usr/src/{name}/include"] = f"-> ../{shared}/include"
    files[f"lib/modules/{release}/build"] = f"-> /usr/src/{name}"
    common = {f"usr/src/{shared}/include/x.h": version, f"usr/src/{shared}/Makefile": ""}
    return [
        Deb(name, version, architecture, f"{shared}, libc6 (>= 2.38), zlib1g", files),
        Deb(shared, version, "all", files=common),
    ]
