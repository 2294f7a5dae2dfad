"""What counts as blank: a text that shows nothing. The rule is the same for messages, names and titles."""

from __future__ import annotations

import unicodedata

# Letters and symbols without a glyph, and an invisible mark: names made of them look empty.
INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159"
    # Unassigned, and ignored by renderers (Default_Ignorable_Code_Point)
    "\u2065\ufff0\ufff1\ufff2\ufff3\ufff4\ufff5\ufff6\ufff7\ufff8"
)
TAGS = range(0xE0000, 0xE1000)  # unassigned characters in this range are ignored by renderers, too
LOOK = 32  # characters that are checked one by one


def is_blank(text: str) -> bool:
    """Whether the text is blank: only white space, controls, marks without a base and invisible characters.

    For nearly all texts the first character that is not white space decides.
    """
    start = text.lstrip()[:1]
    if not start or "!" <= start <= "~":
        return not start
    if any(map(_is_seen, text[:LOOK])):
        return False
    return not any(map(_is_seen, set(text[LOOK:])))  # each character once


def is_invisible(character: str) -> bool:
    """Whether nothing is shown for the character, white space and marks aside."""
    category = unicodedata.category(character)
    return (
        category in {"Cc", "Cf", "Cs"}
        or character in INVISIBLE
        or (category == "Cn" and ord(character) in TAGS)
    )


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] not in "MZ" and not is_invisible(character)
