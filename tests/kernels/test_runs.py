"""The title that carries a build through a workflow run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.kernels import Kernel, RunTitle, parse_run_title

from .strategies import HOSTILE, build_ids, driver_versions, kernels

TITLE = "kmodbot manual v0.1.0 debian 12 x86_64 6.1.0-38-amd64"


def test_a_title_is_read_as_written() -> None:
    kernel = Kernel("debian", "12", "x86_64", "6.1.0-38-amd64")
    assert parse_run_title(TITLE) == RunTitle("manual", "v0.1.0", kernel)


@given(build_ids, driver_versions, kernels)
def test_every_title_is_read_back(build_id: str, version: str, kernel: Kernel) -> None:
    title = RunTitle(build_id, version, kernel)
    assert parse_run_title(str(title)) == title


@given(kernels)
def test_the_title_of_an_ordinary_build_is_short(kernel: Kernel) -> None:
    assert len(str(RunTitle("f" * 32, "v10.20.30-rc.1", kernel))) < 200


@pytest.mark.parametrize(
    "title",
    [
        "Build driver",
        TITLE.upper(),
        f" {TITLE}",
        f"{TITLE} ",
        f"{TITLE}\n",
        f"{TITLE}\nkmodbot",
        TITLE.replace(" ", "  ", 1),
        TITLE.replace(" ", "\t", 1),
        TITLE.replace("x86_64", "amd64"),  # not as str() writes it
        TITLE.replace("12", "13").replace("6.1.0-38", "6.12.57+deb12"),
        TITLE.replace("debian", "fedora"),
        TITLE.replace("v0.1.0", "main"),
        TITLE.replace("manual", "no"),
        TITLE.replace("kmodbot", "kmodb0t"),
        TITLE.removesuffix(" 6.1.0-38-amd64"),
    ],
)
def test_any_other_title_is_not_ours(title: str) -> None:
    assert parse_run_title(title) is None


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("value", HOSTILE, ids=lambda value: ascii(value[:20]))
def test_a_hostile_part_makes_the_title_not_ours(position: int, value: str) -> None:
    parts = TITLE.split(" ")
    parts[position] = value
    assert parse_run_title(" ".join(parts)) is None


@given(st.text(max_size=80))
def test_no_text_makes_it_fail(text: str) -> None:
    assert parse_run_title(text) is None
