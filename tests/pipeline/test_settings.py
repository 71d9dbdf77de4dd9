"""Settings of the builder that come together in one variable."""

from __future__ import annotations

import pytest

from kmodbot.pipeline.errors import BadInput
from kmodbot.pipeline.settings import NAMES, take_settings

MIRROR, TRIES = "KMODBOT_DEBIAN_MIRROR", "KMODBOT_DOWNLOAD_TRIES"


def taken(text: str, **others: str) -> dict[str, str]:
    """Return what the builder finds set when KMODBOT_ENV holds `text`."""
    environment = {"KMODBOT_ENV": text, **others}
    take_settings(environment)
    return {name: value for name, value in environment.items() if name != "KMODBOT_ENV"}


def test_every_line_is_a_setting() -> None:
    text = f"{MIRROR}=http://mirror.example/debian?a=b\n\n {TRIES} = 2 \n"
    assert taken(text) == {MIRROR: "http://mirror.example/debian?a=b", TRIES: "2"}


def test_lines_may_end_as_a_browser_ends_them() -> None:
    assert taken(f"{MIRROR}=http://a\r\n{TRIES}=2\r\n") == {MIRROR: "http://a", TRIES: "2"}


def test_without_the_variable_nothing_is_set() -> None:
    environment = {"PATH": "/bin"}
    take_settings(environment)
    assert environment == {"PATH": "/bin"}
    assert taken("") == {}


def test_what_is_set_by_itself_counts_before_it() -> None:
    text = f"{MIRROR}=http://a\n{TRIES}=2"
    # An empty variable is what a workflow makes of one that is not there.
    assert taken(text, **{MIRROR: "http://b", TRIES: ""}) == {MIRROR: "http://b", TRIES: "2"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("PATH=/tmp", "PATH cannot be set here"),
        ("KMODBOT_SIGNING_KEY=secret", "KMODBOT_SIGNING_KEY cannot be set here"),
        ("KMODBOT_ENV=secret", "KMODBOT_ENV cannot be set here"),
        ("KMODBOT_DEBIAN_MIROR=http://a", "KMODBOT_DEBIAN_MIROR cannot be set here"),
        ("http://secret", "expected NAME=value"),
        (f"{MIRROR}=", "expected NAME=value"),
        (f"export {MIRROR}=secret", "expected NAME=value"),
        (f"{TRIES}=3", f"{TRIES} stands there twice"),
    ],
)
def test_a_line_that_is_wrong_is_named_without_its_value(line: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        taken(f"\n{TRIES}=2\n{line}\n")
    assert str(caught.value).startswith(f"KMODBOT_ENV: line 3: {said}")
    assert "secret" not in str(caught.value)


def test_mirrors_and_downloads_can_be_set_and_no_secret_can() -> None:
    assert {MIRROR, TRIES, "KMODBOT_DNF_REPOS", "KMODBOT_AMAZONLINUX_MIRROR"} < NAMES
    assert not [name for name in NAMES if "SIGNING" in name or "TOKEN" in name]
