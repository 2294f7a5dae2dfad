"""Why what a provider answers is of no use. The texts are for operators, and hold nothing secret of what was sent."""

from __future__ import annotations

import re

ERROR = re.compile(r"[a-z_]{1,40}")  # as all standards write one; what else comes could be anything


class Unreachable(Exception):
    """There is no usable answer."""


class Untrusted(Exception):
    """There is one, and it cannot be believed."""


class UnknownKey(Untrusted):
    """It is signed by none of the known keys: the provider may have new ones."""


def error_word(error: object) -> str:
    """A provider's own word for an error, as a log may hold it."""
    return error if isinstance(error, str) and ERROR.fullmatch(error) else "of no known kind"
