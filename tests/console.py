"""The console's people: an operator's page, and somebody who talks all the while."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import trio
from playwright.sync_api import Locator, Page, expect

from salon.web.client import Client, Closed
from tests.patience import PATIENCE
from tests.server import ServerProcess, api

OpenPage = Callable[..., Page]
ADMIN, ADA = "admin_token", "test_token_1"


def ask(server: ServerProcess, method: str, path: str, token: str = ADMIN, json: Any = None) -> Any:
    """One HTTP request; its answer."""

    async def call() -> Any:
        response = await api(server, method, path, token, json)
        assert response.is_success, response.text
        return response.json() if response.content else None

    return trio.run(call)


def begin(server: ServerProcess, title: str, *others: str) -> str:
    """A conversation of Ada's; its id."""
    body = {"title": title, "participants": [{"user_id": other} for other in others]}
    created: dict[str, str] = ask(server, "POST", "/chat/create", ADA, body)
    return created["conversation_id"]


def console(server: ServerProcess, open_page: OpenPage, place: str = "", **options: Any) -> Page:
    """The console, come into by an operator's token."""
    page = open_page(server.url, **options)
    page.goto(f"/admin{place}")
    page.get_by_label("Operator's token").fill(ADMIN)
    page.get_by_role("button", name="Open the console").click()
    expect(page.get_by_role("banner")).to_contain_text("Healthy")
    return page


def fact(page: Page, name: str) -> Locator:
    """The figure of that name."""
    pair = page.locator(".facts > div", has=page.get_by_text(name, exact=True))
    return pair.locator("dd b")


class Talker:
    """Somebody who is connected and says something again and again, `pause` seconds between, in a thread until the block ends.

    Who is clumsy says each thing twice, the second time under one key for all, which is refused.
    """

    def __init__(
        self,
        server: ServerProcess,
        conversation_id: str,
        token: str = ADA,
        *,
        pause: float = 0.05,
        clumsy: bool = True,
    ) -> None:
        self.connection_ids: list[str] = []
        self.closed: list[int] = []
        self.refusals: list[dict[str, Any]] = []
        self._server = server
        self._conversation_id = conversation_id
        self._token = token
        self._pause = pause
        self._clumsy = clumsy
        self._connected = threading.Event()
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=(self._live,))

    def __enter__(self) -> Talker:
        self._thread.start()
        assert self._connected.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run_sync_soon(self._scope.cancel)
        self._thread.join(30)

    async def _live(self) -> None:
        self._loop = trio.lowlevel.current_trio_token()
        with self._scope:
            while True:
                try:
                    await self._talk()
                except* Closed as closed:
                    # Who listens and who talks may both find out about the same end.
                    self.closed.append(next(each.code for each in _leaves(closed)))

    async def _talk(self) -> None:
        client = Client(self._server.url, token=self._token)
        async with client.socket(self._conversation_id) as socket, trio.open_nursery() as nursery:

            async def listen() -> None:
                while True:
                    frame = await socket.receive_json()
                    if frame["type"] == "connected":
                        self.connection_ids.append(frame["connection_id"])
                        self._connected.set()
                    elif frame["type"] == "error":
                        self.refusals.append(frame)

            nursery.start_soon(listen)
            for number in range(1_000_000):
                frames = [{"type": "message", "content": f"Word {number} <b>of</b> mine"}]
                if self._clumsy:
                    frames.append(frames[0] | {"client_message_id": "the same"})
                await socket.send_json(*frames)
                await trio.sleep(self._pause)


def _leaves(group: BaseExceptionGroup[Closed]) -> Iterator[Closed]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
