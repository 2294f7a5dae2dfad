"""Two people and a small real model in one conversation, in a real browser: `make agents-real`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.server import ServerProcess
from tests.visitor import Visitor

PYTHON = os.environ.get("SALON_MODEL_PYTHON")
SCRIPT = Path(__file__).parents[1] / "real_model.py"
SLOW = 240_000  # milliseconds for an answer: a model on a shared processor
NAME = "Gemma"

pytestmark = [
    pytest.mark.skipif(PYTHON is None, reason="make agents-real fetches a model for it"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def model() -> Iterator[str]:
    """The address of a model."""
    assert PYTHON is not None
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([PYTHON, str(SCRIPT)], stderr=subprocess.DEVNULL, **pipes) as process:  # type: ignore[call-overload]
        for line in process.stdout:
            if found := re.match("Model at (http.*)", line):
                yield found[1]
                process.stdin.close()
                return
        pytest.skip("NOT TRIED: the model does not start on this machine")


def test_two_people_talk_and_a_model_answers_whom_it_is_mentioned_by(
    model: str, start_server: Callable[..., ServerProcess], open_page: Callable[..., Page]
) -> None:
    agent = {
        "id": "gemma",
        "name": NAME,
        "kind": "openai",
        "endpoint": model,
        "model": "gemma",
        "instructions": "Answer in one sentence.",
        "first_word_timeout": 120,
        "timeout": 200,
        "limits": {"output_tokens": 40},
    }
    server = start_server(AGENTS=json.dumps([agent]))
    ada = Visitor.guest(open_page(server.url), "Ada")
    room = ada.begin("Animals")
    ben = Visitor.guest(open_page(server.url), "Ben", f"/c/{room}")
    body = {"participant": {"user_id": "gemma"}}
    assert ada.page.request.post(f"/chat/{room}/join", data=body).ok
    ada.say("Good morning, Ben")
    ben.expect_said("Good morning, Ben")
    ben.say(f"@{NAME} which animals live in the sea?")
    making = ada.log.get_by_role("article", name=f"{NAME}, is answering")
    made = ada.log.locator(".message:not(.making) .sender-name", has_text=NAME)
    expect(making.or_(made).first).to_be_visible(timeout=SLOW)
    for reader in (ada, ben):
        answer = reader.log.locator(".message:not(.making) .sender-name", has_text=NAME)
        expect(answer).to_have_count(1, timeout=SLOW)
    said = ada.page.request.get(f"/chat/conversations/{room}").json()["messages"]
    (whole,) = (each for each in said if each["sender_id"] == "gemma")
    assert whole["status"] == "complete"
    assert whole["content"].strip()
    assert whole["usage"]["output_tokens"] > 0
    assert ada.everything() == ben.everything()
