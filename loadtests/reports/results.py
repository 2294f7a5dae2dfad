"""The figures of a bench: a page for people, and a JSON file beside it that the next bench compares with."""

from __future__ import annotations

import json
import platform
import sqlite3
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..users import RunError
from .cluster_table import cluster_lines

if TYPE_CHECKING:
    from ..scenarios import Result


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of a case. CPU in microseconds, times in milliseconds, memory in KiB."""

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
    back: float  # until the last of the dropped connections was live again
    well: bool
    sent: str = ""  # the rule that decided when a message was sent

    @classmethod
    def of(cls, name: str, command: str, ours: Result, bare: Result | None) -> Row:
        """The row of a case; `bare` is the floor's result, None without one."""
        delivery, receipt = ours.tally.delivery, ours.tally.receipt
        return cls(
            name,
            command,
            round(ours.deliveries_per_second),
            round(ours.cpu_per_delivery, 3),
            round(bare.cpu_per_delivery, 3) if bare else 0.0,
            round(1000 * delivery.quantile(0.5), 1),
            round(1000 * delivery.quantile(0.99), 1),
            round(1000 * receipt.quantile(0.5), 1),
            round(1000 * receipt.quantile(0.99), 1),
            round(ours.connect_cpu * 1e6),
            round(ours.connection_memory / 1024, 1),
            round(1000 * ours.tally.reconnect.quantile(1.0), 1),
            ours.well,
            ours.scenario.pace,
        )

    @property
    def ratio(self) -> float:
        """CPU as a multiple of the floor's; 0 without a floor."""
        return self.cpu / self.floor_cpu if self.floor_cpu else 0.0


def load(results: Path) -> dict[str, dict[str, Any]]:
    """The recorded rows, by name. Raises `RunError` if there are none."""
    recorded = results.with_suffix(".json")
    try:
        return {row["name"]: row for row in json.loads(recorded.read_text())["rows"]}
    except (OSError, ValueError, LookupError, TypeError):
        raise RunError(
            f"{recorded} has no figures to compare with: run 'salon bench' first"
        ) from None


def save(
    results: Path,
    rows: list[Row],
    costs: dict[str, float],
    memory: dict[str, float],
    answers: list[dict[str, float]],
) -> None:
    """Write the page and the JSON file beside it; costs are in microseconds, memory in KiB, `answers` as in bench/agents.py.

    The figures of search and of several nodes, which take longer, stay as they are.
    """
    figures = {
        "measured": _now(),
        "rows": [asdict(row) for row in rows],
        "costs": costs,
        "memory": memory,
        "answers": answers,
    }
    before = _recorded(results)
    _write(results, figures | {part: before.get(part) for part in ("search", "cluster")})


def save_search(results: Path, messages: int, kinds: list[dict[str, Any]]) -> None:
    """Put the figures of search into the page and the JSON file, beside what is there. Raises `RunError` if there is nothing."""
    figures = _recorded(results)
    if "measured" not in figures:
        raise RunError(f"{results} has no figures yet: run 'salon bench' first")
    _write(results, figures | {"search": {"at": _now(), "messages": messages, "kinds": kinds}})


def save_cluster(
    results: Path, part: str, rows: list[dict[str, Any]], how: str, *, well: bool
) -> None:
    """Put a part of the figures of several nodes into the page and the JSON file, as `save_search` does.

    `how` is the flags that repeat it.
    """
    figures = _recorded(results)
    if "measured" not in figures:
        raise RunError(f"{results} has no figures yet: run 'salon bench' first")
    cluster = figures.get("cluster") or {}
    cluster[part] = {"at": _now(), "how": how, "well": well, "rows": rows}
    _write(results, figures | {"cluster": cluster})


def _recorded(results: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(results.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def _write(results: Path, figures: dict[str, Any]) -> None:
    results.write_text(_page(**figures), encoding="utf-8")
    results.with_suffix(".json").write_text(json.dumps(figures, indent=1) + "\n")


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"


def _page(
    measured: str,
    rows: list[dict[str, Any]],
    costs: dict[str, float],
    memory: dict[str, float],
    answers: list[dict[str, float]],
    search: dict[str, Any] | None,
    cluster: dict[str, Any] | None = None,
) -> str:
    cases = [Row(**row) for row in rows]
    well = all(case.well for case in cases)
    verdict = "Every delivery was checked: nothing lost, repeated or out of order."
    lines = [
        "# Figures",
        "",
        f"Measured {measured} by `make bench` on {machine()}, server and load on the same machine, "
        f"SQLite {sqlite3.sqlite_version} committing with `synchronous=FULL` before every receipt and copy. CPU is the server "
        "process's own. The floor is a C program that stores nothing and writes one ready-made piece to each socket a turn "
        f"([floor.c](servers/floor.c)), under the same load. {verdict if well else 'Not every case went well.'}",
        "",
        "What decided when a message was sent stands beside each case's command below.",
        "",
        "| case | CPU a delivery | C floor | deliveries/s | delivery p50 / p99 | receipt p50 / p99 | well |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *map(_line, cases),
        "",
        "| what | CPU |",
        "| --- | --- |",
        *(f"| {name} | {cost:,.0f} µs |" for name, cost in costs.items()),
        f"| a connect: handshake, identity, membership, history, live; by the size of the room | {_connect(cases)} µs |",
        "",
        "| what | memory |",
        "| --- | --- |",
        f"| a connection, joined and live | {max(case.connection_memory for case in cases):.1f} KiB |",
        *(f"| {name} | {size:.1f} KiB |" for name, size in memory.items()),
        "",
        *(
            f"{case.name}: the last is live again after {case.back / 1000:.1f} s."
            for case in cases
            if case.back
        ),
        "",
        *answer_lines(answers),
        *search_lines(search),
        *cluster_lines(cluster),
        "The commands:",
        "",
        *(f"- {case.name}: `{case.command}`; {case.sent}" for case in cases),
    ]
    return "\n".join(lines) + "\n"


def answer_lines(answers: list[dict[str, float]]) -> list[str]:
    """The table of agents' answers."""
    return [
        "Answers of agents: each of 80 tokens a second to a room of an agent and three people, 20 frames a second as the client "
        "gathers them; beside them a person sends 50 messages a second in a room of five.",
        "",
        "| runs at once | of a core | CPU a delta | CPU a delivery | token p50 / p99 | message beside p50 / p99 | memory a run |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {each['runs']:,.0f} | {100 * each['core']:.0f} % | {each['cpu_per_delta']:.0f} µs | "
            f"{each['cpu_per_delivery']:.1f} µs | {each['token_p50']:.1f} / {each['token_p99']:.1f} ms | "
            f"{each['message_p50']:.1f} / {each['message_p99']:.1f} ms | {each['memory_per_run']:.1f} KiB |"
            if each["runs"]
            else f"| none | {100 * each['core']:.0f} % | – | – | – | "
            f"{each['message_p50']:.1f} / {each['message_p99']:.1f} ms | – |"
            for each in answers
        ),
        "",
    ]


def search_lines(search: dict[str, Any] | None) -> list[str]:
    """The table of searches, if they were measured."""
    if search is None:
        return []
    return [
        f"Searches in a store of {search['messages']:,} messages in 100 rooms, half of them in one, over HTTP, in milliseconds; "
        f"measured {search['at']} by `python -m salon.loadtests.bench.search`.",
        "",
        "| what | p50 | p95 | p99 | most | hits |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {each['name']} | {each['p50']:.1f} | {each['p95']:.1f} | {each['p99']:.1f} | {each['most']:.1f} | "
            f"{each['hits']:.1f} |"
            for each in search["kinds"]
        ),
        "",
    ]


def _line(row: Row) -> str:
    bare = f"{row.floor_cpu:.2f} µs" if row.floor_cpu else "–"
    return (
        f"| {row.name} | {row.cpu:.2f} µs | {bare} | {row.deliveries_per_second:,.0f} | "
        f"{row.p50:.1f} / {row.p99:.1f} ms | {row.receipt_p50:.1f} / {row.receipt_p99:.1f} ms | "
        f"{'yes' if row.well else 'no'} |"
    )


def _connect(rows: list[Row]) -> str:
    costs = [row.connect_cpu for row in rows]
    return f"{min(costs):,.0f}–{max(costs):,.0f}"


def machine() -> str:
    """A description of this machine: cores, CPU model, kernel, Python."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    count = sum(line.startswith("processor") for line in lines)
    model = models[0] if models else platform.processor() or platform.machine()
    linux, python = platform.release().split("-")[0], platform.python_version()
    return f"{count} × {model}, Linux {linux}, CPython {python}"
