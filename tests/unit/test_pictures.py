"""Sizes and previews of pictures, made by real processes; and pictures that are made to do harm."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from salon.web.files import pictures
from salon.web.files.pictures import Pictures, Size, TooLarge
from tests.pictures import PLACE, bomb, opened, picture, with_place

LIMIT = 50_000_000


@pytest.fixture
def maker() -> Pictures:
    return Pictures(LIMIT)


def stored(folder: Path, data: bytes) -> Path:
    path = folder / "picture"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "AVIF", "BMP", "TIFF"])
async def test_every_kind_of_picture_has_a_size_and_a_preview(
    maker: Pictures, tmp_path: Path, kind: str
) -> None:
    path = stored(tmp_path, picture(kind, 600, 400))
    assert await maker.size(path) == Size(600, 400)
    preview = opened(await maker.preview(path, 160) or b"")
    assert (preview.format, preview.size) == ("WEBP", (160, 107))


async def test_a_small_picture_is_not_made_larger(maker: Pictures, tmp_path: Path) -> None:
    path = stored(tmp_path, picture(width=20, height=10))
    assert opened(await maker.preview(path, 640) or b"").size == (20, 10)


async def test_a_preview_is_upright_and_says_nothing_of_where_it_was_taken(
    maker: Pictures, tmp_path: Path
) -> None:
    original = with_place(orientation=6)  # taken with the camera on its side
    assert PLACE in original
    path = stored(tmp_path, original)
    assert await maker.size(path) == Size(400, 600)
    data = await maker.preview(path, 320)
    assert data is not None
    assert PLACE not in data
    assert b"Exif" not in data
    preview = opened(data)
    assert preview.size == (213, 320)
    assert not preview.getexif()
    assert preview.info.keys().isdisjoint({"exif", "icc_profile", "xmp", "comment"})
    red, _, blue = preview.convert("RGB").getpixel((210, 3))  # type: ignore[misc]
    assert blue > red, "the upper left corner is the upper right one now"


async def test_what_can_be_seen_through_can_be_seen_through_in_the_preview(
    maker: Pictures, tmp_path: Path
) -> None:
    path = stored(tmp_path, picture("PNG", 600, 400, "RGBA", color=(255, 0, 0, 99)))
    assert opened(await maker.preview(path, 160) or b"").mode == "RGBA"


async def test_a_picture_of_two_and_a_half_billion_pixels_is_refused_before_it_is_decoded(
    maker: Pictures, tmp_path: Path
) -> None:
    data = bomb()
    assert len(data) < 2_000_000
    path = stored(tmp_path, data)
    assert await maker.size(path) == TooLarge(2_500_000_000)
    assert await maker.preview(path, 160) == b""


async def test_a_bomb_that_no_limit_of_pixels_stops_costs_one_process(tmp_path: Path) -> None:
    unlimited = Pictures(0)
    bomb_path = stored(tmp_path, bomb())
    assert await unlimited.preview(bomb_path, 160) == b""
    path = stored(tmp_path, picture())
    assert await unlimited.size(path) == Size(60, 40)


@pytest.mark.parametrize(
    "data",
    [
        picture()[:40],
        picture("JPEG")[:100],
        b"\x89PNG\r\n\x1a\n" + b"\xff" * 1000,
        b"GIF89a",
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",  # another program would have to be run
        b"plain text",
        b"",
    ],
    ids=["cut PNG", "cut JPEG", "noise", "GIF", "WebP", "PostScript", "text", "nothing"],
)
async def test_what_only_begins_like_a_picture_has_no_preview(
    maker: Pictures, tmp_path: Path, data: bytes
) -> None:
    path = stored(tmp_path, data)
    assert await maker.preview(path, 160) == b""


async def test_a_process_that_takes_too_long_is_ended_and_the_place_is_free_again(
    maker: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(tmp_path, picture())
    with monkeypatch.context() as patch:
        patch.setattr(pictures, "SECONDS", 0.0)
        assert await maker.size(path) is None
        assert await maker.preview(path, 160) is None
    assert await maker.size(path) == Size(60, 40)


async def test_many_pictures_at_once_take_turns(maker: Pictures, tmp_path: Path) -> None:
    path = stored(tmp_path, picture())
    sizes: list[object] = []

    async def ask() -> None:
        sizes.append(await maker.size(path))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(ask)
    assert sizes == [Size(60, 40)] * 6
