"""What axe-core finds wrong with a page for people who cannot see it, or use no mouse."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page

CACHE = Path(os.environ.get("SALON_PAGE_CACHE") or Path(__file__).parents[1] / ".page")
GRAVE = {"serious", "critical"}
RUN = """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations.map(
  ({ id, impact, help, nodes }) => ({ id, impact, help, where: nodes.map((node) => [node.target, node.failureSummary]) }),
)"""


def grave_faults(page: Page) -> list[dict[str, object]]:
    """The serious and critical ones."""
    load(page)
    return [fault for fault in page.evaluate(RUN) if fault["impact"] in GRAVE]


def load(page: Page) -> None:
    """Have axe-core in the page."""
    if not page.evaluate("'axe' in globalThis"):
        [script] = sorted(CACHE.glob("modules-*/node_modules/axe-core/axe.min.js"))[-1:]
        page.evaluate(script.read_text(encoding="utf-8"))


CONTRAST = """async () => (await axe.run(document, { runOnly: ["color-contrast"] })).violations.flatMap(
  ({ nodes }) => nodes.map((node) => `${node.target}: ${node.failureSummary.replaceAll("\\n", " ")}`),
)"""


def contrast_faults(page: Page) -> list[str]:
    """What axe finds of colours alone, in the state in which the page is now."""
    load(page)
    found: list[str] = page.evaluate(CONTRAST)
    return found
