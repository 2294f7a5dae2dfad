"""A client with a recorder: everything that `salon.web.client` sends and receives becomes a history."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from salon.web.client import Client, Closed, MessageHeld, Refused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from salon.web.client import Frame, Receipt, Socket

    from .history import Line, Recorder

PAGE = 100  # events of one answer
# The method and the rest of the path of each change of a message.
ROUTES = {
    "message_edited": ("PATCH", ""),
    "message_deleted": ("DELETE", ""),
    "reaction_added": ("PUT", "/reactions/{emoji}"),
    "reaction_removed": ("DELETE", "/reactions/{emoji}"),
    "message_pinned": ("PUT", "/pin"),
    "message_unpinned": ("DELETE", "/pin"),
}
IN_PATH = ("type", "message_id", "emoji", "client_message_id")  # or in a header


class RecordedClient(Client):
    """A client whose sockets, conversations, posts and changes are recorded; `person` is its participant id.

    Reading pages of the log is not recorded, except by `record_page` and, at the end, `record_log`.
    """

    def __init__(self, url: str, recorder: Recorder, person: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.person = person
        self.token_name: str | None = None
        """The name of the client's token in the history, where it may end."""
        self._recorder = recorder

    @asynccontextmanager
    async def socket(
        self, conversation_id: str, last_sequence_id: int | None = None, **options: Any
    ) -> AsyncIterator[Socket]:
        """A raw socket, as `Client.socket`."""
        line = self._recorder.connect(
            conversation_id, self.person, last_sequence_id, self.token_name
        )
        line.token = lambda: self.token_name
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
        files: Sequence[str | Mapping[str, str]] = (),
        thread_id: str | None = None,
        also_in_channel: bool = False,
    ) -> Receipt:
        """Send over HTTP, as `Client.post`."""
        key = key or self.new_key()
        with self._sending(conversation_id, key) as line:
            line.say(key, content)
            receipt = await super().post(
                conversation_id,
                content,
                key,
                reply_to,
                metadata,
                mentions,
                files,
                thread_id,
                also_in_channel,
            )
        line.took({"type": "message_ack", **asdict(receipt)})
        return receipt

    async def post_fields(self, conversation_id: str, fields: Frame) -> Frame:
        """Send a message over HTTP that is given by all of its fields: `content`, `client_message_id`, `thread_id` and so on."""
        key = fields["client_message_id"]
        with self._sending(conversation_id, key) as line:
            line.say(key, fields["content"])
            receipt = await self.carry_post(conversation_id, fields)
        line.took({"type": "message_ack", **receipt})
        return receipt

    async def change(self, conversation_id: str, frame: Frame) -> Frame:
        """Change a message over HTTP, as the frame of the same fields would; it has a `client_message_id`."""
        with self._sending(conversation_id, frame["client_message_id"]) as line:
            line.change(frame)
            answer = await self.carry_change(conversation_id, frame)
        line.took({"type": "change_ack", **answer})
        return answer

    async def carry_post(self, conversation_id: str, fields: Frame) -> Frame:
        """The receipt of a message, without a record."""
        path = f"/chat/{quote(conversation_id, safe='')}/messages"
        return _not_held(await self.request("POST", path, fields))

    async def carry_change(self, conversation_id: str, frame: Frame) -> Frame:
        """The answer to a change, without a record."""
        method, rest = ROUTES[frame["type"]]
        rest = rest.format(emoji=quote(frame.get("emoji", ""), safe=""))
        message_id = quote(frame["message_id"], safe="")
        path = f"/chat/{quote(conversation_id, safe='')}/messages/{message_id}{rest}"
        body = {name: value for name, value in frame.items() if name not in IN_PATH}
        key = [("Idempotency-Key", frame["client_message_id"])]
        return _not_held(await self.request(method, path, body or None, key))

    async def record_page(self, conversation_id: str, after: int) -> Frame:
        """Read a page of the log in the midst of the run, and record it."""
        line, since = self._over_http(conversation_id), self._recorder.clock()
        page = await self.history(conversation_id, after=after, limit=PAGE)
        line.page(since, page["events"])
        return page

    async def delete_conversation(self, conversation_id: str) -> Frame:
        """Delete a conversation, and record that it is gone."""
        line = self._over_http(conversation_id)
        answer = await super().delete_conversation(conversation_id)
        line.deleted()
        return answer

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

    def _over_http(self, conversation_id: str) -> Line:
        return self._recorder.over_http(conversation_id, self.person, self.token_name)

    @contextmanager
    def _sending(self, conversation_id: str, key: str) -> Iterator[Line]:
        """The line of a request; a refusal in the block is recorded under the request's key."""
        line = self._over_http(conversation_id)
        try:
            yield line
        except Refused as refused:
            error = {"type": "error", **refused.details, "code": refused.code}
            line.took({**error, "client_message_id": key})
            raise
        except MessageHeld as held:
            line.took({"type": "message_held", "held_id": held.held_id, "client_message_id": key})
            raise


def _not_held(answer: Frame) -> Frame:
    if "held_id" in answer:
        raise MessageHeld(answer)
    return answer
