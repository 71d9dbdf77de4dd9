"""Refusals, in the shapes GitHub gives them."""

from __future__ import annotations

from typing import Any

DOCUMENTATION_URL = "https://docs.github.com/rest"


class Refusal(Exception):
    """An answer other than success: an HTTP status and a JSON body.

    https://docs.github.com/rest/using-the-rest-api/troubleshooting-the-rest-api
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        errors: list[dict[str, str]] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return the JSON body, with `errors` only when there are any."""
        body: dict[str, Any] = {"message": self.message}
        if self.errors:
            body["errors"] = self.errors
        return body | {"documentation_url": DOCUMENTATION_URL, "status": str(self.status)}


def not_found() -> Refusal:
    """Return the answer for what does not exist or may not be seen."""
    return Refusal(404, "Not Found")


def bad_credentials() -> Refusal:
    """Return the answer to an unknown, revoked or expired token."""
    return Refusal(401, "Bad credentials")


def unprocessable(message: str) -> Refusal:
    """Return a 422 whose message says everything."""
    return Refusal(422, message)


def invalid_request(detail: str) -> Refusal:
    """Return the 422 for a body that breaks the endpoint's schema."""
    return Refusal(422, f"Invalid request.\n\n{detail}")


def validation_failed(resource: str, code: str, *, field: str = "", message: str = "") -> Refusal:
    """Return a 422 that names one field of `resource`.

    `code` is one of `missing`, `missing_field`, `invalid`, `already_exists`, `custom`.
    """
    error = {"resource": resource, "code": code}
    if field:
        error["field"] = field
    if message:
        error["message"] = message
    return Refusal(422, "Validation Failed", errors=[error])
