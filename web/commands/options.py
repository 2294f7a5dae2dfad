"""The options that commands share, and the settings that they lead to."""
# ruff: noqa: PLC0415 - `salon --version` loads no settings

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .failure import fail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..settings import Settings

Config = Annotated[
    Path | None, typer.Option("--config", help="YAML file with settings; else $SALON_CONFIG.")
]
Store = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="sqlite:///PATH, postgresql://USER@HOST/DATABASE, or memory: without persistence.",
    ),
]


def load_settings(
    config: Path | None, flags: Mapping[str, object] | None = None
) -> tuple[Settings, Mapping[str, str]]:
    """The settings in force, and where each came from. Wrong ones end the command with 2."""
    from ..settings import SettingsError, load

    try:
        return load(config, flags)
    except SettingsError as error:
        fail(*error.problems, code=2)


def file_of(settings: Settings, *, in_memory: str, in_postgres: str) -> Path:
    """The file of an SQLite store. For another kind the command ends with that kind's line."""
    path = settings.store.path
    if path is None:
        fail(in_postgres if settings.store.kind == "postgresql" else in_memory)
    return path


@contextmanager
def progress_bar(word: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(word)
        yield lambda done, total: bar.update(task, completed=done, total=total)
