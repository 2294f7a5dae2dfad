"""The chat page where much is said: every message once, in order, soon; and thousands scroll with a screenful in the page."""

from __future__ import annotations

import re
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import trio
from playwright.sync_api import Page, expect

from salon.web.client import Client
from tests.patience import PATIENCE
from tests.server import ServerProcess
from tests.visitor import Visitor

SPEAKERS = ("test_token_1", "test_token_2", "test_token_3")
AT_SPEED = 300
PAUSE = 0.01  # seconds between two messages of one speaker: three hundred a second in all
MANY = 2000

# Notes when each sequence was first on the screen, in milliseconds since the epoch.
WATCH_ARRIVALS = """() => {
  const log = document.querySelector(".log");
  globalThis.arrivals = [];
  const note = () => arrivals.push([Number(log.dataset.last), performance.timeOrigin + performance.now()]);
  new MutationObserver(() => requestAnimationFrame(note)).observe(log, { attributes: true, attributeFilter: ["data-last"] });
}"""
# Scrolls from the end to the beginning as a hand would, and notes how long each frame took and how many rows there were.
SCROLL_UP = """async () => {
  const log = document.querySelector(".log");
  const frames = [];
  let rows = 0;
  let before = performance.now();
  while (log.scrollTop > 0 && frames.length < 1500) {
    log.scrollTop -= 900;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    frames.push(now - before);
    before = now;
    rows = Math.max(rows, log.querySelectorAll(".row").length);
  }
  return { frames, rows };
}"""


@pytest.fixture
def reader(server: ServerProcess, open_page: Callable[..., Page]) -> Visitor:
    """Somebody in a conversation with three who speak much."""
    return Visitor.host(open_page(server.url), "Reader", "The square")


@contextmanager
def speaking(
    server: ServerProcess, room: str, each: int, pause: float = 0
) -> Iterator[dict[int, float]]:
    """Three clients speak in a thread of their own; when each sequence was sent is complete at the end."""
    sent: dict[int, float] = {}

    async def speak(token: str) -> None:
        client = Client(server.url, token=token)
        with trio.fail_after(PATIENCE):
            await client.join(room)
            async with client.conversation(room) as conversation, trio.open_nursery() as nursery:
                await conversation.wait_caught_up()

                async def say(number: int) -> None:
                    at = time.time()
                    receipt = await conversation.send(f"{token} **{number}**")
                    sent[receipt.sequence_id] = at

                for number in range(each):
                    nursery.start_soon(say, number)
                    await trio.sleep(pause)

    async def speak_all() -> None:
        async with trio.open_nursery() as nursery:
            for token in SPEAKERS:
                nursery.start_soon(speak, token)

    thread = threading.Thread(target=trio.run, args=(speak_all,))
    thread.start()
    try:
        yield sent
    finally:
        thread.join()


def test_hundreds_of_messages_at_speed_are_all_there_in_order(
    server: ServerProcess, reader: Visitor, tell: Callable[[str], None]
) -> None:
    reader.page.wait_for_selector(".log")
    reader.page.evaluate(WATCH_ARRIVALS)
    room = reader.conversation_id
    with speaking(server, room, AT_SPEED // len(SPEAKERS), PAUSE) as sent:
        reader.expect_last(1 + len(SPEAKERS) + AT_SPEED)
    arrivals = reader.page.evaluate("arrivals")
    delays = []
    for sequence, at in sent.items():
        shown = next(when for last, when in arrivals if last >= sequence)
        delays.append(shown - at * 1000)
    assert len(delays) == AT_SPEED
    _, *middle = statistics.quantiles(delays, n=100)
    tell(
        f"chat page: {AT_SPEED} messages at {len(SPEAKERS) / PAUSE:.0f}/s, from sending to the screen:"
        f" p50 {middle[48]:.0f} ms, p99 {middle[97]:.0f} ms"
    )
    texts = [text.replace("**", "") for text in reader.stored(room)]
    assert len(set(texts)) == AT_SPEED
    assert reader.everything() == texts


def test_thousands_of_messages_scroll_with_a_screenful_of_rows(
    server: ServerProcess, reader: Visitor, tell: Callable[[str], None]
) -> None:
    room = reader.conversation_id
    with speaking(server, room, MANY // len(SPEAKERS)):
        reader.expect_last(1 + len(SPEAKERS) + MANY // len(SPEAKERS) * len(SPEAKERS))
    assert int(reader.log.get_attribute("data-rows") or 0) >= MANY // len(SPEAKERS) * len(SPEAKERS)
    measured = reader.page.evaluate(SCROLL_UP)
    frames = sorted(measured["frames"])
    assert measured["rows"] < 100  # of thousands
    tell(
        f"chat page: {MANY} messages scrolled by 900 px a frame: {len(frames)} frames,"
        f" p50 {frames[len(frames) // 2]:.0f} ms, p99 {frames[len(frames) * 99 // 100]:.0f} ms,"
        f" at most {measured['rows']} rows in the page"
    )


def test_history_comes_in_above_without_a_jump(server: ServerProcess, reader: Visitor) -> None:
    room = reader.conversation_id
    with speaking(server, room, 120):
        reader.expect_last(364)
    page = reader.page
    # The server's answer is kept back, so that the reader is at the very top when it comes.
    page.route(re.compile("/messages"), lambda _: None)
    reader.forget_storage()
    reader.expect_last(364)
    first = reader.log.get_attribute("data-first")
    assert int(first or 0) > 300
    reader.scroll_to(0)
    expect(reader.log).to_have_attribute("aria-busy", "true")
    watched = """() => {
      const log = document.querySelector(".log");
      const row = [...log.querySelectorAll(".message")][2];
      globalThis.watched = row;
      globalThis.places = new Set();
      const note = () => {
        places.add(Math.round(row.getBoundingClientRect().top));
        requestAnimationFrame(note);
      };
      note();
      return row.getBoundingClientRect().top;
    }"""
    before = page.evaluate(watched)
    # A slow machine draws few frames while the new rows are measured: each of them is one in which the reader could see a jump.
    machine = page.context.new_cdp_session(page)
    machine.send("Emulation.setCPUThrottlingRate", {"rate": 6})
    page.unroute_all()  # which lets go on what was held
    expect(reader.log).not_to_have_attribute("data-first", first or "")
    reader.scroll_to(None)
    after = page.evaluate("[watched.isConnected, watched.getBoundingClientRect().top]")
    assert after == [True, pytest.approx(before, abs=1)]
    assert len(page.evaluate("[...places]")) == 1  # not for one frame
    machine.send("Emulation.setCPUThrottlingRate", {"rate": 1})
    # What one says oneself is shown, wherever one is reading.
    reader.say("Here I am.")
    reader.expect_said("Here I am.")
    reader.expect_settled()
    assert reader.everything() == [text.replace("**", "") for text in reader.stored(room)]


def test_a_quote_leads_to_its_message_however_far_back(
    server: ServerProcess, reader: Visitor, open_page: Callable[..., Page]
) -> None:
    room = reader.conversation_id
    reader.say("Where it all began.")
    reader.expect_last(2)
    with speaking(server, room, 100):
        reader.expect_last(305)
    bob = Visitor.known(open_page(server.url), "Bob", f"/c/{room}")
    bob.expect_last(306)
    reader.page.context.request.post(
        f"/chat/{room}/messages", data={"content": "Indeed.", "reply_to": f"{room}-2"}
    )
    page = bob.page
    quote = bob.message("Indeed.").get_by_role("button", name="Where it all began.")
    expect(quote).to_have_text("Reader Where it all began.")  # though it is not here yet
    assert int(bob.log.get_attribute("data-first") or 0) > 2
    quote.focus()
    page.keyboard.press("Enter")
    target = bob.message("Where it all began.")
    expect(target).to_be_focused()
    expect(target).to_be_in_viewport()
    expect(target).to_have_class(re.compile(r"\bfound\b"))
    spoken = page.locator("[aria-live=polite]").filter(has_text="Reader: Where it all began.")
    expect(spoken).to_have_count(1)
    expect(target).not_to_have_class(re.compile(r"\bfound\b"))
    expect(target).to_be_in_viewport()  # and there one stays
    # Who comes back to where they were reading is told how much is new below.
    bob.begin("Elsewhere")
    reader.say("Who is still here?")
    expect(bob.line("The square").locator(".line-unread")).to_be_visible()
    bob.line("The square").click()
    page.get_by_role("button", name="1 new").click()
    bob.expect_said("Who is still here?")
    # Near the end there is not enough below to bring it to its place: it is found all the same.
    bob.say("So it was.")
    bob.expect_settled()
    reader.page.context.request.post(
        f"/chat/{room}/messages", data={"content": "Was it?", "reply_to": f"{room}-307"}
    )
    bob.message("Was it?").get_by_role("button", name="Indeed.").click()
    expect(bob.message("Indeed.")).to_be_focused()
    assert bob.everything() == [text.replace("**", "") for text in bob.stored(room)]
