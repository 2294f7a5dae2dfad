"""Texts as search compares them: without case and accents, words apart by spaces, runs of scripts that have none as they are.

In a script with spaces a word is a stretch of letters, digits and marks. In the others nobody can tell where a word begins,
so any part of a run can be found.
"""

from __future__ import annotations

import re
import unicodedata

# Scripts without spaces between words: Thai, Lao, Burmese, Khmer, Tai; Chinese and Japanese with what belongs to them; Yi.
_UNSPACED = (
    "\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b"
    "\u3041-\u30ff\u3105-\u312f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua9e0-\ua9ff\uaa60-\uaa7f"
    "\uf900-\ufaff\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNSPACED}]")
# Where a run and a word touch.
_BORDER = re.compile(f"(?<=[{_UNSPACED}])(?=[^ {_UNSPACED}])|(?<=[^ {_UNSPACED}])(?=[{_UNSPACED}])")
# Marks that writers leave out: accents of Latin, Greek and Cyrillic, points of Hebrew, vowels of Arabic. The marks of other
# scripts are vowels or tones, without which a word is another one.
_ACCENTS = (range(0x300, 0x370), range(0x591, 0x5C8), range(0x610, 0x61B), range(0x64B, 0x660))


class _Folded(dict[int, str]):
    """Code point -> what it is compared as: a space where a word ends, nothing for an accent. Filled on demand."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if unicodedata.category(character) == "Cf":
            folded = ""  # a soft hyphen, a joiner, a mark of direction: no part of the word
        else:
            pieces = unicodedata.normalize("NFKD", character).casefold()
            folded = "".join(map(_kept, unicodedata.normalize("NFKD", pieces)))
        self[code] = folded
        return folded


def _kept(character: str) -> str:
    code = ord(character)
    if code == 0x670 or any(code in each for each in _ACCENTS):
        return ""
    if character.isalnum() or unicodedata.category(character)[0] == "M":
        return character
    return " "


_FOLDED = _Folded()


def fold(text: str) -> str:
    """The text as it is compared: only letters, digits and marks, and spaces between words and runs."""
    folded = text.translate(_FOLDED)
    return folded if folded.isascii() else _BORDER.sub(" ", folded)


def places(text: str) -> list[int]:
    """For each character of the folded text the place of the character that it was made of, and at last the text's length."""
    origin: list[int] = []
    for place, character in enumerate(text):
        origin += [place] * len(_FOLDED[ord(character)])
    origin.append(len(text))
    bare, at, found = text.translate(_FOLDED), 0, []
    for character in fold(text):
        found.append(origin[at])
        at += character == bare[at]  # else it is the space at a border
    return [*found, len(text)]


def is_run(part: str) -> bool:
    """Whether it is of a script without spaces between words."""
    return _RUN.match(part) is not None


def pairs(run: str) -> list[str]:
    """What an index keeps of a run: its pairs of neighbours, and the last character alone, so that each begins one of them."""
    return [run[at : at + 2] for at in range(len(run))]


def index_words(text: str) -> str:
    """What an index keeps of a text. What is no letter, digit or mark separates the words; of ASCII, case does not matter."""
    if text.isascii():
        return text
    kept: list[str] = []
    for part in fold(text).split():
        kept += pairs(part) if is_run(part) else [part]
    return " ".join(kept)
