"""salon.js from its npm package in pages of somebody else: an app of React and Vite, `<salon-chat>` in a shop, a program in node.

All pages are of another origin than the server, under a strict content security policy: the browser reports what breaks it, and
the test fails.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Locator, Page, WebSocket, expect

from tests.accessibility import grave_faults
from tests.npm_package import node
from tests.npm_site import ADA, BOB, MANUAL, Site, served
from tests.pictures import picture

OpenPage = Callable[..., Page]
PROGRAM = """
import { Salon } from "salon-js";
const [, , url, token, id] = process.argv;
const tea = new Salon({ url, token }).open(id);
tea.on("event", (event) => {
  if (event.type !== "message" || event.message.content !== "Is anybody there?") return;
  tea.on("outbox", (outbox) => outbox.length || tea.close());
  tea.send("A program");
});
"""


@pytest.fixture(scope="module")
def site(vite_app: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(vite_app, tmp_path_factory.mktemp("salon")) as its:
        yield its


def sockets_of(page: Page) -> list[WebSocket]:
    """The sockets that a page opens from now on."""
    found: list[WebSocket] = []

    def opened(socket: WebSocket) -> None:  # Playwright takes no method of a list
        found.append(socket)

    page.on("websocket", opened)
    return found


def say(page: Page | Locator, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.get_by_role("button", name="Send").click()


def said(page: Page | Locator, text: str) -> Locator:
    """What the list of the app says just so."""
    return page.get_by_role("listitem").filter(has_text=re.compile(rf"^{re.escape(text)} ?Edit"))


def test_two_people_talk_in_an_app_of_react_over_reloads_and_a_restart(
    site: Site, open_page: OpenPage
) -> None:
    room = site.begin()
    ada, bob = open_page(site.address), open_page(site.address)
    sockets = sockets_of(ada)
    ada.goto(site.app(room, ADA))
    bob.goto(site.app(room, BOB))
    for each in (ada, bob):
        expect(each.get_by_role("status")).to_have_text("live")
        expect(each.get_by_label("Members")).to_have_text("Ada* Bob*")
    # Two components in StrictMode, which mounts them twice: one socket.
    assert len(sockets) == 1
    say(ada, "Helo")
    expect(said(bob, "Ada: Helo")).to_have_count(1)
    ada.get_by_label("Message", exact=True).fill("Hello")
    said(ada, "Ada: Helo").get_by_role("button", name="Edit").click()
    said(bob, "Ada: Hello").get_by_role("button", name="Like").click()
    expect(said(ada, "Ada: Hello 👍")).to_have_count(1)

    site.server.kill()
    for each in (ada, bob):
        expect(each.get_by_role("status")).to_have_text("offline")
    say(bob, "Are you there?")
    expect(bob.get_by_role("listitem").last).to_have_text("Are you there? (waiting)")
    bob.reload()
    expect(bob.get_by_role("listitem")).to_have_text(["Are you there? (waiting)"])
    site.server.start()
    for each in (ada, bob):
        expect(each.get_by_role("status")).to_have_text("live")
        expect(said(each, "Bob: Are you there?")).to_have_count(1)
        expect(said(each, "Ada: Hello 👍")).to_have_count(1)


def test_a_component_that_goes_takes_its_connection_along_and_older_messages_are_fetched(
    site: Site, open_page: OpenPage
) -> None:
    room = site.begin()
    for number in range(60):
        site.ask("POST", f"/chat/{room}/messages", {"content": f"Message {number}"})
    page = open_page(site.address)
    sockets = sockets_of(page)
    page.goto(site.app(room, ADA))
    expect(said(page, "Ada: Message 59")).to_have_count(1)
    expect(page.get_by_role("listitem")).to_have_count(50)
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_role("listitem")).to_have_count(60)
    expect(page.get_by_role("listitem").first).to_contain_text("Message 0")
    expect(page.get_by_role("button", name="Older")).to_have_count(0)
    page.get_by_role("button", name="Hide").click()
    if not sockets[0].is_closed():
        sockets[0].wait_for_event("close")
    page.get_by_role("button", name="Show").click()
    expect(said(page, "Ada: Message 59")).to_have_count(1)
    assert len(sockets) == 2


def test_a_program_in_node_answers(site: Site) -> None:
    room = site.begin()
    (site.project / "program.mjs").write_text(PROGRAM)
    site.ask("POST", f"/chat/{room}/messages", {"content": "Is anybody there?"})
    done = node("program.mjs", site.server.url, BOB, room, cwd=site.project)
    assert done.returncode == 0, done.stderr
    events = site.ask("GET", f"/chat/{room}/messages")["events"]
    last = events[-1]["message"]
    assert (last["sender_name"], last["content"]) == ("Bob", "A program")


def chat(page: Page, at: int = 0) -> Locator:
    return page.locator("salon-chat").nth(at)


def write(element: Locator, text: str) -> None:
    field = element.get_by_role("textbox", name="Message")
    field.fill(text)
    field.press("Control+Enter")


def message(element: Locator, text: str) -> Locator:
    return element.get_by_role("log").locator(".message").filter(has_text=text)


def expect_status(element: Locator, words: str) -> None:
    expect(element.locator(".room .status")).to_contain_text(words)


def test_a_tag_is_a_whole_chat_in_a_page_of_somebody_else(site: Site, open_page: OpenPage) -> None:
    room = site.begin()
    shop, other = open_page(site.address), open_page(site.address)
    shop.goto(site.shop({"conversation": room, "token": ADA, "theme": "light"}))
    ada = chat(shop)
    expect_status(ada, "Live")
    write(ada, "Hello **there**")
    expect(message(ada, "Hello there").locator("strong")).to_have_text("there")
    # A guest comes in by saying a name, and is still there after a reload.
    other.goto(site.shop({"conversation": room}))
    bob = chat(other)
    bob.get_by_label("Your name").fill("Guest Bob")
    bob.get_by_role("button", name="Come in").click()
    code = bob.get_by_role("textbox", name="Recovery code").input_value()
    bob.get_by_role("button", name="Join the conversation").click()
    write(bob, "Hi")
    expect(message(ada, "Hi")).to_have_attribute("aria-label", re.compile("^Guest Bob"))
    other.reload()
    expect(message(bob, "Hi")).to_have_attribute("aria-label", re.compile("^You"))
    # The code is there until it is kept, and brings them back where the browser knows nothing of them.
    bob.get_by_role("button", name="I have kept it").click()
    other.evaluate("document.querySelector('salon-chat').forget()")
    assert other.evaluate("Object.keys({ ...localStorage, ...sessionStorage })") == []
    other.reload()
    bob.get_by_role("button", name="Come back with a recovery code").click()
    bob.get_by_label("Recovery code").fill(code.lower())
    bob.get_by_role("button", name="Come back").click()
    expect(message(bob, "Hi")).to_have_attribute("aria-label", re.compile("^You"))
    expect(bob.get_by_role("textbox", name="Recovery code")).to_have_count(0)
    # What is done to messages, by keyboard; the focus stays where it was.
    hi = message(ada, "Hi")
    hi.focus()
    shop.keyboard.press("ArrowUp")
    expect(message(ada, "Hello there")).to_be_focused()
    hi.get_by_role("button", name="React").press("Enter")
    shop.keyboard.press("ArrowRight")
    shop.keyboard.press("Enter")
    expect(message(bob, "Hi")).to_contain_text("❤️")
    bob.get_by_role("button", name=re.compile("^People")).click()
    expect(bob.get_by_role("list", name="Members")).to_contain_text("Guest Bob")
    for each in (shop, other):
        assert grave_faults(each) == []
    assert ["message", "Hi"] in shop.evaluate("told")


def test_without_a_conversation_there_is_the_list_which_opens_them_in_place_and_finds_messages(
    site: Site, open_page: OpenPage
) -> None:
    tea, cake = site.begin("Of tea"), site.begin("Of cake")
    site.ask("POST", f"/chat/{tea}/messages", {"content": "Biscuits are dear"}, BOB)
    page = open_page(site.address)
    page.goto(site.shop({"token": ADA}))
    element = chat(page)
    lines = element.get_by_role("navigation", name="Conversations").get_by_role("link")
    expect(element).to_contain_text("Choose a conversation from the list.")
    lines.filter(has_text="Of cake").click()
    write(element, "Which one?")
    expect(message(element, "Which one?").locator(".receipt.sent")).to_have_count(1)
    site.ask("POST", f"/chat/{tea}/messages", {"content": "Tea is cold"}, BOB)
    expect(lines.filter(has_text="Of tea")).to_contain_text("2 unread")
    assert grave_faults(page) == []
    # To what was found by keyboard, in another conversation.
    element.get_by_role("button", name="Search messages").press("Enter")
    page.keyboard.type("biscui")
    expect(element.get_by_role("list", name="Messages").get_by_role("button")).to_have_count(1)
    assert grave_faults(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(message(element, "Biscuits are dear")).to_be_focused()
    expect(element.get_by_role("heading", level=1)).to_have_text("Of tea")
    expect(lines.filter(has_text="Of tea")).not_to_contain_text("unread")
    # Arrows go through the list; what is narrow shows one of the two.
    element.get_by_role("button", name="Search this conversation").focus()
    page.keyboard.press("Alt+ArrowDown")
    expect(message(element, "Which one?")).to_be_visible()
    page.set_viewport_size({"width": 480, "height": 800})
    expect(lines.first).to_be_hidden()
    element.get_by_role("button", name="Back to the list").click()
    expect(lines.first).to_be_visible()
    opened = [detail for name, detail in page.evaluate("told") if name == "open"]
    assert opened == [cake, tea, cake, None]
    page.evaluate(f"document.querySelector('salon-chat').conversation = '{tea}'")
    # Without the attribute for the list it is this conversation alone.
    expect(message(element, "Tea is cold")).to_have_count(1)
    expect(lines).to_have_count(0)
    element.get_by_role("button", name="Search this conversation").click()
    page.keyboard.type("which one")
    expect(element.get_by_role("status").filter(has_text="No message has that.")).to_be_visible()


def test_what_is_written_in_an_element_without_a_server_arrives_once(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page(site.address)
    page.goto(site.shop({"conversation": site.begin(), "token": ADA}))
    ada = chat(page)
    expect_status(ada, "Live")
    site.server.kill()
    expect_status(ada, "Offline")
    write(ada, "Kept")
    expect(message(ada, "Kept").locator(".receipt.waiting")).to_have_count(1)
    page.reload()
    expect(ada).to_contain_text("Trying again")
    site.server.start()
    expect_status(ada, "Live")
    expect(message(ada, "Kept").locator(".receipt.sent")).to_have_count(1)
    expect(ada.locator(".message")).to_have_count(1)


def test_elements_beside_each_other_are_apart_and_end_with_their_removal(
    site: Site, open_page: OpenPage
) -> None:
    first, second = site.begin(), site.begin()
    page = open_page(site.address)
    sockets = sockets_of(page)
    light = {"conversation": first, "token": ADA, "theme": "light"}
    page.goto(site.shop(light, {"conversation": second, "token": BOB, "theme": "dark"}))
    one, other = chat(page), chat(page, 1)
    for each in (one, other):
        expect_status(each, "Live")
    write(one, "In the first")
    write(other, "In the second")
    expect(message(one, "In the first")).to_have_count(1)
    expect(message(other, "In the second")).to_have_count(1)
    expect(one.locator(".message")).to_have_count(1)
    expect(one.locator("[aria-live=polite]").last).not_to_contain_text("second")
    # The shop's own colour for both; the text by each one's theme.
    for each, ink in ((one, "rgb(34, 31, 26)"), (other, "rgb(237, 231, 220)")):
        expect(each.locator(".room")).to_have_css("background-color", "rgb(255, 240, 245)")
        expect(each.locator(".room")).to_have_css("color", ink)
        expect(each.locator(".room")).to_have_css("text-transform", "none")
    page.evaluate("document.querySelector('salon-chat').remove()")
    closed = sockets[0] if first in sockets[0].url else sockets[1]
    if not closed.is_closed():
        closed.wait_for_event("close")
    assert sum(not each.is_closed() for each in sockets) == 1
    # One that is moved within the page stays as it is.
    page.evaluate("document.querySelector('main').append(document.querySelector('salon-chat'))")
    page.evaluate(f"document.querySelector('salon-chat').conversation = '{first}'")
    expect(message(chat(page), "In the first")).to_have_count(1)
    assert len(sockets) == 3


def test_a_picture_comes_with_the_token_and_a_token_that_has_ended_is_replaced(
    site: Site, open_page: OpenPage
) -> None:
    guest = httpx2.post(f"{site.server.url}/auth/guest", json={"name": "Cleo"}).json()
    room = site.begin()
    site.ask("POST", f"/chat/{room}/join", {}, guest["token"])
    page = open_page(site.address)
    tokens: list[str] = []
    page.on("request", lambda each: tokens.append(each.headers.get("authorization", "")))
    page.goto(site.shop({"conversation": room}, code=guest["recovery_code"]))
    cleo = chat(page)
    expect_status(cleo, "Live")
    cleo.locator("input[type=file]").set_input_files(
        {"name": "tea.png", "mimeType": "image/png", "buffer": picture()}
    )
    expect(cleo.locator(".tray")).to_contain_text("uploaded")
    write(cleo, "A picture")
    shown = message(cleo, "A picture").locator(".picture img")
    expect(shown).to_have_attribute("src", re.compile("^blob:"))
    page.wait_for_function("(image) => image.naturalWidth > 0", arg=shown.element_handle())
    with page.expect_download() as download:
        shown.click()
        cleo.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename == "tea.png"
    cleo.get_by_role("button", name="Close").click()
    # The session ends on the server: the element asks for another token, and goes on.
    end(site, page, tokens)
    write(cleo, "Still here")
    expect(message(cleo, "Still here").locator(".receipt.sent")).to_have_count(1)
    # So does the list.
    page.evaluate("document.querySelector('salon-chat').list = true")
    line = cleo.get_by_role("navigation", name="Conversations").get_by_role("link")
    expect(line).to_contain_text("Still here")
    expect_status(cleo, "Live")
    end(site, page, tokens)
    write(cleo, "Here again")
    expect(message(cleo, "Here again").locator(".receipt.sent")).to_have_count(1)
    site.ask("POST", f"/chat/{room}/messages", {"content": "You are"})
    expect(line).to_contain_text("You are")


def test_a_token_is_replaced_before_its_end_and_nobody_is_interrupted(
    site: Site, open_page: OpenPage
) -> None:
    body = {"id": "test_user_1", "expires_in": 61}  # it is warned of a minute before its end
    short, long = (
        site.ask("POST", "/admin/tokens", each, "admin_token")["token"]
        for each in (body, {"id": "test_user_1"})
    )
    page = open_page(site.address)
    sockets = sockets_of(page)
    page.goto(site.shop())
    with page.expect_websocket() as opened:
        page.evaluate(
            """([server, conversation, ...tokens]) => {
              const chat = document.createElement("salon-chat");
              Object.assign(chat, { server, conversation, getToken: () => tokens.shift() });
              document.querySelector("main").append(chat);
            }""",
            [site.server.url, site.begin(), short, long],
        )
    opened.value.wait_for_event("framereceived", lambda frame: "auth_ack" in str(frame))
    write(chat(page), "Where I was")
    expect(message(chat(page), "Where I was").locator(".receipt.sent")).to_have_count(1)
    assert len(sockets) == 1


def end(site: Site, page: Page, tokens: list[str]) -> None:
    """End the session of the last of these tokens that was sent; return once the element is back with another.

    Who writes in that very moment loses the focus.
    """
    used = next(each for each in reversed(tokens) if each)
    with page.expect_request(lambda each: each.headers.get("authorization", used) != used):
        answer = httpx2.post(f"{site.server.url}/auth/logout", headers={"Authorization": used})
        assert answer.is_success
    expect_status(chat(page), "Live")


def test_the_server_provides_the_element_for_a_page_without_a_build(
    site: Site, open_page: OpenPage
) -> None:
    room = site.begin()
    [example] = re.findall(r"```html\n(.*?)```", MANUAL.read_text(), re.DOTALL)
    tag = example.replace("https://chat.example.org", site.server.url).replace("an-id", room)
    tag = tag.replace("<salon-chat ", f'<salon-chat token="{ADA}" ')
    (site.project / "dist/tag.html").write_text(
        f'<!doctype html><html lang="en"><title>A page</title>{tag}'
    )
    page = open_page(site.address)
    page.goto("/tag.html")
    write(chat(page), "By one tag")
    expect(message(chat(page), "By one tag").locator(".receipt.sent")).to_have_count(1)


def test_another_token_is_another_person_and_nothing_of_the_first_stays_once_forgotten(
    site: Site, open_page: OpenPage
) -> None:
    page = open_page(site.address)
    page.goto(site.shop({"conversation": site.begin(), "token": ADA}))
    element = chat(page)
    write(element, "Ada was here")
    expect(message(element, "Ada was here").locator(".receipt.sent")).to_have_count(1)
    element.get_by_role("textbox", name="Message").fill("a draft of Ada")
    page.evaluate(f"document.querySelector('salon-chat').token = '{BOB}'")
    expect(message(element, "Ada was here")).to_have_attribute("aria-label", re.compile("^Ada"))
    expect(element.get_by_role("textbox", name="Message")).to_have_value("")
    page.evaluate(f"document.querySelector('salon-chat').token = '{ADA}'")
    expect(element.get_by_role("textbox", name="Message")).to_have_value("a draft of Ada")
    page.evaluate("document.querySelector('salon-chat').forget()")
    kept = page.evaluate("Object.keys(localStorage).join()")
    assert "test_user_2" in kept
    assert "test_user_1" not in kept
    assert page.evaluate("document.querySelector('salon-chat').shadowRoot.textContent") == ""
