"""`kmodbot discover al2023` as a person runs it."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from kmodbot.discovery.commands.al2023 import add_arguments, run

from .repositories import kernel, livepatch, on_disk

if TYPE_CHECKING:
    from pathlib import Path

R = "6.1.134-150.224.amzn2023.x86_64"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def repository(tmp_path: Path) -> str:
    samples = [livepatch("6.1.134-150.224"), livepatch("6.1.134-150.224", arch="aarch64")]
    samples += [
        kernel("6.12.58-82.121", "kernel6.12"),
        kernel("6.12.58-82.121", "kernel6.12-devel"),
    ]
    return on_disk(tmp_path / "repository", samples)


def command(*words: object) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args([str(word) for word in words]))


def test_the_table_says_what_was_found_and_what_lacks_headers(
    repository: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--repo", repository, "--arch", "amd64") == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "6.1.134-150.224.amzn2023.x86_64          devel missing  seen in livepatch",
        "6.12.58-82.121.amzn2023.x86_64           devel present  seen in core",
        "2 kernels, 1 of them without headers",
    ]
    assert err == f"ok       {repository}: 4 packages, 2 kernels\n"


def test_json_goes_to_the_terminal_and_to_a_file_alike(
    repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "list.json"
    assert command("--repo", repository, "--json", "-o", output) == 0
    text = capsys.readouterr().out
    assert output.read_text() == text
    listed = json.loads(text)["amazonlinux2023"]
    assert [entry["kernelrelease"] for entry in listed] == [
        "6.1.134-150.224.amzn2023.aarch64",
        R,
        "6.12.58-82.121.amzn2023.x86_64",
    ]


def merged(repository: str, tmp_path: Path, document: dict[str, Any], *words: str) -> Any:
    source, output = tmp_path / "list.json", tmp_path / "merged.json"
    source.write_text(json.dumps(document))
    assert command("--repo", repository, "--merge", source, "-o", output, *words) == 0
    return json.loads(output.read_text())


def entry(release: str, **more: object) -> dict[str, object]:
    return {"kernelversion": "1", "kernelrelease": release, "target": "x", **more}


def test_a_merge_loses_nothing_and_keeps_the_order(repository: str, tmp_path: Path) -> None:
    document = {
        "ubuntu": [entry("6.8.0-50-hwe", headers=["a", "b"])],
        "amazonlinux2023": [
            entry("6.12.30-34.92.amzn2023.x86_64", headers=["kept"], own="key"),
            entry("6.12.58-82.121.amzn2023.x86_64", headers=["kept too"]),
            entry(R),
        ],
        "empty": [],
    }
    result = merged(repository, tmp_path, document)
    assert list(result) == list(document)
    assert result["ubuntu"] == document["ubuntu"]
    first, second, third = result["amazonlinux2023"]
    assert first == document["amazonlinux2023"][0]
    assert second.pop("kmodbot")["devel"] == "present"
    assert second == document["amazonlinux2023"][1]
    assert third.pop("kmodbot")["devel"] == "missing"
    assert third == document["amazonlinux2023"][2]


def test_merging_twice_changes_nothing(repository: str, tmp_path: Path) -> None:
    once = merged(repository, tmp_path, {})
    assert len(once["amazonlinux2023"]) == 3
    assert merged(repository, tmp_path, once) == once


def test_the_older_spelling_of_the_key_is_found(repository: str, tmp_path: Path) -> None:
    document = {"AmazonLinux2023": [entry(R, kernelversion=1)]}
    result = merged(repository, tmp_path, document)
    assert list(result) == ["AmazonLinux2023"]
    assert len(result["AmazonLinux2023"]) == 2


def test_a_list_of_one_architecture_stays_so_unless_told_otherwise(
    repository: str, tmp_path: Path
) -> None:
    document = {"debian": [entry("6.12.94-1-arm64")]}
    result = merged(repository, tmp_path, document)
    assert [item["kernelrelease"][-7:] for item in result["amazonlinux2023"]] == ["aarch64"]
    other = merged(repository, tmp_path, document, "--arch", "x86_64")
    assert len(other["amazonlinux2023"]) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "list.json, line 1, column 2: is not JSON"),
        ("[]", "list.json: expected an object of distributions"),
        ('{"ubuntu": {}}', "list.json, ubuntu: expected a list of kernels, got an object"),
        ('{"ubuntu": [1]}', "list.json, ubuntu[0]: expected an object, got int"),
        ('{"ubuntu": [{}]}', "list.json, ubuntu[0]: expected an object with the key kernelrelease"),
        ('"\\udc80', "is not JSON"),
        ("\udc80", "is not UTF-8"),
        ('{"a": [], "a": []}', "the key 'a' stands twice in one object; repair it"),
        ('{"a": [{"kernelrelease": NaN}]}', "NaN is not JSON; repair it"),
        ('{"a": ' + "[" * 100_000, "cannot be read: it is nested too deeply; repair it"),
        ('{"a": [{"kernelrelease": "\\ud800"}]}', "a lone surrogate"),
        ('{"a": [{"kernelrelease": "r", "kmodbot": 1}]}', "a[0], kmodbot: expected an object"),
        (
            '{"a": [{"kernelrelease": "r", "kmodbot": {"seen_in": {}}}]}',
            "a[0], kmodbot.seen_in: expected a list",
        ),
        (
            '{"a": [{"kernelrelease": "r", "kmodbot": {"devel": "maybe"}}]}',
            'a[0], kmodbot.devel: expected "present" or "missing"',
        ),
        ('{"a": [{"kernelrelease": "r", "headers": 1}]}', "a[0], headers: expected a list"),
    ],
)
def test_a_list_of_another_shape_is_refused_at_its_place(
    repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    source = tmp_path / "list.json"
    source.write_bytes(text.encode("utf-8", "surrogateescape"))
    output = tmp_path / "out.json"
    assert command("--repo", repository, "--merge", source, "-o", output) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--repo", "cdn.example"], "cdn.example: is no URL of a repository; expected https://"),
        (["--arch", "riscv64"], "architecture: expected x86_64"),
        (["--merge", "/nowhere/list.json"], "/nowhere/list.json: No such file"),
        (["--repo", "file:///nowhere"], "file:///nowhere: is no repository"),
    ],
)
def test_wrong_input_is_status_2(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert command(*words) == 2
    assert message in capsys.readouterr().err


def test_an_unknown_source_is_status_1_and_gives_no_list(
    repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = on_disk(tmp_path / "broken", [livepatch("6.1.1-1.1")])
    (tmp_path / "broken/repodata/primary.xml.gz").write_bytes(b"\x1f\x8b")
    output = tmp_path / "list.json"
    words = ["--repo", repository, "--repo", broken, "-o", output]
    assert command(*words) == 1
    assert not output.exists()
    assert "primary.xml.gz: has 2 bytes" in capsys.readouterr().err
    assert command(*words, "--allow-partial") == 0
    assert len(json.loads(output.read_text())["amazonlinux2023"]) == 3


def test_nothing_at_all_is_never_a_partial_list(tmp_path: Path) -> None:
    broken = on_disk(tmp_path / "broken", [livepatch("6.1.1-1.1")])
    (tmp_path / "broken/repodata/primary.xml.gz").write_bytes(b"\x1f\x8b")
    assert command("--repo", broken, "--allow-partial") == 1


def test_what_an_earlier_merge_knew_is_kept(repository: str, tmp_path: Path) -> None:
    seen = {"repository": "core", "package": f"kernel-1:{R}", "al2023_release": "2023.7.20250331"}
    ours = {"seen_in": [seen], "devel": "present", "note": "ours"}
    listed = entry(R, kmodbot=ours)
    (result, *_) = merged(repository, tmp_path, {"amazonlinux2023": [listed]})["amazonlinux2023"]
    assert (result["kmodbot"]["devel"], result["kmodbot"]["note"]) == ("present", "ours")
    first, *others = result["kmodbot"]["seen_in"]
    assert first == seen
    assert [other["repository"] for other in others] == ["livepatch"]


@pytest.mark.parametrize(
    ("header", "devel"),
    [(f"https://m/kernel-devel-{R}.rpm", "present"), ("https://m/kernel-devel-6.1.1.rpm", None)],
)
def test_live_patches_alone_do_not_tell_that_headers_are_missing(
    tmp_path: Path, header: str, devel: str | None
) -> None:
    patches = on_disk(tmp_path / "patches", [livepatch("6.1.134-150.224")])
    document = {"amazonlinux2023": [entry(R, headers=[header])]}
    (result,) = merged(patches, tmp_path, document)["amazonlinux2023"]
    assert result["headers"] == [header]
    assert result["kmodbot"].get("devel") == devel


def test_a_verdict_outlives_a_run_that_could_not_tell(repository: str, tmp_path: Path) -> None:
    patches = on_disk(tmp_path / "patches", [livepatch("6.1.134-150.224")])
    known = merged(repository, tmp_path, {}, "--arch", "x86_64")
    again = merged(patches, tmp_path, known, "--arch", "x86_64")
    assert again == known
    assert [item["kmodbot"]["devel"] for item in again["amazonlinux2023"]] == ["missing", "present"]


def test_no_verdict_is_given_when_the_core_could_not_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    patches = on_disk(tmp_path / "patches", [livepatch("6.1.134-150.224")])
    broken = on_disk(tmp_path / "broken", [kernel("6.1.134-150.224")])
    (tmp_path / "broken/repodata/primary.xml.gz").write_bytes(b"\x1f\x8b")
    words = ("--repo", patches, "--repo", broken, "--allow-partial")
    assert command(*words, "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["amazonlinux2023"]
    assert list(found["kmodbot"]) == ["seen_in"]
    assert command(*words) == 0
    assert "of 1 it is not known" in capsys.readouterr().out


def test_a_list_as_deep_as_can_just_be_read_is_merged_or_refused(
    repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, output = tmp_path / "list.json", tmp_path / "out.json"
    limit = sys.getrecursionlimit()
    for depth in range(limit - 100, limit, 3):
        deep = "[" * depth + "]" * depth
        source.write_text(f'{{"ubuntu": [{{"kernelrelease": "r", "more": {deep}}}]}}')
        if command("--repo", repository, "--merge", source, "-o", output) == 0:
            output.unlink()
            continue
        assert "nested too deeply" in capsys.readouterr().err
        assert not output.exists()


def test_a_file_that_cannot_be_written_is_said(
    repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--repo", repository, "-o", tmp_path / "no" / "list.json") == 2
    assert "No such file or directory" in capsys.readouterr().err


def test_a_folder_is_no_file_to_write_to(
    repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--repo", repository, "-o", tmp_path) == 2
    message = f"kmodbot discover al2023: {tmp_path}: Is a directory; choose another -o\n"
    assert capsys.readouterr().err == message


def test_no_verdict_is_given_while_another_repository_could_not_be_read(
    repository: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = on_disk(tmp_path / "broken", [kernel("6.1.134-150.224", "kernel-devel")])
    (tmp_path / "broken/repodata/primary.xml.gz").write_bytes(b"\x1f\x8b")
    words = ("--repo", repository, "--arch", "x86_64", "--json")
    assert command(*words, "--repo", broken, "--allow-partial") == 0
    found = json.loads(capsys.readouterr().out)["amazonlinux2023"]
    assert [item["kmodbot"].get("devel") for item in found] == [None, "present"]
    assert command(*words) == 0
    found = json.loads(capsys.readouterr().out)["amazonlinux2023"]
    assert [item["kmodbot"].get("devel") for item in found] == ["missing", "present"]
