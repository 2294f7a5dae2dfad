"""The chat page in a real browser, with a real server that is killed or out of reach: nothing is lost, nothing said twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from playwright.sync_api import Page, WebSocket, expect

from tests.notified import be_told
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]


def two_in_a_room(server: ServerProcess, open_page: OpenPage) -> tuple[Visitor, Visitor, str]:
    """Ada has begun a conversation, Bob has come in by its address."""
    ada = Visitor.host(open_page(server.url), "Ada", "Lunch")
    room = ada.conversation_id
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    for each in (ada, bob):
        each.expect_live()
    return ada, bob, room


def test_two_people_in_two_browsers(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    server = start_server(LIMITS__PRESENCE_GRACE="0.2")
    ada = Visitor.guest(open_page(server.url), "Ada")
    room = ada.begin("Lunch")
    bob = Visitor.guest(open_page(server.url), "Bob", f"/c/{room}")
    expect(ada.log).to_contain_text("Bob joined")
    expect(bob.page.get_by_role("heading", name="Lunch", level=1)).to_be_visible()
    # What one writes, the other sees coming, then sees.
    bob.field.press_sequentially("Hello, ")
    expect(ada.page.get_by_text("Bob is typing")).to_be_visible()
    bob.say("Hello, Ada!")
    ada.expect_said("Hello, Ada!")
    expect(ada.page.get_by_text("Bob is typing")).to_have_count(0)
    ada.say("Hello, **Bob**: see https://example.org/menu")
    link = bob.log.get_by_role("link", name="https://example.org/menu")
    expect(link).to_have_attribute("rel", re.compile("noopener.*nofollow"))
    expect(bob.log.locator("strong", has_text="Bob")).to_be_visible()
    for each in (ada, bob):
        each.expect_settled()
    # Who is here.
    ada.page.get_by_role("button", name="People, 2 here").click()
    people = ada.page.get_by_role("complementary", name="People")
    expect(people.get_by_role("listitem").filter(has_text="Bob")).to_contain_text("online")
    bob.page.close()
    expect(people.get_by_role("listitem").filter(has_text="Bob")).to_contain_text("offline")
    assert ada.stored(room) == ["Hello, Ada!", "Hello, **Bob**: see https://example.org/menu"]


def test_a_reply_shows_what_it_answers(server: ServerProcess, open_page: OpenPage) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    ada.say("Noodles or rice?")
    question = bob.message("Noodles or rice?")
    question.hover()
    question.get_by_role("button", name="Reply to Ada").click()
    bob.say("Rice.")
    expect(ada.message("Rice.").locator(".quote")).to_have_text("You Noodles or rice?")


def test_unread_messages_are_counted_marked_and_forgotten_once_seen(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    bob.say("seen")
    ada.expect_said("seen")
    ada.begin("Elsewhere")
    bob.say("one", "two", "three")
    line = ada.line("Lunch")
    expect(line.locator(".line-unread")).to_have_text("3 unread")
    expect(line).to_contain_text("three")
    expect(ada.page).to_have_title(re.compile(r"^\(3\) "))
    expect(ada.page.locator(".list li").first).to_contain_text("Lunch")  # the newest comes first
    line.click()
    ada.expect_said("one", "two", "three")
    rows = ada.log.locator(".row").all_inner_texts()
    mark = next(index for index, text in enumerate(rows) if text == "New")
    assert "seen" in rows[mark - 1]
    assert "one" in rows[mark + 1]
    expect(line.locator(".line-unread")).to_have_count(0)
    expect(ada.page).not_to_have_title(re.compile(r"^\("))
    ada.page.reload()
    expect(ada.line("Lunch")).to_be_visible()
    expect(ada.line("Lunch").locator(".line-unread")).to_have_count(0)


def test_what_is_read_in_one_tab_is_read_in_the_other(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, room = two_in_a_room(server, open_page)
    ada.begin("Elsewhere")
    bob.say("one", "two")
    expect(ada.line("Lunch").locator(".line-unread")).to_have_text("2 unread")
    # Not by the next look at the list: the socket says it.
    ada.page.route("**/chat/my-conversations*", lambda route: route.abort())
    other = Visitor(ada.page.context.new_page(), "Ada")
    other.page.goto(f"{server.url}/c/{room}")
    other.expect_said("one", "two")
    expect(ada.line("Lunch").locator(".line-unread")).to_have_count(0)


def test_who_goes_elsewhere_types_here_no_more(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    told: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: told.append(str(frame)))

    page.on("websocket", listen)
    ada = Visitor.guest(page, "Ada")
    ada.begin("Lunch")
    ada.begin("Dinner")
    ada.expect_live()
    ada.field.press_sequentially("Half a tho")
    ada.line("Lunch").click()
    expect(page.get_by_role("heading", name="Lunch", level=1)).to_be_visible()
    typed = [json.loads(frame)["is_typing"] for frame in told if '"typing"' in frame]
    assert typed == [True, False]


def test_a_page_that_is_given_no_frames_keeps_up(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    ada.page.evaluate("globalThis.requestAnimationFrame = () => 0")
    bob.say("one", "two")
    ada.expect_last(4)


def test_the_same_words_again_are_spoken_again(server: ServerProcess, open_page: OpenPage) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    spoken = ada.page.locator("[aria-live=polite]").filter(has_text="Bob: Yes")
    bob.say("Yes")
    expect(spoken).to_have_count(1)
    first = spoken.text_content()
    bob.say("Yes")
    ada.expect_last(4)
    assert spoken.text_content() != first


def test_a_list_that_is_filtered_says_where_it_did_not_look(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.guest(open_page(server.url), "Ada")
    ada.begin("The oldest")
    for number in range(50):
        ada.page.context.request.post("/chat/create", data={"title": f"Number {number}"})
    ada.page.reload()
    ada.page.get_by_role("searchbox", name="Find a conversation").fill("oldest")
    expect(ada.page.get_by_text("None of these has that in its title")).to_be_visible()
    ada.page.get_by_role("button", name="Only the newest 50 of 51").click()
    expect(ada.line("The oldest")).to_be_visible()


def test_a_dialog_stays_where_somebody_drags_out_of_it(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    Visitor.guest(page, "Ada")
    page.get_by_role("button", name="New").click()
    field = page.get_by_label("What is it about?")
    field.fill("Half a title")
    box = field.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 20, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(5, 5)
    page.mouse.up()
    expect(field).to_have_value("Half a title")
    page.mouse.click(5, 5)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_leaving_and_coming_back_by_the_address(server: ServerProcess, open_page: OpenPage) -> None:
    ada, bob, room = two_in_a_room(server, open_page)
    bob.page.get_by_role("button", name="What to do with this conversation").click()
    bob.page.get_by_role("menuitem", name="Leave").click()
    bob.page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    expect(bob.page.get_by_text("You are in no conversation yet")).to_be_visible()
    expect(ada.log).to_contain_text("Bob left")
    bob.page.goto(f"/c/{room}")
    bob.page.get_by_role("button", name="Join the conversation").click()
    bob.say("Back!")
    ada.expect_said("Back!")


def test_an_address_that_leads_nowhere_says_so(server: ServerProcess, open_page: OpenPage) -> None:
    ada = Visitor.guest(open_page(server.url), "Ada", f"/c/{'A' * 22}")
    expect(ada.page.get_by_role("heading", name="Nothing here")).to_be_visible()
    ada.page.get_by_role("button", name="To your conversations").click()
    expect(ada.page.get_by_role("heading", name="A quiet room")).to_be_visible()


def test_a_killed_server_is_survived_and_nothing_is_missing_or_there_twice(
    own_server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, room = two_in_a_room(own_server, open_page)
    ada.say(*(f"before {number}" for number in range(5)))
    bob.expect_said("before 4")
    own_server.kill()
    for each in (ada, bob):
        expect(each.status).to_contain_text("Offline")
    expect(ada.status).to_contain_text(re.compile(r"next try in \d+ s|trying"))
    ada.say(*(f"Ada meanwhile {number}" for number in range(5)))
    bob.say(*(f"Bob meanwhile {number}" for number in range(5)))
    expect(ada.log.locator(".receipt.waiting").first).to_be_visible()
    own_server.start()
    for each in (ada, bob):
        # If it is there: it goes by itself when the next try comes.
        again = each.page.get_by_role("button", name="Try now")
        again.evaluate_all("(found) => found.forEach((button) => button.click())")
        each.expect_live()
    ada.say("after")
    for each in (ada, bob):
        each.expect_last(18)  # begun, Bob joined, and sixteen messages
        each.expect_settled()
        stored = each.stored(room)
        assert each.everything() == stored
    assert len(stored) == len(set(stored)) == 16
    for name in ("Ada", "Bob"):
        own = [text for text in stored if text.startswith(f"{name} meanwhile")]
        assert own == [f"{name} meanwhile {number}" for number in range(5)]


def test_ten_messages_written_offline_arrive_once_and_in_order(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, room = two_in_a_room(server, open_page)
    texts = [f"offline {number}" for number in range(10)]
    ada.page.context.set_offline(True)  # which the page finds out by itself
    expect(ada.status).to_contain_text("Offline")
    ada.say(*texts)
    ada.expect_said(*texts)
    bob.say("meanwhile")
    bob.expect_settled()
    ada.page.context.set_offline(False)
    ada.expect_live()
    for each in (ada, bob):
        each.expect_last(13)
        each.expect_said("meanwhile", *texts)
        each.expect_settled()
    assert ada.stored(room) == bob.everything() == ["meanwhile", *texts]


def test_what_waits_to_be_sent_outlives_a_reload_and_so_do_draft_and_place(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    ada = Visitor.host(page, "Ada", "Lunch")
    room = ada.conversation_id
    ada.say(*(f"line {number}" for number in range(40)))
    ada.expect_last(41)
    page.route_web_socket(re.compile("/chat/ws/"), lambda socket: socket.close())
    page.reload()
    expect(ada.status).to_contain_text("Offline")
    ada.say("waits", "waits too")
    ada.field.fill("half a tho")
    ada.log.press("Home")
    expect(page.get_by_role("button", name="To the end")).to_be_visible()
    before = ada.scroll_to(500)
    page.goto("about:blank")
    fresh = page.context.new_page()
    page.close()
    fresh.goto(f"{server.url}/c/{room}")
    again = Visitor(fresh, "Ada")
    again.expect_live()
    expect(again.field).to_have_value("half a tho")
    assert again.scroll_to(None) == before
    again.expect_last(43)
    assert again.stored(room)[-2:] == ["waits", "waits too"]
    assert again.everything()[-2:] == ["waits", "waits too"]


def test_a_full_storage_drops_the_oldest_cache_and_never_what_waits_to_be_sent(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    ada = Visitor.host(page, "Ada", "Lunch")
    room = ada.conversation_id
    ada.say("before")
    ada.expect_last(2)
    page.route_web_socket(re.compile("/chat/ws/"), lambda socket: socket.close())
    page.evaluate(
        """() => {
          for (let number = 0; ; number++) {
            const text = JSON.stringify({ at: number, value: "x".repeat(100_000) });
            try { localStorage.setItem(`salon.page.somebody.room.${number}`, text); } catch { break; }
          }
          try { for (;;) localStorage.setItem("rest", (localStorage.getItem("rest") ?? "") + "x".repeat(64)); } catch {}
        }"""
    )
    page.reload()
    expect(ada.status).to_contain_text("Offline")
    long = "word " * 1000
    ada.say(*(f"{number} {long}" for number in range(8)))
    kept = page.evaluate("Object.keys(localStorage).filter((key) => key.includes('somebody'))")
    assert "salon.page.somebody.room.0" not in kept
    assert f"salon.page.somebody.room.{len(kept)}" in kept  # the newest are there
    page.unroute_all()
    fresh = page.context.new_page()
    page.close()
    fresh.goto(f"{server.url}/c/{room}")
    again = Visitor(fresh, "Ada")
    again.expect_last(10)
    assert [text[:2] for text in again.stored(room)[1:]] == [f"{number} " for number in range(8)]


def test_a_message_that_is_refused_says_why_and_can_be_sent_again(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.host(open_page(server.url), "Ada", "Lunch")
    room = ada.conversation_id
    # Half a character, as some input methods leave behind: the server takes no such text.
    ada.field.evaluate(
        """field => {
          field.value = "broken \\ud83d";
          field.dispatchEvent(new InputEvent("input", { bubbles: true }));
        }"""
    )
    ada.field.press("Enter")
    refused = ada.log.locator(".message.refused")
    expect(refused.get_by_text("Not sent")).to_be_visible()
    expect(refused.locator(".refusal")).to_contain_text("surrogate")
    ada.say("whole")
    ada.expect_last(2)
    refused.get_by_role("button", name="Send again").click()
    expect(refused.locator(".refusal")).to_contain_text("surrogate")
    ada.page.reload()
    expect(refused).to_be_visible()
    refused.get_by_role("button", name="Discard").click()
    expect(refused).to_have_count(0)
    assert ada.stored(room) == ["whole"]


def test_what_shows_nothing_is_not_sent(server: ServerProcess, open_page: OpenPage) -> None:
    ada = Visitor.host(open_page(server.url), "Ada", "Lunch")
    room = ada.conversation_id
    send = ada.page.get_by_role("button", name="Send")
    for blank in (" ", "\n", "\u200b\ufeff", "\u2800"):
        ada.field.fill(blank)
        expect(send).to_be_disabled()
        ada.field.press("Control+Enter")
    ada.field.fill("\u200b.")
    expect(send).to_be_enabled()
    ada.field.press("Control+Enter")
    ada.expect_last(2)
    assert ada.stored(room) == ["\u200b."]


def test_a_hidden_page_notifies_whoever_asked_for_it(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    be_told(ada)
    bob.say("in sight")
    ada.expect_said("in sight")
    assert ada.page.evaluate("notified") == []
    hide = "Object.defineProperty(document, 'hidden', { configurable: true, get: () => %s });"
    hide += "document.dispatchEvent(new Event('visibilitychange'))"
    ada.page.evaluate(hide % "true")
    bob.say("out of sight")
    expect(ada.page).to_have_title(re.compile(r"^\(1\) "))
    assert ada.page.evaluate("notified") == [["Bob in Lunch", "out of sight"]]
    ada.page.evaluate(hide % "false")
    expect(ada.page).not_to_have_title(re.compile(r"^\("))


def test_the_owner_renames_a_conversation_where_its_title_stands_and_all_see_it(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.host(open_page(server.url), "Ada", "Lunch")
    room = ada.conversation_id
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    bob.expect_live()
    rename = bob.page.get_by_role("button", name="Rename this conversation")
    expect(rename).to_have_count(0)  # it is not his
    page = ada.page
    page.get_by_role("button", name="Rename this conversation").click()
    field = page.get_by_label("Title", exact=True)
    expect(field).to_be_focused()
    field.fill("Supper")
    field.press("Escape")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lunch")
    page.get_by_role("button", name="Rename this conversation").press("Enter")
    field.fill("Supper")
    field.press("Enter")
    for who in (ada, bob):
        expect(who.page.get_by_role("heading", level=1)).to_have_text("Supper")
        expect(who.line("Supper")).to_be_visible()
        expect(who.page).to_have_title(re.compile("Supper"))
    expect(ada.log).to_contain_text("You renamed this to Supper")
    expect(bob.log).to_contain_text("This is called Supper now")
    bob.page.reload()
    expect(bob.page.get_by_role("heading", level=1)).to_have_text("Supper")
