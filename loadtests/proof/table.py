"""The outcomes of the trials of `salon prove`: read from their output, shown as a table, saved as a page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ..reports import machine

if TYPE_CHECKING:
    from collections.abc import Sequence

SUMMARY = re.compile(r"(\d+) (passed|failed|skipped|error|errors|deselected)\b")
KEPT = 0.99  # required share of obedient retries that are accepted the first time


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a trial. `lost` counts failures, in the trial's own unit; `figures` are for human readers."""

    tried: str
    lost: int
    figures: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table. `outcome` is None if the trial could not be run; `why` then says why."""

    name: str
    promise: str
    command: str
    seconds: float
    outcome: Outcome | None
    why: str = ""
    left_out: bool = False

    @property
    def well(self) -> bool:
        """Whether the trial was run and nothing was lost. A trial that is left out does not spoil the result."""
        return self.left_out or (self.outcome is not None and not self.outcome.lost)


def of_simulation(output: str) -> Outcome:
    """Read the output of `salon simulate --json`."""
    said = _figures(output)
    return Outcome(
        f"{said['seeds']:,} seeds, {said['simulated_hours']:,.0f} simulated hours, "
        f"{said['operations']:,} operations",
        _count(said["anomalies"]),
        f"{said['speedup']:,.0f} times as fast as the clock",
    )


def of_mutants(output: str) -> Outcome:
    """Read the output of `salon simulate --mutants --json`."""
    said = _figures(output)
    missed = _count(said["missed"])
    return Outcome(
        f"{_count(said['mutants'])} bugs on purpose", missed, "all caught" * (not missed)
    )


def of_kills(output: str) -> Outcome:
    """Read the output of `salon crash --json`."""
    said = _figures(output)
    lost = sum(_count(said[name]) for name in ("lost", "duplicated", "gaps"))
    return Outcome(f"{said['kills']:,} kills, {said['acknowledged']:,} acknowledged", lost)


def of_cluster(output: str) -> Outcome:
    """Read the output of `salon crash --cluster --json`: every anomaly counts, and whatever disagrees with the log."""
    said = _figures(output)
    lost = _count(said["anomalies"]) + len(said["disagreeing"]) + bool(said["failed"])
    tried = f"{said['kills']:,} faults, {said['acknowledged']:,} acknowledged"
    outages = said["outages"]
    parts = []
    if outages["unavailable"]["count"]:
        parts.append(f"an owner's death is felt for {outages['unavailable']['p99']:.1f} s (p99)")
    if outages["leaves"]:
        refused, gap = sum(outages["refused"].values()), outages["gaps"]["staying"]
        parts.append(f"a leave refuses {refused} commands, delivers nothing for {gap['p99']:.1f} s")
    return Outcome(tried, lost, "; ".join(parts))


def of_load(output: str) -> Outcome:
    """Read the output of `salon load --json`: every anomaly counts, as does every accepted message that is not stored."""
    said = _figures(output)
    wrong = sum(said["wrong"].values()) + (not said["well"] and not said["wrong"])
    tried = f"{said['deliveries']:,} deliveries, {said['accepted']:,} accepted, {said['stored']:,} stored"
    return Outcome(tried, wrong, _story(said))


def of_overload(output: str) -> Outcome:
    """As `of_load`, with obedient people: if fewer than 99 % are accepted at their first retry, the others count as lost."""
    outcome, said = of_load(output), _figures(output)
    share = said["first_retry"] / max(1, said["put_off"])
    late = max(1, said["put_off"] - said["first_retry"]) if share < KEPT else 0
    grown = (said["server_memory"] - said["memory_before"]) / 2**20
    figures = (
        f"{said['put_off']:,} refused, {share:.1%} of them in at their first retry; "
        f"memory {grown:+.0f} MiB"
    )
    return Outcome(outcome.tried, outcome.lost + late, figures)


def of_tests(output: str) -> Outcome:
    """Read the output of pytest: failed tests count; the tests' figures are the lines below the heading `figures`."""
    found = {word: int(number) for number, word in SUMMARY.findall(output.splitlines()[-1])}
    failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
    _, _, below = output.partition(" figures =")
    lines = [line for line in below.splitlines()[1:-1] if line and not line.startswith("=")]
    passed = found.get("passed", 0)
    return Outcome(f"{passed} tests", failed + (not passed), "; ".join(lines))


def _story(said: dict[str, Any]) -> str:
    parts = [f"p99 {said['delivery_ms']['p99']:.0f} ms"]
    for name, text in (
        ("reconnects", "reconnects"),
        ("rejoins", "left and joined again"),
        ("lagging", "fell behind"),
    ):
        if said[name]:
            parts.append(f"{said[name]:,} {text}")
    refused = sum(said["refused"].values())
    return ", ".join([*parts, f"{refused:,} refused"] if refused else parts)


def _figures(output: str) -> dict[str, Any]:
    """The JSON object in a command's output. Raises `ValueError` if there is none."""
    start = output.find("{")
    if start < 0:
        raise ValueError("it has printed no figures")
    found, _ = json.JSONDecoder().raw_decode(output[start:])
    if not isinstance(found, dict):
        raise ValueError("its figures are no object")
    return found


def _count(found: int | list[Any] | dict[str, Any]) -> int:
    return found if isinstance(found, int) else len(found)


def table(rows: Sequence[Row]) -> Table:
    """A table for the terminal."""
    shown = Table(title="Nothing lost", title_justify="left", show_lines=True)
    shown.add_column("what was tried")
    shown.add_column("how often")
    shown.add_column("lost", justify="right")
    shown.add_column("figures, and the command", overflow="fold")
    for row in rows:
        colour = "green" if row.well else "red"
        figures = (row.outcome.figures if row.outcome else row.why) or ""
        shown.add_row(
            row.promise,
            row.outcome.tried if row.outcome else "–",
            f"[{colour}]{row.outcome.lost:,}[/]" if row.outcome else f"[{colour}]–[/]",
            f"{figures}\n[dim]{row.command}[/]".strip(),
        )
    return shown


def page(rows: Sequence[Row], *, small: bool) -> str:
    """The table as a page of Markdown."""
    lines = [
        "# Nothing lost: what was tried",
        "",
        f"Made by `salon prove{' --small' * small}` on {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {machine()}.",
        "[docs/reliability.md](../docs/reliability.md) says what is promised.",
        "",
        "| what was tried | how often | lost | figures | command |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        tried, lost, figures = "not tried", "–", row.why
        if row.outcome is not None:
            tried, lost, figures = row.outcome.tried, f"{row.outcome.lost:,}", row.outcome.figures
        cells = [row.promise, tried, lost, figures or "–", f"`{row.command}`"]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"
