"""The command `salon` as it is installed: it says what to install where only the client is."""

from __future__ import annotations

import sys


def main() -> None:
    """The console script."""
    try:
        from .cli import main as command  # noqa: PLC0415 - importing is what may fail

        command()
    except ModuleNotFoundError as error:
        missing = (error.name or "salon").partition(".")[0]
        if missing == "salon":
            raise
        sys.exit(
            f"salon: the server needs {missing}, which is not installed: pip install 'salon[server]'"
        )
