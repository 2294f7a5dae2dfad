"""The lines of server-sent events, as a browser reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


class EventLines:
    """Takes the bytes of one stream, in whatever pieces they come."""

    def __init__(self) -> None:
        self._rest = b""
        self._id: str | None = None
        self._data = b""

    def take(self, read: bytes) -> Iterator[tuple[str | None, dict[str, Any]]]:
        """The events that are complete with these bytes: the id, None where it has none, and the frame."""
        *lines, self._rest = (self._rest + read).split(b"\n")
        for line in lines:
            name, _, value = line.partition(b": ")
            if name == b"id":
                self._id = value.decode()
            elif name == b"data":
                self._data = value
            elif not line and self._data:
                event = self._id, json.loads(self._data)
                self._id, self._data = None, b""
                yield event
