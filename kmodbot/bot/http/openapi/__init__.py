"""``GET /openapi.json``: the API's description of itself, in OpenAPI 3.1.

https://spec.openapis.org/oas/v3.1.1.html
"""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

from aiohttp import web

from kmodbot.bot.http.openapi.paths import PATHS
from kmodbot.bot.http.openapi.schemas import SCHEMAS


def document() -> dict[str, Any]:
    """Return the description of every call."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kmodbot",
            "version": version("kmodbot"),
            "description": "Builds kernel drivers for the kernels a fleet really boots.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": PATHS,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "an API token, or a token of a configured issuer; not asked "
                    "for where neither is configured",
                }
            },
        },
    }


_DOCUMENT = json.dumps(document()).encode()


async def describe(_request: web.Request) -> web.Response:
    """Answer with the description."""
    return web.Response(body=_DOCUMENT, content_type="application/json", charset="utf-8")
