"""A real browser for the tests of the pages: Debian's Chromium, driven by Playwright.

Its headless shell draws and runs pages by the same code for a third of the processor time. It has no notifications: tests of
these are marked with `whole_browser`.

Tests that use it are plain functions: Playwright's synchronous interface has an event loop of its own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
PATIENCE = 60_000  # milliseconds until a condition has to hold: the machine may be busy
ARGUMENTS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",  # the tests may run as root
]
SHELL = "chromium-headless-shell"
whole_browser = pytest.mark.parametrize("browser", ["chromium"], indirect=True)
# What a page has violated of its policy, kept where a test can look.
WATCH = """
globalThis.violations = [];
addEventListener("securitypolicyviolation", (event) =>
  violations.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`));
"""
# Chromium's own line about an answer that is no success or a connection that failed: the page says what it means.
NETWORK = ("Failed to load resource", "WebSocket connection to")


@dataclass
class Faults:
    """What went wrong in one page: exceptions, console errors, violations of the policy."""

    page: Page
    found: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> Faults:
        """Watch a page from now on."""
        faults = cls(page)
        page.on("pageerror", lambda error: faults.found.append(f"exception: {error}"))
        page.on("console", faults._console)
        return faults

    def check(self) -> None:
        """Fail where there are any."""
        if not self.page.is_closed():
            violations: list[str] = self.page.evaluate("globalThis.violations ?? []")
            self.found += violations
        assert self.found == [], self.page.url

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(NETWORK):
            self.found.append(f"console: {message.text}")


class Browsers:
    """Browsers without a window, one for each command, which all modules share: pages are apart by their contexts.

    Playwright's event loop counts as running from its start on, which keeps others from running. So it does only while a
    browser is in use.
    """

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started: dict[str, Browser] = {}

    @contextmanager
    def using(self, command: str = SHELL) -> Iterator[Browser]:
        """The browser, for as long as the block takes."""
        with self._running() as playwright:
            browser = self._started.get(command)
            if browser is None or not browser.is_connected():
                path = shutil.which(command)
                browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
                self._started[command] = browser
            yield browser

    def close(self) -> None:
        """End all of them."""
        if self._playwright is not None:
            with self._running() as playwright:
                for browser in self._started.values():
                    browser.close()
                playwright.stop()

    @contextmanager
    def _running(self) -> Iterator[Playwright]:
        if self._playwright is None:
            expect.set_options(timeout=PATIENCE)
            self._playwright = sync_playwright().start()
            self._loop = asyncio.get_running_loop()
        else:
            asyncio._set_running_loop(self._loop)
        try:
            yield self._playwright
        finally:
            asyncio._set_running_loop(None)


def new_page(browser: Browser, url: str, **options: Any) -> Page:
    """A blank page of somebody who was never here before; `options` are those of Playwright's `new_context`.

    The page's service worker is kept out unless `service_workers="allow"` is asked for: every test would fetch the page twice,
    and what a worker asks for goes by the doors that tests put up with `page.route`.
    """
    context = browser.new_context(base_url=url, **{"service_workers": "block", **options})
    context.set_default_timeout(PATIENCE)
    context.add_init_script(WATCH)
    return context.new_page()


def picture(page: Page, name: str) -> None:
    """Keep a picture for the documents, where it was asked for."""
    if "SALON_PICTURES" in os.environ:
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.mouse.move(0, 0)
        page.screenshot(path=PICTURES / f"{name}.png", animations="disabled", caret="hide")
