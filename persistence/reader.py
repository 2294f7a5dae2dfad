"""The threads that answer reads, each on a connection of its own."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from salon.actors.future import Future
from salon.actors.store import StoreError

from .fault import explain
from .loop import settle

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from .file import File
    from .loop import Loop

T = TypeVar("T")

# Their waits for the disk overlap; more threads would only wait for the GIL.
THREADS = 4


class Readers:
    """Answer reads in the order of their arrival. The queue is bounded by its callers: each has one read at a time."""

    def __init__(self, file: File, loop: Loop) -> None:
        self._file = file
        self._loop = loop
        self._queue: SimpleQueue[tuple[Callable[..., Any], tuple[Any, ...], Future[Any]] | None]
        self._queue = SimpleQueue()
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(file.connect_reader(),),
                name=f"salon-reader-{n}",
                daemon=True,
            )
            for n in range(THREADS)
        ]
        self._closed = False
        for thread in self._threads:
            thread.start()

    def ask(self, question: Callable[..., T], *args: Any) -> Future[T]:
        """The result of the function, called with a connection and the arguments. It sees everything committed so far."""
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(StoreError(f"{self._file.path}: the store is closed"))
        else:
            self._loop.enter()
            self._queue.put((question, args, future))
        return future

    def close(self) -> None:
        """Answer the waiting reads, then end the threads."""
        self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self, connection: sqlite3.Connection) -> None:
        while (asked := self._queue.get()) is not None:
            question, args, future = asked
            try:
                outcome = question(connection, *args)
            except Exception as error:
                outcome = explain(self._file.path, error)
            self._loop.call(settle, future, outcome)
        connection.close()
