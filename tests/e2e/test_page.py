"""The chat page in a real browser, with a real server that is killed or out of reach: nothing is lost, nothing said twice."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]


def two_in_a_room(server: ServerProcess, open_page: OpenPage) -> tuple[Visitor, Visitor, str]:
    """Ada has begun a conversation, Bob has come in by its address."""
    ada = Visitor.guest(open_page(server.url), "Ada")
    room = ada.begin("Lunch")
    bob = Visitor.guest(open_page(server.url), "Bob", f"/c/{room}")
    for each in (ada, bob):
        each.expect_live()
    return ada, bob, room


def test_two_people_in_two_browsers(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    server = start_server(LIMITS__PRESENCE_GRACE="0.2")
    ada, bob, room = two_in_a_room(server, open_page)
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


def test_leaving_and_coming_back_by_the_address(server: ServerProcess, open_page: OpenPage) -> None:
    ada, bob, room = two_in_a_room(server, open_page)
    bob.page.get_by_role("button", name="Leave this conversation").click()
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
        if each.page.get_by_role("button", name="Try now").is_visible():
            each.page.get_by_role("button", name="Try now").click()
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
    ada.page.context.set_offline(True)
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
    ada = Visitor.guest(page, "Ada")
    room = ada.begin("Lunch")
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
    ada = Visitor.guest(page, "Ada")
    room = ada.begin("Lunch")
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


def test_whoever_lost_their_storage_is_restored_and_whoever_lost_all_finds_a_way_back(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    page.goto("/")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Continue as Ada").click()
    code = page.get_by_role("textbox", name="Recovery code").input_value()
    page.get_by_role("button", name="I have kept it").click()
    ada = Visitor(page, "Ada")
    ada.begin("Lunch")
    ada.say("kept")
    ada.expect_last(2)
    # The storage alone: the cookie knows her.
    ada.forget_storage()
    ada.expect_live()
    ada.expect_said("kept")
    # The cookie alone: what the browser remembers is shown, and how to come back.
    page.context.clear_cookies()
    page.reload()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    expect(page.get_by_text("knew you as Ada")).to_be_visible()
    # Both.
    ada.forget_storage()
    expect(page.get_by_role("heading", name="You are expected")).to_be_visible()
    page.get_by_role("button", name="Come back with a recovery code").click()
    page.get_by_label("Recovery code").fill("0000-0000")
    page.get_by_role("button", name="Come back").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Recovery code").fill(code.lower().replace("-", " "))
    page.get_by_role("button", name="Come back").click()
    ada.expect_live()
    ada.expect_said("kept")
    expect(ada.line("Lunch")).to_be_visible()


def test_a_session_that_ends_meanwhile_asks_friendly_and_loses_no_draft(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    ada = Visitor.holder(page, "test_token_1", "Ada")
    ada.begin("Dinner")
    ada.field.fill("half a tho")
    page.context.clear_cookies()
    page.evaluate("dispatchEvent(new Event('online'))")  # the page looks whether all is well
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    expect(page.get_by_text("knew you as Ada")).to_be_visible()
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Token").fill("test_token_1")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(ada.field).to_have_value("half a tho")


def test_signing_out_in_one_tab_ends_all_and_leaves_nothing_behind(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    ada = Visitor.guest(page, "Ada")
    ada.begin("Lunch")
    ada.say("between us")
    ada.expect_last(2)
    ada.field.fill("half a tho")
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Sign out").click()
    other.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Come in")).to_be_visible()
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    expect(page.get_by_text("between us")).to_have_count(0)
    for tab in (page, other):
        tab.reload()
        expect(tab.get_by_label("Your name")).to_be_visible()
    kept = page.evaluate("Object.values({ ...localStorage, ...sessionStorage }).join()")
    assert "between us" not in kept
    assert "half a tho" not in kept


def test_a_message_that_is_refused_says_why_and_can_be_sent_again(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada = Visitor.guest(open_page(server.url), "Ada")
    room = ada.begin("Lunch")
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


def test_an_observer_is_told_that_they_may_listen(
    server: ServerProcess, open_page: OpenPage
) -> None:
    cleo = Visitor.holder(open_page(server.url), "test_token_3", "Cleo")
    listener = {"user_id": "test_user_4", "name": "Dan", "role": "observer"}
    created = cleo.page.context.request.post(
        "/chat/create", data={"title": "Lecture", "participants": [listener]}
    )
    room = created.json()["conversation_id"]
    dan = Visitor.holder(open_page(server.url), "test_token_4", "Dan", f"/c/{room}")
    expect(dan.page.get_by_text("You are here to listen")).to_be_visible()
    expect(dan.field).to_have_count(0)


def test_where_guests_are_not_let_in_the_page_asks_for_a_token(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    page = open_page(start_server(AUTH__GUESTS="false").url)
    page.goto("/")
    expect(page.get_by_label("Token")).to_be_visible()
    expect(page.get_by_role("button", name="Come in as a guest")).to_have_count(0)
    page.get_by_label("Token").fill("test_token_1")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("navigation", name="Conversations")).to_contain_text("Ada")


def test_nobody_answers_and_the_page_says_when_it_tries_again(
    own_server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(own_server.url)
    page.route("**/auth/me", lambda route: route.abort())
    page.goto("/")
    expect(page.get_by_role("heading", name="Nobody answers")).to_be_visible()
    page.unroute_all()
    page.get_by_role("button", name="Try now").click()
    expect(page.get_by_label("Your name")).to_be_visible()


def test_a_hidden_page_notifies_whoever_asked_for_it(
    server: ServerProcess, open_page: OpenPage
) -> None:
    ada, bob, _ = two_in_a_room(server, open_page)
    ada.page.context.grant_permissions(["notifications"])
    ada.page.evaluate(
        """() => {
          globalThis.notified = [];
          globalThis.Notification = class extends EventTarget {
            static permission = "granted";
            static requestPermission = async () => "granted";
            constructor(title, options) { super(); notified.push([title, options.body]); }
          };
          localStorage.setItem("salon.page.quiet", "1");
        }"""
    )
    bell = ada.page.get_by_role("button", name=re.compile("otif"))
    bell.click()
    expect(bell).to_have_attribute("aria-pressed", "true")
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
