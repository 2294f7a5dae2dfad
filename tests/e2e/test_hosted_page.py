"""A hosted agent with tools on the chat page: people ask it, decide about what it wants to call, and see what it was worth.

The model and the server of its tools are real ones: an HTTP server, and a program that salon starts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.accessibility import grave_faults
from tests.console import ask
from tests.notified import be_told
from tests.server import ServerProcess
from tests.visitor import Visitor

from .model_server import TOOLS, ModelServer

OpenPage = Callable[..., Page]
PRICE = {"input": 1000, "output": 2000, "currency": "EUR"}  # of a million tokens
QUESTION = "@Cook use forecast, please"
SUN = 'Let me look. It gave {"result": "1 days of sun in Paris"}'
HIDE = """(hidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose cook may use the tools of the weather."""
    with ModelServer() as model:
        cook = model.agent("uses a tool", price=PRICE, tools=[{"mcp": "weather"}], default=True)
        agents = json.dumps([cook, TOOLS])
        server = ServerProcess(tmp_path_factory.mktemp("server"), AGENTS=agents)
        yield server
        assert server.stop() == 0, server.log


@pytest.fixture
def ada(server: ServerProcess, open_page: OpenPage) -> Visitor:
    """Somebody in a conversation of their own with the cook."""
    visitor = Visitor.known(open_page(server.url), "Ada")
    page = visitor.page
    page.get_by_role("button", name="New").click()
    page.get_by_label("What is it about?").fill("Dinner")
    page.get_by_role("checkbox", name="With AI").check()
    page.get_by_role("button", name="Begin").click()
    expect(page.get_by_role("heading", name="Dinner", level=1)).to_be_visible()
    return visitor


@pytest.fixture
def bob(server: ServerProcess, ada: Visitor, open_page: OpenPage) -> Visitor:
    """Somebody else there, who owns nothing."""
    visitor = Visitor.known(open_page(server.url), "Bob", f"/c/{ada.conversation_id}")
    visitor.expect_live()
    expect(ada.log).to_contain_text("Bob joined")
    return visitor


def card(who: Visitor) -> Locator:
    """What waits for a person."""
    return who.log.get_by_role("group", name="Cook wants to use forecast")


def answer(who: Visitor, text: str) -> Locator:
    """The agent's messages that say this."""
    return who.log.locator(".message:not(.making)").filter(has_text=text)


def mark(who: Visitor) -> Locator:
    """What the list says of Dinner beside its title."""
    return who.line("Dinner").locator(".line-unread")


def told_again_after_a_drop(server: ServerProcess, who: Visitor) -> None:
    """Drop all connections, and wait until a new one has told this page what waits."""
    frames: list[str] = []

    def listen(socket: WebSocket) -> bool:
        socket.on("framereceived", lambda frame: frames.append(str(frame)))
        return True

    with who.page.expect_websocket(listen) as again:
        for each in ask(server, "GET", "/admin/connections")["connections"]:
            ask(server, "DELETE", f"/admin/connections/{each['id']}")
    if not any("waiting_for_approval" in frame for frame in frames):
        again.value.wait_for_event(
            "framereceived", lambda frame: "waiting_for_approval" in str(frame)
        )


def test_who_has_asked_allows_a_tool_by_keyboard_while_the_other_person_only_sees_it_wait(
    ada: Visitor, bob: Visitor
) -> None:
    ada.say(QUESTION)
    for each in (ada, bob):
        expect(card(each).get_by_role("region")).to_have_text('{ "city": "Paris" }')
        assert grave_faults(each.page) == []
    expect(card(bob)).to_contain_text("Waits until Ada or an owner decides.")
    expect(card(bob).get_by_role("button")).to_have_count(0)
    allow = card(ada).get_by_role("button", name="Allow")
    allow.focus()
    ada.page.keyboard.press("Enter")
    for each, who in ((ada, "you"), (bob, "Ada")):
        message = answer(each, SUN)
        expect(message).to_have_count(1)
        expect(card(each)).to_have_count(0)
        expect(message.locator(".tools")).to_have_text(f"Used forecast (allowed by {who})")
        expect(message.locator(".used")).to_have_text("20 tokens")  # of two requests
        expect(message.locator(".cost")).to_have_text("€0.026")
        assert grave_faults(each.page) == []
    expect(answer(ada, SUN)).to_be_focused()


def test_a_tool_that_is_refused_is_not_used_and_the_model_answers_without(
    ada: Visitor, bob: Visitor
) -> None:
    bob.say(QUESTION)
    expect(card(ada).get_by_role("button")).to_have_text(["Refuse", "Allow"])  # who is an owner
    refuse = card(bob).get_by_role("button", name="Refuse")
    refuse.focus()
    bob.page.keyboard.press("Enter")
    for each in (ada, bob):
        message = answer(each, "Nobody has allowed this call")
        expect(message).to_have_count(1)
        expect(message.locator(".tools")).to_have_count(0)
        expect(card(each)).to_have_count(0)
    assert not any(SUN in text for text in ada.everything())


def test_a_call_that_waits_is_there_again_after_a_reload_and_can_be_decided(
    ada: Visitor, bob: Visitor
) -> None:
    ada.say(QUESTION)
    for each in (ada, bob):
        expect(card(each)).to_be_visible()
        each.page.reload()
    expect(card(bob)).to_contain_text("Waits until Ada or an owner decides.")
    ada.forget_storage()
    card(ada).get_by_role("button", name="Allow").click()
    for each in (ada, bob):
        expect(answer(each, SUN)).to_have_count(1)
        expect(card(each)).to_have_count(0)
        each.page.reload()
        expect(answer(each, SUN).locator(".tools")).to_contain_text("Used forecast")
        expect(card(each)).to_have_count(0)


def test_who_has_asked_is_notified_once_of_a_call_that_waits_and_no_owner_is(
    server: ServerProcess, ada: Visitor, bob: Visitor
) -> None:
    for each in (ada, bob):
        be_told(each)
    bob.say(QUESTION)
    expect(card(bob)).to_be_visible()
    assert bob.page.evaluate("notified") == []  # it is in sight
    card(bob).get_by_role("button", name="Allow").click()
    expect(answer(bob, SUN)).to_have_count(1)
    expect(answer(ada, SUN)).to_have_count(1)
    for each in (ada, bob):
        each.page.evaluate(HIDE, True)
    bob.say("@Cook use forecast again")
    expect(card(bob)).to_be_visible()
    expect(bob.page).to_have_title(re.compile(r"^\(1\) "))
    once = [["Cook in Dinner wants to use forecast", "Allow it or refuse it."]]
    assert bob.page.evaluate("notified") == once
    # A new connection tells of the same call once more.
    told_again_after_a_drop(server, bob)
    expect(card(ada)).to_be_visible()
    bob.page.evaluate(HIDE, False)
    expect(bob.page).not_to_have_title(re.compile(r"^\("))
    assert bob.page.evaluate("notified") == once
    titles = [title for title, _ in ada.page.evaluate("notified")]
    assert not any("wants to use" in title for title in titles)
    # What waits takes one of the cook's places on the server that all tests share.
    card(bob).get_by_role("button", name="Refuse").click()
    expect(card(bob)).to_have_count(0)


def test_a_call_that_waits_marks_its_conversation_while_another_one_is_open(
    ada: Visitor, bob: Visitor
) -> None:
    bob.say(QUESTION)
    expect(card(bob)).to_be_visible()
    expect(mark(bob)).to_have_count(0)
    for each in (ada, bob):
        each.begin("Elsewhere")
    waits = "? An agent waits for your decision. "
    expect(mark(bob)).to_have_text(waits)
    expect(bob.page).to_have_title(re.compile(r"^\(1\) Elsewhere"))
    assert grave_faults(bob.page) == []
    expect(mark(ada)).to_have_count(0)  # it does not wait for her
    bob.line("Dinner").click()
    expect(mark(bob)).to_have_count(0)
    bob.line("Elsewhere").click()
    expect(mark(bob)).to_have_text(waits)
    ada.line("Dinner").click()
    card(ada).get_by_role("button", name="Allow").click()
    expect(mark(bob)).to_have_text("1 unread")  # it is decided, and there is an answer
    bob.line("Dinner").click()
    expect(answer(bob, SUN).locator(".tools")).to_have_text("Used forecast (allowed by Ada)")
