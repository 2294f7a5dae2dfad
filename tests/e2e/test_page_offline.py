"""The chat page where the server cannot be reached: it opens all the same, with what this browser has kept."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Error, Page, Response, expect

from tests.browser import new_page, whole_browser
from tests.server import ServerProcess
from tests.visitor import Visitor

ROOT = Path(__file__).parents[2]
OpenPage = Callable[..., Page]

KEPT = """async () => {
  const kept = {};
  for (const name of await caches.keys()) {
    const requests = await (await caches.open(name)).keys();
    kept[name] = requests.map(({ url }) => new URL(url).pathname);
  }
  return kept;
}"""
UNREACHABLE = """(paths) => Promise.all(
  paths.map((path) => fetch(path).then(() => "answered", () => "unreachable")))"""


@pytest.fixture
def visit(own_server: ServerProcess, open_page: OpenPage) -> Callable[..., Visitor]:
    """Comes in as a guest, whose browser may keep the page, and waits until it has."""

    def come(name: str, path: str = "/") -> Visitor:
        page = open_page(own_server.url, service_workers="allow")
        visitor = Visitor.guest(page, name, path)
        wait_kept(page)
        return visitor

    return come


@pytest.fixture(scope="module")
def next_version(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Python finds this salon with a page that was built from other sources."""
    place = tmp_path_factory.mktemp("next")
    sources = place / "page"
    shutil.copytree(ROOT / "web/page", sources)
    words = sources / "chat/app.tsx"
    text = words.read_text()
    assert "Pick up where you were" in text
    words.write_text(text.replace("Pick up where you were", "The next version"))
    web = Path(importlib.import_module("salon.web").__file__ or "").parent
    for package in web.parent.iterdir():
        shutil.copytree(package, place / "salon" / package.name)
    built = place / "salon/web/static/page"
    shutil.rmtree(built)
    subprocess.run([sys.executable, sources / "build.py", built], check=True)
    return place


def wait_kept(page: Page) -> None:
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")


def kept(page: Page) -> dict[str, list[str]]:
    """What the browser has kept for the page: paths by cache."""
    by_cache: dict[str, list[str]] = page.evaluate(KEPT)
    return by_cache


def wait_caches(page: Page, condition: str, before: str = "") -> None:
    """Until this is so of the caches' `names`."""
    page.evaluate(
        f"""async (before) => {{
          const pause = () => new Promise((done) => setTimeout(done, 20));
          for (let names = await caches.keys(); !({condition}); names = await caches.keys()) await pause();
        }}""",
        before,
    )


def reload(page: Page) -> Response:
    response = page.reload()
    assert response is not None
    return response


def expect_unreachable(page: Page, path: str) -> None:
    """In a tab of its own, since Chromium's error page goes on trying."""
    tab = page.context.new_page()
    with pytest.raises(Error, match="ERR_CONNECTION_REFUSED"):
        tab.goto(path)
    tab.close()


def test_a_reload_without_the_server_shows_what_was_kept_and_what_is_written_then_arrives_once(
    own_server: ServerProcess, visit: Callable[..., Visitor]
) -> None:
    ada = visit("Ada")
    ada.begin("Dinner")
    room = ada.begin("Lunch")
    bob = visit("Bob", f"/c/{room}")
    bob.say("before")
    ada.expect_said("before")
    ada.say("seen by both")
    ada.expect_settled()
    ada.field.fill("half a tho")
    own_server.kill()
    for each in (ada, bob):
        assert reload(each.page).from_service_worker
        expect(each.status).to_contain_text("Offline")
        each.expect_said("before", "seen by both")
    expect(ada.status).to_contain_text(re.compile(r"next try in \d+ s|trying"))
    expect(ada.field).to_have_value("half a tho")
    expect(
        ada.page.get_by_role("button", name="People", exact=True)
    ).to_be_visible()  # not how many
    expect(ada.line("Dinner")).to_be_visible()
    # What was never kept, or had to make room, is not said to be on its way.
    ada.page.evaluate(
        "Object.keys(localStorage).forEach((key) => key.includes('.room.') && localStorage.removeItem(key))"
    )
    ada.line("Dinner").click()
    expect(ada.page.get_by_role("heading", name="Dinner", level=1)).to_be_visible()
    expect(ada.page.get_by_text("has kept nothing of this conversation")).to_be_visible()
    ada.page.go_back()
    texts = [f"meanwhile {number}" for number in range(3)]
    ada.say(*texts)
    assert reload(ada.page).from_service_worker
    ada.expect_said(*texts)
    expect(ada.log.locator(".receipt.waiting")).to_have_count(3)
    own_server.start()
    for each in (ada, bob):
        each.page.evaluate("dispatchEvent(new Event('online'))")  # at once, not in its own time
        each.expect_live()
        each.expect_said(*texts)
        each.expect_settled()
    assert ada.stored(room) == bob.everything() == ["before", "seen by both", *texts]


def test_what_was_written_offline_is_sent_though_its_conversation_is_not_opened_again(
    own_server: ServerProcess, visit: Callable[..., Visitor]
) -> None:
    ada = visit("Ada")
    room = ada.begin("The oldest")
    for number in range(5):  # more than a page listens to
        ada.begin(f"Number {number}")
    ada.line("The oldest").click()
    ada.expect_live()
    own_server.kill()
    expect(ada.status).to_contain_text("Offline")
    ada.say("Better late")
    page = ada.page.context.new_page()
    ada.page.close()
    own_server.start()
    page.goto(own_server.url)
    later = Visitor(page, "Ada")
    expect(later.line("The oldest")).to_contain_text("Better late")
    assert later.stored(room) == ["Better late"]


def test_a_new_version_is_there_at_the_next_visit_and_replaces_what_was_kept(
    own_server: ServerProcess, visit: Callable[..., Visitor], next_version: Path
) -> None:
    ada = visit("Ada")
    ada.begin("Lunch")
    page = ada.page
    [before] = kept(page)
    page.goto("/")
    expect(page.get_by_role("heading", name="Pick up where you were")).to_be_visible()
    own_server.kill()
    own_server.under = ("env", f"PYTHONPATH={next_version}")
    own_server.start()
    reload(page)
    expect(page.get_by_role("heading", name="The next version")).to_be_visible()
    wait_caches(page, "names.length === 1 && names[0] !== before", before)
    own_server.kill()
    assert reload(page).from_service_worker
    expect(page.get_by_role("heading", name="The next version")).to_be_visible()
    expect(ada.line("Lunch")).to_be_visible()


def test_nothing_is_kept_but_the_pages_own_files_and_nothing_else_is_answered_from_there(
    own_server: ServerProcess, visit: Callable[..., Visitor]
) -> None:
    ada = visit("Ada")
    room = ada.begin("Lunch")
    ada.say("between us")
    ada.expect_settled()
    page = ada.page
    others = ("/admin", "/docs", "/salon.js", "/auth/me", "/chat/my-conversations")
    for path in others:
        page.goto(path)
    page.goto(f"/c/{room}")  # from here on the worker stands between
    with page.expect_response(re.compile("/chat/my-conversations")) as answer:
        reload(page)
    assert not answer.value.from_service_worker
    [(_, addresses)] = kept(page).items()
    assert "/" in addresses
    chat = re.compile(r"/|/assets/(chat|icon|atkinson|newsreader)-[\w-]+\.(js|css|svg|woff2)")
    assert [each for each in addresses if not chat.fullmatch(each)] == []
    own_server.kill()
    assert page.evaluate(UNREACHABLE, list(others)) == ["unreachable"] * len(others)
    for path in (*others, "/c", f"/c/{room}/more"):
        expect_unreachable(page, path)


def test_a_server_that_does_not_answer_holds_nobody_up(
    own_server: ServerProcess, visit: Callable[..., Visitor]
) -> None:
    ada = visit("Ada")
    ada.begin("Lunch")
    ada.say("before")
    ada.expect_settled()
    os.kill(own_server.pid, signal.SIGSTOP)
    try:
        reload(ada.page)
        ada.expect_said("before")
        expect(ada.status).to_contain_text(re.compile("Connecting|Offline"))
        ada.say("meanwhile")
        ada.expect_said("meanwhile")
    finally:
        os.kill(own_server.pid, signal.SIGCONT)
    ada.expect_live()
    ada.expect_settled()


@whole_browser
def test_where_only_a_worker_may_notify_it_does_and_leads_to_the_conversation(
    own_server: ServerProcess, visit: Callable[..., Visitor]
) -> None:
    ada = visit("Ada")
    room = ada.begin("Lunch")
    bob = visit("Bob", f"/c/{room}")
    page = ada.page
    page.context.grant_permissions(["notifications"])
    page.evaluate(
        """() => {
          globalThis.Notification = class {
            static permission = "granted";
            static requestPermission = async () => "granted";
            constructor() { throw new TypeError("Illegal constructor."); }
          };
          localStorage.setItem("salon.page.quiet", "1");
          // Chromium forgets one that is asked for while it is on its way to be shown.
          const show = ServiceWorkerRegistration.prototype.showNotification;
          ServiceWorkerRegistration.prototype.showNotification = async function (...words) {
            await show.apply(this, words);
            globalThis.shown = true;
          };
        }"""
    )
    bell = page.get_by_role("button", name=re.compile("otif"))
    bell.click()
    expect(bell).to_have_attribute("aria-pressed", "true")
    ada.begin("Elsewhere")
    page.evaluate("Object.defineProperty(document, 'hidden', { get: () => true })")
    bob.say("out of sight")
    # A function: an expression is compiled at each look, which the page's policy forbids.
    page.wait_for_function("() => globalThis.shown")
    shown = """async () => {
      const registration = await navigator.serviceWorker.ready;
      return (await registration.getNotifications()).map(({ title, body }) => [title, body]);
    }"""
    assert page.evaluate(shown) == [["Bob in Lunch", "out of sight"]]
    [worker] = page.context.service_workers
    worker.evaluate(
        """async () => {
          const [notification] = await self.registration.getNotifications();
          dispatchEvent(new NotificationEvent("notificationclick", { notification }));
        }"""
    )
    expect(page.get_by_role("heading", name="Lunch", level=1)).to_be_visible()
    assert page.evaluate("navigator.serviceWorker.ready.then((it) => it.getNotifications())") == []


def test_a_server_can_take_back_what_browsers_have_kept(
    own_server: ServerProcess, visit: Callable[..., Visitor]
) -> None:
    page = visit("Ada").page
    own_server.kill()
    own_server.under = ("env", "SALON_SERVER__OFFLINE_PAGE=false")
    own_server.start()
    reload(page)
    wait_caches(page, "names.length === 0")
    assert (
        page.evaluate("navigator.serviceWorker.getRegistrations().then((all) => all.length)") == 0
    )
    own_server.kill()
    expect_unreachable(page, "/")


def test_the_policy_lets_no_other_worker_in(server: ServerProcess, browser: Browser) -> None:
    page = new_page(browser, server.url, service_workers="allow")
    page.goto("/")
    wait_kept(page)
    for attempt in (
        "navigator.serviceWorker.register('/salon.js')",
        "navigator.serviceWorker.register('/worker.js')",
        "(async () => trustedTypes.createPolicy('salon', {}))()",
        "(async () => new Worker('/worker.js'))()",
    ):
        assert (
            page.evaluate(f"{attempt}.then(() => 'let in', (error) => error.name)") == "TypeError"
        )
    page.context.close()
