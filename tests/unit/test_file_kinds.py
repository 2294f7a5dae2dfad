"""What files are by their bytes, and what they are called."""

from __future__ import annotations

import zipfile
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from salon.web.files.kinds import HEAD, INLINE, OTHER, allowed, media_type
from salon.web.files.names import NAME_LENGTH, file_name, header_name
from tests.pictures import picture

OFFICE = "application/vnd.openxmlformats-officedocument."


def archive(*names: str) -> bytes:
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name in names:
            made.writestr(name, "application/vnd.oasis.opendocument.text")
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (picture("PNG"), "image/png"),
        (picture("JPEG"), "image/jpeg"),
        (picture("GIF"), "image/gif"),
        (picture("WEBP"), "image/webp"),
        (picture("AVIF"), "image/avif"),
        (picture("BMP"), "image/bmp"),
        (picture("TIFF"), "image/tiff"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "application/pdf"),
        (b"%PDF-1.7\n1 0 obj", "application/pdf"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom", "video/mp4"),
        (b"ID3\x04\0\0\0\0\0\0", "audio/mpeg"),
        (b"OggS\0\x02" + bytes(22) + b"\x01\x1e\x01vorbis", "audio/ogg"),
        (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
        (archive("a.txt"), "application/zip"),
        (archive("[Content_Types].xml", "word/document.xml"), f"{OFFICE}wordprocessingml.document"),
        (archive("[Content_Types].xml", "xl/workbook.xml"), f"{OFFICE}spreadsheetml.sheet"),
        (archive("mimetype", "content.xml"), "application/vnd.oasis.opendocument.text"),
        (b"MZ\x90\0" + bytes(200), "application/vnd.microsoft.portable-executable"),
        ("Grüße".encode(), "text/plain"),
        ("שלום".encode(), "text/plain"),
        (b"a,b\r\n1,2\r\n", "text/plain"),
        (b'{"a":1}', "text/plain"),
        (b"#!/bin/sh\necho", "text/plain"),
        (bytes(range(200, 256)) * 3, OTHER),
        (b"\0", OTHER),
    ],
)
def test_a_file_is_what_its_bytes_are(data: bytes, kind: str) -> None:
    assert media_type(data[:HEAD]) == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<!DOCTYPE html><html>", "text/html"),
        ("\ufeff  \n<HTML><script>alert(1)</script>", "text/html"),
        ("<!-- a -->\n<!-- b --><script>alert(1)</script>", "text/html"),
        ("<!-- never closed <script>", "text/plain"),
        ("<img src=x onerror=alert(1)>", "text/html"),
        ("how to write <script>alert(1)</script>", "text/plain"),
        ("<notes> of mine", "text/plain"),
        ("<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "image/svg+xml"),
        (
            "<?xml version='1.0'?><!-- x --><svg xmlns='http://www.w3.org/2000/svg'/>",
            "image/svg+xml",
        ),
        ("<?xml version='1.0'?><a/>", "text/xml"),
        ("GIF89a is how a picture begins", "text/plain"),
        ("BM, as in a bitmap", "text/plain"),
        ("1 < 2 and 3 > 2", "text/plain"),
    ],
)
def test_what_a_browser_may_take_for_a_page_is_called_one(text: str, kind: str) -> None:
    assert media_type(text.encode()) == kind


@given(st.binary(max_size=HEAD))
def test_any_bytes_are_something(data: bytes) -> None:
    kind = media_type(data)
    assert "/" in kind
    assert kind not in {"text/html", "image/svg+xml"} or b"<" in data


@given(st.text(min_size=1, max_size=20, alphabet="aé漢😀"))
def test_a_text_is_one_wherever_its_beginning_is_cut(text: str) -> None:
    assert media_type((text * HEAD).encode()[:HEAD]) == "text/plain"


def test_what_is_shown_in_a_page_runs_nothing() -> None:
    assert all(kind.partition("/")[0] in {"image", "audio", "video"} for kind in INLINE)
    assert not {"image/svg+xml", "text/html", "application/pdf"} & INLINE


@pytest.mark.parametrize(
    ("kind", "kinds", "fits"),
    [
        ("image/png", ("image/png",), True),
        ("image/png", ("image/*",), True),
        ("image/png", ("*/*",), True),
        ("image/png", ("image/jpeg", "text/*"), False),
        ("image/svg+xml", ("image/png",), False),
        (OTHER, (), False),
    ],
)
def test_a_kind_is_taken_by_name_or_by_class(kind: str, kinds: tuple[str, ...], fits: bool) -> None:
    assert allowed(kind, kinds) is fits


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("cat.png", "cat.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("a/b/", "b"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("/", "file"),
        (".htaccess", "htaccess"),
        ("con:trol*?.txt", "con_trol__.txt"),
        ("line\r\nSet-Cookie: a=b.txt", "line Set-Cookie_ a=b.txt"),
        ("nul\x00l\x07.txt", "null.txt"),
        ("invoice\u202ecod.exe", "invoicecod.exe"),
        ("\u2066hidden\u2069.pdf", "hidden.pdf"),
        ("zero\u200bwidth\ufeff.txt", "zerowidth.txt"),
        ("שלום.pdf", "שלום.pdf"),
        ("e\u0301te\u0301.jpg", "été.jpg"),
        ("a  b\u00a0\tc.txt", "a b c.txt"),
        ("\u200b\u202e", "file"),
        ("x" * 300 + ".jpeg", "x" * 145 + ".jpeg"),
        ("x" * 300, "x" * 150),
        ("x." + "y" * 300, "x." + "y" * 148),
    ],
)
def test_a_name_is_the_last_part_of_a_path_without_what_is_not_seen(
    given_name: str, name: str
) -> None:
    assert file_name(given_name) == name


@given(st.text(max_size=400))
def test_any_name_is_one_that_is_seen_and_naming_again_changes_nothing(text: str) -> None:
    name = file_name(text)
    assert 0 < len(name) <= NAME_LENGTH
    assert file_name(name) == name
    assert not set(name) & set('/\\\r\n\0<>:"|?*')
    assert name.isprintable()


@given(st.text(max_size=200), st.booleans())
def test_a_header_carries_any_name_and_nothing_else(text: str, inline: bool) -> None:
    name = file_name(text)
    header = header_name(name, inline=inline)
    assert header.isascii()
    assert header.isprintable()
    how, options = parse_options_header(header)
    assert how == ("inline" if inline else "attachment")
    assert options["filename"] == name, "what is encoded comes before what is plain"
    assert set(options) == {"filename"}
