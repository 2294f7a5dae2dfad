"""Plots over time as inline SVG; the page's style sheet sets the colours."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 64, 20, 36, 24  # margins: for the numbers, the title, the seconds
TICKS = 4  # approximate number on an axis
MOST_POINTS = 300  # points with a tooltip; more could not be told apart


def plot(
    title: str,
    times: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    span: float,
    marks: Mapping[str, tuple[float, float]] | None = None,
) -> str:
    """A figure over `span` seconds, as HTML; `times` are in seconds, one for each value of every line.

    `marks` are labelled periods, as (begin, end) in seconds; equal ends stand for a moment.
    """
    ticks = nice(max((value for values in lines.values() for value in values), default=0.0))
    parts = [f'<text class="title" x="0" y="14">{html.escape(title)}</text>', _legend(lines)]
    parts += [_band(name, begin, end, span) for name, (begin, end) in (marks or {}).items()]
    parts += [_rule(tick, ticks[-1]) for tick in ticks]
    parts += [_second(tick, span) for tick in nice(span) if tick <= span]
    for index, values in enumerate(lines.values()):
        places = [
            (_x(at, span), _y(value, ticks[-1])) for at, value in zip(times, values, strict=True)
        ]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline class="line{index}" points="{points}"/>')
        if len(places) <= MOST_POINTS:
            parts += [
                f'<circle class="line{index}" cx="{x:.1f}" cy="{y:.1f}" r="3">'
                f"<title>{at:g} s: {value:,.5g}</title></circle>"
                for (x, y), at, value in zip(places, times, values, strict=True)
            ]
    label = html.escape(title, quote=True)
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg></figure>"
    )


def nice(top: float) -> list[float]:
    """A few round numbers from 0 to at least `top`, evenly spaced."""
    if top <= 0:
        return [0.0, 1.0]
    rough = top / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [step * index for index in range(math.ceil(top / step * 0.999) + 1)]


def _x(at: float, span: float) -> float:
    return LEFT + at / span * (WIDTH - LEFT - RIGHT)


def _y(value: float, top: float) -> float:
    return HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM)


def _legend(lines: Mapping[str, Sequence[float]]) -> str:
    if len(lines) < 2:
        return ""
    names = "&#160;&#160; ".join(
        f'<tspan class="line{index}">{html.escape(name)}</tspan>'
        for index, name in enumerate(lines)
    )
    return f'<text x="{WIDTH - RIGHT}" y="14" text-anchor="end">{names}</text>'


def _band(name: str, begin: float, end: float, span: float) -> str:
    left, right = _x(begin, span), _x(end, span)
    width, height = max(right - left, 1.0), HEIGHT - TOP - BOTTOM
    return (
        f'<rect x="{left:.1f}" y="{TOP}" width="{width:.1f}" height="{height}"/>'
        f'<text x="{left:.1f}" y="{TOP - 5}">{html.escape(name)}</text>'
    )


def _rule(tick: float, top: float) -> str:
    y = _y(tick, top)
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick:,.10g}</text>'
    )


def _second(tick: float, span: float) -> str:
    return f'<text x="{_x(tick, span):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{tick:g} s</text>'
