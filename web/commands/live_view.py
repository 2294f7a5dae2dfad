"""What `salon top` shows: two readings of a server's figures, and its busiest conversations, as text or as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from rich.console import Group
from rich.table import Table
from rich.text import Text

Figures = dict[str, Any]

COUNTED = ("messages", "events", "deliveries", "turns")  # from the start of the process
PLAIN = ("status", "connections", "messages/s", "deliveries/s", "refusals/s", "cpu", "memory")


class Reading(NamedTuple):
    """One answer of /admin/stats, when it came (seconds of a monotonic clock), and the fullest conversations then."""

    at: float
    stats: Figures
    conversations: list[Figures]


def figures(now: Reading, before: Reading | None) -> dict[str, str]:
    """The figures by name, in their order. Without an earlier reading, or after a restart, rates are those since the start."""
    stats = now.stats
    restarted = before is not None and stats["uptime"] < before.stats["uptime"]
    if before is None or restarted:
        seconds, former = max(stats["uptime"], 1e-9), None
    else:
        seconds, former = max(now.at - before.at, 1e-9), before.stats

    def rate(read: Any) -> float:
        return float((read(stats) - (read(former) if former else 0)) / seconds)

    storage, depths, turn = stats["storage"], stats["queue_depths"], stats["turn_seconds"]
    shown = {
        "status": str(stats["status"]),
        "uptime": duration(stats["uptime"]),
        "connections": f"{stats['connections']:,}",
        "conversations": f"{stats['conversations']:,}",
        "participants": f"{stats['participants']:,}",
    }
    shown |= {f"{name}/s": _rate(rate(lambda of, name=name: of[name])) for name in COUNTED}
    return shown | {
        "refusals/s": _rate(rate(lambda of: sum(of["refusals"].values()))),
        "commits/s": _rate(rate(lambda of: of["storage"]["commits"])),
        "turn p50": _milliseconds(turn["p50"]),
        "turn p99": _milliseconds(turn["p99"]),
        "fullest mailbox": f"{depths['deepest']:,} of {depths['limit']:,}",
        "store": f"{storage['status']}, {storage['waiting']:,} waiting",
        "cpu": f"{rate(lambda of: of['cpu_seconds']):.0%}",
        "memory": "" if stats["memory_bytes"] is None else f"{stats['memory_bytes'] / 1e6:,.0f} MB",
    }


def lines(stats: Figures, prefix: str = "") -> Iterator[str]:
    """Every figure as the server gave it, a line each: name, space, value."""
    for name, value in stats.items():
        if isinstance(value, dict):
            yield from lines(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name} {'' if value is None else value}"


def line(shown: dict[str, str]) -> str:
    """The most important figures in one line."""
    return "  ".join(f"{name} {shown[name]}" for name in PLAIN)


def view(url: str, now: Reading, before: Reading | None) -> Group:
    """The figures, and the fullest conversations below them, for a terminal."""
    shown = list(figures(now, before).items())
    grid = Table.grid(padding=(0, 2))
    half = -(-len(shown) // 2)
    for place in range(half):
        row: list[Text] = []
        for name, value in shown[place::half]:
            row += (Text(name, style="dim"), Text(value, style="bold", justify="right"))
        grid.add_row(*row)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("conversation", no_wrap=True, ratio=1)
    for name in ("waiting", "messages", "readers", "behind", "idle"):
        table.add_column(name, justify="right")
    for each in now.conversations:
        table.add_row(
            Text(printable(each["title"] or each["id"])),
            f"{each['depth']:,}",
            "" if each["messages"] is None else f"{each['messages']:,}",
            f"{each['connections']:,}",
            f"{each['behind']:,}",
            duration(each["idle"]),
        )
    return Group(Text(url, style="bold"), Text(), grid, Text(), table)


def printable(text: str) -> str:
    """A text of somebody else's, without what a terminal would obey."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def duration(seconds: float) -> str:
    """A time in its two largest units."""
    whole = int(seconds)
    for unit, size, below, less in (
        ("d", 86_400, "h", 3_600),
        ("h", 3_600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // less} {below}"
    return f"{whole} s"


def _rate(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
