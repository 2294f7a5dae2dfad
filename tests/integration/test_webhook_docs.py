"""docs/webhooks.md: the program that checks signatures, run as it stands there, and the table of settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from salon.web.client import Client
from salon.web.settings import WebhookSettings
from tests.backend import SECRET, Answer, Got, backend
from tests.inside import TOKEN, serving

DOCS = Path(__file__).parents[2] / "docs" / "webhooks.md"


def block(language: str, about: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", DOCS.read_text(), re.DOTALL)
    return next(text for text in blocks if about in text)


async def test_the_program_takes_what_salon_sends_once_and_nothing_else(capsys: Any) -> None:
    program: dict[str, Any] = {}
    exec(block("python", "Webhook").replace("whsec_...", SECRET), program)

    async def behave(got: Got) -> Answer:
        assert program["receive"](got.text + b" ", got.headers) == 401
        assert program["receive"](got.text, got.headers | {"webhook-timestamp": "1"}) == 401
        for _ in range(2):
            status = program["receive"](got.text, got.headers)
        return Answer(status)

    async with backend() as it:
        it.behave = behave
        given = {"url": it.url, "secret": SECRET, "allow_private": True}
        async with serving(webhooks=[given]) as url, Client(url, token=TOKEN) as ada:
            id = (await ada.create("Lunch"))["conversation_id"]
            await ada.post(id, "Hello")
            await it.until(lambda: len(it.taken) >= 2)
    said = capsys.readouterr().out.splitlines()
    assert said == [f"conversation_created {id} 1", f"message {id} 2"]


def test_the_settings_are_those_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.MULTILINE)
    assert rows == list(WebhookSettings.model_fields)
    (given,) = yaml.safe_load(block("yaml", "webhooks"))["webhooks"]
    assert WebhookSettings.model_validate(given).events == ("message", "participant_joined")
