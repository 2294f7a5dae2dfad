"""Where NATS is and who this node is there: addresses, TLS and credentials. Nothing here shows a secret."""

from __future__ import annotations

import base64
import re
import ssl
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

PORT = 4222
_CREDENTIALS = re.compile(r"-----BEGIN ([A-Z ]+)-----\s*([A-Za-z0-9_.=-]+)\s*-+END")
_SEED_BYTES = 36  # two of prefix, 32 of the seed, two of its checksum


class NatsError(ConnectionError):
    """NATS cannot be reached as the settings say. The text says what to do."""


class Place(NamedTuple):
    """One server."""

    host: str
    port: int
    tls: bool  # nothing is said to it without TLS

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'nats'}://{host}:{self.port}"


class NatsAddress:
    """The servers of one NATS cluster, of which any will do, and the credentials for them.

    `urls` are nats://[USER:PASSWORD@ or TOKEN@]HOST[:PORT], with tls:// where TLS is a must. `credentials` is a .creds file,
    `authority` a PEM file with the authorities that are trusted instead of the system's, `certificate` and `key` are this node's.
    Raises `NatsError`.
    """

    def __init__(
        self,
        urls: tuple[str, ...],
        *,
        credentials: Path | None = None,
        authority: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
    ) -> None:
        self.places: list[Place] = []
        self._said: dict[Place, dict[str, str]] = {}
        for url in urls:
            self._add(url)
        self._signed = None if credentials is None else _read(credentials)
        try:
            self.tls = ssl.create_default_context(cafile=authority)
            if certificate is not None:
                self.tls.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            named = [str(each) for each in (authority, certificate, key) if each is not None]
            raise NatsError(
                f"{', '.join(named)}: {error}: PEM files that NATS's TLS needs"
            ) from None

    def credentials(self, place: Place, nonce: str | None) -> dict[str, Any]:
        """What CONNECT says to a server about who this is. `nonce` is what the server wants signed."""
        said: dict[str, Any] = dict(self._said[place])
        if self._signed is not None:
            said["jwt"], seed = self._signed
            if nonce is not None:
                said["sig"] = _sign(seed, nonce)
        return said

    def _add(self, url: str) -> None:
        parts = urlsplit(url)
        place = Place(parts.hostname or "", parts.port or PORT, parts.scheme == "tls")
        said: dict[str, str] = {}
        if parts.username is not None and parts.password is not None:
            said = {"user": unquote(parts.username), "pass": unquote(parts.password)}
        elif parts.username is not None:
            said = {"auth_token": unquote(parts.username)}
        self.places.append(place)
        self._said[place] = said


def _read(path: Path) -> tuple[str, bytes]:
    """The JWT and the seed of a .creds file."""
    try:
        found: dict[str, str] = dict(_CREDENTIALS.findall(path.read_text()))
        encoded = found["USER NKEY SEED"]
        raw = base64.b32decode(encoded + "=" * (-len(encoded) % 8))
        if len(raw) != _SEED_BYTES:
            raise ValueError
        return found["NATS USER JWT"], raw[2:34]
    except OSError as error:
        raise NatsError(
            f"{path}: {error.strerror}: cluster.nats_credentials names this file"
        ) from None
    except (KeyError, ValueError):
        raise NatsError(
            f"{path}: no credentials of NATS: a file as `nsc generate creds` writes it"
        ) from None


def _sign(seed: bytes, nonce: str) -> str:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415 - seldom needed
        Ed25519PrivateKey,
    )

    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(nonce.encode())
    return base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
