"""Who sits at the chat page: found, lost and found again; and what it says where nobody answers or somebody may not."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, Route, expect

from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]


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
    room = ada.begin("Lunch")
    bob = Visitor.guest(open_page(server.url), "Bob", f"/c/{room}")
    bob.say("nobody else may know")
    expect(page.locator("p[aria-live]").filter(has_text="nobody else may know")).to_have_count(1)
    ada.say("between us", "and more\n" * 100)
    ada.expect_last(5)
    ada.field.fill("half a tho")
    ada.log.press("Home")
    expect(page.get_by_role("button", name="To the end")).to_be_visible()
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Sign out").click()
    other.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(other.get_by_role("heading", name="Come in")).to_be_visible()
    expect(page.get_by_role("heading", name="Your session has ended")).to_be_visible()
    for text in ("between us", "nobody else may know"):
        expect(page.get_by_text(text)).to_have_count(0)
    expect(page).to_have_title("salon")
    for tab in (page, other):
        tab.reload()
        expect(tab.get_by_label("Your name")).to_be_visible()
    assert page.evaluate("Object.entries({ ...localStorage, ...sessionStorage })") == []


def test_a_list_that_comes_after_signing_out_is_not_kept(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    ada = Visitor.guest(page, "Ada")
    ada.begin("Between us")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/chat/my-conversations*", hold)
    with page.expect_request("**/chat/my-conversations*"):
        page.evaluate("dispatchEvent(new Event('online'))")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Come in")).to_be_visible()
    line = {"conversation_id": "x", "title": "Between us", "unread_count": 0}
    with page.expect_response("**/chat/my-conversations*"):
        held[0].fulfill(json={"conversations": [line], "total": 1})
    page.evaluate("new Promise((done) => setTimeout(done))")  # the answer has been read
    assert "Between us" not in page.evaluate("Object.values({ ...localStorage }).join()")


def test_nobody_writes_before_they_are_in(server: ServerProcess, open_page: OpenPage) -> None:
    room = Visitor.guest(open_page(server.url), "Ada").begin("Lunch")
    page = open_page(server.url)
    # The refusal of somebody who is not in yet is kept back.
    page.route("**/messages?limit=1", lambda _: None)
    page.goto(f"/c/{room}")
    page.get_by_label("Your name").fill("Bob")
    with page.expect_request("**/messages?limit=1"):
        page.get_by_role("button", name="Continue as Bob").click()
    bob = Visitor(page, "Bob")
    expect(page.get_by_role("main")).to_be_visible()
    expect(bob.field).to_have_count(0)
    page.unroute_all()
    page.get_by_role("button", name="I have kept it").click()
    bob.say("Hello!")
    bob.expect_settled()
    assert bob.stored(room) == ["Hello!"]


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
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    page.add_init_script("""
      const ask = globalThis.fetch;
      globalThis.fetch = (...words) => globalThis.answers ? ask(...words) : Promise.reject(new TypeError("nobody"));
    """)
    page.goto("/")
    expect(page.get_by_role("heading", name="Nobody answers")).to_be_visible()
    # At once, since the page tries by itself, too, and the button is gone once somebody has answered.
    page.get_by_role("button", name="Try now").evaluate(
        "(button) => { globalThis.answers = true; button.click(); }"
    )
    expect(page.get_by_label("Your name")).to_be_visible()
