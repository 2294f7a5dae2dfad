"""Whatever a server and the way to it do, a client receives and sends each thing once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import anyio
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.web.client import Frame
from tests.scripted import (
    Gone,
    Peer,
    ack,
    caught_up,
    connected,
    error,
    event,
    events,
    serving,
    take,
)
from tests.virtual_time import under_both


@dataclass
class Chaos:
    """A correct log behind sockets that lose, repeat and cut what they carry, by the dice."""

    dice: random.Random
    log: list[Frame]
    keys: dict[str, int] = field(default_factory=dict)

    def roll(self, chance: float) -> bool:
        return self.dice.random() < chance

    async def push(self, peer: Peer, frames: list[Frame]) -> None:
        for frame in frames:
            if not self.roll(0.1):
                await peer.send(*[frame] * (1 + self.roll(0.1)))
            if self.roll(0.03):
                await peer.drop()
                raise Gone

    async def replay(self, peer: Peer, last: int) -> None:
        await self.push(peer, self.log[last:])
        await peer.send(caught_up(len(self.log)))

    async def __call__(self, peer: Peer) -> None:
        head, last = len(self.log), peer.last_sequence_id
        start = head if last is None else last
        resume = "fresh" if last is None else "complete"
        if head - start > 20:
            start, resume = head - 20, "reset"
        await peer.send(connected(head, start + 1, resume=resume))
        await self.replay(peer, start)
        while True:
            frame = await peer.receive()
            if frame["type"] == "sync":
                await self.replay(peer, frame["last_sequence_id"])
            elif frame["type"] == "message":
                await self.take(peer, frame["client_message_id"])

    async def take(self, peer: Peer, key: str) -> None:
        if self.roll(0.1):
            await peer.send(error("QUEUE_FULL", key, temporary=True, retry_after=0.5))
            return
        if key not in self.keys:
            self.keys[key] = len(self.log) + 1
            self.log.append(event(len(self.log) + 1, key=key))
            await self.push(peer, self.log[-1:])
        if not self.roll(0.1):
            await peer.send(ack(self.keys[key], key))
        else:
            await peer.drop()


@settings(deadline=None, max_examples=40)  # under each loop
@given(st.integers(0, 2**32), st.integers(0, 60), st.integers(1, 40), st.integers(1, 30))
@under_both
async def test_through_any_chaos_every_event_comes_once_and_every_message_is_stored_once(
    seed: int, before: int, sends: int, window: int
) -> None:
    async with serving() as (server, client):
        chaos = Chaos(random.Random(seed), events(1, before))
        server.log = chaos.log
        server.scripts = [chaos] * 500
        receipts: dict[str, int] = {}
        async with client.conversation("c1", 0, window=window, outbox=5) as conversation:

            async def send(key: str) -> None:
                receipts[key] = (await conversation.send("text", key)).sequence_id

            async with anyio.create_task_group() as tasks:
                for number in range(sends):
                    tasks.start_soon(send, str(number))
                got = await take(conversation, before + sends)
        assert got == list(range(1, before + sends + 1))
        assert receipts == chaos.keys
