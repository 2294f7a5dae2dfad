"""The console's Agents: who is hosted, what may be used and was, and every run with its price and a handle to end it.

What the two routes answer stands here, by interception; the run that is cancelled is a real one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.accessibility import grave_faults
from tests.console import console
from tests.control_states import faint
from tests.server import ServerProcess
from tests.visitor import Visitor

from .socket_agent import Agent

OpenPage = Callable[..., Page]
USED = {"tokens": 50_000, "money": 1.25, "seconds": 90, "runs": 12}
AGENTS: list[dict[str, Any]] = [
    {
        "id": "cook",
        "name": "Cook",
        "kind": "openai",
        "endpoint": "https://model.example/v1",
        "model": "large-1",
        "trigger": "auto",
        "source": "configuration",
        "running": 2,
        "waiting": 1,
        "breaker": {"state": "closed", "retry_after": None},
        "tools": ["get_forecast", "pay"],
        "budgets": [
            {
                "per": "agent",
                "every": "day",
                "limits": {"tokens": 50_000, "money": 5, "seconds": 600, "runs": 100},
                "used": USED,
                "opens_at": "2030-01-31T12:30:00.000Z",
            },
            {"per": "person", "every": "hour", "limits": {"tokens": 2000, "money": None}},
        ],
        "today": {"runs": 12, "tokens": 50_000, "cost": 1.25, "currency": "USD"},
    },
    {
        "id": "echo",
        "name": "Echo",
        "kind": "echo",
        "endpoint": None,
        "model": None,
        "trigger": "never",
        "source": "route",
        "running": 0,
        "waiting": 0,
        "breaker": {"state": "open", "retry_after": 11.2},
        "tools": [],
        "budgets": [],
        "today": {"runs": 100, "tokens": 0, "cost": 0, "currency": None},
    },
]
PAST: dict[str, Any] = {
    "conversation_id": "past",
    "run_id": "p1",
    "agent_id": "cook",
    "agent_name": "Cook",
    "state": "failed",
    "reason": "budget",
    "why": "mention",
    "asked_by": "test_user_1",
    "started_at": "2026-01-31T12:00:00.000Z",
    "first_word_seconds": None,
    "seconds": 2.5,
    "input_tokens": 100,
    "output_tokens": 0,
    "cost": 0.0012,
    "currency": "USD",
    "tool_calls": 0,
}


class Told:
    """What the routes answer, and what they were asked."""

    def __init__(self, page: Page) -> None:
        self.agents: list[dict[str, Any]] | None = AGENTS
        self.pages: dict[str | None, dict[str, Any]] | None = {
            None: {"runs": [], "next_cursor": None}
        }
        self.asked: list[dict[str, list[str]]] = []
        page.route(re.compile("/admin/agents$"), self._agents)
        page.route(re.compile(r"/admin/runs\?"), self._runs)

    def _agents(self, route: Route) -> None:
        answer(route, None if self.agents is None else {"agents": self.agents})

    def _runs(self, route: Route) -> None:
        asked = parse_qs(urlsplit(route.request.url).query)
        self.asked.append(asked)
        cursor = asked.get("cursor", [None])[0]
        answer(route, None if self.pages is None else self.pages[cursor])


def answer(route: Route, body: dict[str, Any] | None) -> None:
    """This, or that there is nothing here."""
    if body is None:
        lost = {"error": "Not found.", "code": "NOT_FOUND", "temporary": False, "id": "x"}
        route.fulfill(status=404, json=lost)
    else:
        route.fulfill(status=200, body=json.dumps(body), content_type="application/json")


@pytest.fixture
def page(server: ServerProcess, open_page: OpenPage) -> Page:
    """The console, not yet at its agents."""
    return console(server, open_page)


@pytest.fixture
def told(page: Page) -> Told:
    return Told(page)


@pytest.fixture
def ada(server: ServerProcess, open_page: OpenPage) -> Visitor:
    visitor = Visitor.guest(open_page(server.url), "Ada")
    visitor.begin("Dinner")
    return visitor


@pytest.fixture
def agent(server: ServerProcess, ada: Visitor) -> Iterator[Agent]:
    made = Agent(server, ada.conversation_id)
    yield made
    made.close()


def go(page: Page) -> None:
    page.get_by_role("link", name="Agents").click()
    expect(page).to_have_title("Agents · salon console")


def column(table: Locator, name: str) -> list[str]:
    """The cells below a heading, from the first row to the last."""
    headings = [each.rstrip(" ↑↓") for each in table.locator("thead th").all_inner_texts()]
    at = headings.index(name) + 1
    return table.locator(f"tbody tr > :nth-child({at})").all_inner_texts()


def test_an_operator_sees_what_each_agent_does_and_may_use(page: Page, told: Told) -> None:
    go(page)
    table = page.get_by_role("region", name="The agents")
    expect(table.get_by_role("row")).to_have_count(3)
    cook, echo = table.get_by_role("row", name="Cook"), table.get_by_role("row", name="Echo")
    for words in ("large-1", "answers", "get_forecast, pay", "$1.25", "50,000"):
        expect(cook).to_contain_text(words)
    meter = cook.get_by_role("meter", name="Tokens used, all together, a day")
    expect(meter).to_have_attribute("aria-valuenow", "50000")
    for words in (
        "$1.25 / $5.00",
        "1 min / 10 min",
        "12 answers / 100 answers",
        "used up until 31 Jan 2030",
    ):
        expect(cook).to_contain_text(words)
    expect(cook).to_contain_text("each person, an hour 2,000 tokens", use_inner_text=True)
    for words in ("added while it runs", "fails", "tried again in 12 s", "no limit", "never"):
        expect(echo).to_contain_text(words)
    told.agents = [{**AGENTS[1], "breaker": {"state": "half_open"}}]
    expect(echo).to_contain_text("is tried again")  # by itself
    expect(cook).to_have_count(0)


def test_both_tables_are_sorted_by_their_headings_with_the_keyboard_alone(
    page: Page, told: Told
) -> None:
    dear = PAST | {"run_id": "p2", "cost": 0.5, "first_word_seconds": 0.3, "why": "regenerate"}
    told.pages = {None: {"runs": [PAST, dear]}}
    go(page)
    table = page.get_by_role("region", name="The agents")
    expect(table.get_by_role("row")).to_have_count(3)
    assert column(table, "Answers today") == ["12", "100"]
    heading = table.get_by_role("button", name="Answers today")
    heading.focus()
    page.keyboard.press("Enter")
    expect(table.get_by_role("columnheader", name="Answers today")).to_have_attribute(
        "aria-sort", "descending"
    )
    assert column(table, "Answers today") == ["100", "12"]
    page.keyboard.press("Enter")
    assert column(table, "Answers today") == ["12", "100"]
    expect(heading).to_be_focused()
    runs = page.get_by_role("region", name="The runs")
    expect(runs.get_by_role("row")).to_have_count(3)
    assert column(runs, "Cost") == ["$0.0012", "$0.50"]
    runs.get_by_role("button", name="First word").click()
    assert column(runs, "First word") == ["300 ms", "–"]
    assert column(runs, "Asked since") == ["another answer is wanted", "it is mentioned"]


def test_an_open_run_is_cancelled_and_its_conversation_looked_at(
    server: ServerProcess, page: Page, told: Told, ada: Visitor, agent: Agent
) -> None:
    ada.say("What is for dinner?")
    ada.expect_settled()
    agent.start("r1")
    agent.say("r1", "Fish")
    room = ada.conversation_id
    live = PAST | {
        "conversation_id": room,
        "run_id": "r1",
        "agent_id": "test_agent",
        "agent_name": "Agent",
        "state": "open",
        "reason": None,
        "asked_by": None,
        "started_at": "2026-01-30T12:00:00.000Z",
    }
    told.pages = {None: {"runs": [live, PAST]}}
    go(page)
    runs = page.get_by_role("region", name="The runs")
    row = runs.get_by_role("row", name="Agent").nth(1)
    expect(row).to_contain_text("open")
    expect(runs.get_by_role("row", name="Cook")).to_contain_text("failed budget")
    expect(runs.get_by_role("button", name=re.compile("Cancel the answer"))).to_have_count(1)
    row.get_by_role("button", name="Cancel the answer of Agent…").click()
    told.pages = {None: {"runs": [PAST, live | {"state": "cancelled"}]}}
    page.get_by_role("dialog").get_by_role("button", name="Cancel the answer").click()
    expect(runs.get_by_role("row", name="Agent").nth(1)).to_contain_text("cancelled")
    expect(runs.get_by_role("button", name=re.compile("Cancel the answer"))).to_have_count(0)
    said = ada.log.locator(".message").filter(has_text="Fish")
    expect(said.locator(".end")).to_have_text("Stopped")
    runs.get_by_role("link", name=room).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dinner")


def test_runs_are_filtered_paged_and_held_still(page: Page, told: Told) -> None:
    older = PAST | {"run_id": "p0", "started_at": "2026-01-30T12:00:00.000Z", "tool_calls": 7}
    told.pages = {
        None: {"runs": [PAST], "next_cursor": "p1"},
        "p1": {"runs": [older], "next_cursor": None},
    }
    go(page)
    runs = page.get_by_role("region", name="The runs")
    expect(runs.get_by_role("row")).to_have_count(2)
    page.get_by_role("button", name="Earlier").click()
    expect(runs.get_by_role("row")).to_have_count(3)
    expect(page.get_by_role("button", name="Earlier")).to_have_count(0)
    assert column(runs, "Tool calls") == ["0", "7"]
    newest = PAST | {"run_id": "p9", "started_at": "2026-02-01T12:00:00.000Z", "tool_calls": 9}
    told.pages[None] = {"runs": [newest], "next_cursor": "p9"}
    expect(runs.get_by_role("row")).to_have_count(4)  # by itself, and the older ones stay
    assert column(runs, "Tool calls") == ["9", "0", "7"]
    page.get_by_role("combobox", name="Agent").select_option("Echo")
    page.get_by_label("A conversation's whole id").fill("past")
    told.pages[None] = {"runs": []}
    expect(page.get_by_text("No run is like that.")).to_be_visible()
    assert told.asked[-1]["agent_id"] == ["echo"]
    assert told.asked[-1]["conversation_id"] == ["past"]
    hold = page.get_by_role("region", name="Runs").get_by_role("button", name="Hold still")
    hold.click()
    told.pages[None] = {"runs": [PAST]}
    expect(page.get_by_role("button", name="Held: go on")).to_be_visible()
    asked = len(told.asked)
    told.agents = []
    expect(page.get_by_text("The server hosts none.")).to_be_visible()  # while nothing is asked
    assert len(told.asked) == asked
    page.get_by_role("button", name="Held: go on").click()
    expect(runs.get_by_role("row", name="Cook")).to_have_count(1)


def test_what_the_server_does_not_know_is_left_out(page: Page, told: Told) -> None:
    told.agents = told.pages = None
    go(page)
    with page.expect_response(re.compile("/admin/runs")):
        page.reload()
    expect(page.get_by_role("region", name="Runs")).to_have_count(0)
    expect(page.get_by_role("region", name="Agents")).to_have_count(0)
    expect(page.get_by_role("heading", name="Agents", level=1)).to_be_attached()


@pytest.mark.timeout(240)
def test_it_is_for_everybody_in_both_schemes_and_at_every_width(page: Page, told: Told) -> None:
    told.pages = {
        None: {"runs": [PAST | {"state": "open"}, PAST | {"run_id": "p2"}], "next_cursor": "c"}
    }
    go(page)
    expect(page.get_by_role("region", name="The runs").get_by_role("row")).to_have_count(3)
    assert faint(page, "the agents") == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert grave_faults(page) == [], scheme
    for width in (360, 768, 1440, 3840):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        assert grave_faults(page) == [], width
