"""`salon check`: judges a recorded history: whether the server kept its promises to its users."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from .anomaly import KINDS
from .checker import Checker
from .history import HistoryError, read

if TYPE_CHECKING:
    from .checker import Report

SHOWN = 20  # anomalies printed; all those of a broken server would fill the terminal


def check(
    history: Annotated[
        Path, typer.Argument(help="a file as `salon load --history FILE` writes it")
    ],
    json_: Annotated[bool, typer.Option("--json", help="print everything for machines")] = False,
) -> None:
    """Judge a history; exit 0 if it is good, 1 if anything is wrong, 2 if it cannot be read or does not hold the log.

    A history is JSON, one object a line: connect, disconnect, send, received, sync and in the end the log of each
    conversation; docs/checking.md has every field, and every anomaly by name.
    """
    console = Console(stderr=json_, highlight=False)
    try:
        report = judge_file(history)
    except HistoryError as error:
        console.print(Text.assemble(("error: ", "red"), str(error)), soft_wrap=True)
        raise typer.Exit(2) from None
    if json_:
        print(json.dumps(report.as_json()))  # noqa: T201  # the command's output
    _tell(console, report)
    raise typer.Exit(1 if report.anomalies else 2 if report.unread else 0)


def judge_file(path: Path, *, runs_ended: bool = False) -> Report:
    """The verdict on a file; `runs_ended` says that no run may be open at its end.

    Raises `HistoryError` if it cannot be read, has a bad frame, or records no conversation.
    """
    checker = Checker(runs_ended=runs_ended)
    for line, record in read(path):
        try:
            checker.take(line, record)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            text = f"{path}: line {line}: a frame that is not as the contract has it: {error!r}"
            raise HistoryError(text) from None
    report = checker.report()
    if not report.conversations:
        raise HistoryError(f"{path}: nothing is recorded in it")
    return report


def _tell(console: Console, report: Report) -> None:
    for each in report.anomalies[:SHOWN]:
        console.print(str(each), soft_wrap=True, markup=False)
    if len(report.anomalies) > SHOWN:
        console.print(f"... and {len(report.anomalies) - SHOWN} more; --json has them all")
    if report.anomalies:
        table = Table("anomaly", "how often", "what it means")
        for kind, count in report.counts.items():
            table.add_row(kind, str(count), KINDS[kind])
        console.print(table)
    for conversation in report.unread:
        text = f"the log of {conversation} is not in it: nothing is known of what was lost"
        console.print(text, soft_wrap=True, markup=False)
    console.print(
        f"{'Good' if report.good else 'NOT GOOD'}: {report.conversations} conversations, {report.people} people, "
        f"{report.sent:,} messages sent, {report.acknowledged:,} acknowledged, {report.changes:,} changes, "
        f"{report.delivered:,} deliveries, "
        f"{len(report.anomalies)} anomalies",
        soft_wrap=True,
    )
