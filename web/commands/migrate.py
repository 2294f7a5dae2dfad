"""The command `salon migrate`: all of a store into another kind of database."""
# ruff: noqa: PLC0415 - `salon --version` loads no settings

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from .failure import fail, in_one_line
from .options import Config, load_settings, progress_bar

if TYPE_CHECKING:
    from pathlib import Path

    from ..settings import Settings


def migrate(
    new: Annotated[
        str, typer.Option("--to", help="postgresql://USER@HOST/DATABASE or sqlite:///PATH, empty.")
    ],
    former: Annotated[
        str | None, typer.Option("--from", help="The store that is there; else store.url.")
    ] = None,
    config: Config = None,
) -> None:
    """Move all of a store into another database, and compare the two; the former is left as it is.

    Stop the server first: what is written to the former store meanwhile is not moved.
    """
    source, _ = load_settings(config, {"store.url": former})
    target, _ = load_settings(config, {"store.url": new})
    for settings in (source, target):
        if settings.store.kind == "memory":
            fail("a memory store ends with its process: name two others with --from and --to")
    if source.store.url == target.store.url:
        fail("--from and --to are the same store: name another with --to")
    from salon.persistence.transfer import move_store

    from ..sources import system_sources

    with progress_bar("Moving") as progress:
        done = in_one_line(
            target,
            lambda: move_store(
                source.store.url, target.store.url, system_sources(), lambda rows: progress(rows, 0)
            ),
        )
    typer.echo(
        f"Moved {source.store.shown} to {target.store.shown}: {done.rows:,} rows, "
        f"{done.conversations:,} conversations, {done.events:,} events, each compared"
    )
    in_one_line(target, lambda: _bring_along(source, target))
    typer.echo("Set store.url to the new store, and start the server.")


def _bring_along(source: Settings, target: Settings) -> None:
    """Copy the key, so that sessions go on, and the contents of files, where they are beside the store."""
    former, new = source.key_file, target.key_file
    if former is not None and new is not None and former.exists() and not new.exists():
        new.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _copy_key(former, new)
        typer.echo(f"Copied the key to {new}")
    if source.files.url is None:
        assert source.files_folder is not None
        assert target.files_folder is not None
        contents = source.files_folder / "contents"
        if contents.is_dir():
            shutil.copytree(contents, target.files_folder / "contents", dirs_exist_ok=True)
            typer.echo(f"Copied the contents of files to {target.files_folder}")


def _copy_key(former: Path, new: Path) -> None:
    new.touch(mode=0o600)
    new.write_bytes(former.read_bytes())
