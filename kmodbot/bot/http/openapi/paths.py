"""The calls and their answers."""

from __future__ import annotations

from typing import Any, Final

from kmodbot.bot.http.openapi.schemas import Schema, ref, text

_JSON = "application/json"
_ERRORS: Final = {
    400: "a field, header or the body does not have the form it must have",
    401: "no credentials, or some that do not hold",
    403: "the caller may not do this",
    404: "there is no such thing",
    408: "the body did not arrive in time",
    409: "the last build failed lately; `retry_after` says when it may be asked for again",
    413: "the body is too large",
    415: "the body is not declared as application/json",
    429: "the caller starts too many builds, or makes the bot ask GitHub too much",
    503: "GitHub, the store or an issuer cannot be used now, or too many builds are in flight",
}
_LATER: Final = {409, 429, 503}


def _header(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "required": True, "schema": schema}


def _answer(description: str, schema: str, **more: Any) -> dict[str, Any]:
    return {"description": description, "content": {_JSON: {"schema": ref(schema)}}, **more}


def _errors(*statuses: int) -> dict[str, Any]:
    answers = {str(status): _answer(_ERRORS[status], "Error") for status in statuses}
    for status in _LATER & set(statuses):
        seconds = _header("seconds to wait", {"type": "integer", "minimum": 1})
        answers[str(status)]["headers"] = {"Retry-After": seconds}
    return answers


def _parameter(where: str, name: str, schema: Schema, *, required: bool = False) -> Schema:
    return {"in": where, "name": name, "required": required or where == "path", "schema": schema}


def _whole(most: int) -> Schema:
    return {"type": "integer", "minimum": 1, "maximum": most}


# Who does not say who they are learns nothing else; an issuer may be away.
_CALLER: Final = (401, 403, 503)
_OPEN: Final[dict[str, Any]] = {"security": []}

_EXAMPLES: Final = {
    name: {"value": {"distribution": name, "driver_version": "v0.1.0"} | kernel}
    for name, kernel in {
        "debian": {
            "kernel_version": "6.1.0-38-amd64",
            "architecture": "x86_64",
            "distro_version": "12",
        },
        "ubuntu": {
            "kernel_version": "6.8.0-79-generic",
            "architecture": "arm64",
            "distro_version": "24.04",
        },
        "fedora": {"kernel_version": "6.14.0-100.fc42.x86_64", "architecture": "x86_64"},
    }.items()
}

PATHS: Final[dict[str, Any]] = {
    "/build": {
        "post": {
            "operationId": "requestBuild",
            "summary": "Ask for the driver for one kernel",
            "requestBody": {
                "required": True,
                "content": {_JSON: {"schema": ref("BuildRequest"), "examples": _EXAMPLES}},
            },
            "responses": {
                "200": _answer("a release holds the package", "Package"),
                "202": _answer("the build that makes it", "Accepted")
                | {
                    "links": {
                        "status": {
                            "operationId": "buildStatus",
                            "parameters": {"build_id": "$response.body#/build_id"},
                        }
                    }
                },
                **_errors(400, 408, 409, 413, 415, 429, *_CALLER),
            },
        }
    },
    "/status/{build_id}": {
        "get": {
            "operationId": "buildStatus",
            "summary": "How far a build is",
            "parameters": [
                _parameter("path", "build_id", text(minLength=1)),
                _parameter("query", "wait", {"type": "integer", "minimum": 0, "maximum": 60}),
            ],
            "responses": {
                "200": _answer("the state of the build", "Status"),
                **_errors(400, 404, *_CALLER),
            },
        }
    },
    "/packages/{tag}/{name}": {
        "get": {
            "operationId": "fetchPackage",
            "summary": "A package of a private repository",
            "parameters": [
                _parameter("path", "tag", text(minLength=1)),
                _parameter("path", "name", text(minLength=1)),
            ],
            "responses": {
                "200": {
                    "description": "the package itself",
                    "headers": {"Cache-Control": _header("not to be kept", text())},
                    "content": {"application/octet-stream": {}},
                },
                "302": {
                    "description": "where the package can be fetched for a short while",
                    "headers": {
                        "Location": _header("an address that GitHub signed", text()),
                        "Cache-Control": _header("not to be kept", text()),
                    },
                },
                **_errors(404, 429, *_CALLER),
            },
        }
    },
    "/webhooks/github": {
        "post": {
            "operationId": "receiveDelivery",
            "summary": "GitHub tells that something happened",
            **_OPEN,
            "parameters": [
                _parameter("header", "X-Hub-Signature-256", text(), required=True),
                _parameter("header", "X-GitHub-Event", text(), required=True),
                _parameter("header", "X-GitHub-Delivery", text(), required=True),
            ],
            "requestBody": {
                "required": True,
                "content": {_JSON: {"schema": {"type": "object"}}},
            },
            "responses": {
                "202": _answer("stored, or of no interest", "Message"),
                **_errors(400, 401, 408, 413, 415, 503),
            },
        }
    },
    "/discoveries": {
        "get": {
            "operationId": "listDiscoveries",
            "summary": "The kernels that discovery has seen",
            "responses": {
                "200": _answer("all of them, and the last look", "Discoveries"),
                **_errors(*_CALLER),
            },
        }
    },
    "/audit": {
        "get": {
            "operationId": "listAudit",
            "summary": "Who changed what, the newest first; for operators",
            "parameters": [
                _parameter("query", "limit", _whole(1000)),
                _parameter("query", "before", _whole(2**63 - 1)),
            ],
            "responses": {"200": _answer("one page", "Audit"), **_errors(400, *_CALLER)},
        }
    },
    "/healthz": {
        "get": {
            "operationId": "health",
            "summary": "Is the process alive?",
            **_OPEN,
            "responses": {"200": _answer("it is", "Healthy")},
        }
    },
    "/readyz": {
        "get": {
            "operationId": "readiness",
            "summary": "Can the bot do its work?",
            **_OPEN,
            "responses": {
                "200": _answer("it can", "Ready"),
                "503": _answer("it cannot; the message names the parts that fail", "NotReady"),
            },
        }
    },
    "/metrics": {
        "get": {
            "operationId": "metrics",
            "summary": "Numbers for Prometheus",
            "responses": {
                "200": {
                    "description": "in Prometheus's text format",
                    "content": {"text/plain": {"schema": {"type": "string"}}},
                },
                **_errors(*_CALLER),
            },
        }
    },
    "/openapi.json": {
        "get": {
            "operationId": "describe",
            "summary": "This description",
            **_OPEN,
            "responses": {
                "200": {
                    "description": "OpenAPI 3.1",
                    "content": {_JSON: {"schema": {"type": "object"}}},
                }
            },
        }
    },
}
