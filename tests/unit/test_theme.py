"""The colours of the pages can be read: contrast as WCAG 2.2 computes it, for light and dark."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

THEME = (Path(__file__).parents[2] / "web/page/shared/theme.css").read_text()
SURFACES = ("surface", "surface-sunk", "surface-raised", "surface-own")
TEXT, EDGE = 4.5, 3.0  # WCAG 2.2 AA: text; what is no text but has to be seen

PAIRS = [
    *((ink, ground, TEXT) for ink in ("text", "text-soft") for ground in SURFACES),
    *(("accent", ground, TEXT) for ground in (*SURFACES, "accent-soft")),
    ("text", "accent-soft", TEXT),
    ("on-accent", "accent", TEXT),
    ("on-accent", "accent-strong", TEXT),
    ("on-bad", "bad", TEXT),
    ("on-bad", "bad-strong", TEXT),
    *((ink, ground, TEXT) for ink in ("good", "warn", "bad") for ground in SURFACES[:3]),
    *((ink, f"{ink}-soft", TEXT) for ink in ("good", "warn", "bad")),
    *(("text", f"{ink}-soft", TEXT) for ink in ("good", "warn", "bad")),
    *(("line-strong", ground, EDGE) for ground in SURFACES[:3]),
    *(("ring", ground, EDGE) for ground in SURFACES),
]


def colours(scheme: str) -> dict[str, str]:
    """The colours by name; what dark does not say is that of light."""
    light, dark = THEME.split("@media (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light))
    own = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", dark[: dark.index("\n}\n")]))
    return found | own if scheme == "dark" else found


def luminance(colour: str) -> float:
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_ink_can_be_read_on_its_ground(scheme: str) -> None:
    palette = colours(scheme)
    faint = {
        f"{ink} on {ground}: {contrast(palette[ink], palette[ground]):.2f}"
        for ink, ground, least in PAIRS
        if contrast(palette[ink], palette[ground]) < least
    }
    assert faint == set()


def test_contrast_is_computed_as_it_is_defined() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert colours("light")["surface"] != colours("dark")["surface"]
