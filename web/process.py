"""The process that a server is: its signals, its garbage collector, its limit of open files."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
from typing import TYPE_CHECKING

import trio

from .identity import KeyFileError, read_keys

if TYPE_CHECKING:
    from .http import Parts

# Thresholds of the garbage collector's three generations. While 10,000 clients connected, dropped and reconnected, the longest
# pause was 82 ms of CPU time and all pauses took 0.7 s. With Python's defaults: 345 ms and 3.0 s.
GARBAGE = (10_000, 10, 100)

logger = logging.getLogger(__name__)


async def watch_signals(parts: Parts) -> None:
    """Drain on SIGTERM and SIGINT; end at once on a second one."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for number in signals:
            if parts.stop.is_set():
                logger.warning("a second signal: stopping at once")
                os._exit(128 + number)
            parts.stop.set()


async def watch_keys(parts: Parts) -> None:
    """Read the keys again on SIGHUP. Keys that cannot be used change nothing."""
    identities, path = parts.identities, parts.settings.key_file
    in_terminal = os.isatty(0)
    with trio.open_signal_receiver(signal.SIGHUP) as signals:
        async for _ in signals:
            if in_terminal and not os.isatty(
                0
            ):  # the terminal was closed: that is what the signal says
                parts.stop.set()
                return
            await trio.to_thread.run_sync(identities.reload_issuers)
            if path is None:
                continue
            try:
                identities.use_keys(await trio.to_thread.run_sync(read_keys, path))
            except KeyFileError as problem:
                logger.error("%s; the former keys stay in use", problem)
            else:
                logger.info("the keys were read again")


def settle_garbage() -> None:
    """Exclude permanent objects from garbage collection: a full collection with 10,000 connections pauses all for 0.1 s."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE)


def raise_file_limit() -> None:
    """Raise the limit of open files, which also limits sockets, to the system's maximum for this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
