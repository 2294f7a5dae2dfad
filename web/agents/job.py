"""The work on one request: what may be used, what is asked of whom, how long it may take, and how it ends."""

from __future__ import annotations

import logging
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from salon.actors.refusals import Code
from salon.actors.requests import OPEN_REQUESTS
from salon.actors.runtime import ActorDied
from salon.actors.store import RunAccount, StoreError

from .answer import PAUSE, Outcome
from .budget import MILLION, Asker
from .pieces import Activity, Results, ToolCall, UpstreamError
from .prompt import bytes_in, prompt_for, tokens_in, tokens_of
from .tool_use import ToolUse
from .toolbox import RESULT_LENGTH, command_in, cut, obey, open_toolbox

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from salon.actors.directory import Directory
    from salon.actors.model import FailureReason
    from salon.actors.refusals import Refusal
    from salon.actors.signals import RunRequested

    from ..settings import ToolSettings
    from .answer import Answer
    from .budget import Ledger, Tab
    from .member import HostedAgent
    from .pieces import Piece, Usage
    from .prompt import Prompt
    from .toolbox import Tool, ToolServer

LARGEST = 2**53  # of a figure that is kept: sums are exact up to it
LAST_WORD = 2.0  # seconds to keep what a run has used, when the work on it is stopped
# Why an answer ends of which a conversation takes no more.
REFUSED: dict[Code, FailureReason] = {
    Code.MESSAGE_TOO_LARGE: "budget",
    Code.DRAINING: "interrupted",
}

logger = logging.getLogger(__name__)


class Job:
    """The work on one request."""

    def __init__(
        self,
        directory: Directory,
        ledger: Ledger,
        agent: HostedAgent,
        answer: Answer,
        servers: Sequence[tuple[ToolSettings, ToolServer]],
    ) -> None:
        self.answer = answer
        self.started_at = directory.sources.now()
        self.why: str | None = None
        self.cancelled = (
            False  # its run was ended by somebody else; else a stop of the work interrupts it
        )
        self.first_word: int | None = None  # milliseconds after the start
        self.tab: Tab | None = None
        self._directory = directory
        self._ledger = ledger
        self._agent = agent
        self._servers = servers
        self._settings = agent.settings
        self._usage: Usage = {}
        self._results: list[dict[str, Any]] = []
        self._tools: ToolUse | None = None
        self._scope = trio.CancelScope()
        self._ends_at = 0.0
        self._said = 0  # bytes
        self._elsewhere = False  # whether it has ended by something else than its endpoint
        self._withdrawn = False  # the question was deleted

    @property
    def agent_id(self) -> str:
        return self._settings.id

    @property
    def seconds(self) -> float:
        """Seconds since its start."""
        return (self._directory.sources.now() - self.started_at) / 1000

    @property
    def tool_calls(self) -> int:
        """Tools that were called."""
        return 0 if self._tools is None else self._tools.calls

    async def make(self, request: RunRequested) -> None:
        """Answer a request."""
        self.why = request.why
        if not await self.answer.begin(request):
            return
        self.started_at = self._directory.sources.now()  # to wait for its turn is no answering
        outcome: Outcome | None = None
        try:
            outcome = await self._judged(request)
        finally:
            with trio.move_on_after(LAST_WORD, shield=True):
                await self._account(outcome)
        await self.answer.end(outcome, **self._fields(outcome))

    async def fail(self, outcome: Outcome) -> None:
        """End the run as failed, after a fault, or because the agent is hosted no more."""
        await self.answer.end(outcome)

    async def cut(self) -> None:
        """End a run that a restart has cut; of what it has used, only what it has said is known."""
        outcome = Outcome("interrupted")
        snapshot = await self._directory.look(self.answer.conversation_id)
        run = None if snapshot is None else snapshot.state.runs.get(self.answer.run_id)
        if run is not None and not await self._is_kept():
            self.started_at = run.started_at
            asker = Asker(run.asked_by or "", self.answer.conversation_id)
            self.tab = await self._ledger.open(self._settings, asker, run.started_at)
            self.tab.guess(said=tokens_in(run.text))
            await self._account(outcome, said=bool(run.text.strip()), duration=0)
        await self.answer.end(outcome)

    async def _is_kept(self) -> bool:
        """Whether what the run has used is kept: the sums have it then, and it must not count again. Raises `StoreError`."""
        # Of the requests that were open at its time this one was answered first, so its account is among the newest.
        page = await self._directory.store.accounts(
            agent_id=self.agent_id, conversation_id=self.answer.conversation_id, limit=OPEN_REQUESTS
        ).wait()
        return any(each.run_id == self.answer.run_id for each in page.accounts)

    async def _judged(self, request: RunRequested) -> Outcome:
        """The outcome, of which the endpoint's breaker learns."""
        breaker = self._agent.endpoint.breaker
        closed_for = breaker.wait()
        if closed_for is not None:
            return Outcome("upstream", closed_for)
        outcome: Outcome | None = None
        try:
            outcome = await self._timed(request)
        finally:
            if outcome is None or outcome.reason == "budget" or self._elsewhere:
                breaker.unknown()
            elif outcome.reason is None:
                breaker.worked()
            else:
                breaker.failed()
        return outcome

    async def _timed(self, request: RunRequested) -> Outcome:
        settings = self._settings
        self._ends_at = trio.current_time() + settings.timeout
        with trio.move_on_after(settings.first_word_timeout) as self._scope:
            try:
                return await self._work(request)
            except UpstreamError as error:
                logger.warning("agent %s: the upstream has failed: %s", settings.id, error)
                self._elsewhere |= error.of_request
                return Outcome("upstream", error.retry_after)
            except (StoreError, ActorDied) as error:
                logger.warning("agent %s cannot read: %s", settings.id, error)
                self._elsewhere = True
                return Outcome("upstream", PAUSE)
        return Outcome("timeout")

    async def _work(self, request: RunRequested) -> Outcome:
        settings, answer = self._settings, self.answer
        prompt = await self._prompt(request)
        if prompt is None:
            return Outcome("cancelled")
        asker = Asker(prompt.asked_by, answer.conversation_id)
        self.tab = await self._ledger.open(settings, asker, self.started_at)
        self.tab.guess(told=tokens_in(prompt))
        wait = self._ledger.exceeded(self.tab)
        if wait is not None:
            self._ledger.refuse(self.tab)
            return Outcome("budget", wait)
        async with aclosing(self._pieces(prompt, request)) as pieces:
            async for piece in pieces:
                self._scope.deadline = self._ends_at
                refusal = await self._take(piece)
                if refusal is not None:
                    self._elsewhere = True
                    return Outcome(REFUSED.get(refusal.code, "upstream"))
                wait = self._ledger.exceeded(self.tab)
                if wait is not None:
                    return Outcome("budget", wait)
        return Outcome("cancelled" if self._withdrawn else None)

    async def _prompt(self, request: RunRequested, before: Prompt | None = None) -> Prompt | None:
        """What the model is told, or told again after `before`; None where the question was deleted."""
        where = self._directory, self.answer.conversation_id, self._settings, request
        prompt = await prompt_for(*where, None if before is None else before.head)
        self._withdrawn = prompt is None
        self._elsewhere |= self._withdrawn
        return prompt

    async def _pieces(self, prompt: Prompt, request: RunRequested) -> AsyncGenerator[Piece]:
        """What the upstream says; a person's command is obeyed without a model."""
        # An agent's message is no command: a call has to be a person's decision.
        people = bool(self._servers) and prompt.by_person
        command = command_in(prompt.asked, self._settings.name) if people else None
        # The tools of a model are not at its endpoint.
        self._elsewhere = command is not None and self._settings.kind != "mcp"
        box = await open_toolbox(self._servers, all_of_them=command is not None)
        if command is not None:
            yield Activity("tool", command.name)
            most = self._directory.limits.max_message_size or RESULT_LENGTH
            yield cut(await obey(command, box), min(most, RESULT_LENGTH))
            return
        self._tools = ToolUse(
            box,
            self._settings.limits.tool_rounds,
            self._ask,
            self._told,
            partial(self._prompt, request),
        )
        async with aclosing(self._tools.stream(self._agent.upstream, prompt)) as pieces:
            async for piece in pieces:
                yield piece

    def _told(self, prompt: Prompt) -> None:
        """Count what the model is told in one request; without tools and results it was counted before."""
        assert self.tab is not None, "it is counted"
        before = 0 if prompt.rounds else tokens_in(prompt._replace(tools=()))
        self.tab.guess(told=tokens_in(prompt) - before)

    async def _ask(self, tool: Tool, call: ToolCall) -> str | None:
        """Ask people to allow a call. The time that they take is not the answer's."""
        asked_at = trio.current_time()
        self._scope.deadline = float("inf")
        by = await self.answer.ask(call, self._settings.approval_timeout)
        waited = trio.current_time() - asked_at
        self._ends_at += waited
        assert self.tab is not None, "it is counted"
        self.tab.paused += round(waited * 1000)
        self._scope.deadline = self._ends_at
        return by

    async def _take(self, piece: Piece) -> Refusal | None:
        assert self.tab is not None, "it is counted"
        if isinstance(piece, str):
            if self.first_word is None:
                self.first_word = self._directory.sources.now() - self.started_at
            before, self._said = self._said, self._said + bytes_in(piece)
            self.tab.guess(said=tokens_of(self._said) - tokens_of(before))
            return await self.answer.say(piece)
        if isinstance(piece, Activity):
            await self.answer.show(piece)
        elif isinstance(piece, Results):
            self._results += piece.items
        elif isinstance(piece, dict):
            self.tab.count(piece.get("input_tokens", 0), piece.get("output_tokens", 0))
            self._usage |= piece
        return None

    # --- the end ----------------------------------------------------------------------------------------------------------

    async def _account(
        self, outcome: Outcome | None, *, said: bool | None = None, duration: int | None = None
    ) -> None:
        """Keep what the run has used; without an outcome its work was stopped."""
        if outcome is None and not self.cancelled:
            outcome = Outcome("interrupted")
        tab, settings, answer = self.tab, self._settings, self.answer
        said = bool(answer.text.strip()) if said is None else said
        if duration is None:
            paused = 0 if tab is None else tab.paused
            duration = self._directory.sources.now() - self.started_at - paused
        account = RunAccount(
            agent_id=settings.id,
            conversation_id=answer.conversation_id,
            run_id=answer.run_id,
            started_at=self.started_at,
            asked_by=None if tab is None else tab.asker.person or None,
            why=self.why,
            status=_status(outcome, said=said),
            reason=None if outcome is None else outcome.reason,
            first_word=self.first_word,
            duration=duration,
            input_tokens=0 if tab is None else min(tab.told, LARGEST),
            output_tokens=0 if tab is None else min(tab.said, LARGEST),
            cost=0 if tab is None else min(tab.cost, LARGEST),
            tool_calls=self.tool_calls,
        )
        self._agent.meter.add(account)
        try:
            await self._ledger.close(tab, account)
        except StoreError as error:
            logger.error("agent %s: what a run has used is not kept: %s", settings.id, error)

    def _fields(self, outcome: Outcome) -> dict[str, Any]:
        """What the message has besides its text."""
        tab, price = self.tab, self._settings.price
        usage = dict(self._usage)
        if tab is not None and (usage or price is not None):
            usage |= {"input_tokens": tab.told, "output_tokens": tab.said}
            if tab.estimated:
                usage["estimated"] = True
            if price is not None:
                usage |= {"cost": tab.cost / MILLION, "currency": price.currency}
        metadata: dict[str, Any] = {}
        if self._tools is not None and self._tools.used:
            metadata["tools"] = [each._asdict() for each in self._tools.used]
        if outcome.reason is not None:
            metadata["reason"] = outcome.reason
        return {"usage": usage, "metadata": metadata, "results": self._results}


def _status(outcome: Outcome | None, *, said: bool) -> str:
    """How a run ends, as its receipt says; without an outcome it was cancelled."""
    if outcome is None:
        return "cancelled"
    if not said:
        return "failed"
    return "complete" if outcome.reason is None else "interrupted"
