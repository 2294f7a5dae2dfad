"""A chat in somebody's product by docs/embedding.md: a shop in FastAPI signs tokens, its page chats, and it hears all of it.

The settings, the shop and the page's program are those of the document, as they stand there. salon is killed in the midst of it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from playwright.sync_api import Page, expect

from salon.web.client import SyncClient
from tests.npm_site import EMBEDDING
from tests.patience import PATIENCE
from tests.server import ServerProcess

OpenPage = Callable[..., Page]
LOOK = 0.01  # seconds between two looks
# Runs the shop with its pages, and keeps what it was told and what it said to that. It can be made slow to hear.
PROGRAM = """
import asyncio
import contextlib
import socket
import sys

import uvicorn
from fastapi import Request
from fastapi.staticfiles import StaticFiles

from shop import app, heard

told = []
free = asyncio.Event()
free.set()


@app.middleware("http")
async def keep(request: Request, call_next):
    if request.url.path == "/salon":
        await free.wait()
    answer = await call_next(request)
    if request.url.path == "/salon":
        told.append([request.headers.get("webhook-id"), answer.status_code])
    return answer


@app.post("/slow")
async def slow(on: bool):
    free.clear() if on else free.set()


@app.get("/told")
async def all_told():
    return {"told": told, "heard": list(heard.values())}


app.mount("/", StaticFiles(directory=sys.argv[2]))
config = uvicorn.Config(app, log_level="warning")
with contextlib.suppress(KeyboardInterrupt):
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


def block(language: str) -> str:
    """The first program in this language."""
    return re.findall(rf"```{language}\n(.*?)```", EMBEDDING.read_text(), re.DOTALL)[0]


def keys() -> dict[str, str]:
    """The variables that the first commands set."""
    names = re.findall(r"^export (\w+)=", block("sh"), re.MULTILINE)
    printed = "".join(f'echo "${name}"\n' for name in names)
    done = subprocess.check_output(["sh", "-euc", block("sh") + printed], text=True)
    return dict(zip(names, done.splitlines(), strict=True))


@dataclass
class Shop:
    """The shop's process, from outside; `said` are the texts of its own that salon has taken."""

    address: str
    salon: ServerProcess
    said: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._client = httpx2.Client(base_url=self.address, trust_env=False, timeout=PATIENCE)

    def close(self) -> None:
        self.stopped.set()
        self._client.close()

    def ask(self, method: str, path: str, **given: Any) -> httpx2.Response:
        return self._client.request(method, path, **given)

    def say(self, text: str) -> None:
        """Say it about the order, as often as it takes."""
        while self.ask("POST", "/orders/17/status", params={"text": text}).status_code != 204:
            assert not self.stopped.wait(LOOK)
        self.said.append(text)

    def told(self) -> dict[str, Any]:
        answer: dict[str, Any] = self.ask("GET", "/told").json()
        return answer

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what has to come."""
        for _ in range(int(PATIENCE / LOOK)):
            if holds():
                return
            self.stopped.wait(LOOK)
        raise AssertionError(f"{self.told()}\n{self.salon.log}")


@pytest.fixture
def shop(tmp_path: Path, vite_app: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    for name, text in keys().items():
        monkeypatch.setenv(name, text)
    (tmp_path / "shop.py").write_text(block("python"))
    (tmp_path / "program.py").write_text(PROGRAM)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        salon = ServerProcess(tmp_path, **settings(address))
        process = subprocess.Popen(
            [sys.executable, "program.py", str(listener.fileno()), str(vite_app / "dist")],
            cwd=tmp_path,
            env=os.environ | {"SALON_URL": salon.url},
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=[listener.fileno()],
        )
    it = Shop(address, salon)
    yield it
    it.close()
    process.send_signal(signal.SIGINT)
    try:
        _, log = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
        code = salon.stop()
    assert code == 0, salon.log
    assert process.returncode == 0, log
    # Of a delivery that the kill cut off in its midst, Starlette says this; nothing else goes wrong in the shop.
    assert log.count("Exception in ASGI") == log.count("starlette.requests.ClientDisconnect"), log


def settings(address: str) -> dict[str, str]:
    """Those of the document, for a shop at this address."""
    given = yaml.safe_load(block("yaml").replace("[https://shop.example]", f"[{address}]"))
    [webhook] = given["webhooks"]
    webhook["url"] = webhook["url"].replace("https://shop.example", address)
    webhook["allow_private"] = True
    return {
        "AUTH__JWT": json.dumps(given["auth"]["jwt"]),
        "WEBHOOKS": json.dumps(given["webhooks"]),
        "SERVER__ALLOWED_ORIGINS": json.dumps(given["server"]["allowed_origins"]),
    }


def write(page: Page, *texts: str) -> None:
    for text in texts:
        page.get_by_label("Message").fill(text)
        page.get_by_role("button", name="Send").click()


@contextmanager
def speaking(shop: Shop, texts: list[str]) -> Iterator[threading.Event]:
    """The shop says these meanwhile, the second half once salon was killed; all of them are said at the end of the block."""
    killed = threading.Event()

    def speak() -> None:
        for number, text in enumerate(texts):
            if number == len(texts) // 2:
                killed.wait(PATIENCE)
            shop.say(text)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield killed
        thread.join(PATIENCE)
    finally:
        shop.stopped.set()  # ends one that is not through
        thread.join()
        shop.stopped.clear()


def test_a_shop_signs_its_page_chats_and_it_hears_all_in_order_while_salon_is_killed_twice(
    shop: Shop, open_page: OpenPage
) -> None:
    page = open_page(shop.address)
    page.goto("/product.html")
    expect(page).to_have_title("live")
    texts = [f"Step {number}" for number in range(24)]
    shown = [f"Question {number}" for number in range(12)]
    for turn in (0, 1):
        shop.ask("POST", "/slow", params={"on": True})  # salon owes it something when it is killed
        write(page, *shown[turn * 6 : turn * 6 + 3])
        with speaking(shop, texts[turn * 12 : turn * 12 + 12]) as killed:
            shop.until(lambda before=turn * 12: len(shop.said) > before)  # type: ignore[misc]
            shop.salon.kill()
            killed.set()
            shop.ask("POST", "/slow", params={"on": False})
            write(page, *shown[turn * 6 + 3 : turn * 6 + 6])
            if turn:  # what waits outlives a reload, though the shop signs another token for it
                page.reload()
            shop.salon.start()
        expect(page).to_have_title("live")
    assert shop.said == texts

    chat = shop.ask("POST", "/orders/17/chat").json()
    expect(page.get_by_role("listitem")).to_have_count(len(texts) + len(shown))
    with SyncClient(chat["url"], token=chat["token"]) as ada:
        events = ada.history(chat["id"])["events"]
    assert [event["sequence_id"] for event in events] == list(range(1, len(events) + 1))
    said = [event["message"] for event in events if event["type"] == "message"]
    lines = [f"{message['sender_name']}: {message['content']}" for message in said]
    for name, own in (("Shop", texts), ("Ada", shown)):
        assert [each for each in lines if each.startswith(name)] == [
            f"{name}: {each}" for each in own
        ]
    expect(page.get_by_role("listitem")).to_have_text(lines)

    shop.until(lambda: len(shop.told()["heard"]) >= len(events))
    heard, told = shop.told()["heard"], shop.told()["told"]
    assert [event["data"] for event in heard] == events
    assert {event["conversation_id"] for event in heard} == {chat["id"]}
    # Each delivery is the next one, or one of before once more: none goes ahead of another.
    assert {status for _, status in told} == {204}
    places = [0, *(int(id.rpartition("-")[2]) for id, _ in told)]
    assert all(place <= before + 1 for before, place in pairwise(places))


def test_the_shop_believes_nobody_else_and_salon_lets_nobody_else_in(shop: Shop) -> None:
    chat = shop.ask("POST", "/orders/17/chat").json()
    forged = {"webhook-id": "1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
    for headers in ({}, forged):
        assert shop.ask("POST", "/salon", json={}, headers=headers).status_code == 401
    for token, status in ((chat["token"], 200), (f"{chat['token']}A", 401)):
        bearer = {"Authorization": f"Bearer {token}"}
        path = f"{chat['url']}/chat/{chat['id']}/messages"
        assert shop.ask("GET", path, headers=bearer).status_code == status
