"""The console for everybody: light and dark, on a phone, a desk and a wall; and its pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from playwright.sync_api import expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.console import OpenPage, Talker, begin, console
from tests.server import ServerProcess

TITLES = ("The analytical engine", "Order 4411", "Release 2.4", "مرحبا بالجميع", "Dinner on Friday")
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 360, "height": 740}
SECONDS = 40 if "SALON_PICTURES" in os.environ else 0  # until the charts are worth a picture


@pytest.fixture
def busy(start_server: Callable[..., ServerProcess]) -> ServerProcess:
    """A server of its own."""
    return start_server(LIMITS__QUEUE_SIZE="200")


@pytest.mark.timeout(240)
def test_the_console_looks_right_in_both_schemes(busy: ServerProcess, open_page: OpenPage) -> None:
    others = [f"test_user_{number}" for number in (2, 3, 4)]
    ids = [begin(busy, title, *others) for title in TITLES]
    with ExitStack() as stack:
        for number, conversation_id in enumerate(ids):
            for token in range(1, 2 + number % 4):
                talker = Talker(
                    busy,
                    conversation_id,
                    f"test_token_{token}",
                    pause=0.03 * (number + token),
                    clumsy=number == token == 1,
                )
                stack.enter_context(talker)
        for scheme in ("light", "dark"):
            page = console(busy, open_page, viewport=DESK, color_scheme=scheme)
            expect(page.locator(".chart path.line").first).to_have_attribute("d", re.compile("L"))
            page.wait_for_timeout(SECONDS * 1000)
            assert grave_faults(page) == [], scheme
            picture(page, f"console-overview-{scheme}")
            page.get_by_role("link", name="Actors").click()
            page.get_by_role("button", name="Show its connections").last.click()
            expect(page.get_by_role("row", name="connection of").first).to_be_visible()
            assert grave_faults(page) == [], scheme
            if scheme == "dark":
                picture(page, "console-actors-dark")
            page.get_by_role("link", name=TITLES[1]).click()
            expect(page.get_by_role("region", name="The last commands")).to_contain_text(
                "stored as"
            )
            assert grave_faults(page) == [], scheme
            if scheme == "dark":
                picture(page, "console-conversation-dark")
            page.set_viewport_size(PHONE)
            assert grave_faults(page) == [], f"{scheme}, on a phone"
            page.get_by_role("link", name="Overview").last.click()
            expect(page.locator(".chart")).to_have_count(10)
            page.close()


def test_no_width_needs_scrolling_sideways(server: ServerProcess, open_page: OpenPage) -> None:
    conversation_id = begin(server, "W" * 200, "test_user_2")
    page = console(server, open_page)
    places = ("overview", "actors", "connections", "agents", "people", "moderation", "audit")
    places += (f"conversation/{conversation_id}", f"participant/{'w' * 128}")
    for width in (360, 768, 1440, 3840):
        page.set_viewport_size({"width": width, "height": 800})
        for place in places:
            page.goto(f"/admin#/{place}")
            expect(page.get_by_role("heading", level=1)).to_be_attached()
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, (width, place)
