"""The three loops that the Python client runs under."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from tests.conftest import run
from tests.patience import PATIENCE

OPTIONS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
LOOPS = list(OPTIONS)


def run_under(loop: str, story: Callable[[], Awaitable[None]]) -> None:
    """Run a test's coroutine function under one of them."""

    async def bounded() -> None:
        with anyio.fail_after(PATIENCE):
            await story()

    if loop == "trio":
        run(bounded)
    else:
        anyio.run(bounded, **OPTIONS[loop])
