"""Somebody who uses the chat page as people do: by what it shows, with fields and buttons found by their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, Page, expect

Said = dict[str, Any]

# Goes through the whole log from its first message, and notes each message as it comes into sight.
COLLECT = """async () => {
  const log = document.querySelector(".log");
  const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  const seen = new Map();
  const note = () => {
    for (const row of log.querySelectorAll(".row")) {
      const message = row.querySelector(".message");
      if (message) seen.set(row.dataset.key, message.querySelector(".prose").innerText.trim());
    }
  };
  for (let still = 0, rounds = 0; still < 10 && rounds < 2000; rounds++) {
    still = log.dataset.first === "1" && log.scrollTop === 0 ? still + 1 : 0;
    log.scrollTop = 0;
    await frame();
  }
  for (let top = 0; ; top += log.clientHeight * 0.8) {
    log.scrollTop = top;
    await frame();
    note();
    if (log.scrollTop + log.clientHeight >= log.scrollHeight - 2) break;
  }
  return [...seen.values()];
}"""

# Scrolls there, if anywhere, and once all is still gives the first message that is wholly in sight.
SCROLL = """async (log, place) => {
  const first = () => {
    const { top } = log.getBoundingClientRect();
    const shown = [...log.querySelectorAll(".message")].filter((each) => each.getBoundingClientRect().top > top - 10);
    return shown[0]?.querySelector(".prose").innerText ?? "";
  };
  for (let still = 0, before = ""; still < 20; ) {
    await new Promise(requestAnimationFrame);
    if (place !== null && Math.abs(log.scrollTop - place) > 1 && still === 0) log.scrollTop = place;
    const now = `${Math.round(log.scrollTop)} ${log.scrollHeight} ${first()}`;
    still = now === before ? still + 1 : 0;
    before = now;
  }
  return first();
}"""


@dataclass(frozen=True, slots=True)
class Visitor:
    """One person at one page."""

    page: Page
    name: str

    @classmethod
    def guest(cls, page: Page, name: str, path: str = "/") -> Visitor:
        """Comes in by the welcome page as somebody who was never here, and puts the code away."""
        page.goto(path)
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name=f"Continue as {name}").click()
        page.get_by_role("button", name="I have kept it").click()
        return cls(page, name)

    @classmethod
    def known(cls, page: Page, name: str, path: str = "/") -> Visitor:
        """Comes back as a guest whom the server knows; a conversation at whose address they come is theirs already.

        The page asks for everything anew as after any visit, but the way in is not shown: tests of it take `guest`.
        """
        visitor = cls(page, name)
        visitor._post("/auth/guest", name=name)
        if path.startswith("/c/"):
            visitor._post(f"/chat/{path.removeprefix('/c/')}/join")
        page.goto(path)
        if path.startswith("/c/"):
            visitor.expect_live()
        return visitor

    @classmethod
    def host(cls, page: Page, name: str, title: str) -> Visitor:
        """Comes back as a guest into a conversation that they have begun."""
        visitor = cls(page, name)
        visitor._post("/auth/guest", name=name)
        begun = visitor._post("/chat/create", title=title)
        page.goto(f"/c/{begun['conversation_id']}")
        visitor.expect_live()
        return visitor

    @classmethod
    def holder(cls, page: Page, token: str, name: str, path: str = "/") -> Visitor:
        """Comes in with a token."""
        page.goto(path)
        page.get_by_role("button", name="Sign in with a token").click()
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Sign in", exact=True).click()
        expect(page.get_by_role("navigation", name="Conversations")).to_contain_text(name)
        return cls(page, name)

    def begin(self, title: str) -> str:
        """A new conversation; its id."""
        back = self.page.get_by_role("button", name="Back to the list")
        if back.is_visible():  # on a phone
            back.click()
        self.page.get_by_role("button", name="New").click()
        self.page.get_by_label("What is it about?").fill(title)
        self.page.get_by_role("button", name="Begin").click()
        expect(self.page.get_by_role("heading", name=title, level=1)).to_be_visible()
        return self.conversation_id

    @property
    def conversation_id(self) -> str:
        """The one that is open, by the page's address."""
        found = re.search(r"/c/([\w-]{22})$", self.page.url)
        assert found, self.page.url
        return found[1]

    @property
    def log(self) -> Locator:
        """What has been said, as far as it is in sight."""
        return self.page.get_by_role("log")

    @property
    def field(self) -> Locator:
        """Where one writes."""
        return self.page.get_by_role("textbox", name="Message")

    @property
    def status(self) -> Locator:
        """What the page says of its connection."""
        return self.page.locator(".room .status")

    def say(self, *texts: str) -> None:
        """Write and send, one after the other, without waiting for receipts."""
        for text in texts:
            self.field.fill(text)
            self.field.press(
                "Control+Enter"
            )  # sends on a phone too, where Enter alone is a new line

    def message(self, text: str) -> Locator:
        """The messages in sight that say just this."""
        return self.log.locator(".message").filter(
            has=self.page.locator(".prose", has_text=re.compile(rf"^{re.escape(text)}\s*$"))
        )

    def line(self, title: str) -> Locator:
        """A conversation in the list."""
        return self.page.get_by_role("navigation", name="Conversations").get_by_role(
            "link", name=title
        )

    def expect_live(self) -> None:
        expect(self.status).to_contain_text("Live")

    def expect_said(self, *texts: str) -> None:
        """Each of these is in sight, once."""
        for text in texts:
            expect(self.message(text)).to_have_count(1)

    def expect_settled(self) -> None:
        """Nothing waits, nothing was refused: everything in sight has its receipt."""
        for state in ("waiting", "sending", "refused"):
            expect(self.log.locator(f".receipt.{state}")).to_have_count(0)

    def expect_last(self, sequence: int) -> None:
        """The log goes that far."""
        expect(self.log).to_have_attribute("data-last", str(sequence))

    def scroll_to(self, place: int | None) -> str:
        """So many pixels down, or where the page is anyway; the first message that is in sight then."""
        text: str = self.log.evaluate(SCROLL, place)
        return text

    def everything(self) -> list[str]:
        """All that the page shows of the open conversation, from the first message to the last."""
        texts: list[str] = self.page.evaluate(COLLECT)
        return texts

    def forget_storage(self) -> None:
        """Clear what the page has kept, while it is away and cannot write it again."""
        address = self.page.url
        self.page.goto("/docs")
        self.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        self.page.goto(address)

    def go_offline(self) -> None:
        """Lose the network. The server closes the page's sockets first: with one open, Chromium computes all the while."""
        request = self.page.context.request
        me = request.get("/auth/me").json()["id"]
        operator = {"Authorization": "Bearer admin_token"}
        found = request.get(f"/admin/connections?participant_id={me}", headers=operator).json()
        for each in found["connections"]:
            closed = request.delete(f"/admin/connections/{each['id']}", headers=operator)
            assert closed.ok, closed.text()
        self.page.context.set_offline(True)

    def _post(self, path: str, **body: str) -> dict[str, Any]:
        """A request by the page's own session, that has to be granted."""
        response = self.page.context.request.post(path, data=body)
        assert response.ok, response.text()
        answer: dict[str, Any] = response.json() if response.status != 204 else {}
        return answer

    def history(self, conversation_id: str) -> list[Said]:
        """All that the server has, by the page's own session."""
        events: list[Said] = []
        while True:
            after = events[-1]["sequence_id"] if events else 0
            path = f"/chat/{conversation_id}/messages?after={after}"
            page = self.page.context.request.get(path).json()
            events += page["events"]
            if not page["has_more"]:
                return events

    def stored(self, conversation_id: str) -> list[str]:
        """The texts of all messages that the server has."""
        return [
            event["message"]["content"]
            for event in self.history(conversation_id)
            if event["type"] == "message"
        ]
