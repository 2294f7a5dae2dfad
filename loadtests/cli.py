"""`salon load`: simulated people against a running server, every delivery checked."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from . import scenario as scenarios
from .process import floor as bare_floor
from .process import own_server
from .report import as_json, page, table
from .run import Result, run
from .stage import StageError

NAMES = ", ".join(scenarios.names())


def load(
    name: Annotated[str, typer.Argument(help=f"{NAMES}, or a YAML file")] = "fanout",
    url: Annotated[str, typer.Option(help="the server to drive")] = "http://127.0.0.1:8000",
    serve: Annotated[
        bool, typer.Option("--serve", help="start a server of its own, with the limits lifted")
    ] = False,
    floor: Annotated[
        bool, typer.Option("--floor", help="drive a C program that only writes, for comparison")
    ] = False,
    store: Annotated[
        str | None, typer.Option(help="the own server's store; a SQLite file by default")
    ] = None,
    server_pid: Annotated[
        int | None, typer.Option(help="read CPU and memory of this process")
    ] = None,
    processes: Annotated[
        int, typer.Option(min=1, max=64, help="processes of simulated people")
    ] = 1,
    rooms: Annotated[int | None, typer.Option(min=1)] = None,
    readers: Annotated[int | None, typer.Option(min=1, help="people in a room")] = None,
    senders: Annotated[int | None, typer.Option(min=0, help="of them, how many send")] = None,
    window: Annotated[
        int | None, typer.Option(min=0, help="messages of a sender on their way; 0: by rate")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(min=0, help="messages a second in all, with --window 0")
    ] = None,
    size: Annotated[int | None, typer.Option(min=18, help="characters of a message")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.5, help="measured time")] = None,
    keys: Annotated[
        bool | None, typer.Option("--keys/--no-keys", help="messages carry a client_message_id")
    ] = None,
    never_read: Annotated[
        int | None, typer.Option(min=0, help="people of a room who stop reading")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="print figures for machines")] = False,
    report: Annotated[Path | None, typer.Option(help="write a page with plots")] = None,
) -> None:
    """Drive a server; exit 0 if every message arrived everywhere, once and in order."""
    console = Console(stderr=json_)
    try:
        plan = scenarios.load(name).changed(
            rooms=rooms,
            readers=readers,
            senders=senders,
            window=0 if rate and window is None else window,
            rate=rate,
            size=size,
            seconds=seconds,
            keys=keys,
            never_read=never_read,
        )
        target = own_server(store) if serve else nullcontext((url, server_pid))
        with bare_floor() if floor else target as (address, pid):
            result = _watched(console, plan, address, pid, processes, bare=floor)
    except (StageError, ValueError) as error:
        console.print(f"[red]error:[/red] {error}", highlight=False)
        raise typer.Exit(2) from None
    if json_:
        print(json.dumps(as_json(result)))  # noqa: T201  # the command's output
    else:
        console.print(table(result))
    if report is not None:
        report.write_text(page(result))
        console.print(f"wrote {report}")
    for anomaly in result.tally.anomalies[:20]:
        console.print(f"[red]anomaly:[/red] {anomaly}", highlight=False)
    raise typer.Exit(0 if result.well else 1)


def _watched(
    console: Console,
    plan: scenarios.Scenario,
    url: str,
    pid: int | None,
    processes: int,
    *,
    bare: bool,
) -> Result:
    with console.status(f"{plan.name}: setting the stage at {url}") as status:
        totals = [0, 0, 0, 0]

        def progress(*said: Any) -> None:
            for index, number in enumerate(said[1:]):
                totals[index] += number
            status.update(
                f"{plan.name}: {totals[0]:,} deliveries, {totals[1]:,} receipts, {totals[2]:,} refusals"
            )

        return run(plan, url, pid=pid, processes=processes, progress=progress, bare=bare)
