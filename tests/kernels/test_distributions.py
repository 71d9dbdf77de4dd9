"""What a machine's os-release says it runs."""

from __future__ import annotations

import pytest

from kmodbot.kernels import InvalidInput, host_distribution, parse_os_release

DEBIAN = """\
PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"
NAME="Debian GNU/Linux"
VERSION_ID="12"
# a comment
ID=debian
"""


def test_debian_is_read_from_its_own_file() -> None:
    found = parse_os_release(DEBIAN)
    assert found["PRETTY_NAME"] == "Debian GNU/Linux 12 (bookworm)"
    assert host_distribution(found) == ("debian", "12")


@pytest.mark.parametrize(
    ("identity", "number", "expected"),
    [
        ("ubuntu", "24.04", ("ubuntu", "24.04")),
        ("fedora", "42", ("fedora", "42")),
        ("centos", "9", ("centos", "stream9")),
        ("centos", "10", ("centos", "stream10")),
        ("amzn", "2023", ("amazonlinux", "2023")),
    ],
)
def test_each_distribution_is_known_by_its_id(
    identity: str, number: str, expected: tuple[str, str]
) -> None:
    assert host_distribution({"ID": identity, "VERSION_ID": number}) == expected


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("ID=debian", "debian"),
        ('ID="debian"', "debian"),
        ("ID='debian'", "debian"),
        ("  ID=debian  ", "debian"),
        ("ID=debian\r", "debian"),
        ("ID=", ""),
        ('ID=""', ""),
        (r'ID="a \"quoted\" \$HOME \`x\` \\ end"', 'a "quoted" $HOME `x` \\ end'),
        (r"ID='a \n b'", r"a \n b"),
        ('ID="a=b # c"', "a=b # c"),
        ("ID=first\nID=second", "second"),
    ],
)
def test_values_are_quoted_as_in_a_shell(line: str, value: str) -> None:
    assert parse_os_release(line) == {"ID": value}


@pytest.mark.parametrize(
    "line", ["#ID=debian", "ID debian", '"ID"=debian', 'ID="open', "ID=two words", "", "1D=debian"]
)
def test_a_line_that_is_no_assignment_is_passed_over(line: str) -> None:
    assert parse_os_release(line) == {}


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        ("linuxmint", "Linux Mint"),
        ("pop", "Pop!_OS"),
        ("rocky", "Rocky Linux"),
        ("almalinux", "AlmaLinux"),
        ("rhel", "Red Hat Enterprise Linux"),
        ("bottlerocket", "Bottlerocket"),
        ("cos", "Container-Optimized OS"),
        ("flatcar", "Flatcar Container Linux"),
        ("talos", "Talos Linux"),
    ],
)
def test_a_derivative_is_refused_by_its_own_id(identity: str, name: str) -> None:
    found = {"ID": identity, "ID_LIKE": "debian ubuntu fedora", "VERSION_ID": "12"}
    with pytest.raises(InvalidInput) as refused:
        host_distribution(found)
    assert refused.value.field == "distribution"
    assert f"ID='{identity}'" in refused.value.message
    assert name in refused.value.message


def test_an_unheard_of_system_is_refused_with_the_name_it_gives_itself() -> None:
    with pytest.raises(InvalidInput, match="ID='acmeos' \\('Acme OS'\\), which is not supported"):
        host_distribution({"ID": "acmeos", "NAME": "Acme OS"})


def test_an_empty_os_release_is_refused() -> None:
    with pytest.raises(InvalidInput, match="distribution: os-release says ID=''"):
        host_distribution({})


def test_debian_testing_has_no_version_and_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"distro_version: .* no VERSION_ID; testing and sid"):
        host_distribution({"ID": "debian", "PRETTY_NAME": "Debian GNU/Linux forky/sid"})


def test_a_version_without_an_image_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"ubuntu '20\.04' is not supported; expected one of 22"):
        host_distribution({"ID": "ubuntu", "VERSION_ID": "20.04"})
