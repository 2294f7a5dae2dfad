"""Files in the page: chosen, dropped and pasted, on their way through drops, shown in their place, gone with their message."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import FilePayload, Locator, Page, Route, expect

from tests.accessibility import grave_faults
from tests.browser import picture as keep
from tests.e2e.test_changes_page import choose, two_in_a_room
from tests.pictures import picture
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]
PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
UPLOADS = re.compile(r"/files\?")
PREVIEWS = re.compile(r"/preview\?")

# Gives files to what listens for them: `paste` or `drop`.
GIVE = """(target, [kind, name, type, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(bytes), (each) => each.charCodeAt(0))], name, { type }));
  const options = { bubbles: true, cancelable: true };
  if (kind === "paste") return target.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: data }));
  for (const each of kind.split(" ")) target.dispatchEvent(new DragEvent(each, { ...options, dataTransfer: data }));
}"""


def file(name: str, data: bytes, kind: str = "application/octet-stream") -> FilePayload:
    return {"name": name, "mimeType": kind, "buffer": data}


CAT = file("cat.png", picture("PNG", 1200, 900), "image/png")
MENU = file("menu.txt", b"Soup, noodles and cake.", "text/plain")


def add(visitor: Visitor, *files: FilePayload, within: Locator | None = None) -> None:
    """By the button."""
    place = within or visitor.page.locator(".room .composer")
    with visitor.page.expect_file_chooser() as chosen:
        place.get_by_role("button", name="Add files").click()
    chosen.value.set_files(list(files))


def give(target: Locator, kind: str, given: FilePayload) -> None:
    data = base64.b64encode(given["buffer"]).decode()
    target.evaluate(GIVE, [kind, given["name"], given["mimeType"], data])


def tray(visitor: Visitor) -> Locator:
    return visitor.page.get_by_role("list", name="Files of this message")


def send(visitor: Visitor) -> Locator:
    return visitor.page.locator(".room").get_by_role("button", name="Send", exact=True)


def test_files_go_with_a_message_and_a_picture_has_its_place_before_it_comes(
    server: ServerProcess, open_page: OpenPage, tmp_path: Path
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    bob.page.route(PREVIEWS, lambda _: None)
    add(ada, CAT, MENU)
    expect(tray(ada).get_by_text("uploaded")).to_have_count(2)
    spoken = ada.page.locator("[aria-live=polite]").filter(has_text="is uploaded")
    expect(spoken).to_have_count(1)
    tray(ada).get_by_label("What cat.png shows").fill("A cat asleep on a keyboard")
    assert grave_faults(ada.page) == []
    keep(ada.page, "files-tray")
    send(ada).click()  # without a word beside them
    expect(tray(ada)).to_have_count(0)
    shown = bob.log.get_by_role("img", name="A cat asleep on a keyboard")
    expect(shown).to_have_count(1)
    card = bob.log.get_by_role("link", name="Download menu.txt Text, 23 bytes")
    expect(card).to_be_visible()
    before, below = shown.bounding_box(), card.bounding_box()
    assert before is not None
    assert (before["width"], before["height"]) == (384, 288)
    bob.page.unroute_all()
    bob.page.reload()
    expect(shown).to_have_js_property("complete", True)
    bob.page.wait_for_function("document.querySelector('.picture img').naturalWidth === 640")
    assert shown.bounding_box() == before
    assert card.bounding_box() == below
    with bob.page.expect_download() as download:
        card.click()
    assert download.value.suggested_filename == "menu.txt"
    assert download.value.path().read_bytes() == MENU["buffer"]
    assert grave_faults(bob.page) == []
    keep(bob.page, "files-log")
    bob.log.get_by_role("button", name="Enlarge A cat asleep on a keyboard").click()
    large = bob.page.get_by_role("dialog", name="cat.png")
    expect(large.get_by_role("img", name="A cat asleep on a keyboard")).to_be_visible()
    expect(large.get_by_role("button", name="Close")).to_be_focused()
    assert grave_faults(bob.page) == []
    keep(bob.page, "files-large")
    bob.page.keyboard.press("Escape")
    expect(bob.line("Lunch")).to_contain_text("cat.png, menu.txt")
    ada.page.clock.install()
    choose(ada.log.locator(".message").last, "Delete")
    ada.page.clock.run_for(6000)
    for each in (ada, bob):
        expect(each.log.locator(".message.gone")).to_contain_text("This message was deleted")
        expect(each.log.locator(".files")).to_have_count(0)


def test_a_picture_is_pasted_and_a_file_is_dropped_anywhere_on_the_conversation(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    give(ada.field, "paste", CAT)
    expect(tray(ada).get_by_role("listitem")).to_have_count(1)
    give(ada.log, "dragenter dragover", MENU)
    expect(ada.page.locator(".dropping")).to_contain_text("Drop files here")
    give(ada.log, "drop", MENU)
    expect(ada.page.locator(".dropping")).to_have_count(0)
    expect(tray(ada).get_by_text("uploaded")).to_have_count(2)
    ada.page.reload()  # what is there stays, and can still be sent
    expect(tray(ada).get_by_role("listitem")).to_have_count(2)
    tray(ada).get_by_role("button", name="Remove cat.png").click()
    ada.field.fill("The menu")
    ada.field.press("Enter")
    bob.expect_said("The menu")
    expect(bob.log.get_by_role("link", name="Download menu.txt")).to_be_visible()
    expect(bob.log.locator(".picture")).to_have_count(0)
    ada.expect_settled()


def test_an_upload_that_is_cut_goes_on_by_itself_and_one_that_is_not_wanted_is_cancelled(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    ada.page.route(UPLOADS, hold)
    with ada.page.expect_request(UPLOADS):
        add(ada, MENU, CAT)
    ada.field.fill("Both")
    expect(tray(ada).get_by_role("progressbar", name="menu.txt, uploading")).to_be_visible()
    expect(send(ada)).to_be_disabled()
    ada.field.press("Enter")
    expect(ada.field).to_have_value("Both")
    tray(ada).get_by_role("button", name="Cancel cat.png").click()
    expect(tray(ada).get_by_role("listitem")).to_have_count(1)
    ada.page.context.set_offline(True)
    held[0].abort("connectionreset")
    expect(tray(ada)).to_contain_text("it is tried again by itself")
    ada.page.unroute_all()
    ada.page.context.set_offline(False)
    expect(tray(ada).get_by_text("uploaded")).to_be_visible()
    send(ada).click()
    bob.expect_said("Both")
    expect(bob.log.get_by_role("link", name="Download menu.txt")).to_be_visible()


def test_what_the_server_does_not_take_stays_with_its_reason(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    server = start_server(LIMITS__FILE_SIZE="2000000")
    ada, _, _ = two_in_a_room(server, open_page)
    add(
        ada,
        file("page.html", b"<!doctype html><title>x</title>"),
        file("film.bin", bytes(9_000_000)),
    )
    items = tray(ada).get_by_role("listitem")
    expect(items.nth(0)).to_contain_text("such files are not taken here")
    expect(items.nth(1)).to_contain_text("larger than the 2000000 bytes")
    expect(send(ada)).to_be_disabled()
    assert grave_faults(ada.page) == []
    items.nth(0).get_by_role("button", name="Remove").click()
    expect(items.get_by_role("button", name="Remove film.bin")).to_be_focused()
    ada.page.keyboard.press("Enter")
    expect(tray(ada)).to_have_count(0)
    expect(ada.field).to_be_focused()
    add(ada, *(file(f"{number}.txt", b"x%d" % number) for number in range(12)))
    expect(items).to_have_count(10)
    expect(ada.page.locator(".toast")).to_contain_text("At most 10 files")


def test_an_answer_in_a_thread_has_files_on_a_phone_too(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page, color_scheme="dark", **PHONE)
    ada.say("Where do we eat?")
    bob.expect_said("Where do we eat?")
    message = bob.message("Where do we eat?")
    message.locator(".prose").tap()
    message.get_by_role("button", name="Thread", exact=True).tap()
    thread = bob.page.get_by_role("complementary", name="Thread")
    add(bob, CAT, within=thread)
    expect(thread.get_by_text("uploaded")).to_be_visible()
    thread.get_by_role("button", name="Send to the thread").tap()
    expect(thread.locator(".picture")).to_be_visible()
    assert bob.page.evaluate("document.documentElement.scrollWidth") == 360
    assert grave_faults(bob.page) == []
    keep(bob.page, "files-phone")
    expect(ada.message("Where do we eat?")).to_contain_text("1 answer")
    add(ada, CAT)
    expect(tray(ada).get_by_text("uploaded")).to_be_visible()
    keep(ada.page, "files-phone-tray")
    send(ada).tap()
    expect(ada.log.locator(".picture")).to_be_visible()
    assert ada.page.evaluate("document.documentElement.scrollWidth") == 360
