"""Searching finds what parsing finds: on every spelling of primary.xml, next to two oracles."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import createrepo_c  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from kmodbot.discovery.rpmmd import MetadataError, Package, Primary, Wanted, read_primary
from kmodbot.discovery.rpmmd.canonical import CanonicalReader, NotCanonical

from .documents import HEAD, TAIL, Sample, primary_xml, write

KERNELS = Wanted(("kernel", "system-release"), lambda name: not name.endswith("-headers"))
COMMON = "{http://linux.duke.edu/metadata/common}"

NAMES = st.sampled_from(
    [
        "kernel",
        "kernel6.12",
        "kernel-devel",
        "kernel-headers",
        "kerne",
        "kernel-livepatch-6.1.1-2.3",
    ]
) | st.from_regex(r"[a-z0-9][a-z0-9+._-]{0,12}", fullmatch=True)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], include_characters="\n\t\r<>&#!?")
)
SAMPLES = st.builds(
    Sample,
    name=NAMES,
    version=st.sampled_from(["1.0", "6.12.58"]),
    release=st.sampled_from(["1.amzn2023", "82.121.amzn2023"]),
    arch=st.sampled_from(["x86_64", "aarch64", "noarch", "src"]),
    epoch=st.sampled_from(["0", "1"]),
    description=TEXTS,
    packager=st.none() | st.just("</package> & co") | TEXTS,
)


def read(document: str | bytes, wanted: Wanted = KERNELS, compression: str = "gz") -> Primary:
    data = document.encode() if isinstance(document, str) else document
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "primary.xml")
        return read_primary(path, write(path, data, compression), wanted)


def by_lxml(document: str, wanted: Wanted = KERNELS) -> list[Package]:
    """Return the wanted packages the plain way: the whole tree, then a look at each child."""
    root = etree.fromstring(document.encode(), etree.XMLParser(remove_comments=True))
    found = []
    for element in root.findall(f"{COMMON}package"):
        name = element.findtext(f"{COMMON}name", "")
        version, location = element.find(f"{COMMON}version"), element.find(f"{COMMON}location")
        assert version is not None
        assert location is not None
        if wanted.wants(name):
            evr = (version.get("epoch", "0"), version.get("ver", ""), version.get("rel", ""))
            arch = element.findtext(f"{COMMON}arch", "")
            found.append(Package(name, arch, *evr, location.get("href", "")))
    return found


def by_createrepo_c(document: str, wanted: Wanted = KERNELS) -> list[Package]:
    found: list[Package] = []

    def take(listed: Any) -> None:
        evr = (listed.epoch or "0", listed.version, listed.release)
        found.append(Package(listed.name, listed.arch, *evr, listed.location_href))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "primary.xml")
        path.write_text(document, newline="")
        createrepo_c.xml_parse_primary(str(path), pkgcb=take, do_files=False)
    return [item for item in found if wanted.wants(item.name)]


@given(st.lists(SAMPLES, min_size=1, max_size=8))
def test_what_createrepo_c_writes_is_read_by_searching(samples: list[Sample]) -> None:
    document = primary_xml(samples)
    result = read(document)
    assert result.canonical
    assert list(result.packages) == by_lxml(document) == by_createrepo_c(document)
    assert result.count == result.declared == len(samples)


COMMENT = '<!-- </package>\n<package type="rpm">\n  <name>kernel</name> -->'
CDATA = '<![CDATA[</package>\n<package type="rpm">\n  <name>kernel</name>]]>'
INSTRUCTION = '<?x </package>\n<package type="rpm">\n  <name>kernel</name> ?>'
NESTED = '<x><package type="rpm">\n  <name>kernel</name></package></x>'
PREFIXED = (
    '<c:package xmlns:c="http://linux.duke.edu/metadata/common" type="rpm"><c:name>kernel</c:name>'
    '<c:arch>src</c:arch><c:version epoch="0" ver="1" rel="2"/><c:location href="k"/></c:package>\n'
)
WITHOUT = '<package xmlns="http://example.org/" type="rpm">\n  <name>kernel</name></package>\n'

#: Ways to spell, or to abuse, primary.xml: what to look for and what to put there instead.
EDITS = {
    "comment in a description": ("What it", f"{COMMENT}What it"),
    "CDATA in a description": ("What it", f"{CDATA}What it"),
    "instruction in a description": ("What it", f"{INSTRUCTION}What it"),
    "comment between packages": ("</package>\n", f"</package>\n{COMMENT}\n"),
    "comment in a name": ("<name>k", "<name>k<!-- -->"),
    "CDATA in a name": ("<name>kernel", "<name><![CDATA[kernel]]>"),
    "reference in a name": ("<name>k", "<name>&#107;"),
    "hexadecimal reference in a name": ("<name>ke", "<name>k&#x65;"),
    "predefined entity in a name": ("<name>kernel", "<name>kernel&amp;"),
    "reference in a description": ("What it", "What&#13; it"),
    "package nested in a package": ("<format>", f"{NESTED}<format>"),
    "package with a prefix": ("</package>\n", f"</package>\n{PREFIXED}"),
    "package of another namespace": ("</package>\n", f"</package>\n{WITHOUT}"),
    "empty element named package": ("<format>", "<package/><format>"),
    "element named packages": ("<format>", "<packages>x</packages><format>"),
    "attribute added": ('<package type="rpm">', '<package type="rpm" x="y">'),
    "attributes in single quotes": ('<package type="rpm">', "<package type='rpm'>"),
    "space in the end tag": ("</package>", "</package >"),
    "space in the start tag": ('type="rpm">', 'type="rpm" >'),
    "space in the name tag": ("<name>", "<name >"),
    "name not first": ("  <name>", "  <arch>noarch</arch>\n  <name>"),
    "second name": ("</name>", "</name><name>kernel</name>"),
    "child in the name": ("<name>kernel", "<name>kernel<b/>"),
    "everything on one line": ("\n", ""),
    "carriage returns": ("\n", "\r\n"),
    "other gap": ("</package>\n", "</package>\n\n"),
    "attributes of version reordered": ('epoch="0" ver="1.0"', 'ver="1.0" epoch="0"'),
    "root attributes reordered": (
        'xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm"',
        'xmlns:rpm="http://linux.duke.edu/metadata/rpm" xmlns="http://linux.duke.edu/metadata/common"',
    ),
    "count too high": ('packages="', 'packages="9'),
    "count missing": (' packages="', ' count="'),
    "no declaration": ('<?xml version="1.0" encoding="UTF-8"?>\n', ""),
    "mark of byte order": ("<?xml", "\ufeff<?xml"),
    "text after the last package": (TAIL, f"text{TAIL}"),
    "comment after the end": (TAIL, f"{TAIL}<!-- the end -->\n"),
    "other elements in the root": (TAIL, f"<more/>{TAIL}"),
}
MIXED = [
    Sample("kernel", epoch="1"),
    Sample("bash", description="What it <is> & why! #1?"),
    Sample("kernel-livepatch-6.1.1-2.3"),
    Sample("kernel-headers"),
    Sample("system-release", version="2023.9.20251208", arch="noarch"),
]


def edited(document: str, edit: str, times: int) -> str:
    old, new = EDITS[edit]
    assert old in document
    return document.replace(old, new, times)


@pytest.mark.parametrize("times", [1, 2, -1], ids=["once", "twice", "everywhere"])
@pytest.mark.parametrize("edit", EDITS)
def test_another_spelling_gives_the_rows_of_a_full_parse(edit: str, times: int) -> None:
    document = edited(primary_xml(MIXED), edit, times)
    assert list(read(document).packages) == by_lxml(document)


@pytest.mark.parametrize("declared", range(1, 13))
@pytest.mark.parametrize("edit", EDITS)
def test_no_count_makes_another_spelling_pass_for_the_usual_one(edit: str, declared: int) -> None:
    document = edited(primary_xml(MIXED), edit, 1).replace('="5"', f'="{declared}"')
    assert list(read(document, compression="none").packages) == by_lxml(document)


FAKE = Sample("kernel", version="6.6.6").xml()
INSIDE = f'</package>\n{FAKE}<package type="rpm">\n  <name>bash</name>'


@pytest.mark.parametrize(
    "hidden", [f"<!-- {INSIDE} -->", f"<![CDATA[{INSIDE}]]>", f"<?x {INSIDE}?>"]
)
def test_a_package_hidden_in_another_is_not_seen(hidden: str) -> None:
    samples = [Sample("bash", description="WHERE"), Sample("kernel", version="6.1.1")]
    document = primary_xml(samples).replace("WHERE", hidden).replace('="2"', '="4"')
    assert [package.version for package in read(document).packages] == ["6.1.1"]


def test_a_name_is_judged_as_it_reads_and_not_as_it_is_spelled() -> None:
    document = primary_xml([Sample("kernel&x"), Sample("kernel")])
    result = read(document, Wanted(("kernel",), lambda name: name == "kernel&x"))
    assert result.canonical
    assert [package.name for package in result.packages] == ["kernel&x"]


#: createrepo_c reads names and prefixes in ways of its own there.
OWN_WAYS = {
    "package with a prefix",
    "package of another namespace",
    "package nested in a package",
    "empty element named package",
    "element named packages",
    "second name",
    "child in the name",
}


@pytest.mark.parametrize("edit", sorted(set(EDITS) - OWN_WAYS))
def test_another_spelling_gives_the_rows_of_createrepo_c(edit: str) -> None:
    document = edited(primary_xml(MIXED), edit, -1)
    assert list(read(document).packages) == by_createrepo_c(document)


@settings(max_examples=60)
@given(
    samples=st.lists(SAMPLES, min_size=1, max_size=5),
    edits=st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.sampled_from([1, 2, -1]))),
)
def test_no_mixture_of_spellings_changes_the_rows(
    samples: list[Sample], edits: list[tuple[str, int]]
) -> None:
    document = primary_xml(samples)
    for edit, times in edits:
        document = document.replace(*EDITS[edit], times)
    try:
        expected = by_lxml(document)
    except etree.XMLSyntaxError:
        return  # Some edits undo the well-formedness that others rely on.
    assert list(read(document).packages) == expected


@given(
    edit=st.sampled_from([*sorted(EDITS), "nothing"]),
    cuts=st.lists(st.integers(1, 400), min_size=1, max_size=60),
)
def test_where_the_pieces_are_cut_does_not_matter(edit: str, cuts: list[int]) -> None:
    document = primary_xml(MIXED * 4).replace(*EDITS.get(edit, ("", "", 0)))
    data, pieces = document.encode(), []
    for cut in cuts * 200:
        pieces.append(data[:cut])
        data = data[cut:]
    reader = CanonicalReader("primary.xml", KERNELS)
    try:
        reader.read([*pieces, data])
    except NotCanonical:
        assert edit != "nothing"
    else:
        assert reader.packages == by_lxml(document)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (HEAD.format(count=1), "not well-formed"),
        ("<html><body>Welcome</body></html>", "root element html"),
        ('<repomd xmlns="http://linux.duke.edu/metadata/repo"/>', "root element"),
        (primary_xml(MIXED).replace("<location", "<place"), "no location for the package 'kernel'"),
        (primary_xml(MIXED)[:-200], "not well-formed"),
    ],
)
def test_what_is_no_primary_metadata_is_refused(text: str, reason: str) -> None:
    with pytest.raises(MetadataError, match=reason):
        read(text)


def test_a_repository_without_packages_is_read_as_such() -> None:
    assert read(HEAD.format(count=0) + TAIL) == Primary((), 0, 0, canonical=False)


def test_a_count_that_lies_is_told_and_costs_no_package() -> None:
    result = read(primary_xml(MIXED).replace('packages="5"', 'packages="3"'))
    assert (result.declared, result.count, len(result.packages)) == (3, 5, 3)
    assert not result.canonical


def test_entities_are_neither_expanded_nor_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("kernel")
    dtd = f'<!DOCTYPE metadata [<!ENTITY x SYSTEM "{secret.as_uri()}">]>\n<metadata'
    document = primary_xml(MIXED).replace("<metadata", dtd).replace("<name>bash", "<name>&x;")
    with pytest.raises(MetadataError, match="document type declaration"):
        read(document)


def test_a_laughing_document_is_refused() -> None:
    levels = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    dtd = f'<!DOCTYPE metadata [<!ENTITY l0 "ha">{levels}]>\n<metadata'
    document = primary_xml(MIXED).replace("<metadata", dtd).replace("bash", "&l9;")
    with pytest.raises(MetadataError):
        read(document)


def test_a_package_without_end_is_not_collected_for_ever() -> None:
    endless = Sample("kernel").xml().replace("<format>", "<format>" + "<file>/a</file>" * 1_200_000)
    with pytest.raises(MetadataError, match="has a package of over"):
        read(HEAD.format(count=1) + endless + TAIL)


def test_all_packages_are_wanted_unless_told_otherwise() -> None:
    result = read(primary_xml(MIXED), Wanted())
    assert [item.name for item in result.packages] == [sample.name for sample in MIXED]
    assert result.packages[0].nevra == "kernel-1:1.0-1.amzn2023.x86_64"
    assert result.packages[1].nevra == "bash-1.0-1.amzn2023.x86_64"
