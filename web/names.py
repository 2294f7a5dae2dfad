"""How ids, people's names and conversations' titles are written, so that what is shown is what is there."""

from __future__ import annotations

import unicodedata

ID_LENGTH, NAME_LENGTH, TITLE_LENGTH = 128, 100, 200  # characters, after normalising

# Letters and symbols without a shape, and a mark that is not seen: names made of them look empty.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
JOINERS = frozenset("\u200c\u200d")
SKIN_TONES = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
JOINED = frozenset({"Lo", "So", "Sm"})  # letters of scripts without capitals, and emoji


def normalise_name(text: str) -> str | None:
    """A name or title as it is kept: composed, on one line, without controls and invisible characters; None where blank.

    The caller refuses what is longer than `NAME_LENGTH` or `TITLE_LENGTH` afterwards. Normalising again changes nothing.
    """
    if not (text.isascii() and text.isprintable()):
        kept = [" " if each.isspace() else each for each in text if _is_kept(each)]
        text = unicodedata.normalize("NFC", "".join(_joined(kept)))
    text = " ".join(text.split())
    return text if any(unicodedata.category(each)[0] not in "MZ" for each in text) else None


normalise_title = normalise_name  # the same rule; only the length differs


def is_id(text: str) -> bool:
    """Whether this can be a participant's id: one word that can be seen whole."""
    return 0 < len(text) <= ID_LENGTH and text.isprintable() and " " not in text


def _is_kept(character: str) -> bool:
    if character in JOINERS or character.isspace():
        return True
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs"} and character not in INVISIBLE


def _joined(characters: list[str]) -> list[str]:
    """Without the joiners that join nothing: those in Persian, Indic scripts and emoji stay, the rest would only deceive."""
    kept: list[str] = []
    base = ""  # the last character that is no mark: composing leaves its kind alone
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
