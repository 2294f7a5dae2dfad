"""Nothing that people write does anything but stand there: every string of brs-kb and of the Big List, in every place.

Each of a few people has a share of the strings: as titles of conversations, as names of members, as messages. What the
server gives back is compared; then each opens the chat page in Chromium and goes through all of it, over a tripwire.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio
from playwright.sync_api import Browser, Dialog, Page, Request, expect

from salon.actors.blank import is_blank
from salon.web.client import Client
from salon.web.identity.identity import COOKIE
from salon.web.names import NAME_LENGTH, TITLE_LENGTH, normalise_name
from tests.browser import new_page
from tests.hostile import TRIPWIRE, Clerk, ask_all, naughty, xss
from tests.server import ServerProcess

# Of so many strings one is tried; make prove tries all.
EVERY = int(os.environ.get("SALON_TEST_STRINGS", "24"))
PEOPLE = max(3, 12 // EVERY)

# Scrolls an element from its end to its beginning, so that every row is drawn; a row more or less is seen twice.
SCROLL = """async (selector) => {
  const element = document.querySelector(selector);
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  for (let still = 0, before = -1; still < 5; ) {
    element.scrollTop = Math.max(0, element.scrollTop - element.clientHeight * 0.8);
    await frame();
    still = element.scrollTop === 0 && element.ariaBusy !== "true" && element.scrollHeight === before ? still + 1 : 0;
    before = element.scrollHeight;
  }
}"""


Answers = list[tuple[int, Any]]


@dataclass(frozen=True)
class Victim:
    """Somebody in whose conversations the strings stand, and what the server answered to each of them."""

    token: str
    strings: list[str]
    room: str
    titles: Answers
    names: Answers
    posted: Answers
    log: list[dict[str, Any]]
    heard: list[str]  # over a WebSocket, where they were sent over one
    stored: list[str]  # of these, what the log has


@pytest.fixture(scope="module")
def hostile_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that lets many in."""
    limits = {"LIMITS__MAX_PARTICIPANTS": "0", "LIMITS__QUEUE_SHARE": "0"}
    server = ServerProcess(tmp_path_factory.mktemp("hostile"), **limits)
    yield server
    assert server.stop() == 0, server.log


@pytest.fixture(scope="module")
def victims(hostile_server: ServerProcess) -> list[Victim]:
    """All of them, with everything sent."""
    strings = [*xss()[::EVERY], *naughty()[::EVERY]]
    shares = [strings[number::PEOPLE] for number in range(PEOPLE)]
    return [afflict(hostile_server.url, share) for share in shares]


def afflict(url: str, strings: list[str]) -> Victim:
    """Send the strings in every place, in a new person's conversations."""
    nobody = Clerk(url, "")
    token = nobody.ask("POST", "/auth/guest", {"name": "Victim"})[1]["token"]
    nobody.close()
    clerk = Clerk(url, token)
    room, socket_room = (
        clerk.ask("POST", "/chat/create", {"title": title})[1]["conversation_id"]
        for title in ("By HTTP", "By WebSocket")
    )
    people = [{"user_id": f"member-{at}", "name": text} for at, text in enumerate(strings)]
    heard = trio.run(
        over_socket, url, token, socket_room, [text for text in strings if not is_blank(text)]
    )
    made = [
        ask_all(url, token, [("POST", path, body) for body in bodies])
        for path, bodies in (
            ("/chat/create", [{"title": text} for text in strings]),
            (f"/chat/{room}/join", [{"participant": who} for who in people]),
            (f"/chat/{room}/messages", [{"content": text} for text in strings]),
        )
    ]
    log, socket_log = clerk.log(room), clerk.log(socket_room)
    clerk.close()
    stored = [each["message"]["content"] for each in socket_log if each["type"] == "message"]
    return Victim(token, strings, room, made[0], made[1], made[2], log, heard, stored)


pytestmark = pytest.mark.timeout(400)


def shown(text: str, longest: int) -> str | None:
    """The text as a name or title is kept; None where it has to be refused."""
    kept = normalise_name(text)
    return kept if kept is not None and len(kept) <= longest else None


def test_there_are_as_many_as_the_lists_have() -> None:
    assert len(xss()) == 4462
    assert len(naughty()) == 485


def test_titles_are_normalised_and_blank_ones_refused(victims: list[Victim]) -> None:
    for victim in victims:
        for text, (status, answer) in zip(victim.strings, victim.titles, strict=True):
            title = shown(text, TITLE_LENGTH)
            assert (status, answer.get("title")) == (400 if title is None else 201, title), text


def test_names_are_normalised_and_blank_ones_refused(victims: list[Victim]) -> None:
    for victim in victims:
        names = [shown(text, NAME_LENGTH) for text in victim.strings]
        statuses = [status for status, _ in victim.names]
        assert statuses == [400 if name is None else 200 for name in names]
        joined = {
            event["participant"]["id"]: event["participant"]["name"]
            for event in victim.log
            if event["type"] == "participant_joined"
        }
        assert joined == {f"member-{at}": it for at, it in enumerate(names) if it is not None}


def test_content_is_byte_equal_over_http(victims: list[Victim]) -> None:
    for victim in victims:
        said = [event["message"] for event in victim.log if event["type"] == "message"]
        stored = {each["message_id"]: each["content"] for each in said}
        for text, (status, answer) in zip(victim.strings, victim.posted, strict=True):
            assert status == (400 if is_blank(text) else 201), text
            assert is_blank(text) or stored[answer["message_id"]] == text


def test_content_is_byte_equal_over_a_websocket(victims: list[Victim]) -> None:
    for victim in victims:
        sent = sorted(text for text in victim.strings if not is_blank(text))
        assert sorted(victim.heard) == sent
        assert sorted(victim.stored) == sent


def test_the_tripwire_catches_what_it_is_for(server: ServerProcess, browser: Browser) -> None:
    page = new_page(browser, server.url)
    page.context.add_init_script(TRIPWIRE)
    page.goto("/")
    page.evaluate("""() => {
      const prose = document.createElement("div");
      prose.className = "prose";
      const link = document.createElement("a");
      link.setAttribute("href", "javascript:alert(1)");
      link.id = "clobbered";
      prose.append(link, document.createElement("img"), document.createElement("svg"));
      document.body.append(prose);
      link.click();
      alert(3);
    }""")
    # A function: an expression is compiled at each look, which the page's policy forbids.
    page.wait_for_function("() => caught.length >= 7")
    caught = " ".join(page.evaluate("caught"))
    for word in (
        "IMG",
        "svg",
        "href=javascript",
        "id=clobbered",
        "link <a",
        "alert(3)",
        "script-src",
    ):
        assert word.lower() in caught.lower(), caught
    page.context.close()


def test_nothing_executes_in_the_chat_page_and_it_still_works(
    hostile_server: ServerProcess, victims: list[Victim], open_page: Callable[..., Page]
) -> None:
    for victim in victims:
        go_through(hostile_server, victim, open_page)


def test_nothing_executes_in_the_console(
    hostile_server: ServerProcess, victims: list[Victim], open_page: Callable[..., Page]
) -> None:
    victim = victims[0]
    seen = watched(hostile_server, "admin_token", open_page)
    page = seen.page
    page.goto(f"/admin#/conversation/{victim.room}")
    page.get_by_role("button", name="Read the log").click()
    events = page.get_by_role("region", name="The log").locator("li")
    earlier = page.get_by_role("button", name="Earlier")
    expect(events.first).to_be_attached()
    while earlier.count():
        listed = events.count()
        earlier.click()
        expect(events.nth(listed)).to_be_attached()
    assert events.count() >= len(victim.log)
    seen.check(len(victim.strings))


def test_nothing_executes_in_what_an_agent_says_of_its_answers(
    hostile_server: ServerProcess, victims: list[Victim], open_page: Callable[..., Page]
) -> None:
    for victim in victims:
        room, names = answered(hostile_server.url, victim)
        seen = watched(hostile_server, victim.token, open_page)
        seen.page.goto(f"/c/{room}")
        waiting = seen.page.get_by_role("button", name="Allow", exact=True)
        expect(waiting).to_be_visible()
        seen.page.evaluate(SCROLL, ".log")
        links = seen.page.locator(".result a")
        assert links.all_text_contents()[: len(names)] == names
        seen.check(len(victim.strings))


def answered(url: str, victim: Victim) -> tuple[str, list[str]]:
    """A conversation whose agent says the strings in every place but the text; the names that its first answer points to."""
    clerk, agent = Clerk(url, victim.token), Clerk(url, "agent_token")
    body = {"title": "Answers", "participants": [{"user_id": "test_agent"}]}
    room: str = clerk.ask("POST", "/chat/create", body)[1]["conversation_id"]
    runs = f"/chat/{room}/runs"
    strings = [text for text in victim.strings if text]
    for start in range(0, len(strings), 4):  # more would be folded
        few = strings[start : start + 4]
        run = f"{runs}/r{start}"
        results = [
            {
                "url": f"https://example.com/{'' if text.split() != [text] else text[:1500]}",
                "name": text[:300],
                "site": text[:200],
                "description": text[:1000],
            }
            for text in few
        ]
        more = {
            "usage": {"model": few[0][:300], "cost": 1, "currency": few[-1][:300]},
            "metadata": {"tools": [{"tool": text[:100], "by": text[:100]} for text in few]},
        }
        assert agent.ask("POST", runs, {"run_id": f"r{start}"})[0] == 201
        assert agent.ask("POST", f"{run}/delta", {"offset": 0, "text": "So."})[0] == 200
        status, answer = agent.ask("POST", f"{run}/end", {"results": results, **more})
        assert status == 200, answer
    assert agent.ask("POST", runs, {"run_id": "last"})[0] == 201
    for at, text in enumerate(strings):
        call = {"approval_id": f"{at}", "tool": text[:200], "arguments": {text[:500]: text[:500]}}
        wait = {"state": "waiting_for_approval", "label": text[:200], "approval": call}
        status, answer = agent.ask("POST", f"{runs}/last/status", wait)
        assert status == 200, answer
    agent.close()
    clerk.close()
    return room, [text[:300] for text in strings[:4]]


async def over_socket(url: str, token: str, room: str, texts: list[str]) -> list[str]:
    """Send over a WebSocket; what came over it."""
    heard = []
    async with (
        Client(url, token=token) as client,
        client.conversation(room) as conversation,
        trio.open_nursery() as nursery,
    ):
        for text in texts:
            nursery.start_soon(conversation.send, text)
        async for event in conversation:
            if event["type"] == "message":
                heard.append(event["message"]["content"])
            if len(heard) == len(texts):
                break
    return heard


def watched(server: ServerProcess, token: str, open_page: Callable[..., Page]) -> Watched:
    """A page of whoever the token stands for, over the tripwire."""
    page = open_page(server.url, viewport={"width": 1280, "height": 6000})
    page.context.add_init_script(TRIPWIRE)
    page.context.add_cookies([{"name": COOKIE, "value": token, "url": server.url}])
    seen = Watched(page, server.url)
    page.on("dialog", seen.dialog)
    page.on("request", seen.request)
    return seen


@dataclass
class Watched:
    """What a page has tried that it must not."""

    page: Page
    url: str
    tried: list[str] = field(default_factory=list)

    def dialog(self, dialog: Dialog) -> None:
        self.tried.append(f"dialog {dialog.message}")
        dialog.dismiss()

    def request(self, request: Request) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.tried.append(f"request {request.url}")

    def check(self, least: int) -> None:
        """Nothing; and the tripwire has looked at so many elements at least."""
        assert self.page.evaluate("caught") == []
        assert self.page.evaluate("inspected") > least
        assert self.tried == []
        self.page.context.close()


def go_through(server: ServerProcess, victim: Victim, open_page: Callable[..., Page]) -> None:
    """Look at every title, name and message; then say something."""
    seen = watched(server, victim.token, open_page)
    page = seen.page
    page.goto(f"/c/{victim.room}")
    log = page.get_by_role("log")
    expect(page.locator(".room .status")).to_contain_text("Live")
    page.evaluate(SCROLL, ".log")
    expect(log).to_contain_text("You began this conversation")

    more = page.get_by_role("button", name="Show more")
    titles = {shown(text, TITLE_LENGTH) for text in victim.strings} - {None}
    while more.count():
        listed = page.locator(".line").count()
        more.click()
        expect(page.locator(".line").nth(listed)).to_be_attached()
    assert titles <= set(page.locator(".line-title").all_text_contents())

    writing = page.get_by_role("textbox", name="Message")
    writing.fill("Still **standing after all**")
    writing.press("Enter")
    log.evaluate("it => it.scrollTop = it.scrollHeight")
    expect(log.locator(".prose strong", has_text="standing after all")).to_be_visible()
    seen.check(len(victim.strings))
