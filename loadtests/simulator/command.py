"""`salon simulate`: the engine and its clients in virtual time, thousands of times faster than real time, with seeded faults."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ..checker import HistoryFile
from .campaign import Sum, command, hunt_all, plan_of, run, shrink
from .mutant import CLUSTER_MUTANTS, MUTANTS, mutated
from .plan import parse_ranges
from .trial import Trial

if TYPE_CHECKING:
    from .trial import Outcome

ENOUGH = 16  # seeds from which on more processes are worth their start
SHOWN = 10  # anomalies printed for one seed
HUNTED = 100  # seeds within which a mutant has to be caught
ALL = MUTANTS | CLUSTER_MUTANTS


def simulate(
    seeds: Annotated[int, typer.Option(min=1, help="how many, from --first on")] = 100,
    first: Annotated[int, typer.Option(min=0, help="the first seed")] = 1,
    seed: Annotated[int | None, typer.Option(min=0, help="only this one")] = None,
    hours: Annotated[
        float | None, typer.Option(min=0, help="simulated hours in all, instead of --seeds")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="with --seed: only these of its steps, such as 3,7-9")
    ] = None,
    processes: Annotated[
        int | None, typer.Option(min=1, max=64, help="one for each core by default")
    ] = None,
    nodes: Annotated[
        int, typer.Option(min=1, max=7, help="servers over one store, with faults of their own")
    ] = 1,
    mutant: Annotated[
        str | None, typer.Option(help=f"with a bug on purpose: {', '.join(ALL)}")
    ] = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="try whether each such bug is caught")
    ] = False,
    history: Annotated[
        Path | None, typer.Option(help="with --seed: write down all of it for `salon check`")
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="print figures for machines")] = False,
) -> None:
    """Simulate; exit 0 if all is well, 1 on any anomaly or mutant that is not caught, 2 if it cannot be tried.

    The real actors, socket code and clients run against a simulated network, disk and clock: drops, half-open peers, slow
    readers, crashes before and after the commit, a slow or failing store. Every third seed has agents, every third rooms with
    roles, every third operators: webhooks, streams over HTTP, tokens that end, erasures, holds and retention. A seed repeats its
    run exactly, on any machine.
    """
    console = Console(stderr=json_, highlight=False)
    problem = _problem(mutant, steps, seed, history, nodes)
    if problem:
        console.print(f"[red]error:[/red] {problem}", soft_wrap=True)
        raise typer.Exit(2)
    if mutants:
        raise typer.Exit(_hunt(console, processes or _cores(), nodes, as_machine=json_))
    if steps is not None or history is not None:
        assert seed is not None
        total = _replay(seed, steps, mutant, history, nodes)
    else:
        many = hours is not None or (seed is None and seeds >= ENOUGH)
        with console.status("simulating") as status:
            total = run(
                first if seed is None else seed,
                None if hours is not None else seeds if seed is None else 1,
                hours=hours,
                processes=processes or (_cores() if many else 1),
                mutant=mutant,
                nodes=nodes,
                progress=lambda so_far: status.update(_words(so_far)),
            )
    if json_:
        failures = [
            {
                "seed": outcome.seed,
                "command": command(outcome, mutant, nodes),
                "anomalies": [each.as_json() for each in outcome.anomalies],
            }
            for outcome in total.failed
        ]
        print(json.dumps({**total.as_json(), "failures": failures}))  # noqa: T201  # the command's output
    _tell(console, total, mutant, nodes, shrinking=steps is None)
    raise typer.Exit(1 if total.failed else 0)


def _problem(
    mutant: str | None, steps: str | None, seed: int | None, history: Path | None, nodes: int
) -> str:
    if mutant is not None and mutant not in ALL:
        return f"there is no mutant {mutant}; known are: {', '.join(ALL)}"
    if mutant in CLUSTER_MUTANTS and nodes == 1:
        return f"{mutant} is a bug of several nodes: add --nodes 3"
    if seed is None and (steps is not None or history is not None):
        return "--steps and --history are of one run: name it with --seed"
    if history is not None and not os.access(history.absolute().parent, os.W_OK):
        return f"{history}: there is no such folder to write to"
    try:
        _numbers(steps)
    except ValueError:
        return f"--steps {steps}: numbers and ranges are wanted, such as 3,7-9"
    return ""


def _numbers(steps: str | None) -> set[int] | None:
    if steps is None:
        return None
    return set() if steps == "none" else parse_ranges(steps)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _replay(
    seed: int, steps: str | None, mutant: str | None, history: Path | None, nodes: int
) -> Sum:
    plan, only, total = plan_of(seed, nodes), _numbers(steps), Sum()
    trial = Trial(plan if only is None else plan.only(only), keep=history is not None)
    began = time.perf_counter()
    with mutated(mutant):
        total.add(trial.play())
    total.took = time.perf_counter() - began
    if history is not None:
        with HistoryFile(history, f"salon simulate --seed {seed}") as file:
            for record in trial.kept:
                file.write(record)
    return total


def _words(total: Sum) -> str:
    figures = total.as_json()
    return (
        f"{total.seeds:,} seeds, {figures['simulated_hours']:,.1f} simulated hours, {total.operations:,} operations, "
        f"{figures['seeds_per_second']:.1f} seeds/s, {figures['speedup']:,.0f} times real time, {total.anomalies} anomalies"
    )


def _tell(console: Console, total: Sum, mutant: str | None, nodes: int, *, shrinking: bool) -> None:
    console.print(f"{_words(total)}, digest {total.digest[:16]}", soft_wrap=True)
    for outcome in total.failed[1:]:
        console.print(f"failed: {command(outcome, mutant, nodes)}", soft_wrap=True, markup=False)
    if total.failed:
        outcome = total.failed[0]
        _tell_failure(console, outcome, nodes)
        if shrinking:
            with console.status(f"shrinking seed {outcome.seed}"):
                outcome = shrink(outcome, mutant, nodes)
            _tell_failure(console, outcome, nodes)
        console.print(
            f"to repeat it: {command(outcome, mutant, nodes)}", soft_wrap=True, markup=False
        )


def _tell_failure(console: Console, outcome: Outcome, nodes: int) -> None:
    console.print(f"seed {outcome.seed} failed, with {len(outcome.steps)} steps:", soft_wrap=True)
    for each in outcome.anomalies[:SHOWN]:
        console.print(f"  {each}", soft_wrap=True, markup=False)
    if len(outcome.anomalies) > SHOWN:
        console.print(f"  ... and {len(outcome.anomalies) - SHOWN} more")
    if len(outcome.steps) <= SHOWN:
        for step in plan_of(outcome.seed, nodes).only(set(outcome.steps)).steps:
            console.print(f"  at {step.at:.3f} s, step {step.number}: {step.kind}", soft_wrap=True)


def _hunt(console: Console, processes: int, nodes: int, *, as_machine: bool) -> int:
    def tell(name: str, outcome: Outcome | None) -> None:
        if outcome is None:
            console.print(f"[red]missed[/red] {name}, with {HUNTED} seeds")
        else:
            kind = outcome.anomalies[0].kind
            console.print(f"caught {name} with seed {outcome.seed}: {kind}", soft_wrap=True)

    found = hunt_all(HUNTED, processes, tell, nodes)
    missed = [name for name, outcome in found.items() if outcome is None]
    if as_machine:
        figures = {"mutants": len(found), "caught": len(found) - len(missed), "missed": missed}
        by = {name: outcome.seed for name, outcome in found.items() if outcome is not None}
        print(json.dumps({**figures, "caught_by_seed": by}))  # noqa: T201  # the command's output
    console.print(f"{len(found) - len(missed)} of {len(found)} mutants caught")
    return 1 if missed else 0
