"""`salon bench`: every figure that the README states, measured again, with the C floor beside it."""

from __future__ import annotations

import json
import platform
import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import trio
import typer
from rich.console import Console

from salon.web.client import Client

from . import scenario as scenarios
from .process import Process, floor, own_server
from .run import Result, run
from .stage import Api

# Times the recorded ratio to the floor before `--check` fails: machines are noisy
RATIO_ALLOWED = 2.0


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table. `floor` says whether the C program is driven by the same load."""

    name: str
    scenario: str
    changes: dict[str, Any]
    floor: bool = True


CASES = [
    Case(
        "room of 1,000, 20 messages/s, each alone",
        "fanout",
        {"readers": 1000, "senders": 1, "window": 0, "rate": 20.0},
    ),
    Case(
        "room of 100, 10 senders, window 8", "fanout", {"readers": 100, "senders": 10, "window": 8}
    ),
    Case(
        "room of 1,000, 10 senders, window 2",
        "fanout",
        {"readers": 1000, "senders": 10, "window": 2},
    ),
    Case("500 rooms of 4, all send, window 1", "rooms", {"rooms": 500}),
    Case(
        "250 rooms of 4, 1,000 messages/s, each alone",
        "rooms",
        {"rooms": 250, "window": 0, "rate": 1000.0},
    ),
    Case(
        "room of 100, all talk, 200 messages/s",
        "fanout",
        {"readers": 100, "senders": 100, "window": 0, "rate": 200.0},
    ),
    Case("1,000 drop at once and come back", "storm", {}, floor=False),
    Case("20 of 100 never read", "slow", {}, floor=False),
]
CHECKED = CASES[:4]


def bench(
    results: Annotated[Path, typer.Option(help="where the table goes")] = Path(
        "loadtests/RESULTS.md"
    ),
    check: Annotated[
        bool, typer.Option("--check", help="only compare with the recorded ratios to the floor")
    ] = False,
    seconds: Annotated[float, typer.Option(min=1, help="measured time of a case")] = 5.0,
) -> None:
    """Measure; with --check exit 1 where a case costs more than twice its recorded ratio to the C floor."""
    console = Console()
    rows = [_measure(console, case, seconds) for case in (CHECKED if check else CASES)]
    recorded = results.with_suffix(".json")
    if check:
        raise typer.Exit(_compare(console, rows, json.loads(recorded.read_text())))
    costs = {"an HTTP send, whole": _http_cost(), **_long_costs()}
    results.write_text(_page(rows, costs))
    recorded.write_text(
        json.dumps({"rows": [asdict(row) for row in rows], "costs": costs}, indent=1) + "\n"
    )
    console.print(f"wrote {results}")
    raise typer.Exit(0 if all(row.well for row in rows) else 1)


@dataclass(frozen=True, slots=True)
class Row:
    """What a case came to. CPU in microseconds, times in milliseconds, memory in KiB."""

    name: str
    command: str
    deliveries_per_second: float
    cpu: float
    floor_cpu: float
    p50: float
    p99: float
    receipt_p50: float
    receipt_p99: float
    connect_cpu: float
    connection_memory: float
    well: bool

    @property
    def ratio(self) -> float:
        """How many times the floor's CPU."""
        return self.cpu / self.floor_cpu if self.floor_cpu else 0.0


def _measure(console: Console, case: Case, seconds: float) -> Row:
    plan = scenarios.load(case.scenario).changed(**case.changes)
    if not plan.storm:
        plan = plan.changed(seconds=seconds)
    with console.status(case.name):
        with own_server() as (url, pid):
            ours = run(plan, url, pid=pid, processes=1, progress=lambda *_: None)
        bare = _floor(plan) if case.floor else None
    row = _row(case, ours, bare)
    console.print(
        f"{row.name}: {row.cpu:.2f} µs a delivery (floor {row.floor_cpu:.2f}), "
        f"{row.deliveries_per_second:,.0f}/s, p50/p99 {row.p50:.1f}/{row.p99:.1f} ms"
        + ("" if row.well else " [red]NOT WELL[/red]")
    )
    for anomaly in ours.tally.anomalies[:5]:
        console.print(f"  {anomaly}", highlight=False)
    return row


def _floor(plan: scenarios.Scenario) -> Result:
    with floor() as (url, pid):
        return run(plan, url, pid=pid, processes=1, progress=lambda *_: None, bare=True)


def _row(case: Case, ours: Result, bare: Result | None) -> Row:
    flags = " ".join(
        f"--{name.replace('_', '-')} {value:g}" for name, value in case.changes.items()
    )
    delivery, receipt = ours.tally.delivery, ours.tally.receipt
    return Row(
        case.name,
        f"salon load {case.scenario} {flags} --serve".replace("  ", " "),
        round(ours.deliveries_per_second),
        round(ours.cpu_per_delivery, 3),
        round(bare.cpu_per_delivery, 3) if bare else 0.0,
        round(1000 * delivery.quantile(0.5), 1),
        round(1000 * delivery.quantile(0.99), 1),
        round(1000 * receipt.quantile(0.5), 1),
        round(1000 * receipt.quantile(0.99), 1),
        round(ours.connect_cpu * 1e6),
        round(ours.connection_memory / 1024, 1),
        ours.well,
    )


def _http_cost(posts: int = 2000) -> float:
    """Microseconds of the server's CPU for one message over HTTP, on a kept-alive connection."""
    with own_server() as (url, pid):
        api, server = Api(url), Process(pid)
        token = api.call("POST", "/auth/guest")["token"]
        room = api.call("POST", "/chat/create", token, {"title": "Bench"})["conversation_id"]
        for number in range(200):
            api.call("POST", f"/chat/{room}/messages", token, {"content": f"warm {number}"})
        before = server.cpu()
        for number in range(posts):
            api.call("POST", f"/chat/{room}/messages", token, {"content": f"message {number}"})
        return round((server.cpu() - before) / posts * 1e6, 1)


def _long_costs() -> dict[str, float]:
    """What a send, a join and a page of history cost in a conversation of a hundred messages and of a hundred thousand."""
    costs: dict[str, float] = {}
    for messages in (100, 100_000):
        with own_server() as (url, pid):
            api = Api(url)
            token = api.call("POST", "/auth/guest")["token"]
            room = api.call("POST", "/chat/create", token, {"title": "Long"})["conversation_id"]
            trio.run(_fill, url, room, token, messages)
            costs |= _costs_of(api, Process(pid), room, token, messages)
    return costs


async def _fill(url: str, room: str, token: str, messages: int) -> None:
    async with (
        Client(url, token=token) as client,
        client.conversation(room) as conversation,
        trio.open_nursery() as nursery,
    ):
        limit = trio.CapacityLimiter(500)

        async def send(number: int) -> None:
            async with limit:
                await conversation.send(f"message {number}")

        for number in range(messages):
            nursery.start_soon(send, number)


def _costs_of(api: Api, server: Process, room: str, token: str, messages: int) -> dict[str, float]:
    def cost(times: int, call: Any) -> float:
        before = server.cpu()
        for number in range(times):
            call(number)
        return round((server.cpu() - before) / times * 1e6, 1)

    def join(_: int) -> None:
        guest = api.call("POST", "/auth/guest")["token"]
        api.call("POST", f"/chat/{room}/join", guest)

    half = messages // 2
    name = f"with {messages:,} messages"
    return {
        f"the next message over HTTP, {name}": cost(
            300,
            lambda n: api.call("POST", f"/chat/{room}/messages", token, {"content": f"next {n}"}),
        ),
        f"a guest and their join, {name}": cost(80, join),
        f"a page of 100 events from the middle, {name}": cost(
            200, lambda _: api.call("GET", f"/chat/{room}/messages?after={half}", token)
        ),
    }


def _compare(console: Console, rows: list[Row], recorded: dict[str, Any]) -> int:
    worst = 0
    before = {row["name"]: row for row in recorded["rows"]}
    for row in rows:
        then = before.get(row.name)
        if then is None or not then["floor_cpu"]:
            continue
        allowed = RATIO_ALLOWED * then["cpu"] / then["floor_cpu"]
        verdict = "ok" if row.ratio <= allowed else "TOO MUCH"
        worst |= row.ratio > allowed
        console.print(
            f"{row.name}: {row.ratio:.2f} times the floor, recorded {allowed / RATIO_ALLOWED:.2f}: {verdict}"
        )
    return int(worst)


def _page(rows: list[Row], costs: dict[str, float]) -> str:
    lines = [
        "# Figures",
        "",
        f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC by `make bench` on {_machine()}, server and load on the same machine, "
        f"SQLite {sqlite3.sqlite_version} committing with `synchronous=FULL` before every receipt and copy. CPU is the server "
        "process's own. The floor is a C program that stores nothing and writes one ready-made piece to each socket a turn "
        "([floor.c](floor.c)), under the same load. Every delivery was checked: nothing lost, repeated or out of order.",
        "",
        "| case | CPU a delivery | C floor | deliveries/s | delivery p50 / p99 | receipt p50 / p99 | well |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        bare = f"{row.floor_cpu:.2f} µs" if row.floor_cpu else "–"
        lines.append(
            f"| {row.name} | {row.cpu:.2f} µs | {bare} | {row.deliveries_per_second:,.0f} | "
            f"{row.p50:.1f} / {row.p99:.1f} ms | {row.receipt_p50:.1f} / {row.receipt_p99:.1f} ms | "
            f"{'yes' if row.well else 'no'} |"
        )
    lines += ["", "| what | CPU |", "| --- | --- |"]
    lines += [f"| {name} | {cost:,.0f} µs |" for name, cost in costs.items()]
    connects = [row for row in rows if row.connect_cpu]
    if connects:
        row = connects[0]
        lines += [
            f"| a connect: handshake, identity, membership, history, live | {row.connect_cpu:,.0f} µs |"
        ]
        lines += ["", f"Memory of a connection, joined and live: {row.connection_memory:.1f} KiB."]
    lines += ["", "The commands:", ""]
    lines += [f"- {row.name}: `{row.command}`" for row in rows]
    return "\n".join(lines) + "\n"


def _machine() -> str:
    model = platform.processor() or platform.machine()
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    count = len(
        [
            line
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("processor")
        ]
    )
    return f"{count} × {model}, Linux {platform.release().split('-')[0]}, CPython {platform.python_version()}"


if __name__ == "__main__":
    typer.run(bench)
