"""Modules signed with the driver's own key, for kernels that load nothing unsigned.

https://docs.kernel.org/admin-guide/module-signing.html
"""

from __future__ import annotations

import base64
import os
import re
import ssl
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kmodbot.pipeline.commands import CommandFailed, capture, require_program
from kmodbot.pipeline.errors import BadInput, BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping

    from kmodbot.pipeline.headers import HeaderTree
    from kmodbot.pipeline.phases import Log

KEY, CERTIFICATE = "KMODBOT_SIGNING_KEY", "KMODBOT_SIGNING_CERT"
# The last bytes of a signed module: include/linux/module_signature.h of the kernel.
TRAILER = b"~Module signature appended~\n"

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----\n?")
# rsaEncryption of RFC 8017 in DER, as every public key of this kind begins with.
_RSA = bytes.fromhex("06092a864886f70d010101")
_DAY = 86400


@dataclass(frozen=True)
class SigningKey:
    """A private key and the certificate that nodes know it by, both as PEM text."""

    key: str = field(repr=False)
    certificate: str


def take_signing_key(environment: MutableMapping[str, str] = os.environ) -> SigningKey | None:
    """Take the key out of `environment`, so that no later program gets it; None if there is none.

    Raises BadInput naming the variable when the two do not make a usable pair.
    """
    blocks = list(_blocks(environment.pop(KEY, "")))
    own = list(_blocks(environment.pop(CERTIFICATE, "")))
    key = next((text for kind, text in blocks if kind.endswith("PRIVATE KEY")), "")
    certificate = next((text for kind, text in own + blocks if kind == "CERTIFICATE"), "")
    if not (blocks or own):
        return None
    if not blocks:
        raise BadInput(f"{KEY}: is not set, but {CERTIFICATE} is; signing needs the key")
    if not key:
        raise BadInput(f"{KEY}: expected a private key as PEM text (-----BEGIN PRIVATE KEY-----)")
    if own and not any(kind == "CERTIFICATE" for kind, _ in own):
        raise BadInput(
            f"{CERTIFICATE}: expected a certificate as PEM text (-----BEGIN CERTIFICATE-----); "
            "openssl x509 -inform DER -in cert.der makes it from one in DER"
        )
    if not certificate:
        raise BadInput(
            f"{CERTIFICATE}: is not set, and {KEY} holds no certificate either; "
            "nodes know the key by its certificate, so put it into one of the two as PEM text"
        )
    _check_pair(key, certificate)
    return SigningKey(key, certificate)


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    if text.strip() and not _PEM.search(text):
        yield "", text
    for match in _PEM.finditer(text):
        yield match[1], match[0].rstrip("\n") + "\n"


def _check_pair(key: str, certificate: str) -> None:
    openssl = require_program("openssl", "apt-get or dnf install openssl")
    try:
        public = capture([openssl, "pkey", "-pubout", "-passin", "pass:"], given=key)
    except CommandFailed:
        # What openssl says may hold parts of the key.
        raise BadInput(f"{KEY}: is damaged or protected by a passphrase") from None
    body = "".join(line for line in public.splitlines() if not line.startswith("-"))
    if _RSA not in base64.b64decode(body):
        raise BadInput(
            f"{KEY}: is not an RSA key; signatures of other keys differ each time, and the same "
            "build has to make the same package"
        )
    words = [openssl, "x509", "-noout", "-pubkey", "-startdate", "-enddate"]
    try:
        said = capture(words, given=certificate)
    except CommandFailed:
        raise BadInput(f"{CERTIFICATE}: is not a certificate that openssl can read") from None
    if public.strip() not in said:
        raise BadInput(f"{CERTIFICATE}: is the certificate of another key than {KEY} holds")
    _check_dates(dict(re.findall("^(not[A-Z][a-z]+)=(.+)$", said, re.MULTILINE)))


def _check_dates(dates: dict[str, str]) -> None:
    now = time.time()
    if ssl.cert_time_to_seconds(dates["notAfter"]) < now:
        raise BadInput(f"{CERTIFICATE}: expired on {dates['notAfter']}; make a new one")
    if ssl.cert_time_to_seconds(dates["notBefore"]) > now + _DAY:
        raise BadInput(f"{CERTIFICATE}: is valid from {dates['notBefore']} only")


@dataclass(frozen=True)
class Signer:
    """The kernel's own program that signs, with the hash that kernel checks."""

    program: Path
    hash_name: str
    key: SigningKey

    def sign(self, module: Path) -> None:
        """Append a signature to `module`, which must be stripped before; raises BuildError."""
        # Both are removed with the directory, whatever happens; mkdtemp keeps others out of it.
        with tempfile.TemporaryDirectory(prefix="kmodbot-key-") as directory:
            key, certificate = Path(directory) / "key.pem", Path(directory) / "certificate.pem"
            for path, text in ((key, self.key.key), (certificate, self.key.certificate)):
                path.touch(mode=0o600)
                path.write_text(text, encoding="ascii")
            capture(
                [str(self.program), self.hash_name, str(key), str(certificate), str(module)],
                cwd=module.parent,
            )
        if not module.read_bytes().endswith(TRAILER):
            raise BuildError(f"{module.name}: {self.program.name} left no signature")


def find_signer(key: SigningKey | None, headers: HeaderTree, log: Log) -> Signer | None:
    """Return what signs modules of the kernel, or None when there is no key or nothing to sign.

    Raises BuildError when the headers lack the program.
    """
    hash_name = headers.config.get("CONFIG_MODULE_SIG_HASH")
    if key is None:
        log.note(f"signature: none, because {KEY} is not set")
        return None
    if not hash_name:
        log.note("signature: left out, because the kernel checks none (CONFIG_MODULE_SIG)")
        return None
    program = headers.path / "scripts" / "sign-file"
    if not program.is_file():
        raise BuildError(
            f"the headers in {headers.path.name} lack scripts/sign-file, "
            f"so the modules cannot be signed; unset {KEY} to build them unsigned"
        )
    log.note(f"signature: with the key of {CERTIFICATE}, {hash_name}")
    return Signer(program, hash_name, key)
