"""`salon load`: drives a running server with simulated people and checks every delivery."""

from __future__ import annotations

import json
import os
import select
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.text import Text

from .reports import advices, as_json, page, table
from .scenarios import RAW, WIRES, Result, Ticker, run
from .scenarios import scenario as scenarios
from .servers import floor as bare_floor
from .servers import own_server
from .users import RunError

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
    wire: Annotated[
        str,
        typer.Option(
            metavar="|".join(WIRES),
            help="whose code reads and writes the frames: ours, or one that is not; "
            "with commas between them, each process's",
        ),
    ] = RAW,
    rooms: Annotated[int | None, typer.Option()] = None,
    readers: Annotated[int | None, typer.Option(help="people in a room")] = None,
    senders: Annotated[int | None, typer.Option(help="of them, how many send")] = None,
    window: Annotated[
        int | None, typer.Option(help="messages of a sender on their way; 0: by rate")
    ] = None,
    window_counts: Annotated[
        str | None,
        typer.Option(
            metavar="receipts|deliveries",
            help="a message is on its way until its receipt has come, or until every reader has it",
        ),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="messages a second in all, on schedule")
    ] = None,
    size: Annotated[int | None, typer.Option(help="characters of a message")] = None,
    seconds: Annotated[float | None, typer.Option(help="measured time")] = None,
    keys: Annotated[
        bool | None, typer.Option("--keys/--no-keys", help="messages carry a client_message_id")
    ] = None,
    never_read: Annotated[
        int | None, typer.Option(help="people of a room who stop reading")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="another parameter, such as churn=50; may be repeated"),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="print figures for machines")] = False,
    report: Annotated[Path | None, typer.Option(help="write a page with plots")] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="write down every frame for `salon check`; for small runs: it costs CPU"),
    ] = None,
) -> None:
    """Drive a server; exit 0 if every message reached every reader, once and in order, 1 if not, 2 if it cannot be tried."""
    console = Console(stderr=json_)
    flags = {
        "rooms": rooms,
        "readers": readers,
        "senders": senders,
        "window": 0 if rate and window is None else window,
        "window_counts": window_counts,
        "rate": rate,
        "size": size,
        "seconds": seconds,
        "keys": keys,
        "never_read": never_read,
    }
    try:
        _check_here(report, history)
        wires = _wires(wire)
        given = {flag: value for flag, value in flags.items() if value is not None}
        plan = scenarios.load(name).changed(**(_parameters(set_ or []) | given))
        if history is not None:
            _check_recordable(plan, processes, bare=floor)
        target: AbstractContextManager[tuple[str, int | None]] = nullcontext((url, server_pid))
        if floor:
            target = bare_floor()
        elif serve:
            target = own_server(store)
        with target as (address, pid):
            begin = f"{plan.name}: {sum(plan.sizes):,} people come to {address}"
            with console.status(begin) as status:
                result = run(
                    plan,
                    address,
                    pid=pid,
                    processes=processes,
                    progress=Ticker(status, plan, plan.name),
                    bare=floor,
                    history=history,
                    wires=wires,
                )
    except (RunError, ValueError) as error:
        console.print(Text.assemble(("error: ", "red"), str(error)), soft_wrap=True)
        raise typer.Exit(2) from None
    _tell(console, result, report, as_machine=json_)
    raise typer.Exit(0 if result.well else 1)


def _wires(given: str) -> tuple[str, ...]:
    wires = tuple(given.split(","))
    unknown = [each for each in wires if each not in WIRES]
    if unknown:
        raise ValueError(f"--wire {given}: it has to be {' or '.join(WIRES)}, not {unknown[0]!r}")
    return wires


def _parameters(given: list[str]) -> dict[str, Any]:
    """The parameters of `--set`: each is `name=value`, the value in YAML as in a scenario's file."""
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals:
            raise ValueError(f"--set {each}: name=value is wanted")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ValueError(f"--set {each}: the value is not YAML") from None
    return found


def _check_here(*files: Path | None) -> None:
    """Check before the run that it is possible here and that its files can be written. Raises `RunError`."""
    if not hasattr(select, "epoll"):
        raise RunError("the simulated people need Linux: they wait with epoll")
    for file in files:
        if file is not None and not os.access(file.absolute().parent, os.W_OK):
            raise RunError(f"{file}: there is no such folder to write to")


def _check_recordable(plan: scenarios.Scenario, processes: int, *, bare: bool) -> None:
    if processes > 1 or not plan.keys or bare:
        raise RunError(
            "a history needs one process, keys and a server: leave out --processes, --no-keys and --floor"
        )


def _tell(console: Console, result: Result, report: Path | None, *, as_machine: bool) -> None:
    if as_machine:
        print(json.dumps(as_json(result)))  # noqa: T201  # the command's output
    else:
        console.print(table(result))
    if report is not None:
        report.write_text(page(result), encoding="utf-8")
        console.print(f"wrote {report}")
    for text in advices(result):
        console.print(Text.assemble(("note: ", "yellow"), text), soft_wrap=True)
    for text in result.tally.anomalies:
        console.print(Text.assemble(("anomaly: ", "red"), text), soft_wrap=True)
