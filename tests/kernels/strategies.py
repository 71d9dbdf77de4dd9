"""What really exists, for the property tests: kernels and drivers built part by part."""

from __future__ import annotations

from hypothesis import strategies as st

from kmodbot.kernels import SUPPORTED, Driver, Kernel

small = st.integers(0, 99)
words = st.from_regex(r"[a-z][a-z0-9]{0,3}", fullmatch=True)
numbers = st.builds("{}.{}.{}".format, st.integers(1, 99), small, small)
rpm_architectures = st.sampled_from(["x86_64", "aarch64"])
variants = st.one_of(
    st.just(""), st.builds("+{}".format, words), st.builds("+{}-debug".format, words)
)

build_ids = st.from_regex(r"[a-z0-9]{4,64}", fullmatch=True)
driver_names = st.from_regex(r"[a-z0-9]{1,9}(-[a-z0-9]{1,9}){0,3}", fullmatch=True)
driver_versions = st.from_regex(
    r"v?[0-9]{1,4}(\.[0-9]{1,4}){1,3}(-[0-9A-Za-z]{1,6}(\.[0-9A-Za-z]{1,6}){0,2})?", fullmatch=True
).filter(lambda version: not version.endswith(".lock"))
drivers = st.builds(Driver.parse, driver_names, driver_versions)


def _ubuntu() -> st.SearchStrategy[Kernel]:
    flavours = st.one_of(
        st.sampled_from(["generic", "aws", "nvidia-64k", "intel-iotg", "azure-fde"]),
        st.builds("oem{}".format, small),
    )
    releases = st.builds("{}-{}-{}".format, numbers, st.integers(1, 999999), flavours)
    versions = st.sampled_from(SUPPORTED["ubuntu"])
    return st.builds(lambda *parts: _kernel("ubuntu", "aarch64", *parts), releases, versions)


def _debian() -> st.SearchStrategy[Kernel]:
    flavours = st.sampled_from(["", "cloud-", "rt-"])
    versions = st.sampled_from(SUPPORTED["debian"])

    def with_version(version: str) -> st.SearchStrategy[Kernel]:
        marks = st.one_of(
            st.builds("-{}".format, small),
            st.builds(f"-0.deb{version}.{{}}".format, small),
            st.just(f"+deb{version}"),
            st.builds(f"+deb{version}+{{}}".format, small),
            st.just("+bpo"),
        )
        releases = st.builds("{}{}-{}amd64".format, numbers, marks, flavours)
        return releases.map(lambda release: _kernel("debian", "amd64", release, version))

    return versions.flatmap(with_version)


def _fedora() -> st.SearchStrategy[Kernel]:
    candidates = st.sampled_from(
        ["", "0.rc7.", "0.rc7.20250925gitabcdef0.", "0.rc0.250801g89748acd."]
    )
    return st.builds(
        lambda number, candidate, build, tag, arch, variant: _kernel(
            "fedora", arch, f"{number}-{candidate}{build}.fc{tag}.{arch}{variant}"
        ),
        numbers,
        candidates,
        st.integers(1, 999),
        st.sampled_from(SUPPORTED["fedora"]),
        rpm_architectures,
        variants,
    )


def _centos() -> st.SearchStrategy[Kernel]:
    builds = st.lists(small, min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))
    return st.builds(
        lambda number, build, realtime, tag, arch, variant: _kernel(
            "centos", arch, f"{number}-{build}{realtime}.el{tag}.{arch}{variant}"
        ),
        numbers,
        builds,
        st.sampled_from(["", ".rt14.100", ".rt7.3.2"]),
        st.sampled_from(["9", "10"]),
        rpm_architectures,
        variants,
    )


def _amazonlinux() -> st.SearchStrategy[Kernel]:
    return st.builds(
        lambda number, first, second, arch: _kernel(
            "amazonlinux", arch, f"{number}-{first}.{second}.amzn2023.{arch}"
        ),
        numbers,
        small,
        small,
        rpm_architectures,
    )


def _kernel(
    distribution: str, architecture: str, release: str, distro_version: str | None = None
) -> Kernel:
    return Kernel.parse(
        distribution=distribution,
        architecture=architecture,
        release=release,
        distro_version=distro_version,
    )


kernels = st.one_of(_ubuntu(), _debian(), _fedora(), _centos(), _amazonlinux())

#: Values that try to be more than a name, wherever they are put.
HOSTILE = [
    "",
    " ",
    "\n",
    "..",
    ".",
    "-",
    "--help",
    "../../etc/passwd",
    "a/../b",
    "$(reboot)",
    "`reboot`",
    "; reboot",
    "| sh",
    "&& sh",
    "'",
    '"',
    "${{ secrets.TOKEN }}",
    "%2e%2e",
    "a\x00b",
    "a\tb",
    "a~b",
    "a^b",
    "a:b",
    "a?b",
    "a*b",
    "a[b",
    "a\\b",
    "a@{b",
    "٦.١.٠",
    "６.1.0",
    "\u0430md64",
    "\u202e",
    "é",
    "a" * 10_000,
    "1." * 5_000,
]
