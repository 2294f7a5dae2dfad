"""Ctrl-C and SIGTERM for the processes that tests start, in whatever way the tests themselves were started.

A shell that runs them in the background, or `nohup`, has signals ignored, and every child inherits that: a server would not hear
the SIGINT that a test sends. A signal that is handled, even by nothing, is at its default again in a child.
"""

from __future__ import annotations

import signal


def let_children_hear() -> None:
    """Have children start with the signals' defaults. What is ignored here goes on having no effect here."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, _do_nothing)


def _do_nothing(number: int, frame: object) -> None:
    pass
