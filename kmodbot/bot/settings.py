"""What the operator configures, read once from the environment."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from yarl import URL

from kmodbot.bot.actions import Action
from kmodbot.bot.secrets import Secret
from kmodbot.discovery.al2023 import RepositorySpec, Unfit
from kmodbot.kernels import InvalidInput, parse_driver_name, parse_repository

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")


class SettingsError(Exception):
    """The configuration cannot be used; ``problems`` has one sentence per setting."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclass(frozen=True)
class Settings:
    """The configuration of one bot. Every field is described in ``docs/configuration.md``."""

    app_id: str
    private_key: Secret
    webhook_secrets: tuple[Secret, ...]
    repository: str
    driver: str
    workflow: str = "driver-build.yml"
    host: str = "127.0.0.1"
    port: int = 8080
    database_url: str = "sqlite+aiosqlite:///kmodbot.db"
    api_url: str = "https://api.github.com"
    api_tokens: tuple[Secret, ...] = ()
    allow_unauthenticated: bool = False
    reconcile_seconds: float = 30.0
    index_seconds: float = 60.0
    claim_seconds: float = 30.0
    build_seconds: float = 7200.0
    lag_seconds: float = 120.0
    discovery: Action = Action.REPORT
    discovery_repositories: tuple[str, ...] = ()
    discovery_seconds: float = 86400.0
    discovery_shrink: float = 0.1

    @property
    def workflow_path(self) -> str:
        """Where the build workflow lies in the driver's repository."""
        return f".github/workflows/{self.workflow}"

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings.

        Raises:
            SettingsError: naming every setting that is missing or wrong, not only the first.

        """
        read = _Reader(environ)
        values = {
            "app_id": read("GITHUB_APP_ID", _app_id),
            "private_key": read(*read.private_key()),
            "webhook_secrets": read("GITHUB_WEBHOOK_SECRET", _secrets),
            "repository": read("GITHUB_REPOSITORY", parse_repository),
            "driver": read("KMODBOT_DRIVER", parse_driver_name),
            "workflow": read("KMODBOT_WORKFLOW", _workflow, cls.workflow),
            "host": read("HOST", str, cls.host),
            "port": read("PORT", _port, cls.port),
            "database_url": read("DATABASE_URL", _database_url, cls.database_url),
            "api_url": read("GITHUB_API_URL", _http_url, cls.api_url),
            "api_tokens": read("KMODBOT_API_TOKENS", _secrets, cls.api_tokens),
            "allow_unauthenticated": read("KMODBOT_ALLOW_UNAUTHENTICATED", _yes_or_no, False),
            "reconcile_seconds": read("KMODBOT_RECONCILE_SECONDS", _seconds, cls.reconcile_seconds),
            "index_seconds": read("KMODBOT_INDEX_SECONDS", _seconds, cls.index_seconds),
            "claim_seconds": read("KMODBOT_CLAIM_SECONDS", _seconds, cls.claim_seconds),
            "build_seconds": read("KMODBOT_BUILD_SECONDS", _seconds, cls.build_seconds),
            "discovery": read("KMODBOT_DISCOVERY", _action, cls.discovery),
            "discovery_repositories": read(
                "KMODBOT_DISCOVERY_REPOSITORIES", _repositories, cls.discovery_repositories
            ),
            "discovery_seconds": read("KMODBOT_DISCOVERY_SECONDS", _seconds, cls.discovery_seconds),
            "discovery_shrink": read("KMODBOT_DISCOVERY_SHRINK", _share, cls.discovery_shrink),
            "lag_seconds": read("KMODBOT_LAG_SECONDS", _seconds, cls.lag_seconds),
        }
        if read.problems:
            raise SettingsError(read.problems)
        settings = cls(**values)  # type: ignore[arg-type]  # each value is what its parser returns
        if not (settings.api_tokens or settings.allow_unauthenticated or _is_local(settings.host)):
            raise SettingsError([_OPEN_DOOR.format(host=settings.host)])
        return settings


class _Reader:
    """Parses variables one by one and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = dict(environ)
        self.problems: list[str] = []

    def __call__(self, name: str, parse: Callable[[str], T], default: T | None = None) -> T | None:
        value = self._environ.get(name, "")
        if not value:
            if default is None:
                self.problems.append(f"{name} is missing: set it (docs/configuration.md)")
            return default
        try:
            return parse(value)
        except InvalidInput as error:
            self.problems.append(f"{name}: {error.message}")
        except ValueError as error:
            self.problems.append(f"{name}: {error}")
        return None

    def private_key(self) -> tuple[str, Callable[[str], Secret]]:
        """Name the variable that holds the key: the key itself or the file that has it."""
        if self._environ.get("GITHUB_APP_PRIVATE_KEY_FILE"):
            return "GITHUB_APP_PRIVATE_KEY_FILE", _private_key_file
        return "GITHUB_APP_PRIVATE_KEY", _private_key


_OPEN_DOOR = (
    "HOST is {host}, which others can reach, and KMODBOT_API_TOKENS is empty, so anyone could "
    "start builds: set KMODBOT_API_TOKENS, or KMODBOT_ALLOW_UNAUTHENTICATED=yes if a proxy in "
    "front checks who asks"
)


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _app_id(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}|Iv[0-9A-Za-z.]{4,60}", value):
        raise ValueError("expected the App's numeric id or its client id")
    return value


def _private_key(value: str) -> Secret:
    # Shells and unit files often hold the PEM with its line ends written as \n.
    pem = value.replace("\\n", "\n")
    try:
        key = load_pem_private_key(pem.encode("ascii"), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        # The cause is left out: it may quote parts of the key.
        raise ValueError("expected the App's RSA private key in PEM form")  # noqa: TRY004
    return Secret(pem)


def _private_key_file(value: str) -> Secret:
    try:
        return _private_key(Path(value).read_text(encoding="ascii"))
    except OSError as error:
        raise ValueError(f"cannot read {value}: {error.strerror}") from error


def _secrets(value: str) -> tuple[Secret, ...]:
    secrets = tuple(Secret(part.strip()) for part in value.split(",") if part.strip())
    if not secrets:
        raise ValueError("expected at least one value (several are separated by commas)")
    return secrets


def _workflow(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]+\.ya?ml", value):
        raise ValueError("expected the file name of a workflow, such as driver-build.yml")
    return value


def _port(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 0 <= int(value) < 65536):
        raise ValueError("expected a port number from 0 to 65535")
    return int(value)


def _seconds(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", value) or float(value) <= 0:
        raise ValueError("expected a number of seconds above 0")
    return float(value)


def _repositories(value: str) -> tuple[str, ...]:
    try:
        return tuple(RepositorySpec.parse(url.strip()).url for url in value.split(","))
    except Unfit as error:
        raise ValueError(str(error)) from error


def _share(value: str) -> float:
    if not re.fullmatch(r"0?\.[0-9]{1,4}|[01](\.0)?", value):
        raise ValueError("expected a share from 0 to 1, such as 0.1")
    return float(value)


def _action(value: str) -> Action:
    if value not in set(Action):
        raise ValueError(f"expected one of {', '.join(Action)}")
    return Action(value)


def _yes_or_no(value: str) -> bool:
    answers = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
    if value.lower() not in answers:
        raise ValueError("expected yes or no")
    return answers[value.lower()]


def _http_url(value: str) -> str:
    url = URL(value)
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("expected an http(s) address, such as https://api.github.com")
    return value.rstrip("/")


def _database_url(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError:
        # Not shown: the address may hold a password.
        raise ValueError("expected a database address, such as sqlite:///kmodbot.db") from None
    if url.get_backend_name() != "sqlite":
        raise ValueError("expected a sqlite:/// address; other databases are not supported yet")
    if url.database in {None, "", ":memory:"}:
        raise ValueError("expected a file, such as sqlite:///kmodbot.db: memory forgets")
    directory = Path(url.database).resolve().parent
    if not os.access(directory, os.W_OK):
        raise ValueError(f"the directory {directory} does not exist or cannot be written to")
    return url.set(drivername="sqlite+aiosqlite").render_as_string(hide_password=False)
