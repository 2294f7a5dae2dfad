"""The command `salon restore`: back to a copy that `salon backup` made."""
# ruff: noqa: PLC0415 - `salon --version` loads no settings

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .failure import in_one_line
from .options import Config, Store, file_of, load_settings

if TYPE_CHECKING:
    from ..settings import Settings


def restore(
    file: Annotated[Path, typer.Argument(help="The backup; it is not changed.")],
    store: Store = None,
    config: Config = None,
) -> None:
    """Put a backup in the place of the store, which is moved aside; the server has to be stopped."""
    settings, _ = load_settings(config, {"store.url": store})
    path = file_of(
        settings,
        in_memory="nothing can be restored into a memory store: name another with --store",
        in_postgres="a database of PostgreSQL is restored with its own means, such as pg_restore: see docs/postgresql.md",
    )
    from salon.persistence.restoring import restore as put_in_place

    label = f"before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    restored = in_one_line(settings, lambda: put_in_place(path, file, label))
    counts = f"{restored.conversations:,} conversations, {restored.events:,} events"
    typer.echo(f"Restored {path}: {counts}")
    if restored.aside is not None:
        typer.echo(f"The former store is {restored.aside}")
    missing = _missing(settings, restored.contents)
    if missing:
        typer.echo(
            f"salon: the contents of {missing:,} files were deleted since the backup: "
            f"copy them back into {settings.files_folder}/contents",
            err=True,
        )


def _missing(settings: Settings, contents: tuple[str, ...]) -> int:
    """How many contents are not in the folder beside the store; a bucket is not asked."""
    if settings.files_folder is None or settings.files.url is not None:
        return 0
    folder = settings.files_folder / "contents"
    return sum(not (folder / name[:2] / name[2:]).exists() for name in contents)
