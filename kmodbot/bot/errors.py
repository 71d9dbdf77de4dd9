"""Errors that become an answer of the HTTP API."""

from __future__ import annotations

from http import HTTPStatus


class ApiError(Exception):
    """An answer other than success.

    ``code`` is a stable word for programs, ``message`` a sentence for people that says what to do,
    ``field`` the offending field of the request, ``retry_after`` the seconds until another try may
    help.
    """

    def __init__(
        self,
        status: HTTPStatus,
        code: str,
        message: str,
        *,
        field: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.retry_after = retry_after

    def body(self) -> dict[str, dict[str, str]]:
        """Return the error envelope of the API."""
        error = {"code": self.code, "message": self.message}
        if self.field is not None:
            error["field"] = self.field
        return {"error": error}


def invalid_field(field: str, message: str) -> ApiError:
    """Say that a field of the request does not have the form it must have."""
    return ApiError(HTTPStatus.BAD_REQUEST, "invalid_field", message, field=field)
