"""An agent of one's own asks people before it uses a tool: over a socket and over HTTP, on a real server."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio

from salon.web.client import Client, Frame, Refused, Run
from tests.patience import PATIENCE
from tests.person import Person
from tests.server import ServerProcess

from .test_agent_sdk import AGENT, TOKEN, agent, http, room

CALL = {"amount": 5}


async def decide(
    server: ServerProcess, person: Person, talk: str, frame: Frame, *, approved: bool = True
) -> Frame:
    async with Client(server.url, token=person.token) as client:
        id = frame["approval"]["approval_id"]
        return await client.decide_approval(talk, frame["run_id"], id, approved=approved)


async def waiting(tab: Any) -> Frame:
    """The next call that waits for a person."""
    with trio.fail_after(PATIENCE):
        while True:
            frame: Frame = await tab.until("run_status")
            if frame["state"] == "waiting_for_approval":
                return frame


async def pay(run: Run, said: list[bool]) -> None:
    said.append(await run.ask("pay", CALL))


@pytest.mark.parametrize("approved", [True, False])
async def test_an_agent_waits_until_a_person_has_decided(
    server: ServerProcess, approved: bool
) -> None:
    talk, (ada,) = await room(server, "Ada")
    async with ada.tab(talk) as tab, agent(server, talk) as conversation:
        async with conversation.run() as run, trio.open_nursery() as nursery:
            said: list[bool] = []
            nursery.start_soon(pay, run, said)
            frame = await waiting(tab)
            assert (frame["approval"]["tool"], frame["approval"]["arguments"]) == ("pay", CALL)
            await decide(server, ada, talk, frame, approved=approved)
        assert said == [approved]


async def test_after_a_kill_of_the_server_the_call_is_asked_for_again(
    own_server: ServerProcess,
) -> None:
    server = own_server
    talk, (ada,) = await room(server, "Ada")
    async with agent(server, talk) as conversation, conversation.run() as run:
        said: list[bool] = []
        async with trio.open_nursery() as nursery:
            async with ada.tab(talk) as tab:
                nursery.start_soon(pay, run, said)
                before = await waiting(tab)
            server.kill()
            await trio.to_thread.run_sync(server.start)
            async with ada.tab(talk) as tab:
                frame = await waiting(tab)
                assert frame["approval"] == before["approval"]
                await decide(server, ada, talk, frame)
        assert said == [True]
        await run.say("Paid")


async def test_one_call_waits_at_a_time_and_one_that_is_given_up_is_taken_back(
    server: ServerProcess,
) -> None:
    talk, (ada,) = await room(server, "Ada")
    async with ada.tab(talk) as tab, agent(server, talk) as conversation, conversation.run() as run:
        said: list[bool] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pay, run, said)
            first = await waiting(tab)
            nursery.start_soon(partial(pay, run, said))
            await decide(server, ada, talk, first)
            second = await waiting(tab)
            assert second["approval"]["approval_id"] != first["approval"]["approval_id"]
            nursery.cancel_scope.cancel()
        assert said == [True]
        with trio.fail_after(PATIENCE):
            while (await tab.until("run_status"))["state"] != "thinking":
                pass
        with pytest.raises(Refused) as caught:
            await decide(server, ada, talk, second)
        assert caught.value.code == "APPROVAL_NOT_FOUND"


async def test_an_agent_that_says_something_meanwhile_still_waits(server: ServerProcess) -> None:
    talk, (ada,) = await room(server, "Ada")
    async with ada.tab(talk) as tab, agent(server, talk) as conversation, conversation.run() as run:
        said: list[bool] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pay, run, said)
            await waiting(tab)
            await run.say("While we wait: ")
            await tab.until("delta")
            await decide(server, ada, talk, await waiting(tab))
        assert said == [True]


async def test_what_an_answer_points_to_is_in_the_message_and_in_the_log(
    server: ServerProcess,
) -> None:
    results = [{"url": "https://example.com/fish", "name": "Fish", "score": 0.5}]
    talk, (ada,) = await room(server, "Ada")
    async with ada.tab(talk) as tab, agent(server, talk) as conversation:
        async with conversation.run() as run:
            await run.say("See the fish.")
            run.results = results
        message = (await tab.until("message"))["message"]
        assert message["results"] == results
    details = await ada.ask("GET", f"/chat/conversations/{talk}")
    assert details["messages"][-1]["results"] == results


async def test_over_plain_http_a_call_waits_and_what_is_wrong_is_refused(
    server: ServerProcess,
) -> None:
    talk, (ada,) = await room(server, "Ada")
    runs = f"/chat/{talk}/runs"
    await http(server, runs, {"run_id": "r"})
    about = {"approval_id": "a", "tool": "pay", "arguments": CALL}
    state = {"state": "waiting_for_approval", "approval": about}
    async with ada.tab(talk) as tab:
        await http(server, f"{runs}/r/status", state)
        frame = await waiting(tab)
        assert "approved" not in await http(server, f"{runs}/r/status", state)
        await decide(server, ada, talk, frame)
        assert (await tab.until("run_status"))["state"] == "tool"
        assert (await http(server, f"{runs}/r/status", state))["approved"] is True
        assert "approved" not in await http(server, f"{runs}/r/status", {"state": "tool"})
    large = {**state, "approval": {**about, "arguments": {"x": "y" * 5000}}}
    for path, body, problem in (
        (f"{runs}/r/status", large, "arguments has"),
        (f"{runs}/r/end", {"results": [{"url": "javascript:x", "name": "A"}]}, "url"),
        (f"{runs}/r/end", {"results": []}, "results"),
        (
            f"{runs}/r/end",
            {"results": [{"url": "https://a.b", "name": "A", "description": "x" * 1001}]},
            "description",
        ),
        (
            f"{runs}/r/end",
            {
                "results": [
                    {"url": "https://a.b", "name": "A", "schema_object": {"x": "y" * 40_000}}
                ]
            },
            "results has",
        ),
    ):
        with pytest.raises(Refused) as caught:
            await http(server, path, body)
        assert problem in str(caught.value)
    with pytest.raises(Refused) as caught:
        await http(server, f"{runs}/r/approval", {"approval_id": "a", "approved": True}, TOKEN)
    assert caught.value.code == "FORBIDDEN", f"{AGENT} is an agent"
