"""Where conversations are kept."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from .group import SettingsError, SettingsGroup

SQLITE = "sqlite:///"
POSTGRES = ("postgresql://", "postgres://")
_PASSWORD = re.compile(r"(?<=://)([^:@/\s]*):\S*(?=@)|(?<=[?&]password=)()[^&\s]*")


def data_folder() -> Path:
    """The folder of a fresh install's data. Raises `SettingsError`."""
    given = os.environ.get("XDG_DATA_HOME", "")
    try:
        data = Path(given) if Path(given).is_absolute() else Path("~/.local/share").expanduser()
    except RuntimeError:
        raise SettingsError("store.url: there is no home directory to keep it in; set it") from None
    return data / "salon"


def without_password(url: str) -> str:
    """A URL as it may be shown."""
    return _PASSWORD.sub(lambda found: f"{found[1]}:***" if found[1] is not None else "***", url)


def _store_url(url: str) -> str:
    path = url.removeprefix(SQLITE)
    if url.startswith(POSTGRES) or url == "memory:":
        return url
    if path in (url, "", ":memory:") or "?" in path:
        raise ValueError("sqlite:///PATH, postgresql://USER@HOST/DATABASE or memory:")
    return url


def default_store() -> str:
    """The store of a fresh install: a SQLite file under the user's data directory."""
    return f"{SQLITE}{data_folder() / 'salon.db'}"


class StoreSettings(SettingsGroup):
    """Where conversations are kept."""

    url: Annotated[str, AfterValidator(_store_url)] = Field(
        default_factory=default_store, examples=["sqlite:///~/.local/share/salon/salon.db"]
    )
    """sqlite:///PATH, an absolute path with a fourth slash; postgresql://USER@HOST/DATABASE; or memory: without persistence."""

    @property
    def kind(self) -> Literal["memory", "sqlite", "postgresql"]:
        """What keeps the conversations."""
        if self.url.startswith(POSTGRES):
            return "postgresql"
        return "memory" if self.url == "memory:" else "sqlite"

    @property
    def path(self) -> Path | None:
        """The SQLite file; None where there is none."""
        return Path(self.url.removeprefix(SQLITE)) if self.kind == "sqlite" else None

    @property
    def shown(self) -> str:
        """The URL as it may stand in a log."""
        return without_password(self.url)

    @property
    def beside(self) -> Path | None:
        """What the names of the key's file and of the folder for files begin with; None where nothing outlives the process.

        Two databases have different ones, whatever user and options they are opened with.
        """
        if self.kind == "postgresql":
            parts = urlsplit(self.url)
            name = f"{parts.netloc.rpartition('@')[2]}{parts.path}"
            return data_folder() / f"postgresql-{sha256(name.encode()).hexdigest()[:12]}"
        return self.path
