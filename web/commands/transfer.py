"""The commands `salon export` and `salon import`: all of a store as lines of JSON, and a store of such lines."""
# ruff: noqa: PLC0415 - `salon --version` loads no settings

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .failure import fail, in_one_line
from .options import Config, Store, load_settings
from .restore import warn_of_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
    path = settings.store.path
    if path is None:
        fail("a memory store ends with its process: name another with --store")
    from salon.persistence.exporting import export

    from ..sources import system_sources

    with _progress("Exporting") as progress:
        done = in_one_line(
            settings,
            lambda: export(
                path, file, _contents(settings) if files else None, system_sources(), progress
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
    path = settings.store.path
    if path is None:
        fail("a memory store ends with its process: name another with --store")
    from salon.persistence.file import hand_over
    from salon.persistence.importing import import_export

    from ..sources import system_sources

    with _progress("Importing") as progress:
        done = in_one_line(
            settings,
            lambda: import_export(path, file, _contents(settings), system_sources(), progress),
        )
    folder = settings.files_folder
    if folder is not None and folder.exists():
        in_one_line(settings, lambda: hand_over(folder))
    typer.echo(f"Filled {path}: {done.rows:,} rows, {done.contents:,} contents, as exported")
    if done.missing > 0:
        typer.echo(
            f"salon: {done.missing:,} contents of files are not in the export: copy them to "
            f"{settings.files.url or settings.files_folder}",
            err=True,
        )
    warn_of_key(settings)


def _contents(settings: Settings) -> Contents:
    from salon.persistence.contents import open_contents
    from salon.persistence.s3_options import S3Options

    files = settings.files
    assert settings.files_folder is not None, "the store has a path"
    options = S3Options(files.s3_endpoint, files.s3_region)
    return open_contents(settings.files_folder, files.url, options)


@contextmanager
def _progress(word: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(word)
        yield lambda done, total: bar.update(task, completed=done, total=total)
