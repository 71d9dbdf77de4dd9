"""Modules are signed with the driver's own key, which is seen by nobody."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID

from kmodbot.pipeline.build import build
from kmodbot.pipeline.errors import BadInput, BuildError
from kmodbot.pipeline.inputs import Request
from kmodbot.pipeline.phases import Log
from kmodbot.pipeline.signing import (
    CERTIFICATE,
    KEY,
    TRAILER,
    Signer,
    SigningKey,
    find_signer,
    take_signing_key,
)

from .conftest import HELLO, kernel
from .test_headers import make_tree
from .test_real_build import newest, unpack

# struct module_signature of the kernel: seven bytes, and the length of the signature.
_DESCRIPTION = 12


@dataclass(frozen=True)
class Pair:
    """A key and the certificate made for it."""

    key: str
    certificate: str


def make_pair(directory: Path, *options: str, kind: str = "rsa:2048") -> Pair:
    """Make a key pair as docs/pipeline.md tells."""
    words = ["openssl", "req", "-new", "-x509", "-nodes", "-newkey", kind, "-days", "100"]
    words += ["-subj", "/CN=acme drivers/", "-keyout", "key.pem", "-out", "cert.pem", *options]
    directory.mkdir(exist_ok=True)
    subprocess.run(words, cwd=directory, check=True, capture_output=True)
    return Pair((directory / "key.pem").read_text(), (directory / "cert.pem").read_text())


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("other"))


def dated(pair: Pair, start: timedelta, end: timedelta) -> str:
    """Return a certificate of the key that is valid from and to some time from now."""
    key = load_pem_private_key(pair.key.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "acme drivers")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now + start, now + end)
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()


def test_without_a_key_nothing_is_signed() -> None:
    assert take_signing_key({}) is None
    # How GitHub hands over a secret that is not set.
    assert take_signing_key({KEY: "", CERTIFICATE: ""}) is None


def test_key_and_certificate_come_from_two_variables_or_one(pair: Pair) -> None:
    expected = SigningKey(pair.key, pair.certificate)
    assert take_signing_key({KEY: pair.key, CERTIFICATE: pair.certificate}) == expected
    assert take_signing_key({KEY: pair.certificate + pair.key}) == expected


def test_no_later_program_sees_the_key(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, pair.key)
    monkeypatch.setenv(CERTIFICATE, pair.certificate)
    key = take_signing_key()
    assert KEY not in os.environ
    assert CERTIFICATE not in os.environ
    assert pair.key not in repr(key)


def test_a_broken_key_is_taken_out_of_the_environment_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "no key")
    with pytest.raises(BadInput):
        take_signing_key()
    assert KEY not in os.environ


def test_a_key_without_certificate_is_refused(pair: Pair) -> None:
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_CERT: is not set, and KMODBOT_"):
        take_signing_key({KEY: pair.key})


def test_a_certificate_without_key_is_refused(pair: Pair) -> None:
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_KEY: is not set, but KMODBOT_SIGNING_CE"):
        take_signing_key({CERTIFICATE: pair.certificate})


@pytest.mark.parametrize(
    "with_key", [pytest.param(True, id="beside"), pytest.param(False, id="no")]
)
def test_a_certificate_that_is_not_pem_is_refused(pair: Pair, with_key: bool) -> None:
    # Read by a shell, DER is what is left of it without its zero bytes.
    der = x509.load_pem_x509_certificate(pair.certificate.encode()).public_bytes(Encoding.DER)
    text = der.replace(b"\0", b"").decode(errors="surrogateescape")
    for each in (text, pair.key):
        key = pair.key + (pair.certificate if with_key else "")
        with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_CERT: expected a certificate as PEM"):
            take_signing_key({KEY: key, CERTIFICATE: each})


def test_text_that_is_no_key_is_refused_and_not_repeated(pair: Pair) -> None:
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_KEY: expected a private key") as caught:
        take_signing_key({KEY: "hunter2", CERTIFICATE: pair.certificate})
    assert "hunter2" not in str(caught.value)


def test_a_damaged_key_is_refused(pair: Pair) -> None:
    lines = pair.key.splitlines()
    damaged = "\n".join([*lines[:5], *lines[9:]])
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_KEY: is damaged or protected"):
        take_signing_key({KEY: damaged, CERTIFICATE: pair.certificate})


def test_a_key_with_a_passphrase_is_refused(pair: Pair) -> None:
    words = ["openssl", "pkcs8", "-topk8", "-passout", "pass:secret"]
    done = subprocess.run(words, input=pair.key, check=True, capture_output=True, text=True)
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_KEY: is damaged or protected"):
        take_signing_key({KEY: done.stdout, CERTIFICATE: pair.certificate})


def test_the_certificate_of_another_key_is_refused(pair: Pair, other: Pair) -> None:
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_CERT: is the certificate of another"):
        take_signing_key({KEY: pair.key, CERTIFICATE: other.certificate})


def test_an_expired_certificate_is_refused(pair: Pair) -> None:
    expired = dated(pair, timedelta(days=-9), timedelta(days=-1))
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_CERT: expired on .* GMT; make a new one"):
        take_signing_key({KEY: pair.key, CERTIFICATE: expired})


def test_a_certificate_of_the_future_is_refused(pair: Pair) -> None:
    early = dated(pair, timedelta(days=5), timedelta(days=9))
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_CERT: is valid from .* GMT only"):
        take_signing_key({KEY: pair.key, CERTIFICATE: early})


def test_something_else_than_a_certificate_is_refused(pair: Pair) -> None:
    broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_CERT: is not a certificate"):
        take_signing_key({KEY: pair.key, CERTIFICATE: broken})


def test_a_key_whose_signatures_differ_each_time_is_refused(tmp_path: Path) -> None:
    curve = make_pair(tmp_path, "-pkeyopt", "ec_paramgen_curve:prime256v1", kind="ec")
    with pytest.raises(BadInput, match=r"^KMODBOT_SIGNING_KEY: is not an RSA key"):
        take_signing_key({KEY: curve.key, CERTIFICATE: curve.certificate})


def test_a_build_without_a_key_says_that_it_is_unsigned(tmp_path: Path, log: Log) -> None:
    headers = make_tree(tmp_path / "headers", 'CONFIG_MODULE_SIG_HASH="sha512"\n')
    assert find_signer(None, headers, log) is None
    assert log.notes == ["signature: none, because KMODBOT_SIGNING_KEY is not set"]


def test_a_kernel_that_checks_no_signatures_gets_none(pair: Pair, tmp_path: Path, log: Log) -> None:
    headers = make_tree(tmp_path / "headers")
    assert find_signer(SigningKey(pair.key, pair.certificate), headers, log) is None
    assert log.notes == ["signature: left out, because the kernel checks none (CONFIG_MODULE_SIG)"]


def test_headers_without_the_program_are_named(pair: Pair, tmp_path: Path, log: Log) -> None:
    headers = make_tree(tmp_path / "linux-headers-x", 'CONFIG_MODULE_SIG_HASH="sha512"\n')
    with pytest.raises(BuildError, match=r"linux-headers-x lack scripts/sign-file, so the modules"):
        find_signer(SigningKey(pair.key, pair.certificate), headers, log)


def fake_signer(path: Path, script: str, pair: Pair) -> Signer:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Signer(path, "sha512", SigningKey(pair.key, pair.certificate))


def test_the_key_is_in_a_file_of_its_own_only_while_signing(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    module = tmp_path / "hello.ko"
    module.touch()
    script = (
        'test "$1" = sha512 || exit 9\n'
        f'stat -c %a "$2" "${{2%/*}}" > {tmp_path}/modes\n'
        f'cat "$2" "$3" > {tmp_path}/seen\n'
        f"printf '{TRAILER.decode().rstrip()}\\n' >> \"$4\""
    )
    fake_signer(tmp_path / "sign-file", script, pair).sign(module)
    assert (tmp_path / "modes").read_text().split() == ["600", "700"]
    assert (tmp_path / "seen").read_text() == pair.key + pair.certificate
    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_key_is_removed_when_signing_fails(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    signer = fake_signer(tmp_path / "sign-file", "echo cannot >&2; exit 1", pair)
    with pytest.raises(BuildError, match="sign-file ended with status 1:\ncannot"):
        signer.sign(tmp_path / "hello.ko")
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_program_that_signs_nothing_is_noticed(pair: Pair, tmp_path: Path) -> None:
    module = tmp_path / "hello.ko"
    module.write_bytes(b"module")
    with pytest.raises(BuildError, match=r"hello\.ko: sign-file left no signature"):
        fake_signer(tmp_path / "sign-file", "true", pair).sign(module)


@dataclass(frozen=True)
class Signed:
    """A package built twice with the same key, and its module."""

    packages: tuple[Path, Path]
    module: Path
    log: Log


@pytest.fixture(scope="module")
def signed(pair: Pair, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    directory = tmp_path_factory.mktemp("signed")
    source = shutil.copytree(HELLO, directory / "checkout")
    cache = directory / "cache"
    request = Request(kernel(newest(cache, "6.1.0-", "cloud-amd64")), "v0.1.0", "manual")
    key = SigningKey(pair.key, pair.certificate)
    with (directory / "log").open("w") as stream:
        log = Log(stream=stream)
        first, second = (
            build(request, source, directory / name, cache, log, key)
            for name in ("first", "second")
        )
    (module,) = unpack(first, directory / "root")
    return Signed((first, second), module, log)


def test_the_signature_is_that_of_the_module_without_it(
    signed: Signed, pair: Pair, tmp_path: Path
) -> None:
    content = signed.module.read_bytes()
    assert content.endswith(TRAILER)
    description = content[: -len(TRAILER)][-_DESCRIPTION:]
    length = int.from_bytes(description[-4:], "big")
    end = len(content) - len(TRAILER) - _DESCRIPTION
    (tmp_path / "module").write_bytes(content[: end - length])
    (tmp_path / "signature").write_bytes(content[end - length : end])
    (tmp_path / "cert.pem").write_text(pair.certificate)
    verify = "openssl cms -verify -binary -inform DER -in signature -content module -noverify"
    words = [*verify.split(), "-certfile", "cert.pem", "-out", "/dev/null"]
    done = subprocess.run(words, cwd=tmp_path, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # And of nothing else.
    (tmp_path / "module").write_bytes(content[: end - length] + b"\0")
    assert subprocess.run(words, cwd=tmp_path, check=False, capture_output=True).returncode != 0


def test_modinfo_shows_who_signed(signed: Signed) -> None:
    def field(name: str) -> str:
        words = ["/sbin/modinfo", "-F", name, str(signed.module)]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout.strip()

    assert field("signer") == "acme drivers"
    assert field("sig_hashalgo") == "sha256"


def test_signing_again_makes_the_same_bytes(signed: Signed) -> None:
    first, second = (hashlib.sha256(each.read_bytes()).digest() for each in signed.packages)
    assert first == second


def test_the_summary_says_that_it_is_signed_and_the_log_holds_no_key(
    signed: Signed, pair: Pair
) -> None:
    assert "signature: with the key of KMODBOT_SIGNING_CERT, sha256" in signed.log.notes
    text = Path(signed.log.stream.name).read_text()
    assert pair.key.splitlines()[1] not in text
    assert list(signed.log.phases)[-2:] == ["sign", "package"]
