"""`salon crash`: kills a server repeatedly under load, over a bad network; no acknowledged message may be lost."""

from __future__ import annotations

import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import trio
import typer
from rich.console import Console
from rich.text import Text

from salon.web.client import Closed, Gap, Refused

from ..checker import HistoryError, HistoryFile, Recorder, judge_file
from ..users import RunError
from .outage import in_words
from .plan import KINDS, Plan
from .run import CrashRun
from .server import Failed

if TYPE_CHECKING:
    from rich.status import Status

    from ..checker import Report
    from .cluster_run import ClusterRun
    from .plan import Toll

# Of people at a cluster: a run takes long, the checker has to hold what they say, and nodes and database share a machine.
HANDS, PAUSE, ANSWER, PATIENCE = 2, 2.0, 20.0, 300.0
SHOWN = 3  # anomalies printed of each kind; `salon check` prints all
FIGURES = {
    "lost": "lost",
    "duplicated": "duplicate",
    "gaps": "gap",
}  # name in the output -> kind of `salon check`


def crash(
    kills: Annotated[int, typer.Option(min=1, help="how often the server is killed")] = 200,
    rooms: Annotated[int, typer.Option(min=1, max=50, help="conversations")] = 3,
    people: Annotated[int, typer.Option(min=4, max=50, help="people in each of them")] = 5,
    faults: Annotated[
        bool,
        typer.Option("--faults/--no-faults", help="delays, slices, resets, black holes on the way"),
    ] = True,
    kind: Annotated[
        list[str] | None,
        typer.Option(help=f"a fault of --cluster; may be repeated: {', '.join(KINDS)}"),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="draw the same faults and moments as a run before")
    ] = None,
    history: Annotated[
        Path | None, typer.Option(help="keep what everybody saw, for `salon check`")
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="the server's store, empty; a SQLite file by default")
    ] = None,
    cluster: Annotated[
        bool,
        typer.Option("--cluster", help="three nodes over PostgreSQL and NATS, and other faults"),
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="print the figures for machines")] = False,
) -> None:
    """Kill a server of its own under load; exit 0 if no acknowledged message is lost, doubled or reordered, else 1.

    Simulated people send through a proxy that delays, slices, resets and swallows their traffic. The server is killed with
    SIGKILL at random moments, only after it has answered, and restarted on the same store. People edit, delete, react and reply
    in threads. Agents answer in runs: each is one message with all that was said, less at most the last second if the agent
    does not come back. A backend is told of every event by webhooks, somebody reads server-sent events, and somebody is erased
    while the server is killed. At the end `salon check` judges the history of all people, and each client's events are compared
    with the log. A kill takes about a second.

    With --cluster there are three nodes, with people at each, and `kills` counts faults: an owner, another node or two of three
    are killed, a node stands still, PostgreSQL or NATS is restarted, a node is cut off from either or both, or leaves and joins.
    A fault takes about ten seconds. It is measured how long writes waited for a killed owner, and what a planned leave costs.
    """
    console = Console(stderr=json_, highlight=False)
    drawn = random.SystemRandom().randrange(2**31) if seed is None else seed
    plan = Plan(kills, rooms, people, drawn, faults, store)
    if cluster:
        if store is not None:
            console.print(
                "[red]error:[/] --cluster starts a PostgreSQL of its own: leave --store out"
            )
            raise typer.Exit(2)
        if unknown := set(kind or ()) - set(KINDS):
            console.print(
                f"[red]error:[/] there is no {', '.join(sorted(unknown))}: {', '.join(KINDS)}"
            )
            raise typer.Exit(2)
        plan = replace(
            plan,
            cluster=True,
            answer=ANSWER,
            patience=PATIENCE,
            hands=HANDS,
            pause=PAUSE,
            kinds=tuple(kind or ()),
        )
    folder = Path(tempfile.mkdtemp(prefix="salon-crash-"))
    good = False
    try:
        with console.status("the first start") as status:
            toll = _run(plan, folder, history or folder / "history.jsonl", status)
            status.update("judging what everybody saw")
            report = judge_file(history or folder / "history.jsonl", runs_ended=True)
        good = _tell(console, plan, toll, report, as_machine=json_)
    except (RunError, HistoryError, OSError) as error:
        console.print(Text.assemble(("error: ", "red"), str(error)), soft_wrap=True)
        raise typer.Exit(2) from None
    finally:
        if good or sys.exc_info()[0] is not None:
            shutil.rmtree(folder, ignore_errors=True)
    if not good:
        console.print(f"kept in {folder}; the seed was {drawn}", soft_wrap=True)
        raise typer.Exit(1)


def _run(plan: Plan, folder: Path, history: Path, status: Status) -> Toll:
    began = time.monotonic()

    def progress(toll: Toll) -> None:
        spent = time.monotonic() - began
        status.update(
            f"killed {toll.kills} of {plan.kills} times, {spent:.0f} s ({spent / toll.kills:.2f} s a kill)"
        )

    words = f"salon crash{' --cluster' * plan.cluster} --kills {plan.kills} --seed {plan.seed}"
    with HistoryFile(history, words) as file:
        run = _cluster_run() if plan.cluster else CrashRun
        crash_run = run(plan, folder, Recorder(file.write), progress)
        try:
            trio.run(crash_run.run)
        except (BaseExceptionGroup, Failed, trio.TooSlowError) as error:
            cause = _cause(error)
            if not isinstance(cause, Failed):
                raise cause from error
            crash_run.toll.failed = str(cause)
    return crash_run.toll


def _cluster_run() -> type[ClusterRun]:
    """Imported only where there is a cluster: it needs what the extra has. Raises `RunError` where that is not installed."""
    if find_spec("psycopg") is None or find_spec("msgspec") is None:
        raise RunError("nodes need more packages: pip install 'salon[cluster]'")
    from .cluster_run import ClusterRun  # noqa: PLC0415

    return ClusterRun


def _cause(error: BaseException) -> BaseException:
    """The first error of the exception groups that nurseries raise; one of a server or a client is made a `Failed`."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case trio.TooSlowError():
            return Failed("nothing went on for too long; the server's log stands beside its store")
        case Closed() | Gap() | Refused():
            return Failed(f"a client gave up: {error}")
    return error


def _figures(plan: Plan, toll: Toll, report: Report) -> dict[str, Any]:
    good = report.good and not toll.failed and not toll.disagreeing and report.acknowledged > 0
    return {
        "good": good,
        "kills": toll.kills,
        "acknowledged": report.acknowledged,
        **{name: report.counts.get(kind, 0) for name, kind in FIGURES.items()},
        "anomalies": len(report.anomalies),
        "disagreeing": toll.disagreeing,
        "failed": toll.failed,
        "kills_while_starting": toll.kills_while_starting,
        "sent": report.sent,
        "changes": report.changes,
        "delivered": report.delivered,
        "stored": toll.stored,
        "runs": toll.runs,
        "runs_interrupted": toll.runs_interrupted,
        "webhook_deliveries": toll.deliveries,
        "event_streams": toll.streams,
        "erased": toll.erased,
        "people": report.people,
        "reconnects": toll.reconnects,
        "connections": toll.lines,
        "resets": toll.cuts,
        "faults": toll.faults,
        "seconds": round(toll.seconds, 1),
        "seed": plan.seed,
        **({"strikes": toll.strikes, "outages": toll.outages} if plan.cluster else {}),
    }


def _tell(console: Console, plan: Plan, toll: Toll, report: Report, *, as_machine: bool) -> bool:
    """Print the outcome; return whether it is good."""
    figures = _figures(plan, toll, report)
    if as_machine:
        print(json.dumps(figures))  # noqa: T201  # the command's output
    shown: Counter[str] = Counter()
    for each in report.anomalies:
        shown[each.kind] += 1
        if shown[each.kind] <= SHOWN:
            console.print(Text.assemble(("anomaly: ", "red"), str(each)), soft_wrap=True)
    for who in toll.disagreeing:
        console.print(Text.assemble(("disagrees with the log: ", "red"), who), soft_wrap=True)
    if toll.failed:
        console.print(Text.assemble(("failed: ", "red"), toll.failed), soft_wrap=True)
    console.print(
        f"{toll.kills} kills in {toll.seconds:.0f} s, {report.acknowledged:,} messages acknowledged, "
        f"{report.changes:,} changes of messages, "
        f"{report.delivered:,} deliveries, {toll.reconnects:,} reconnects, {toll.runs:,} answers of agents "
        f"({toll.runs_interrupted} interrupted), {toll.deliveries:,} deliveries of webhooks, "
        f"{toll.streams:,} streams of events, {toll.erased:,} messages erased: {figures['lost']} lost, "
        f"{figures['duplicated']} duplicated, {figures['gaps']} gaps, {len(report.anomalies)} anomalies in all",
        soft_wrap=True,
    )
    if plan.cluster:
        for line in in_words(toll):
            console.print(line, soft_wrap=True)
    return bool(figures["good"])
