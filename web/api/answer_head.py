"""The heads of answers that are written without Hypercorn."""

from __future__ import annotations

from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING

from ..http import SECURITY_HEADERS

if TYPE_CHECKING:
    from collections.abc import Mapping


@lru_cache(maxsize=1)
def http_date(second: int) -> str:
    """A time in seconds since the epoch as a header has it."""
    return formatdate(second, usegmt=True)


def header_lines(headers: Mapping[str, str]) -> str:
    """The lines of these headers, as Hypercorn writes them."""
    return "".join(map(header_line, headers.items()))


def header_line(header: tuple[str, str]) -> str:
    """The line of one header."""
    return f"{header[0].lower()}: {header[1]}\r\n"


FIXED = header_lines(SECURITY_HEADERS)
