"""The figures of several nodes, as the page of figures shows them."""

from __future__ import annotations

from typing import Any


def cluster_lines(cluster: dict[str, Any] | None) -> list[str]:
    """The tables, if they were measured."""
    if cluster is None:
        return []
    return [
        f"Several nodes, measured {cluster['at']} by `salon bench --cluster --pairs {cluster['pairs']} --seconds "
        f"{cluster['seconds']:g}`: real processes, PostgreSQL with every commit on disk, NATS. What is compared ran one after "
        f"the other, {cluster['pairs']} times; figures and ratios are medians, CPU is that of a delivery. "
        + ("Every delivery was checked." if cluster["well"] else "Not every case went well."),
        "",
        "One server over PostgreSQL, against SQLite:",
        "",
        "| case | SQLite | PostgreSQL | ratio | the database's own |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {each['name']} | {each['sqlite']:.2f} µs | {each['postgres']:.2f} µs | {each['ratio']:.2f} | "
            f"{each['database']:.2f} µs |"
            for each in cluster["stores"]
        ),
        "",
        "A delivery at the node that owns the conversation, and at another; 10 senders, window 8:",
        "",
        "| case | owner | another | ratio |",
        "| --- | --- | --- | --- |",
        *(
            f"| {each['name']} | {each['owner']:.2f} µs | {each['other']:.2f} µs | {each['ratio']:.2f} |"
            for each in cluster["readers"]
        ),
        "",
        f"The same work on one node and on {cluster['nodes']}. `the owner`: people connect to the node that owns their "
        "conversation; `any node`: behind a load balancer that knows nothing of conversations.",
        "",
        "| case | people at | one node | busiest of three | share | all three | database of one / three | NATS |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *map(_spread, cluster["spread"]),
        "",
        "What goes between the three nodes, people at any, and what the database does, for each message that somebody has sent; "
        "where nothing is said, a second:",
        "",
        "| case | parts of messages between nodes | NATS messages | bytes | rows written | transactions |",
        "| --- | --- | --- | --- | --- | --- |",
        *map(_traffic, cluster["traffic"]),
        "",
    ]


def _spread(each: dict[str, Any]) -> str:
    return (
        f"| {each['name']} | {each['people']} | {each['one']:.2f} µs | {each['busiest']:.2f} µs | {100 * each['ratio']:.0f} % | "
        f"{each['all']:.2f} µs | {each['database_of_one']:.2f} / {each['database']:.2f} µs | {each['nats']:.2f} µs |"
    )


def _traffic(each: dict[str, Any]) -> str:
    unit = each["messages"] if each["messages"] > 1 else 1.0
    wire = {
        name.removeprefix("wire "): count / unit
        for name, count in each.items()
        if name.startswith("wire ")
    }
    nats, size = wire.pop("nats", 0.0), wire.pop("bytes", 0.0)
    parts = ", ".join(f"{count:.2f} {name}" for name, count in wire.items() if count >= 0.005)
    rows = (each["inserted"] + each["updated"] + each["deleted"]) / unit
    a_second = ", a second" if each["messages"] <= 1 else ""
    return (
        f"| {each['name']}{a_second} | {parts} | {nats:.2f} | {size:,.0f} | {rows:.2f} | "
        f"{each['transactions'] / unit:.2f} |"
    )
