"""Where messages and edits are judged: the rules at once, the endpoint in a task; what is held goes to the store."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import trio

from salon.actors.change_messages import DeleteMessage, EditMessage
from salon.actors.held import Held, HeldMessage
from salon.actors.messages import Post
from salon.actors.model import Participant
from salon.actors.refusals import Code, Refusal
from salon.actors.rules import decide
from salon.actors.runtime import ActorDied
from salon.actors.store import StoreError

from ..api import details_of
from ..socket import timestamp
from .rules import EndpointError, Rules, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from salon.actors.directory import Directory
    from salon.actors.messages import Command
    from salon.actors.model import State
    from salon.actors.posted import Posted

    from ..settings import ModerationSettings
    from .endpoint import Endpoint

WAITING = 100  # held messages of one sender: somebody who sends more would bury those of others
MODERATOR = Participant("salon", "salon")  # who deletes what agents may not say; nobody has this id
RETRY = 1.0  # seconds until a conversation that could not delete a message is asked again
NO_REASON = "a moderator of this server does not allow it."

logger = logging.getLogger(__name__)


class Desk:
    """The `Moderator` of a server. `run` has to run. `counts` has the verdicts so far."""

    def __init__(self, settings: ModerationSettings, directory: Directory) -> None:
        self._settings = settings
        self._directory = directory
        self._rules = Rules(settings.rules)
        self._endpoint = _endpoint_of(settings)
        self._nursery: trio.Nursery | None = None
        self.counts = dict.fromkeys(("allow", "refuse", "hold", "replace", "failed"), 0)

    @property
    def breaker(self) -> str | None:
        """The state of the endpoint's breaker; None without an endpoint."""
        return None if self._endpoint is None else self._endpoint.breaker.state

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Judge until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            if self._endpoint is not None:
                with trio.CancelScope(shield=True):
                    await self._endpoint.close()

    def judge(
        self, command: Command, done: Callable[[Command | Refusal | Held], None]
    ) -> Command | None:
        """The command, where nothing is to be asked about it. Else None, and `done` is called later."""
        assert isinstance(command, Post | EditMessage), "nothing else is judged"
        verdict = self._rules.judge(command.content)
        if verdict is None and self._endpoint is None:
            self.counts["allow"] += 1
            return command
        if self._nursery is None:  # during the start and the end: the sender comes again
            done(self._directory.store_refusal(command.key))
        else:
            self._nursery.start_soon(self._judge, command, verdict, done)
        return None

    def review(self, said: Posted) -> None:
        """Judge what was said in a run. Deltas are shown as they come, so it can only be taken back."""
        verdict = self._rules.judge(said.content)
        if (verdict is None and self._endpoint is None) or self._nursery is None:
            self.counts["allow"] += verdict is None
            return
        self._nursery.start_soon(self._review, said, verdict)

    async def _review(self, said: Posted, verdict: Verdict | None) -> None:
        """Delete what may not be said. What could not be judged stays: nobody would see why it is gone."""
        try:
            verdict = verdict or await self._ask(
                Post(said.conversation_id, said.sender, said.content)
            )
            self.counts[verdict.action] += 1
            if verdict.action == "allow" or not verdict.is_given:
                return
            reason = verdict.reason or NO_REASON
            command = DeleteMessage(
                said.conversation_id, MODERATOR, said.message_id, reason, by_operator=True
            )
            outcome = await self._directory.ask_conversation(command)
            while isinstance(outcome, Refusal) and outcome.reason.temporary:
                await trio.sleep(outcome.retry_after or RETRY)
                outcome = await self._directory.ask_conversation(command)
        except Exception:
            logger.exception("what an agent has said could not be judged")

    async def _judge(
        self,
        command: Post | EditMessage,
        verdict: Verdict | None,
        done: Callable[[Command | Refusal | Held], None],
    ) -> None:
        outcome: Command | Refusal | Held
        try:
            verdict = verdict or await self._ask(command)
            self.counts[verdict.action] += 1
            outcome = await self._outcome(command, verdict)
        except StoreError as error:
            self._directory.report(error)
            outcome = self._directory.store_refusal(command.key)
        except ActorDied:
            outcome = Refusal(Code.INTERNAL_ERROR, retry_after=1.0, key=command.key)
        except Exception:
            logger.exception("a message could not be judged")
            outcome = Refusal(Code.INTERNAL_ERROR, retry_after=1.0, key=command.key)
        done(outcome)

    async def _ask(self, command: Post | EditMessage) -> Verdict:
        assert self._endpoint is not None
        question = {
            "conversation_id": command.conversation_id,
            "sender": {
                "id": command.sender.id,
                "name": command.sender.name,
                "type": command.sender.type,
            },
            "kind": "message" if isinstance(command, Post) else "edit",
            "content": command.content,
            "message_id": command.message_id if isinstance(command, EditMessage) else None,
            "timestamp": timestamp(self._directory.sources.now()),
        }
        try:
            return await self._endpoint.judge(question)
        except EndpointError as error:
            self.counts["failed"] += 1
            logger.warning("the moderation endpoint has given no verdict: %s", error)
            return Verdict(
                self._settings.on_failure, "it could not be looked at yet", is_given=False
            )

    async def _outcome(
        self, command: Post | EditMessage, verdict: Verdict
    ) -> Command | Refusal | Held:
        if verdict.action == "allow" and verdict.is_given:
            return command
        snapshot = await self._directory.look(command.conversation_id)
        if snapshot is None:
            return Refusal(Code.NOT_FOUND, key=command.key)
        if verdict.action in ("allow", "replace"):
            stored = await self._stored(command, snapshot.state)
            return stored or _with(command, verdict.content or command.content)
        # Whom the conversation refuses anyway is told so, and a retry of what it has is answered by it.
        refusal = self._refusal(command, snapshot.state)
        if refusal is not None:
            return refusal
        stored = await self._stored(command, snapshot.state)
        if stored is not None:
            return stored
        if verdict.action == "refuse":
            return _refused(verdict.reason, command.key)
        return await self._hold(command, snapshot.state, verdict.reason)

    def _refusal(self, command: Post | EditMessage, state: State) -> Refusal | None:
        """Why the sender may not say this anyway, as far as it is known without the messages that are named."""
        if isinstance(command, EditMessage):
            is_member = command.sender.id in state.members
            return None if is_member else Refusal(Code.NOT_PARTICIPANT, key=command.key)
        alone = command._replace(reply_to=None, files=())
        decision = decide(state, alone, self._directory.sources.now(), self._directory.limits)
        return decision if isinstance(decision, Refusal) else None

    async def _stored(self, command: Post | EditMessage, state: State) -> Post | EditMessage | None:
        """The command as the conversation has it by its key; None where it has not.

        The text that was stored may be another one, which the endpoint gave: the key is used for the same message all the same.
        """
        if command.key is None:
            return None
        name, directory = (command.sender.id, command.key), self._directory
        record = (await directory.store.keys_among(state.number, [name]).wait()).get(name)
        if record is None:
            return None
        content = getattr(directory.codec.decode(record), "content", None)
        return _with(command, content) if content else command

    async def _hold(
        self, command: Post | EditMessage, state: State, reason: str | None
    ) -> Command | Refusal | Held:
        store, key = self._directory.store, command.key
        if await store.held_count(command.sender.id).wait() >= WAITING:
            return Refusal(Code.LIMIT_REACHED, {"limit": WAITING, "what": "held messages"}, key=key)
        kind, details = details_of(command)
        now = self._directory.sources.now()
        held = await store.hold(
            HeldMessage(
                0,
                state.number,
                state.id,
                command.sender,
                kind,
                command.content,
                details,
                key,
                reason,
                now,
            )
        ).wait()
        if held is None:
            return Refusal(Code.NOT_FOUND, key=key)
        if held.closed_at is not None:
            # The conversation has what was approved by its key.
            return command if held.outcome == "approved" else _refused(held.why, key)
        if (held.kind, held.content, held.details) != (kind, command.content, details):
            return Refusal(Code.KEY_REUSED, key=key)
        return Held(state.id, held.position, held.at, key)


def _endpoint_of(settings: ModerationSettings) -> Endpoint | None:
    if settings.url is None:
        return None
    from .endpoint import Endpoint  # noqa: PLC0415 - see there

    return Endpoint(settings)


def _with(command: Post | EditMessage, content: str) -> Post | EditMessage:
    if isinstance(command, Post):
        return command._replace(content=content)
    return replace(command, content=content)


def _refused(reason: str | None, key: str | None) -> Refusal:
    return Refusal(Code.MESSAGE_REFUSED, {"reason": reason or NO_REASON}, key=key)
