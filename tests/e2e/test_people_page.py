"""Who may do what in the page: roles, removing, muting, banning, invites, requests, reports; with two or three people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.e2e.test_changes_page import choose, two_in_a_room
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def people(visitor: Visitor) -> Locator:
    """The list of people, opened."""
    panel = visitor.page.get_by_role("complementary", name="People")
    if not panel.is_visible():
        visitor.page.get_by_role("button", name=re.compile("^People")).click()
    return panel


def member(visitor: Visitor, name: str) -> Locator:
    members = people(visitor).get_by_role("list", name="Members")
    return members.get_by_role("listitem").filter(has_text=name)


def act(visitor: Visitor, name: str, what: str) -> None:
    """Take something from a member's menu."""
    member(visitor, name).get_by_role("button", name=f"What to do with {name}").click()
    visitor.page.get_by_role("menuitem", name=what, exact=True).click()


def what_can_be_done(visitor: Visitor, name: str) -> list[str]:
    button = member(visitor, name).get_by_role("button", name=f"What to do with {name}")
    if button.count() == 0:
        return []
    button.click()
    items = [each.inner_text() for each in visitor.page.get_by_role("menuitem").all()]
    visitor.page.keyboard.press("Escape")
    expect(button).to_be_focused()
    return items


def begin_closed(visitor: Visitor, title: str) -> str:
    """A new conversation into which one comes by invitation."""
    visitor.page.get_by_role("button", name="New").click()
    visitor.page.get_by_label("What is it about?").fill(title)
    visitor.page.get_by_label("Only those who are brought in").check()
    visitor.page.get_by_role("button", name="Begin").click()
    expect(visitor.page.get_by_role("heading", name=title, level=1)).to_be_visible()
    return visitor.conversation_id


def test_an_owner_gives_roles_and_each_sees_what_their_rank_allows(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, room = two_in_a_room(server, open_page)
    cleo = Visitor.guest(open_page(server.url), "Cleo", f"/c/{room}")
    cleo.expect_live()
    expect(member(bob, "Cleo")).to_be_visible()
    assert what_can_be_done(bob, "Cleo") == ["Talk to them alone"]
    act(ada, "Bob", "Change role")
    dialog = ada.page.get_by_role("dialog", name="The role of Bob")
    dialog.get_by_role("radio", name="moderator").check()
    dialog.get_by_label("Why?").fill("he knows everybody")
    assert grave_faults(ada.page) == []
    picture(ada.page, "people-role")
    dialog.get_by_role("button", name="Change role").click()
    expect(dialog).to_have_count(0)
    expect(member(bob, "Bob")).to_contain_text("moderator")
    for each in (bob, cleo):
        expect(each.log).to_contain_text(
            re.compile("Ada made (you|Bob) a moderator: he knows everybody")
        )
    assert what_can_be_done(bob, "Cleo") == ["Talk to them alone", "Mute", "Remove", "Ban"]
    assert what_can_be_done(bob, "Ada") == ["Talk to them alone"]
    assert what_can_be_done(cleo, "Bob") == ["Talk to them alone"]


def test_somebody_is_muted_removed_and_banned_with_a_reason_and_let_in_again(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    act(ada, "Bob", "Mute")
    dialog = ada.page.get_by_role("dialog", name="Mute Bob?")
    dialog.get_by_label("For how long?").select_option("A day")
    dialog.get_by_label("Why?").fill("shouting")
    dialog.get_by_role("button", name="Mute").click()
    expect(member(ada, "Bob")).to_contain_text("muted")
    expect(bob.log).to_contain_text("Ada muted you: shouting")
    bob.say("Hello?")
    expect(bob.message("Hello?").locator(".refusal")).to_contain_text("You are muted here")
    act(ada, "Bob", "Let them speak again")
    expect(bob.log).to_contain_text("You may speak again")
    bob.message("Hello?").get_by_role("button", name="Send again").click()
    ada.expect_said("Hello?")

    act(ada, "Bob", "Ban")
    dialog = ada.page.get_by_role("dialog", name="Ban Bob?")
    dialog.get_by_label("Why?").fill("enough")
    dialog.get_by_role("button", name="Ban").click()
    expect(member(ada, "Bob")).to_have_count(0)
    expect(bob.page.locator(".ended[role=status]")).to_contain_text(
        "no longer in this conversation"
    )
    bob.page.get_by_role("button", name="Join again").click()
    expect(bob.page.locator(".toast").last).to_contain_text("Banned")
    banned = people(ada).get_by_role("region", name="Banned")
    expect(banned).to_contain_text("enough")
    assert grave_faults(ada.page) == []
    picture(ada.page, "people-banned")
    banned.get_by_role("button", name="Let Bob come in again").click()
    expect(banned).to_have_count(0)
    bob.page.get_by_role("button", name="Join again").click()
    expect(member(ada, "Bob")).to_be_visible()


def test_an_invite_link_brings_somebody_in_who_was_never_here_and_ends(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.guest(open_page(server.url), "Ada")
    room = begin_closed(ada, "Closed")
    people(ada).get_by_role("button", name="Invite links").click()
    dialog = ada.page.get_by_role("dialog", name="Invite links")
    dialog.get_by_label("Good for").select_option("An hour")
    dialog.get_by_label("For", exact=True).select_option("One person")
    assert grave_faults(ada.page) == []
    dialog.get_by_role("button", name="Make a link").click()
    expect(dialog.get_by_label("Invite link")).to_be_focused()
    link = dialog.get_by_label("Invite link").input_value()
    picture(ada.page, "people-invite")
    dialog.get_by_role("button", name="Close").click()
    expect(ada.page.get_by_role("button", name="Invite links")).to_be_focused()

    page = open_page(server.url)
    bob = Visitor.guest(page, "Bob", link)
    assert grave_faults(page) == []
    page.get_by_role("button", name="Come in").click()
    bob.expect_live()
    assert bob.conversation_id == room
    expect(member(ada, "Bob")).to_be_visible()

    late = Visitor.guest(open_page(server.url), "Cleo", link)
    late.page.get_by_role("button", name="Come in").click()
    expect(late.page.get_by_role("alert")).to_contain_text("used up, expired or revoked")
    late.page.get_by_role("button", name="To your conversations").click()
    expect(late.page.get_by_role("main", name="No conversation is open")).to_be_visible()

    people(ada).get_by_role("button", name="Invite links").click()
    dialog.get_by_role("button", name="Make a link").click()
    revoked = dialog.get_by_label("Invite link").input_value()
    dialog.get_by_role("button", name="Close").click()
    people(ada).get_by_role("button", name="Invite links").click()
    dialog.get_by_role("button", name=re.compile("^End the invite of Ada")).click()
    expect(dialog.get_by_role("heading", name="Still open")).to_have_count(0)
    late.page.goto(revoked)
    late.page.get_by_role("button", name="Come in").click()
    expect(late.page.get_by_role("alert")).to_contain_text("used up, expired or revoked")


def test_somebody_asks_to_be_let_in_and_is_denied_or_let_in(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.guest(open_page(server.url, **PHONE), "Ada")
    room = begin_closed(ada, "Closed")
    bob = Visitor.guest(open_page(server.url), "Bob", f"/c/{room}")
    expect(bob.page.get_by_role("heading", name="By invitation only")).to_be_visible()
    bob.page.get_by_label("Say who you are").fill("Bob from the choir")
    assert grave_faults(bob.page) == []
    bob.page.clock.install()
    bob.page.get_by_role("button", name="Ask to be let in").click()
    expect(bob.page.get_by_role("status").filter(has_text="You have asked")).to_be_visible()
    expect(ada.page.get_by_role("button", name=re.compile("1 asking to come in"))).to_be_visible()
    asking = people(ada).get_by_role("region", name="Asking to come in")
    expect(asking).to_contain_text("Bob from the choir")
    assert grave_faults(ada.page) == []
    assert ada.page.evaluate("document.documentElement.scrollWidth") == 360
    picture(ada.page, "people-asking-phone")
    asking.get_by_role("button", name="Deny Bob").tap()
    ada.page.get_by_role("dialog").get_by_role("button", name="Cancel").tap()
    asking.get_by_role("button", name="Let in Bob").tap()
    expect(asking).to_have_count(0)
    bob.page.clock.run_for(11_000)
    bob.expect_live()


def test_a_message_is_reported_and_two_talk_alone(
    own_server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(own_server, open_page)
    ada.say("buy my soap")
    bob.expect_said("buy my soap")
    choose(bob.message("buy my soap"), "Report")
    dialog = bob.page.get_by_role("dialog", name="Report what Ada said?")
    expect(dialog.get_by_label("What is wrong with it?")).to_be_focused()
    dialog.get_by_label("What is wrong with it?").fill("spam")
    assert grave_faults(bob.page) == []
    dialog.get_by_role("button", name="Report").click()
    expect(bob.page.locator(".toast")).to_contain_text("operators")
    reports = bob.page.request.get(
        f"{own_server.url}/admin/reports", headers={"Authorization": "Bearer admin_token"}
    ).json()
    assert [each["reason"] for each in reports["reports"]] == ["spam"]
    act(bob, "Ada", "Talk to them alone")
    expect(bob.page.get_by_role("heading", name="Bob, Ada", level=1)).to_be_visible()
    bob.expect_live()
    bob.say("only you")
    expect(ada.page.get_by_role("navigation")).to_contain_text("only you")


def test_an_owner_changes_the_rules_and_they_hold(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, room = two_in_a_room(server, open_page)
    expect(people(bob).get_by_role("button", name="Change the rules")).to_have_count(0)
    change = people(ada).get_by_role("button", name="Change the rules")
    change.click()
    dialog = ada.page.get_by_role("dialog", name="Rules of this conversation")
    slow = dialog.get_by_label("Slow mode: one message of a member in")
    expect(slow).to_be_focused()
    assert grave_faults(ada.page) == []
    picture(ada.page, "people-rules")
    ada.page.set_viewport_size({"width": 320, "height": 640})
    assert dialog.evaluate("(it) => it.scrollWidth <= it.clientWidth")
    picture(ada.page, "people-rules-phone")
    ada.page.set_viewport_size({"width": 1280, "height": 720})
    ada.page.keyboard.press("Escape")
    expect(change).to_be_focused()
    ada.page.keyboard.press("Enter")
    slow.select_option("An hour")
    dialog.get_by_label("Who comes in reads").select_option("What is said after they came in")
    dialog.get_by_label("Pin messages").select_option("Members and above")
    dialog.get_by_role("button", name="Save").press("Enter")
    expect(dialog).to_have_count(0)
    told = "Slow mode: one message in an hour. Who comes in reads what is said after that."
    for each in (ada, bob):
        expect(people(each)).to_contain_text(told)
        expect(each.log).to_contain_text("The rules of this conversation have changed")
    bob.say("once")
    ada.expect_said("once")
    choose(bob.message("once"), "Pin")
    expect(ada.message("once")).to_contain_text("pinned")
    answer = bob.page.context.request.post(f"/chat/{room}/messages", data={"content": "twice"})
    assert answer.json()["code"] == "SLOW_MODE"
    cleo = Visitor.guest(open_page(server.url), "Cleo", f"/c/{room}")
    cleo.expect_live()
    expect(member(cleo, "Cleo")).to_be_visible()
    expect(cleo.message("once")).to_have_count(0)
    act(ada, "Bob", "Change role")
    role = ada.page.get_by_role("dialog", name="The role of Bob")
    role.get_by_role("radio", name="moderator").check()
    role.get_by_role("button", name="Change role").click()
    people(bob).get_by_role("button", name="Change the rules").click()
    of_bob = bob.page.get_by_role("dialog", name="Rules of this conversation")
    expect(of_bob.get_by_role("combobox")).to_have_count(1)  # slow mode is theirs, too
    of_bob.get_by_role("combobox").select_option("Off")
    of_bob.get_by_role("button", name="Save").click()
    expect(people(ada)).to_contain_text("Who comes in reads what is said after that.")
    expect(people(ada)).not_to_contain_text("Slow mode")


def test_a_message_that_is_held_waits_for_a_moderator_and_is_posted_or_refused(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    rules = [{"words": ["link"], "action": "hold", "reason": "Links are looked at."}]
    server = start_server(MODERATION__RULES=json.dumps(rules))
    ada, bob, room = two_in_a_room(server, open_page)
    bob.say("a link", "a bad link", "a late link", "hello")
    ada.expect_said("hello")
    for text in ("a link", "a bad link", "a late link"):
        expect(bob.message(text)).to_contain_text("Waiting for a moderator")
        expect(ada.message(text)).to_have_count(0)
    assert grave_faults(bob.page) == []
    picture(bob.page, "chat-held")
    bob.page.reload()
    bob.expect_live()
    for text in ("a link", "a bad link", "a late link"):
        expect(bob.message(text)).to_contain_text("Waiting for a moderator")
    ada.page.reload()
    ada.page.get_by_role("button", name=re.compile("People, .*3 to decide about")).click()
    held = ada.page.get_by_role("region", name="Messages to decide about").get_by_role("listitem")
    expect(held).to_have_count(3)  # each once
    expect(held.first).to_contain_text("Links are looked at.")
    assert grave_faults(ada.page) == []
    picture(ada.page, "chat-to-decide")
    held.filter(has_text="a link").get_by_role("button", name="Post what Bob wrote").click()
    ada.expect_said("a link")
    held.filter(has_text="a bad link").get_by_role("button", name="Deny what Bob wrote").click()
    dialog = ada.page.get_by_role("dialog")
    dialog.get_by_label("Why? The sender reads it").fill("Not here.")
    dialog.get_by_role("button", name="Deny").click()
    expect(held).to_have_count(1)
    refusal = bob.message("a bad link").locator(".refusal")
    expect(refusal).to_contain_text("Not here.")
    expect(bob.message("a link")).to_have_count(1)
    expect(bob.message("a link").locator(".receipt.held")).to_have_count(0)
    refusal.get_by_role("button", name="Discard").click()
    expect(bob.message("a bad link")).to_have_count(0)
    bob.page.goto("about:blank")  # decided while nobody is here
    held.get_by_role("button", name="Deny what Bob wrote").click()
    dialog.get_by_label("Why? The sender reads it").fill("Too late.")
    dialog.get_by_role("button", name="Deny").click()
    expect(held).to_have_count(0)
    bob.page.goto(f"{server.url}/c/{room}")
    expect(bob.message("a late link").locator(".refusal")).to_contain_text("Too late.")
