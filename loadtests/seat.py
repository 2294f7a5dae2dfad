"""One simulated person's socket: what they send, and the check of everything they are sent."""

from __future__ import annotations

import base64
import json
import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from .transcript import next_frame, sequence_of

if TYPE_CHECKING:
    from .figures import Tally
    from .transcript import Transcript

READ_BYTES = 1 << 18
MOST_ANOMALIES = 20  # told of one process; a broken server would fill the report
ACK = b'{"type":"message_ack"'


class Person(NamedTuple):
    """Somebody in a room."""

    token: str
    sends: bool
    reads: bool


class Pending(NamedTuple):
    """A message on its way: when it was due, and whether it counts as measured."""

    due: float
    measured: bool


class Seat:
    """A person in a conversation, over all their connections. Times are of `time.monotonic`."""

    def __init__(
        self, url: str, room: str, person: Person, number: int, transcript: Transcript, tally: Tally
    ) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self.room = room
        self.person = person
        self.number = number
        self.transcript = transcript
        self.tally = tally
        self.sock: socket.socket | None = None
        self.live = False
        self.offset = 0
        self.sequence = 0  # of the last event received
        self.pending: dict[str, Pending] = {}
        self.confirmed: dict[str, int] = {}  # key -> sequence of its receipt
        self.refused: dict[str, str] = {}  # key -> code
        self.retry_at: list[float] = []
        self.connected_at = 0.0
        self._buffer = b""
        self._shaken = False
        self._sent = 0

    def connect(self) -> socket.socket:
        """Open a socket and ask for everything after the last event received."""
        self.disconnect()
        self.connected_at = time.monotonic()
        sock = socket.create_connection(self._address)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        key = base64.b64encode(os.urandom(16)).decode()
        sock.sendall(
            f"GET /chat/ws/{self.room}?last_sequence_id={self.sequence} HTTP/1.1\r\n"
            f"Host: {self._address[0]}:{self._address[1]}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Authorization: Bearer {self.person.token}\r\n\r\n".encode()
        )
        sock.setblocking(False)
        self.sock = sock
        return sock

    def disconnect(self) -> None:
        """Cut the socket without a word, as a lost network does."""
        if self.sock is not None:
            self.sock.close()
        self.sock, self.live, self._shaken, self._buffer = None, False, False, b""

    def post(self, due: float, padding: str, *, keys: bool, measured: bool) -> None:
        """Send a message that was due then. Its content begins with that time, for whoever receives it."""
        self._sent += 1
        key = f"{self.number}-{self._sent}"
        named = f',"client_message_id":"{key}"' if keys else ""
        self.pending[key] = Pending(due, measured)
        self.tally.sent += 1
        content = f"{int(due * 1e9):016x} {padding}"
        self.send(f'{{"type":"message","content":"{content}"{named}}}')

    def send(self, text: str) -> None:
        """Send a text frame; the mask is zero, so that masking costs nobody anything."""
        data = text.encode()
        size = len(data)
        short = size < 126
        head = bytes((0x81, 0x80 | size)) if short else b"\x81\xfe" + size.to_bytes(2, "big")
        self._write(head + b"\0\0\0\0" + data)

    def _shake(self, data: bytes, now: float) -> int:
        """Where the frames begin; 0 while the answer is not there whole, -1 where the handshake was refused."""
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if not data.startswith(b"HTTP/1.1 101"):
            status = data.split(b"\r\n", 1)[0].decode("latin1")
            self.tally.refused[status] = self.tally.refused.get(status, 0) + 1
            return -1
        self._shaken = True
        return end + 4

    def _write(self, data: bytes) -> None:
        if self.sock is not None:
            try:
                self.sock.sendall(data)
            except BlockingIOError:
                self.anomaly("the server does not read: a frame was cut")
            except OSError:
                pass  # found out when reading

    def readable(self, now: float, *, measured: bool) -> bool:
        """Take what has come; False where the connection is over."""
        assert self.sock is not None
        try:
            data = self.sock.recv(READ_BYTES)
        except BlockingIOError:
            return True
        except OSError:
            return False
        self.tally.bytes_read += len(data)
        return bool(data) and self._take(self._buffer + data, now, measured=measured)

    def _take(self, data: bytes, now: float, *, measured: bool) -> bool:
        at = 0
        if not self._shaken:
            at = self._shake(data, now)
            if at <= 0:
                self._buffer = data
                return at == 0
        while at < len(data):
            known = self.transcript.same(self.offset, data[at:] if at else data)
            after = self.transcript.floor(self.offset + known) if known > 0 else self.offset
            if after > self.offset:
                at += after - self.offset
                self._delivered(after, now, measured=measured)
                continue
            frame = next_frame(data, at)
            if frame is None:
                break
            if not self._frame(data[at : frame.end], frame.text, frame.opcode, now, measured):
                return False
            at = frame.end
        self._buffer = data[at:]
        return True

    def _delivered(self, after: int, now: float, *, measured: bool) -> None:
        """Events that are known already have come here too. All of a read count with the latency of the oldest."""
        count, due = self.transcript.between(self.offset, after)
        self.offset = after
        self.sequence = self.transcript.sequence_at(after)
        if measured and self.live:
            self.tally.deliveries += count
            if due:
                self.tally.delivery.add(now - due, count)
                sample = self.tally.samples[-1]
                sample.deliveries += count
                sample.delivery.add(now - due, count)

    def _frame(self, raw: bytes, text: bytes, opcode: int, now: float, measured: bool) -> bool:
        if opcode == 8:
            code = int.from_bytes(text[:2], "big") if len(text) >= 2 else 1005
            self.tally.closes[code] = self.tally.closes.get(code, 0) + 1
            return False
        if opcode == 9:
            self._write(bytes((0x8A, 0x80 | len(text))) + b"\0\0\0\0" + text)
            return True
        sequence = sequence_of(text)
        if sequence is None:
            self._word(text, now)
        elif self.offset == self.transcript.end and sequence > self.transcript.last:
            if sequence != self.sequence + 1:
                self.anomaly(f"gap: sequence {sequence} after {self.sequence}")
            problem = self.transcript.append(sequence, raw, text)
            if problem:
                self.anomaly(problem)
            self._delivered(self.transcript.end, now, measured=measured)
        elif self.transcript.same(self.offset, raw) == len(raw):
            self._delivered(self.offset + len(raw), now, measured=measured)
        elif sequence <= self.sequence:
            self.anomaly(f"duplicate or reordered: sequence {sequence} after {self.sequence}")
        else:
            self.anomaly(f"readers disagree at sequence {sequence}")
            self.offset = self.transcript.offset_after(sequence) or self.transcript.end
            self.sequence = sequence
        return True

    def _word(self, text: bytes, now: float) -> None:
        if text.startswith(ACK):
            self._receipt(json.loads(text), now)
            return
        frame = json.loads(text)
        match frame["type"]:
            case "caught_up":
                if not self.live:
                    self.tally.connect.add(now - self.connected_at)
                self.live = True
            case "error":
                self._refusal(frame, now)
            case "lagging":
                self.tally.lagging += 1

    def _receipt(self, receipt: dict[str, str | int], now: float) -> None:
        key = receipt["client_message_id"] or next(iter(self.pending), None)
        pending = self.pending.pop(str(key), None)
        if pending is None:
            self.anomaly(f"a receipt for {key}, which is not on its way")
            return
        self.confirmed[str(key)] = int(receipt["sequence_id"])
        if pending.measured:
            self.tally.receipts += 1
            self.tally.samples[-1].receipts += 1
            self.tally.receipt.add(now - pending.due)

    def _refusal(self, frame: dict[str, str | float], now: float) -> None:
        code = str(frame["code"])
        self.tally.refused[code] = self.tally.refused.get(code, 0) + 1
        self.tally.samples[-1].refusals += 1
        key = str(frame.get("client_message_id") or next(iter(self.pending), ""))
        if self.pending.pop(key, None) is not None:
            self.refused[key] = code
            self.retry_at.append(now + float(frame.get("retry_after", 1.0)))

    def anomaly(self, text: str) -> None:
        """Note that something is wrong."""
        if len(self.tally.anomalies) < MOST_ANOMALIES:
            self.tally.anomalies.append(f"{self.room} reader {self.number}: {text}")

    def verdict(self) -> None:
        """At the end: is every receipt in the log, once, and nothing that was refused?"""
        for key, sequence in self.confirmed.items():
            found = self.transcript.keys.get(key)
            if found != sequence:
                self.anomaly(
                    f"lost: the receipt says {key} has sequence {sequence}, the log {found}"
                )
        for key, code in self.refused.items():
            if key in self.transcript.keys:
                self.anomaly(f"{key} was refused with {code} and is in the log")
