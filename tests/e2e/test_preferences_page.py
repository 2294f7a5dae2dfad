"""What somebody does with a conversation as a whole: pin, mute and archive it for themselves, delete it for everybody."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.notified import be_told
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]
HIDE = """
Object.defineProperty(document, "hidden", { configurable: true, get: () => %s });
document.dispatchEvent(new Event("visibilitychange"));
"""


def choose(visitor: Visitor, name: str) -> None:
    """Take something from the menu of the open conversation."""
    visitor.page.get_by_role("button", name="What to do with this conversation").click()
    visitor.page.get_by_role("menuitem", name=name, exact=True).click()


def lines(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("navigation", name="Conversations").locator(".line-title")


def test_somebody_pins_mutes_and_archives_for_themselves_and_deletes_for_everybody(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.host(open_page(server.url), "Ada", "Lunch")
    room = ada.conversation_id
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    ada.begin("Dinner")
    ada.line("Lunch").click()
    ada.expect_live()
    choose(ada, "Pin to the top of the list")
    expect(lines(ada).first).to_have_text("Lunch, pinned")
    ada.line("Dinner").click()
    ada.say("Something newer")
    ada.expect_settled()
    expect(lines(ada).first).to_have_text("Lunch, pinned")
    expect(lines(bob).first).to_have_text("Lunch")  # for oneself

    ada.line("Lunch").click()
    choose(ada, "Mute")
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("For how long?").select_option("An hour")
    assert grave_faults(ada.page) == []
    dialog.get_by_role("button", name="Mute").click()
    expect(lines(ada).first).to_have_text("Lunch, pinned, muted")
    be_told(ada)
    ada.expect_live()
    ada.page.evaluate(HIDE % "true")
    bob.say("unheard")
    ada.expect_said("unheard")
    ada.page.evaluate(HIDE % "false")
    choose(ada, "Notify me again")
    expect(lines(ada).first).to_have_text("Lunch, pinned")
    ada.page.evaluate(HIDE % "true")
    bob.say("heard")
    ada.page.wait_for_function("notified.length > 0")
    assert ada.page.evaluate("notified") == [["Bob in Lunch", "heard"]]
    ada.page.evaluate(HIDE % "false")

    choose(ada, "Archive")
    ada.line("Dinner").click()
    expect(ada.line("Lunch")).to_have_count(0)
    bob.say("Is anybody there?")
    archive = ada.page.get_by_role("region", name="Archive")
    expect(archive.get_by_role("button")).to_have_accessible_name("Archived 1 1 unread")
    archive.get_by_role("button").click()
    assert grave_faults(ada.page) == []
    picture(ada.page, "chat-archive")
    ada.page.reload()
    archive.get_by_role("button").click()
    ada.line("Lunch").click()
    ada.expect_said("Is anybody there?")
    choose(ada, "Take out of the archive")
    expect(archive).to_have_count(0)
    expect(ada.line("Lunch")).to_have_count(1)

    choose(ada, "Delete for everybody")
    dialog.get_by_label("Type delete to go on").fill("delete")
    dialog.get_by_role("button", name="Delete for everybody").click()
    expect(ada.line("Lunch")).to_have_count(0)
    expect(bob.page.get_by_role("heading", name="Nothing here")).to_be_visible()
    expect(bob.page.get_by_text("This conversation was deleted.")).to_be_visible()
    expect(bob.line("Lunch")).to_have_count(0)
    assert room not in bob.page.evaluate("JSON.stringify(localStorage)")


def test_more_people_than_the_socket_names_are_shown_page_by_page(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    server = start_server(LIMITS__MAX_PARTICIPANTS="200")
    ada = Visitor.host(open_page(server.url), "Ada", "A crowd")
    api = ada.page.context.request
    for number in range(120):
        who = {"user_id": f"guest-of-{number:03}", "name": f"Guest {number:03}"}
        joined = api.post(f"/chat/{ada.conversation_id}/join", data={"participant": who})
        assert joined.ok, joined.text()
    ada.page.reload()
    ada.expect_live()
    ada.page.get_by_role("button", name="People").click()
    members = ada.page.get_by_role("list", name="Members").locator(".member")
    expect(members.nth(99)).to_be_attached()  # a page, and those who came since the page was left
    ada.page.get_by_role("button", name="Show more people").click()
    expect(members).to_have_count(121)
    expect(ada.page.get_by_role("button", name="Show more people")).to_have_count(0)
    assert len(set(members.locator("bdi").all_inner_texts())) == 121
