"""What a run saw, for people and for machines: a table, JSON, one self-contained page."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from .figures import Histogram
    from .run import Result

WIDTH, HEIGHT, MARGIN = 720, 180, 56


def figures(result: Result) -> list[tuple[str, str]]:
    """The figures in words, most important first."""
    tally = result.tally
    rows = [
        ("deliveries", f"{tally.deliveries:,} ({result.deliveries_per_second:,.0f}/s)"),
        ("receipts", f"{tally.receipts:,} ({tally.receipts / result.seconds:,.0f}/s)"),
    ]
    if result.server_cpu:
        rows += [
            ("server CPU a delivery", f"{result.cpu_per_delivery:.2f} µs"),
            ("server CPU a message", f"{result.server_cpu / max(1, tally.receipts) * 1e6:.1f} µs"),
            ("server CPU", f"{100 * result.server_cpu / result.seconds:.0f} % of a core"),
            ("server CPU a connect", f"{result.connect_cpu * 1e6:,.0f} µs"),
            ("memory a connection", f"{result.connection_memory / 1024:.1f} KiB"),
            ("server memory", f"{result.server_memory / 2**20:.0f} MiB"),
        ]
    rows += [
        ("delivery p50 / p99 / max", _spread(tally.delivery)),
        ("receipt p50 / p99 / max", _spread(tally.receipt)),
        ("connect p50 / p99 / max", _spread(tally.connect)),
        ("reconnects, lagging", f"{tally.reconnects:,}, {tally.lagging:,}"),
        ("refused", ", ".join(f"{n:,} {code}" for code, n in tally.refused.items()) or "none"),
        ("lost, repeated, out of order", str(len(tally.anomalies))),
    ]
    return rows


def _spread(histogram: Histogram) -> str:
    values = (histogram.quantile(0.5), histogram.quantile(0.99), histogram.highest)
    return " / ".join(f"{1000 * value:.1f}" for value in values) + " ms"


def table(result: Result) -> Table:
    """A table for the terminal."""
    plan = result.scenario
    shown = Table(
        title=f"{plan.name}: {result.people:,} people, {plan.seconds:g} s", title_justify="left"
    )
    shown.add_column("figure")
    shown.add_column("value", justify="right")
    for row in figures(result):
        shown.add_row(*row)
    return shown


def as_json(result: Result) -> dict[str, Any]:
    """Figures for machines: times in milliseconds, CPU in microseconds, memory in bytes."""
    tally = result.tally

    def spread(histogram: Histogram) -> dict[str, float]:
        quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
        found = {name: round(1000 * histogram.quantile(q), 3) for name, q in quantiles.items()}
        return {**found, "max": round(1000 * histogram.highest, 3)}

    return {
        "scenario": result.scenario.name,
        "people": result.people,
        "seconds": result.seconds,
        "deliveries": tally.deliveries,
        "deliveries_per_second": round(result.deliveries_per_second, 1),
        "receipts": tally.receipts,
        "sent": tally.sent,
        "refused": tally.refused,
        "reconnects": tally.reconnects,
        "lagging": tally.lagging,
        "closes": tally.closes,
        "cpu_us_per_delivery": round(result.cpu_per_delivery, 3),
        "cpu_us_per_connect": round(result.connect_cpu * 1e6, 1),
        "server_cpu_seconds": round(result.server_cpu, 3),
        "server_memory": result.server_memory,
        "memory_per_connection": round(result.connection_memory),
        "delivery_ms": spread(tally.delivery),
        "receipt_ms": spread(tally.receipt),
        "connect_ms": spread(tally.connect),
        "anomalies": tally.anomalies,
        "well": result.well,
    }


def page(result: Result) -> str:
    """One page with the figures and plots over time; nothing is loaded from outside."""
    samples = [sample for sample in result.tally.samples if sample.deliveries]
    times = [sample.at for sample in samples]
    step = times[1] - times[0] if len(times) > 1 else 0.5
    plots = [
        _plot("Deliveries a second", times, {"deliveries": [s.deliveries / step for s in samples]}),
        _plot(
            "Latency of a delivery, ms",
            times,
            {
                "p50": [1000 * s.delivery.quantile(0.5) for s in samples],
                "p99": [1000 * s.delivery.quantile(0.99) for s in samples],
            },
        ),
        _plot("Refused a second", times, {"refusals": [s.refusals / step for s in samples]}),
    ]
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in figures(result)
    )
    verdict = (
        "Every message arrived everywhere, once, in order." if result.well else "Not all is well."
    )
    anomalies = "".join(f"<li>{html.escape(text)}</li>" for text in result.tally.anomalies)
    return PAGE.format(
        name=html.escape(result.scenario.name),
        about=html.escape(result.scenario.about),
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        people=f"{result.people:,}",
        verdict=verdict,
        colour="var(--good)" if result.well else "var(--bad)",
        rows=rows,
        plots="".join(plots),
        anomalies=f"<ul>{anomalies}</ul>" if anomalies else "",
    )


def _plot(title: str, times: list[float], lines: dict[str, list[float]]) -> str:
    top = max((value for values in lines.values() for value in values), default=0) or 1
    span = max(times, default=1) or 1
    paths, legend = [], []
    for index, (name, values) in enumerate(lines.items()):
        points = " ".join(
            f"{MARGIN + at / span * (WIDTH - MARGIN - 10):.1f},{HEIGHT - 22 - value / top * (HEIGHT - 40):.1f}"
            for at, value in zip(times, values, strict=True)
        )
        paths.append(f'<polyline class="l{index}" points="{points}"/>')
        legend.append(f'<tspan class="l{index}" dx="12">{name}</tspan>')
    return (
        f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(title)}">'
        f'<text x="0" y="12">{html.escape(title)}{"".join(legend)}</text>'
        f'<text x="{MARGIN - 6}" y="24" text-anchor="end">{top:,.4g}</text>'
        f'<text x="{MARGIN - 6}" y="{HEIGHT - 18}" text-anchor="end">0</text>'
        f'<line x1="{MARGIN}" x2="{WIDTH}" y1="{HEIGHT - 22}" y2="{HEIGHT - 22}"/>'
        f'<text x="{WIDTH}" y="{HEIGHT - 4}" text-anchor="end">{span:.0f} s</text>'
        f"{''.join(paths)}</svg></figure>"
    )


PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>salon load: {name}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
:root {{ color-scheme: light dark; --ink: #1c2330; --paper: #fff; --rule: #c9ced8; --good: #17703f; --bad: #b3261e; }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #e6e9ef; --paper: #14181f; --rule: #3a4250; --good: #5dc98a; --bad: #ff8a80; }} }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink); background: var(--paper); }}
table {{ border-collapse: collapse; width: 100%; }} th {{ text-align: left; font-weight: 500; }} td {{ text-align: right; font-variant-numeric: tabular-nums; }}
th, td {{ padding: .3rem 0; border-bottom: 1px solid var(--rule); }} figure {{ margin: 2rem 0; }}
svg {{ width: 100%; font-size: 12px; fill: var(--ink); }} line {{ stroke: var(--rule); }}
polyline {{ fill: none; stroke-width: 2; }} polyline.l0 {{ stroke: #2f6fd0; }} polyline.l1 {{ stroke: #d07a2f; }} tspan.l0 {{ fill: #2f6fd0; }} tspan.l1 {{ fill: #d07a2f; }}
</style>
<h1>{name}</h1><p>{about}. {people} people, {when}.</p><p style="color: {colour}"><strong>{verdict}</strong></p>
<table>{rows}</table>{plots}{anomalies}</html>
"""
