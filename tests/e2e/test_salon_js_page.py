"""salon.js in Chromium, in a page of somebody else: reloads, tabs, the network coming and going."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.host_page import hosted
from tests.server import ServerProcess

README = Path(__file__).parents[2] / "README.md"

# A page that knows who it is and which conversation it shows; what it was told stays on `window`.
PAGE = """<!doctype html>
<title>Somebody's page</title>
<script type="module">
  import { Salon } from "./salon.js";
  const { url, token, id } = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const salon = new Salon({ url, token });
  window.told = { events: [], states: [] };
  window.tea = salon.open(id);
  tea.on("event", (event) => told.events.push(event));
  tea.on("state", (state) => told.states.push(state));
</script>
"""
CONTENTS = 'told.events.filter((it) => it.type === "message").map((it) => it.message.content)'
SENT = [f"message {number}" for number in range(10)]


@dataclass(frozen=True)
class Site:
    """A site whose pages show one conversation of a salon server."""

    address: str
    server: ServerProcess
    path: str

    def visit(self, page: Page) -> Page:
        """Open it in this page, until it is live."""
        page.goto(self.path)
        wait_live(page)
        return page


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ServerProcess]]:
    """The site's address, and the server, which each test leaves running."""
    folder = tmp_path_factory.mktemp("site")
    with hosted(folder) as address:
        origins = json.dumps([address])
        server = ServerProcess(tmp_path_factory.mktemp("salon"), SERVER__ALLOWED_ORIGINS=origins)
        (folder / "page.html").write_text(PAGE)
        (folder / "salon.js").write_text(httpx2.get(f"{server.url}/salon.js").text)
        example = re.search(r"```html\n(.*?)```", README.read_text(), re.DOTALL)
        assert example is not None
        there = example[1].replace("http://127.0.0.1:8000", server.url)
        (folder / "readme.html").write_text(f"<!doctype html><body>{there}")
        yield address, server
        server.stop()


@pytest.fixture
def site(sites: tuple[str, ServerProcess]) -> Site:
    address, server = sites
    bearer = {"Authorization": "Bearer test_token_1"}
    created = httpx2.post(f"{server.url}/chat/create", json={"title": "Tea"}, headers=bearer)
    what = {"url": server.url, "token": "test_token_1", "id": created.json()["conversation_id"]}
    return Site(address, server, f"{address}/page.html#{json.dumps(what)}")


@pytest.fixture
def tabs(browser: object, site: Site) -> Iterator[BrowserContext]:
    """One person's browser, with any number of tabs."""
    from tests.browser import new_page

    page = new_page(browser, site.address)  # type: ignore[arg-type]
    yield page.context
    page.context.close()


def wait_live(page: Page) -> None:
    page.wait_for_function("window.tea?.state.status === 'live'")


def wait_said(page: Page, texts: list[str]) -> None:
    """Until these were told; then they are all, once and in order."""
    page.wait_for_function(f"{CONTENTS}.length >= {len(texts)}")
    page.wait_for_function("tea.outbox.length === 0")
    assert page.evaluate(CONTENTS) == texts


def test_the_readmes_page_shows_what_it_said(site: Site, open_page: Callable[..., Page]) -> None:
    page = open_page(site.address)
    page.goto("/readme.html")
    expect(page.locator("body")).to_contain_text("Ada: Hello")
    expect(page).to_have_title("Tea: live")


def test_what_was_written_without_a_server_survives_a_reload_and_arrives_once_and_in_order(
    site: Site, tabs: BrowserContext
) -> None:
    page = site.visit(tabs.pages[0])
    site.server.kill()
    page.evaluate("(texts) => texts.forEach((text) => tea.send(text))", SENT)
    page.wait_for_function("tea.state.status === 'offline'")
    page.reload()
    page.wait_for_function("window.tea?.outbox.length === 10")
    assert page.evaluate("tea.outbox.map((it) => it.state)") == ["waiting"] * 10
    site.server.start()
    wait_live(page)
    wait_said(page, SENT)
    assert page.evaluate("Object.keys(localStorage).filter((it) => it.includes('outbox'))") == []


def test_a_tab_sends_what_another_has_left_but_not_what_it_still_has(
    site: Site, tabs: BrowserContext
) -> None:
    first, second = site.visit(tabs.pages[0]), site.visit(tabs.new_page())
    site.server.kill()
    first.evaluate("(texts) => texts.forEach((text) => tea.send(text))", SENT)
    second.wait_for_function(
        "Object.keys(localStorage).filter((it) => it.includes('outbox')).length === 10"
    )
    third = tabs.new_page()
    third.goto(site.path)
    third.wait_for_function("window.tea !== undefined")
    assert [each.evaluate("tea.outbox.length") for each in (second, third)] == [0, 0]
    first.close()
    site.server.start()
    for page in (second, third):
        wait_live(page)
        wait_said(page, SENT)


def test_the_network_or_the_reader_coming_back_is_a_reason_to_try_at_once(
    site: Site, tabs: BrowserContext
) -> None:
    page = site.visit(tabs.pages[0])
    page.evaluate("Math.random = () => 1")
    site.server.kill()
    for event in ("new Event('online')", "new Event('pageshow')"):
        page.wait_for_function("tea.state.status === 'offline'")
        waking = f"(dispatchEvent({event}), tea.state.status)"
        assert page.evaluate(waking) == "connecting"
    page.wait_for_function("tea.state.status === 'offline'")
    assert (
        page.evaluate("(document.dispatchEvent(new Event('visibilitychange')), tea.state.status)")
        == "connecting"
    )
    page.wait_for_function("tea.state.status === 'offline' && tea.state.retryAt > Date.now()")
    site.server.start()
    page.evaluate("tea.reconnect()")
    wait_live(page)


def test_a_connection_that_has_died_unseen_is_found_when_the_network_changes(
    site: Site, tabs: BrowserContext
) -> None:
    page = site.visit(tabs.pages[0])
    site.server.process.send_signal(
        signal.SIGSTOP
    )  # SIGSTOP: it takes everything and answers nothing
    page.evaluate("dispatchEvent(new Event('offline'))")
    page.wait_for_function("tea.state.status !== 'live'")
    page.evaluate("(texts) => texts.forEach((text) => tea.send(text))", SENT)
    site.server.process.send_signal(signal.SIGCONT)
    wait_live(page)
    wait_said(page, SENT)
