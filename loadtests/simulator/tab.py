"""A tab: the events that a person has received of a conversation, and what it has asked for without an answer so far."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from salon.web.client import Closed, Frame, Gap, MessageHeld, Refused, Socket, Unreachable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from salon.web.client import Conversation

    from .person import Person

AGAIN = 2.0  # seconds until a retry
LONGEST_PAUSE = 30.0  # seconds between two attempts to open a tab, at most
SOON = 5.0  # seconds that an answer on a plain socket is waited for


async def visit(person: Person, conversation_id: str, after: int | None, chance: Random) -> None:
    """Open a plain socket after any sequence of the log, send random `sync` frames, and close it."""
    with suppress(Refused, Unreachable, Closed):
        async with person.socket(conversation_id, after) as socket, trio.open_nursery() as nursery:
            nursery.start_soon(_listen, socket)
            for _ in range(chance.randrange(4)):
                await trio.sleep(chance.random() ** 3)
                place = int(chance.random() * ((after or 0) + 5))
                await _say(socket, {"type": "sync", "last_sequence_id": place})
            await trio.sleep(10 * chance.random())
            nursery.cancel_scope.cancel()


async def _listen(socket: Socket) -> None:
    with suppress(Closed):
        while True:
            await socket.receive_json()


async def _say(socket: Socket, frame: Frame) -> None:
    with suppress(Closed):
        await socket.send_json(frame)


class Tab:
    """One browser tab of a person on a conversation: reconnects for as long as the person is a member, and keeps all events."""

    longest_pause = LONGEST_PAUSE
    resends = True  # what has no receipt is sent again once it is connected

    def __init__(self, person: Person, conversation_id: str, *, window: int, outbox: int) -> None:
        self.person = person
        self.conversation_id = conversation_id
        self.events: list[Frame] = []
        self.ended: str = ""
        self.began = 0.0  # when it last began to connect
        self.epochs = 0
        self.conversation: Conversation | None = None
        self.unsettled: dict[str, str] = {}  # key -> content, without a receipt
        self.acknowledged: dict[str, str] = {}
        self.replies: dict[str, int] = {}  # key -> sequence of the event it replies to
        self.refused_replies: set[int] = set()  # sequences that the server says are no messages
        self.changing: dict[str, Frame] = {}  # key -> the frame of a change without an answer
        self.changed: dict[str, Frame] = {}  # of those with one
        self._window, self._outbox = window, outbox
        self._nursery: trio.Nursery | None = None

    @property
    def last(self) -> int:
        """The last sequence received."""
        return len(self.events)

    async def run(self) -> None:
        """Keep the tab open, with pauses between attempts, until cancelled."""
        epoch: str | None = None
        pause = AGAIN
        while True:
            before = self.last
            async with self.person.conversation(
                self.conversation_id,
                self.last,
                epoch=epoch,
                window=self._window,
                outbox=self._outbox,
            ) as conversation:
                self.ended = ""
                await self._follow(conversation)
                epoch = conversation.epoch
            pause = AGAIN if self.last > before else min(2 * pause, self.longest_pause)
            await trio.sleep(pause)

    async def _follow(self, conversation: Conversation) -> None:
        self.began = trio.current_time()
        async with trio.open_nursery() as nursery:
            self.conversation, self._nursery = conversation, nursery
            try:
                for key, content in self.unsettled.items() if self.resends else ():
                    nursery.start_soon(self._send, conversation, key, content)
                async for event in conversation:
                    if event["type"] == "epoch_changed":
                        self.epochs += 1
                        self.events.clear()
                    else:
                        self.events.append(event)
                self.ended = "left"
            except (Closed, Refused, Gap) as error:
                self.ended = str(error)
            finally:
                self.conversation = self._nursery = None
                nursery.cancel_scope.cancel()

    def say(self, key: str, content: str) -> None:
        """Send a message, or queue it until the tab is connected."""
        self.unsettled[key] = content
        if self.conversation is not None and self._nursery is not None:
            self._nursery.start_soon(self._send, self.conversation, key, content)

    async def _send(self, conversation: Conversation, key: str, content: str) -> None:
        with suppress(Closed, Refused, Unreachable):
            await conversation.send(content, key, self._reply_to(key))
            self.acknowledged[key] = self.unsettled.pop(key, content)

    async def post(
        self, key: str, content: str, reply_to: int | None = None, files: Sequence[str] = ()
    ) -> None:
        """Send over HTTP, with retries until a receipt or a final refusal. `reply_to` is an event's sequence."""
        self.unsettled[key] = content
        if reply_to is not None:
            self.replies[key] = reply_to
        while True:
            try:
                place = self._reply_to(key)
                await self.person.post(self.conversation_id, content, key, place, files=files)
            except Unreachable:
                await trio.sleep(AGAIN * self.person.random())
            except Refused as refused:
                if not refused.temporary:
                    if refused.code == "INVALID_FORMAT" and reply_to is not None:
                        self.refused_replies.add(reply_to)
                    break
                await trio.sleep(refused.retry_after or AGAIN)
            except MessageHeld:
                break
            else:
                self.acknowledged[key] = content
                break
        self.unsettled.pop(key, None)

    async def reply(self, key: str, content: str, thread_id: str, *, in_channel: bool) -> None:
        """Reply in a thread, over HTTP, with retries as `post`."""
        self.unsettled[key] = content
        fields: Frame = {"content": content, "client_message_id": key}
        fields |= {"thread_id": thread_id, "also_in_channel": in_channel}
        while True:
            try:
                await self.person.post_fields(self.conversation_id, fields)
            except Unreachable:
                await trio.sleep(AGAIN * self.person.random())
            except Refused as refused:
                if not refused.temporary:
                    break
                await trio.sleep(refused.retry_after or AGAIN)
            else:
                break
        self.unsettled.pop(key, None)

    async def change(self, frame: Frame, *, by_socket: bool) -> None:
        """Change a message, with retries under its key until an answer or a final refusal; `by_socket` tries a frame first."""
        key = frame["client_message_id"]
        self.changing[key] = frame
        answered = by_socket and await self._change_by_socket(frame)
        while not answered:
            try:
                await self.person.change(self.conversation_id, frame)
            except Unreachable:
                await trio.sleep(AGAIN * self.person.random())
            except Refused as refused:
                if not refused.temporary:
                    break
                await trio.sleep(refused.retry_after or AGAIN)
            except MessageHeld:
                break
            else:
                answered = True
        if answered:
            self.changed[key] = frame
        self.changing.pop(key, None)

    async def _change_by_socket(self, frame: Frame) -> bool:
        """Send a change as a frame; whether it was acknowledged."""
        with suppress(Refused, Unreachable, Closed), trio.move_on_after(SOON):
            async with self.person.socket(self.conversation_id, self.last) as socket:
                await socket.send_json(frame)
                while True:
                    answer = await socket.receive_json()
                    if answer.get("client_message_id") == frame["client_message_id"]:
                        if answer["type"] == "change_ack":
                            return True
                        if answer["type"] == "error":
                            return False
        return False

    async def change_again(self, frame: Frame) -> None:
        """Ask once more for a change, or for another under its key."""
        with suppress(Refused, Unreachable, MessageHeld):
            await self.person.change(self.conversation_id, frame)

    async def repeat(self, key: str, content: str) -> None:
        """Resend an acknowledged message over HTTP, or send another content under its key."""
        with suppress(Refused, Unreachable, MessageHeld):
            await self.person.post(self.conversation_id, content, key, self._reply_to(key))

    def _reply_to(self, key: str) -> str | None:
        sequence = self.replies.get(key)
        return None if sequence is None else f"{self.conversation_id}-{sequence}"
