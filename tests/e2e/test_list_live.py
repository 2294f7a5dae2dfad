"""The chat page's list is live: also for conversations to which the page has no socket."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]

# The page looks at the list every 20 seconds, whatever happens: here it never does.
NO_REGULAR_LOOK = """
const later = window.setTimeout;
window.setTimeout = (act, wait, ...more) => (wait >= 20000 ? 0 : later(act, wait, ...more));
"""


def test_what_is_said_in_the_last_of_many_conversations_shows_in_the_list(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    page.add_init_script(NO_REGULAR_LOOK)
    ada = Visitor.guest(page, "Ada")
    room = ada.begin("The first")
    bob = Visitor.guest(open_page(server.url), "Bob", f"/c/{room}")
    for number in range(2, 8):
        ada.begin(f"Talk {number}")
    unread = ada.line("The first").locator(".line-unread")
    expect(unread).to_have_count(0)

    bob.say("Is anybody there?")
    bob.expect_settled()
    expect(unread).to_contain_text("1")
    expect(
        page.get_by_role("navigation", name="Conversations").get_by_role("link").first
    ).to_contain_text("The first")
