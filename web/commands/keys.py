"""`salon keys`: the keys that sign sessions and tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..identity import KeyFileError, rotate_keys
from ..settings import SettingsError, load
from ..sources import system_sources

DAY = 86_400_000  # milliseconds

keys = typer.Typer(
    help="Change the key that signs sessions and tokens.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@keys.callback()
def _commands() -> None:
    """Change the key that signs sessions and tokens."""


@keys.command()
def rotate(
    days: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=3650,
            help="How long the former key is still accepted; else auth.session_days. 0 ends all sessions.",
        ),
    ] = None,
    store: Annotated[str | None, typer.Option(help="sqlite:///PATH of the server's store.")] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with settings.")] = None,
) -> None:
    """Sign with a new key from now on. A running server takes it when it gets SIGHUP, or at its next start."""
    try:
        settings, _ = load(config, {"store.url": store})
    except SettingsError as error:
        for problem in error.problems:
            typer.echo(f"salon: {problem}", err=True)
        raise typer.Exit(2) from None
    if settings.key_file is None:
        typer.echo("salon: a memory store has no key file: set auth.key_file, or --store", err=True)
        raise typer.Exit(1)
    kept = settings.auth.session_days if days is None else days
    sources = system_sources()
    try:
        rotate_keys(settings.key_file, kept * DAY, sources.now(), sources.entropy)
    except KeyFileError as error:
        typer.echo(f"salon: {error}", err=True)
        raise typer.Exit(1) from None
    held = f"sessions of the former key hold for {kept} days more" if kept else "all sessions end"
    typer.echo(f"{settings.key_file} has a new key; {held}")
    typer.echo("A running server takes it on SIGHUP, or at its next start.")
