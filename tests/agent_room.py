"""A conversation of Ada and hosted agents, on a real server, with a real HTTP server as the model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from salon.web.client import Client, Frame, Receipt, Socket
from tests.inside import TOKEN, serving
from tests.model import WORDS, Model, model
from tests.patience import PATIENCE

KEY = "sk-very-secret"
SAID = "".join(WORDS)


class Room:
    """A conversation of Ada, her guests and the hosted agents."""

    def __init__(self, url: str, upstream: Model, ada: Client, id: str, tab: Socket) -> None:
        self.url, self.upstream, self.ada, self.id, self.tab = url, upstream, ada, id, tab
        self.settings: dict[str, Any] = {}  # of the cook
        self.frames: list[Frame] = []

    async def say(self, content: str, **more: Any) -> Receipt:
        return await self.ada.post(self.id, content, **more)

    async def until(self, *kinds: str) -> Frame:
        """The next frame of one of these kinds."""
        with trio.fail_after(PATIENCE):
            while True:
                frame = await self.tab.receive_json()
                self.frames.append(frame)
                if frame["type"] in kinds:
                    return frame

    async def end(self) -> Frame:
        """The next end of a run."""
        while True:
            frame = await self.until("message", "run_failed")
            if frame["type"] == "run_failed":
                return frame
            if frame["message"].get("run_id"):
                message: Frame = frame["message"]
                return message


def hosted(how: str, upstream: Model, **more: Any) -> dict[str, Any]:
    fields = {
        "id": "cook",
        "name": "Cook",
        "kind": "openai",
        "endpoint": upstream.url,
        "model": how,
        "key_env": "TEST_MODEL_KEY",
        "default": True,
    }
    return {**fields, **more}


@asynccontextmanager
async def room(how: str = "words", *others: Any, **more: Any) -> AsyncIterator[Room]:
    """A conversation of Ada and an agent whose model behaves as `how` says."""
    async with (
        model() as upstream,
        serving([hosted(how, upstream, **more), *others]) as url,
        Client(url, token=TOKEN) as ada,
    ):
        created = await ada.create("Dinner", enable_ai=True)
        id = created["conversation_id"]
        async with ada.socket(id) as tab:
            it = Room(url, upstream, ada, id, tab)
            it.settings = hosted(how, upstream, **more)
            yield it


def text_of(frames: list[Frame]) -> str:
    """What a reader has by the deltas, by the rule for readers."""
    text = ""
    for frame in frames:
        if frame["type"] == "delta":
            assert frame["offset"] <= len(text), "a delta is missing"
            text = text[: frame["offset"]] + frame["text"]
    return text
