"""The console's people: tokens, blocking, legal holds, export and erasure, where an operator looks for them."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import trio
from playwright.sync_api import Page, expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.console import ADMIN, OpenPage, ask, begin, console
from tests.server import ServerProcess, api


def status(server: ServerProcess, token: str) -> int:
    """What the server answers to somebody who asks who they are."""

    async def call() -> int:
        return (await api(server, "GET", "/auth/me", token)).status_code

    return trio.run(call)


def press(page: Page, name: str) -> None:
    """A button of the dialog that is open."""
    page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()


def test_an_operator_issues_a_token_that_is_shown_once_revokes_it_and_blocks_its_person(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = console(server, open_page)
    page.get_by_role("link", name="People").click()
    expect(page).to_have_title("People · salon console")
    expect(page.get_by_role("heading", name="Legal holds")).to_be_visible()
    assert grave_faults(page) == []
    # Who was never here has a page, too; and an id may have a slash.
    page.get_by_label("A person's whole id").fill("shop/user-17")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Nobody with this id is here")).to_be_visible()
    page.get_by_role("button", name="Issue a token…").click()
    expect(page.get_by_label("Name that others see")).to_be_focused()
    page.keyboard.type("Ada of the shop")
    page.get_by_label("Ends after").select_option("An hour")
    assert grave_faults(page) == []
    page.keyboard.press("Enter")
    token = page.get_by_role("textbox", name="Token").input_value()
    assert ask(server, "GET", "/auth/me", token)["name"] == "Ada of the shop"
    page.keyboard.press("Escape")  # what is shown once is not lost by a slip
    press(page, "I have it")
    assert token not in page.content()
    row = page.get_by_role("region", name="Tokens of this person").locator("tbody tr")
    expect(row).to_contain_text("valid")

    row.get_by_role("button", name="Revoke the token").click()
    press(page, "Revoke")
    expect(row).to_contain_text("revoked")
    assert status(server, token) == 401

    page.get_by_role("button", name="Block…").click()
    press(page, "Block")
    expect(page.get_by_text("blocked since")).to_be_visible()
    page.get_by_role("button", name="Issue a token…").click()
    press(page, "Issue")
    expect(page.get_by_role("alert")).to_contain_text("unblock them first")
    press(page, "Cancel")
    page.get_by_role("link", name="People").click()
    blocked = page.get_by_role("region", name="The blocked people")
    blocked.get_by_role("link", name="shop/user-17").click()
    page.get_by_role("button", name="Unblock…").click()
    press(page, "Unblock")
    expect(page.get_by_role("button", name="Block…", exact=True)).to_be_visible()

    other = ask(server, "POST", "/admin/tokens", json={"id": "shop/user-17"})["token"]
    page.get_by_role("button", name="Revoke all…").click()
    press(page, "Revoke all")
    expect(page.get_by_text("All tokens and sessions are revoked.").first).to_be_attached()
    assert status(server, other) == 401


def test_a_hold_keeps_what_a_person_said_until_it_is_released_and_then_they_are_erased(
    server: ServerProcess, open_page: OpenPage
) -> None:
    id = begin(server, "Order 4411")
    token = ask(server, "POST", "/admin/tokens", json={"id": "eve", "name": "Eve"})["token"]
    ask(server, "POST", f"/chat/{id}/join", token, {})
    ask(server, "POST", f"/chat/{id}/messages", token, {"content": "a word of Eve's"})
    page = console(server, open_page, f"#/conversation/{id}")
    page.get_by_role("button", name="Change…").click()
    page.get_by_label("Days that messages are kept").fill("30")
    press(page, "Change")
    expect(page.get_by_text("Messages are deleted after 30 days.").last).to_be_visible()
    page.get_by_role("button", name="Hold…").click()
    page.get_by_label("Reason, for other operators").fill("case 7")
    press(page, "Hold")
    expect(page.get_by_role("region", name="Its legal holds")).to_contain_text("case 7")
    assert grave_faults(page) == []

    page.goto("/admin#/participant/eve")
    page.get_by_role("button", name="Hold…").click()
    page.get_by_label("Reason, for other operators").fill("case 8")
    press(page, "Hold")
    expect(page.get_by_role("region", name="Its legal holds")).to_contain_text("case 8")
    page.emulate_media(color_scheme="dark")
    assert grave_faults(page) == []
    picture(page, "console-person-dark")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export", exact=True).click()
    with ZipFile(BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert "a word of Eve's" in archive.read("events.ndjson").decode()
    page.get_by_role("button", name="Erase…").click()
    expect(page.get_by_role("dialog").get_by_role("button", name="Erase")).to_be_disabled()
    page.get_by_label("Type erase to go on").fill("erase")
    press(page, "Erase")
    erasures = page.get_by_role("region", name="Erasures of this person")
    expect(erasures).to_contain_text("for the release of a legal hold")
    expect(page.get_by_role("button", name="Erase…")).to_be_disabled()
    assert grave_faults(page) == []

    page.get_by_role("link", name="People").click()
    holds = page.get_by_role("region", name="The legal holds")
    for reason in ("case 7", "case 8"):
        holds.get_by_role("button", name=f"Release the hold: {reason}").click()
        press(page, "Release")
    expect(holds.get_by_text(re.compile("^released"))).to_have_count(2)
    whole = page.get_by_role("region", name="The erasures").locator("tr", has_text="eve")
    expect(whole).to_contain_text("done")
    events = ask(server, "GET", f"/chat/{id}/messages", ADMIN)["events"]
    assert "a word of Eve's" not in str(events)
    page.get_by_role("link", name="Audit").click()
    deeds = page.get_by_role("region", name="What operators did")
    expect(deeds).to_contain_text("Release a hold")
    expect(deeds).to_contain_text("Set the retention")
