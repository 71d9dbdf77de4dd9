from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kmodbot.bot.secrets import Secret
from kmodbot.bot.settings import Settings, SettingsError, unknown_variables

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def environment(app_key: str) -> dict[str, str]:
    return {
        "GITHUB_APP_ID": "12345",
        "GITHUB_APP_PRIVATE_KEY": app_key,
        "GITHUB_WEBHOOK_SECRET": "current, previous",
        "GITHUB_REPOSITORY": "acme/hello-driver",
        "KMODBOT_DRIVER": "hello",
    }


def problems(environment: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(environment)
    return "\n".join(caught.value.problems)


def test_the_documented_variables_are_enough(environment: dict[str, str]) -> None:
    settings = Settings.from_environment(environment)

    assert settings.repository == "acme/hello-driver"
    assert settings.webhook_secrets == (Secret("current"), Secret("previous"))
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert settings.api_url == "https://api.github.com"
    assert settings.workflow_path == ".github/workflows/driver-build.yml"


def test_everything_that_is_missing_is_named_at_once() -> None:
    found = problems({})

    for name in (
        "GITHUB_APP_ID",
        "GITHUB_APP_PRIVATE_KEY",
        "GITHUB_WEBHOOK_SECRET",
        "GITHUB_REPOSITORY",
        "KMODBOT_DRIVER",
    ):
        assert f"{name} is missing" in found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GITHUB_APP_ID", "my app"),
        ("GITHUB_APP_PRIVATE_KEY", "not a key"),
        ("GITHUB_APP_PRIVATE_KEY_FILE", "/nowhere/key.pem"),
        ("GITHUB_WEBHOOK_SECRET", " , "),
        ("GITHUB_REPOSITORY", "acme"),
        ("GITHUB_REPOSITORY", "acme/../other"),
        ("KMODBOT_DRIVER", "Hello World"),
        ("KMODBOT_WORKFLOW", "../evil.yml"),
        ("PORT", "99999"),
        ("PORT", "http"),
        ("GITHUB_API_URL", "api.github.com"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "mysql://root:hunter2@db/kmodbot"),
        ("KMODBOT_RECONCILE_SECONDS", "0"),
        ("KMODBOT_ALLOW_UNAUTHENTICATED", "perhaps"),
        ("KMODBOT_API_TOKENS", "hunter2:sha256=hunter2"),
        ("KMODBOT_OIDC_ISSUERS", "issuer.example.com"),
        ("KMODBOT_OIDC_ISSUERS", "http://issuer.example.com"),
        ("KMODBOT_OIDC_ISSUERS", "https://issuer.example.com/#x"),
        ("KMODBOT_OIDC_JWKS_URL", "http://issuer.example.com/keys"),
        ("KMODBOT_OIDC_JWKS_URL", "https://issuer.example.com/keys"),
        ("KMODBOT_RATE_PER_MINUTE", "0"),
        ("KMODBOT_MAX_BUILDS", "many"),
        ("KMODBOT_PRIVATE_DOWNLOADS", "maybe"),
        ("KMODBOT_OIDC_AUDIENCE", "kmodbot"),
        ("KMODBOT_OIDC_SUBJECTS", "system:*"),
        ("KMODBOT_OIDC_OPERATORS", "system:*"),
        ("KMODBOT_PUBLIC_URL", "bot.example.com"),
        ("KMODBOT_PUBLIC_URL", "https://bot.example.com/?a=b"),
        ("KMODBOT_PUBLIC_URL", "http://["),
        ("KMODBOT_READY_QUEUE_SECONDS", "0"),
        ("KMODBOT_LOG_FORMAT", "xml"),
        ("KMODBOT_LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    environment: dict[str, str], name: str, value: str
) -> None:
    if name == "GITHUB_APP_PRIVATE_KEY_FILE":
        del environment["GITHUB_APP_PRIVATE_KEY"]
    found = problems(environment | {name: value})

    assert found.startswith(name)
    assert "hunter2" not in found


@pytest.mark.parametrize(
    ("name", "value", "example"),
    [
        ("GITHUB_API_URL", "api.github.com", "https://api.github.com"),
        ("KMODBOT_PUBLIC_URL", "bot.example.com", "https://kmodbot.example.com"),
        ("KMODBOT_OIDC_ISSUERS", "issuer", "https://issuer.example.com"),
        ("DATABASE_URL", "postgresql://db", "postgresql://user:password@host/kmodbot"),
        ("KMODBOT_BUILD_SECONDS", "2h", "the default is 7200"),
        ("KMODBOT_MAX_BUILDS", "many", "the default is 500"),
    ],
)
def test_what_is_wrong_is_said_with_an_example_of_that_setting(
    environment: dict[str, str], name: str, value: str, example: str
) -> None:
    (found, *_) = problems(environment | {name: value}).splitlines()

    assert found.startswith(name)
    assert found.endswith(example)


def test_a_key_that_is_given_twice_is_not_chosen_from(
    environment: dict[str, str], app_key: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    path.write_text(app_key)

    found = problems(environment | {"GITHUB_APP_PRIVATE_KEY_FILE": str(path)})

    assert "GITHUB_APP_PRIVATE_KEY and GITHUB_APP_PRIVATE_KEY_FILE are both set" in found


def test_a_file_that_is_no_text_is_no_key(environment: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(b"\xff\xfe")
    del environment["GITHUB_APP_PRIVATE_KEY"]

    found = problems(environment | {"GITHUB_APP_PRIVATE_KEY_FILE": str(path)})

    assert "expected the App's RSA private key in PEM form" in found


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("KMODBOT_LOGLEVEL", "is KMODBOT_LOG_LEVEL meant?"),
        ("KMODBOT_OIDC_ISSUER", "is KMODBOT_OIDC_ISSUERS meant?"),
        ("KMODBOT_PORT", "is PORT meant?"),
        ("KMODBOT_DATABASE_URL", "is DATABASE_URL meant?"),
        ("GITHUB_APP_KEY_FILE", "is GITHUB_APP_PRIVATE_KEY_FILE meant?"),
        ("GITHUB_WEBHOOK_SECRETS", "is GITHUB_WEBHOOK_SECRET meant?"),
        ("KMODBOT_FAVOURITE_COLOUR", "docs/configuration.md"),
    ],
)
def test_a_variable_that_is_no_setting_is_named_with_the_one_that_is_meant(
    environment: dict[str, str], name: str, meant: str
) -> None:
    (said,) = unknown_variables(environment | {name: "hunter2"})

    assert said.startswith(f"{name} is no setting of the bot")
    assert meant in said
    assert "hunter2" not in said


def test_what_others_set_is_no_concern_of_ours(environment: dict[str, str]) -> None:
    of_kubernetes = {
        "KMODBOT_SERVICE_HOST": "10.0.0.1",
        "KMODBOT_SERVICE_PORT_HTTP": "8080",
        "KMODBOT_PORT": "tcp://10.0.0.1:8080",
        "KMODBOT_PORT_8080_TCP_ADDR": "10.0.0.1",
    }
    others = {"GITHUB_TOKEN": "x", "GITHUB_ACTIONS": "true", "PATH": "/bin", "KMODBOT_X": ""}

    assert unknown_variables(environment | of_kubernetes | others) == []


def test_the_key_may_come_from_a_file(
    environment: dict[str, str], app_key: str, tmp_path: Path
) -> None:
    path = tmp_path / "key.pem"
    path.write_text(app_key)
    del environment["GITHUB_APP_PRIVATE_KEY"]

    settings = Settings.from_environment(environment | {"GITHUB_APP_PRIVATE_KEY_FILE": str(path)})

    assert settings.private_key == Secret(app_key)


def test_a_key_on_one_line_with_escaped_line_ends_is_understood(
    environment: dict[str, str], app_key: str
) -> None:
    escaped = app_key.replace("\n", "\\n")

    settings = Settings.from_environment(environment | {"GITHUB_APP_PRIVATE_KEY": escaped})

    assert settings.private_key == Secret(app_key)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "bot.example.com"])  # noqa: S104
def test_a_public_address_needs_api_tokens(environment: dict[str, str], host: str) -> None:
    assert "KMODBOT_API_TOKENS is empty" in problems(environment | {"HOST": host})

    with_tokens = environment | {"HOST": host, "KMODBOT_API_TOKENS": "s3cret" * 4}
    assert Settings.from_environment(with_tokens).host == host
    told_so = environment | {"HOST": host, "KMODBOT_ALLOW_UNAUTHENTICATED": "yes"}
    assert Settings.from_environment(told_so).host == host


def test_an_issuer_is_a_way_to_know_callers(environment: dict[str, str]) -> None:
    public = environment | {
        "HOST": "0.0.0.0",  # noqa: S104
        "KMODBOT_OIDC_ISSUERS": "https://a.example, https://b.example/",
        "KMODBOT_OIDC_AUDIENCE": "kmodbot",
    }

    oidc = Settings.from_environment(public).oidc

    # An issuer is compared letter by letter.
    assert oidc.issuers == ("https://a.example", "https://b.example/")
    assert (oidc.audiences, oidc.subjects, oidc.operators) == (("kmodbot",), (), ())


def test_an_issuer_needs_an_audience(environment: dict[str, str]) -> None:
    found = problems(environment | {"KMODBOT_OIDC_ISSUERS": "https://a.example"})

    assert found.startswith("KMODBOT_OIDC_AUDIENCE is missing")


def test_an_issuer_on_this_machine_may_speak_in_the_clear(environment: dict[str, str]) -> None:
    oidc = {"KMODBOT_OIDC_ISSUERS": "http://127.0.0.1:8080", "KMODBOT_OIDC_AUDIENCE": "kmodbot"}

    assert Settings.from_environment(environment | oidc).oidc.issuers == ("http://127.0.0.1:8080",)


@pytest.mark.parametrize("name", ["KMODBOT_OIDC_SUBJECTS", "KMODBOT_OIDC_OPERATORS"])
def test_with_several_issuers_a_pattern_says_whose_subjects_it_means(
    environment: dict[str, str], name: str
) -> None:
    several = environment | {
        "KMODBOT_OIDC_ISSUERS": "https://a.example, https://b.example",
        "KMODBOT_OIDC_AUDIENCE": "kmodbot",
    }

    found = problems(several | {name: "https://a.example#ops, ops"})
    assert found.startswith(name)
    assert "https://a.example#system:serviceaccount:drivers:*" in found
    Settings.from_environment(several | {name: "https://a.example#ops, https://b.example#*"})


def test_no_secret_shows_in_the_settings(environment: dict[str, str]) -> None:
    shown = repr(Settings.from_environment(environment | {"KMODBOT_API_TOKENS": "t0ken" * 4}))

    for secret in ("PRIVATE KEY", "current", "previous", "t0ken"):
        assert secret not in shown


def test_a_wrong_key_is_not_quoted(environment: dict[str, str]) -> None:
    found = problems(environment | {"GITHUB_APP_PRIVATE_KEY": "-----BEGIN half a key"})

    assert "half a key" not in found
