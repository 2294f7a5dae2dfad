"""Tools of real MCP servers: models call them once a person has allowed it, and people call them themselves."""

from __future__ import annotations

import json
import logging
import re
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from salon.web.agents import open_upstream
from salon.web.agents.pieces import UpstreamError
from salon.web.client import Client, Refused
from salon.web.settings import AgentSettings, SettingsError
from tests.agent_room import KEY, Room, room
from tests.inside import TOKEN, serving
from tests.patience import PATIENCE

PROGRAM = Path(__file__).parents[1] / "mcp_tools.py"
TOOLS = {
    "id": "weather",
    "name": "The Weather",
    "kind": "mcp",
    "command": [sys.executable, str(PROGRAM)],
}
SUN = "1 days of sun in Paris"


@asynccontextmanager
async def kitchen(how: str = "uses a tool", **more: Any) -> AsyncIterator[Room]:
    """A room whose cook may use the tools of the weather: those of the server that all tests share, or as `weather` says."""
    tools = more.pop("tools", [{"mcp": "weather"}])
    weather = {**TOOLS, **more.pop("weather", {"command": [], "endpoint": shared[0]})}
    async with room(how, weather, tools=tools, **more) as it:
        yield it


shared: list[str] = []  # the address of the tools over HTTP


@pytest.fixture(scope="module", autouse=True)
def tools_over_http() -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    words = [sys.executable, str(PROGRAM), str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                with suppress(OSError):
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                time.sleep(0.02)
            shared[:] = [f"http://127.0.0.1:{port}/mcp"]
            yield
        finally:
            server.kill()


async def approval(it: Room) -> dict[str, Any]:
    """What the agent waits for."""
    while True:
        frame = await it.until("run_status")
        if frame["state"] == "waiting_for_approval":
            return frame


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_MODEL_KEY", KEY)
    monkeypatch.setenv("TEST_TOOLS_KEY", "tools-secret")


async def test_a_tool_is_called_once_the_person_who_asked_has_allowed_it() -> None:
    async with kitchen(weather={}) as it:
        await it.say("Use forecast, please")
        asked = await approval(it)
        call = asked["approval"]
        assert (call["tool"], call["arguments"]) == ("forecast", {"city": "Paris"})
        await it.ada.decide_approval(it.id, asked["run_id"], call["approval_id"], approved=True)
        message = await it.end()
        told = json.dumps({"result": SUN})
        assert message["content"] == f"Let me look. It gave {told}"
        assert message["metadata"]["tools"] == [{"tool": "forecast", "by": "ada"}]
        assert message["usage"]["output_tokens"] == 6, "of both requests"
        first, second = it.upstream.asked
        assert first["tools"][0]["function"]["name"] == "forecast"
        assert (
            second["messages"][-2]["tool_calls"][0]["function"]["arguments"] == '{"city": "Paris"}'
        )
        assert second["messages"][-1] == {"role": "tool", "tool_call_id": "call0", "content": told}


async def test_a_call_that_is_refused_is_not_made_and_the_model_learns_of_it() -> None:
    async with kitchen() as it:
        await it.say("Use forecast, please")
        asked = await approval(it)
        id = asked["approval"]["approval_id"]
        await it.ada.decide_approval(it.id, asked["run_id"], id, approved=False)
        message = await it.end()
        assert "Nobody has allowed this call" in message["content"]
        assert "metadata" not in message


async def test_a_call_that_nobody_decides_about_counts_as_refused() -> None:
    async with kitchen(approval_timeout=0.2) as it:
        await it.say("Use forecast, please")
        assert "Nobody has allowed this call" in (await it.end())["content"]


async def test_another_member_may_not_decide() -> None:
    async with kitchen(trigger="always") as it, Client(it.url) as ben:
        await ben.guest("Ben")
        await ben.join(it.id)
        await it.say("Use forecast, please")
        asked = await approval(it)
        id = asked["approval"]["approval_id"]
        with pytest.raises(Refused) as caught:
            await ben.decide_approval(it.id, asked["run_id"], id, approved=True)
        assert caught.value.code == "FORBIDDEN"


@pytest.mark.parametrize("allow", [["forecast"], ["*"]])
async def test_a_tool_that_the_configuration_allows_needs_nobody(allow: list[str]) -> None:
    async with kitchen(tools=[{"mcp": "weather", "allow": allow}]) as it:
        await it.say("Use forecast, please")
        message = await it.end()
        assert SUN in message["content"]
        assert message["metadata"]["tools"] == [{"tool": "forecast", "by": "configuration"}]


async def test_only_the_tools_that_are_named_are_offered_under_names_that_models_take() -> None:
    only = ["forecast", "dots.and spaces"]
    async with kitchen(tools=[{"mcp": "weather", "only": only, "allow": ["*"]}]) as it:
        await it.say("Use dots_and_spaces, please")
        assert "called" in (await it.end())["content"]
        offered = [each["function"]["name"] for each in it.upstream.asked[0]["tools"]]
        assert offered == ["forecast", "dots_and_spaces"]


@pytest.mark.parametrize("tool", ["fail", "crash"])
async def test_a_tool_that_fails_or_crashes_costs_no_answer_and_the_next_call_works(
    tool: str,
) -> None:
    async with kitchen(tools=[{"mcp": "weather", "allow": ["*"]}], weather={}) as it:
        await it.say(f"Use {tool}, please")
        assert '"error"' in (await it.end())["content"]
        await it.say("Use forecast, please")
        while SUN not in (await it.end())["content"]:
            pass


async def test_a_model_that_never_stops_calling_has_to_answer_in_the_end() -> None:
    limits = {"tool_rounds": 3}
    tools = [{"mcp": "weather", "allow": ["*"]}]
    async with kitchen("uses tools for ever", tools=tools, limits=limits) as it:
        await it.say("Use forecast, please")
        assert (await it.end())["status"] == "complete"
        assert len(it.upstream.asked) == 4
        assert "tools" not in it.upstream.asked[-1]


async def test_a_cancel_ends_the_wait_for_a_person() -> None:
    async with kitchen() as it:
        await it.say("Use forecast, please")
        asked = await approval(it)
        await it.ada.cancel_run(it.id, asked["run_id"])
        assert (await it.end())["status"] == "cancelled"
        id = asked["approval"]["approval_id"]
        with pytest.raises(Refused) as caught:
            await it.ada.decide_approval(it.id, asked["run_id"], id, approved=True)
        assert caught.value.code == "RUN_ENDED"


@pytest.mark.parametrize("at_once", [True, False])
async def test_who_asks_a_server_of_tools_that_was_removed_does_not_wait_for_it(
    at_once: bool,
) -> None:
    from salon.web.agents.mcp_wire import McpServer  # of the extra

    asleep = [sys.executable, "-c", "import time; time.sleep(1000)"]
    server = McpServer(AgentSettings.model_validate({**TOOLS, "command": asleep}), None)
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as running:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(server.run)
                if not at_once:
                    running.start_soon(refused_by, server)
                    await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
            await refused_by(server)


async def test_a_server_of_tools_that_means_no_good_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hostile = {"command": [sys.executable, str(PROGRAM.with_name("mcp_hostile.py"))]}
    with caplog.at_level(logging.DEBUG):
        async with kitchen(weather=hostile) as it:
            assert await answer_to(it, "/tool slow") == "done"
            listed = await answer_to(it, "/tool")
            assert "slow" in listed
            assert "large" not in listed
    assert "confidence" not in caplog.text


async def refused_by(server: Any) -> None:
    with pytest.raises(UpstreamError):
        await server.tools()


async def test_an_agent_whose_tools_cannot_be_reached_answers_without_them() -> None:
    nowhere = {"command": ["/nowhere/to/be/found"]}
    async with kitchen(weather=nowhere) as it:
        await it.say("Use forecast, please")
        assert (await it.end())["content"] == "It gave nothing"
        assert "tools" not in it.upstream.asked[0]


# --- people's own calls ---------------------------------------------------------------------------------------------------


async def answer_to(it: Room, text: str) -> str:
    await it.say(text)
    return str((await it.end())["content"])


async def test_people_call_tools_by_themselves_with_json_or_with_words() -> None:
    async with kitchen() as it:
        assert await answer_to(it, '/tool forecast {"city": "Oslo"}') == "1 days of sun in Oslo"
        spoken = await answer_to(it, '@Cook /tool forecast city="New York" days=3')
        assert spoken == "3 days of sun in New York"
        assert it.upstream.asked == []


async def test_what_is_wrong_with_a_call_is_said_in_words() -> None:
    async with kitchen() as it:
        assert "- `forecast` What the weather will be." in await answer_to(it, "/tool")
        assert "There is no tool 'rain'" in await answer_to(it, "/tool rain")
        assert "is no key=value" in await answer_to(it, "/tool forecast Paris")
        assert "are no JSON object" in await answer_to(it, "/tool forecast {city")
        assert "quotation mark" in await answer_to(it, '/tool forecast city="Paris')
        assert "city" in await answer_to(it, "/tool forecast")


async def test_an_agent_of_tools_alone_is_a_member_as_any_other() -> None:
    async with serving([{**TOOLS, "default": True}]) as url, Client(url, token=TOKEN) as ada:
        id = (await ada.create("Weather", enable_ai=True))["conversation_id"]
        async with ada.socket(id) as tab:
            it = Room(url, None, ada, id, tab)  # type: ignore[arg-type]
            assert await answer_to(it, "/tool forecast city=Rome") == "1 days of sun in Rome"
            assert 'Write "/tool NAME"' in await answer_to(it, "Hello?")


async def test_the_tools_of_the_manual_are_called(tmp_path: Path) -> None:
    manual = Path(__file__).parents[2] / "docs" / "agents.md"
    (program,) = re.findall(r"```py\n(.*?)```", manual.read_text(), re.DOTALL)
    path = tmp_path / "weather.py"
    path.write_text(program)
    async with kitchen(weather={"command": [sys.executable, str(path)]}) as it:
        assert await answer_to(it, "/tool forecast city=Paris days=2") == "2 days of sun in Paris"


async def test_a_program_gets_its_own_key_and_nothing_else_of_the_environment() -> None:
    async with kitchen(weather={"key_env": "TEST_TOOLS_KEY"}) as it:
        own = await answer_to(it, "/tool environment name=TEST_TOOLS_KEY")
        assert own == "tools-secret"
        assert await answer_to(it, "/tool environment name=TEST_MODEL_KEY") == "not set"


async def test_tools_over_http_work_and_come_back_after_their_server_was_killed() -> None:
    port = await free_port()
    server = await started(port)
    there = {"command": [], "endpoint": f"http://127.0.0.1:{port}/mcp"}
    try:
        async with kitchen(weather=there) as it:
            assert await answer_to(it, "/tool forecast city=Rome") == "1 days of sun in Rome"
            server.kill()
            await server.wait()
            await it.say("/tool forecast city=Rome")
            failed = await it.end()
            assert (failed["type"], failed["reason"]) == ("run_failed", "upstream")
            server = await started(port)
            with trio.fail_after(PATIENCE):
                while "content" not in await ask_again(it):
                    pass
    finally:
        server.kill()
        await server.wait()


async def free_port() -> int:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        return int(listener.socket.getsockname()[1])


async def started(port: int) -> trio.Process:
    """The server of the tools over HTTP, once it takes connections."""
    words = [sys.executable, str(PROGRAM), str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = await trio.lowlevel.open_process(words, **quiet)
    with trio.fail_after(PATIENCE):
        while True:
            try:
                await (await trio.open_tcp_stream("127.0.0.1", port)).aclose()
            except OSError:
                await trio.sleep(0.05)
            else:
                return server


async def ask_again(it: Room) -> dict[str, Any]:
    await it.say("/tool forecast city=Rome")
    return await it.end()


# --- the configuration ----------------------------------------------------------------------------------------------------


def test_without_the_extra_a_server_with_tools_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "salon.web.agents.mcp_wire", raising=False)
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(SettingsError, match=r"pip install 'salon\[ai\]'"):
        open_upstream(AgentSettings.model_validate(TOOLS))


def test_the_id_of_the_tools_stands_for_all_of_them() -> None:
    fields = {"kind": "openai", "endpoint": "http://h/v1", "model": "m", "tools": ["weather"]}
    (tools,) = AgentSettings.model_validate({"id": "a", "name": "A", **fields}).tools
    assert (tools.mcp, tools.only, tools.allow) == ("weather", None, ())


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"endpoint": "http://127.0.0.1:9/mcp"}, "either endpoint or command"),
        ({"command": []}, "either endpoint or command"),
        ({"tools": [{"mcp": "weather"}]}, "tools only for an agent of the kinds"),
    ],
)
def test_an_agent_of_tools_that_cannot_be_is_refused(fields: Any, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        AgentSettings.model_validate({**TOOLS, **fields})
