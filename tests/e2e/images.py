"""Images built for real, by root but without a daemon and without a registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

_LINES = 40


def require_tools() -> None:
    """Fail, saying what to do, where images cannot be built."""
    if os.geteuid():
        pytest.fail("images are built by root: sudo make e2e")
    missing = [name for name in ("buildah", "mmdebstrap") if shutil.which(name) is None]
    if missing:
        pytest.fail(f"missing: {' and '.join(missing)}; make e2e installs them")


def run(*command: str) -> str:
    """Run a command and return its output; a failure shows the end of all it said."""
    done = subprocess.run(
        command, check=False, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        end = "\n".join(done.stdout.splitlines()[-_LINES:])
        pytest.fail(f"{' '.join(command)}\nended with {done.returncode}:\n{end}", pytrace=False)
    return done.stdout


class Images:
    """The images below one directory, and nothing of the machine's own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._buildah = ["buildah", "--storage-driver", "vfs"]
        self._buildah += ["--root", str(directory / "root"), "--runroot", str(directory / "run")]
        self._containers: dict[str, str] = {}
        self._pip = _pip_settings(directory / "pip")

    def buildah(self, *words: str) -> str:
        """Run buildah on these images."""
        return run(*self._buildah, *words)

    def bootstrap(self, suite: str, name: str) -> None:
        """Make a small Debian and call it `name`, as if it had been pulled."""
        tar = self.directory / f"{suite}.tar"
        run("mmdebstrap", "--quiet", "--variant=minbase", suite, str(tar))
        container = self.buildah("from", "scratch").strip()
        self.buildah("add", "--quiet", container, str(tar))
        self.buildah("commit", "--quiet", container, name)
        self.buildah("rm", container)

    def build(self, dockerfile: Path, name: str, **arguments: str) -> str:
        """Build a Dockerfile; the folder it is in is the context."""
        words = [f"--build-arg={key}={value}" for key, value in arguments.items()]
        file = ["--file", str(dockerfile), "--tag", name, str(dockerfile.parent)]
        return self.buildah(
            "bud", "--isolation", "chroot", "--pull-never", *self._pip, *words, *file
        )

    def run(self, image: str, *command: str, volumes: tuple[str, ...] = (), **env: str) -> str:
        """Run a command in a container of the image, the same one each time."""
        if image not in self._containers:
            # A whole copy of the image with this storage driver.
            self._containers[image] = self.buildah("from", "--pull-never", image).strip()
        words = [f"--volume={volume}" for volume in volumes]
        words += [f"--env={key}={value}" for key, value in env.items()]
        container = self._containers[image]
        return self.buildah("run", "--isolation", "chroot", *words, container, "--", *command)


def _pip_settings(directory: Path) -> list[str]:
    """Return the option that gives pip in a build this machine's index and certificates."""
    listed = run(sys.executable, "-m", "pip", "config", "list")
    found = re.findall(r"^(?:global|:env:)\.(index-url|proxy|cert)='(.*)'$", listed, re.MULTILINE)
    if not found:
        return []
    directory.mkdir()
    settings = dict(found)
    if "cert" in settings:
        shutil.copy(settings["cert"], directory / "certificates.pem")
        settings["cert"] = "/etc/xdg/pip/certificates.pem"
    lines = ["[global]", *(f"{key} = {value}" for key, value in settings.items())]
    (directory / "pip.conf").write_text("\n".join(lines) + "\n")
    return ["--volume", f"{directory}:/etc/xdg/pip:ro"]
