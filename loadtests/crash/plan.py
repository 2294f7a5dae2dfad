"""The size of a run of `salon crash`, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# What is done to a cluster: an owner, another node, two nodes, or a node and the programs of people at it are killed; a node
# stands still, is cut off, or leaves and joins; PostgreSQL or NATS is restarted.
KINDS = (
    *("owner", "sockets", "two", "people", "pause", "leave"),
    *("database", "nats", "cut_nats", "cut_database", "cut_both"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """The size of a run. Each of the `rooms` has `people` people; with `faults` the network is bad.

    `store` is the URL of the server's store, which is empty; None for a file. Clients wait `answer` seconds for an answer, and
    their sockets for a ping. People speak with so many `hands` at once, and wait up to `pause` seconds between two messages.
    Nothing may take longer than `patience` seconds, on a busy machine. `kinds` are the faults of a cluster, all by default.
    """

    kills: int
    rooms: int
    people: int
    seed: int
    faults: bool
    store: str | None = None
    answer: float = 3.0
    patience: float = 60.0
    hands: int = 3
    pause: float = 0.1
    cluster: bool = False
    kinds: tuple[str, ...] = ()


@dataclass(slots=True)
class Toll:
    """The counts and the outcome of a run.

    `disagreeing` are the people whose client's events differ from the log, and what is wrong with the answers of agents;
    `failed` says what ended the run too early. Of a cluster, `strikes` counts the faults by kind, and `outages` has what was
    measured.
    """

    kills: int = 0  # or other faults, of a cluster
    kills_while_starting: int = 0
    reconnects: int = 0
    lines: int = 0
    cuts: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    stored: int = 0
    runs: int = 0
    runs_interrupted: int = 0
    deliveries: int = 0  # of webhooks
    streams: int = 0  # of server-sent events, by one reader
    erased: int = 0  # messages of somebody who was erased
    disagreeing: list[str] = field(default_factory=list)
    failed: str = ""
    seconds: float = 0.0
    strikes: dict[str, int] = field(default_factory=dict)
    outages: dict[str, Any] = field(default_factory=dict)
