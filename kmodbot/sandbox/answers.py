"""Successful answers: JSON, pages of lists, ETags."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from yarl import URL

    from kmodbot.sandbox.auth import Actor

Item = TypeVar("Item")
PER_PAGE: Final = 30
# How old a run must be to be in a list, where that is not at once.
LAG: Final = web.RequestKey("LAG", timedelta)
MOST_PER_PAGE: Final = 100


def answer(document: Any, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON answer."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return web.Response(
        text=text, status=status, content_type="application/json", headers=headers, charset="utf-8"
    )


def nothing(status: int = 204) -> web.Response:
    """Return an answer without a body."""
    return web.Response(status=status)


def per_page(request: web.Request) -> int:
    """Return the asked-for page size."""
    return min(max(_number(request, "per_page", PER_PAGE), 1), MOST_PER_PAGE)


def page(
    request: web.Request,
    items: Sequence[Item],
    render: Callable[[Item], Any],
    *,
    wrap: str | None = None,
) -> web.Response:
    """Return one page of `items`; with `wrap`, inside an object with `total_count`.

    https://docs.github.com/rest/using-the-rest-api/using-pagination-in-the-rest-api
    """
    size = per_page(request)
    number = max(_number(request, "page", 1), 1)
    rendered = [render(item) for item in items[(number - 1) * size : number * size]]
    document = {"total_count": len(items), wrap: rendered} if wrap else rendered
    last = max(1, -(-len(items) // size))
    return answer(document, headers=_page_links(request.url, number, last))


def link(relations: dict[str, URL]) -> dict[str, str]:
    """Return the Link header for these relations, nothing for none."""
    value = ", ".join(f'<{url}>; rel="{name}"' for name, url in relations.items())
    return {"Link": value} if value else {}


def with_etag(request: web.Request, response: web.Response, actor: Actor) -> web.Response:
    """Add an ETag, or return 304 when the caller has this answer already.

    The tag depends on the token, so it is worthless with another one.
    https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
    """
    if request.method != "GET" or response.status != HTTPStatus.OK or response.body is None:
        return response
    seed = (actor.token, request.headers.get("Accept", ""), response.headers.get("Link", ""))
    digest = hashlib.sha256("\n".join(seed).encode())
    digest.update(response.body if isinstance(response.body, bytes) else b"")
    tag = f'W/"{digest.hexdigest()}"'
    scope = "private" if actor.kind else "public"
    headers = {
        "ETag": tag,
        "Cache-Control": f"{scope}, max-age=60, s-maxage=60",
        "Vary": "Accept, Authorization, Cookie, X-GitHub-OTP",
    }
    if tag.removeprefix("W/") in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    response.headers.update(headers)
    return response


def _page_links(url: URL, number: int, last: int) -> dict[str, str]:
    pages: dict[str, int] = {}
    if number > 1:
        pages |= {"prev": number - 1, "first": 1}
    if number < last:
        pages |= {"next": number + 1, "last": last}
    return link({name: url.update_query(page=str(target)) for name, target in pages.items()})


def _number(request: web.Request, name: str, default: int) -> int:
    value = request.query.get(name, "")
    return int(value) if value.isdecimal() else default
