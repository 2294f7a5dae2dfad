"""The options that commands share, and the settings that they lead to."""
# ruff: noqa: PLC0415 - `salon --version` loads no settings

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .failure import fail

if TYPE_CHECKING:
    from collections.abc import Mapping

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
