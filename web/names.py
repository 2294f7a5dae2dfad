"""Rules for ids, names and titles, so that they are shown as they are stored."""

from __future__ import annotations

import unicodedata

from salon.actors.blank import is_blank, is_invisible

ID_LENGTH, NAME_LENGTH, TITLE_LENGTH = 128, 100, 200  # characters, after normalising

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


def is_id(text: str) -> bool:
    """Whether this can be a participant's id: one word of visible characters."""
    return 0 < len(text) <= ID_LENGTH and text.isprintable() and " " not in text


def _is_kept(character: str) -> bool:
    return character in JOINERS or character.isspace() or not is_invisible(character)


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
