"""API tokens: named, of which the bot keeps the digest only."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.bot.auth.caller import Caller, Role
from kmodbot.bot.auth.tokens import ApiToken, find_caller, new_token, parse_api_tokens
from kmodbot.bot.commands import token as command
from tests.bot.auth.support import run_command


def test_an_entry_names_its_caller_and_role() -> None:
    token = new_token()
    tokens = parse_api_tokens(str(ApiToken.of(token, "fleet-eu", Role.OPERATOR)))

    assert find_caller(token, tokens) == Caller("fleet-eu", Role.OPERATOR)


def test_a_bare_token_is_that_of_a_node() -> None:
    tokens = parse_api_tokens(f"{'first' * 4}, {'second' * 4}")

    assert find_caller("second" * 4, tokens) == Caller("token-2", Role.NODE)


def test_bare_tokens_and_entries_may_be_mixed() -> None:
    tokens = parse_api_tokens(f"{'bare' * 5}, {ApiToken.of('secret', 'ops', Role.OPERATOR)}")

    assert [token.caller.name for token in tokens] == ["token-1", "ops"]


@pytest.mark.parametrize("presented", ["", "secre", "secrets", "Secret", "ops:operator:secret"])
def test_another_token_is_nobodys(presented: str) -> None:
    assert find_caller(presented, [ApiToken.of("secret", "ops")]) is None


def test_the_digest_itself_is_no_token() -> None:
    entry = str(ApiToken.of("secret", "ops"))

    assert find_caller(entry, parse_api_tokens(entry)) is None
    assert find_caller(entry.rpartition("=")[2], parse_api_tokens(entry)) is None


@pytest.mark.parametrize(
    "entry",
    [
        "ops:operator:sha256=abc",
        f"ops:root:sha256={'0' * 64}",
        f"ops:sha256={'0' * 64}",
        f"ops:node:more:sha256={'0' * 64}",
        f"Ops:node:sha256={'0' * 64}",
        f":node:sha256={'0' * 64}",
        f"anonymous:node:sha256={'0' * 64}",
        f"discovery:operator:sha256={'0' * 64}",
        f"ops:node:sha256={'0' * 64}, ops:operator:sha256={'1' * 64}",
        " , ",
        "too-short-to-be-one",
        "ops:operator:a-token-that-is-long-enough",
        f"ops:node:{'0' * 64}",
        f"fleet:node:sha265={'0' * 64}",
        "token: kmb_pasted-with-its-label",
        f"ops:node:sha256={'0' * 64}, others:node:sha256={'0' * 64}",
    ],
)
def test_an_entry_of_another_form_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match=r"expected|another role|twice"):
        parse_api_tokens(entry)


def test_what_is_refused_is_not_quoted() -> None:
    with pytest.raises(ValueError, match="entry 1") as caught:
        parse_api_tokens("hunter2:sha256=hunter3")

    assert "hunter" not in str(caught.value)


def test_what_is_kept_does_not_show_the_token() -> None:
    (token,) = parse_api_tokens("hunter2" * 3)

    assert "hunter2" not in repr(token)


@given(st.text(max_size=200))
def test_any_text_is_either_tokens_or_refused(text: str) -> None:
    try:
        tokens = parse_api_tokens(text)
    except ValueError:
        return
    assert len({token.digest for token in tokens}) == len(tokens)


def test_a_caller_may_have_two_tokens_while_one_is_replaced() -> None:
    old, new = "the-old-token-of-the-fleet", "the-new-token-of-the-fleet"
    tokens = parse_api_tokens(f"{ApiToken.of(old, 'fleet')}, {ApiToken.of(new, 'fleet')}")

    callers = [find_caller(token, tokens) for token in (old, new)]

    assert [caller.name for caller in callers if caller] == ["fleet", "fleet"]


class TestCommand:
    def test_it_shows_a_token_and_the_entry_that_lets_it_pass(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        status = run_command(command, "fleet-eu", "--role", "operator", "--json")

        made = json.loads(capsys.readouterr().out)
        assert status == 0
        tokens = parse_api_tokens(made["entry"])
        assert find_caller(made["token"], tokens) == Caller("fleet-eu", Role.OPERATOR)
        assert made["token"] not in made["entry"]

    def test_no_two_tokens_are_the_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        for _ in range(2):
            run_command(command, "node")

        tokens = [line for line in capsys.readouterr().out.splitlines() if "kmb_" in line]
        assert len(tokens) == len(set(tokens)) == 2

    def test_a_name_that_cannot_be_one_is_refused(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run_command(command, "two words") == 2

        captured = capsys.readouterr()
        assert captured.out == ""
        assert "expected a name" in captured.err
