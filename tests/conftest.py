"""Servers for the tests that need one; and a test that hangs in trio is cancelled: it fails by its name, the others go on.

Left alone, pytest-timeout raises in the midst of trio's event loop, which ends the whole session.
"""

from __future__ import annotations

import gc
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, settings

from tests import order, parsing, signals
from tests.server import ServerProcess

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.browser import Browsers
    from tests.postgres import Databases

# How long an example takes is the machine's affair.
settings.register_profile("salon", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("salon")
parsing.mend()

GRACE = 5.0  # seconds for a cancelled test to end, before pytest-timeout raises after all
FIGURE = "figure"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items[:] = order.in_order(items)
    for item in items:
        if item.get_closest_marker("trio"):
            item.add_marker(pytest.mark.trio(run=run), append=False)


def pytest_collection_finish() -> None:
    """Keep the collector from looking through all modules and tests each time: they stay until the end."""
    gc.collect()
    gc.freeze()


class Figures:
    """Shows what was measured, by whichever worker: figures are for people, no test depends on them."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            self._lines += [str(line) for name, line in report.user_properties if name == FIGURE]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self._lines:
            terminalreporter.section("figures")
        for line in self._lines:
            terminalreporter.write_line(line)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Figures())
    signals.let_children_hear()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Takes a line of figures, which is shown after the run."""
    return lambda line: request.node.user_properties.append((FIGURE, line))


def run(main: Callable[[], Awaitable[None]], **options: Any) -> None:
    """`trio.run` that answers pytest-timeout's alarm with a cancellation."""
    raise_in_place = signal.getsignal(signal.SIGALRM)

    async def bounded() -> None:
        token = trio.lowlevel.current_trio_token()

        def cancel(number: int, frame: object) -> None:
            token.run_sync_soon(scope.cancel, "the test's time is up")
            signal.signal(signal.SIGALRM, raise_in_place)
            signal.setitimer(signal.ITIMER_REAL, GRACE)

        with trio.CancelScope() as scope:
            signal.signal(signal.SIGALRM, cancel)
            await main()
        if scope.cancelled_caught:
            pytest.fail("the test's time is up")

    try:
        trio.run(bounded, **options)
    finally:
        signal.signal(signal.SIGALRM, raise_in_place)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The server that tests share: each makes its own conversations, and none may stop it."""
    shared = ServerProcess(tmp_path_factory.mktemp("server"))
    yield shared
    assert shared.stop() == 0, shared.log


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Empty databases of one PostgreSQL server."""
    from tests.postgres import UNSAFE, Cluster, Databases  # most runs need none

    cluster = Cluster(*UNSAFE)
    yield Databases(cluster)
    cluster.close()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts the server of one test, with settings such as LIMITS__QUEUE_SIZE="5"."""
    started: list[ServerProcess] = []

    def start(*, under: Sequence[str] = (), **settings: str) -> ServerProcess:
        folder = tmp_path / f"server-{len(started)}"
        folder.mkdir()
        started.append(ServerProcess(folder, under=under, **settings))
        return started[-1]

    yield start
    for each in started:
        each.stop()


@pytest.fixture
def own_server(start_server: Callable[..., ServerProcess]) -> ServerProcess:
    """A server for one test alone, which may drain, kill and restart it."""
    return start_server()


@pytest.fixture(scope="session")
def browsers() -> Iterator[Browsers]:
    """The Chromiums that modules share."""
    from tests.browser import Browsers  # most runs need none

    shared = Browsers()
    yield shared
    shared.close()


@pytest.fixture(scope="module")
def browser(browsers: Browsers, request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A Chromium, in which each test opens its own pages."""
    from tests.browser import SHELL  # likewise

    with browsers.using(getattr(request, "param", SHELL)) as used:
        yield used


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a blank page for one more person at a server's URL. The test fails by what goes wrong in any of them."""
    from tests.browser import Faults, new_page  # likewise

    watched: list[Faults] = []

    def open_one(url: str, **options: Any) -> Page:
        watched.append(Faults.of(new_page(browser, url, **options)))
        return watched[-1].page

    yield open_one
    try:
        for each in watched:
            each.check()
    finally:
        for each in watched:
            each.page.context.close()
