"""docs/webhooks.md: the program that checks signatures, and the commands, run as they stand there, and the table of settings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

from salon.web.client import Client
from salon.web.settings import WebhookSettings
from tests.backend import SECRET, Answer, Got, backend
from tests.command_lines import command_lines, run_line
from tests.inside import OPERATOR, TOKEN, serving

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


async def test_operators_make_try_and_delete_one_by_the_commands_of_the_page(
    tmp_path: Path,
) -> None:
    make, test, replay, rotate, change, show, delete, log = command_lines("webhooks.md")
    async with backend() as it, serving() as url, Client(url, token=TOKEN) as ada:
        id = (await ada.create("Lunch"))["conversation_id"]
        await ada.post(id, "Hello")
        known = {"SALON": url, "ADMIN": OPERATOR, "ID": id}

        async def run(line: str) -> Any:
            return await run_line(line, tmp_path, **known)

        address = "https://shop.example/salon"
        made = await run(make.replace(f'"{address}"', f'"{it.url}", "allow_private": true'))
        known["WEBHOOK"] = made["webhook_id"]
        await run(test)
        assert it.taken[-1].body["type"] == "test"
        await run(replay)
        await it.until(lambda: it.taken[-1].body["type"] == "message")
        assert it.taken[-1].signed_by(made["secret"])
        secret = (await run(rotate))["secret"]
        await run(change)
        await ada.update(id, title="Dinner")
        await it.until(lambda: it.taken[-1].body["type"] == "conversation_updated")
        assert it.taken[-1].signed_by(secret)
        assert [each["url"] for each in (await run(show))["webhooks"]] == [it.url]
        await run(delete)
        assert (await run(show))["webhooks"] == []
        await run(log)
        lines = [json.loads(line) for line in (tmp_path / "log.ndjson").read_text().splitlines()]
        kinds = [line["data"]["type"] for line in lines if "data" in line]
        assert kinds == ["conversation_created", "message", "conversation_updated"]


def test_the_settings_are_those_that_there_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(), re.MULTILINE)
    assert rows == list(WebhookSettings.model_fields)
    (given,) = yaml.safe_load(block("yaml", "webhooks"))["webhooks"]
    assert WebhookSettings.model_validate(given).events == ("message", "participant_joined")
