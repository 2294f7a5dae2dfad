"""The command `salon upgrade`: what the first start of a new version does to the store, tried or done."""
# ruff: noqa: PLC0415 - `salon --version` loads no settings

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .failure import fail, in_one_line
from .options import Config, Store, load_settings

if TYPE_CHECKING:
    from ..settings import Settings


def upgrade(
    check: Annotated[
        bool, typer.Option("--check", help="Only try it, on a copy; the server may run.")
    ] = False,
    store: Store = None,
    config: Config = None,
) -> None:
    """Bring the store to this version's schema, as `serve` would at its start."""
    settings, _ = load_settings(config, {"store.url": store})
    if settings.store.kind == "postgresql":
        _upgrade_database(settings, check=check)
        return
    path = settings.store.path
    if path is None:
        fail("a memory store has no former version: name another with --store")
    from salon.persistence.rehearsal import rehearse

    from ..sources import system_sources

    sources = system_sources()
    found = in_one_line(settings, lambda: rehearse(path, sources))
    typer.echo(f"{path}: {found.size:,} bytes, {found.free:,} free, schema {found.revision}")
    for revision, purpose in found.migrations:
        typer.echo(f"  {revision}  {purpose}")
    if not found.migrations:
        typer.echo("It opens, and nothing is to be migrated.")
        return
    if check:
        typer.echo(
            f"It opens: a copy took {found.seconds:.1f} s and grew by {found.grown:,} bytes."
        )
        return
    from salon.persistence import resolve

    in_one_line(settings, lambda: resolve(settings.store.url, sources).close())
    typer.echo("Upgraded. A version from before cannot open it any more.")


def _upgrade_database(settings: Settings, *, check: bool) -> None:
    """The same for PostgreSQL, which migrates in one transaction: a copy to try it on is made with its own means."""
    from salon.persistence import resolve
    from salon.persistence.url import pending

    from ..sources import system_sources

    revision, migrations = in_one_line(settings, lambda: pending(settings.store.url))
    typer.echo(f"{settings.store.shown}: schema {revision}")
    for each, purpose in migrations:
        typer.echo(f"  {each}  {purpose}")
    if not migrations:
        typer.echo("Nothing is to be migrated.")
    elif check:
        typer.echo(
            "It was not tried: restore a pg_dump into another database, and upgrade that one first."
        )
    else:
        in_one_line(settings, lambda: resolve(settings.store.url, system_sources()).close())
        typer.echo("Upgraded. A version from before cannot open it any more.")
