"""Signing in with a provider in a real browser: there and back, into the conversation one came for, and where it fails."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme
from playwright.sync_api import Locator, Page, expect

from tests.accessibility import grave_faults
from tests.browser import picture
from tests.hostile_provider import CLIENT_ID, HostileProviders
from tests.openid import ProviderProcess, client
from tests.server import ServerProcess
from tests.visitor import Visitor

OpenPage = Callable[..., Page]

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderProcess]:
    running = ProviderProcess(client("house"), client("office"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def salon(
    provider: ProviderProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    providers = {
        "house": provider.settings("house", label="The House", admins=["boss"]),
        "office": provider.settings("office", domains=["example.com"]),
    }
    folder = tmp_path_factory.mktemp("salon")
    server = ServerProcess(folder, AUTH__PROVIDERS=json.dumps(providers))
    yield server
    assert server.stop() == 0, server.log


def link(page: Page, label: str) -> Locator:
    return page.get_by_role("link", name=f"Continue with {label}")


def log_in(page: Page, login: str) -> None:
    """By the provider's own forms."""
    page.route("**/fonts.googleapis.com/**", lambda route: route.abort())  # it would like a font
    page.get_by_placeholder("Enter any login").fill(login)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    agree(page)


def agree(page: Page) -> None:
    """The provider knows who this is, and asks whether they mean it."""
    page.get_by_role("button", name="Continue").click()


def test_somebody_signs_in_and_is_in_the_conversation_they_came_for_and_the_same_person_next_time(
    salon: ServerProcess, provider: ProviderProcess, open_page: OpenPage
) -> None:
    provider.call("ada", "Ada Lovelace")
    bob = Visitor.holder(open_page(salon.url), "test_token_2", "Bob")
    room = bob.begin("The engine")
    bob.say("Are you there?")
    page = open_page(salon.url, service_workers="allow")
    page.goto(f"/c/{room}")
    expect(page.get_by_role("heading", name="You are expected")).to_be_visible()
    # A browser that keeps the page asks for what belongs to signing in once, as any other does.
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    link(page, "The House").click()
    log_in(page, "ada")
    ada = Visitor(page, "Ada Lovelace")
    ada.expect_live()
    ada.expect_said("Are you there?")
    ada.say("I am")
    bob.expect_said("I am")
    expect(page).to_have_url(f"{salon.url}/c/{room}")
    # The session is lost, and the way she came is offered.
    page.context.clear_cookies(name="salon_session")
    page.reload()
    expect(page.get_by_role("heading", name="Welcome back")).to_be_visible()
    expect(page.get_by_text("knew you as Ada Lovelace")).to_be_visible()
    link(page, "The House").click()
    agree(page)
    ada.expect_live()
    ada.expect_said("I am")
    # She signs out; the provider still knows her, and she is who she was.
    page.goto("/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    link(page, "The House").click()
    agree(page)
    expect(ada.line("The engine")).to_be_visible()
    me = page.context.request.get(f"{salon.url}/auth/me").json()
    assert me == {"id": "house:ada", "name": "Ada Lovelace", "admin": False}


def test_a_sign_in_that_fails_is_told_in_words_and_another_way_still_leads_in(
    salon: ServerProcess, open_page: OpenPage
) -> None:
    room = Visitor.holder(open_page(salon.url), "test_token_3", "Cleo").begin("Lunch")
    page = open_page(salon.url)
    page.goto(f"/c/{room}")
    link(page, "The House").click()
    page.route("**/fonts.googleapis.com/**", lambda route: route.abort())
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("alert")).to_contain_text("You called the sign-in off")
    expect(page).to_have_url(f"{salon.url}/c/{room}")
    link(page, "Office").click()
    log_in(page, "dan")
    expect(page.get_by_role("alert")).to_contain_text("Your account may not come in here")
    expect(page.get_by_role("alert").locator("code")).to_have_text(re.compile(r"^[\w-]{22}$"))
    expect(page).to_have_url(f"{salon.url}/c/{room}")
    assert grave_faults(page) == []
    page.get_by_role("button", name="Come in as a guest").click()
    page.get_by_label("Your name").fill("Dan")
    page.get_by_role("button", name="Continue as Dan").click()
    expect(page.get_by_role("heading", name="Lunch", level=1)).to_be_visible()
    expect(page.get_by_text("Your account may not come in here")).to_have_count(0)


def test_a_guest_is_asked_once_to_keep_their_conversations_and_may_do_so_at_any_time(
    salon: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(salon.url)
    gus = Visitor.known(page, "Gus")
    hint = page.get_by_role("region", name="You are a guest")
    gus.begin("Tea")
    gus.say("mine")
    expect(hint).to_have_count(0)
    gus.begin("Cake")
    expect(hint).to_be_visible()
    assert grave_faults(page) == []
    hint.get_by_role("button", name="Not now").click()
    page.reload()
    expect(gus.line("Tea")).to_be_visible()
    beside = page.get_by_role("button", name="Sign in", exact=True)
    expect(beside).to_be_visible()
    expect(hint).to_have_count(0)
    beside.click()
    link(page, "The House").click()
    log_in(page, "gus")
    expect(gus.line("Cake")).to_be_visible()
    assert page.context.request.get("/auth/me").json()["account"]
    expect(beside).to_have_count(0)


def test_whoever_goes_back_to_the_way_in_after_they_have_come_in_is_in(
    salon: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(salon.url)
    page.goto("/")
    expect(link(page, "The House")).to_be_visible()
    page.context.request.post("/auth/guest", data={"name": "Dan"})
    # As a browser says it that has kept the page whole.
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    expect(page.get_by_role("navigation", name="Conversations")).to_contain_text("Dan")


def test_where_a_provider_is_down_the_others_go_on_and_it_is_told_in_words(
    provider: ProviderProcess, start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    own = ProviderProcess(client("office"))
    providers = {"office": own.settings("office"), "house": provider.settings("house")}
    own.stop()
    salon = start_server(AUTH__PROVIDERS=json.dumps(providers), AUTH__GUESTS="false")
    page = open_page(salon.url)
    page.goto("/")
    link(page, "Office").click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer as it should")
    expect(page).to_have_url(f"{salon.url}/")
    link(page, "House").click()
    log_in(page, "eve")
    expect(page.get_by_role("navigation", name="Conversations")).to_contain_text("eve")


def test_an_operator_signs_in_to_the_console_and_comes_to_the_place_they_wanted(
    salon: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(salon.url, **DESK)
    page.goto("/admin#/connections")
    expect(page.get_by_label("Operator's token")).to_be_visible()
    assert grave_faults(page) == []
    link(page, "The House").click()
    log_in(page, "boss")
    expect(page.get_by_role("heading", name="Connections", level=1)).to_be_visible()
    expect(page).to_have_url(f"{salon.url}/admin#/connections")
    # Somebody else is told that they are none, and may be somebody who is.
    other = open_page(salon.url)
    other.goto("/admin")
    link(other, "The House").click()
    log_in(other, "ada")
    expect(other.get_by_text("no operator of this server")).to_be_visible()
    expect(link(other, "The House")).to_be_visible()


def test_over_https_nobody_else_can_have_put_the_cookies_there(
    start_server: Callable[..., ServerProcess], open_page: OpenPage, tmp_path: Path
) -> None:
    pair = trustme.CA().issue_cert("127.0.0.1")
    pair.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    hostile = HostileProviders()
    liar = hostile.new("liar")
    one = {"liar": {"issuer": liar.issuer, "client_id": CLIENT_ID}}
    salon = start_server(
        AUTH__PROVIDERS=json.dumps(one),
        SERVER__TLS_CERTIFICATE=str(tmp_path / "both.pem"),
        SERVER__TLS_KEY=str(tmp_path / "both.pem"),
    )
    page = open_page(salon.url, ignore_https_errors=True)
    page.goto("/")
    taken: list[str] = []
    page.on("request", lambda request: taken.append(request.all_headers().get("cookie", "")))
    link(page, "Liar").click()
    expect(page.get_by_role("navigation", name="Conversations")).to_contain_text("Ada")
    hostile.stop()
    assert any("__Host-salon_sign_in_" in each for each in taken), "the browser took and sent it"
    [session] = page.context.cookies()
    assert session["name"] == "__Host-salon_session"
    assert (session["secure"], session["httpOnly"], session["sameSite"]) == (True, True, "Lax")


def test_without_a_provider_there_is_no_link_to_one(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    for path in ("/", "/admin"):
        page.goto(path)
        expect(page.get_by_label(re.compile("Your name|Operator's token"))).to_be_visible()
        expect(page.get_by_role("link", name="Continue with")).to_have_count(0)


def test_the_way_in_looks_right_everywhere_and_goes_by_keyboard(
    salon: ServerProcess, open_page: OpenPage
) -> None:
    for options in (PHONE, DESK):
        page = open_page(salon.url, **options)
        page.goto("/")
        expect(link(page, "The House")).to_be_visible()
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
            assert grave_faults(page) == []
        if options is PHONE:
            picture(page, "sign-in-phone-dark")
    for name in ("The House", "Office"):
        page.keyboard.press("Tab")
        expect(link(page, name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_placeholder("Enter any login")).to_be_visible()
