"""The console's Webhooks: what a backend has not taken, and the handles that do something about it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.accessibility import grave_faults
from tests.backend import SECRET
from tests.console import ADA, ask, begin, console
from tests.patience import PATIENCE
from tests.server import ServerProcess

OpenPage = Callable[..., Page]


class Backend(ThreadingHTTPServer):
    """A backend that answers what `statuses` says of an event's sequence, and else 204."""

    def __init__(self) -> None:
        self.statuses: dict[int | None, int] = {}
        self.taken: list[dict[str, Any]] = []
        self._came = threading.Condition()
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    def take(self, body: dict[str, Any]) -> None:
        with self._came:
            self.taken.append(body)
            self._came.notify_all()

    def first(self, count: int) -> list[int | None]:
        """The sequences of the first so many events that were taken, once they have come."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.taken) >= count, PATIENCE)
        return [each["sequence_id"] for each in self.taken]


class Handler(BaseHTTPRequestHandler):
    server: Backend

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.get(body["sequence_id"], 204)
        if status == 204:
            self.server.take(body)
        self.send_response(status)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend() as it:
        thread = threading.Thread(target=it.serve_forever)
        thread.start()
        yield it
        it.shutdown()
        thread.join()


def test_an_operator_sees_what_is_not_taken_and_tests_retries_and_skips(
    start_server: Callable[..., ServerProcess], backend: Backend, open_page: OpenPage
) -> None:
    given = {"url": backend.url, "secret": SECRET, "allow_private": True}
    server = start_server(WEBHOOKS=json.dumps([given]))
    backend.statuses = {2: 500, 3: 500}
    id = begin(server, "Dinner")
    for text in ("poison", "more poison", "bread"):
        ask(server, "POST", f"/chat/{id}/messages", ADA, {"content": text})
    page = console(server, open_page)
    page.get_by_role("link", name="Webhooks").click()
    expect(page).to_have_title("Webhooks · salon console")
    row = page.get_by_role("region", name="The webhooks").locator("tbody tr")
    expect(row).to_contain_text(backend.url)
    expect(row).to_contain_text("failing")
    expect(row).to_contain_text("it answered 500")
    expect(row).to_contain_text("since event 2")
    assert SECRET not in page.content()
    assert grave_faults(page) == []

    row.get_by_role("button", name="Send a test").click()
    expect(page.get_by_text("The test was taken: 204.").first).to_be_attached()
    row.get_by_role("button", name="Skip…").click()
    page.get_by_role("dialog").get_by_role("button", name="Skip", exact=True).click()
    expect(page.get_by_text("1 event skipped.").first).to_be_attached()
    expect(row).to_contain_text("since event 3")
    backend.statuses = {}
    row.get_by_role("button", name="Retry now").click()
    expect(row).to_contain_text("active")
    assert backend.first(4) == [1, None, 3, 4], "the test came in between"
