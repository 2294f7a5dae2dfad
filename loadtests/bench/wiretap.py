"""Listens at NATS to what nodes send each other, and counts it: messages, bytes, and parts by the kind of message."""

from __future__ import annotations

import socket
from collections import Counter
from threading import Thread
from typing import TYPE_CHECKING

from salon.actors.cluster.encoding import kind_of
from salon.web.cluster.nats_protocol import PONG, Delivered, Parser, Pinged, connect, subscribe
from salon.web.cluster.parcels import Unpacker

if TYPE_CHECKING:
    from collections.abc import Mapping

READ = 262_144  # bytes read at once


class WireTap:
    """Counts from now on, until `close`, on a connection of its own. Only grow: what NATS carries, not what nodes do with it."""

    def __init__(self, port: int, prefix: str) -> None:
        self._counts: Counter[str] = Counter()
        self._unpackers: dict[tuple[str, str], Unpacker] = {}
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.sendall(
            connect({"verbose": False, "pedantic": False, "echo": False})
            + subscribe(f"{prefix}.*", 1)
        )
        self._thread = Thread(target=self._listen, daemon=True)
        self._thread.start()

    def counts(self) -> Mapping[str, int]:
        """Messages as `nats`, their bytes as `bytes`, and the parts of each kind, so far."""
        return Counter(self._counts)

    def close(self) -> None:
        """End the connection."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _listen(self) -> None:
        parser = Parser()
        while data := self._socket.recv(READ):
            for each in parser.feed(data):
                match each:
                    case Delivered():
                        self._count(each)
                    case Pinged():
                        self._socket.sendall(PONG)

    def _count(self, message: Delivered) -> None:
        way = message.reply, message.subject
        unpacker = self._unpackers.setdefault(way, Unpacker())
        self._counts["nats"] += 1
        self._counts["bytes"] += len(message.payload)
        for part in unpacker.unpack(message.payload):
            self._counts[kind_of(part)] += 1
