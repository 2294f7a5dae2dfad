"""The figures of several nodes, as the page of figures shows them."""

from __future__ import annotations

from typing import Any

HEADS = {
    "stores": (
        "One server over PostgreSQL, against SQLite",
        ("case", "SQLite", "PostgreSQL", "ratio", "the database's own"),
    ),
    "readers": (
        "A delivery at the node that owns the conversation, and at another; 10 senders, window 8",
        ("case", "owner", "another", "ratio", "the database's own"),
    ),
    "spread": (
        "The same work on one node and on three. *The owner*: people connect to the node that owns their conversation; "
        "*any node*: behind a load balancer that knows nothing of conversations",
        (
            *("case", "people at", "one node", "busiest of three", "share", "all three"),
            *("database of one / three", "NATS of three"),
        ),
    ),
    "traffic": (
        "What goes between three nodes, people at any, and what the database does, for each message that somebody has sent; "
        "where nothing is said, a second",
        ("case", "parts between nodes", "NATS messages", "bytes", "rows written", "transactions"),
    ),
}


def cluster_lines(cluster: dict[str, Any] | None) -> list[str]:
    """The tables of those parts that were measured."""
    if not cluster:
        return []
    lines = [
        "Several nodes: real processes, PostgreSQL with every commit on disk, NATS. What is compared ran one after the other, as "
        "often as the command says; figures and ratios are medians, CPU is that of a delivery, every delivery was checked.",
        "",
    ]
    for part, (title, columns) in HEADS.items():
        if part in cluster:
            found = cluster[part]
            fault = "" if found["well"] else " Not every case went well."
            lines += [
                f"{title}; measured {found['at']} by `salon bench --cluster {found['how']}`.{fault}",
                "",
                _row(columns),
                _row(["---"] * len(columns)),
                *(_row(_cells(part, each)) for each in found["rows"]),
                "",
            ]
    return lines


def _row(cells: tuple[str, ...] | list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(part: str, each: dict[str, Any]) -> list[str]:
    name = str(each["name"])
    match part:
        case "traffic":
            return _traffic(name, each)
        case "spread":
            return [
                name,
                str(each["people"]),
                _cpu(each["one"]),
                _cpu(each["busiest"]),
                f"{100 * each['ratio']:.0f} %",
                _cpu(each["all"]),
                f"{each['database_of_one']:.2f} / {_cpu(each['database'])}",
                _cpu(each["nats"]),
            ]
    first, second = ("sqlite", "postgres") if part == "stores" else ("owner", "other")
    return [
        name,
        _cpu(each[first]),
        _cpu(each[second]),
        f"{each['ratio']:.2f}",
        _cpu(each["database"]),
    ]


def _traffic(name: str, each: dict[str, Any]) -> list[str]:
    is_quiet = each["messages"] <= 1
    unit = 1.0 if is_quiet else each["messages"]
    wire = {
        kind.removeprefix("wire "): count / unit
        for kind, count in each.items()
        if kind.startswith("wire ")
    }
    nats, size = wire.pop("nats", 0.0), wire.pop("bytes", 0.0)
    parts = ", ".join(f"{count:.2f} {kind}" for kind, count in wire.items() if count >= 0.005)
    rows = sum(each[what] for what in ("inserted", "updated", "deleted")) / unit
    return [
        f"{name}, a second" if is_quiet else name,
        parts,
        f"{nats:.2f}",
        f"{size:,.0f}",
        f"{rows:.2f}",
        f"{each['transactions'] / unit:.2f}",
    ]


def _cpu(microseconds: float) -> str:
    return f"{microseconds:.2f} µs"
