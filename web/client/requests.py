"""The messages that an agent is asked to answer, each given once, with its message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import anyio

from .loop import Channel
from .rules import Backoff, Frame, Refused, Unreachable, judge
from .run import Request, Runs

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = (
    100  # of answers, kept for an agent that takes them slowly: the server gives older ones again
)


class Log(Protocol):
    """The part of the client that fetches old messages."""

    async def history(self, conversation_id: str, *, after: int) -> Frame:
        """A page of the log."""


class Requests:
    """The requests that come, an asynchronous iterator; no generator, which must be closed when it is left.

    Any number of tasks may iterate: each request goes to one of them. `check` raises what ended the conversation.
    """

    def __init__(
        self,
        log: Log,
        conversation_id: str,
        runs: Runs,
        backoff: Backoff,
        check: Callable[[], None],
    ) -> None:
        self._log = log
        self._conversation_id = conversation_id
        self._runs = runs
        self._backoff = backoff
        self._check = check
        self._waiting: Channel[Frame] = Channel(KEPT)
        self._seen: dict[str, None] = {}  # run ids, of which each is given once
        self._messages: dict[str, Frame] = {}  # the newest, by id: a request follows its message

    def __aiter__(self) -> Requests:
        return self

    async def __anext__(self) -> Request:
        try:
            frame = await self._waiting.receive()
        except anyio.EndOfStream:
            self._check()
            raise StopAsyncIteration from None
        try:
            return await self._whole(frame)
        except anyio.get_cancelled_exc_class():
            self._waiting.put_back(frame)  # the server asks once
            raise

    def keep(self, message: Frame) -> None:
        """Keep a message of the conversation: it may be asked about."""
        self._messages[message.get("message_id", "")] = message
        if len(self._messages) > KEPT:
            del self._messages[next(iter(self._messages))]

    def put(self, frame: Frame) -> None:
        """Take in a `run_requested`; one that does not fit comes again on the next connection."""
        run_id = frame["run_id"]
        if run_id in self._seen or self._waiting.is_full:
            return
        self._waiting.put(frame)
        self._seen[run_id] = None
        if len(self._seen) > KEPT:
            del self._seen[next(iter(self._seen))]

    def close(self) -> None:
        """Let iterating end after what is in here."""
        self._waiting.close()

    async def _whole(self, frame: Frame) -> Request:
        """A request with its message, which is fetched if it is older than the events that have come."""
        message_id = frame["message_id"]
        while (message := self._messages.get(message_id)) is None:
            after = int(message_id.rpartition("-")[2]) - 1
            try:
                page = await self._log.history(self._conversation_id, after=after)
                message = page["events"][0]["message"]
                break
            except (Refused, Unreachable) as error:
                verdict = judge(error)
                if not verdict.come_back:
                    raise
                await anyio.sleep(self._backoff.delay(verdict.retry_after))
        self._backoff.reset()
        run_id, mentions = frame["run_id"], tuple(frame["mentions"])
        return Request(run_id, message_id, message, mentions, frame["why"], self._runs)
