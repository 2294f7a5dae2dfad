"""What operators see of hosted agents, and agents that they add while the server runs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trio

from salon.web.agents.answer import Answer
from salon.web.client import Client, Refused
from tests.agent_room import KEY, SAID, Room, room
from tests.inside import OPERATOR, TOKEN, serving
from tests.patience import PATIENCE

MODEL = {"kind": "openai", "endpoint": "http://127.0.0.1:9/v1", "model": "m"}
ECHO = {"name": "Parrot", "kind": "echo"}


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MODEL_KEY", KEY)
    monkeypatch.setenv("SALON_AGENT_KEY_ONE", KEY)


@asynccontextmanager
async def watched(how: str = "words", **more: Any) -> AsyncIterator[tuple[Room, Client]]:
    """A room, and an operator."""
    async with room(how, **more) as it, Client(it.url, token=OPERATOR) as operator:
        yield it, operator


async def runs(operator: Client, query: str = "") -> list[dict[str, Any]]:
    return list((await operator.request("GET", f"/admin/runs{query}"))["runs"])


async def test_operators_who_change_an_agent_at_the_same_time_change_it_one_after_the_other(
    tmp_path: Path,
) -> None:
    where = {"store": f"sqlite:///{tmp_path / 'salon.db'}"}
    async with serving(**where) as url, Client(url, token=OPERATOR) as operator:
        refused: set[str] = set()

        async def do(method: str, path: str, body: Any = None) -> None:
            try:
                await operator.request(method, path, body)
            except Refused as refusal:
                refused.add(refusal.code)

        for _ in range(5):
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    parrot = {**ECHO, "limits": {"runs": number + 1}}
                    nursery.start_soon(do, "PUT", "/admin/agents/parrot", parrot)
                    nursery.start_soon(do, "DELETE", "/admin/agents/parrot")
                    nursery.start_soon(do, "GET", "/admin/agents")
        assert refused <= {"NOT_FOUND"}


# --- what they are and do -------------------------------------------------------------------------------------------------


async def test_an_operator_sees_the_agents_their_budgets_and_what_they_have_used() -> None:
    budgets = [
        {"per": "agent", "every": "month", "tokens": 1000},
        {"per": "person", "every": "month", "runs": 5},
    ]
    async with watched(budgets=budgets, price={"input": 1, "output": 2}) as (it, operator):
        await it.say("What is for dinner?")
        await it.end()
        (agent,) = (await operator.request("GET", "/admin/agents"))["agents"]
        assert (agent["id"], agent["source"], agent["model"]) == ("cook", "configuration", "words")
        assert agent["breaker"] == {"state": "closed"}
        assert agent["today"] == {"runs": 1, "tokens": 10, "cost": 0.000013, "currency": "USD"}
        whole, each = agent["budgets"]
        assert (whole["used"]["tokens"], whole["limits"]) == (10, {"tokens": 1000})
        assert "used" not in each
        assert KEY not in json.dumps(agent)


async def test_an_operator_sees_runs_open_and_past() -> None:
    async with watched("waits") as (it, operator):
        asked = await it.say("What is for dinner?")
        await it.until("delta")
        (run,) = await runs(operator)
        assert (run["state"], run["why"], run["asked_by"]) == ("open", "alone", "ada")
        assert run["first_word_seconds"] >= 0
        it.upstream.go_on.set()
        message = await it.end()
        assert message["reply_to"] == asked.message_id
        with trio.fail_after(PATIENCE):
            while (run := (await runs(operator))[0])["state"] == "open":
                pass
        assert run["run_id"] == message["run_id"]
        assert (run["state"], run["input_tokens"], run["output_tokens"]) == ("complete", 7, 3)
        assert (run["agent_name"], run["tool_calls"]) == ("Cook", 0)


async def test_a_run_that_has_its_account_is_not_shown_as_open_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The account is kept before the run is ended, and the work on it is over a little later."""
    gate, end = trio.Event(), Answer.end

    async def late(answer: Answer, *arguments: Any, **fields: Any) -> None:
        await gate.wait()
        await end(answer, *arguments, **fields)

    monkeypatch.setattr(Answer, "end", late)
    async with watched() as (it, operator):
        await it.say("What is for dinner?")
        with trio.fail_after(PATIENCE):
            while "complete" not in (states := [run["state"] for run in await runs(operator)]):
                pass
        assert states == ["complete"]
        gate.set()
        await it.end()


@pytest.mark.parametrize(
    ("how", "state", "reason"),
    [("cut", "interrupted", "upstream"), ("error at once", "failed", "upstream")],
)
async def test_an_operator_sees_how_and_why_a_run_has_failed(
    how: str, state: str, reason: str
) -> None:
    async with watched(how) as (it, operator):
        await it.say("What is for dinner?")
        await it.end()
        (run,) = await runs(operator)
        assert (run["state"], run["reason"]) == (state, reason)


async def test_what_a_cancelled_run_has_used_is_kept() -> None:
    async with watched("endless") as (it, operator):
        await it.say("What is for dinner?")
        run_id = (await it.until("delta"))["run_id"]
        path = f"/admin/conversations/{it.id}/runs/{run_id}/cancel"
        await operator.request("POST", path)
        with trio.fail_after(PATIENCE):
            while (await runs(operator))[0]["state"] == "open":
                pass
        (run,) = await runs(operator)
        assert (run["state"], run["output_tokens"] > 0) == ("cancelled", True)


async def test_runs_are_listed_by_agent_and_conversation_in_pages() -> None:
    async with watched(trigger="mention") as (it, operator):
        for number in range(5):
            await it.say(f"@Cook question {number}")
            await it.end()
        first = await operator.request("GET", "/admin/runs?limit=3")
        second = await operator.request("GET", f"/admin/runs?limit=3&cursor={first['next_cursor']}")
        ids = [run["run_id"] for page in (first, second) for run in page["runs"]]
        assert len(set(ids)) == len(ids) == 5
        assert "next_cursor" not in second
        assert await runs(operator, "?agent_id=nobody") == []
        assert await runs(operator, "?conversation_id=nowhere") == []
        assert len(await runs(operator, f"?agent_id=cook&conversation_id={it.id}")) == 5


async def test_the_metrics_have_what_each_agent_has_used() -> None:
    async with watched(price={"input": 1, "output": 2}) as (it, _):
        await it.say("What is for dinner?")
        await it.end()
        async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {OPERATOR}"}) as http:
            metrics = (await http.get(f"{it.url}/metrics")).text
        assert 'salon_agent_tokens_total{agent="cook",kind="input"} 7.0' in metrics
        assert 'salon_agent_tokens_total{agent="cook",kind="output"} 3.0' in metrics
        assert 'salon_agent_cost_total{agent="cook"} 1.3e-05' in metrics
        assert 'salon_agent_first_word_seconds_count{agent="cook"} 1.0' in metrics


async def test_who_is_no_operator_sees_and_does_nothing() -> None:
    async with watched() as (it, _):
        for method, path in (
            ("GET", "/admin/agents"),
            ("GET", "/admin/runs"),
            ("PUT", "/admin/agents/parrot"),
            ("DELETE", "/admin/agents/cook"),
        ):
            with pytest.raises(Refused) as caught:
                await it.ada.request(method, path, ECHO if method == "PUT" else None)
            assert caught.value.code == "FORBIDDEN"


# --- agents that are added ------------------------------------------------------------------------------------------------


async def test_an_agent_that_is_added_answers_is_replaced_and_removed() -> None:
    async with watched(trigger="never") as (it, operator):
        made = await operator.request("PUT", "/admin/agents/parrot", ECHO)
        assert (made["source"], made["kind"]) == ("route", "echo")
        await it.ada.join(it.id, {"user_id": "parrot"})
        await it.say("@Parrot hello")
        assert (await it.end())["content"] == "@Parrot hello"
        words = {"name": "Parrot", "kind": "script", "answers": ["Pieces of eight"]}
        await operator.request("PUT", "/admin/agents/parrot", words)
        await it.say("@Parrot hello")
        assert (await it.end())["content"] == "Pieces of eight"
        await operator.request("DELETE", "/admin/agents/parrot")
        listed = (await operator.request("GET", "/admin/agents"))["agents"]
        assert [each["id"] for each in listed] == ["cook"]
        actions = [
            deed["action"] for deed in (await operator.request("GET", "/admin/audit"))["deeds"]
        ]
        assert actions == ["host", "host", "unhost"]


async def test_an_agent_that_is_removed_is_interrupted() -> None:
    async with watched("endless") as (it, operator):
        added = {**it.settings, "name": "Baker", "key_env": "SALON_AGENT_KEY_ONE"}
        await operator.request(
            "PUT", "/admin/agents/baker", added | {"default": False, "id": "baker"}
        )
        await it.ada.join(it.id, {"user_id": "baker"})
        await it.say("@Baker what is for dinner?")
        await it.until("delta")
        await operator.request("DELETE", "/admin/agents/baker")
        message = await it.end()
        assert (message["sender_id"], message["status"]) == ("baker", "interrupted")
        with trio.fail_after(PATIENCE):
            await it.upstream.hung_up.wait()
            while (run := (await runs(operator, "?agent_id=baker"))[0])["state"] == "open":
                pass
        assert (run["state"], run["reason"]) == ("interrupted", "interrupted")


async def test_what_waited_for_an_agent_that_is_replaced_is_answered_by_the_new_one() -> None:
    async with watched("endless") as (it, operator):
        fields = it.settings | {"default": False, "id": "baker", "name": "Baker"}
        slow = fields | {"key_env": "SALON_AGENT_KEY_ONE"}
        await operator.request("PUT", "/admin/agents/baker", slow)
        await it.ada.join(it.id, {"user_id": "baker"})
        first = await it.say("@Baker what is for dinner?")
        await it.until("delta")
        second = await it.say("@Baker and for lunch?")
        await operator.request("PUT", "/admin/agents/baker", ECHO)
        ends = {end["reply_to"]: end for end in [await it.end(), await it.end()]}
        assert ends[first.message_id]["status"] == "interrupted"
        assert ends[second.message_id]["content"] == "@Baker and for lunch?"


async def test_added_agents_are_there_after_a_restart(tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/salon.db"
    async with serving(store=store) as url, Client(url, token=OPERATOR) as operator:
        await operator.request("PUT", "/admin/agents/parrot", ECHO | {"default": True})
        gone = {"name": "Gone", "kind": "openai", "endpoint": "http://127.0.0.1:9/v1", "model": "m"}
        await operator.request(
            "PUT", "/admin/agents/gone", gone | {"key_env": "SALON_AGENT_KEY_ONE"}
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SALON_AGENT_KEY_ONE")
        async with serving(store=store) as url, Client(url, token=TOKEN) as ada:
            created = await ada.create("Dinner", enable_ai=True)
            members = [each["name"] for each in created["participants"]]
            assert members == ["Ada", "Parrot"]
            async with Client(url, token=OPERATOR) as operator:
                listed = (await operator.request("GET", "/admin/agents"))["agents"]
                assert [each["id"] for each in listed] == ["parrot"], "one has no key any more"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"kind": "openai"}, "endpoint and model"),
        ({"kind": "mcp", "command": ["/bin/sh"]}, "only the configuration may name programs"),
        ({**MODEL, "token_file": "/etc/passwd"}, "only the configuration may name files"),
        ({"key_env": "TEST_MODEL_KEY"}, "only variables that begin with SALON_AGENT_KEY_"),
        ({"id": "other"}, "the address names another one"),
        ({"color": "red"}, "color"),
        (
            {"kind": "openai", "endpoint": "http://h/v1", "model": "m", "tools": [{"mcp": "x"}]},
            "no agent of the kind mcp named x",
        ),
        (
            {
                "kind": "openai",
                "endpoint": "http://h/v1",
                "model": "m",
                "key_env": "SALON_AGENT_KEY_TWO",
            },
            "is not set",
        ),
    ],
)
async def test_an_agent_that_cannot_be_is_refused_and_says_why(
    fields: dict[str, Any], problem: str
) -> None:
    async with watched() as (_, operator):
        with pytest.raises(Refused) as caught:
            await operator.request("PUT", "/admin/agents/parrot", ECHO | fields)
        assert caught.value.status == 400
        assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("agent_id", "problem"),
    [
        ("cook", "the configuration has this agent"),
        ("bot", "a person's"),
        ("guest_5", "a person's"),
    ],
)
async def test_an_id_that_somebody_has_is_refused(agent_id: str, problem: str) -> None:
    async with watched() as (it, operator):
        with pytest.raises(Refused) as caught:
            await operator.request("PUT", f"/admin/agents/{agent_id}", ECHO)
        assert problem in str(caught.value)
        await it.say("What is for dinner?")
        assert (await it.end())["content"] == SAID
