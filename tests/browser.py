"""A real browser for the tests of the pages: Debian's Chromium, driven by Playwright.

Its headless shell draws and runs pages by the same code for a third of the processor time. It has no notifications: tests of
these are marked with `whole_browser`.

Tests that use it are plain functions: Playwright's synchronous interface has an event loop of its own, ended with the module.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

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


@contextmanager
def chromium(command: str = SHELL) -> Iterator[Browser]:
    """A browser, without a window."""
    expect.set_options(timeout=PATIENCE)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which(command), args=ARGUMENTS)
        yield browser
        browser.close()


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
