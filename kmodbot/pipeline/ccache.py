"""Objects kept between builds by ccache, where it is installed.

Builds run in work directories with names of their own, so paths are left out of what ccache
compares: those below the work directory become relative, and the directory a compiler is started
in does not count. `paths.py` gives both spellings the same name in what the compiler writes.
https://ccache.dev/manual/4.7.5.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import find_program

if TYPE_CHECKING:
    from pathlib import Path

    from kmodbot.pipeline.phases import Log


@dataclass(frozen=True)
class CompilerCache:
    """ccache with its objects in `directory`, for builds below `work`."""

    program: str
    directory: Path
    work: Path

    @property
    def environment(self) -> dict[str, str]:
        """What ccache is told; nothing of a user's own settings applies."""
        return {
            "CCACHE_CONFIGPATH": "/dev/null",
            "CCACHE_DIR": str(self.directory),
            "CCACHE_MAXSIZE": "1G",
            "CCACHE_BASEDIR": str(self.work),
            "CCACHE_NOHASHDIR": "1",
            "CCACHE_COMPILERCHECK": "content",
            # The compiler itself lists what it read. Without it every miss is preprocessed
            # twice, and the two spellings of a path could be told apart in the debug data.
            "CCACHE_DEPEND": "1",
            # Headers were unpacked a moment ago, and nobody changes them during the build.
            "CCACHE_SLOPPINESS": "include_file_ctime,include_file_mtime",
            "CCACHE_STATSLOG": str(self._statistics),
        }

    @property
    def _statistics(self) -> Path:
        return self.work / "ccache.log"

    def report(self, log: Log) -> None:
        """Log how much was found in the cache."""
        if self._statistics.exists():
            words = self._statistics.read_text(encoding="utf-8").split()
            hits = words.count("direct_cache_hit") + words.count("preprocessed_cache_hit")
            log.line(f"compile: ccache: {hits} found, {words.count('cache_miss')} compiled")


def find_ccache(cache: Path, work: Path) -> CompilerCache | None:
    """Return the cache of compiled objects below `cache`, or None where ccache is missing."""
    program = find_program("ccache")
    return CompilerCache(program, cache.resolve() / "ccache", work) if program else None
