"""The chat page's "Your data": to take one's data along, and to be erased, by one's own hand."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from playwright.sync_api import Page, expect

from tests.accessibility import grave_faults
from tests.server import ServerProcess
from tests.visitor import Visitor


def test_somebody_takes_their_data_along_and_is_erased_and_nothing_of_them_is_left(
    server: ServerProcess, open_page: Callable[..., Page]
) -> None:
    page = open_page(server.url)
    eve = Visitor.host(page, "Eve", "Lunch")
    room = eve.conversation_id
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    eve.say("a word of Eve's")
    eve.expect_settled()
    bob.expect_said("a word of Eve's")
    page.get_by_role("button", name="Your data: Eve").click()
    assert grave_faults(page) == []
    with page.expect_download() as download:
        page.get_by_role("button", name="Download my data").click()
    with ZipFile(BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert "a word of Eve's" in archive.read("events.ndjson").decode()
    for _ in range(5):
        assert page.context.request.get("/me/export").ok
    page.get_by_role("button", name="Download my data").click()
    expect(page.get_by_role("alert")).to_contain_text("exports an hour")
    page.get_by_role("button", name="Erase me…").click()
    dialog = page.get_by_role("dialog", name="Erase yourself?")
    dialog.get_by_text("What is kept, and why").click()
    expect(dialog).to_contain_text("What others wrote about you")
    erase = dialog.get_by_role("button", name="Erase me")
    expect(erase).to_be_disabled()
    dialog.get_by_label("Type erase to go on").fill("erase")
    assert grave_faults(page) == []
    erase.click()
    expect(page.get_by_text("You are erased")).to_be_visible()
    assert page.evaluate("Object.entries({ ...localStorage, ...sessionStorage })") == []
    expect(bob.message("a word of Eve's")).to_have_count(0)
    assert "Eve" not in bob.page.context.request.get(f"/chat/{room}/messages").text()
