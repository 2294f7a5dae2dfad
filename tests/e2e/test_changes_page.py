"""What two people do to messages in two browsers: edit, delete, react, pin, answer in a thread; with a connection and without."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.console import ADA, ask, begin, console
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def two_in_a_room(
    server: ServerProcess, open_page: OpenPage, **options: object
) -> tuple[Visitor, Visitor, str]:
    """Ada has begun a conversation, Bob has come in by its address."""
    ada = Visitor.host(open_page(server.url, **options), "Ada", "Lunch")
    room = ada.conversation_id
    bob = Visitor.known(open_page(server.url, **options), "Bob", f"/c/{room}")
    for each in (ada, bob):
        each.expect_live()
    return ada, bob, room


def choose(message: Locator, name: str) -> None:
    """Take something from a message's menu."""
    message.hover()
    message.get_by_role("button", name="More").click()
    message.page.get_by_role("menuitem", name=name, exact=True).click()


def react(message: Locator, name: str) -> None:
    message.hover()
    message.get_by_role("button", name="React", exact=True).click()
    message.page.get_by_role("dialog", name="React with").get_by_role("button", name=name).click()


def reaction(message: Locator, emoji: str) -> Locator:
    return message.get_by_role("group", name="Reactions").get_by_role(
        "button", name=re.compile(f"^{emoji}")
    )


def test_arrow_up_edits_the_last_message_and_the_draft_comes_back(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    ada.say("I come at noon", "wit Bob")
    ada.expect_settled()
    ada.field.press("ArrowUp")
    expect(ada.field).to_have_value("wit Bob")
    ada.field.press("Escape")
    expect(ada.field).to_have_value("")
    ada.field.fill("half a thought")
    choose(ada.message("wit Bob"), "Edit")
    expect(ada.field).to_be_focused()
    ada.field.fill("with Bob")
    ada.field.press("Control+Enter")
    expect(ada.field).to_have_value("half a thought")
    for each in (ada, bob):
        expect(each.message("with Bob").locator(".edited")).to_have_text("edited")
        expect(each.message("wit Bob")).to_have_count(0)
    # It is told once to somebody who listens.
    expect(bob.page.locator("[aria-live=polite]").filter(has_text="Ada edited")).to_have_count(1)
    bob.page.reload()
    bob.expect_said("I come at noon", "with Bob")


def test_a_deletion_can_be_undone_for_a_while_and_then_only_the_place_is_left(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, room = two_in_a_room(server, open_page)
    bob.say("a secret", "said in haste")
    ada.expect_said("said in haste")
    ada.page.clock.install()
    choose(ada.message("said in haste"), "Delete")  # as the owner
    gone = ada.log.locator(".message.gone")
    expect(gone).to_contain_text("You deleted what Bob said")
    gone.get_by_role("button", name="Undo").click()
    ada.expect_said("said in haste")
    choose(ada.message("said in haste"), "Delete")
    expect(gone.get_by_role("button", name="Undo")).to_be_focused()
    bob.expect_said("said in haste")
    ada.page.clock.run_for(6000)
    for each in (ada, bob):
        expect(each.log.locator(".message.gone")).to_have_text("This message was deleted")
        expect(each.message("said in haste")).to_have_count(0)
    # Who goes at once deletes at once.
    choose(bob.message("a secret"), "Delete")
    bob.page.close()
    expect(ada.log.locator(".message.gone")).to_have_count(2)
    # Nor is it kept in the browser of somebody who has read it.
    ada.page.clock.resume()
    ada.page.evaluate(
        """async () => {
          while (JSON.stringify(localStorage).includes("a secret")) await new Promise(requestAnimationFrame);
        }"""
    )
    assert room in ada.page.evaluate("JSON.stringify(localStorage)")


def test_reactions_are_counted_and_say_who_gave_them(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    ada.say("Noodles?")
    react(bob.message("Noodles?"), "thumbs up")
    question = ada.message("Noodles?")
    expect(reaction(question, "👍")).to_have_accessible_name("👍 1: Bob")
    reaction(question, "👍").click()
    expect(reaction(bob.message("Noodles?"), "👍")).to_have_accessible_name("👍 2: You and Ada")
    expect(reaction(question, "👍")).to_have_attribute("aria-pressed", "true")
    question.hover()
    question.get_by_role("button", name="React", exact=True).click()
    other = ada.page.get_by_label("Another emoji, or a name such as :tada:")
    other.fill("two words")
    expect(ada.page.get_by_role("button", name="React", exact=True).last).to_be_disabled()
    other.fill(":tada:")
    other.press("Enter")
    expect(reaction(bob.message("Noodles?"), ":tada:")).to_have_count(1)
    choose(question, "Who reacted")
    expect(ada.page.get_by_role("dialog", name="Who reacted")).to_contain_text("You and Bob")
    ada.page.keyboard.press("Escape")
    reaction(bob.message("Noodles?"), "👍").click()
    expect(reaction(question, "👍")).to_have_accessible_name("👍 1: You")


def test_a_thread_goes_on_beside_the_log(server: ServerProcess, open_page: OpenPage) -> None:
    ada, bob, room = two_in_a_room(server, open_page)
    ada.say("Where do we eat?")
    bob.expect_said("Where do we eat?")
    root = bob.message("Where do we eat?")
    root.hover()
    root.get_by_role("button", name="Thread", exact=True).click()
    thread = bob.page.get_by_role("complementary", name="Thread")
    field = thread.get_by_role("textbox", name="Answer in the thread")
    expect(field).to_be_focused()
    field.fill("As I was saying")  # a draft outlives the panel, and a reload
    for leave in (lambda: field.press("Escape"), bob.page.reload):
        leave()
        expect(thread).to_have_count(0)
        root.hover()
        root.get_by_role("button", name="Thread", exact=True).click()
        expect(field).to_have_value("As I was saying")
    field.fill("At the harbour")
    field.press("Control+Enter")
    expect(thread).to_contain_text("At the harbour")
    thread.get_by_role("checkbox").check()
    field.fill("or at mine")
    field.press("Control+Enter")
    ada.expect_said("or at mine")
    expect(ada.message("At the harbour")).to_have_count(0)
    link = ada.message("Where do we eat?").locator(".thread-link")
    expect(link).to_contain_text("2 answers")
    link.click()
    beside = ada.page.get_by_role("complementary", name="Thread")
    expect(beside.locator(".message")).to_have_count(3)
    # What comes while it is open comes into it, and a change of it too.
    field.fill("Bring soup")
    field.press("Control+Enter")
    expect(beside).to_contain_text("Bring soup")
    react(beside.locator(".message").filter(has_text="Bring soup"), "heart")
    expect(thread.locator(".reaction")).to_have_count(1)
    assert grave_faults(ada.page) == []
    picture(ada.page, "chat-thread-light")
    ada.page.keyboard.press("Escape")
    expect(beside).to_have_count(0)
    # A line of the list counts what the log shows.
    ada.begin("Elsewhere")
    field.fill("nobody counts this")
    field.press("Control+Enter")
    bob.say("but this")
    expect(ada.line("Lunch").locator(".line-unread")).to_have_text("1 unread")
    assert room in bob.page.url


def test_who_may_pins_and_all_find_the_pinned_ones(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    bob.say("The address is 12 Mill Lane", "See you")
    ada.expect_said("See you")
    choose(ada.message("The address is 12 Mill Lane"), "Pin")
    expect(bob.log).to_contain_text("Ada pinned a message")
    bob.page.reload()
    bob.page.get_by_role("button", name="Pinned messages, 1").click()
    pinned = bob.page.get_by_role("complementary", name="Pinned messages")
    expect(pinned).to_contain_text("12 Mill Lane")
    expect(pinned.get_by_role("button", name="Unpin")).to_have_count(0)
    message = bob.message("See you")
    message.hover()
    message.get_by_role("button", name="More").click()
    expect(bob.page.get_by_role("menuitem", name="Edit")).to_be_visible()
    expect(bob.page.get_by_role("menuitem", name="Pin")).to_have_count(0)
    bob.page.keyboard.press("Escape")
    pinned.get_by_title("Go to this message").click()
    expect(bob.message("The address is 12 Mill Lane")).to_be_focused()
    choose(ada.message("The address is 12 Mill Lane"), "Unpin")
    expect(pinned).to_contain_text("Nothing is pinned")


def test_what_is_marked_as_unread_is_unread_in_the_list_and_after_a_reload(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    bob.say("one", "two", "three")
    ada.expect_said("three")
    choose(ada.message("two"), "Mark as unread from here")
    expect(ada.line("Lunch").locator(".line-unread")).to_have_text("2 unread")
    rows = ada.log.locator(".row").all_inner_texts()
    mark = next(index for index, text in enumerate(rows) if text == "New")
    assert "one" in rows[mark - 1]
    ada.begin("Elsewhere")
    ada.page.reload()
    expect(ada.line("Lunch").locator(".line-unread")).to_have_text("2 unread")
    ada.line("Lunch").click()
    expect(ada.line("Lunch").locator(".line-unread")).to_have_count(0)


def test_what_is_done_offline_shows_at_once_and_arrives_in_order_after_a_reload(
    own_server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, room = two_in_a_room(own_server, open_page, service_workers="allow")
    ada.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    ada.say("first", "not this")
    bob.say("from Bob")
    ada.expect_said("from Bob")
    ada.expect_settled()
    own_server.kill()
    expect(ada.status).to_contain_text("Offline")
    choose(ada.message("first"), "Edit")
    ada.field.fill("first, better")
    ada.field.press("Control+Enter")
    react(ada.message("from Bob"), "heart")
    ada.say("new", "never sent")
    ada.field.press("ArrowUp")
    expect(ada.field).to_have_value("never sent")
    ada.field.press("Escape")
    choose(ada.message("new"), "Edit")
    ada.field.fill("new, better")
    ada.field.press("Control+Enter")
    ada.expect_said("first, better", "new, better")
    expect(reaction(ada.message("from Bob"), "❤️")).to_be_visible()
    expect(ada.message("first, better")).to_contain_text("Saving…")
    for text in ("not this", "never sent"):
        choose(ada.message(text), "Delete")
    expect(ada.log.locator(".message.gone")).to_have_count(2)
    ada.page.reload()
    # The one that was never sent is just gone; the deletion of the other waits.
    expect(ada.log.locator(".message.gone")).to_have_count(1)
    ada.expect_said("first, better", "new, better")
    own_server.start()
    for each in (ada, bob):
        each.page.evaluate("dispatchEvent(new Event('online'))")
        each.expect_live()
        each.expect_said("first, better", "new, better")
        expect(each.log.locator(".message.gone")).to_have_count(1)
        expect(reaction(each.message("from Bob"), "❤️")).to_be_visible()
    ada.expect_settled()
    events = ada.page.evaluate(
        "(room) => fetch(`/chat/${room}/messages`).then((answer) => answer.json())", room
    )["events"]
    hers = [
        each["type"] for each in events if ada.name == each.get("message", {}).get("sender_name")
    ]
    assert len(hers) == 3
    kinds = [each["type"] for each in events if "message_id" in each]
    # Each once; what was done to a message that was new came after it.
    assert sorted(kinds) == [
        "message_deleted",
        "message_edited",
        "message_edited",
        "reaction_added",
    ]
    new = next(each for each in events if each.get("message", {}).get("content") == "new, better")
    edits = [each for each in events if each["type"] == "message_edited"]
    assert edits[-1]["message_id"] == new["message"]["message_id"]


def test_an_edit_that_was_made_on_another_device_meanwhile_is_not_lost(
    own_server: ServerProcess, open_page: OpenPage
) -> None:
    ada, _, room = two_in_a_room(own_server, open_page)
    other = Visitor(ada.page.context.new_page(), "Ada")
    other.page.goto(f"{own_server.url}/c/{room}")
    ada.say("first")
    other.expect_said("first")
    ada.expect_settled()
    ada.page.context.set_offline(False)
    choose(ada.message("first"), "Edit")
    other.field.press("ArrowUp")
    other.field.fill("from the phone")
    other.field.press("Control+Enter")
    ada.expect_said("from the phone")
    ada.field.fill("from the desk")
    ada.field.press("Control+Enter")
    refused = ada.message("from the phone")
    expect(refused.locator(".refusal")).to_contain_text("from the desk")
    refused.get_by_role("button", name="Save it anyway").click()
    for each in (ada, other):
        each.expect_said("from the desk")


def test_by_keyboard_alone_a_message_is_reached_and_its_menu_worked(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    bob.say("one", "two", "three")
    ada.expect_said("three")
    keys = ada.page.keyboard
    ada.log.focus()
    for _ in range(20):
        keys.press("Tab")
        if ada.message("one").locator(":focus").count():
            break
    keys.press("ArrowDown")
    expect(ada.message("two")).to_be_focused()
    keys.press("Tab")
    expect(ada.message("two").get_by_role("button", name="Reply to Bob")).to_be_focused()
    for _ in range(3):
        keys.press("ArrowRight")
    more = ada.message("two").get_by_role("button", name="More")
    expect(more).to_be_focused()
    keys.press("Enter")
    expect(ada.page.get_by_role("menuitem", name="Pin")).to_be_focused()
    keys.press("Escape")
    expect(ada.page.get_by_role("menu")).to_have_count(0)
    expect(more).to_be_focused()
    keys.press("ArrowLeft")
    keys.press("Enter")
    thread = ada.page.get_by_role("complementary", name="Thread")
    field = thread.get_by_role("textbox", name="Answer in the thread")
    expect(field).to_be_focused()
    keys.type("as you say")
    keys.press("Enter")
    expect(thread).to_contain_text("as you say")
    keys.press("Escape")
    expect(ada.message("two")).to_be_focused()
    expect(ada.message("two")).to_contain_text("1 answer")


def test_the_console_says_what_was_done_to_messages(
    own_server: ServerProcess, open_page: OpenPage
) -> None:
    room = begin(own_server, "Lunch")
    place = f"/chat/{room}/messages"
    first, second = (
        ask(own_server, "POST", place, ADA, {"content": text})["message_id"]
        for text in ("helo", "bye")
    )
    ask(own_server, "PATCH", f"{place}/{first}", ADA, {"content": "hello"})
    ask(own_server, "PUT", f"{place}/{first}/reactions/👍", ADA)
    ask(own_server, "DELETE", f"{place}/{first}/reactions/👍", ADA)
    ask(own_server, "PUT", f"{place}/{first}/pin", ADA)
    ask(own_server, "DELETE", f"{place}/{first}/pin", ADA)
    ask(own_server, "POST", place, ADA, {"content": "aside", "thread_id": first})
    ask(own_server, "DELETE", f"{place}/{second}", ADA, {"reason": "by mistake"})
    page = console(own_server, open_page, f"#/conversation/{room}")
    page.get_by_role("button", name="Read the log").click()
    log = page.get_by_role("region", name="The log")
    for words in (
        "(edited) hello",
        "(deleted)",
        "edited #2: hello",
        "reacted to #2 with 👍",
        "took 👍 back from #2",
        "pinned #2",
        "unpinned #2",
        "answers #2 in its thread aside",
        "deleted #3: by mistake",
    ):
        expect(log).to_contain_text(words)
    expect(log).not_to_contain_text("bye")
    assert grave_faults(page) == []


def test_on_a_phone_everything_is_within_reach(server: ServerProcess, open_page: OpenPage) -> None:
    ada, bob, _ = two_in_a_room(server, open_page, **PHONE)
    bob.say("ok", "a longer message that goes over more than one line on a phone, as most do")
    ada.say("yes")
    for text in (
        "ok",
        "a longer message that goes over more than one line on a phone, as most do",
        "yes",
    ):
        message = ada.message(text)
        message.locator(".prose").tap()
        tools = message.get_by_role("toolbar")
        expect(tools).to_have_css("opacity", "1")
        box = tools.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
    message.get_by_role("button", name="React", exact=True).tap()
    picker = ada.page.get_by_role("dialog", name="React with")
    picker.get_by_role("button", name="party").tap()
    expect(reaction(bob.message("yes"), "🎉")).to_be_visible()
    message = bob.message("ok")
    message.locator(".prose").tap()
    message.get_by_role("button", name="More").tap()
    expect(bob.page.get_by_role("menu")).to_be_visible()
    assert grave_faults(bob.page) == []
    wide = bob.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    bob.page.keyboard.press("Escape")
    message.get_by_role("button", name="Thread", exact=True).tap()
    expect(bob.page.get_by_role("complementary", name="Thread")).to_be_visible()
    picture(bob.page, "chat-thread-phone")
