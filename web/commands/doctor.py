"""The command `salon doctor`: what is unsafe in production, or will not work there."""
# ruff: noqa: PLC0415 - `salon --version` loads no settings

from __future__ import annotations

import typer

from .options import Config, Store, load_settings


def doctor(store: Store = None, config: Config = None) -> None:
    """Say what is unsafe in production or will not work there, and how to mend it; exit with 1 on a finding."""
    settings, _ = load_settings(config, {"store.url": store})
    from .checkup import examine
    from .machine import look

    findings = examine(settings, look(settings))
    for finding in findings:
        typer.echo(f"{finding.setting}: {finding.problem}.\n    To mend it: {finding.remedy}.")
    if findings:
        raise typer.Exit(1)
    typer.echo("Nothing was found.")
