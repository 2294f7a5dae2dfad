"""Bounds of what identity and webhooks keep or take: each with its real number."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from pydantic import ValidationError
from trio.testing import MockClock

from salon.web.api.auth import KEPT, Allowance
from salon.web.http import Refused
from salon.web.settings.webhook import WebhookSettings, webhook_secrets

HOOK: dict[str, Any] = {"url": "https://shop.example/hook", "secret_env": "SECRET"}


def secret(size: int) -> str:
    return f"whsec_{base64.b64encode(b'k' * size).decode()}"


@pytest.mark.parametrize("size", [24, 64])
def test_up_to_four_secrets_sign_at_once(size: int) -> None:
    assert len(webhook_secrets(" ".join([secret(size)] * 4))) == 4
    for wrong in ([], [secret(size)] * 5, [secret(23)], [secret(65)]):
        with pytest.raises(ValueError, match="1 to 4 secrets"):
            webhook_secrets(" ".join(wrong))


def test_a_webhook_is_limited_to_up_to_a_thousand_conversations() -> None:
    ids = tuple(f"{number}" for number in range(1001))
    assert WebhookSettings(**HOOK, conversations=ids[:1000]).conversations == ids[:1000]
    for wrong in (ids, ()):
        with pytest.raises(ValidationError):
            WebhookSettings(**HOOK, conversations=wrong)


async def test_the_allowances_of_so_many_callers_are_kept_and_the_longest_unused_begins_anew(
    mock_clock: MockClock,
) -> None:
    allowance = Allowance(1, "things an hour", "participant")
    for number in range(KEPT):
        allowance.check(f"{number}")
    with pytest.raises(Refused):
        allowance.check("0")  # which is the last one used now
    allowance.check("one more")
    with pytest.raises(Refused):
        allowance.check("0")
    allowance.check("1")
