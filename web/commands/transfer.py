"""The commands `salon export` and `salon import`: all of a store as lines of JSON, and a store of such lines."""
# ruff: noqa: PLC0415 - `salon --version` loads no settings

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .failure import fail, in_one_line
from .options import Config, Store, load_settings, progress_bar

if TYPE_CHECKING:
    from salon.actors.files import Contents

    from ..settings import Settings


def export_store(
    file: Annotated[Path, typer.Argument(help="The file to make; it must not exist.")],
    files: Annotated[
        bool, typer.Option("--files", help="With the contents of files, as base64.")
    ] = False,
    store: Store = None,
    config: Config = None,
) -> None:
    """Write all of the store as lines of JSON, also while a server uses it; called again, go on where it was ended."""
    settings, _ = load_settings(config, {"store.url": store})
    if settings.store.kind == "memory":
        fail("a memory store ends with its process: name another with --store")
    from salon.persistence.exporting import export
    from salon.persistence.transfer import source_of

    from ..sources import system_sources

    sources = system_sources()
    contents = _contents(settings) if files else None
    with progress_bar("Exporting") as progress:
        done = in_one_line(
            settings,
            lambda: export(
                source_of(settings.store.url, sources), file, contents, sources, progress
            ),
        )
    typer.echo(f"Wrote {file}: {done.rows:,} rows, {done.contents:,} contents of files")
    if done.missing:
        typer.echo(f"salon: {done.missing:,} contents were deleted meanwhile", err=True)


def import_store(
    file: Annotated[Path, typer.Argument(help="What `salon export` has written.")],
    store: Store = None,
    config: Config = None,
) -> None:
    """Fill a new store from an export, and compare the two; called again, go on where it was ended."""
    settings, _ = load_settings(config, {"store.url": store})
    beside = settings.store.beside
    if beside is None:
        fail("a memory store ends with its process: name another with --store")
    from salon.persistence.transfer import import_into

    from ..sources import system_sources

    with progress_bar("Importing") as progress:
        done = in_one_line(
            settings,
            lambda: import_into(
                settings.store.url, file, beside, _contents(settings), system_sources(), progress
            ),
        )
    typer.echo(
        f"Filled {settings.store.path or settings.store.shown}: {done.rows:,} rows, {done.contents:,} contents, as exported"
    )
    if done.missing > 0:
        typer.echo(
            f"salon: {done.missing:,} contents of files are not in the export: copy them to "
            f"{settings.files.url or settings.files_folder}",
            err=True,
        )


def _contents(settings: Settings) -> Contents:
    from salon.persistence.contents import open_contents
    from salon.persistence.s3_options import S3Options

    files = settings.files
    assert settings.files_folder is not None, "the store has a path"
    options = S3Options(files.s3_endpoint, files.s3_region)
    return open_contents(settings.files_folder, files.url, options)
