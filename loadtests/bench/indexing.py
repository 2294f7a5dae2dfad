"""`python -m salon.loadtests.bench.indexing`: by how much the index of words raises what a message costs in a busy room.

Two servers, one of which indexes nothing, in turns: other work on the machine strikes both alike.
"""

from __future__ import annotations

from statistics import median
from typing import Annotated

import typer
from rich.console import Console

from ..scenarios import run
from ..scenarios import scenario as scenarios
from ..servers import SALON, own_server
from .case import TO_ALL

# A server that has no index of words, as on an SQLite that cannot make one: nobody can search it.
UNINDEXED = """
from salon.persistence import search_index
from salon.web.cli import main
search_index.is_available = lambda _: False
main()
"""
ROOM: dict[str, object] = {
    "readers": 100,
    "senders": 10,
    "window": 8,
    **TO_ALL,
}  # the busy room of the README


def main(
    pairs: Annotated[int, typer.Option(min=1)] = 7,
    seconds: Annotated[float, typer.Option(min=1, help="measured time of each")] = 5.0,
) -> None:
    """Measure the CPU of the server for each message, with the index and without, and print how much more it is."""
    console = Console(highlight=False)
    ratios = []
    for number in range(1, pairs + 1):
        bare, indexed = (_cost(program, seconds) for program in (("-c", UNINDEXED), SALON))
        ratios.append(indexed / bare)
        console.print(
            f"{number} of {pairs}: {bare:,.0f} µs a message, {indexed:,.0f} µs with the index: {indexed / bare:.3f}"
        )
    console.print(f"a message costs {100 * (median(ratios) - 1):+.1f} %, the median of {pairs}")


def _cost(program: tuple[str, str], seconds: float) -> float:
    """Microseconds of the server's CPU for each message."""
    plan = scenarios.load("fanout").changed(**ROOM, seconds=seconds)
    with own_server(program=program) as (url, pid):
        result = run(plan, url, pid=pid, processes=1, progress=lambda *_: None)
    return result.cpu_per_delivery * plan.readers


if __name__ == "__main__":
    typer.run(main)
