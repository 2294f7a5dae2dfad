"""The settings of a webhook: a backend that is told of events over HTTP."""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from salon.actors.events import KINDS

from .group import SettingsGroup

PREFIX = "whsec_"
SECRETS = 4  # that sign at once: a rotation needs two
KEY_BYTES = range(24, 65)  # of a secret: what Standard Webhooks asks for
CONVERSATIONS = 1_000  # to which a webhook may be limited


def webhook_secrets(text: str) -> tuple[str, ...]:
    """The secrets in a text, separated by spaces; each of them signs. Raises `ValueError`, whose text has no secret."""
    secrets = tuple(text.split())
    if not 0 < len(secrets) <= SECRETS or not all(map(_is_secret, secrets)):
        raise ValueError(
            f"1 to {SECRETS} secrets with spaces between them, each {PREFIX} and 24 to 64 random bytes in base64"
        )
    return secrets


def _is_secret(text: str) -> bool:
    try:
        key = b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return False
    return text.startswith(PREFIX) and len(key) in KEY_BYTES


def _secret(text: str) -> str:
    webhook_secrets(text)
    return text


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f"types of events: {', '.join(KINDS)}")
    return text


def _url(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
        _ = parts.port  # raises where it is none
    except ValueError:
        good = False
    if (
        not good
        or not (url.isascii() and url.isprintable())
        or " " in url
        or "\\" in url
        or "#" in url
    ):
        raise ValueError("https://HOST[:PORT][/PATH], without a user in it")
    return url


class WebhookSettings(SettingsGroup):
    """A subscriber: where events are sent, which ones, and with which secret they are signed."""

    url: Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_url)]
    """An https URL; http only with allow_private."""
    secret: Annotated[str, AfterValidator(_secret)] | None = None
    """The secret that signs, whsec_ and base64. Several with spaces between them all sign: the old and the new one."""
    secret_env: Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """The environment variable with the secret, in place of secret."""
    events: (
        Literal["*"]
        | Annotated[tuple[Annotated[str, AfterValidator(_kind)], ...], Field(min_length=1)]
    ) = "*"
    """Types of events of the log, or "*" for all."""
    conversations: (
        Annotated[tuple[str, ...], Field(min_length=1, max_length=CONVERSATIONS)] | None
    ) = None
    """Ids of conversations; without it those of all."""
    allow_private: bool = False
    """Whether addresses of private networks and of this machine may be reached, and over http."""

    @model_validator(mode="after")
    def _one_secret(self) -> WebhookSettings:
        if (self.secret is None) == (self.secret_env is None):
            raise ValueError("either secret or secret_env")
        if self.url.startswith("http:") and not self.allow_private:
            raise ValueError("an https URL; http only with allow_private")
        return self
