"""A whole run: find or have built, download, verify, unpack, check."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.kernels import download_url, package_name, release_tag

from .bot import Bot, build
from .checksums import expected_sha256, require_ours
from .download import Partial
from .elf import check_module
from .failures import NotVerified
from .node import inside, read_kernel
from .patience import Deadline, TransientError, patiently
from .report import InstalledModule, Report
from .unpack import modules_of

if TYPE_CHECKING:
    from kmodbot.kernels import Kernel

    from .options import Options
    from .progress import Progress


@dataclass(frozen=True)
class _Source:
    """Where the package came from, what it must hash to, and who said so."""

    url: str
    sha256: str | None
    sha256_from: str | None
    found_at_once: bool


def run(options: Options, progress: Progress) -> Report:
    """Return the report once the module is in its place.

    Raises Failure, InvalidInput, or OSError for this machine's own disk; then nothing is left.
    """
    return _Run(options, progress).carry_out()


class _Run:
    def __init__(self, options: Options, progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._deadline = Deadline(options.timeout)
        self._kernel = read_kernel(options.root, options.kernel_release, options.architecture)
        self._name = package_name(options.driver, self._kernel)
        self._tag = release_tag(options.driver.version, self._kernel)
        self._place = inside(options.root, f"{options.state_dir}/{self._tag}/{self._name}")

    def carry_out(self) -> Report:
        driver, kernel, progress = self._options.driver, self._kernel, self._progress
        progress.say(f"{driver.name} {driver.version} for {_words(kernel)}")
        with Partial(self._place / self._name) as partial:
            source = self._find(partial) or self._have_built(partial)
            self._verify(partial, source)
            with progress.phase("unpack"):
                modules = self._unpack(partial)
        progress.say(f"ready: {', '.join(module.path for module in modules)}")
        return Report(
            driver=driver,
            kernel=kernel,
            package=self._name,
            url=source.url,
            sha256=partial.sha256,
            sha256_from=source.sha256_from,
            found_at_once=source.found_at_once,
            modules=modules,
            seconds={**progress.seconds, "total": round(progress.elapsed(), 3)},
        )

    def _find(self, partial: Partial) -> _Source | None:
        options, say = self._options, self._progress.say
        url = download_url(options.server_url, options.repository, self._tag, self._name)
        with self._progress.phase("find"), self._progress.waiting(f"looking for {self._name}"):
            found = patiently(lambda: partial.download(url), self._deadline, say)
        if not found:
            say(f"{self._name} is not there yet")
            return None
        say(f"{self._name} found at once, {partial.size} bytes")
        bot = Bot(options.bot_url, options.token)
        with self._progress.phase("verify"):
            sha256, said_by = expected_sha256(
                options, bot, self._kernel, self._deadline, self._progress
            )
        return _Source(url, sha256, said_by, found_at_once=True)

    def _have_built(self, partial: Partial) -> _Source:
        options, say = self._options, self._progress.say
        bot = Bot(options.bot_url, options.token)
        with self._progress.phase("build"):
            version = options.driver.version
            package = build(bot, self._kernel, version, self._deadline, self._progress)
            package = require_ours(package, options, self._kernel)
        say(f"built: {package.url}")
        with self._progress.phase("download"), self._progress.waiting("downloading"):
            token = options.token if package.url.startswith(f"{options.bot_url}/") else None
            patiently(lambda: _download_known(partial, package.url, token), self._deadline, say)
        return _Source(package.url, package.sha256, "bot", found_at_once=False)

    def _verify(self, partial: Partial, source: _Source) -> None:
        if source.sha256 not in {None, partial.sha256}:
            message = f"{source.url} has sha256 {partial.sha256}, but the {source.sha256_from}"
            raise NotVerified(f"{message} says {source.sha256}")
        if source.sha256:
            self._progress.say(f"sha256 {partial.sha256} is what the {source.sha256_from} says")

    def _unpack(self, partial: Partial) -> list[InstalledModule]:
        """Put modules and package in their places, after all of them were checked."""
        modules = modules_of(partial.path, self._name)
        vermagics = {path: self._check(path, content) for path, content in modules.items()}
        with ExitStack() as stack:
            waiting = []
            for path, content in modules.items():
                module = stack.enter_context(Partial(self._place / path))
                module.write(content)
                waiting.append((path, module))
            kept = [InstalledModule(str(part.keep()), vermagics[path]) for path, part in waiting]
            partial.keep()
        return kept

    def _check(self, path: str, content: bytes) -> str:
        try:
            return check_module(content, self._kernel.release, self._kernel.architecture)
        except NotVerified as error:
            raise NotVerified(f"{path}: {error}") from error


def _download_known(partial: Partial, url: str, token: str | None) -> None:
    # GitHub's public address may lag behind the release by a moment.
    if not partial.download(url, token):
        raise TransientError(f"{url} answered 404")


def _words(kernel: Kernel) -> str:
    system = f"{kernel.distribution} {kernel.distro_version} {kernel.architecture}"
    return f"{system}, kernel {kernel.release}"
