"""What the operator configures, read once from the environment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from kmodbot.bot.actions import Action
from kmodbot.bot.addresses import http_url, is_local
from kmodbot.bot.auth.issuers import IssuerSettings
from kmodbot.bot.auth.reading import read_issuers, words
from kmodbot.bot.auth.tokens import ApiToken, parse_api_tokens
from kmodbot.bot.choices import Downloads, LogFormat, LogLevel
from kmodbot.bot.repository import KnownRepository
from kmodbot.bot.secrets import Secret
from kmodbot.bot.store import urls
from kmodbot.bot.variables import Variables
from kmodbot.discovery.al2023 import RepositorySpec, Unfit
from kmodbot.kernels import parse_driver_name, parse_repository

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    # It may hold a password.
    database_url: str = field(default=urls.DEFAULT, repr=False)
    api_url: str = "https://api.github.com"
    api_tokens: tuple[ApiToken, ...] = ()
    oidc: IssuerSettings = field(default_factory=IssuerSettings)
    allow_unauthenticated: bool = False
    rate_per_minute: int = 120
    max_builds: int = 500
    private_downloads: Downloads = Downloads.AUTO
    public_url: str = ""
    ready_queue_seconds: float = 300.0
    log_format: LogFormat = LogFormat.AUTO
    log_level: LogLevel = LogLevel.INFO
    delivery_workers: int = 4
    drain_seconds: float = 8.0
    audit_days: float = 365.0
    reconcile_seconds: float = 30.0
    index_seconds: float = 60.0
    claim_seconds: float = 30.0
    build_seconds: float = 7200.0
    lag_seconds: float = 120.0
    overdue_seconds: float = 900.0
    failure_seconds: float = 3600.0
    write_seconds: float = 1.0
    repair_seconds: float = 60.0
    redeliver_seconds: float = 600.0
    discovery: Action = Action.REPORT
    discovery_repositories: tuple[str, ...] = ()
    discovery_seconds: float = 86400.0
    discovery_shrink: float = 0.1
    # No setting: what GitHub says of ``repository``, which those who have to know it look up here.
    known: KnownRepository = field(default_factory=KnownRepository, repr=False, compare=False)

    @property
    def authenticates(self) -> bool:
        """Whether callers have to say who they are."""
        return bool(self.api_tokens or self.oidc.issuers)

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
        read = Variables(environ)
        values = cls._read(read)
        if read.problems:
            raise SettingsError(read.problems)
        settings = cls(**values)  # type: ignore[arg-type]  # each value is what its parser returns
        guarded = settings.authenticates or settings.allow_unauthenticated
        if not (guarded or is_local(settings.host)):
            raise SettingsError([_OPEN_DOOR.format(host=settings.host)])
        return settings

    @classmethod
    def _read(cls, read: Variables) -> dict[str, object]:
        return {
            "app_id": read("GITHUB_APP_ID", _app_id, what=" to the App's id"),
            "private_key": _read_private_key(read),
            "webhook_secrets": read(
                "GITHUB_WEBHOOK_SECRET", _secrets, what=" to the App's webhook secret"
            ),
            "repository": read("GITHUB_REPOSITORY", parse_repository, what=_REPOSITORY),
            "driver": read("KMODBOT_DRIVER", parse_driver_name, what=_DRIVER),
            "workflow": read("KMODBOT_WORKFLOW", _workflow, cls.workflow),
            "host": read("HOST", str, cls.host),
            "port": read("PORT", _port, cls.port),
            "database_url": read("DATABASE_URL", urls.parse_database_url, cls.database_url),
            "api_url": read("GITHUB_API_URL", http_url(cls.api_url), cls.api_url),
            "api_tokens": read("KMODBOT_API_TOKENS", parse_api_tokens, cls.api_tokens),
            "oidc": read_issuers(read),
            "allow_unauthenticated": read("KMODBOT_ALLOW_UNAUTHENTICATED", _yes_or_no, False),
            "rate_per_minute": read("KMODBOT_RATE_PER_MINUTE", _count, cls.rate_per_minute),
            "max_builds": read("KMODBOT_MAX_BUILDS", _count, cls.max_builds),
            "private_downloads": read(
                "KMODBOT_PRIVATE_DOWNLOADS", Downloads.parse, cls.private_downloads
            ),
            "public_url": read("KMODBOT_PUBLIC_URL", http_url(_PUBLIC_URL), cls.public_url),
            "ready_queue_seconds": read(
                "KMODBOT_READY_QUEUE_SECONDS", _seconds, cls.ready_queue_seconds
            ),
            "log_format": read("KMODBOT_LOG_FORMAT", LogFormat.parse, cls.log_format),
            "log_level": read("KMODBOT_LOG_LEVEL", LogLevel.parse, cls.log_level),
            "delivery_workers": read("KMODBOT_DELIVERY_WORKERS", _count, cls.delivery_workers),
            "drain_seconds": read("KMODBOT_DRAIN_SECONDS", _seconds, cls.drain_seconds),
            "audit_days": read("KMODBOT_AUDIT_DAYS", _days, cls.audit_days),
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
            "overdue_seconds": read("KMODBOT_OVERDUE_SECONDS", _seconds, cls.overdue_seconds),
            "failure_seconds": read("KMODBOT_FAILURE_SECONDS", _seconds, cls.failure_seconds),
            "write_seconds": read("KMODBOT_WRITE_SECONDS", _seconds, cls.write_seconds),
            "repair_seconds": read("KMODBOT_REPAIR_SECONDS", _seconds, cls.repair_seconds),
            "redeliver_seconds": read("KMODBOT_REDELIVER_SECONDS", _seconds, cls.redeliver_seconds),
        }


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Say of each variable that looks like a setting and is none what may be meant."""
    read = Variables(environ)
    Settings._read(read)  # it knows the names
    return [*read.unknown()]


_REPOSITORY = " to the driver's repository, such as acme/hello-driver"
_DRIVER = " to the name in driver.yml, such as hello"
_PUBLIC_URL = "https://kmodbot.example.com"
_OPEN_DOOR = (
    "HOST is {host}, which others can reach, and KMODBOT_API_TOKENS is empty, so anyone could "
    "start builds: set KMODBOT_API_TOKENS or KMODBOT_OIDC_ISSUERS, or "
    "KMODBOT_ALLOW_UNAUTHENTICATED=yes if a proxy in front checks who asks"
)


_NO_KEY = "expected the App's RSA private key in PEM form, whole, as GitHub made it"


def _app_id(value: str) -> str:
    if not re.fullmatch(r"[0-9]{1,20}|Iv[0-9A-Za-z.]{4,60}", value):
        raise ValueError("expected the App's numeric id or its client id, such as 123456")
    return value


def _read_private_key(read: Variables) -> Secret | None:
    inline, file = "GITHUB_APP_PRIVATE_KEY", "GITHUB_APP_PRIVATE_KEY_FILE"
    if read.has(inline) and read.has(file):
        read.problems.append(
            f"{inline} and {file} are both set, and may differ: keep the one that is meant"
        )
        return None
    if read.has(file):
        return read(file, _private_key_file)
    return read(inline, _private_key, what=f" to the App's private key, or {file} to its file")


def _private_key(value: str) -> Secret:
    # Shells and unit files often hold the PEM with its line ends written as \n.
    pem = value.replace("\\n", "\n")
    try:
        key = load_pem_private_key(pem.encode("ascii"), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, RSAPrivateKey):
        # The cause is left out: it may quote parts of the key.
        raise ValueError(_NO_KEY)  # noqa: TRY004
    return Secret(pem)


def _private_key_file(value: str) -> Secret:
    try:
        return _private_key(Path(value).read_text(encoding="ascii"))
    except OSError as error:
        raise ValueError(f"cannot read {value}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ValueError(_NO_KEY) from None


def _secrets(value: str) -> tuple[Secret, ...]:
    return tuple(Secret(word) for word in words(value))


def _count(value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", value) or int(value) < 1:
        raise ValueError("expected a whole number from 1 to 999999")
    return int(value)


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
        raise ValueError("expected a number of seconds above 0 and below 1000000")
    return float(value)


def _days(value: str) -> float:
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]{1,3})?", value) or float(value) <= 0:
        raise ValueError("expected a number of days above 0 and below 100000")
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
