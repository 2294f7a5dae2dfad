"""One form of each emoji, so that the same picture is one kind of reaction however it was typed."""

from __future__ import annotations

from unicodedata import normalize

import regex

_SELECTORS = str.maketrans("", "", "\ufe0e\ufe0f")
# Characters that are text unless U+FE0F follows. One with a skin tone is a picture already, and a digit only as a keycap.
_TEXT = regex.compile(
    r"[#*0-9](?=\u20e3)|(?![#*0-9])(?!\p{Emoji_Presentation})\p{Emoji}(?!\p{Emoji_Modifier})"
)


def canonical_emoji(text: str) -> str:
    """The text in Unicode's form NFC, with U+FE0F where an emoji needs it to be shown as a picture, and nowhere else."""
    if text.isascii():
        return text
    return _TEXT.sub("\\g<0>\ufe0f", normalize("NFC", text).translate(_SELECTORS))
