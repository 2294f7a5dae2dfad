"""How well each control of a page can be read in each of its states, by computed colours; the states are forced over the CDP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import CDPSession, Error, Page

from tests.accessibility import contrast_faults

CONTROLS = (
    "button, a[href], input, textarea, select, summary, [role=option], [role=tab], [role=menuitem]"
)
STATES: dict[str, list[str]] = {
    "rest": [],
    "hover": ["hover"],
    "focus": ["focus", "focus-visible"],
    "active": ["hover", "active"],
}
# Colours change at once, whatever the page's own style says.
STILL = """() => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important }");
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}"""
# All that is to be read in a control, and drawings, against what is behind them: WCAG 2.2's contrast.
FAINT = """([controls, disabled]) => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith("color(") ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const over = (top, ground) => top.slice(0, 3).map((each, at) => each * top[3] + ground[at] * (1 - top[3]));
  const chain = (element) => element ? [...chain(element.parentElement), element] : [];
  const ground = (element) => chain(element).reduce(
    (below, each) => over(parse(getComputedStyle(each).backgroundColor), below), [255, 255, 255]);
  const seen = (element) => chain(element).reduce((share, each) => share * Number(getComputedStyle(each).opacity), 1);
  const light = (colour) => {
    const [r, g, b] = colour.map((each) => each / 255).map((s) => s <= 0.04045 ? s / 12.92 : ((s + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [dark, bright] = [light(one), light(other)].sort((a, b) => a - b);
    return (bright + 0.05) / (dark + 0.05);
  };
  const faint = [];
  for (const control of document.querySelectorAll(controls)) {
    const box = control.getBoundingClientRect();
    const shown = box.width && box.height && getComputedStyle(control).visibility === "visible";
    if (!shown || control.closest(".visually-hidden")) continue;
    const parts = [control, ...control.querySelectorAll("*")].filter((part) =>
      part.matches("input, textarea, select, svg") ||
      [...part.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
    for (const part of parts) {
      const style = getComputedStyle(part);
      const share = seen(part);
      if (share < 0.1 || style.visibility !== "visible" || part.closest(".visually-hidden")) continue;
      const below = ground(part.matches("svg") ? part.parentElement : part);
      const ink = over([...parse(style.color).slice(0, 3), parse(style.color)[3] * share], below);
      const size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
      const large = size >= 24 || (bold && size >= 18.66);
      const least = part.matches("svg") || large || disabled || control.disabled ? 3 : 4.5;
      const found = contrast(ink, below);
      if (found < least) {
        const name = control.getAttribute("aria-label") ?? control.textContent.trim().slice(0, 30);
        faint.push(`${control.tagName.toLowerCase()}.${control.className} "${name}": ${found.toFixed(2)} of ${least}`);
      }
    }
    const style = getComputedStyle(control);
    if (control.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth)) {
      const found = contrast(parse(style.outlineColor), ground(control.parentElement));
      if (found < 3) faint.push(`${control.tagName.toLowerCase()}.${control.className}: ring ${found.toFixed(2)} of 3`);
    }
  }
  return [...new Set(faint)];
}"""
DISABLE = """(controls) => {
  for (const each of document.querySelectorAll(controls)) {
    if ("disabled" in each && !each.disabled) { each.disabled = true; each.dataset.wasEnabled = ""; }
  }
}"""
ENABLE = """() => {
  for (const each of document.querySelectorAll("[data-was-enabled]")) { each.disabled = false; delete each.dataset.wasEnabled; }
}"""


def faint(page: Page, view: str) -> list[str]:
    """What cannot be read well enough: view, scheme, state, control, contrast and what it should be."""
    found: list[str] = []
    session = page.context.new_cdp_session(page)
    page.evaluate(STILL)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for state, pseudo in STATES.items():
            with forced(session, pseudo):
                found += said(view, scheme, state, page.evaluate(FAINT, [CONTROLS, False]))
                found += said(view, scheme, state, contrast_faults(page))
        page.evaluate(DISABLE, CONTROLS)
        found += said(view, scheme, "disabled", page.evaluate(FAINT, [CONTROLS, True]))
        page.evaluate(ENABLE)
    page.emulate_media(color_scheme="light")
    session.detach()
    return found


def said(view: str, scheme: str, state: str, faults: list[str]) -> Iterator[str]:
    yield from (f"{view}, {scheme}, {state}: {fault}" for fault in faults)


@contextmanager
def forced(session: CDPSession, states: list[str]) -> Iterator[None]:
    """All controls are in these states, for as long as the block takes."""
    session.send("DOM.enable")
    session.send("CSS.enable")
    while not _force(session, states):
        pass
    yield
    session.send("CSS.disable")  # which ends them


def _force(session: CDPSession, states: list[str]) -> bool:
    """Whether all controls took the states: a control that the page replaces meanwhile does not."""
    root = session.send("DOM.getDocument")["root"]["nodeId"]
    nodes = session.send("DOM.querySelectorAll", {"nodeId": root, "selector": CONTROLS})["nodeIds"]
    try:
        for node in nodes:
            session.send("CSS.forcePseudoState", {"nodeId": node, "forcedPseudoClasses": states})
    except Error as error:
        if "Could not find node" not in error.message:
            raise
        return False
    return True
