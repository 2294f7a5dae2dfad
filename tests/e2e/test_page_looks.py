"""The chat page for everybody: on a phone and on a wall, by keyboard alone, by ear, from right to left; and its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Page, ViewportSize, expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 800}}
WALL = ViewportSize(width=3840, height=2160)

CODE = "```\nV1 = 1; V2 = 2\nV4 = V1 * V2    # and so on\n```"
WEAVES = (
    "It weaves **algebraical patterns** just as the Jacquard loom weaves flowers and leaves."
    " See https://example.org/notes/g for the whole table."
)
ARABIC = "مرحبا! هذا رائع، متى نلتقي؟"
# The name of what has the focus, as a screen reader would begin to say it.
FOCUSED = """() => {
  const element = document.activeElement;
  const label = element.labels?.[0]?.innerText;
  return element.getAttribute("aria-label") ?? label ?? element.innerText ?? "";
}"""


def check(page: Page, name: str) -> None:
    """Nothing is wider than the page, and axe finds nothing grave."""
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, f"{name} is {wide} pixels too wide"
    assert grave_faults(page) == [], name


@contextmanager
def people_talking(
    server: ServerProcess, open_page: OpenPage, **options: Any
) -> Iterator[tuple[Visitor, Visitor, Visitor]]:
    """Ada, whose page has these options, Charles and Layla in the midst of a conversation."""
    ada = Visitor.guest(open_page(server.url, **options), "Ada Lovelace")
    ada.begin("Letters to Mary")
    ada.say("Dear Mary, the notes are nearly done.")
    room = ada.begin("The analytical engine")
    charles, layla = (
        Visitor.known(open_page(server.url), name, f"/c/{room}")
        for name in ("Charles Babbage", "ليلى")
    )
    charles.expect_live()
    layla.expect_live()
    charles.say("Have you seen the drawings of the *mill*? I left them on your desk.")
    charles.say("The store holds a thousand numbers of fifty digits.")
    ada.expect_said("The store holds a thousand numbers of fifty digits.")
    ada.say("I have, and I wrote a first programme for it:", CODE, WEAVES)
    ada.expect_settled()
    layla.say(ARABIC)
    charles.expect_said(ARABIC)
    arabic = charles.message(ARABIC)
    arabic.hover()
    arabic.get_by_role("button", name="Reply").click()
    charles.say("Thursday at four, in Dorset Street?")
    ada.expect_said("Thursday at four, in Dorset Street?")
    yield ada, charles, layla


def test_at_a_desk_and_on_a_wall(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url, **DESK)
    page.goto("/")
    expect(page.get_by_label("Your name")).to_be_visible()
    check(page, "the way in")
    picture(page, "chat-welcome-light")
    with people_talking(server, open_page, **DESK) as (ada, charles, _):
        page = ada.page
        expect(ada.message(ARABIC).locator(".prose")).to_have_css("direction", "rtl")
        page.get_by_role("button", name="People").click()
        charles.field.press_sequentially("And ")
        expect(page.get_by_text("is typing")).to_be_visible()
        check(page, "a conversation")
        picture(page, "chat-desk-light")
        page.emulate_media(color_scheme="dark")
        check(page, "a conversation in the dark")
        picture(page, "chat-desk-dark")
        ada.go_offline()
        expect(ada.status).to_contain_text("Offline")
        expect(page.get_by_text("is typing")).to_have_count(0)
        expect(page.get_by_text("when this page was last connected")).to_be_visible()
        ada.say("Is anybody there?")
        check(page, "offline in the dark")
        picture(page, "chat-offline-dark")
        page.context.set_offline(False)
        page.emulate_media(color_scheme="light")
        page.get_by_role("button", name="New").click()
        check(page, "a dialog")
        page.keyboard.press("Escape")
        page.set_viewport_size(WALL)
        check(page, "a conversation on a wall")
        size = "body => parseFloat(getComputedStyle(body).fontSize)"
        assert page.locator("body").evaluate(size) > 20


def test_on_a_phone(server: ServerProcess, open_page: OpenPage) -> None:
    with people_talking(server, open_page, color_scheme="dark", **PHONE) as (ada, charles, _):
        page = ada.page
        check(page, "a conversation")
        picture(page, "chat-phone-dark")
        # Where there is no keyboard, Enter is a new line and the button sends.
        ada.field.fill("one")
        ada.field.press("Enter")
        ada.field.press_sequentially("two")
        page.get_by_role("button", name="Send").tap()
        expect(charles.log).to_contain_text("one\ntwo", use_inner_text=True)
        # A tap on a message shows what can be done to it.
        message = ada.log.locator(".message", has_text="algebraical")
        message.locator(".prose").tap()
        message.get_by_role("button", name="Reply").tap()
        expect(page.get_by_text("To yourself: It weaves")).to_be_visible()
        check(page, "an answer to something long")
        page.get_by_role("button", name="Do not reply").tap()
        page.get_by_role("button", name="People").tap()
        check(page, "the people")
        page.get_by_role("button", name="Close the list of people").tap()
        page.get_by_role("button", name="Back to the list").tap()
        expect(ada.line("The analytical engine")).to_be_visible()
        expect(ada.log).to_have_count(0)
        expect(page.locator(".sidebar-foot")).to_contain_text("Live")
        check(page, "the list")
        picture(page, "chat-phone-list-dark")
        ada.line("Letters to Mary").tap()
        ada.expect_said("Dear Mary, the notes are nearly done.")
        page.go_back()
        expect(ada.line("Letters to Mary")).to_be_visible()


def test_a_guest_who_comes_by_an_address_on_a_phone_sees_their_code(
    server: ServerProcess, open_page: OpenPage
) -> None:
    room = Visitor.guest(open_page(server.url), "Ada").begin("Lunch")
    page = open_page(server.url, **PHONE)
    page.goto(f"/c/{room}")
    page.get_by_role("button", name="Continue as guest").tap()
    expect(page.get_by_role("textbox", name="Recovery code")).to_be_visible()
    expect(page.get_by_role("heading", name="Lunch")).to_be_visible()
    check(page, "the code")
    page.get_by_role("button", name="I have kept it").tap()
    expect(page.get_by_role("textbox", name="Recovery code")).to_have_count(0)


def test_by_keyboard_alone(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    keys = page.keyboard

    def go_to(name: str, key: str = "Tab") -> None:
        for _ in range(40):
            if page.evaluate(FOCUSED).strip() == name:
                return
            keys.press(key)
        pytest.fail(f"{name} cannot be reached with {key}")

    page.goto("/")
    go_to("Your name")
    keys.type("Ada")
    keys.press("Enter")
    expect(page.get_by_role("button", name="I have kept it")).to_be_visible()
    go_to("I have kept it")
    keys.press("Enter")
    for title in ("Breakfast", "Lunch"):
        go_to("New", "Shift+Tab")
        keys.press("Enter")
        go_to("What is it about?")
        keys.type(title)
        keys.press("Enter")
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        go_to("Message")
        keys.type(f"Who comes to {title}?")
        keys.press("Enter")
    ada = Visitor(page, "Ada")
    ada.expect_said("Who comes to Lunch?")
    ada.expect_settled()
    # From one conversation to the other, and back to the list.
    keys.press("Alt+ArrowDown")
    expect(page.get_by_role("heading", name="Breakfast", level=1)).to_be_visible()
    keys.press("Alt+ArrowUp")
    expect(page.get_by_role("heading", name="Lunch", level=1)).to_be_visible()
    # The people, and out of them again with the focus where it was.
    go_to("People, 1 here", "Shift+Tab")
    keys.press("Enter")
    expect(page.get_by_role("complementary", name="People")).to_be_visible()
    keys.press("Escape")
    assert page.evaluate(FOCUSED).startswith("People")
    # A dialog keeps the focus, and Escape leaves it.
    go_to("What to do with this conversation")
    keys.press("Enter")
    for _ in range(3):
        keys.press("ArrowDown")
    assert page.evaluate(FOCUSED).startswith("Leave")
    keys.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    go_to("Messages in Lunch")
    go_to("Reply to yourself")
    keys.press("Enter")
    go_to("Message")
    keys.type("I do.")
    keys.press("Enter")
    expect(ada.message("I do.").locator(".quote")).to_contain_text("Who comes to Lunch?")


def test_what_others_say_is_spoken_once_and_the_log_is_silent(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.guest(open_page(server.url), "Ada")
    room = ada.begin("Lunch")
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    bob.say("Hello!")
    expect(ada.page.locator("[aria-live=polite]").filter(has_text="Bob: Hello!")).to_have_count(1)
    expect(ada.log).to_have_attribute("aria-live", "off")
