"""The operator's rules: words and patterns. The settings have checked that no pattern can take long."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from salon.actors.words import fold, is_run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..settings import ModerationRule


class Verdict(NamedTuple):
    """What is to become of a message. `content` is the text to take in its place."""

    action: Literal["allow", "refuse", "hold", "replace"]
    reason: str | None = None
    content: str | None = None
    is_given: bool = (
        True  # false where the endpoint gave none, and the configuration says what to do
    )


class EndpointError(Exception):
    """The endpoint gave no verdict; the text says why, for the log."""


class Rules:
    """The rules, in their order."""

    def __init__(self, rules: Sequence[ModerationRule]) -> None:
        self._rules = [(_Matcher(rule), Verdict(rule.action, rule.reason)) for rule in rules]

    def judge(self, content: str) -> Verdict | None:
        """The verdict of the first rule that fits; None where none does."""
        folded = f" {fold(content)} " if self._rules else ""
        return next((verdict for rule, verdict in self._rules if rule.fits(content, folded)), None)


class _Matcher:
    def __init__(self, rule: ModerationRule) -> None:
        words = [fold(word).strip() for word in rule.words]
        # In a script without spaces nobody can tell where a word begins.
        self._parts = [word if is_run(word) else f" {word} " for word in words]
        self._pattern = None if rule.pattern is None else re.compile(rule.pattern, re.IGNORECASE)

    def fits(self, content: str, folded: str) -> bool:
        if self._pattern is not None:
            return self._pattern.search(content) is not None
        return any(part in folded for part in self._parts)
