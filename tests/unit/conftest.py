"""The engine as a fixture, and each of the stores. A test that takes the engine runs in virtual time: its sleeps take none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from trio.testing import MockClock

from salon.persistence import resolve
from tests import new_store
from tests.conftest import run
from tests.unit.engine import Engine, open_engine
from tests.unit.history import sources
from tests.unit.stores import URLS, AnyStore


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


@pytest.fixture(params=URLS)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStore]:
    """A store, each kind in its turn."""
    with ExitStack() as stack:
        url = URLS[request.param].format(path=tmp_path)
        if request.param == "sqlite":
            new_store.lay(tmp_path / "salon.db")
        if request.param == "postgres":
            url = stack.enter_context(request.getfixturevalue("databases").one())
        store = resolve(url, sources())
        yield store
        store.close()


@pytest.fixture
async def store(opened: AnyStore) -> AnyStore:
    """The same, used where trio runs."""
    return opened
