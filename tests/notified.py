"""Notifications as a page makes them, noted in `notified`: the browser's own show nothing where nobody looks."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.visitor import Visitor

# Granted, and turned off: as where somebody had them on before. In place before the page's own scripts run.
NOTED = """
globalThis.notified = [];
globalThis.Notification = class extends EventTarget {
  static permission = "granted";
  static requestPermission = async () => "granted";
  constructor(title, options) { super(); notified.push([title, options.body]); }
};
localStorage.setItem("salon.page.quiet", "1");
"""


def be_told(who: Visitor) -> None:
    """Turn notifications on."""
    who.page.add_init_script(NOTED)
    who.page.reload()
    bell = who.page.get_by_role("button", name=re.compile("otif"))
    bell.click()
    expect(bell).to_have_attribute("aria-pressed", "true")
