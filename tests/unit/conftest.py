"""What unit tests share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from trio.testing import MockClock

from tests.unit.engine import Engine, open_engine


@pytest.fixture
async def engine(autojump_clock: MockClock) -> AsyncIterator[Engine]:
    """An engine that runs. A test that lets time go on takes `autojump_clock` too."""
    async with open_engine() as engine:
        yield engine
