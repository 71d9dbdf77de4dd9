"""A stand-in for dnf 5, which Debian 12 does not have: as strict with its words as the real one.

Run as a program it knows the options of dnf 5 that come before a command's name, those of
``download`` that come after it, and the settings and repositories that may be set; everything else
is an error. Then it copies packages from repositories that are directories of this machine.
https://dnf5.readthedocs.io/en/latest/dnf5.8.html
"""

from __future__ import annotations

import configparser
import fnmatch
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

EVERYWHERE = {"--assumeyes", "--refresh", "--use-host-config", "--quiet", "--no-best"}
EVERYWHERE_WITH_VALUE = {"--installroot", "--releasever", "--forcearch", "--setopt", "--repo"}
OF_DOWNLOAD = {"--resolve", "--alldeps", "--srpm", "--url", "--skip-unavailable"}
OF_DOWNLOAD_WITH_VALUE = {"--destdir", "--arch"}
SETTINGS = {
    "cachedir",
    "disable_excludes",
    "max_parallel_downloads",
    "minrate",
    "optional_metadata_types",
    "reposdir",
    "retries",
    "skip_unavailable",
    "system_cachedir",
    "timeout",
    "varsdir",
}


def put(directory: Path) -> None:
    """Put a program called dnf into `directory` that is this file."""
    program = directory / "dnf"
    program.write_text(f"#!{sys.executable}\n{Path(__file__).read_text('utf-8')}")
    program.chmod(0o755)


def main(words: list[str]) -> int:
    if words == ["--version"]:
        sys.stdout.write("dnf5 version 5.2.17.0\ndnf5 plugin API version 2.0\n")
        return 0
    options: list[tuple[str, str]] = []
    specs: list[str] = []
    command = ""
    for word in words:
        if word.startswith("-"):
            options.append(checked(word, command))
        elif command:
            specs.append(word)
        elif word == "download":
            command = word
        else:
            refuse(f'Unknown argument "{word}" for command "dnf5"')
    return download(options, specs)


def checked(word: str, command: str) -> tuple[str, str]:
    name, mark, value = word.partition("=")
    with_value = name in EVERYWHERE_WITH_VALUE or (command and name in OF_DOWNLOAD_WITH_VALUE)
    alone = name in EVERYWHERE or (command and name in OF_DOWNLOAD)
    if not (with_value if mark else alone):
        after = name in OF_DOWNLOAD | OF_DOWNLOAD_WITH_VALUE and not command
        hint = ". The argument is available for commands: download." if after else ""
        refuse(f'Unknown argument "{word}" for command "{command or "dnf5"}"{hint}')
    return name, value


def download(options: list[tuple[str, str]], specs: list[str]) -> int:
    settings = dict(value.split("=", 1) for name, value in options if name == "--setopt")
    repositories = configparser.ConfigParser(interpolation=None)
    repositories.read(Path(settings.get("reposdir", "/nowhere")).glob("*.repo"))
    for key, value in settings.items():
        repository, dot, option = key.rpartition(".")
        if dot and not fnmatch.filter(repositories.sections(), repository):
            refuse(f'No matching repositories for "{repository}"')
        if dot:
            repositories[repository][option] = value
        elif key not in SETTINGS:
            refuse(f'setopt: "{key}={value}": Option not found')
    there = [
        package
        for section in repositories.sections()
        if repositories[section].getboolean("enabled", True)
        for package in Path(repositories[section]["baseurl"].removeprefix("file://")).glob("*.rpm")
    ]
    lists = "filelists" in settings.get("optional_metadata_types", "")
    lenient = settings.get("skip_unavailable") == "True" or ("--skip-unavailable", "") in options
    found = []
    for spec in specs:
        fitting = [package for package in there if fits(package, spec, lists=lists)]
        if not fitting:
            sys.stderr.write(f"No match for argument: {spec}\n")
            if not lenient:
                return 1
        found += fitting
    for package in found:
        shutil.copy(package, dict(options)["--destdir"])
    return 0


def fits(package: Path, spec: str, *, lists: bool) -> bool:
    if not spec.startswith("/"):
        return package.name == f"{spec}.rpm"
    query = ["rpm", "--query", "--nosignature", "--list", "--package", str(package)]
    said = subprocess.run(query, check=True, capture_output=True, text=True)
    return lists and spec in said.stdout.splitlines()


def refuse(text: str) -> NoReturn:
    sys.stderr.write(f'{text}. Add "--help" for more information about the arguments.\n')
    sys.exit(2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
