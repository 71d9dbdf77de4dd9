"""Adding a kernel to kernels.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kmodbot.kernels import InvalidInput, Kernel, add_kernel, read_kernels, version_key

from .strategies import kernels

if TYPE_CHECKING:
    import random


def _debian(abi: int, flavour: str = "amd64", version: str = "12") -> Kernel:
    return Kernel("debian", version, "x86_64", f"6.1.0-{abi}-{flavour}")


def _all(document: str, *added: Kernel) -> str:
    for kernel in added:
        document = add_kernel(document, kernel)
    return document


@pytest.mark.parametrize("empty", ["", "\n", "{}", "{}\n"])
def test_the_first_kernel_starts_the_list(empty: str) -> None:
    assert add_kernel(empty, _debian(38)) == (
        "{\n"
        '  "x86_64": [\n'
        "    {\n"
        '      "target": "debian",\n'
        '      "kernelrelease": "6.1.0-38-amd64",\n'
        '      "distroversion": "12"\n'
        "    }\n"
        "  ]\n"
        "}\n"
    )


def test_a_kernel_already_there_changes_no_byte_of_a_sorted_document() -> None:
    compact = json.dumps(json.loads(add_kernel("", _debian(38))))
    assert add_kernel(compact, _debian(38)) == compact


def test_numbers_in_versions_are_sorted_as_numbers() -> None:
    document = _all("", _debian(38), _debian(9), _debian(10))
    assert [kernel.release for kernel in read_kernels(document)] == [
        "6.1.0-9-amd64",
        "6.1.0-10-amd64",
        "6.1.0-38-amd64",
    ]


def test_entries_are_sorted_by_distribution_then_version_then_release() -> None:
    streams = [
        Kernel("centos", "stream10", "x86_64", "6.12.0-212.el10.x86_64"),
        Kernel("centos", "stream9", "x86_64", "5.14.0-427.el9.x86_64"),
    ]
    found = read_kernels(_all("", _debian(1), *streams))
    assert [kernel.distro_version for kernel in found] == ["stream9", "stream10", "12"]


def test_one_release_of_two_distro_versions_gives_two_entries() -> None:
    jammy = Kernel("ubuntu", "22.04", "x86_64", "6.8.0-63-generic")
    noble = Kernel("ubuntu", "24.04", "x86_64", "6.8.0-63-generic")
    assert read_kernels(_all("", noble, jammy)) == [jammy, noble]


def test_unknown_keys_stay_where_they_are() -> None:
    old = json.dumps(
        {
            "$schema": "https://acme.example/kernels.schema.json",
            "x86_64": [
                {
                    "note": "seen in Zürich",
                    "target": "debian",
                    "kernelrelease": "6.1.0-40-amd64",
                    "distroversion": "12",
                }
            ],
            "owner": {"team": None},
        }
    )
    new = add_kernel(old, _debian(38))
    content = json.loads(new)
    assert list(content) == ["$schema", "x86_64", "owner"]
    assert list(content["x86_64"][1]) == ["note", "target", "kernelrelease", "distroversion"]
    assert "seen in Zürich" in new


def test_a_second_architecture_comes_beside_the_first() -> None:
    old = json.dumps({"a": 1, "x86_64": [], "z": 2})
    arm = Kernel("debian", "12", "aarch64", "6.1.0-38-arm64")
    assert list(json.loads(add_kernel(old, arm))) == ["a", "aarch64", "x86_64", "z"]


def test_entries_of_other_systems_are_sorted_but_kept() -> None:
    other = {"target": "flatcar", "kernelrelease": "6.6.30-flatcar", "distroversion": "3975"}
    old = json.dumps({"x86_64": [other]})
    assert json.loads(add_kernel(old, _debian(38)))["x86_64"][1] == other


@given(st.lists(kernels, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_adding_does_not_matter(added: list[Kernel], order: random.Random) -> None:
    document = _all("", *added)
    shuffled = list(added)
    order.shuffle(shuffled)
    assert _all("", *shuffled) == document
    assert _all(document, *added) == document
    assert sorted(read_kernels(document)) == sorted(set(added))


@given(
    kernels,
    kernels,
    st.dictionaries(st.sampled_from(["a", "x86_64", "m", "aarch64", "z"]), st.just([])),
)
def test_two_kernels_commute_in_any_document(
    one: Kernel, other: Kernel, start: dict[str, list[object]]
) -> None:
    document = json.dumps(start)
    assert _all(document, one, other) == _all(document, other, one)


@given(st.permutations(["6.1.9", "6.1.10", "6.1.10-1", "6.1.010", "stream9", "stream10", ""]))
def test_version_order_is_the_same_from_any_start(versions: list[str]) -> None:
    expected = ["", "6.1.9", "6.1.010", "6.1.10", "6.1.10-1", "stream9", "stream10"]
    assert sorted(versions, key=version_key) == expected


@given(st.text("0123456789.-+ab", max_size=12), st.text("0123456789.-+ab", max_size=12))
def test_only_equal_versions_have_equal_keys(one: str, other: str) -> None:
    assert (version_key(one) == version_key(other)) == (one == other)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("{", "line 1, column 2"),
        ("[]", "an object"),
        ("7", "an object"),
        ('{"x86_64": {}}', "x86_64: expected a list"),
        ('{"x86_64": [3]}', "x86_64[0]: expected an object"),
        ('{"x86_64": [{"target": "debian"}]}', "x86_64[0]: 'distroversion' must be a string"),
        ('{"x86_64": [], "x86_64": []}', "'x86_64' stands twice"),
        ('{"n": NaN}', "NaN is not JSON"),
        ('{"n": "\\ud800"}', "UTF-8"),
        ("[" * 100_000, "cannot be read"),
    ],
)
def test_a_malformed_document_is_refused_with_the_place(document: str, place: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        add_kernel(document, _debian(38))
    assert refused.value.field == "kernels.json"
    assert place in refused.value.message


def test_a_very_long_number_sorts_without_harm() -> None:
    entry = {"target": "debian", "kernelrelease": "9" * 5000, "distroversion": "12"}
    old = json.dumps({"x86_64": [entry]})
    assert json.loads(add_kernel(old, _debian(38)))["x86_64"][1] == entry


def test_reading_names_the_entry_that_is_no_kernel() -> None:
    entry = {"target": "debian", "kernelrelease": "6.1.0-38-arm64", "distroversion": "12"}
    document = json.dumps({"x86_64": [entry]})
    with pytest.raises(InvalidInput, match=r"x86_64\[0\]: architecture: .* remove the entry"):
        read_kernels(document)


def test_an_empty_document_holds_no_kernels() -> None:
    assert read_kernels("") == []
