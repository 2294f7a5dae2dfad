"""A live conversation for a program without an event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Concatenate, Generic, ParamSpec, TypeVar

from .conversation import Conversation, Statistics
from .sync_run import SyncRequest, SyncRun, SyncRunBlock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from .loop_thread import LoopThread
    from .rules import Frame
    from .run import Request

P = ParamSpec("P")
R = TypeVar("R")


class _Call(Generic[P, R]):
    """A method of `Conversation` that waits for its result."""

    def __init__(self, method: Callable[Concatenate[Conversation, P], Awaitable[R]]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(
        self, conversation: SyncConversation, owner: type[SyncConversation]
    ) -> Callable[P, R]:
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            live = conversation.asynchronous
            return conversation.wait(partial(self._method, live, *args, **kwargs))

        call.__doc__ = self.__doc__
        return call


class SyncRequests:
    """The requests that come, an iterator; each step waits for the next one."""

    def __init__(self, conversation: SyncConversation) -> None:
        self._conversation = conversation
        self._requests = conversation.asynchronous.requests()

    def __iter__(self) -> SyncRequests:
        return self

    def __next__(self) -> SyncRequest:
        request = self._conversation.wait(self._next)
        if request is None:
            raise StopIteration
        return self._conversation.asked(request)

    async def _next(self) -> Request | None:
        return await anext(self._requests, None)


class SyncConversation:
    """One live conversation. Made by `SyncClient.conversation`; its methods are those of `Conversation`.

    Iterating gives every event of the sequence once and in order, and waits for the next one. One thread may iterate, while any
    number of others send. A call that takes more than `timeout` seconds raises TimeoutError; None: no bound. What was sent then
    may be stored or not: send it again with the same `key` to be sure.
    """

    def __init__(
        self, conversation: Conversation, loop: LoopThread, timeout: float | None = None
    ) -> None:
        self.asynchronous = conversation
        self.timeout = timeout
        self._loop = loop

    @property
    def conversation_id(self) -> str:
        """The id that it was opened with."""
        return self.asynchronous.conversation_id

    @property
    def last_sequence_id(self) -> int | None:
        """The sequence of the last event that iterating gave. Keep it, with `epoch`, to resume after it."""
        return self.asynchronous.last_sequence_id

    @property
    def epoch(self) -> str | None:
        """The log that the sequence belongs to, None until the first connection. Keep it with `last_sequence_id`."""
        return self.asynchronous.epoch

    def __iter__(self) -> SyncConversation:
        return self

    def __next__(self) -> Frame:
        event = self.wait(self._next)
        if event is None:
            raise StopIteration
        return event

    def receive(self, timeout: float | None = None) -> Frame:
        """The next event; raises TimeoutError if none comes within so many seconds, and EOFError after the last one."""
        event = self._loop.call(self._next, timeout)
        if event is None:
            raise EOFError("the conversation was left")
        return event

    def requests(self) -> SyncRequests:
        """The messages that this agent is asked to answer, each once. It ends as iterating the conversation does.

        Each step waits for the next request, within the conversation's `timeout`: after a TimeoutError it may be asked again.
        Several threads may take requests, of which each gets others.
        """
        return SyncRequests(self)

    def run(
        self, reply_to: str | None = None, run_id: str | None = None
    ) -> AbstractContextManager[SyncRun]:
        """A run of this agent: `with conversation.run() as run: run.say(...)`.

        What is said in the block becomes one message at its end, which waits for the server's word, within the conversation's
        `timeout`. Leaving the block by an exception ends the run as interrupted. If somebody cancels the run, the next thing that
        is said raises RunCancelled, with which the block is left, and the program goes on behind it. Across drops the run goes on
        where the server has it. Raises Refused, or Closed when the conversation is over.
        """
        return SyncRunBlock(self.asynchronous.run(reply_to, run_id), self._loop, self.timeout)

    def asked(self, request: Request) -> SyncRequest:
        """A request of the conversation as one for threads."""
        return SyncRequest.of(request, self._loop, self.timeout)

    def statistics(self) -> Statistics:
        """What was needed so far to keep the conversation complete."""
        return self._now(self.asynchronous.statistics)

    def message(self, message_id: str) -> Frame | None:
        """A message as it is now, see `Conversation.message`."""
        return self._now(partial(self.asynchronous.message, message_id))

    def cancel(self, run_id: str) -> None:
        """Cancel an agent's run."""
        self._now(partial(self.asynchronous.cancel, run_id))

    def typing(self, is_typing: bool = True) -> None:
        """Show the others whether this person is typing."""
        self._now(partial(self.asynchronous.typing, is_typing))

    def read(self, sequence_id: int, thread_id: str | None = None, *, force: bool = False) -> None:
        """Mark everything up to `sequence_id` as read."""
        self._now(partial(self.asynchronous.read, sequence_id, thread_id, force=force))

    def wait(self, function: Callable[[], Awaitable[R]]) -> R:
        """Run a function in the client's loop, within the conversation's timeout."""
        return self._loop.call(function, self.timeout)

    async def _next(self) -> Frame | None:
        return await anext(self.asynchronous, None)

    def _now(self, function: Callable[[], R]) -> R:
        async def once() -> R:
            return function()

        return self._loop.call(once)

    send = _Call(Conversation.send)
    edit = _Call(Conversation.edit)
    delete = _Call(Conversation.delete)
    react = _Call(Conversation.react)
    unreact = _Call(Conversation.unreact)
    pin = _Call(Conversation.pin)
    unpin = _Call(Conversation.unpin)
    ping = _Call(Conversation.ping)
    wait_caught_up = _Call(Conversation.wait_caught_up)
