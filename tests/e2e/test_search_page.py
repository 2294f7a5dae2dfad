"""Searching in the page: what was said is found while one types, and a hit leads to its place."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.e2e.test_page_size import speaking
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}


def post(visitor: Visitor, room: str, content: str, **more: object) -> str:
    """A message by the page's own session; its id."""
    answer = visitor.page.context.request.post(
        f"/chat/{room}/messages", data={"content": content, **more}
    )
    assert answer.ok, answer.text()
    message_id: str = answer.json()["message_id"]
    return message_id


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Search")


def field(page: Page) -> Locator:
    return dialog(page).get_by_role("searchbox")


def hits(page: Page) -> Locator:
    return dialog(page).get_by_role("list", name="Messages").get_by_role("button")


@pytest.fixture
def ada(server: ServerProcess, open_page: OpenPage) -> Visitor:
    return Visitor.known(open_page(server.url), "Ada")


def test_what_was_said_long_ago_elsewhere_is_found_while_one_types_and_leads_to_its_place(
    ada: Visitor,
) -> None:
    page = ada.page
    room = ada.begin("The old days")
    post(ada, room, "We buried the marzipan under the pear tree")
    for number in range(250):
        post(ada, room, f"small talk {number}")
    ada.begin("Today")
    ada.expect_live()
    page.keyboard.press("Control+k")
    expect(field(page)).to_be_focused()
    page.keyboard.type("marzip")
    expect(hits(page)).to_have_count(1)
    expect(hits(page).locator("mark")).to_have_text(re.compile("marzip"))
    expect(hits(page)).to_contain_text("The old days")
    expect(dialog(page).get_by_role("status")).to_have_text("1 message")
    assert grave_faults(page) == []
    picture(page, "search")
    page.keyboard.press("ArrowDown")
    expect(hits(page)).to_be_focused()
    page.keyboard.press("Enter")
    expect(dialog(page)).to_have_count(0)
    target = ada.message("We buried the marzipan under the pear tree")
    expect(target).to_have_class(re.compile(r"\bfound\b"))  # first: it goes after two seconds
    expect(target).to_be_focused()
    expect(target).to_be_in_viewport()
    assert ada.conversation_id == room
    expect(target).not_to_have_class(re.compile(r"\bfound\b"))
    expect(target).to_be_in_viewport()


def test_a_hit_in_a_thread_opens_the_thread_at_it(ada: Visitor) -> None:
    page = ada.page
    room = ada.begin("Lunch")
    ada.say("Where do we eat?")
    ada.expect_settled()
    root = f"{room}-2"
    post(ada, room, "at the xylophone bar", thread_id=root)
    for number in range(70):
        post(ada, room, f"or at number {number}", thread_id=root)
    page.keyboard.press("Escape")
    ada.log.focus()
    page.keyboard.press("/")
    expect(field(page)).to_be_focused()
    page.keyboard.type("xylophone")
    expect(hits(page)).to_contain_text("in a thread of Lunch")
    hits(page).click()
    thread = page.get_by_role("complementary", name="Thread")
    reply = thread.locator(".message").filter(has_text="at the xylophone bar")
    expect(reply).to_be_focused()
    expect(reply).to_be_in_viewport()
    assert grave_faults(page) == []


def test_one_searches_one_conversation_or_all_and_goes_to_one_by_its_name(ada: Visitor) -> None:
    page = ada.page
    lunch = ada.begin("Lunch club")
    ada.say("pancakes here")
    ada.expect_settled()
    ada.begin("Supper")
    ada.say("pancakes there")
    ada.expect_settled()
    page.get_by_role("button", name="Search this conversation").click()
    field(page).fill("pancakes")
    expect(hits(page)).to_have_count(1)
    only = dialog(page).get_by_role("button", name="Only Supper")
    expect(only).to_have_attribute("aria-pressed", "true")
    only.click()
    expect(hits(page)).to_have_count(2)
    dialog(page).get_by_role("button", name="With files").click()
    expect(dialog(page).get_by_role("status")).to_have_text("No message has that.")
    dialog(page).get_by_role("button", name="With files").click()
    field(page).fill("club")
    dialog(page).get_by_role("list", name="Conversations").get_by_role("button").click()
    expect(page.get_by_role("heading", name="Lunch club", level=1)).to_be_visible()
    assert ada.conversation_id == lunch


def test_nothing_found_a_query_that_is_not_understood_and_no_connection_are_each_said(
    ada: Visitor,
) -> None:
    page = ada.page
    ada.begin("Lunch")
    ada.expect_live()
    page.get_by_role("button", name="Search messages").click()
    told = dialog(page).get_by_role("status")
    expect(told).to_contain_text("a phrase in quotation marks")
    field(page).fill("nowhere")
    expect(told).to_have_text("No message has that.")
    field(page).fill('"a phrase')  # that is not closed yet
    expect(told).to_have_text("No message has that.")
    field(page).fill("!!")
    expect(told).to_contain_text("letter")
    page.context.set_offline(True)
    field(page).fill("pancakes")
    expect(told).to_have_text("The server cannot be reached.")
    page.context.set_offline(False)
    field(page).press("Enter")
    expect(told).to_have_text("No message has that.")
    page.keyboard.press("Escape")
    expect(dialog(page)).to_have_count(0)
    expect(page.get_by_role("button", name="Search messages")).to_be_focused()


def test_on_a_phone_search_has_the_whole_screen(server: ServerProcess, open_page: OpenPage) -> None:
    ada = Visitor.known(open_page(server.url, color_scheme="dark", **PHONE), "Ada")
    page = ada.page
    ada.begin("Lunch")
    ada.say("pancakes, with a rather long explanation of how they are made best and by whom")
    ada.expect_settled()
    page.get_by_role("button", name="Search this conversation").tap()
    field(page).fill("pancakes")
    expect(hits(page)).to_have_count(1)
    box = dialog(page).bounding_box()
    assert box == {"x": 0, "y": 0, "width": 360, "height": 740}
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert grave_faults(page) == []
    picture(page, "search-phone")
    hits(page).tap()
    expect(ada.log.locator(".message.found")).to_be_in_viewport()


def test_what_is_too_far_back_for_the_log_is_shown_beside_it_with_what_was_said_around(
    server: ServerProcess, ada: Visitor
) -> None:
    page = ada.page
    room = ada.begin("The archive")
    post(ada, room, "before it")
    post(ada, room, "the zeppelin landed")
    with speaking(server, room, 560):
        ada.expect_last(3 + 3 + 3 * 560)
    ada.forget_storage()
    ada.expect_live()
    page.keyboard.press("Control+k")
    page.keyboard.type("zeppelin")
    hits(page).click()
    beside = page.get_by_role("complementary", name="From long ago")
    sought = beside.locator(".message").filter(has_text="the zeppelin landed")
    expect(sought).to_be_focused()
    expect(sought).to_be_in_viewport()
    expect(beside).to_contain_text("before it")
    count = beside.locator(".message").count()
    beside.get_by_role("button", name="Later").click()
    expect(beside.locator(".message")).to_have_count(count + 50)
    assert grave_faults(page) == []
    picture(page, "search-far")
    page.keyboard.press("Escape")
    expect(beside).to_have_count(0)
    expect(ada.field).to_be_focused()


def test_a_search_is_narrowed_to_a_person_and_to_days(
    server: ServerProcess, ada: Visitor, open_page: OpenPage
) -> None:
    page = ada.page
    room = ada.begin("Kitchen")
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    post(ada, room, "soup of Ada")
    post(bob, room, "soup of Bob")
    page.keyboard.press("Control+k")
    page.keyboard.type("soup")
    expect(hits(page)).to_have_count(2)
    dialog(page).get_by_role("button", name="Who and when").press("Enter")
    dialog(page).get_by_label("From", exact=True).select_option("Bob")
    expect(hits(page)).to_have_count(1)
    expect(hits(page)).to_contain_text("soup of Bob")
    assert grave_faults(page) == []
    picture(page, "search-narrowed")
    dialog(page).get_by_label("From", exact=True).select_option("You")
    expect(hits(page)).to_contain_text("soup of Ada")
    dialog(page).get_by_label("From", exact=True).select_option("Anybody")
    expect(hits(page)).to_have_count(2)
    today, tomorrow = page.evaluate(
        "[0, 1].map((d) => { const t = new Date(); t.setDate(t.getDate() + d); return t.toLocaleDateString('sv'); })"
    )
    for label, day, found in (
        ("Since", tomorrow, 0),
        ("Since", today, 2),
        ("Until", today, 2),
        ("Until", "2020-01-01", 0),
        ("Until", "", 2),
    ):
        dialog(page).get_by_label(label).fill(day)
        expect(hits(page)).to_have_count(found)
