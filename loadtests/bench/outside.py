"""The client in C as a part of `salon bench`: its page stands beside the other figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..outside import compare, measure, recorded, save

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console


def record(console: Console, results: Path, seconds: float) -> bool:
    """Measure, and write the page; whether all went well. Raises `RunError`."""
    page = _page(results)
    with console.status("the client in C") as status:
        rows = measure(seconds, status.update)
    save(page, rows)
    console.print(f"wrote {page}")
    return all(row.ours.well for row in rows)


def check(console: Console, results: Path, seconds: float) -> int:
    """Compare with the recorded ratios to the floor; the exit code. Raises `RunError`."""
    before = recorded(_page(results))
    with console.status("the client in C") as status:
        rows = measure(seconds, status.update)
    for row in rows:
        console.print(f"{row.name}, the client in C: {row.ratio:.2f} times the floor")
    wrong = compare(rows, before)
    for text in wrong:
        console.print(f"   {text}", soft_wrap=True, markup=False)
    return int(bool(wrong))


def _page(results: Path) -> Path:
    return results.with_suffix(".outside.md")
