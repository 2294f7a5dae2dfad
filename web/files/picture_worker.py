"""A process of its own for one picture: it tells the picture's size, or writes a preview. It is started by `pictures`.

A picture comes from anybody, and the code that decodes it is large and native. So it runs where a fault costs one process: with
bounds on memory and processor time, without writing any file, at low priority, with nothing open but the picture and the answer.

Standard input is the picture. The arguments are the most pixels, the most bytes of memory, the most seconds of processor time,
and the longer side of the preview, 0 for none. The answer is a line of JSON, which the preview follows.
"""

from __future__ import annotations

import io
import json
import os
import resource
import sys
from typing import Any

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "TIFF", "WEBP")
QUALITY = 80  # of 100: no difference is seen at the size of a preview
TURNED = range(5, 9)  # the orientations that exchange width and height
ORIENTATION = 0x0112  # the tag of Exif


def main() -> None:
    """Answer on standard output."""
    pixels, memory, seconds, side = map(int, sys.argv[1:5])
    os.nice(10)
    from PIL import Image, ImageOps  # noqa: PLC0415 - here alone: no other process loads it

    Image.MAX_IMAGE_PIXELS = None  # judged below, by the server's own limit
    Image.init()
    _bound(memory, seconds)
    with Image.open(io.FileIO(0, closefd=False), formats=FORMATS) as picture:
        width, height = picture.size
        if pixels and width * height > pixels:
            _answer({"pixels": width * height})
            return
        if picture.getexif().get(ORIENTATION) in TURNED:
            width, height = height, width
        if not side:
            _answer({"width": width, "height": height})
            return
        picture.draft("RGB", (side, side))  # a JPEG is decoded no larger than needed
        shown: Any = ImageOps.exif_transpose(picture)
        clear = shown.mode in ("LA", "PA", "RGBA") or "transparency" in shown.info
        shown = shown.convert("RGBA" if clear else "RGB")
        shown.thumbnail((side, side))
        # A new picture has the pixels alone: no Exif with a place, no profile, no comment.
        bare = Image.frombytes(shown.mode, shown.size, shown.tobytes())
        out = io.BytesIO()
        bare.save(out, "WEBP", quality=QUALITY)
        _answer({"width": width, "height": height}, out.getvalue())


def _bound(memory: int, seconds: int) -> None:
    for what, most in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))


def _answer(fields: dict[str, int], picture: bytes = b"") -> None:
    os.write(1, json.dumps(fields).encode() + b"\n")
    with os.fdopen(1, "wb", closefd=False) as out:
        out.write(picture)


if __name__ == "__main__":
    main()
