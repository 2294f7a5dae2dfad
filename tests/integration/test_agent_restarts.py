"""What is left of hosted agents' answers, of what they have used and of what waits, when their server is stopped or killed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from salon.web.client import Client, Refused
from tests.agent_room import Room, hosted
from tests.model import model
from tests.patience import PATIENCE
from tests.server import ServerProcess

from .test_agent_tools import TOOLS

Start = Callable[..., ServerProcess]
BUDGET = {"per": "agent", "every": "month", "tokens": 1_000_000}


def stop(server: ServerProcess) -> None:
    server.restart()


def kill(server: ServerProcess) -> None:
    server.kill()
    server.start()


@asynccontextmanager
async def kitchen(
    start_server: Start, how: str, **more: Any
) -> AsyncIterator[tuple[ServerProcess, Room, Client]]:
    """A server that can be killed, a conversation with its cook, and an operator."""
    async with model() as upstream:
        cook = hosted(how, upstream, key_env=None, budgets=[BUDGET], **more)
        agents = [cook, TOOLS] if "tools" in more else [cook]
        server = start_server(AGENTS=json.dumps(agents))
        async with (
            Client(server.url, token="test_token_1") as ada,
            Client(server.url, token="admin_token") as operator,
        ):
            id = (await ada.create("Dinner", enable_ai=True))["conversation_id"]
            async with ada.socket(id) as tab:
                yield server, Room(server.url, upstream, ada, id, tab), operator


async def asked_for_approval(it: Room) -> dict[str, Any]:
    """What the agent waits for. A busy machine may not start the tools' program in its ten seconds: then it is asked again."""
    while True:
        await it.say("Use forecast, please")
        while True:
            frame = await it.until("run_status", "run_failed", "message")
            if frame.get("state") == "waiting_for_approval":
                return frame
            if frame["type"] == "run_failed" or frame.get("message", {}).get("run_id"):
                break


async def ended(operator: Client) -> dict[str, Any]:
    """The newest run, once it has ended; after a kill it is not listed before."""
    with trio.fail_after(PATIENCE):
        while True:
            runs = (await operator.request("GET", "/admin/runs"))["runs"]
            if runs and runs[0]["state"] != "open":
                return dict(runs[0])


async def how_it_ended(it: Room, run_id: str | None = None) -> str:
    """How a run, or the only one, has ended for people: with what was said, or without a word."""
    with trio.fail_after(PATIENCE):
        while True:
            page = await it.ada.request("GET", f"/chat/{it.id}/messages?after=0")
            for event in page["events"]:
                said = event["message"] if event["type"] == "message" else event
                ends = event["type"] == "run_failed" or "run_id" in said
                if ends and event["type"] != "run_started" and run_id in (None, said["run_id"]):
                    return str(said["reason"] if said is event else said["status"])


@pytest.mark.parametrize("end", [stop, kill])
async def test_an_answer_that_a_restart_has_cut_is_interrupted_and_counts_once(
    start_server: Start, end: Callable[[ServerProcess], None]
) -> None:
    async with kitchen(start_server, "endless") as (server, it, operator):
        await it.say("What is for dinner?")
        while len(it.frames) < 30:  # a second and a half of words: some of them are stored
            await it.until("delta")
        await trio.to_thread.run_sync(end, server)
        run = await ended(operator)
        assert (run["state"], run["reason"]) == ("interrupted", "interrupted")
        assert await how_it_ended(it) == "interrupted"
        assert run["output_tokens"] > 0
        assert (run["input_tokens"] > 0) == (end is stop), "a kill leaves what people saw"
        cook = (await operator.request("GET", "/admin/agents"))["agents"][0]
        used, today = cook["budgets"][0]["used"], cook["today"]
        assert (used["runs"], today["runs"]) == (1, 1)
        assert used["tokens"] == today["tokens"] == run["input_tokens"] + run["output_tokens"]


@pytest.mark.parametrize("end", [stop, kill])
async def test_a_call_that_waits_is_not_made_after_a_restart_and_nobody_decides_about_it(
    start_server: Start, end: Callable[[ServerProcess], None]
) -> None:
    tools = [{"mcp": "weather"}]
    async with kitchen(start_server, "uses a tool", tools=tools) as (server, it, operator):
        asked = await asked_for_approval(it)
        before = len(it.upstream.asked)
        await trio.to_thread.run_sync(end, server)
        await ended(operator)
        assert await how_it_ended(it, asked["run_id"]) == "interrupted"
        id = asked["approval"]["approval_id"]
        with pytest.raises(Refused) as caught:
            await it.ada.decide_approval(it.id, asked["run_id"], id, approved=True)
        assert caught.value.code == "RUN_ENDED"
        assert len(it.upstream.asked) == before


async def test_what_was_used_and_who_was_added_is_known_after_a_kill(start_server: Start) -> None:
    async with kitchen(start_server, "words") as (server, it, operator):
        await operator.request("PUT", "/admin/agents/parrot", {"name": "Parrot", "kind": "echo"})
        await it.say("What is for dinner?")
        await it.end()
        before = await ended(operator)
        await trio.to_thread.run_sync(kill, server)
        assert await ended(operator) == before
        cook, parrot = (await operator.request("GET", "/admin/agents"))["agents"]
        assert (parrot["id"], parrot["source"]) == ("parrot", "route")
        assert (cook["budgets"][0]["used"]["tokens"], cook["today"]["tokens"]) == (10, 10)
