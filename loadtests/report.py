"""What a run saw, for people and for machines: a table, JSON, one self-contained page."""

from __future__ import annotations

import html
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from .figures import Histogram
    from .run import Result

WIDTH, HEIGHT, MARGIN = 720, 180, 56
TEMPLATE = Path(__file__).with_name("report.html")


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
    return TEMPLATE.read_text().format(
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
