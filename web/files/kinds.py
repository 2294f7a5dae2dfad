"""What a file is, read from its first bytes: its name and what the client says of it decide nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import puremagic

if TYPE_CHECKING:
    from collections.abc import Sequence

HEAD = 4096  # bytes that are looked at
# What browsers show in a page without running anything in it. All else is saved, never opened.
INLINE = frozenset(
    {
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "video/mp4",
        "video/ogg",
        "video/webm",
    }
)
OTHER = "application/octet-stream"
# Names that are in use for the same kind.
_USUAL = {
    "application/ogg": "audio/ogg",
    "application/x-gzip": "application/gzip",
    "audio/wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/x-wav": "audio/wav",
    "image/x-ms-bmp": "image/bmp",
    "video/x-m4v": "video/mp4",
}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_PARTS = (
    (b"word/", f"{_OFFICE}wordprocessingml.document"),
    (b"xl/", f"{_OFFICE}spreadsheetml.sheet"),
    (b"ppt/", f"{_OFFICE}presentationml.presentation"),
)
_MIMETYPE = re.compile(r"application/[a-z0-9.+-]+")
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SVG = re.compile(r"<svg[\s>]", re.IGNORECASE)
_COMMENTS = re.compile(r"(<!--.*?(-->|\Z)\s*)+", re.DOTALL)
_HTML = re.compile(
    r"<(!doctype\s+html|html|head|body|script|iframe|title|style|table|a|b|br|div|font|h1|img|p|link|meta)[\s>/]",
    re.IGNORECASE,
)


def media_type(head: bytes) -> str:
    """The media type of a file that begins with these bytes, of which `HEAD` are enough.

    A text that begins as HTML, SVG or XML does is called so.
    """
    text = _text(head)
    if text is not None:
        return _kind_of_text(text)
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_archive(head)
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return OTHER
    found = next((each.mime_type for each in matches if each.mime_type), OTHER)
    return _USUAL.get(found, found)


def allowed(kind: str, kinds: Sequence[str]) -> bool:
    """Whether a media type is among these, of which one may stand for all of a class: image/*."""
    return kind in kinds or f"{kind.partition('/')[0]}/*" in kinds or "*/*" in kinds


def _text(head: bytes) -> str | None:
    """The bytes as text, if they are the beginning of one; a character may be cut at the end."""
    for cut in range(4):
        try:
            text = head[: len(head) - cut].decode()
        except UnicodeDecodeError:
            if len(head) < HEAD:
                return None
            continue
        return None if _NO_TEXT.search(text) else text
    return None


def _kind_of_text(text: str) -> str:
    begun = text.lstrip("\ufeff \t\r\n\f")
    if begun.startswith("%PDF-"):
        return "application/pdf"
    if not begun.startswith("<"):
        return "text/plain"
    if _SVG.search(begun):
        return "image/svg+xml"
    if begun.startswith("<?xml"):
        return "text/xml"
    return "text/html" if _HTML.match(_COMMENTS.sub("", begun, count=1)) else "text/plain"


def _kind_of_archive(head: bytes) -> str:
    size, name = int.from_bytes(head[18:22], "little"), 30 + int.from_bytes(head[26:28], "little")
    if head[30:name] == b"mimetype":  # first and uncompressed: OpenDocument, and books
        begun = name + int.from_bytes(head[28:30], "little")
        said = head[begun : begun + size].decode("ascii", "replace").strip()
        return said if _MIMETYPE.fullmatch(said) else "application/zip"
    if b"[Content_Types].xml" in head:
        return next((kind for part, kind in _PARTS if part in head), "application/zip")
    return "application/zip"
