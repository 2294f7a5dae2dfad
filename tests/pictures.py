"""Pictures for the tests, real ones and dangerous ones."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

GPS = 0x8825  # the tag of Exif under which a place stands
ORIENTATION = 0x0112
PLACE = b"SECRET-PLACE"


def picture(
    kind: str = "PNG",
    width: int = 60,
    height: int = 40,
    mode: str = "RGB",
    *,
    color: Any = "red",
    **options: Any,
) -> bytes:
    """A picture that is red, and blue in its upper left corner."""
    out = BytesIO()
    made = Image.new(mode, (width, height), color)
    made.paste("blue", (0, 0, width // 4, height // 4))
    made.save(out, kind, **options)
    return out.getvalue()


def with_place(orientation: int = 1) -> bytes:
    """A photograph that says where it was taken, in Exif and in a comment, and which side is up."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010E] = PLACE.decode()
    exif[GPS] = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
    return picture("JPEG", 600, 400, exif=exif, comment=PLACE)


def bomb(width: int = 50_000, height: int = 50_000) -> bytes:
    """A whole and valid PNG of so many pixels, one bit each: 312 MB in 300 KB; decoded as RGB, 7.5 GB."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packer = zlib.compressobj(1)
    row = bytes(1 + (width + 7) // 8)
    rows = row * 100
    data = b"".join(packer.compress(rows) for _ in range(height // 100)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def opened(data: bytes) -> Image.Image:
    """A picture, decoded."""
    shown = Image.open(BytesIO(data))
    shown.load()
    return shown
