"""The engine as a fixture. A test that takes it runs in virtual time: its sleeps take none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from typing import Any

import pytest
from trio.testing import MockClock

from tests.conftest import run
from tests.unit.engine import Engine, open_engine


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Generator[None]:
    yield
    for item in items:
        if "engine" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.trio(run=run_in_virtual_time), append=False)


def run_in_virtual_time(main: Callable[[], Awaitable[None]], **options: Any) -> None:
    run(main, **{**options, "clock": MockClock(autojump_threshold=0)})


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    """An engine that runs, with the limits it has by default."""
    async with open_engine() as engine:
        yield engine
