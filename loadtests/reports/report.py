"""The report of a run, for people and for machines: a table, JSON, one self-contained page."""

from __future__ import annotations

import html
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ..users import INTERVAL, LIMITS
from .plot import plot

if TYPE_CHECKING:
    from ..scenarios import Result
    from ..users import Histogram

TEMPLATE = Path(__file__).with_name("report.html")
BUSY = 0.9  # share of a core: above it the load tool itself may be the bottleneck


def figures(result: Result) -> list[tuple[str, str]]:
    """The figures as (name, text), the most important first."""
    tally = result.tally
    return [
        ("sent", result.scenario.pace),
        ("deliveries", f"{tally.deliveries:,} ({result.deliveries_per_second:,.0f}/s)"),
        ("receipts", f"{tally.receipts:,} ({tally.receipts / result.seconds:,.0f}/s)"),
        *_of_the_server(result),
        ("load tool CPU a delivery", f"{result.load_cpu_per_delivery:.2f} µs"),
        ("load tool, busiest process", f"{100 * result.load_busy:.0f} % of a core"),
        ("delivery p50 / p99 / max", _spread(tally.delivery)),
        ("receipt p50 / p99 / max", _spread(tally.receipt)),
        ("first connect p50 / p99 / max", _spread(tally.connect)),
        *_of_comings_and_goings(result),
        ("refused", _counts(tally.refused)),
        *_of_the_obedient(result),
        ("accepted, in the log", f"{tally.accepted:,}, {result.stored:,}"),
        ("lost, repeated, out of order", _counts(tally.wrong)),
    ]


def _of_the_server(result: Result) -> list[tuple[str, str]]:
    if not result.server_cpu:
        return []
    a_message = result.server_cpu / max(1, result.tally.receipts) * 1e6
    return [
        ("server CPU a delivery", f"{result.cpu_per_delivery:.2f} µs"),
        ("server CPU a message", f"{a_message:,.1f} µs"),
        ("server CPU", f"{100 * result.server_cpu / result.seconds:.0f} % of a core"),
        ("server CPU a connect", f"{result.connect_cpu * 1e6:,.0f} µs"),
        ("memory a connection", f"{result.connection_memory / 1024:.1f} KiB"),
        ("server memory", f"{result.server_memory / 2**20:.0f} MiB"),
    ]


def _of_comings_and_goings(result: Result) -> list[tuple[str, str]]:
    tally = result.tally
    rows = []
    if tally.reconnects:
        rows.append((f"{tally.reconnects:,} reconnects p50 / p99 / max", _spread(tally.reconnect)))
    for text, count in (
        ("left and joined again", tally.rejoins),
        ("fell behind", tally.lagging),
        ("too far behind to resume", tally.resets),
    ):
        if count:
            rows.append((text, f"{count:,}"))
    if tally.closes:
        rows.append(("closed, by code", _counts({str(c): n for c, n in tally.closes.items()})))
    return rows


def _of_the_obedient(result: Result) -> list[tuple[str, str]]:
    tally = result.tally
    if not tally.put_off:
        return []
    share = f"{tally.first_retry:,} ({tally.first_retry / tally.put_off:.1%})"
    return [("refused, then in at first retry", f"{tally.put_off:,}, {share}")]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _spread(histogram: Histogram) -> str:
    if not histogram.total:
        return "–"
    values = (histogram.quantile(0.5), histogram.quantile(0.99), histogram.highest)
    return " / ".join(f"{1000 * value:,.1f}" for value in values) + " ms"


def advices(result: Result) -> list[str]:
    """Advice on what to change so that the run measures the server and nothing else."""
    found = [
        f"{count:,} messages were refused with {code}: to measure without, lift {LIMITS[code]}"
        for code, count in result.tally.refused.items()
        if code in LIMITS and not result.scenario.obey
    ]
    if result.load_busy > BUSY:
        found.append(
            f"the simulated people took {100 * result.load_busy:.0f} % of a core: "
            f"they may be what limits; try --processes {result.processes + 1}"
        )
    if not result.tally.deliveries:
        found.append("nothing was delivered in the measured time")
    return found


def table(result: Result) -> Table:
    """A table for the terminal."""
    plan = result.scenario
    title = f"{plan.name}: {result.people:,} people, {plan.seconds:g} s"
    shown = Table(title=title, title_justify="left")
    shown.add_column("figure")
    shown.add_column("value", justify="right")
    for row in figures(result):
        shown.add_row(*row)
    return shown


def as_json(result: Result) -> dict[str, Any]:
    """Figures for machines: times in milliseconds, CPU in microseconds, memory in bytes."""
    tally = result.tally
    return {
        "scenario": result.scenario.name,
        "url": result.url,
        "processes": result.processes,
        "wires": result.wires,
        "people": result.people,
        "seconds": result.seconds,
        "window": result.scenario.window,
        "window_counts": result.scenario.window_counts if result.scenario.window else None,
        "rate": 0.0 if result.scenario.window else result.scenario.rate,
        "deliveries": tally.deliveries,
        "deliveries_per_second": round(result.deliveries_per_second, 1),
        "receipts": tally.receipts,
        "sent": tally.sent,
        "accepted": tally.accepted,
        "stored": result.stored,
        "refused": tally.refused,
        "put_off": tally.put_off,
        "first_retry": tally.first_retry,
        "receipts_a_sample": [sample.receipts for sample in tally.samples],
        "memory_before": result.memory_before,
        "reconnects": tally.reconnects,
        "rejoins": tally.rejoins,
        "resets": tally.resets,
        "lagging": tally.lagging,
        "closes": tally.closes,
        "cpu_us_per_delivery": round(result.cpu_per_delivery, 3),
        "cpu_us_per_connect": round(result.connect_cpu * 1e6, 1),
        "server_cpu_seconds": round(result.server_cpu, 3),
        "server_memory": result.server_memory,
        "memory_per_connection": round(result.connection_memory),
        "load_cpu_us_per_delivery": round(result.load_cpu_per_delivery, 3),
        "load_busy": round(result.load_busy, 3),
        "delivery_ms": _milliseconds(tally.delivery),
        "receipt_ms": _milliseconds(tally.receipt),
        "connect_ms": _milliseconds(tally.connect),
        "reconnect_ms": _milliseconds(tally.reconnect),
        "advice": advices(result),
        "wrong": tally.wrong,
        "anomalies": tally.anomalies,
        "well": result.well,
    }


def _milliseconds(histogram: Histogram) -> dict[str, float]:
    quantiles = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
    found = {name: round(1000 * histogram.quantile(q), 3) for name, q in quantiles.items()}
    return {**found, "max": round(1000 * histogram.highest, 3)}


def page(result: Result) -> str:
    """An HTML page with the figures and plots over time; it loads nothing from outside."""
    plan, tally = result.scenario, result.tally
    verdict = "Not all is well."
    if result.well:
        verdict = "Every message arrived everywhere, once and in order."
    notes = advices(result) + tally.anomalies
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=html.escape(plan.name),
        about=html.escape(plan.about),
        when=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        people=f"{result.people:,}",
        seconds=f"{plan.seconds:g}",
        verdict=verdict,
        kind="good" if result.well else "bad",
        figures=_rows(figures(result)),
        plots="".join(_plots(result)),
        parameters=_rows([(f.name, f"{getattr(plan, f.name)}") for f in fields(plan)[2:]]),
        notes="".join(f"<li>{html.escape(text)}</li>" for text in notes),
    )


def _rows(rows: list[tuple[str, str]]) -> str:
    return "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>"
        for name, value in rows
    )


def _plots(result: Result) -> list[str]:
    plan, samples = result.scenario, result.tally.samples
    lasted = [min(INTERVAL, plan.seconds - sample.at) for sample in samples]
    times = [sample.at + width / 2 for sample, width in zip(samples, lasted, strict=True)]

    def a_second(counts: list[int]) -> list[float]:
        return [count / width for count, width in zip(counts, lasted, strict=True)]

    def spread(histograms: list[Histogram]) -> dict[str, list[float]]:
        return {
            name: [1000 * histogram.quantile(q) for histogram in histograms]
            for name, q in (("p50", 0.5), ("p99", 0.99))
        }

    throughput = {"deliveries": a_second([sample.deliveries for sample in samples])}
    refusals = {"refusals": a_second([sample.refusals for sample in samples])}
    drawn = [
        ("Deliveries a second", throughput),
        ("Latency of a delivery, ms", spread([sample.delivery for sample in samples])),
        ("Latency of a receipt, ms", spread([sample.receipt for sample in samples])),
    ]
    if any(sample.refusals for sample in samples):
        drawn.append(("Refused a second", refusals))
    marks = {"all drop": (plan.storm, plan.storm)} if plan.storm else {}
    if plan.burst_until:
        marks[f"{plan.burst_factor:g} times the load"] = plan.burst_from, plan.burst_until
    return [plot(title, times, lines, plan.seconds, marks) for title, lines in drawn]
