"""The console in a real browser, at a real server with real people in it: it shows what is so, and does what it says."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio
from playwright.sync_api import expect

from salon.web.client import Client
from tests.accessibility import grave_faults
from tests.console import ADA, ADMIN, OpenPage, Talker, ask, begin, console, fact
from tests.patience import PATIENCE
from tests.server import ServerProcess

CROWD = 10_000
DRAWN = 1500  # elements at most, however long the list: a screen of rows and the frame around it
# Notes how long the page was busy at a stretch, from 50 ms on.
LONG_TASKS = """
globalThis.longTasks = [];
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map(({ duration }) => duration)))
  .observe({ type: "longtask", buffered: true });
"""


# --- who may --------------------------------------------------------------------------------------------------------------


def test_an_operator_comes_in_with_a_token_and_stays_over_a_reload(
    server: ServerProcess, open_page: OpenPage
) -> None:
    page = open_page(server.url)
    page.goto("/admin")
    field = page.get_by_label("Operator's token")
    field.fill("nonsense")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    assert grave_faults(page) == []
    field.fill(ADMIN)
    field.press("Enter")
    expect(page.get_by_role("banner")).to_contain_text("Healthy")
    page.reload()
    expect(page.get_by_role("banner")).to_contain_text("Healthy")
    page.get_by_text("Admin", exact=True).click()
    page.get_by_role("button", name="Forget the token").click()
    expect(field).to_be_visible()
    page.reload()
    expect(field).to_be_visible()
    assert page.evaluate("sessionStorage.length + localStorage.length") == 0


def test_who_is_no_operator_is_told_so_kindly(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.context.add_cookies([{"name": "salon_session", "value": ADA, "url": server.url}])
    page.goto("/admin")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not for you, alas")
    expect(page.get_by_role("main")).to_contain_text("You are here as Ada")
    expect(page.get_by_role("link", name="where they were")).to_have_attribute("href", "/")
    assert grave_faults(page) == []
    assert page.locator(".facts").count() == 0


def test_an_operators_session_cookie_will_do(server: ServerProcess, open_page: OpenPage) -> None:
    page = open_page(server.url)
    page.context.add_cookies([{"name": "salon_session", "value": ADMIN, "url": server.url}])
    page.goto("/admin")
    expect(page.get_by_role("banner")).to_contain_text("Healthy")
    expect(fact(page, "Restarts of actors")).to_have_text("0")


# --- what it shows --------------------------------------------------------------------------------------------------------


def test_the_console_shows_what_the_server_says_under_traffic(
    own_server: ServerProcess, open_page: OpenPage
) -> None:
    title = "Планы <img src=x onerror=alert(1)>"
    conversation_id = begin(own_server, title, "test_user_2")
    begin(own_server, "Another")
    page = console(own_server, open_page)
    with Talker(own_server, conversation_id):
        expect(fact(page, "Connections")).to_have_text("1")
        expect(fact(page, "Conversations")).to_have_text("2")
        expect(fact(page, "Messages a second")).not_to_have_text(re.compile("^(–|0)$"))
        expect(page.locator(".chart")).to_have_count(10)
        drawn = page.locator(".chart", has_text="Messages").locator("path.line")
        expect(drawn).to_have_attribute("d", re.compile(r"L[\d.]+ [\d.]+L"))
        row = page.get_by_role("row", name="KEY_REUSED")
        expect(row).to_be_visible()
        assert grave_faults(page) == []

        page.get_by_role("link", name="Actors").click()
        actor = page.get_by_role("row", name=title)
        expect(actor).to_contain_text("0 / 1,000")
        actor.get_by_role("button", name="Show its connections").click()
        expect(page.get_by_role("row", name="connection of Ada")).to_be_visible()
        assert grave_faults(page) == []

        actor.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        expect(page.get_by_role("region", name="The last commands")).to_contain_text("stored as")
        page.get_by_role("button", name="Read the log").click()
        log = page.get_by_role("region", name="The log")
        expect(log).to_contain_text("of</b> mine")  # as text
        before = int(fact(page, "Head of the sequence").inner_text().replace(",", ""))
        expect(fact(page, "Head of the sequence")).not_to_have_text(f"{before:,}")
        assert grave_faults(page) == []

    # Now that it is quiet, page and API have to agree.
    expect(page.get_by_text("Nobody listens.")).to_be_visible()
    shown = ask(own_server, "GET", f"/admin/conversations/{conversation_id}")
    expect(fact(page, "Head of the sequence")).to_have_text(f"{shown['head_sequence_id']:,}")
    expect(fact(page, "Turns")).to_have_text(f"{shown['actor']['turns']:,}")
    expect(log.locator("li").last).to_contain_text(f"{shown['head_sequence_id']:,}")
    lines = page.get_by_role("region", name="The last commands").locator("tbody tr")
    envelopes = sum(len(trace["envelopes"]) for trace in shown["traces"])
    expect(lines).to_have_count(envelopes)

    # Why something was refused: from the recorder to the reason.
    page.get_by_role("region", name="The last commands").get_by_role(
        "link", name="KEY_REUSED"
    ).first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("KEY_REUSED")
    expect(page.get_by_role("region", name="Why")).to_contain_text("the key of an earlier message")
    assert grave_faults(page) == []


def test_why_a_mailbox_was_full_is_said_in_words(
    start_server: Callable[..., ServerProcess], open_page: OpenPage
) -> None:
    server = start_server(LIMITS__QUEUE_SIZE="2")
    conversation_id = begin(server, "Crowded")

    async def burst() -> str:
        async with Client(server.url, token=ADA).socket(conversation_id) as socket:
            await socket.send_json(*({"type": "message", "content": "x"} for _ in range(9)))
            with trio.fail_after(PATIENCE):
                while (frame := await socket.receive_json())["type"] != "error":
                    pass
            return str(frame["id"])

    refusal_id = trio.run(burst)
    page = console(server, open_page)
    search = page.get_by_role("combobox")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    search.fill(refusal_id)
    expect(page.get_by_role("option")).to_contain_text("QUEUE_FULL")
    search.press("Enter")
    why = page.get_by_role("region", name="Why")
    expect(why).to_contain_text("The conversation's mailbox was full: 2 of 2 commands were waiting")
    page.get_by_role("link", name=conversation_id).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Crowded")
    assert page.locator(".people a.mono").first.inner_text() == "QUEUE_FULL"


def test_anything_is_found_and_what_is_not_there_is_said(
    server: ServerProcess, open_page: OpenPage
) -> None:
    begin(server, "Annual Ørbital review")
    page = console(server, open_page, "#/conversation/nothing")
    expect(page.get_by_role("main")).to_contain_text("There is no such conversation.")
    search = page.get_by_role("combobox")
    search.fill("ørbital REV")
    expect(page.get_by_role("option")).to_have_count(1)
    search.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Annual Ørbital review")
    search.fill("no such thing")
    expect(page.get_by_role("option")).to_contain_text("Nothing in memory has this")


# --- what it does ---------------------------------------------------------------------------------------------------------


def test_a_conversation_is_passivated_after_a_second_question(
    server: ServerProcess, open_page: OpenPage
) -> None:
    conversation_id = begin(server, "To be passivated")
    page = console(server, open_page, f"#/conversation/{conversation_id}")
    button = page.get_by_role("button", name="Passivate…")
    dialog = page.get_by_role("dialog")

    button.click()
    expect(dialog.get_by_role("button", name="Cancel")).to_be_focused()
    assert grave_faults(page) == []
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    assert ask(server, "GET", f"/admin/conversations/{conversation_id}")["active"]

    with Talker(server, conversation_id):
        expect(page.get_by_role("region", name="Connections")).to_contain_text("Ada")
        button.click()
        dialog.get_by_role("button", name="Passivate").click()
        expect(page.get_by_role("alert")).to_have_text("It stays: 1 connection listens to it.")
    expect(page.get_by_text("Nobody listens.")).to_be_visible()
    button.click()
    dialog.get_by_role("button", name="Passivate").click()
    expect(fact(page, "Actor")).to_have_text("not in memory")
    expect(button).to_be_disabled()
    assert not ask(server, "GET", f"/admin/conversations/{conversation_id}")["active"]

    page.get_by_role("link", name="Audit").click()
    newest = page.get_by_role("row").nth(1)
    for text in ("admin", "Passivate", conversation_id, "done"):
        expect(newest).to_contain_text(text)
    assert f"operator admin: passivate {conversation_id}: done" in server.log
    assert grave_faults(page) == []


def test_a_connection_is_closed_after_a_second_question(
    server: ServerProcess, open_page: OpenPage
) -> None:
    conversation_id = begin(server, "To be disconnected")
    with Talker(server, conversation_id) as talker:
        connection_id = talker.connection_ids[0]
        page = console(server, open_page, f"#/connection/{connection_id}")
        row = page.get_by_role("row", name="Ada")
        expect(row).to_have_count(1)
        assert grave_faults(page) == []
        row.get_by_role("button", name="Disconnect…").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text(connection_id)
        assert talker.closed == []
        dialog.get_by_role("button", name="Disconnect").click()
        expect(page.get_by_text("No connection is like that.")).to_be_visible()
        page.get_by_role("searchbox").first.fill("")
        expect(page.get_by_role("row", name="Ada").first).to_be_visible()
        assert talker.closed == [4002]
    assert f"operator admin: disconnect {connection_id} of test_user_1: done" in server.log


def test_the_server_is_drained_after_its_name_is_typed_and_found_again_after_a_restart(
    own_server: ServerProcess, open_page: OpenPage
) -> None:
    page = console(own_server, open_page)
    page.get_by_text("Admin", exact=True).click()
    page.get_by_role("button", name="Drain the server…").click()
    dialog = page.get_by_role("dialog")
    drain = dialog.get_by_role("button", name="Drain and end it")
    expect(drain).to_be_disabled()
    dialog.get_by_label("Type drain to go on").fill("drain")
    assert grave_faults(page) == []
    drain.click()
    assert own_server.wait() == 0
    expect(page.get_by_role("banner")).to_contain_text("Offline, next try in")
    expect(page.locator(".old")).to_contain_text(
        "The line to the server is down. What you see is from"
    )
    assert "operator admin: drain the server" in own_server.log
    own_server.start()
    expect(page.get_by_role("banner")).to_contain_text("Healthy")
    expect(page.locator(".old")).to_have_count(0)
    expect(page.get_by_role("listitem")).to_have_count(0)  # nothing is in memory any more


# --- size -----------------------------------------------------------------------------------------------------------------


@contextmanager
def crowded(folder: Path) -> Iterator[ServerProcess]:
    """A server with ten thousand conversations in memory, in some of which somebody talks."""
    program = str(Path(__file__).parents[1] / "crowded.py")
    server = ServerProcess(
        folder, under=[sys.executable, program, str(CROWD)], LIMITS__IDLE_TIMEOUT="3600"
    )
    try:
        yield server
    finally:
        server.stop()


def test_ten_thousand_conversations_are_no_burden(
    tmp_path: Path, open_page: OpenPage, tell: Callable[[str], None]
) -> None:
    with crowded(tmp_path) as server:
        page = open_page(server.url)
        page.add_init_script(LONG_TASKS)
        page.goto("/admin#/actors")
        page.get_by_label("Operator's token").fill(ADMIN)
        page.get_by_role("button", name="Open the console").click()
        tree = page.get_by_role("treegrid")
        expect(page.get_by_text("10,000 conversations", exact=True)).to_be_visible()
        expect(tree).to_have_attribute("aria-rowcount", str(CROWD + 4))
        page.evaluate("longTasks.length = 0")

        # Sorted, filtered and paged by the server: the page only ever has what is in sight.
        tree.get_by_role("button", name="Actor").click()
        expect(tree.get_by_role("row", name="Conversation 0 ")).to_be_visible()
        tree.focus()
        page.keyboard.press("End")
        expect(tree.get_by_role("row", name="participants")).to_be_visible()
        expect(tree.get_by_role("row", name="Conversation 9999")).to_be_visible()
        for _ in range(10):
            page.keyboard.press("PageUp")
        page.keyboard.press("Home")
        expect(tree.get_by_role("row", name="directory")).to_be_visible()
        steps = 25
        for step in range(steps):
            tree.evaluate("(e, part) => (e.scrollTop = part * e.scrollHeight)", step / steps)
            page.wait_for_function("() => new Promise(requestAnimationFrame)")
        expect(tree.get_by_role("row", name=re.compile("Conversation 96"))).not_to_have_count(0)
        drawn = page.locator("*").count()
        assert drawn < DRAWN
        page.get_by_role("searchbox", name="A part of a title or an id").fill("N 777")
        expect(page.get_by_text("11 conversations match")).to_be_visible()
        expect(tree.get_by_role("row", name="Conversation 7777")).to_be_visible()
        page.get_by_role("searchbox", name="A part of a title or an id").fill("")
        tree.get_by_role("button", name="Turns").click()
        first = tree.get_by_role("row").nth(3)
        before = first.inner_text()
        expect(first).not_to_have_text(before)  # it lives on
        tasks = page.evaluate("longTasks")
        tell(
            f"console with {CROWD:,} conversations: {drawn} elements, {len(tasks)} tasks of 50 ms"
            f" and more in the page, the longest {max(tasks, default=0):.0f} ms"
        )
        cpu = server.cpu_seconds
        page.wait_for_timeout(1000)  # to be measured, nothing is awaited
        tell(f"the server then uses {server.cpu_seconds - cpu:.1%} of a core, one console open")


# --- everybody ------------------------------------------------------------------------------------------------------------


def test_the_tree_is_walked_by_keyboard_alone(server: ServerProcess, open_page: OpenPage) -> None:
    title = "Walked by keyboard"
    begin(server, title)
    page = console(server, open_page, "#/actors")
    page.get_by_role("searchbox", name="A part of a title or an id").fill("by keyboard")
    expect(page.get_by_text("1 conversations match")).to_be_visible()
    tree = page.get_by_role("treegrid")
    tree.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    expect(tree).to_have_attribute("aria-activedescendant", "item-1")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("row", name="conversations")).to_have_attribute(
        "aria-expanded", "false"
    )
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("row", name="conversations")).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("row", name=title)).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    page.go_back()
    expect(tree).to_be_visible()
