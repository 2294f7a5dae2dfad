"""The model of the tests at a real HTTP address, for tests that are plain functions; and agents for a server to host with it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import trio

from tests.model import Model, model
from tests.patience import PATIENCE

TOOLS: dict[str, Any] = {
    "id": "weather",
    "name": "The Weather",
    "kind": "mcp",
    "command": [sys.executable, str(Path(__file__).parents[1] / "mcp_tools.py")],
}


class ModelServer:
    """The model, in a thread of its own until the block ends."""

    def __init__(self) -> None:
        self._ready = threading.Event()
        self._scope = trio.CancelScope()
        self._thread = threading.Thread(target=trio.run, args=(self._main,))

    def __enter__(self) -> ModelServer:
        self._thread.start()
        assert self._ready.wait(PATIENCE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.run_sync_soon(self._scope.cancel)
        self._thread.join()

    def agent(self, how: str, **more: Any) -> dict[str, Any]:
        """The settings of an agent whose model behaves as `how` says. Its endpoint is its own, so that none breaks another's."""
        id = str(more.get("id", "cook"))
        fields = {"id": id, "name": id.title(), "kind": "openai", "model": how}
        return {**fields, "endpoint": f"{self._model.url}/{id}", **more}

    async def _main(self) -> None:
        self._loop = trio.lowlevel.current_trio_token()
        with self._scope:
            async with model() as self._model:
                self._ready.set()
                await trio.sleep_forever()

    _model: Model
