"""A client's non-blocking socket: the request for a WebSocket, then frames; bytes that the kernel does not take wait."""

from __future__ import annotations

import base64
import errno
import os
import socket
from typing import TYPE_CHECKING, Protocol

from .api import RunError, refusal
from .frame import client_frame

if TYPE_CHECKING:
    from .api import Target

END = b"\r\n\r\n"


class UserWire(Protocol):
    """The successive connections of one user, independent of the code that reads and writes the frames."""

    sock: socket.socket | None  # readable when data has arrived
    unsent: bytes  # waiting for room in the kernel's buffer

    def connect(self, path: str, token: str) -> socket.socket:
        """Begin a connection in place of the last one. Raises `OSError`."""

    def cut(self) -> None:
        """End the connection without a close frame, as a lost network does."""

    def send(self, text: bytes) -> None:
        """Send a text frame."""

    def flush(self) -> None:
        """Send the unsent bytes."""


class Wire:
    """The successive connections of one user."""

    def __init__(self, target: Target) -> None:
        self.sock: socket.socket | None = None
        self.unsent = b""
        self.open = False  # the handshake is over
        self._target = target

    def connect(self, path: str, token: str) -> socket.socket:
        """Begin a connection in place of the last one. Raises `OSError`."""
        self.cut()
        target = self._target
        sock = socket.socket(target.family)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(target.address)
        if code not in (0, errno.EINPROGRESS):
            sock.close()
            raise OSError(code, os.strerror(code))
        self.sock = sock
        key = base64.b64encode(os.urandom(16)).decode()
        request = (
            f"GET {target.path}{path} HTTP/1.1\r\nHost: {target.host}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {token}\r\n\r\n"
        )
        self.write(request.encode())
        return sock

    def cut(self) -> None:
        """End the connection without a close frame, as a lost network does."""
        if self.sock is not None:
            self.sock.close()
        self.sock, self.open, self.unsent = None, False, b""

    def answered(self, data: bytes) -> int:
        """The offset of the first frame after the handshake's answer, 0 while incomplete. Raises `RunError` for a refusal."""
        end = data.find(END)
        if end < 0:
            return 0
        start = end + len(END)
        if not data.startswith(b"HTTP/1.1 101 "):
            head, body = data[:end], data[start:]
            if len(body) < int(_header(head, b"content-length") or 0):
                return 0
            raise _refused(head, body)
        self.open = True
        return start

    def send(self, text: bytes) -> None:
        """Send a text frame."""
        self.write(client_frame(text))

    def write(self, data: bytes) -> None:
        """Send bytes; the rest that the kernel does not take waits for `flush`."""
        if self.unsent:
            self.unsent += data
        elif self.sock is not None:
            try:
                sent = self.sock.send(data)
            except BlockingIOError:
                sent = 0
            except OSError:
                return  # the next read reports it
            if sent < len(data):
                self.unsent = data[sent:]

    def flush(self) -> None:
        """Send the unsent bytes; called when the kernel has room again."""
        rest, self.unsent = self.unsent, b""
        self.write(rest)


def _refused(head: bytes, body: bytes) -> RunError:
    status = head.split(b" ", 2)[1]
    error = refusal("GET /chat/ws/", int(status) if status.isdigit() else 0, body)
    if error.retry_after is None and (wait := _header(head, b"retry-after")):
        error.retry_after = float(wait)
    return error


def _header(head: bytes, name: bytes) -> bytes:
    _, _, found = head.lower().partition(b"\r\n%b:" % name)
    return found.partition(b"\r\n")[0].strip()
