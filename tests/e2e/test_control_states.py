"""Every control of both pages can be read at rest, under the pointer, with the focus, pressed and disabled, in light and dark."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.console import begin, console
from tests.control_states import faint
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]


def test_in_the_chat(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.goto("/")
    expect(page.get_by_label("Your name")).to_be_visible()
    found = faint(page, "the way in")
    ada = Visitor.guest(page, "Ada")
    ada.begin("The analytical engine")
    ada.say("Have you seen the drawings? https://example.org/")
    ada.expect_settled()
    page.get_by_role("button", name="People").click()
    found += faint(page, "a conversation")
    page.get_by_role("button", name="Rename this conversation").click()
    found += faint(page, "a title that is changed")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="New").click()
    found += faint(page, "a dialog")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="What to do with this conversation").click()
    found += faint(page, "a menu")
    page.get_by_role("menuitem", name="Leave").click()
    found += faint(page, "a question")
    assert found == []


def test_in_the_console(server: ServerProcess, open_page: OpenPage) -> None:
    begin(server, "The analytical engine", "test_user_2")
    page = console(server, open_page)
    found = faint(page, "the overview")
    page.get_by_role("link", name="Actors").click()
    expect(page.get_by_role("link", name="The analytical engine").first).to_be_visible()
    found += faint(page, "the actors")
    page.get_by_role("link", name="The analytical engine").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("The analytical engine")
    found += faint(page, "a conversation")
    assert found == []


def test_a_colour_that_cannot_be_read_in_one_state_is_found(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    page.goto("/")
    expect(page.get_by_label("Your name")).to_be_visible()
    page.evaluate(
        """() => {
          const sheet = new CSSStyleSheet();
          sheet.replaceSync(".button.primary:hover { background: #fffdf9 !important; color: white !important }");
          document.adoptedStyleSheets = [sheet];
        }"""
    )
    found = faint(page, "the way in")
    assert any("light, hover: button.button primary" in fault for fault in found)
    assert not any(", rest: " in fault for fault in found)
