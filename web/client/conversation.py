"""One live conversation: it reconnects, yields every event once and in order, and sends every message until it is confirmed."""

from __future__ import annotations

import json
import math
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.lowlevel

from .changing import Changing
from .fold import Messages, foreseen
from .loop import Channel, Waiters, primitives
from .renewal import Renewal
from .requests import Requests
from .rules import (
    LEFT,
    TOO_BIG,
    Backoff,
    ChangeReceipt,
    Closed,
    Frame,
    Gap,
    MessageHeld,
    Outbox,
    Receipt,
    Refused,
    Unreachable,
    Window,
    given,
    is_event,
    judge,
    message_fields,
    seconds,
)
from .run import Run, Runs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskGroup

    from .loop import Event
    from .rules import Pending
    from .tokens import Tokens
    from .wire import Socket

SIGNALS = 100  # signals kept for a caller who reads rarely; older ones describe outdated state
KNOWN = 5_000  # messages as they are now: some megabytes
BATCH = 64  # messages in one write: enough to save writes, few enough that a drop loses little


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counters of what was needed to keep a conversation complete, since its block began."""

    reconnects: int
    duplicates: int
    """Events that came again and were dropped, those of an answered sync too."""
    gaps: int
    """Times that events were missing and asked for."""
    resets: int
    """Resumes of which the server sent only the end, the rest being paged over HTTP."""
    epochs: int
    """Times that the log was another one and everything kept was dropped."""
    pages: int
    """Pages fetched: after a reset, a gap that a sync left, or for a caller slower than events."""
    resent: int
    """Messages written again with the same key."""
    signals_dropped: int
    """Signals that nobody took in time."""
    unacknowledged: int
    """Messages and changes without a receipt yet."""
    buffered: int
    """Events that wait to be taken."""


class Account(Protocol):
    """The part of the client that its conversations use."""

    random: Callable[[], float]
    answer_timeout: float

    def new_key(self) -> str:
        """A new idempotency key."""

    async def history(self, conversation_id: str, *, after: int) -> Frame:
        """A page of the log."""

    def socket(
        self, conversation_id: str, last_sequence_id: int | None
    ) -> AbstractAsyncContextManager[Socket]:
        """A raw socket into a conversation."""


class Conversation(Changing):
    """One live conversation. Made by `Client.conversation`.

    Iterating gives every event of the sequence once and in order, across drops: the frames as the server sent them. When the
    server has another log and the events kept of the previous one are void, it gives
    `{"type": "epoch_changed", "epoch", "previous_epoch"}`. Only one task may iterate. A caller who takes events slowly or never
    loses none and blocks nothing: events that do not fit the window are fetched by HTTP later. Iterating ends after
    'Left conversation', and raises Closed or Refused when reconnecting cannot help.

    `signals` are the frames outside the sequence (presence, typing, lagging, caught_up, errors without a message ...),
    `{"type": "disconnected", "reason", "retry_in"}`, and where the client's `renew` gives no new token in time
    `{"type": "renewal_failed", "reason", "retry_in"}`. At most 100 are kept; the oldest is dropped.
    """

    def __init__(
        self,
        account: Account,
        tokens: Tokens,
        conversation_id: str,
        window: Window,
        outbox: int,
        backoff: tuple[float, float],
    ) -> None:
        self.conversation_id = conversation_id
        self._account = account
        self._tokens = tokens
        self._renewal: Renewal | None = None  # of the latest connection
        self._window = window
        self._outbox = Outbox(outbox)
        self._connecting, self._retrying, self._paging, self._renewing = (
            Backoff(account.random, *backoff) for _ in range(4)
        )
        self.signals: Channel[Frame] = Channel(SIGNALS)
        self._loop = primitives()
        self._arrived = Waiters()  # readers wait here for events
        self._work = Waiters()  # the writer waits here
        self._control: dict[str, Frame] = {}  # the latest of each kind, to be written
        self._cancels: dict[str, Frame] = {}  # by run, to be written
        self._runs = Runs(self)
        self._requests = Requests(
            account, conversation_id, self._runs, self._paging, self._check_left
        )
        self._known = Messages(KNOWN)
        self._me = ""
        self._pong: Event | None = None
        self._caught_up = False
        self._ended: Exception | None = None
        self._connections = self._pages = self._signals_dropped = 0

    @property
    def last_sequence_id(self) -> int | None:
        """The sequence of the last event that iterating gave. Keep it, with `epoch`, to resume after it."""
        return self._window.taken if self._window.taken >= 0 else None

    @property
    def epoch(self) -> str | None:
        """The log that the sequence belongs to, None until the first connection. Keep it with `last_sequence_id`."""
        return self._window.epoch

    def statistics(self) -> Statistics:
        """What was needed so far to keep the conversation complete."""
        return Statistics(
            reconnects=max(0, self._connections - 1),
            duplicates=self._window.duplicates,
            gaps=self._window.gaps,
            resets=self._window.resets,
            epochs=self._window.epochs,
            pages=self._pages,
            resent=self._outbox.resent,
            signals_dropped=self._signals_dropped,
            unacknowledged=len(self._outbox),
            buffered=self._window.buffered,
        )

    async def send(
        self,
        content: str,
        key: str | None = None,
        reply_to: str | None = None,
        metadata: Frame | None = None,
        mentions: Sequence[str] = (),
        files: Sequence[str | Mapping[str, str]] = (),
        thread_id: str | None = None,
        also_in_channel: bool = False,
    ) -> Receipt:
        """Send a message, across drops and temporary refusals, until there is a receipt. `mentions` are ids of members.

        `files` are as in `Client.post`. `thread_id` makes it a reply in the thread of that message, which the main log shows only
        with `also_in_channel`.

        Messages are sent in the order of the calls, and again after a drop. Only a message that is refused for load may fall
        behind messages already sent. Raises Refused for a final refusal, and Closed or Refused when the conversation is over.
        After a cancellation the message may be stored or not: send it again with the same `key` to be sure.
        """
        self._check()
        key = key or self._account.new_key()
        fields = message_fields(
            content, key, reply_to, metadata, mentions, files, thread_id, also_in_channel
        )
        text = json.dumps({"type": "message", **fields}, separators=(",", ":"))
        settled = self._loop.event()
        receipt = await self._settled(self._outbox.add(key, text, settled.set), settled)
        assert isinstance(receipt, Receipt), "a change_ack answers a change"
        return receipt

    def message(self, message_id: str) -> Frame | None:
        """A message as it is now, with what this person has done to it and waits for its receipt; do not change it.

        It is known from the events that iterating gave, the newest 5,000 messages; None for any other.
        """
        message = self._known.get(message_id)
        if message is None:
            return None
        return foreseen(message, self._outbox.changes_of(message_id), self._me)

    async def _change(self, message: str, frame: Frame, key: str | None) -> ChangeReceipt:
        self._check()
        key = key or self._account.new_key()
        settled = self._loop.event()
        frame = {**frame, "client_message_id": key}
        pending = self._outbox.add_change(key, frame, message, settled.set)
        receipt = await self._settled(pending, settled)
        assert isinstance(receipt, ChangeReceipt), "a message_ack answers a message"
        return receipt

    async def _settled(self, pending: Pending, settled: Event) -> Receipt | ChangeReceipt:
        self._work.unpark_all()
        try:
            await settled.wait()
        finally:
            self._outbox.withdraw(pending)
        if pending.receipt is None:
            raise copy(pending.error or self._ended or Closed(1006))
        return pending.receipt

    def requests(self) -> Requests:
        """The messages that this agent is asked to answer, each once. It ends as iterating the conversation does."""
        return self._requests

    def run(
        self, reply_to: str | None = None, run_id: str | None = None
    ) -> AbstractAsyncContextManager[Run]:
        """A run of this agent: `async with conversation.run() as run: await run.say(...)`.

        What is said in the block becomes one message at its end. Leaving the block by an exception ends the run as interrupted.
        If somebody cancels the run, the block is cancelled and left without an exception. Across drops the run goes on where the
        server has it. Raises Refused, or Closed when the conversation is over.
        """
        return self._runs.run(run_id or self._account.new_key(), reply_to)

    def cancel(self, run_id: str) -> None:
        """Cancel an agent's run, as the person it answers or an owner; `Client.cancel_run` does the same and has an answer."""
        self._cancels[run_id] = {"type": "cancel", "run_id": run_id}
        self.wake()

    def wake(self) -> None:
        """Write what is due."""
        self._work.unpark_all()

    def typing(self, is_typing: bool = True) -> None:
        """Show the others whether this person is typing; dropped while there is no connection."""
        self._tell({"type": "typing", "is_typing": is_typing})

    def read(self, sequence_id: int, thread_id: str | None = None, *, force: bool = False) -> None:
        """Mark everything up to `sequence_id` as read; `Client.mark_read` does the same and returns an answer.

        `thread_id` means the thread of that message. With `force` the position may move back: what follows is unread again.
        """
        more = given(thread_id=thread_id, force=force or None)
        self._tell({"type": "read", "sequence_id": sequence_id, **more}, thread_id or "")

    async def ping(self) -> float:
        """The round-trip time to the server in seconds, including time without a connection."""
        self._check()
        started = self._loop.current_time()
        self._pong = self._pong or self._loop.event()
        self._tell({"type": "ping"})
        await self._pong.wait()
        self._check()
        return self._loop.current_time() - started

    async def wait_caught_up(self) -> None:
        """Wait until the current connection has received all events that existed when it was made."""
        await anyio.lowlevel.checkpoint()
        while not self._caught_up:
            self._check()
            await self._arrived.park()

    def __aiter__(self) -> Conversation:
        return self

    async def __anext__(self) -> Frame:
        await self._loop.checkpoint_if_cancelled()
        while (event := self._window.take()) is None:
            self._check_left()
            if self._ended is not None:
                raise StopAsyncIteration
            if self._window.page_due:
                await self._page()
            else:
                await self._arrived.park()
        if event["type"] == "epoch_changed":
            self._known.clear()
        else:
            self._known.take((event,))
        return event

    async def _page(self) -> None:
        """Fetch the next page of events from the log."""
        window = self._window
        after, epochs = window.contiguous, window.epochs
        try:
            page = await self._account.history(self.conversation_id, after=after)
        except (Refused, Unreachable) as error:
            verdict = judge(error)
            if not verdict.come_back:
                raise
            await anyio.sleep(self._paging.delay(verdict.retry_after))
            return
        self._paging.reset()
        self._pages += 1
        if window.epochs == epochs:
            window.fill(page.get("events", []))
            if window.contiguous == after:
                raise Gap(after + 1, window.wanted)

    async def _run(self) -> None:
        end: Exception = Closed(1000, "the block of the conversation has ended")
        try:
            end = await self._stay_connected()
        finally:
            self._ended = end
            self._outbox.fail(end)
            self._runs.fail(end)
            self._requests.close()
            self._answer_ping()
            self._arrived.unpark_all()
            self.signals.close()

    async def _stay_connected(self) -> Refused | Closed | Unreachable:
        """Reconnect until it cannot help; the error that says why."""
        while True:
            end = await self._connection()
            self._caught_up = False
            if end is None:
                continue
            verdict = judge(end)
            if not (verdict.come_back or self._was_too_big(end) or await self._renewed(end)):
                return end
            delay = self._connecting.delay(verdict.retry_after)
            self._signal({"type": "disconnected", "reason": str(end), "retry_in": delay})
            await anyio.sleep(delay)

    async def _connection(self) -> Refused | Closed | Unreachable | None:
        """Run one connection from handshake to end; why it ended, None to reconnect at once."""
        try:
            async with self._account.socket(self.conversation_id, self._window.position) as socket:
                socket.on_owed = self._work.unpark_all
                socket.idle_timeout = self._account.answer_timeout  # until `connected`
                self._outbox.rewind()
                self._runs.rewind()
                async with anyio.create_task_group() as tasks:
                    self._renewal = self._renewal_of(socket, tasks)
                    tasks.start_soon(self._write, socket)
                    end = await self._receive(socket)
                    tasks.cancel_scope.cancel()
                return end
        except (Refused, Unreachable) as error:
            return error

    def _renewal_of(self, socket: Socket, tasks: TaskGroup) -> Renewal:
        self._control.pop("auth", None)  # it was for the socket before
        return Renewal(
            self._tokens,
            socket,
            tasks,
            self._account.answer_timeout,
            self._renewing,
            self._tell,
            self._signal,
        )

    async def _renewed(self, end: Exception) -> bool:
        """Whether the connection ended with its token, and there is, or may be, another one."""
        if isinstance(end, Refused | Closed):
            if self._renewal is not None and await self._renewal.replaced(end):
                return True
            self._tokens.explain(end)
        return False

    def _was_too_big(self, end: Exception) -> bool:
        """Whether the connection ended because of the size of one message. That message then fails; the others are sent again."""
        text = "the message is larger than a frame may be"
        body = {"code": "MESSAGE_TOO_LARGE", "error": text, "temporary": False}
        too_big = isinstance(end, Closed) and end.code == TOO_BIG
        return too_big and self._outbox.drop_largest(Refused(body))

    async def _write(self, socket: Socket) -> None:
        while True:
            now = self._loop.current_time()
            cancels = list(self._cancels)
            control = [*self._control.values(), *self._cancels.values(), *self._runs.frames(now)]
            texts = [json.dumps(frame) for frame in control]
            self._control.clear()
            texts += [pending.text for pending in self._outbox.due(now, BATCH)]
            if texts or socket.owed:
                try:
                    await socket.send_text(*texts)
                except Closed:
                    return  # the receiver handles the reason
                for run_id in cancels:
                    self._cancels.pop(run_id, None)
            else:
                with self._loop.move_on_after(min(self._outbox.delay(now), self._runs.delay(now))):
                    await self._work.park()

    async def _receive(self, socket: Socket) -> Closed | None:
        try:
            while self._accept(socket, await socket.receive_json()):
                pass
        except Closed as closed:
            return closed
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            return Closed(1007, f"the server sent a malformed frame: {error!r}")
        return None

    def _accept(self, socket: Socket, frame: Frame) -> bool:
        """Handle one frame; False to replace this connection by another."""
        if is_event(frame):
            if frame["type"] == "message":
                self._requests.keep(frame["message"])
            self._sync(self._window.put(frame))
            self._arrived.unpark_all()
            return True
        match frame:
            case {"type": "message_ack" | "change_ack" as kind}:
                receipt = ChangeReceipt if kind == "change_ack" else Receipt
                self._outbox.acknowledge(receipt.of(frame))
                self._retrying.reset()
                if self._outbox.waiting:
                    self._work.unpark_all()
            case {"type": "error", "client_message_id": key} if key in self._outbox:
                refused = Refused(frame)
                delay = self._retrying.delay(refused.retry_after)
                self._outbox.refuse(key, refused, self._loop.current_time(), delay)
                self._work.unpark_all()
            case {"type": "message_held", "client_message_id": key} if key in self._outbox:
                self._outbox.hold(key, MessageHeld(frame))
                self._work.unpark_all()
            case {
                "type": "run_ack" | "cancel" | "approval" | "error",
                "run_id": run_id,
            } if run_id in self._runs:
                self._runs.accept(frame, self._loop.current_time(), self._retrying.delay)
                self._work.unpark_all()
            case {"type": "run_requested"}:
                self._requests.put(frame)
            case {"type": "pong"}:
                self._answer_ping()
            case {"type": "connected"}:
                self._signal(frame)
                return self._connected(socket, frame)
            case {"type": "caught_up"}:
                self._caught_up = True
                self._connecting.reset()
                self._sync(self._window.caught_up(frame["sequence_id"]))
                self._signal(frame)
                self._arrived.unpark_all()
            case _:
                if self._renewal is not None:
                    self._renewal.hear(frame)
                self._signal(frame)
        return True

    def _connected(self, socket: Socket, frame: Frame) -> bool:
        self._connections += 1
        self._me = frame.get("participant_id", self._me)
        heartbeat = seconds(frame.get("heartbeat"))
        socket.idle_timeout = 3 * heartbeat if heartbeat else math.inf
        same_log = self._window.open(frame)
        self._arrived.unpark_all()
        if same_log and self._pong is not None:
            self._tell({"type": "ping"})
        return same_log

    def _sync(self, position: int | None) -> None:
        if position is not None:
            self._tell({"type": "sync", "last_sequence_id": position})

    def _tell(self, frame: Frame, about: str = "") -> None:
        self._control[frame["type"] + about] = frame
        self._work.unpark_all()

    def _signal(self, frame: Frame) -> None:
        self._signals_dropped += self.signals.is_full
        self.signals.put(frame)

    def _answer_ping(self) -> None:
        if self._pong is not None:
            self._pong.set()
            self._pong = None

    def _check_left(self) -> None:
        """As `_check`, but leaving is an end in order."""
        if self._ended is not None and self._ended.args != LEFT:
            raise copy(self._ended)

    def _check(self) -> None:
        if self._ended is not None:
            raise copy(self._ended)
