"""Simulated people that keep going through kills of the server and faults of the network."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import trio

from salon.web.client import Closed, Refused, Unreachable

from ..checker import Fold, constant, without_names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container
    from random import Random

    from salon.web.client import Conversation

    from ..checker import RecordedClient

BACKOFF = (0.05, 0.3)  # seconds: short, so that clients are back as soon as the server is
BURST = 20  # messages sent at once, in 4 % of the cases
AGAIN = 0.2  # seconds until a failed request is retried
VISIT = 2.0  # seconds between joining and leaving in `come_and_go`, at most
DONE = {"ALREADY_PARTICIPANT", "NOT_PARTICIPANT", "NOT_FOUND"}  # an earlier attempt took effect
# Of a change: somebody else was faster.
OVERTAKEN = {"MESSAGE_DELETED", "REVISION_CONFLICT", "NOT_PARTICIPANT"}
CHANGING = 0.25  # the share of messages after which a message is changed
NEAR = 10  # newest messages to which people react and reply
EMOJI = ("👍", ":tada:")


class Fingerprint:
    """A hash over what successive events have for ever: equal for equal logs. `head` is the last sequence.

    `fold` has the messages as the events make them; in neither are the names of `nameless` people, who are erased meanwhile.
    """

    def __init__(self, nameless: Container[str] = ()) -> None:
        self.head = 0
        self._nameless = nameless
        self.fold = Fold()
        self._hash = hashlib.sha256()

    def add(self, event: dict[str, Any]) -> None:
        """Add the next event."""
        self.head = event.get("sequence_id", self.head)
        event = without_names(event, self._nameless)
        self.fold.take(event)
        self._hash.update(json.dumps(constant(event), sort_keys=True).encode())

    def go_on(self, event: dict[str, Any]) -> None:
        """Apply an event that came later than those of the hash."""
        self.fold.take(without_names(event, self._nameless))

    @property
    def digest(self) -> str:
        """The hash in hexadecimal."""
        return self._hash.hexdigest()


class CrashUser:
    """One person in one conversation, with a client that records its traffic.

    `state` is the fingerprint of the events from the client. `acknowledged` counts the receipts; `served` is called for each.
    The person speaks with so many `hands` at once, each of which waits up to `pause` seconds between two messages.
    """

    def __init__(
        self,
        client: RecordedClient,
        conversation: str,
        random: Random,
        served: Callable[[], None],
        nameless: Container[str] = (),
        *,
        hands: int = 3,
        pause: float = 0.1,
    ) -> None:
        self.client = client
        self.conversation = conversation
        self.acknowledged = self.said = self.changed = 0
        self.state = Fingerprint(nameless)
        self.spoken = trio.Event()
        """All that was to be said has its receipt."""
        self.reconnects = 0
        self._random = random
        self._served = served
        self._hands, self._pause = hands, pause
        self._leaving = False
        self._news = trio.lowlevel.ParkingLot()

    async def wait_heard(self, sequence: int) -> None:
        """Wait until the client has delivered the event `sequence`."""
        while self.state.head < sequence:
            await self._news.park()

    async def live(self, end: trio.Event) -> None:
        """Listen and send over a socket; after `end` only listen, until cancelled."""
        async with self._open_conversation() as conversation, trio.open_nursery() as nursery:
            nursery.start_soon(self._hear, conversation)
            try:
                async with trio.open_nursery() as hands:
                    for _ in range(self._hands):
                        hands.start_soon(self._speak, conversation, end)
                self.spoken.set()
                await trio.sleep_forever()
            finally:
                self.reconnects = conversation.statistics().reconnects

    async def post(self, end: trio.Event) -> None:
        """Send over HTTP until `end`."""
        while not end.is_set():
            await self.say_by_http()
            await trio.sleep(self._random.uniform(0, self._pause))
        self.spoken.set()

    async def come_and_go(self, end: trio.Event) -> None:
        """Join, listen, send one message and leave; repeat until `end`."""
        while not end.is_set():
            self._leaving = False
            await self._insist(lambda: self.client.join(self.conversation))
            async with self._open_conversation() as conversation, trio.open_nursery() as nursery:
                nursery.start_soon(self._hear, conversation)
                await self._say(conversation)
                await trio.sleep(self._random.uniform(0, VISIT))
                self._leaving = True
                await self._insist(lambda: self.client.leave(self.conversation))
                self.reconnects += conversation.statistics().reconnects
                nursery.cancel_scope.cancel()
        self.spoken.set()

    async def say_by_http(self) -> None:
        """Send one message over HTTP, with retries until it has its receipt."""
        text = self._text()
        await self._insist(lambda: self.client.post(self.conversation, text, text))
        self._confirmed()

    def _open_conversation(self) -> Any:
        return self.client.conversation(self.conversation, self.state.head, backoff=BACKOFF)

    async def _hear(self, conversation: Conversation) -> None:
        try:
            async for event in conversation:
                self.state.add(event)
                self._news.unpark_all()
        except (Closed, Refused):
            if not self._leaving:  # after leaving, a reconnect is refused
                raise

    async def _speak(self, conversation: Conversation, end: trio.Event) -> None:
        while not end.is_set():
            async with trio.open_nursery() as nursery:
                for _ in range(BURST if self._random.random() < 0.04 else 1):
                    nursery.start_soon(self._say, conversation)
            await trio.sleep(self._random.uniform(0, self._pause))

    async def _say(self, conversation: Conversation) -> None:
        text = self._text()
        receipt = await conversation.send(text, text)
        self._confirmed()
        if self._random.random() < CHANGING:
            await self._change(receipt.message_id)

    async def _change(self, mine: str) -> None:
        """Edit or delete the message `mine`, or react to a new message or reply in its thread; until it is answered."""
        self.changed += 1
        key = f"{self.client.person} change {self.changed}"
        near = [*self.state.fold.messages.values()][-NEAR:]
        other = self._random.choice(near) if near else {"message_id": mine}
        what = self._random.choice(("edit", "edit", "delete", "react", "unreact", "reply"))
        if what == "reply":
            root = other.get("thread_id", other["message_id"])
            also = self._random.random() < 0.3
            fields = {"content": key, "client_message_id": key, "thread_id": root}
            await self._insist(
                lambda: self.client.post_fields(
                    self.conversation, {**fields, "also_in_channel": also}
                ),
                OVERTAKEN,
            )
            return
        frames: dict[str, dict[str, Any]] = {
            "edit": {"type": "message_edited", "message_id": mine, "content": f"now {key}"},
            "delete": {"type": "message_deleted", "message_id": mine},
            "react": {"type": "reaction_added", "message_id": other["message_id"]},
            "unreact": {"type": "reaction_removed", "message_id": other["message_id"]},
        }
        frame = {**frames[what], "client_message_id": key}
        if "react" in what:
            frame["emoji"] = self._random.choice(EMOJI)
        await self._insist(lambda: self.client.change(self.conversation, frame), OVERTAKEN)
        if what == "edit" and self._random.random() < 0.5:
            await self._change(mine)

    async def _insist(
        self, request: Callable[[], Awaitable[object]], done: Container[str] = DONE
    ) -> None:
        """Retry a request until it succeeds. Raises `Refused` for a refusal that is final."""
        while True:
            try:
                await request()
                return
            except Unreachable:
                pass
            except Refused as refused:
                if refused.code in done:
                    return
                if not refused.temporary:
                    raise
            await trio.sleep(AGAIN)

    def _text(self) -> str:
        self.said += 1
        return f"{self.client.person} {self.said}"

    def _confirmed(self) -> None:
        self.acknowledged += 1
        self._served()
