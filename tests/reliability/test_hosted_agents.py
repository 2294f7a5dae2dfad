"""The server is killed while an agent that it hosts speaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import trio

from tests.model import model
from tests.patience import PATIENCE
from tests.person import guests
from tests.server import ServerProcess

COOK = {
    "id": "cook",
    "name": "Cook",
    "kind": "openai",
    "model": "waits",
    "default": True,
    "budgets": [{"per": "person", "every": "month", "runs": 2}],
}


async def test_a_run_that_a_kill_has_cut_ends_with_what_was_seen_and_the_agent_answers_again(
    start_server: Callable[..., ServerProcess],
) -> None:
    async with model() as upstream:
        server = start_server(AGENTS=json.dumps([{**COOK, "endpoint": upstream.url}]))
        (ada,) = await guests(server, "Ada")
        talk = await ada.create(enable_ai=True)
        async with ada.tab(talk) as tab:
            asked = await ada.say(talk, "What is for dinner?")
            cut = await tab.until("delta")
            waiting = await ada.say(talk, "And for lunch?")  # its commit has all that was said
            server.kill()
        upstream.go_on.set()
        server.start()
        ends: dict[str, Any] = {}
        with trio.fail_after(PATIENCE):
            while ends.keys() < {asked["message_id"], waiting["message_id"]}:
                details = await ada.ask("GET", f"/chat/conversations/{talk}")
                said = (each for each in details["messages"] if each["sender_id"] == "cook")
                ends = {each["reply_to"]: each for each in said}
        first, second = ends[asked["message_id"]], ends[waiting["message_id"]]
        assert first["run_id"] == cut["run_id"]
        assert (first["status"], first["content"]) == ("interrupted", cut["text"])
        assert (second["status"], second["content"]) == ("complete", "Well, yes")
        async with ada.tab(talk) as tab:
            await ada.say(talk, "And for breakfast?")
            failed = await tab.until("run_failed")
            assert failed["reason"] == "budget", "both were counted, the one that was cut as well"
