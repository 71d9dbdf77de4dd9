"""Who can tell the SHA-256 of a package that was found at once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlsplit

from kmodbot.kernels import download_url, package_name, release_tag

from . import web
from .bot import Bot, Package, build
from .failures import Failure, NotVerified
from .patience import Deadline, patiently

if TYPE_CHECKING:
    from kmodbot.kernels import Kernel

    from .options import Options
    from .progress import Progress

_PATIENCE = 15.0
_PREFIX = "sha256:"
_ADVICE = "does --repository/--driver match the bot's GITHUB_REPOSITORY/KMODBOT_DRIVER?"


def expected_sha256(
    options: Options, bot: Bot, kernel: Kernel, deadline: Deadline, progress: Progress
) -> tuple[str | None, str | None]:
    """Return the SHA-256 a package must have and who said so (``bot`` or ``release``).

    The bot is asked first, then GitHub. Raises NotVerified when neither knows, unless packages
    that nobody vouches for are allowed: then both are None.
    """
    name = package_name(options.driver, kernel)
    try:
        soon = deadline.within(_PATIENCE)
        package = build(bot, kernel, options.driver.version, soon, progress)
        return require_ours(package, options, kernel).sha256, "bot"
    except Failure as failure:
        progress.say(f"sha256: {failure}; asking GitHub")
    try:
        soon = deadline.within(_PATIENCE)
        tag = release_tag(options.driver.version, kernel)
        return _of_release(options, tag, name, soon, progress), "release"
    except Failure as failure:
        if options.allow_unverified:
            progress.say(f"sha256: {failure}; going on unverified, as allowed")
            return None, None
        message = f"nobody can tell the sha256 of {name} ({failure}); try again later"
        raise NotVerified(f"{message} or give --allow-unverified") from failure


def require_ours(package: Package, options: Options, kernel: Kernel) -> Package:
    """Return the package; NotVerified unless it is the one of the driver's own release.

    The packages of a private repository come through the bot, at the address the node knows it by.
    """
    name, tag = package_name(options.driver, kernel), release_tag(options.driver.version, kernel)
    if package.name == name and _path(package.url)[-3:] == ["packages", tag, name]:
        return Package(name, _through_bot(options.bot_url, tag, name), package.sha256)
    url = download_url(options.server_url, options.repository, tag, name)
    for wanted, got, same in (
        (name, package.name, package.name == name),
        (url, package.url, _place(package.url) == _place(url)),
    ):
        if not same:
            raise NotVerified(f"the bot answered with {got[:300]!a} instead of {wanted}; {_ADVICE}")
    return package


def _place(url: str) -> tuple[object, ...]:
    """Return what tells the asset at an address from others, empty for what is no address.

    GitHub does not tell capitals from small letters in owner and name.
    """
    try:
        parts = urlsplit(url)
        server = (parts.hostname, parts.port)
    except ValueError:
        return ()
    path = _path(url)
    return (*server, [part.lower() for part in path[:-4]], path[-4:])


def _path(url: str) -> list[str]:
    try:
        return [unquote(part) for part in urlsplit(url).path.split("/")]
    except ValueError:
        return []


def _through_bot(bot_url: str, tag: str, name: str) -> str:
    return f"{bot_url}/packages/{quote(tag, safe='')}/{quote(name, safe='')}"


def _of_release(
    options: Options, tag: str, name: str, deadline: Deadline, progress: Progress
) -> str:
    """Return the digest GitHub computed when the package was uploaded.

    https://docs.github.com/en/rest/releases/releases#get-a-release-by-tag-name
    """
    url = f"{options.api_url}/repos/{options.repository}/releases/tags/{quote(tag, safe='')}"
    request = web.request(url, accept="application/vnd.github+json")
    release = patiently(lambda: web.call(request, _PATIENCE), deadline, progress.say).json()
    assets = release.get("assets")
    for asset in assets if isinstance(assets, list) else []:
        if isinstance(asset, dict) and asset.get("name") == name:
            digest = asset.get("digest")
            if isinstance(digest, str) and digest.startswith(_PREFIX):
                return digest[len(_PREFIX) :]
    raise NotVerified(f"release {tag} has no digest of {name}")
