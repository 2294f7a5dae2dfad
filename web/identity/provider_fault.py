"""The faults of another server's answers and tokens. Their texts are for operators and contain no secrets of the request."""

from __future__ import annotations

import re

ERROR = re.compile(r"[a-z_]{1,40}")  # the form of the standards' error codes; other text is dropped


class Unreachable(Exception):
    """There is no usable answer."""


class Untrusted(Exception):
    """There is an answer, or a token, and it cannot be trusted. `word` names the reason in one word, for counting."""

    def __init__(self, text: str, word: str = "untrusted") -> None:
        super().__init__(text)
        self.word = word


class UnknownKey(Untrusted):
    """The token is signed by none of the known keys: the issuer may have new keys."""


def error_word(error: object) -> str:
    """A provider's error code, in a form that is safe to log."""
    return error if isinstance(error, str) and ERROR.fullmatch(error) else "of no known kind"
