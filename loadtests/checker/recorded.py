"""A client with a recorder: everything that `salon.web.client` sends and receives becomes a history."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from salon.web.client import Client, Closed, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from salon.web.client import Frame, Receipt, Socket

    from .history import Recorder

PAGE = 100  # events of one answer


class RecordedClient(Client):
    """A client whose sockets, conversations and posts are recorded; `person` is its participant id.

    Reading pages of the log is not recorded, except by `record_log` at the end.
    """

    def __init__(self, url: str, recorder: Recorder, person: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.person = person
        self._recorder = recorder

    @asynccontextmanager
    async def socket(
        self, conversation_id: str, last_sequence_id: int | None = None, **options: Any
    ) -> AsyncIterator[Socket]:
        """A raw socket, as `Client.socket`."""
        line = self._recorder.connect(conversation_id, self.person, last_sequence_id)
        closed: Closed | None = None
        try:
            async with super().socket(conversation_id, last_sequence_id, **options) as socket:
                socket.on_sent, socket.on_received = line.sent, line.received
                try:
                    yield socket
                finally:
                    closed = socket.closed
        finally:
            closed = closed or Closed(1006)
            line.closed(None if closed.code == 1006 else closed.code, closed.reason)

    async def post(
        self,
        conversation_id: str,
        content: str,
        key: str | None = None,
        reply_to: str | None = None,
        metadata: Frame | None = None,
        mentions: Sequence[str] = (),
    ) -> Receipt:
        """Send over HTTP, as `Client.post`."""
        key = key or self.new_key()
        line = self._recorder.over_http(conversation_id, self.person)
        line.say(key, content)
        try:
            receipt = await super().post(
                conversation_id, content, key, reply_to, metadata, mentions
            )
        except Refused as refused:
            error = {"type": "error", **refused.details, "code": refused.code}
            line.took({**error, "client_message_id": key})
            raise
        line.took({"type": "message_ack", **asdict(receipt)})
        return receipt

    async def record_log(self, conversation_id: str) -> int:
        """Read the whole log and record it, at the end; return its last sequence."""
        after = 0
        while True:
            page = await self.history(conversation_id, after=after, limit=PAGE)
            events, head = page["events"], page["head_sequence_id"]
            self._recorder.log(conversation_id, after, head, events)
            if not events or not page["has_more"]:
                return int(head)
            after = events[-1]["sequence_id"]
