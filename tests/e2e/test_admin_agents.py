"""The console's Agents: who is hosted, what may be used and was, and every run with its price and a handle to end it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.accessibility import grave_faults
from tests.console import ADA, ask, console
from tests.control_states import faint
from tests.server import ServerProcess

from .model_server import TOOLS, ModelServer

OpenPage = Callable[..., Page]
Start = Callable[..., ServerProcess]
PRICE = {"input": 1000, "output": 2000, "currency": "EUR"}  # of a million tokens
COST = "€0.013"  # of 7 tokens and 3
ECHO = {"id": "parrot", "name": "Parrot", "kind": "echo"}
QUESTIONS = 20  # that an agent may have open in one conversation


@pytest.fixture
def model() -> Iterator[ModelServer]:
    with ModelServer() as it:
        yield it


@pytest.fixture
def host(start_server: Start) -> Callable[..., ServerProcess]:
    """Starts a server with these agents."""
    return lambda *agents: start_server(AGENTS=json.dumps(agents))


class Room:
    """A conversation of Ada's with agents."""

    def __init__(self, server: ServerProcess, *agents: str, title: str = "Dinner") -> None:
        self._server = server
        others = [{"user_id": each} for each in agents]
        created = ask(server, "POST", "/chat/create", ADA, {"title": title, "participants": others})
        self.id = str(created["conversation_id"])

    def say(self, text: str) -> None:
        ask(self._server, "POST", f"/chat/{self.id}/messages", ADA, {"content": text})

    def contents(self) -> list[str]:
        """All that was said so far."""
        page = ask(self._server, "GET", f"/chat/{self.id}/messages?after=0", ADA)
        said = (each for each in page["events"] if each["type"] == "message")
        return [each["message"]["content"] for each in said]


def go(page: Page) -> None:
    page.get_by_role("link", name="Agents").click()
    expect(page).to_have_title("Agents · salon console")


def agents(page: Page) -> Locator:
    return page.get_by_role("region", name="The agents")


def runs(page: Page) -> Locator:
    return page.get_by_role("region", name="The runs")


def row(table: Locator, name: str) -> Locator:
    """The row that begins with a name."""
    link = table.page.get_by_role("link", name=name, exact=True)
    return table.locator("tbody tr").filter(has=link)


def headings(table: Locator) -> list[str]:
    return [each.rstrip(" ↑↓") for each in table.locator("thead th").all_inner_texts()]


def cell(table: Locator, name: str, heading: str) -> Locator:
    """A cell of the row that begins with a name, once there is one."""
    expect(row(table, name).first).to_be_visible()
    return row(table, name).locator(f"> :nth-child({headings(table).index(heading) + 1})")


def column(table: Locator, heading: str) -> list[str]:
    """The cells below a heading, from the first row to the last."""
    at = headings(table).index(heading) + 1
    return table.locator(f"tbody tr > :nth-child({at})").all_inner_texts()


def expect_cells(table: Locator, name: str, **cells: str | re.Pattern[str]) -> None:
    for heading, text in cells.items():
        if isinstance(text, str):
            text = re.compile(rf"^(\W )?{re.escape(text)}\s*$")  # behind the mark of a state
        expect(cell(table, name, heading.replace("_", " "))).to_have_text(text)


def test_an_operator_sees_what_each_agent_does_may_use_and_has_cost(
    host: Callable[..., ServerProcess], model: ModelServer, open_page: OpenPage
) -> None:
    budgets: list[dict[str, Any]] = [
        {"per": "agent", "every": "month", "tokens": 1000, "money": 5, "seconds": 600, "runs": 1},
        {"per": "person", "every": "hour", "tokens": 2000},
    ]
    cook = model.agent("words", price=PRICE, budgets=budgets, tools=[{"mcp": "weather"}])
    server = host(cook, TOOLS, ECHO | {"trigger": "never"})
    page = console(server, open_page)
    go(page)
    table = agents(page)
    expect(table.locator("tbody tr")).to_have_count(3)
    expect_cells(table, "Cook", Answers_today="0", Cost_today="€0.00", Its_model="answers")
    room = Room(server, "cook")
    room.say("What is for dinner?")
    expect_cells(table, "Cook", Answers_today="1", Tokens_today="10", Cost_today=COST)
    expect_cells(table, "Cook", Model="words openai", Tools="weather")
    budget = cell(table, "Cook", "Budgets")
    meter = budget.get_by_role("meter", name="Tokens used, all together, a month")
    expect(meter).to_have_attribute("aria-valuenow", "10")
    spent = ("10 tokens / 1,000 tokens", f"{COST} / €5.00", "/ 10 min", "1 answer / 1 answer")
    for words in (*spent, "used up until"):
        expect(budget).to_contain_text(words)
    expect(budget).to_contain_text("each person, an hour 2,000 tokens", use_inner_text=True)
    expect_cells(table, "Parrot", Model="echo", Is_asked="never", Tools="–", Budgets="no limit")
    expect_cells(table, "The Weather", Model="mcp", Cost_today="0")
    room.say("And tomorrow?")
    expect(cell(runs(page), "Cook", "State")).to_contain_text(["failed budget", "complete"])
    expect_cells(table, "Cook", Tokens_today="10", Cost_today=COST)


def test_a_model_that_fails_is_left_alone_for_a_while_and_its_answers_fail_at_once(
    host: Callable[..., ServerProcess], model: ModelServer, open_page: OpenPage
) -> None:
    limits = {"failures": 1, "pause": 3600}
    server = host(model.agent("error at once", limits=limits), ECHO)
    page = console(server, open_page)
    go(page)
    expect_cells(agents(page), "Cook", Its_model="answers")
    room = Room(server, "cook")
    room.say("What is for dinner?")
    upstream = cell(agents(page), "Cook", "Its model")
    expect(upstream).to_have_text(re.compile(r"^\W fails tried again in (1 h|59 min)$"))
    expect_cells(agents(page), "Parrot", Its_model="answers")
    expect_cells(runs(page), "Cook", State="failed upstream", Tokens_out="0")
    expect_cells(runs(page), "Cook", First_word="–", Asked_since="it is alone with one person")


def test_runs_are_shown_while_they_go_on_with_what_they_use_and_are_cancelled(
    host: Callable[..., ServerProcess], model: ModelServer, open_page: OpenPage
) -> None:
    server = host(model.agent("endless", price=PRICE), ECHO)
    done, open_room = Room(server, "parrot"), Room(server, "cook")
    done.say("Hello there")
    open_room.say("What is for dinner?")
    page = console(server, open_page)
    go(page)
    table = runs(page)
    expect(table.locator("tbody tr")).to_have_count(2)
    assert column(table, "Agent") == ["Cook", "Parrot"]  # open ones first
    expect_cells(table, "Parrot", State="complete", Conversation=done.id, By="test_user_1")
    expect_cells(table, "Cook", State="open", Conversation=open_room.id, By="test_user_1")
    expect_cells(table, "Cook", First_word=re.compile("s$"), Cost=re.compile(r"€[^0]|€0\.0*[1-9]"))
    expect(cell(table, "Cook", "Tokens out")).to_have_text(re.compile(r"^[1-9]"))
    expect(cell(agents(page), "Cook", "Answering")).to_have_text("1")
    cancel = page.get_by_role("button", name=re.compile("Cancel the answer"))
    expect(cancel).to_have_count(1)
    cancel.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Cancel the answer").click()
    expect_cells(table, "Cook", State="cancelled", Cost=re.compile(r"€[^0]|€0\.0*[1-9]"))
    expect(cancel).to_have_count(0)
    expect(cell(agents(page), "Cook", "Answering")).to_have_text("0")
    assert "on and on" in open_room.contents()[-1]
    table.get_by_role("link", name=open_room.id).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Dinner")


def test_both_tables_are_sorted_by_their_headings_with_the_keyboard_alone(
    host: Callable[..., ServerProcess], model: ModelServer, open_page: OpenPage
) -> None:
    server = host(model.agent("words", price=PRICE), ECHO)
    for room, questions in ((Room(server, "cook"), 1), (Room(server, "parrot"), 2)):
        for number in range(questions):
            room.say(f"Question {number}")
    page = console(server, open_page)
    go(page)
    expect(runs(page).locator("tbody tr")).to_have_count(3)
    table = agents(page)
    expect_cells(table, "Cook", Answers_today="1")
    expect_cells(table, "Parrot", Answers_today="2")
    assert column(table, "Answers today") == ["1", "2"]
    heading = table.get_by_role("button", name="Answers today")
    heading.focus()
    for order, shown in (("descending", ["2", "1"]), ("ascending", ["1", "2"])):
        page.keyboard.press("Enter")
        expect(table.get_by_role("columnheader", name="Answers today")).to_have_attribute(
            "aria-sort", order
        )
        assert column(table, "Answers today") == shown
    expect(heading).to_be_focused()
    runs(page).get_by_role("button", name="Cost").click()
    assert column(runs(page), "Cost") == [COST, "0", "0"]


def test_runs_are_filtered_paged_and_held_still(
    host: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    other = ECHO | {"id": "starling", "name": "Starling"}
    server = host(ECHO | {"default": True}, other)
    rooms = [Room(server, "parrot") for _ in range(3)]
    for room in rooms:
        for number in range(QUESTIONS):
            room.say(f"Question {number}")
    page = console(server, open_page)
    go(page)
    table = runs(page)
    expect_cells(agents(page), "Parrot", Answers_today="60", Answering="0")
    page.reload()  # what ended while the list was shown was added to it
    go(page)
    expect(table.locator("tbody tr")).to_have_count(50)
    page.get_by_role("button", name="Earlier").click()
    expect(table.locator("tbody tr")).to_have_count(60)
    expect(page.get_by_role("button", name="Earlier")).to_have_count(0)
    Room(server, "starling").say("Hello")
    expect(table.locator("tbody tr")).to_have_count(61)  # by itself, and the older ones stay
    assert column(table, "Agent")[0] == "Starling"
    page.get_by_role("combobox", name="Agent").select_option("Parrot")
    page.get_by_label("A conversation's whole id").fill(rooms[0].id)
    expect(table.locator("tbody tr")).to_have_count(QUESTIONS)
    assert set(column(table, "Conversation")) == {rooms[0].id}
    page.get_by_role("combobox", name="Agent").select_option("Starling")
    expect(page.get_by_text("No run is like that.")).to_be_visible()
    page.get_by_role("combobox", name="Agent").select_option("Parrot")
    expect(table.locator("tbody tr")).to_have_count(QUESTIONS)
    page.get_by_role("region", name="Runs").get_by_role("button", name="Hold still").click()
    rooms[0].say("One more")
    expect_cells(agents(page), "Parrot", Answers_today="61")  # which is asked all the while
    expect(table.locator("tbody tr")).to_have_count(QUESTIONS)
    page.get_by_role("button", name="Held: go on").click()
    expect(table.locator("tbody tr")).to_have_count(QUESTIONS + 1)


def test_an_agent_that_is_added_while_the_server_runs_is_shown_until_it_is_removed(
    host: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    server = host()
    page = console(server, open_page)
    go(page)
    expect(page.get_by_text("The server hosts none.")).to_be_visible()
    expect(page.get_by_text("No agent that the server hosts has answered yet.")).to_be_visible()
    ask(server, "PUT", "/admin/agents/parrot", json={"name": "Parrot", "kind": "echo"})
    added = cell(agents(page), "Parrot", "Agent")
    expect(added).to_have_text("Parrot added while it runs", use_inner_text=True)
    Room(server, "parrot").say("Hello")
    expect_cells(runs(page), "Parrot", State="complete")
    ask(server, "DELETE", "/admin/agents/parrot")
    expect(page.get_by_text("The server hosts none.")).to_be_visible()
    expect_cells(runs(page), "parrot", State="complete")  # whose name is known no more


@pytest.mark.timeout(240)
def test_it_is_for_everybody_in_both_schemes_and_at_every_width(
    host: Callable[..., ServerProcess], model: ModelServer, open_page: OpenPage
) -> None:
    limits = {"failures": 1, "pause": 3600}
    budgets = [{"per": "agent", "every": "month", "tokens": 1000, "runs": 1}]
    broken = model.agent("error at once", id="broken", limits=limits)
    words = model.agent("words", id="cook", price=PRICE, budgets=budgets)
    server = host(words, broken, model.agent("waits", id="waiter"))
    for agent in ("cook", "broken", "waiter"):
        Room(server, agent).say("What is for dinner?")
    page = console(server, open_page)
    go(page)
    expect(runs(page).locator("tbody tr")).to_have_count(3)
    expect(cell(agents(page), "Broken", "Its model")).to_contain_text("fails")
    expect(cell(agents(page), "Cook", "Budgets")).to_contain_text("used up until")
    assert faint(page, "the agents") == []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert grave_faults(page) == [], scheme
    for width in (360, 768, 1440, 3840):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, width
        assert grave_faults(page) == [], width
