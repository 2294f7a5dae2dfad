"""Rules for ids, names and titles, so that they are shown as they are stored; and for what counts as blank."""

from __future__ import annotations

import unicodedata

ID_LENGTH, NAME_LENGTH, TITLE_LENGTH = 128, 100, 200  # characters, after normalising

# Letters and symbols without a glyph, and an invisible mark: names made of them look empty.
INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\U0001d159"
    # Unassigned, and ignored by renderers (Default_Ignorable_Code_Point)
    "\u2065\ufff0\ufff1\ufff2\ufff3\ufff4\ufff5\ufff6\ufff7\ufff8"
)
TAGS = range(0xE0000, 0xE1000)  # unassigned characters in this range are ignored by renderers, too
LOOK = 32  # characters that are checked one by one
JOINERS = frozenset("\u200c\u200d")
SKIN_TONES = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
JOINED = frozenset({"Lo", "So", "Sm"})  # letters of scripts without capitals, and emoji


def normalise_name(text: str) -> str | None:
    """A name or title as it is stored: composed, on one line, without controls and invisible characters; None if blank.

    The caller then refuses a result longer than `NAME_LENGTH` or `TITLE_LENGTH`. Normalising twice changes nothing.
    """
    if not (text.isascii() and text.isprintable()):
        kept = [" " if each.isspace() else each for each in text if _is_kept(each)]
        text = unicodedata.normalize("NFC", "".join(_joined(kept)))
    text = " ".join(text.split())
    return None if is_blank(text) else text


normalise_title = normalise_name  # the same rule; only the length differs


def is_blank(text: str) -> bool:
    """Whether the text is blank: only white space, controls, marks without a base and invisible characters.

    The rule is the same for messages, names and titles. For nearly all texts the first character that is not white space decides.
    """
    start = text.lstrip()[:1]
    if not start or "!" <= start <= "~":
        return not start
    if any(map(_is_seen, text[:LOOK])):
        return False
    return not any(map(_is_seen, set(text[LOOK:])))  # each character once


def is_id(text: str) -> bool:
    """Whether this can be a participant's id: one word of visible characters."""
    return 0 < len(text) <= ID_LENGTH and text.isprintable() and " " not in text


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] not in "MZ" and not _is_invisible(character)


def _is_kept(character: str) -> bool:
    return character in JOINERS or character.isspace() or not _is_invisible(character)


def _is_invisible(character: str) -> bool:
    category = unicodedata.category(character)
    return (
        category in {"Cc", "Cf", "Cs"}
        or character in INVISIBLE
        or (category == "Cn" and ord(character) in TAGS)
    )


def _joined(characters: list[str]) -> list[str]:
    """The characters without joiners that join nothing. Joiners in Persian, Indic scripts and emoji stay; others can deceive."""
    kept: list[str] = []
    base = ""  # the last character that is not a mark: composing does not change its category
    for character, following in zip(characters, [*characters[1:], ""], strict=False):
        if character in JOINERS:
            if _joins(base) and _joins(following):
                kept.append(character)
            base = ""
        else:
            kept.append(character)
            if unicodedata.category(character)[0] != "M":
                base = character
    return kept


def _joins(character: str) -> bool:
    return character in SKIN_TONES or (
        character != "" and unicodedata.category(character) in JOINED
    )
