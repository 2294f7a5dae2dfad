"""How many examples the tests of rules draw: a third of those that `make prove` draws with SALON_TEST_EXAMPLES=all."""

from __future__ import annotations

import os

ALL = os.environ.get("SALON_TEST_EXAMPLES") == "all"


def examples(most: int) -> int:
    """The number here, where `make prove` draws `most`."""
    return most if ALL else most // 3
