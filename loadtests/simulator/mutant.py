"""Mutants, deliberate bugs: each changes one behaviour of the real engine, and the simulator has to catch it.

They are bugs that engines of this kind have had. A mutant that is not caught shows a gap in the simulator's checks. Each is a
function in a `bug_...` file that returns the class, the name of the method, and a function from the real method to the changed.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING

from . import (
    bug_change,
    bug_cluster,
    bug_delivery,
    bug_operator,
    bug_room,
    bug_run,
    bug_store,
    bug_turn,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from .bug_turn import Change


def _in(*files: ModuleType) -> dict[str, Callable[[], Change]]:
    return {
        name.replace("_", "-"): make
        for file in files
        for name, make in vars(file).items()
        if inspect.isfunction(make)
        and not name.startswith("_")
        and make.__module__ == file.__name__
    }


MUTANTS = _in(bug_turn, bug_delivery, bug_store, bug_run, bug_change, bug_room, bug_operator)
CLUSTER_MUTANTS = _in(bug_cluster)  # of several nodes

# Seeds that have caught these mutants before are tried first, which saves most of the hunt. All other seeds follow.
TRIED_FIRST = {
    "lost-wake-up": 26,
    "full-mailbox-says-nothing": 9,
    "refused-with-the-wrong-key": 9,
    "drop-on-lagging": 13,
    "live-too-early": 8,
    "lose-what-is-drained": 8,
    "old-socket-takes-the-new-one-along": 4,
    "closed-before-all-was-sent": 15,
    "duplicate-on-retry-after-crash": 3,
    "lose-a-delta": 3,
    "end-a-run-twice": 15,
    "leave-runs-open": 366,
    "forget-the-text-so-far": 18,
    "agents-call-once-too-often": 3,
    "call-a-tool-that-nobody-has-allowed": 6,
    "a-decision-counts-for-the-next-call": 228,
    "forget-what-was-used": 255,
    "tell-a-model-of-another-conversation": 6,
    "former-revisions-stay": 8,
    "count-replies-that-are-deleted": 15,
    "deleted-in-the-store-only": 6,
    "tell-a-model-what-was-erased": 3,
    "count-an-invite-when-it-is-over": 124,
    "judge-by-the-role-at-the-beginning-of-a-turn": 4,
    "act-on-an-equal": 34,
    "find-what-was-before-one-came": 58,
    "two-direct-conversations": 13,
    "webhooks-forget-what-was-refused": 8,
    "cursor-ahead-of-what-was-delivered": 5,
    "tell-the-next-when-one-is-refused": 5,
    "renewed-sockets-end-all-the-same": 32,
    "erasures-are-done-at-once": 5,
    "a-kill-ends-an-erasure": 44,
    "what-is-under-way-outlives-an-erasure": 62,
    "erased-names-stay": 5,
    "erased-replies-stay": 5,
    "conversations-are-not-held": 14,
    "holds-end-at-a-restart": 14,
    "retention-takes-what-is-young": 17,
    "conversations-have-no-days-of-their-own": 56,
    "commit-without-the-view-check": 4,
    "two-owners-in-a-view": 2,
    "replica-that-skips-a-gap": 2,
    "receipt-before-commit-over-the-wire": 2,
    "presence-of-a-dead-node-kept": 2,
    "stale-view-used-for-routing": 2,
    "hand-over-that-forgets-a-socket": 2,
    "out-of-order-over-the-wire": 2,
    "every-node-tells-backends": 2,
    "nobody-takes-the-webhooks-over": 2,
    "a-token-is-revoked-at-one-node-only": 2,
    "hand-over-that-forgets-a-waiting-command": 2,
}


@contextmanager
def mutated(name: str | None) -> Iterator[None]:
    """Apply the mutant `name` to the engine for the length of the block; None changes nothing."""
    if name is None:
        yield
        return
    target, attribute, change = (MUTANTS | CLUSTER_MUTANTS)[name]()
    real = target.__dict__[attribute]
    plain = real.__func__ if isinstance(real, staticmethod) else real
    setattr(target, attribute, change(plain))
    try:
        yield
    finally:
        setattr(target, attribute, real)
