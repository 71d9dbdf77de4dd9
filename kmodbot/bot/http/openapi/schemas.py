"""The forms of what is sent and answered."""

from __future__ import annotations

from typing import Any, Final

from kmodbot.bot.build import Phase
from kmodbot.kernels import SUPPORTED

Schema = dict[str, Any]


def text(description: str = "", **more: Any) -> Schema:
    """Return the form of a string."""
    return {"type": "string", **({"description": description} if description else {}), **more}


def record(properties: Schema, *, optional: tuple[str, ...] = ()) -> Schema:
    """Return the form of an object that has these members and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def ref(name: str) -> Schema:
    """Return a reference to one of the forms below."""
    return {"$ref": f"#/components/schemas/{name}"}


def _or_null(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


_MOMENT: Final = text(format="date-time")
_SHA256: Final = text(pattern="^[0-9a-f]{64}$")
_BUILD_ID: Final = text(pattern="^[a-z0-9]{4,64}$")
_WHOLE: Final[Schema] = {"type": "integer", "minimum": 0}
# An address of GitHub, or one below the bot's own.
_URL: Final = text(format="uri-reference")
_KERNEL: Final[Schema] = {
    "kernel_version": text("the kernel release, exactly what uname -r prints", maxLength=128),
    "architecture": text(enum=["x86_64", "aarch64"]),
    "distribution": text(enum=sorted(SUPPORTED)),
    "distro_version": text(enum=sorted({v for all_ in SUPPORTED.values() for v in all_})),
}
_ERROR: Final = record(
    {
        "code": text("a stable word for programs"),
        "message": text("a sentence for people that says what to do"),
        "field": text("the field of the request that is at fault"),
        "build_id": _BUILD_ID,
        "run_url": _or_null(_URL),
        "retry_after": {"type": "integer", "minimum": 1},
    },
    optional=("field", "build_id", "run_url", "retry_after"),
)
_LOOK: Final = record(
    {
        "at": _MOMENT,
        "kernels": _WHOLE,
        "new": {"type": "array", "items": text()},
        "unknown": {"type": "array", "items": text()},
        "refused": _or_null(text()),
    }
)

SCHEMAS: Final[dict[str, Schema]] = {
    "BuildRequest": record(
        {
            **_KERNEL,
            "architecture": text(enum=["x86_64", "aarch64", "amd64", "arm64"]),
            "distro_version": {
                **_or_null(_KERNEL["distro_version"]),
                "enum": [*_KERNEL["distro_version"]["enum"], None],
                "description": "may be left out where the kernel release decides it",
            },
            "driver_version": text("a git tag of the driver's repository", maxLength=64),
            "force": {
                "type": "boolean",
                "description": "for operators: build although the last build failed lately",
            },
        },
        optional=("distro_version", "force"),
    ),
    "Package": record(
        {
            "message": text(enum=["package exists"]),
            "status": text(enum=["done"]),
            "package": text(),
            "url": _URL,
            "sha256": _SHA256,
        }
    ),
    "Accepted": record(
        {
            "message": text(enum=["workflow dispatched", "build in progress"]),
            "build_id": _BUILD_ID,
            "status_url": text(format="uri-reference"),
        }
    ),
    "Status": record(
        {
            "status": text(enum=sorted({phase.status for phase in Phase})),
            "phase": text(enum=sorted(Phase)),
            "kernel": record(_KERNEL),
            "driver_version": text(),
            "run_url": _or_null(_URL),
            "package": _or_null(text()),
            "url": _or_null(_URL),
            "sha256": _or_null(_SHA256),
            "error": _or_null(text()),
        }
    ),
    "Message": record({"message": text()}),
    "Healthy": record({"status": text(enum=["ok"])}),
    "Ready": record(
        {
            "status": text(enum=["ready"]),
            "checks": {"type": "object", "additionalProperties": text()},
        }
    ),
    "NotReady": record(
        {
            "error": ref("ErrorBody"),
            "status": text(enum=["not ready"]),
            "checks": {"type": "object", "additionalProperties": text()},
        }
    ),
    "Discoveries": record(
        {
            "last_look": {"anyOf": [_LOOK, {"type": "null"}]},
            "kernels": {
                "type": "array",
                "items": record(
                    {
                        **_KERNEL,
                        "sources": {"type": "array", "items": text()},
                        "devel": text(enum=["present", "missing"]),
                        "first_seen_at": _MOMENT,
                        "last_seen_at": _MOMENT,
                        "handled": {"type": "boolean"},
                    }
                ),
            },
        }
    ),
    "Audit": record(
        {
            "rows": {
                "type": "array",
                "items": record(
                    {
                        "id": _WHOLE,
                        "at": _MOMENT,
                        **{
                            name: text()
                            for name in ("caller", "action", "subject", "outcome", "detail")
                        },
                    }
                ),
            },
            "next": _or_null(_WHOLE),
        }
    ),
    "ErrorBody": _ERROR,
    "Error": record({"error": ref("ErrorBody")}),
}
