"""The log: one line for each event, with the ids of what it is about, and without secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from kmodbot.bot.choices import LogFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import TextIO

    from kmodbot.bot.choices import LogLevel

_bound: ContextVar[dict[str, object]] = ContextVar("bound", default={})  # noqa: B039  # never changed
# What looks like a secret, wherever it comes from.
_SECRETS = (
    # GitHub's tokens, and ours.
    # https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github
    r"\b(?:gh[opsur]|github_pat|kmb)_[A-Za-z0-9_.-]+",
    # JSON Web Tokens.
    r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*",
    # What an Authorization header carries.
    r"(?i:(?<=\bbearer )|(?<=authorization: token ))[A-Za-z0-9_.~+/=-]{8,}",
    # Keys in PEM, whole or cut off.
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*-----|\Z)",
    # A name and password in an address, and the query of a signed one.
    r"(?<=://)[^\s/@'\"]+:[^\s/@'\"]*(?=@)",
    r"(?<=\?)(?=[^\s'\"<>]*(?i:sig|signature|jwt|token)=)[^\s'\"<>]+",
)
_SECRET = re.compile("|".join(_SECRETS))
_GONE = "***"


@contextmanager
def bind(**ids: object) -> Iterator[None]:
    """Let every line that is logged inside the block carry these ids.

    The names in use are ``delivery``, ``build`` and ``run``; an id that is None is not known. Tasks
    that are started inside the block keep them.
    """
    token = _bound.set(_with(ids))
    try:
        yield
    finally:
        _bound.reset(token)


def note(**ids: object) -> None:
    """Let the lines from here on carry these ids, to the end of the block of :func:`bind` or task.

    For ids that become known on the way: an error that ends the block is logged with them.
    """
    _bound.set(_with(ids))


def _with(ids: Mapping[str, object]) -> dict[str, object]:
    return _bound.get() | {name: value for name, value in ids.items() if value is not None}


def redact(text: str) -> str:
    """Return a text without what looks like a secret."""
    return _SECRET.sub(_GONE, text)


def configure(form: LogFormat, level: LogLevel, stream: TextIO | None = None) -> None:
    """Send the log of this process to ``stream``, standard error by default."""
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if is_json(form, stream) else Console())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # What libraries tell of every statement drowns what the bot tells.
    for library in ("aiosqlite", "asyncio"):
        logging.getLogger(library).setLevel(max(logging.INFO, logging.getLogger().level))
    logging.getLogger("aiohttp.server").addFilter(_is_our_concern)
    logging.captureWarnings(capture=True)


def is_json(form: LogFormat, stream: TextIO) -> bool:
    """Tell whether the lines on ``stream`` are for programs."""
    return form is LogFormat.JSON or (form is LogFormat.AUTO and not stream.isatty())


def _is_our_concern(record: logging.LogRecord) -> bool:
    # Whoever sends what is no HTTP is told so; a traceback of it would help nobody.
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, (HttpProcessingError, RequestPayloadError))


class _Formatter(logging.Formatter):
    def parts(self, record: logging.LogRecord) -> tuple[str, dict[str, object], str]:
        """Return the message, the ids bound to it and the traceback, all without secrets."""
        trace = self.formatException(record.exc_info) if record.exc_info else ""
        ids = {
            name: redact(value) if isinstance(value, str) else value
            for name, value in _bound.get().items()
        }
        return redact(record.getMessage()), ids, redact(trace)


class JsonLines(_Formatter):
    """A JSON object on each line: time, level, logger, message, the bound ids, exception."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        message, ids, trace = self.parts(record)
        line: dict[str, Any] = {
            "time": _moment(record).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message,
            **ids,
        }
        if trace:
            line["exception"] = trace
        return json.dumps(line, default=str)


class Console(_Formatter):
    """A line for people; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line of a record."""
        message, ids, trace = self.parts(record)
        when = _moment(record).astimezone().strftime("%H:%M:%S")
        known = "".join(f" {name}={value}" for name, value in ids.items())
        # One event is one line, whatever somebody sent.
        text = message.replace("\r", "\\r").replace("\n", "\\n")
        return f"{when} {record.levelname:<7} {text}{known}" + (f"\n{trace}" if trace else "")


def _moment(record: logging.LogRecord) -> datetime:
    return datetime.fromtimestamp(record.created, UTC)
