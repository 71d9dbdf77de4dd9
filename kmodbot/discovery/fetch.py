"""Files of repositories over HTTP or from the disk, kept in a cache and fetched once.

Small documents are asked for again with their ETag and Last-Modified; large files are kept under
their checksum, so that one already held is never asked for.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import unquote, urlsplit

import aiohttp
from cachetools import TTLCache

from .cache import Cache, Copy
from .fetch_errors import FetchError, Missing, Passing, raise_for_status
from .progress import Silent
from .rpmmd.digests import Check

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from .progress import Progress
    from .rpmmd import Item

T = TypeVar("T")

_TRIES = 4
_LONGEST_PAUSE = 60.0
_DOWN_SECONDS = 300.0
# Long enough for one run, in which the same index may be looked at twice.
_FRESH_SECONDS = 30.0
_FRESH_BYTES = 32 << 20
_PIECE = 1 << 16
#: The most a mirror list, metalink or index may have, in bytes; real ones have a few thousand.
MAX_SMALL = 8 << 20
#: The most a metadata file may have, in bytes, whatever its index states.
MAX_LARGE = 1 << 30


class Fetcher:
    """Fetches with one connection per host, retries, and a cache below ``directory``.

    Without a directory the cache lasts as long as the fetcher. ``pause`` waits between tries.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        progress: Progress | None = None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._progress = progress or Silent()
        self._pause = pause
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if directory is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="kmodbot-")
            directory = Path(self._temporary.name)
        self._cache = Cache(directory)
        # A mirror that is down costs its tries once, not once for each file.
        self._down: TTLCache[str, str] = TTLCache(maxsize=256, ttl=_DOWN_SECONDS)
        self._fresh: TTLCache[str, bytes] = TTLCache(_FRESH_BYTES, _FRESH_SECONDS, getsizeof=len)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit_per_host=1),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=30),
            headers={"User-Agent": "kmodbot", "Accept-Encoding": "identity"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        self._cache.prune()
        if self._temporary is not None:
            self._temporary.cleanup()

    async def small(self, url: str) -> bytes:
        """Return a document of at most ``MAX_SMALL`` bytes.

        Raises ``Missing`` when there is none, else ``FetchError``.
        """
        if url.startswith("file:"):
            return await asyncio.to_thread(_read, url)
        body = self._fresh.get(url)
        if body is None:
            body = self._fresh[url] = await self._retried(url, lambda: self._document(url))
        return body

    async def large(self, item: Item) -> Path:
        """Return the path of a metadata file; from the network its size and checksum are checked.

        Raises ``Missing`` when there is none, ``FetchError``, or ``MetadataError`` when what came
        is not what ``item`` states.
        """
        if item.url.startswith("file:"):
            return _local(item.url)
        path = self._cache.file(item.checksum)
        if path.is_file():
            os.utime(path)
        else:
            await self._retried(item.url, lambda: self._download(item, path))
        return path

    def forget(self, item: Item) -> None:
        """Remove the copy of a metadata file, so that it will be fetched anew."""
        self._cache.file(item.checksum).unlink(missing_ok=True)

    def holds(self, item: Item) -> bool:
        """Tell whether a metadata file would come from the cache."""
        return not item.url.startswith("file:") and self._cache.file(item.checksum).is_file()

    async def _retried(self, url: str, attempt: Callable[[], Awaitable[T]]) -> T:
        host = urlsplit(url).netloc
        if host in self._down:
            raise FetchError(url, f"not tried, {host} failed a moment ago: {self._down[host]}")
        for number in range(_TRIES):
            try:
                return await attempt()
            except Passing as error:
                reason = error.reason
                if number + 1 < _TRIES:
                    wanted = 0.5 * 4**number if error.pause is None else error.pause
                    await self._pause(min(wanted, _LONGEST_PAUSE))
        self._down[host] = reason
        raise FetchError(url, f"{reason} ({_TRIES} tries)")

    async def _document(self, url: str) -> bytes:
        copy = self._cache.document(url)
        async with self._get(url, copy) as response:
            if response.status == 304 and copy is not None:
                return copy.body
            body = bytearray()
            async for piece in response.content.iter_chunked(_PIECE):
                body += piece
                if len(body) > MAX_SMALL:
                    raise FetchError(url, f"is longer than {MAX_SMALL} bytes")
            self._cache.keep_document(url, bytes(body), response.headers)
            return bytes(body)

    async def _download(self, item: Item, path: Path) -> None:
        check = Check(item.url, item.checksum, MAX_LARGE if item.size is None else item.size)
        name = item.url.rpartition("/")[2]
        with self._cache.writing(path) as file, self._progress.transfer(name, item.size) as came:
            async with self._get(item.url, None) as response:
                async for piece in response.content.iter_chunked(_PIECE):
                    check.update(piece)
                    file.write(piece)
                    came(len(piece))
            check.finish()

    @asynccontextmanager
    async def _get(self, url: str, copy: Copy | None) -> AsyncIterator[aiohttp.ClientResponse]:
        if self._session is None:
            raise RuntimeError("a Fetcher works inside `async with`")
        headers = copy.conditions if copy is not None else {}
        try:
            async with self._session.get(url, headers=headers, max_redirects=5) as response:
                if url.startswith("https:") and response.url.scheme != "https":
                    raise FetchError(url, "redirects to a URL that is not https")
                raise_for_status(url, response.status, response.headers)
                yield response
        except (aiohttp.InvalidURL, aiohttp.TooManyRedirects) as error:
            raise FetchError(url, f"cannot be followed: {error}") from None
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Passing(url, f"{error or 'no answer in time'}") from None


def _local(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise FetchError(url, "names another host; expected file:///path")
    path = Path(unquote(parts.path))
    if not path.is_file():
        raise Missing(url, "no such file")
    return path


def _read(url: str) -> bytes:
    with _local(url).open("rb") as file:
        body = file.read(MAX_SMALL + 1)
    if len(body) > MAX_SMALL:
        raise FetchError(url, f"is longer than {MAX_SMALL} bytes")
    return body
