"""The settings of the hook before a message is stored."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from salon.actors.words import fold

from .agent_parts import number
from .group import SettingsGroup, is_safe_url, split

# Ways in which a pattern can match at one place: that many are tried at each place of a message, at worst. 10,000 characters
# then take about 50 ms.
WAYS = 256
ALL_WAYS = 2_000  # of all patterns together
RULES = 200


def _pattern(text: str) -> str:
    try:
        tree = re._parser.parse(text, re.IGNORECASE)  # type: ignore[attr-defined]
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"a regular expression; this is none: {error}") from None
    ways = _ways(tree)
    if ways > WAYS:
        raise ValueError(
            f"a pattern that can match in at most {WAYS} ways at one place, so that no message takes long; this has more"
        )
    return text


def _ways(tree: Any) -> int:
    """In how many ways the parts of a parsed pattern can match at one place, at most."""
    ways = 1
    for operation, argument in tree:
        ways *= _ways_of(str(operation), argument)
        if ways > WAYS:
            return ways
    return ways


def _ways_of(operation: str, argument: Any) -> int:
    match operation:
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inner = argument
            if most == re._parser.MAXREPEAT:  # type: ignore[attr-defined]
                raise ValueError("repetitions with an end, such as .{0,40} in place of .*")
            each = _ways(inner)
            ways = 0
            for count in range(least, most + 1):
                ways += each ** min(count, WAYS)
                if ways > WAYS:
                    break
            return ways
        case "BRANCH":
            return sum(_ways(each) for each in argument[1])
        case "SUBPATTERN":
            return _ways(argument[-1])
        case "ATOMIC_GROUP":
            return _ways(argument)
        case "ASSERT" | "ASSERT_NOT":
            return _ways(argument[1])
        case "GROUPREF" | "GROUPREF_IGNORE" | "GROUPREF_EXISTS":
            raise ValueError("a pattern without references to its groups")
    return 1


def _word(text: str) -> str:
    if len(fold(text).split()) != 1:
        raise ValueError("words of letters and digits; of several words make a pattern")
    return text


def _url(text: str) -> str:
    if not is_safe_url(text, plain=True):
        raise ValueError("an https URL, or http on this machine")
    return text


class ModerationRule(SettingsGroup):
    """Words, or a pattern, and what happens to a message that has them."""

    words: Annotated[tuple[Annotated[str, AfterValidator(_word)], ...], BeforeValidator(split)] = ()
    """Whole words, whatever their case and accents."""
    pattern: (
        Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_pattern)] | None
    ) = None
    """A regular expression that is found anywhere in a message, whatever the case."""
    action: Literal["refuse", "hold"]
    """refuse: the sender is told; hold: it waits for somebody to decide."""
    reason: Annotated[str, Field(max_length=500)] = "it has words that are not allowed"
    """What the sender is told."""

    @property
    def ways(self) -> int:
        """In how many ways its pattern can match at one place, at most."""
        if self.pattern is None:
            return 0
        return _ways(re._parser.parse(self.pattern, re.IGNORECASE))  # type: ignore[attr-defined]

    @model_validator(mode="after")
    def _one(self) -> ModerationRule:
        if bool(self.words) == (self.pattern is not None):
            raise ValueError("either words or a pattern, for a rule")
        return self


class ModerationSettings(SettingsGroup):
    """What is asked about each message and edit before it is stored; by default nothing."""

    rules: Annotated[tuple[ModerationRule, ...], Field(max_length=RULES)] = ()
    """A list of {words or pattern, action: refuse|hold, reason}; the first that fits counts."""
    url: Annotated[str, AfterValidator(_url)] | None = None
    """An HTTP endpoint that is asked about what the rules let pass."""
    key_env: (
        Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$", examples=["MODERATION_KEY"])]
        | None
    ) = None
    """The environment variable with the endpoint's key, which is sent as a bearer token."""
    timeout: Annotated[float, BeforeValidator(number), Field(gt=0, le=60)] = 2
    """Seconds for an answer of the endpoint; then on_failure counts."""
    on_failure: Literal["allow", "hold"] = "hold"
    """What happens to messages while the endpoint does not answer: allow or hold."""

    @model_validator(mode="after")
    def _quick(self) -> ModerationSettings:
        if sum(rule.ways for rule in self.rules) > ALL_WAYS:
            raise ValueError(
                f"patterns that together match in at most {ALL_WAYS} ways at one place: shorter repetitions"
            )
        return self
