"""Mentions in the chat page: picked behind an @ by keyboard or with a pointer, shown to those who are meant."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.accessibility import grave_faults
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]


def test_somebody_is_picked_by_keyboard_and_sees_that_they_are_meant(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.host(open_page(server.url), "Ada", "Engines")
    room = ada.conversation_id
    bob = Visitor.known(open_page(server.url), "Bob B", f"/c/{room}")
    cleo = Visitor.known(open_page(server.url), "Cleo", f"/c/{room}")
    ada.expect_last(3)
    bob.begin("Elsewhere")
    people = ada.page.get_by_role("listbox", name="People to mention")

    ada.field.press_sequentially("Ask @")
    expect(people.get_by_role("option")).to_have_count(2)
    assert grave_faults(ada.page) == []
    ada.field.press_sequentially("b")
    expect(people.get_by_role("option")).to_have_count(1)
    expect(people.get_by_role("option", name="Bob B", exact=True)).to_be_visible()
    expect(ada.field).to_have_attribute("aria-activedescendant", "mention-" + bob_id(ada))
    ada.field.press("Enter")
    expect(ada.field).to_have_value("Ask @Bob B ")
    expect(people).to_have_count(0)
    ada.field.press_sequentially("first")
    ada.field.press("Control+Enter")
    ada.expect_settled()

    (message,) = (m for m in messages(ada, room) if m["content"] == "Ask @Bob B first")
    assert message["mentions"] == [bob_id(ada)]
    line = bob.line("Engines")
    expect(line.locator(".line-unread")).to_have_text("@ 1 unread, 1 with your name")
    line.click()
    expect(bob.message("Ask @Bob B first")).to_have_class("message first last mentioned")
    expect(line.locator(".line-unread")).to_have_count(0)
    expect(cleo.message("Ask @Bob B first")).to_have_class("message first last")


def test_the_list_is_left_by_escape_and_a_click_picks(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.host(open_page(server.url), "Ada", "Engines")
    room = ada.conversation_id
    Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    Visitor.known(open_page(server.url), "Cleo", f"/c/{room}")
    ada.expect_last(3)
    options = ada.page.get_by_role("option")
    ada.field.press_sequentially("@")
    expect(options).to_have_count(2)
    ada.field.press("Escape")
    expect(options).to_have_count(0)
    ada.field.press_sequentially("c")
    options.filter(has_text="Cleo").click()
    expect(ada.field).to_have_value("@Cleo ")
    expect(ada.field).to_be_focused()
    # An address is no mention, and a name that is taken out again is none.
    ada.field.fill("me@bob")
    expect(options).to_have_count(0)
    ada.field.press("Control+Enter")
    ada.expect_settled()
    assert "mentions" not in messages(ada, room)[-1]


def messages(who: Visitor, room: str) -> list[dict[str, object]]:
    answer = who.page.context.request.get(f"/chat/conversations/{room}")
    found: list[dict[str, object]] = answer.json()["messages"]
    return found


def bob_id(who: Visitor) -> str:
    """The id of the member whose name begins with Bob."""
    answer = who.page.context.request.get(f"/chat/conversations/{who.conversation_id}").json()
    names = {each["displayName"]: each["participantId"] for each in answer["participants"]}
    return next(str(id) for name, id in names.items() if name.startswith("Bob"))
