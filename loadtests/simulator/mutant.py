"""Bugs on purpose: each changes one behaviour of the real engine, and the simulator has to catch it.

They are the bugs that engines of this kind have had. One that is not caught would say that the simulator looks away. Each is a
function in a `bug_...` file that gives the class, the name of the method, and what is made of the real one.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import bug_delivery, bug_store, bug_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .bug_turn import Change

MUTANTS: dict[str, Callable[[], Change]] = {
    name.replace("_", "-"): make
    for file in (bug_turn, bug_delivery, bug_store)
    for name, make in vars(file).items()
    if inspect.isfunction(make) and not name.startswith("_") and make.__module__ == file.__name__
}

# Seeds that have caught these before are tried first, which saves most of the hunt. All others follow.
TRIED_FIRST = {
    "lost-wake-up": 18,
    "full-mailbox-says-nothing": 4,
    "refused-with-the-wrong-key": 4,
    "drop-on-lagging": 8,
    "live-too-early": 8,
    "lose-what-is-drained": 8,
    "tell-those-who-left": 12,
    "old-socket-takes-the-new-one-along": 4,
    "duplicate-on-retry-after-crash": 3,
}


@contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """The engine with that bug inside the block; with None as it is."""
    if name is None:
        yield
        return
    target, attribute, change = MUTANTS[name]()
    real = target.__dict__[attribute]
    plain = real.__func__ if isinstance(real, staticmethod) else real
    setattr(target, attribute, change(plain))
    try:
        yield
    finally:
        setattr(target, attribute, real)
