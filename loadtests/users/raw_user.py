"""A simulated user on this project's own frame code, at the least cost: many known frames are checked with one comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .api import RunError
from .frame import ACK, CLOSE, PING, PONG, TEXT, BadFrame, bounds, client_frame
from .user import CUT, User

if TYPE_CHECKING:
    from .wire import Wire

READ_BYTES = 1 << 17


class RawUser(User):
    """Reads the kernel's buffer. Frames that another reader was sent before are compared as bytes, not parsed."""

    wire: Wire

    def __init__(self, wire: Wire, *arguments: Any, **options: Any) -> None:
        super().__init__(wire, *arguments, **options)
        self._buffer = b""

    def disconnect(self) -> None:
        """Cut the connection without a close frame, as a lost network does."""
        super().disconnect()
        self._buffer = b""

    def readable(self, now: float) -> bool:
        """Read what has arrived; False if the connection is over: `back_in` then says when to reconnect."""
        assert self.wire.sock is not None
        try:
            data = self.wire.sock.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self.tally.closes[CUT] += 1
            return False
        self.tally.bytes_read += len(data)
        return self.take(data, now)

    def take(self, data: bytes, now: float) -> bool:
        """Process bytes that have arrived; False if they end the connection."""
        if self._buffer:
            data = self._buffer + data
        try:
            at = 0
            if not self.wire.open:
                at = self.wire.answered(data)
            if self.wire.open:
                at = self._frames(data, at, now)
        except (BadFrame, LookupError, TypeError, ValueError) as error:
            self.anomaly("protocol", f"{type(error).__name__}: {error}")
            return False
        except RunError as no:
            self.turned_away(no)
            return False
        self._buffer = data[at:] if at >= 0 else b""
        return at >= 0

    def _frames(self, data: bytes, at: int, now: float) -> int:
        """Process all complete frames; return the offset of their end, -1 if one is a close."""
        reader, transcript, size = self.reader, self.transcript, len(data)
        while at < size:
            if self._line is None and not data.startswith(ACK, at + 4):
                count, used, due = transcript.repeated(reader.sequence, data[at:] if at else data)
                if count:
                    reader.sequence += count
                    self._delivered(count, due, now)
                    at += used
                    continue
            found = bounds(data, at)
            if found is None:
                break
            start, end = found
            if not self._frame(data[at], data[at:end], data[start:end], now):
                return -1
            at = end
        return at

    def _frame(self, first: int, raw: bytes, text: bytes, now: float) -> bool:
        if first == TEXT:
            self.text(text, raw, now)
        elif first == CLOSE:
            code = int.from_bytes(text[:2], "big") if len(text) >= 2 else 1005
            self.closed(code, text[2:].decode(errors="replace"))
            return False
        elif first == PING:
            self.wire.write(client_frame(text, PONG))
        else:
            raise BadFrame(f"a frame that begins with {first:#x}")
        return True
