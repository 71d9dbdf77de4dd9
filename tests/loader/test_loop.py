"""Whole runs of the loader as a node carries them out: the zipapp against real servers."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from .conftest import DOWNLOAD, NAME, STATUS, TAG, accepted, in_progress, known, sha256
from .packages import (
    MODULE_PATH,
    RELEASE,
    VERMAGIC,
    compile_module,
    deb_of,
    make_package,
    tar_member,
)
from .servers import Reply

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Node

ADVICE = "does --repository/--driver match the bot's GITHUB_REPOSITORY/KMODBOT_DRIVER?"
PLACE = f"var/lib/kmodbot/{TAG}/{NAME}"


def test_a_package_that_is_there_is_found_at_once(
    node: Node, package: bytes, module: bytes
) -> None:
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package))
    node.bot.on("POST /build", Reply(200, known(node.github, package)))
    done = node.load()
    assert done.returncode == 0, done.stderr
    assert (node.root / PLACE / NAME).read_bytes() == package
    assert (node.root / PLACE / MODULE_PATH).read_bytes() == module
    assert f"module    {node.root / PLACE / MODULE_PATH}" in done.stdout
    assert f"vermagic  {VERMAGIC.strip()}" in done.stdout
    assert f"sha256    {sha256(package)} (as told by the bot)" in done.stdout
    assert len(node.github.calls) == 1


def test_a_package_that_is_missing_is_asked_for_and_awaited(node: Node, package: bytes) -> None:
    node.github.on(f"GET {DOWNLOAD}", Reply(404), Reply(200, package))
    node.bot.on("POST /build", accepted())
    done_reply = Reply(200, known(node.github, package))
    node.bot.on(f"GET {STATUS}", in_progress("dispatched"), in_progress(), done_reply)
    done = node.load("--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["status"] == "ready"
    assert report["module"] == str(node.root / PLACE / MODULE_PATH)
    assert report["vermagic"].split()[0] == RELEASE
    assert report["package"] == NAME
    assert report["sha256"] == sha256(package)
    assert report["found_at_once"] is False
    assert set(report["seconds"]) == {"find", "build", "download", "unpack", "total"}
    (asked,) = node.bot.made("POST /build")
    assert json.loads(asked.body) == {
        "kernel_version": RELEASE,
        "architecture": "x86_64",
        "distribution": "debian",
        "distro_version": "12",
        "driver_version": "v0.1.0",
    }
    assert "building" in done.stderr


def test_an_rpm_is_unpacked_without_rpm(node: Node, tmp_path: Path) -> None:
    release = "6.14.0-100.fc42.x86_64"
    (node.root / "etc/os-release").write_text("ID=fedora\nVERSION_ID=42\n")
    package = make_package(tmp_path, compile_module(tmp_path, f"{release} SMP "), "rpm")
    name = f"hello-fedora-{release}_v0.1.0_amd64.rpm"
    url = f"/acme/hello-driver/releases/download/v0.1.0-fedora-42-x86_64/{name}"
    node.github.on(f"GET {url}", Reply(200, package))
    named = known(node.github, package, package=name, url=f"{node.github.url}{url}")
    node.bot.on("POST /build", Reply(200, named))
    done = node.load("--kernel-release", release)
    assert done.returncode == 0, done.stderr
    assert release in done.stdout


def test_a_token_goes_to_the_bot_only_and_is_never_shown(node: Node, package: bytes) -> None:
    node.environment["KMODBOT_TOKEN"] = "s3cret-t0ken"
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package))
    node.bot.on("POST /build", Reply(200, known(node.github, package)))
    done = node.load()
    assert done.returncode == 0
    assert node.bot.calls[0].headers["Authorization"] == "Bearer s3cret-t0ken"
    assert all("Authorization" not in call.headers for call in node.github.calls)
    assert "s3cret" not in done.stdout + done.stderr


def test_a_token_is_not_carried_along_a_redirect(node: Node, package: bytes) -> None:
    node.environment["KMODBOT_TOKEN"] = "s3cret-t0ken"
    elsewhere = {"Location": f"{node.github.url}/build"}
    node.bot.on("POST /build", Reply(302, headers=elsewhere))
    done = node.load()
    assert done.returncode == 6
    assert "answered 302" in done.stderr
    assert not node.github.made("GET /build")


def test_a_package_of_a_private_repository_comes_through_the_bot(
    node: Node, package: bytes
) -> None:
    node.environment["KMODBOT_TOKEN"] = "s3cret-t0ken"
    # The bot need not know the address that the node knows it by.
    url = f"http://kmodbot.internal/packages/{TAG}/{NAME}"
    node.bot.on("POST /build", Reply(200, known(node.github, package, url=url)))
    signed = {"Location": f"{node.github.url}/signed?key=1"}
    node.bot.on(f"GET /packages/{TAG}/{NAME}", Reply(302, headers=signed))
    node.github.on("GET /signed", Reply(200, package))

    done = node.load()

    assert done.returncode == 0, done.stderr
    assert (node.root / PLACE / NAME).read_bytes() == package
    (asked,) = node.bot.made(f"GET /packages/{TAG}/{NAME}")
    assert asked.headers["Authorization"] == "Bearer s3cret-t0ken"
    assert all("Authorization" not in call.headers for call in node.github.calls)


def test_a_build_that_failed_a_short_while_ago_is_not_waited_for(node: Node) -> None:
    error = {"code": "build_failed", "message": 'the run failed in step "Build the package"'}
    node.bot.on("POST /build", Reply(409, {"error": error}, {"Retry-After": "3000"}))
    done = node.load()
    assert done.returncode == 3
    assert 'the build failed: the run failed in step "Build the package"' in done.stderr
    assert len(node.bot.calls) == 1


def test_a_failed_build_is_reported_with_its_reason(node: Node) -> None:
    node.bot.on("POST /build", accepted())
    body = {"status": "error", "error": "headers not found\x1b[2J", "run_url": "https://x/1"}
    node.bot.on(f"GET {STATUS}", Reply(200, body))
    done = node.load("--json")
    assert done.returncode == 3
    failure = json.loads(done.stdout)
    assert failure["status"] == "error"
    assert failure["error"] == "the build failed: headers not found?[2J (https://x/1)"
    assert "\x1b" not in done.stderr
    assert node.files == []


def test_a_build_that_takes_too_long_is_given_up(node: Node) -> None:
    node.bot.on("POST /build", accepted())
    node.bot.on(f"GET {STATUS}", in_progress())
    done = node.load("--timeout", "1.5")
    assert done.returncode == 4
    assert "not done yet (building)" in done.stderr


def test_a_forged_package_leaves_nothing_behind(node: Node, package: bytes) -> None:
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package + b"\0"))
    node.bot.on("POST /build", Reply(200, known(node.github, package)))
    done = node.load()
    assert done.returncode == 5
    assert sha256(package) in done.stderr
    assert node.files == []


def test_a_download_that_breaks_off_is_repeated(node: Node, package: bytes) -> None:
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package, cut=100), Reply(200, package))
    node.bot.on("POST /build", Reply(200, known(node.github, package)))
    done = node.load()
    assert done.returncode == 0
    assert f"broke off at 100 of {len(package)} bytes" in done.stderr
    assert node.files[-1] == f"{PLACE}/{MODULE_PATH}"


def test_a_busy_bot_is_given_the_time_it_asks_for(node: Node, package: bytes) -> None:
    node.github.on(f"GET {DOWNLOAD}", Reply(404), Reply(200, package))
    busy = Reply(429, {"error": {"code": "busy"}}, headers={"Retry-After": "1"})
    node.bot.on("POST /build", busy, Reply(200, known(node.github, package)))
    done = node.load()
    assert done.returncode == 0
    assert "answered 429; trying again in 1." in done.stderr


def test_a_bot_that_asks_for_more_time_than_there_is_is_asked_once_more(node: Node) -> None:
    body = {"error": {"code": "github_unavailable", "message": "GitHub is away"}}
    node.bot.on("POST /build", Reply(503, body, headers={"Retry-After": "3600"}))
    done = node.load("--timeout", "1")
    assert done.returncode == 6
    assert "answered 503: GitHub is away; trying again in " in done.stderr
    assert "answered 503: GitHub is away; gave up" in done.stderr
    assert len(node.bot.made("POST /build")) == 2


def test_a_bot_that_restarts_in_the_middle_is_found_again(node: Node, package: bytes) -> None:
    node.github.on(f"GET {DOWNLOAD}", Reply(404), Reply(200, package))
    node.bot.on("POST /build", accepted(), Reply(202, {"build_id": "c2c2c2c2"}))
    node.bot.on(f"GET {STATUS}", in_progress("dispatched"), Reply(404))
    node.bot.on("GET /status/c2c2c2c2", Reply(200, known(node.github, package)))
    with node.start("--timeout", "60") as process:
        assert process.stderr is not None
        lines = iter(process.stderr)
        assert any("dispatched" in line for line in lines)
        node.bot.stop()
        assert any("cannot be reached" in line for line in lines)
        node.bot.start()
        assert any("asking again" in line for line in lines)
        process.communicate()
    assert process.returncode == 0


def test_an_unreachable_bot_is_replaced_by_githubs_digest(node: Node, package: bytes) -> None:
    node.bot.stop()
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package))
    assets = [{"name": "other"}, {"name": NAME, "digest": f"sha256:{sha256(package)}"}]
    node.github.on(
        f"GET /api/v3/repos/acme/hello-driver/releases/tags/{TAG}", Reply(200, {"assets": assets})
    )
    done = node.load("--timeout", "2")
    node.bot.start()
    assert done.returncode == 0, done.stderr
    assert "(as told by the release)" in done.stdout


def test_a_package_nobody_vouches_for_is_refused_unless_allowed(node: Node, package: bytes) -> None:
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package))
    refused = node.load("--timeout", "2")
    assert refused.returncode == 5
    assert "--allow-unverified" in refused.stderr
    assert node.files == []
    allowed = node.load("--timeout", "2", "--allow-unverified")
    assert allowed.returncode == 0, allowed.stderr
    assert "(NOT verified)" in allowed.stdout


def test_a_package_of_another_driver_is_not_taken(node: Node, package: bytes) -> None:
    other = known(node.github, package, package="other_1.0_amd64.deb")
    node.bot.on("POST /build", Reply(200, other))
    done = node.load()
    assert done.returncode == 5
    assert f"'other_1.0_amd64.deb' instead of {NAME}" in done.stderr
    assert ADVICE in done.stderr


@pytest.mark.parametrize(
    "url",
    [
        f"{{server}}{DOWNLOAD.replace('hello-driver', 'other-driver')}",
        f"{{server}}{DOWNLOAD.replace(TAG, 'v0.2.0-debian-12-x86_64')}",
        f"{{server}}{DOWNLOAD}.sig",
        f"http://127.0.0.1:9{DOWNLOAD}",
        f"https://evil.example{DOWNLOAD}",
        f"{{server}}@evil.example{DOWNLOAD}",
        f"http://[{DOWNLOAD}",
    ],
)
def test_a_package_of_another_release_is_not_taken(node: Node, package: bytes, url: str) -> None:
    elsewhere = url.format(server=node.github.url)
    node.bot.on("POST /build", Reply(200, known(node.github, package, url=elsewhere)))
    done = node.load()
    assert done.returncode == 5
    assert f"{elsewhere!r} instead of {node.github.url}{DOWNLOAD}; {ADVICE}" in done.stderr
    assert len(node.github.calls) == 1
    assert node.files == []


def test_capitals_in_the_repository_make_no_other_release(node: Node, package: bytes) -> None:
    canonical = DOWNLOAD.replace("acme/hello-driver", "Acme/Hello-Driver")
    node.github.on(f"GET {canonical}", Reply(200, package))
    found = known(node.github, package, url=f"{node.github.url}{canonical}")
    node.bot.on("POST /build", Reply(200, found))
    assert node.load().returncode == 0


def test_a_module_for_another_kernel_leaves_nothing_behind(node: Node, tmp_path: Path) -> None:
    package = make_package(tmp_path, compile_module(tmp_path, "6.1.0-37-amd64 SMP "))
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package))
    node.bot.on("POST /build", Reply(200, known(node.github, package)))
    done = node.load()
    assert done.returncode == 5
    assert f"hello.ko: it is for kernel '6.1.0-37-amd64 SMP', not {RELEASE}" in done.stderr
    assert node.files == []


def test_a_hostile_package_leaves_nothing_behind(node: Node, module: bytes) -> None:
    package = deb_of(
        [(tar_member(f"./{MODULE_PATH}"), module), (tar_member("../../etc/cron.d/x"), b"x")]
    )
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package))
    node.bot.on("POST /build", Reply(200, known(node.github, package)))
    done = node.load()
    assert done.returncode == 5
    assert "leads elsewhere" in done.stderr
    assert node.files == []


def test_a_refusal_of_the_bot_is_passed_on(node: Node) -> None:
    body = {"error": {"code": "invalid_input", "message": "no such tag", "field": "driver_version"}}
    node.bot.on("POST /build", Reply(400, body))
    done = node.load()
    assert done.returncode == 2
    assert "the bot refused: driver_version: no such tag" in done.stderr


def test_a_missing_token_is_named(node: Node) -> None:
    node.bot.on("POST /build", Reply(401, {"error": {"message": "a token is needed"}}))
    done = node.load()
    assert done.returncode == 2
    assert "is KMODBOT_TOKEN set and right?" in done.stderr


def test_an_unknown_token_is_named(node: Node) -> None:
    node.environment["KMODBOT_TOKEN"] = "s3cret-t0ken"
    node.bot.on("POST /build", Reply(403, {"error": {"message": "not known here"}}))
    done = node.load()
    assert done.returncode == 2
    says = "the bot does not know this token; is KMODBOT_TOKEN the right one? (not known here)"
    assert says in done.stderr


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"package": 1}', b'{"build_id": "../x"}'])
@pytest.mark.parametrize("status", [200, 202])
def test_an_answer_that_is_none_of_the_bots_ends_the_run(
    node: Node, status: int, body: bytes
) -> None:
    node.bot.on("POST /build", Reply(status, body))
    done = node.load()
    assert done.returncode == 6
    assert "answered" in done.stderr
    assert node.files == []


def test_a_derivative_is_refused_before_anybody_is_asked(node: Node) -> None:
    (node.root / "etc/os-release").write_text("ID=linuxmint\nID_LIKE=ubuntu\nVERSION_ID=22\n")
    done = node.load("--json")
    assert done.returncode == 2
    failure = json.loads(done.stdout)
    assert failure["field"] == "distribution"
    assert "ID='linuxmint'" in failure["error"]
    assert not node.github.calls
    assert not node.bot.calls


def test_a_kernel_of_another_system_is_refused(node: Node) -> None:
    done = node.load("--kernel-release", "6.12.54-linuxkit")
    assert done.returncode == 2
    assert "LinuxKit" in done.stderr


def test_a_second_run_replaces_the_first(node: Node, package: bytes) -> None:
    node.github.on(f"GET {DOWNLOAD}", Reply(200, package))
    node.bot.on("POST /build", Reply(200, known(node.github, package)))
    assert node.load().returncode == 0
    before = node.files
    assert node.load().returncode == 0
    assert node.files == before


def test_a_stopped_run_leaves_nothing_behind(node: Node) -> None:
    node.bot.on("POST /build", accepted())
    node.bot.on(f"GET {STATUS}", in_progress())
    with node.start("--timeout", "60") as process:
        assert process.stderr is not None
        assert any("building" in line for line in process.stderr)
        assert node.files
        process.send_signal(signal.SIGTERM)
        process.communicate()
    assert process.returncode == 128 + signal.SIGTERM
    assert node.files == []


def test_a_place_that_cannot_be_written_is_this_machines_failure(node: Node) -> None:
    (node.root / "var").write_text("not a directory")
    done = node.load()
    assert done.returncode == 1
    assert str(node.root / "var") in done.stderr
