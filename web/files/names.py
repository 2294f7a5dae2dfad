"""The names of files: as they are kept, and as a header carries them."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

from salon.actors.blank import is_invisible

NAME_LENGTH = (
    150  # characters: most file systems take 255 bytes, and 150 are more than anybody reads
)
ENDING_LENGTH = 20  # of these, the characters of an ending that are kept where a name is cut
NAMELESS = "file"
_PATH = re.compile(r"[/\\]")
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))  # no name on some systems


def file_name(text: str) -> str:
    """A name as it is kept: the last part of a path, composed, without controls and invisible characters; never empty.

    Characters that turn the direction of writing are invisible too: they would show `exe.txt` for `txt.exe`.
    """
    part = _PATH.split(text.rstrip("/\\"))[-1]
    seen = "".join(" " if each.isspace() else each for each in part if _is_kept(each))
    name = " ".join(unicodedata.normalize("NFC", seen).translate(_FORBIDDEN).split()).strip(". ")
    if len(name) > NAME_LENGTH:
        stem, dot, ending = name.rpartition(".")
        keep = bool(dot) and 0 < len(ending) <= ENDING_LENGTH
        tail = f".{ending}" if keep else ""
        name = (stem if keep else name)[: NAME_LENGTH - len(tail)].rstrip(". ") + tail
    return name or NAMELESS


def header_name(name: str, *, inline: bool) -> str:
    """The `Content-Disposition` of a file: the name for old clients in ASCII, and as it is (RFC 6266)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r'[^\w !#$&+.^`~()-]|[%"\\]', "_", plain, flags=re.ASCII).strip() or NAMELESS
    how = "inline" if inline else "attachment"
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _is_kept(character: str) -> bool:
    if character.isspace():
        return True
    return character.isprintable() and not is_invisible(character)
