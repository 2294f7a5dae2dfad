"""The console's moderation: reported messages with what was said around them, held messages, and what operators do about both."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.console import ADA, ADMIN, OpenPage, ask, begin, console
from tests.server import ServerProcess

BOB = "test_token_2"


def said(server: ServerProcess, id: str) -> list[Any]:
    """What stands in the log: the texts of its messages."""
    events = ask(server, "GET", f"/chat/{id}/messages", ADMIN)["events"]
    return [event["message"]["content"] for event in events if event["type"] == "message"]


def test_an_operator_judges_what_was_reported_in_its_surroundings_and_what_is_held(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    rules = [{"words": ["link"], "action": "hold", "reason": "Links are looked at."}]
    server = start_server(MODERATION__RULES=json.dumps(rules))
    id = begin(server, "Lunch", "test_user_2")
    say = f"/chat/{id}/messages"
    ask(server, "POST", say, ADA, {"content": "who is for noodles?"})
    rude = ask(server, "POST", say, BOB, {"content": "something rude"})["message_id"]
    report = {"reason": "He is rude."}
    ask(server, "POST", f"{say}/{rude}/report", ADA, report)
    for text in ("a good link", "a bad link"):
        assert ask(server, "POST", say, BOB, {"content": text})["held_id"]

    page = console(server, open_page)
    page.get_by_role("link", name="Moderation").click()
    expect(page).to_have_title("Moderation · salon console")
    reports = page.get_by_role("region", name="The reports")
    reports.get_by_role("link", name="He is rude.").click()
    around = page.get_by_role("region", name="The surroundings")
    expect(around).to_contain_text("who is for noodles?")
    expect(around.locator("[aria-current]")).to_contain_text("something rude")
    assert grave_faults(page) == []
    page.get_by_role("button", name="Delete the message…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason, which the members read").fill("Against the rules.")
    dialog.get_by_role("button", name="Delete", exact=True).click()
    expect(around).not_to_contain_text("something rude")
    expect(around).to_contain_text("Against the rules.")
    expect(page.get_by_role("button", name="Delete the message…")).to_be_disabled()
    page.get_by_role("button", name="Mute the sender…").click()
    dialog.get_by_label("For how long").select_option("An hour")
    dialog.get_by_role("button", name="Mute", exact=True).click()
    expect(around).to_contain_text("muted")
    (mute,) = ask(server, "GET", f"/chat/{id}/mutes", ADA)["mutes"]
    assert mute["until"] is not None
    page.emulate_media(color_scheme="dark")
    assert grave_faults(page) == []
    picture(page, "console-report-dark")
    page.get_by_role("button", name="Close the report…").click()
    dialog.get_by_label("What came of it, for other operators").fill("Deleted and muted.")
    dialog.get_by_role("button", name="Close it").click()
    expect(page.get_by_text("Deleted and muted.")).to_be_visible()
    page.get_by_role("link", name="Moderation").first.click()
    expect(page.get_by_text("No report waits.")).to_be_visible()
    page.get_by_role("button", name="Show the closed ones").click()
    expect(reports).to_contain_text("Deleted and muted.")

    ask(server, "DELETE", f"/chat/{id}/participants/test_user_2/mute", ADA)
    expect(page.get_by_text("a good link")).to_have_count(0)
    page.get_by_role("button", name="Read what is held").click()
    held = page.get_by_role("region", name="The held messages")
    assert grave_faults(page) == []
    picture(page, "console-moderation-dark")
    good = held.locator("tr", has_text="a good link")
    good.get_by_role("button", name="Post what").click()
    expect(good).to_have_count(0)
    held.get_by_role("button", name="Deny what").click()
    dialog.get_by_label("Reason, which the sender reads").fill("Not here.")
    dialog.get_by_role("button", name="Deny", exact=True).click()
    expect(page.get_by_text("Nothing waits for a decision.")).to_be_visible()
    page.get_by_role("button", name="Show the decided ones").click()
    expect(held).to_contain_text("approved")
    expect(held).to_contain_text("Not here.")
    assert said(server, id) == ["who is for noodles?", "", "a good link"]
    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("region", name="What operators did")).to_contain_text(
        "the held messages"
    )
