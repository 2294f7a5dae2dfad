"""Two people and NLWeb's own server in one conversation: `make agents-real`."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from salon.web.agents import Activity, Prompt, Results, UpstreamError, open_upstream
from salon.web.client import Client, Frame
from salon.web.settings import AgentSettings
from tests.patience import PATIENCE
from tests.server import ServerProcess

PYTHON = os.environ.get("SALON_NLWEB_PYTHON")
SCRIPT = Path(__file__).parents[1] / "real_nlweb.py"
SITE, ASKS = "recipes.example", "asks.example"
CHIPS = {
    "url": f"https://{SITE}/fish-and-chips",
    "name": "Fish and chips 🍟",
    "site": SITE,
    "description": "Fried cod with chips and peas",
    "score": 70,
    "schema_object": {
        "@type": "Recipe",
        "recipeYield": 2,
        "image": f"https://{SITE}/fish-and-chips.jpg",
    },
}

pytestmark = pytest.mark.skipif(PYTHON is None, reason="make agents-real installs NLWeb for it")


@pytest.fixture(scope="module")
def nlweb() -> Iterator[str]:
    """The address of an NLWeb server."""
    assert PYTHON is not None
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([PYTHON, str(SCRIPT)], stderr=subprocess.DEVNULL, **pipes) as process:  # type: ignore[call-overload]
        found = None
        for line in process.stdout:
            if found := re.match("NLWeb at (http.*)", line):
                yield found[1]
                process.stdin.close()
                break
        assert found, "NLWeb's server does not start"


def agent(nlweb: str, **more: Any) -> dict[str, Any]:
    wire = {"kind": "nlweb", "endpoint": nlweb, "api_version": "0.54"}
    return {"id": "finder", "name": "Finder", **wire, **more}


async def pieces(nlweb: str, asked: str, **more: Any) -> list[Any]:
    """What the server has said."""
    upstream = open_upstream(AgentSettings.model_validate(agent(nlweb)))
    said = upstream.stream(Prompt("", (), asked, 1, **more))
    try:
        with trio.fail_after(PATIENCE):
            return [piece async for piece in said]
    finally:
        await upstream.close()


async def test_it_finds_what_is_asked_for_and_says_how_much(nlweb: str) -> None:
    told = await pieces(nlweb, "Chips?")
    assert told == [Activity("tool", "1 result"), "1 result.", Results((CHIPS,))]


async def test_it_sums_up_and_knows_what_was_asked_before(nlweb: str) -> None:
    more = {"mode": "summarize", "previous": ("Something of fish, please",), "sites": (SITE,)}
    label, found, said, results = await pieces(nlweb, "and without peas?", **more)
    assert label == Activity(
        "thinking", "Understood as: Something of fish, please and without peas?"
    )
    assert found == Activity("tool", "2 results")
    assert said == "You may like Fish and chips 🍟 or Fish soup."
    assert [item["name"] for item in results.items] == ["Fish and chips 🍟", "Fish soup"]


async def test_what_is_not_there_is_not_found(nlweb: str) -> None:
    assert await pieces(nlweb, "Submarines") == ["No results."]


async def test_a_site_that_has_to_know_more_asks(nlweb: str) -> None:
    (question,) = await pieces(nlweb, "A dish", sites=(ASKS,))
    lines = question.splitlines()
    assert lines[0] == "Which dish do you mean?"
    assert len(lines) == 2
    assert "number of guests" in lines[1]


async def test_a_search_that_breaks_on_the_way_is_a_failure(nlweb: str) -> None:
    with pytest.raises(UpstreamError):
        await pieces(nlweb, "Explode")


@asynccontextmanager
async def answers(ada: Client, id: str) -> AsyncIterator[Callable[[], Any]]:
    """The next answer in a conversation."""
    async with ada.socket(id) as tab:

        async def answer() -> Frame:
            with trio.fail_after(PATIENCE):
                while True:
                    frame = await tab.receive_json()
                    assert frame["type"] != "run_failed"
                    if frame["type"] == "message" and frame["message"].get("run_id"):
                        message: Frame = frame["message"]
                        return message

        yield answer


async def test_two_people_talk_and_ask_it(
    nlweb: str, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server(AGENTS=json.dumps([agent(nlweb)]))
    async with Client(server.url) as ada, Client(server.url) as ben:
        await ada.guest("Ada")
        await ben.guest("Ben")
        created = await ada.create("Dinner", mode="summarize", sites=[SITE])
        id = created["conversation_id"]
        await ada.join(id, {"user_id": "finder"})
        await ben.join(id)
        async with answers(ada, id) as answer:
            await ada.post(id, "Good morning, Ben")
            asked = await ben.post(id, "@Finder a dish of fish")
            message = await answer()
            assert message["content"] == "You may like Fish and chips 🍟 or Fish soup."
            assert (message["reply_to"], message["status"]) == (asked.message_id, "complete")
            await ben.post(id, "@Finder and with apples?")
            assert "Apple pie" in (await answer())["content"]
