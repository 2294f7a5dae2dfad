"""How a command ends that cannot be done: a line for each problem on stderr, and an exit code."""
# ruff: noqa: PLC0415 - `salon --version` loads none of it

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from ..settings import Settings

T = TypeVar("T")

logger = logging.getLogger(__name__)


def fail(*lines: str, code: int = 1) -> NoReturn:
    """End the command with these lines and this exit code."""
    for line in lines:
        typer.echo(f"salon: {line}", err=True)
    raise typer.Exit(code)


def in_one_line(settings: Settings, work: Callable[[], T]) -> T:
    """The work's result. An error that operators can fix ends the command with one line; any other is a bug and is raised."""
    from salon.actors.store import StoreError

    from ..identity import KeyFileError
    from ..settings import SettingsError

    try:
        return work()
    except SettingsError as error:
        fail(*error.problems, code=2)
    except BaseException as error:
        causes = _causes(error)
        if all(isinstance(each, KeyboardInterrupt) for each in causes):
            raise KeyboardInterrupt from None
        if not all(isinstance(each, StoreError | KeyFileError | OSError) for each in causes):
            raise
        logger.debug("the command failed", exc_info=error)
        fail(*(_in_words(each, settings) for each in causes))


def _causes(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [cause for each in error.exceptions for cause in _causes(each)]
    return [error]


def _in_words(error: BaseException, settings: Settings) -> str:
    host, port = settings.server.host, settings.server.port
    if not isinstance(error, OSError):
        return " ".join(str(error).split())
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine: choose another with --host"
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use: choose another with --port"
    if error.errno == errno.EACCES:
        return f"port {port} is not open to this user: choose one above 1023 with --port"
    return error.strerror or str(error)
