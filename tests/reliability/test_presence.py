"""Presence never sticks and never flaps: against a real server with real sockets, and in virtual time with everything that
can happen between.
"""

from __future__ import annotations

from collections.abc import Callable

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from salon.actors.limits import Limits
from salon.actors.signals import ParticipantList, Presence
from tests.person import PATIENCE, Person, Tab, guest, guests
from tests.raw import open_socket
from tests.server import ServerProcess
from tests.unit.engine import ADA, BEN, CLEO, Engine, Reader, in_virtual_time, open_engine

GRACE = 2.0
INTERVAL = 1.0
EPSILON = 0.01


def changes(tab: Tab, who: Person) -> list[str]:
    """What has been told of somebody on this socket so far."""
    frames = [frame for frame in tab.frames if frame["type"] == "presence"]
    told = [change for frame in frames for change in frame["changes"]]
    return [change["status"] for change in told if change["participant_id"] == who.id]


async def wait_told(tab: Tab, who: Person, status: str) -> None:
    change = {"participant_id": who.id, "status": status}
    await tab.until("presence", lambda frame: change in frame["changes"])


# --- a real server --------------------------------------------------------------------------------------------------------


async def test_who_vanishes_without_a_word_is_offline_in_the_end(
    start_server: Callable[..., ServerProcess],
) -> None:
    """As a network that goes dark looks from here: no close, no reset, no answer to pings."""
    server = start_server(LIMITS__HEARTBEAT="1", LIMITS__PRESENCE_GRACE="1")
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    with trio.fail_after(4 * PATIENCE):
        async with (
            ada.tab(conversation_id) as tab,
            open_socket(server.url, conversation_id, bob.token) as line,
        ):
            await line.until("caught_up")
            await wait_told(tab, bob, "online")
            await wait_told(tab, bob, "offline")  # the line reads no more, and so answers nothing
            assert changes(tab, bob) == ["online", "offline"]


async def test_many_short_drops_are_not_told_and_a_long_one_is(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(LIMITS__PRESENCE_GRACE="6", LIMITS__PRESENCE_INTERVAL="0.1")
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    with trio.fail_after(4 * PATIENCE):
        async with ada.tab(conversation_id) as tab:
            for _ in range(10):
                async with open_socket(server.url, conversation_id, bob.token) as line:
                    await line.until("caught_up")  # and then it is cut, without a close
            await wait_told(tab, bob, "offline")
        assert changes(tab, bob) == ["online", "offline"]


async def test_after_a_crash_nobody_is_said_to_be_here_who_is_not_nor_gone_who_is(
    start_server: Callable[..., ServerProcess],
) -> None:
    own_server = start_server(LIMITS__PRESENCE_GRACE="2")
    ada, bob, cleo = await guests(own_server, "Ada", "Bob", "Cleo")
    conversation_id = await ada.create(bob, cleo)
    async with (
        ada.tab(conversation_id) as before,
        bob.tab(conversation_id),
        cleo.tab(conversation_id),
    ):
        await wait_told(before, cleo, "online")
        own_server.kill()
    own_server.start()
    with trio.fail_after(4 * PATIENCE):
        async with bob.tab(conversation_id), ada.tab(conversation_id) as tab:
            listed = next(frame for frame in tab.frames if frame["type"] == "participant_list")
            online = {who["participantId"]: who["isOnline"] for who in listed["participants"]}
            assert online == {ada.id: True, bob.id: True, cleo.id: False}
            clock = await guest(own_server, "Clock")
            await ada.join(conversation_id, clock)
            async with clock.tab(conversation_id):
                await wait_told(tab, clock, "online")
            await wait_told(
                tab, clock, "offline"
            )  # the grace has passed, and all that was to be told
        assert changes(tab, cleo) == []
        assert "offline" not in changes(tab, bob)


# --- virtual time ---------------------------------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["come", "go", "second", "crash", "deaf", "say"]),
        st.sampled_from([0.0, 0.1, 0.5, 1.0, GRACE - 0.1, GRACE + 0.1, 2 * GRACE]),
    ),
    max_size=25,
)


class Story:
    """Ada watches, Ben comes and goes; what she is told is held against what is so."""

    def __init__(self, engine: Engine, conversation_id: str) -> None:
        self.engine = engine
        self.conversation_id = conversation_id
        self.sockets: list[Reader] = []
        self.gone_at = float("-inf")  # since when Ben has no socket
        self.crashed_at = float("-inf")
        self.shown = False
        self._read = 0
        self._watch: Reader

    async def watch(self) -> None:
        self._watch = await self.engine.connect(self.conversation_id, ADA)
        self._read = 0
        self.look()

    async def step(self, kind: str) -> None:
        match kind:
            case "come":
                self.sockets.append(await self.engine.connect(self.conversation_id, BEN))
            case "second" if self.sockets:
                self.sockets.append(await self.engine.connect(self.conversation_id, BEN))
            case "go" if self.sockets:
                self.sockets.pop().close(1000)
                await self.engine.settle()
                if not self.sockets:
                    self.gone_at = trio.current_time()
            case "crash":
                await self.crash()
            case "deaf":
                self._watch.room = 0 if self._watch.room else float("inf")
                if self._watch.room:
                    self._watch.drain()
                    await self.engine.settle()
            case "say":
                await self.engine.post(self.conversation_id, CLEO, "hello")

    async def crash(self) -> None:
        """The conversation's actor dies of an error; whoever had a socket opens a fresh one."""
        self.engine.store.fail("append", RuntimeError("a fault"))
        with_socket = len(self.sockets)
        try:
            await self.engine.post(self.conversation_id, CLEO, "fatal")
        except Exception:
            await self.engine.settle()
        self.crashed_at = trio.current_time()
        await self.watch()
        self.sockets = [
            await self.engine.connect(self.conversation_id, BEN) for _ in range(with_socket)
        ]

    def look(self) -> None:
        """Take in what Ada has heard since."""
        now = trio.current_time()
        new, self._read = self._watch.heard[self._read :], len(self._watch.heard)
        for message in new:
            if isinstance(message, ParticipantList):
                self.shown = {m.participant.id: m.is_online for m in message.members}[BEN.id]
            elif isinstance(message, Presence):
                for who, online in message.changes:
                    if who == BEN.id:
                        if not online:
                            assert self.shown, "once"
                            absent = now - self.gone_at
                            assert not self.sockets, "not while he is here"
                            assert absent >= GRACE - EPSILON, "not before the grace is over"
                        self.shown = online

    def check(self) -> None:
        """What is shown is true, as soon as it has to be."""
        if not self._watch.room:
            return
        now = trio.current_time()
        if not self.sockets and now - self.gone_at > GRACE + INTERVAL + EPSILON:
            assert not self.shown, "it sticks"

    async def let_pass(self, seconds: float) -> None:
        end = trio.current_time() + seconds
        while trio.current_time() < end:
            await trio.sleep(min(0.05, end - trio.current_time()))
            await self.engine.settle()
            self.look()
            self.check()


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_whatever_happens_what_is_shown_is_true_in_the_end_and_nobody_flaps(
    steps: list[tuple[str, float]],
) -> None:
    async def main() -> None:
        limits = Limits(
            presence_grace=GRACE, presence_interval=INTERVAL, restarts_per_minute=0, message_rate=0
        )
        async with open_engine(limits) as engine:
            story = Story(engine, await engine.create(ADA, BEN, CLEO))
            await story.watch()
            for kind, pause in steps:
                await story.step(kind)
                story.look()
                await story.let_pass(pause)
            if not story._watch.room:
                await story.step("deaf")
            await story.let_pass(GRACE + 2 * INTERVAL + 0.1)
            assert story.shown == bool(story.sockets)

    in_virtual_time(main)
