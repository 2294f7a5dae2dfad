"""What a subscriber wants to be told, and with which secrets it is signed; as JSON text in the store."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol

from salon.actors.log import CommonLog
from salon.actors.webhooks import WebhookStore

from ..settings import SettingsError, webhook_secrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..settings import WebhookSettings

KEY_BYTES = 32  # of a secret that the server makes


class WebhookLog(CommonLog, WebhookStore, Protocol):
    """What webhooks need of the store."""


class WebhookError(Exception):
    """A request about webhooks that cannot be done. The text says why."""


class WebhooksFullError(WebhookError):
    """There are as many webhooks as there may be."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"there are {limit} webhooks, which is the most")
        self.limit = limit


@dataclass(frozen=True, slots=True)
class WebhookWanted:
    """One subscriber's wishes. Without `events` all types, without `conversations` those of all.

    `secrets` sign each delivery, the newest first, each up to its time in milliseconds since the epoch, or None.
    """

    url: str
    secrets: tuple[tuple[str, int | None], ...]
    events: frozenset[str] | None = None
    conversations: frozenset[str] | None = None
    allow_private: bool = False

    @classmethod
    def of(cls, settings: WebhookSettings, secrets: Sequence[str]) -> WebhookWanted:
        """What settings say, with these secrets."""
        return cls(
            settings.url,
            tuple((secret, None) for secret in secrets),
            None if settings.events == "*" else frozenset(settings.events),
            _set(settings.conversations),
            settings.allow_private,
        )

    def wants(self, kind: str, conversation_id: str) -> bool:
        """Whether an event is to be delivered."""
        return (self.events is None or kind in self.events) and (
            self.conversations is None or conversation_id in self.conversations
        )

    def signing(self, now: int) -> tuple[str, ...]:
        """The secrets that sign now."""
        return tuple(secret for secret, until in self.secrets if until is None or until > now)

    def stored(self) -> str:
        """The JSON text of it."""
        fields: dict[str, Any] = {
            "url": self.url,
            "secrets": self.secrets,
            "events": None if self.events is None else sorted(self.events),
            "conversations": None if self.conversations is None else sorted(self.conversations),
            "allow_private": self.allow_private,
        }
        return json.dumps(fields)


def read_wanted(text: str) -> WebhookWanted:
    """The inverse of `stored`."""
    fields = json.loads(text)
    return WebhookWanted(
        fields["url"],
        tuple((secret, until) for secret, until in fields["secrets"]),
        _set(fields["events"]),
        _set(fields["conversations"]),
        fields["allow_private"],
    )


def configured(settings: WebhookSettings) -> WebhookWanted:
    """What the configuration says. Raises `SettingsError` where the variable with the secret is not set or has none."""
    text = settings.secret or os.environ.get(settings.secret_env or "") or ""
    try:
        secrets = webhook_secrets(text)
    except ValueError as problem:
        raise SettingsError(
            f"webhooks: the environment variable that its secret_env names has to have {problem}"
        ) from None
    return WebhookWanted.of(settings, secrets)


def configured_id(settings: WebhookSettings) -> str:
    """The id of a subscriber of the configuration: by it what was delivered is kept, as long as the URL is the same."""
    return f"config-{sha256(settings.url.encode()).hexdigest()[:12]}"


def new_secret(entropy: bytes) -> str:
    """A secret of these random bytes."""
    return f"whsec_{b64encode(entropy).decode()}"


def _set(values: Any) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
