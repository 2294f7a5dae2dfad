"""The figures of the client in C: a page for people, and a JSON file beside it that the next bench compares with."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ..reports import machine
from ..users import RunError
from .case import CASES
from .fan import Figures, tools

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# Times the recorded ratio to the floor. Measured in the same run, the ratio moves by half between a quiet machine and a busy one.
RATIO_ALLOWED = 3.0


@dataclass(frozen=True, slots=True)
class Outside:
    """The figures of a case, and the floor's under the same load."""

    name: str
    ours: Figures
    bare: Figures

    @property
    def ratio(self) -> float:
        """CPU as a multiple of the floor's."""
        return self.ours.cpu / self.bare.cpu if self.bare.cpu else 0.0


def measure(seconds: float, say: Callable[[str], object]) -> list[Outside]:
    """Measure every case, each with the floor right after it. Raises `RunError`."""
    rows = []
    with tools() as programs:
        for case in CASES:
            say(f"the client in C: {case.name}")
            ours = programs.salon(case, seconds)
            rows.append(Outside(case.name, ours, programs.bare(case, seconds)))
    return rows


def compare(rows: Sequence[Outside], before: Mapping[str, float]) -> list[str]:
    """What is wrong with the rows, `before` being the recorded ratios; nothing where all is as it was."""
    wrong = []
    for row in rows:
        recorded = before.get(row.name)
        if not row.ours.well:
            wrong.append(f"{row.name}: a delivery was lost, repeated or out of order")
        if recorded is None:
            wrong.append(f"{row.name}: there is no recorded figure")
        elif row.ratio > RATIO_ALLOWED * recorded:
            wrong.append(f"{row.name}: {row.ratio:.2f} times the floor, recorded {recorded:.2f}")
    return wrong


def save(page: Path, rows: Sequence[Outside]) -> None:
    """Write the page, and the JSON file beside it."""
    measured = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    figures = {"measured": measured, "rows": [asdict(row) for row in rows]}
    page.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")
    lines = [
        "# Figures of a client that knows nothing of salon",
        "",
        f"Measured {measured} by `make bench` on {machine()}, server and load on the same machine. `wsfan` is one C program for "
        "all servers, and a message is done when every reader has it. The floor is `wsfloor`, which stores nothing and writes "
        "once to each socket a turn. salon stores every message before it delivers it. Other work is CPU that was neither the "
        "server's nor the load's, in cores: it spoils times and throughput more than CPU.",
        "",
        "| case | CPU a delivery | C floor | deliveries/s | the floor's | p50 / p99 | other work | well |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_line, rows),
    ]
    page.write_text("\n".join(lines) + "\n")


def recorded(page: Path) -> dict[str, float]:
    """The recorded ratios to the floor, by case. Raises `RunError` if there are none."""
    file = page.with_suffix(".json")
    try:
        rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"]
        return {row["name"]: row["ours"]["cpu"] / row["bare"]["cpu"] for row in rows}
    except (OSError, ValueError, LookupError, TypeError, ZeroDivisionError):
        raise RunError(
            f"{file} has no figures to compare with: run 'salon bench' where gcc is"
        ) from None


def _line(row: Outside) -> str:
    ours, bare = row.ours, row.bare
    return (
        f"| {row.name} | {ours.cpu:.2f} µs | {bare.cpu:.2f} µs | {ours.deliveries_per_second:,.0f} | "
        f"{bare.deliveries_per_second:,.0f} | {ours.p50:.1f} / {ours.p99:.1f} ms | "
        f"{ours.others:.1f} | {'yes' if ours.well else 'no'} |"
    )
