"""The settings of files that people send."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from .group import SettingsGroup, split

# What people send each other and browsers show or save; no programs, and no documents that run scripts in a browser.
KINDS = (
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
    "image/avif",
    "audio/*",
    "video/*",
    "text/plain",
    "application/pdf",
    "application/zip",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.oasis.opendocument.text",
    "application/vnd.oasis.opendocument.spreadsheet",
    "application/vnd.oasis.opendocument.presentation",
)


def _files_url(url: str) -> str:
    if not re.fullmatch(r"file:///.+|s3://[a-z0-9][a-z0-9.-]{1,62}(/.*)?", url):
        raise ValueError("file:///PATH or s3://BUCKET[/PREFIX]")
    return url


def _endpoint(url: str) -> str:
    if not re.fullmatch(r"https?://[^\s@?#]+", url):
        raise ValueError("https://HOST[:PORT][/PATH], or http in a network that nobody else reads")
    return url


def _media_type(kind: str) -> str:
    if not re.fullmatch(r"\*/\*|[a-z]+/(\*|[a-z0-9][a-z0-9.+-]*)", kind.lower()):
        raise ValueError("a media type such as image/png, or image/* for all of a class")
    return kind.lower()


class FileSettings(SettingsGroup):
    """Files that people send, and where they are kept."""

    url: Annotated[str, AfterValidator(_files_url)] | None = None
    """file:///PATH or s3://BUCKET/PREFIX, one server's alone; by default a folder beside the store."""
    s3_endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    """Address of an S3-compatible store, such as https://s3.example.org; by default Amazon's."""
    s3_region: str = "us-east-1"
    """Region of the bucket; most stores take any."""
    kinds: Annotated[
        tuple[Annotated[str, AfterValidator(_media_type)], ...], BeforeValidator(split)
    ] = KINDS
    """Media types that are taken, by what the bytes are; image/* for all of a class. HTML and SVG are never shown, only saved."""
