"""The settings of a cluster: several nodes that serve the same conversations."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from .agent_parts import number
from .group import SettingsGroup, split

_URL = re.compile(
    r"(?:nats|tls)://(?:[^@/?#\s]+@)?(?:\[[0-9a-fA-F:.]+\]|[\w.-]{1,255})(?::(\d{1,5}))?/?"
)


def _nats(url: str) -> str:
    found = _URL.fullmatch(url)
    if found is None or int(found[1] or 1) > 65_535:
        raise ValueError("nats://[USER:PASSWORD@]HOST[:PORT], or tls:// where TLS is a must")
    return url.rstrip("/")


def _prefix(prefix: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*", prefix):
        raise ValueError("words of letters, digits, - and _, with dots between them")
    return prefix


class ClusterSettings(SettingsGroup):
    """Several nodes over one PostgreSQL database; docs/cluster.md has all of it."""

    nats: Annotated[tuple[Annotated[str, AfterValidator(_nats)], ...], BeforeValidator(split)] = ()
    """nats:// or tls://[USER:PASSWORD@]HOST[:PORT]: servers of NATS, any of which carries between the nodes; none: no cluster."""
    name: str | None = Field(None, max_length=100)
    """Name of this node for operators; by default that of the machine, and the port."""
    timeout: Annotated[float, BeforeValidator(number), Field(ge=1.5, le=60)] = 3.0
    """Seconds without a sign of life after which the others give a node up and own its conversations; it gives one a second."""
    prefix: Annotated[str, AfterValidator(_prefix)] = "salon"
    """What the nodes' subjects begin with: one prefix for each cluster that uses the same NATS."""
    nats_credentials: Path | None = None
    """File with a JWT and its seed for NATS, as `nsc generate creds` writes it."""
    nats_ca: Path | None = None
    """PEM file with the authorities that NATS's certificate is checked by; by default the system's."""
    nats_certificate: Path | None = None
    """PEM file with this node's certificate for NATS; requires nats_key."""
    nats_key: Path | None = None
    """PEM file with the certificate's private key."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> ClusterSettings:
        if (self.nats_certificate is None) != (self.nats_key is None):
            raise ValueError("nats_certificate and nats_key together, or neither")
        return self

    def name_of(self, port: int) -> str:
        """The node's name for operators."""
        return self.name or f"{socket.gethostname()}:{port}"
