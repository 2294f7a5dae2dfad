"""Parts in messages of NATS: small ones together, one that is too large in several. A message that is lost loses its parts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LARGEST = 64_000_000  # bytes of a part that is put together again: a list of all members of the largest conversation is 10 MB

_NUMBER = struct.Struct("!I")  # of the message, counted from 1, so that a loss is noticed
_LENGTH = struct.Struct("!I")
_MORE = 0x8000_0000  # in a length: the part goes on in the next message
_REST = 0x4000_0000  # in a length: it is the rest of the part of the message before
_BITS = _MORE | _REST


class Packer:
    """Packs what one node sends to another."""

    def __init__(self) -> None:
        self._number = 0

    def pack(self, parts: Sequence[bytes], limit: int) -> Iterator[bytes]:
        """The messages, of at most `limit` bytes each, in their order."""
        pieces: list[bytes] = []
        room = limit - _NUMBER.size
        for part in parts:
            at = 0
            while True:
                if pieces and room <= _LENGTH.size + (len(part) - at if at == 0 else 0):
                    yield self._message(pieces)
                    pieces, room = [], limit - _NUMBER.size
                end = min(len(part), at + room - _LENGTH.size)
                bits = (_REST if at else 0) | (_MORE if end < len(part) else 0)
                pieces += (_LENGTH.pack((end - at) | bits), part[at:end])
                room -= _LENGTH.size + end - at
                at = end
                if at == len(part):
                    break
        if pieces:
            yield self._message(pieces)

    def _message(self, pieces: list[bytes]) -> bytes:
        self._number = (self._number + 1) & 0xFFFF_FFFF
        return b"".join((_NUMBER.pack(self._number), *pieces))


class Unpacker:
    """Unpacks what one node has sent. `lost` counts the messages that are missing; one that comes late counts as missing."""

    def __init__(self) -> None:
        self.lost = 0
        self._newest = 0
        self._begun: list[bytes] = []
        self._size = 0

    def unpack(self, message: bytes) -> list[bytes]:
        """The parts that are complete now. Raises `ValueError` for what no node has packed."""
        if len(message) < _NUMBER.size:
            raise ValueError("a message without a number")
        number = _NUMBER.unpack_from(message)[0]
        follows = number == (self._newest + 1) & 0xFFFF_FFFF
        if not follows:
            self._begun.clear()
            if self._newest:
                self.lost += max(0, number - self._newest - 1)
        self._newest = number
        parts: list[bytes] = []
        at = _NUMBER.size
        while at < len(message):
            if len(message) - at < _LENGTH.size:
                raise ValueError("a message that ends in a length")
            length = _LENGTH.unpack_from(message, at)[0]
            at += _LENGTH.size
            end = at + (length & ~_BITS)
            if end > len(message):
                raise ValueError("a message that ends in a part")
            whole = self._take(message[at:end], length)
            if whole is not None:
                parts.append(whole)
            at = end
        return parts

    def _take(self, piece: bytes, bits: int) -> bytes | None:
        if bits & _REST:
            if not self._begun:
                return None  # its beginning is lost
        else:
            self._begun.clear()
        if not bits & _BITS:
            return piece
        if not self._begun:
            self._size = 0
        self._begun.append(piece)
        self._size += len(piece)
        if self._size > LARGEST:
            self._begun.clear()
            raise ValueError(f"a part of more than {LARGEST} bytes")
        if bits & _MORE:
            return None
        whole = b"".join(self._begun)
        self._begun.clear()
        return whole
