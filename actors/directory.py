"""The directory: finds actors by key, activates them on first use, passivates and restarts them.

Memory grows with the active conversations, not with the existing ones. Nobody keeps a ref across turns: a lookup costs as
much as reading an attribute, and finds the actor that is alive now.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

from .agent_host import NoAgents
from .conversation import ConversationActor
from .files import NoFiles
from .mailbox import MailboxFull
from .messages import Inform, Look, Rename, SaveRuns
from .meter import Meter
from .participant import ParticipantActor
from .people import NoHolds
from .rates import Outage
from .refusals import Code, Refusal, RefusalBook
from .runtime import ActorDied
from .watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .agent_host import AgentHost
    from .files import FileHost
    from .host import Attended
    from .limits import Limits
    from .messages import Command, Revoke, Sync
    from .model import Participant, State
    from .moderation import Moderator
    from .people import Holds
    from .refusals import Scope
    from .runtime import Ref, System, TrioActor
    from .signals import MemberView, Signal
    from .sources import Sources
    from .store import Store, StoreError
    from .subscriber import Caller, Codec

SWEEP_INTERVAL = 5.0  # seconds between two searches for idle actors
SWEPT_AT_ONCE = 1000  # actors examined between two checkpoints: under a millisecond
RESTART_WINDOW = 60.0  # seconds
# An actor may be passivated between lookup and question, but hardly three times in a row
LOOK_TRIES = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A conversation at one moment: its committed state, and which members are online."""

    state: State
    members: tuple[MemberView, ...]


class Directory:
    """All actors of this process and the services they share."""

    def __init__(
        self, *, system: System, store: Store, codec: Codec, limits: Limits, sources: Sources
    ) -> None:
        self.system = system
        self.store = store
        self.codec = codec
        self.limits = limits
        self.sources = sources
        self.refusals = RefusalBook(sources)
        self.meter = Meter()
        self.watchers = Watchers()
        self.agent_host: AgentHost = NoAgents()
        self.file_host: FileHost = NoFiles()
        self.holds: Holds = NoHolds()
        self.moderator: Moderator | None = (
            None  # judges messages before their conversations get them
        )
        self.draining: Callable[[], float] | None = None  # gives each caller its seconds to wait
        self.conversations: dict[str, ConversationActor] = {}
        self.participants: dict[str, ParticipantActor] = {}
        self._crashes: dict[str, deque[float]] = {}
        self._to_wake: set[str] = set()  # conversations with open runs that are not active
        self._outage = Outage()

    def conversation(self, conversation_id: str) -> Ref[ConversationActor]:
        """The conversation's actor, activated if needed: it loads its state first, and stops where there is none.

        Raises `ActorDied` where it crashed too often within a minute.
        """
        actor = self.conversations.get(conversation_id)
        if actor is None:
            actor = self._activate(conversation_id)
        return actor.actor_ref

    def begin(self, conversation_id: str) -> Ref[ConversationActor]:
        """A new actor for a conversation that does not exist yet; the caller then tells it `Create`."""
        return self._activate(conversation_id, begun=True).actor_ref

    def active(self, conversation_id: str) -> ConversationActor | None:
        """The actor if it is active, else None; for inspection, which must not activate anything."""
        return self.conversations.get(conversation_id)

    def attended(self, conversation_id: str) -> Attended | None:
        """The actor that serves the conversation's sockets of this process, if it is active; never activates one."""
        return self.conversations.get(conversation_id)

    def revoke(self, participant_id: str, revoke: Revoke) -> None:
        """Close the connections of somebody's revoked token."""
        self.participant(participant_id).tell(revoke)

    def participant(self, participant_id: str) -> Ref[ParticipantActor]:
        """The participant's actor."""
        actor = self.participants.get(participant_id)
        if actor is None:
            actor = self.participants[participant_id] = ParticipantActor(self, participant_id)
        return actor.actor_ref

    def tell(self, participant_id: str, command: Command | Sync, caller: Caller) -> None:
        """Have a participant's actor take a command, at once where it can. Raises as `Ref.tell`."""
        actor = self.participants.get(participant_id)
        if actor is not None:
            actor.pass_on(command, caller)
        else:
            self.participant(participant_id).tell(command, caller)

    async def ask(self, participant_id: str, command: Command) -> Any:
        """The outcome of a command, sent through this participant's actor; a refusal too where no actor could take it."""
        return await _asked(partial(self.participant, participant_id), command, "participant")

    async def ask_conversation(self, command: Command) -> Any:
        """The outcome of a command that does not come from its sender now, and so costs none of their rate; as `ask`."""
        ref = partial(self.conversation, command.conversation_id)
        return await _asked(ref, command, "conversation")

    def tell_participant(self, participant_id: str, conversation_id: str, signal: Signal) -> None:
        """Send a signal to the connections that somebody has in a conversation, if any."""
        actor = self.participants.get(participant_id)
        if actor is not None and actor.actor_ref.is_alive():
            actor.actor_ref.tell(Inform(conversation_id, signal))

    async def look(self, conversation_id: str) -> Snapshot | None:
        """The conversation now, or None where it does not exist; activates it. An active one answers without waiting.

        Raises `StoreError` where it cannot be loaded and `ActorDied` where it crashed too often.
        """
        for _ in range(LOOK_TRIES):
            actor = self.conversations.get(conversation_id)
            if actor is None or actor.state is None or not actor.state.head:
                ref = self.conversation(conversation_id)
                try:
                    state = await ref.ask(Look())
                except ActorDied:
                    continue
                if state is None:
                    return None
                actor = self.conversations.get(conversation_id)
            if actor is not None and actor.state is not None and actor.state.head:
                return Snapshot(actor.state, actor.view(actor.state))
        raise ActorDied(f"conversation:{conversation_id} does not stay alive")

    async def resume_runs(self) -> None:
        """Activate the conversations that have open runs: each run goes on, or is ended when its time is up.

        Called once after the start. Raises `StoreError`.
        """
        self._to_wake.update(await self.store.with_open_runs().wait())
        await self._wake()

    async def _wake(self) -> None:
        """Activate the conversations whose runs nobody else would end; again later where that fails."""
        for number, conversation_id in enumerate(list(self._to_wake), 1):
            actor = self.conversations.get(conversation_id)
            if actor is not None and actor.state is not None:
                self._to_wake.discard(conversation_id)
            else:
                with suppress(
                    ActorDied
                ):  # it has crashed too often: in a minute it may be tried again
                    self.conversation(conversation_id).tell(Look())
            if not number % SWEPT_AT_ONCE:
                await trio.lowlevel.checkpoint()

    def save_runs(self) -> None:
        """Have every open run's text stored: the server is about to stop."""
        for actor in self.conversations.values():
            if actor.agents.runs and actor.actor_ref.is_alive():
                actor.actor_ref.tell(SaveRuns())

    @property
    def has_left(self) -> bool:
        """Whether commands are carried out by other servers, also while this one drains."""
        return False

    async def rename(self, participant: Participant) -> None:
        """Tell a participant's new name to their active conversations. Other conversations read it when they are activated.

        During a drain none is told: a socket that has been sent everything would lack one more event.
        """
        if self.draining is not None:
            return
        for number, actor in enumerate(list(self.conversations.values())):
            concerned = actor.state is None or participant.id in actor.state.members
            if concerned and actor.actor_ref.is_alive():
                actor.actor_ref.tell(Rename(participant))
            if not number % SWEPT_AT_ONCE:
                await trio.lowlevel.checkpoint()

    def forget(self, actor: TrioActor) -> None:
        """Stop an actor and remove it; the next lookup makes a new one."""
        if isinstance(actor, ConversationActor):
            self.conversations.pop(actor.key, None)
            if actor.state is not None and not actor.state.head:
                self._to_wake.discard(actor.key)  # there is nothing any more
        elif isinstance(actor, ParticipantActor):
            self.participants.pop(actor.key, None)
        actor.stop()

    def crashed(self, actor: TrioActor) -> None:
        """Remove an actor that crashed: the next lookup makes a new one, unless it crashes too often."""
        self.meter.restarts += 1
        if isinstance(actor, ConversationActor) and actor.agents.runs:
            self._to_wake.add(actor.key)
        self._crashes.setdefault(actor.actor_urn, deque(maxlen=64)).append(trio.current_time())
        self.forget(actor)

    def restarts(self, actor: TrioActor) -> int:
        """The number of recent restarts of the actor of this name; forgotten once there is none within `RESTART_WINDOW`."""
        return len(self._crashes.get(actor.actor_urn, ()))

    def report(self, error: StoreError) -> None:
        """Log a failure of the store for the operator."""
        self.meter.store_errors += 1
        self.meter.store_failed_at = trio.current_time()
        logger.error("the store refused: %s", error)

    def store_refusal(self, key: str | None = None) -> Refusal:
        """The refusal for a command that the store could not take; its `retry_after` grows with the length of the outage."""
        retry_after = self._outage.retry_after(trio.current_time(), self.sources.chance())
        return Refusal(Code.STORE_UNAVAILABLE, retry_after=retry_after, scope="server", key=key)

    def __iter__(self) -> Iterator[TrioActor]:
        yield from self.conversations.values()
        yield from self.participants.values()

    async def sweep(self) -> None:
        """Passivate idle and unobserved actors, for ever."""
        while True:
            await trio.sleep(SWEEP_INTERVAL)
            oldest = trio.current_time() - self.limits.idle_timeout
            for number, actor in enumerate(list(self)):
                if actor.last_turn_at <= oldest:
                    self.passivate(actor)
                if not number % SWEPT_AT_ONCE:
                    await trio.lowlevel.checkpoint()
            self._forget_crashes()
            await self._wake()

    def passivate(self, actor: TrioActor) -> bool:
        """Remove an actor that is not needed now; return whether that was possible. Its state is in the log."""
        assert isinstance(actor, ConversationActor | ParticipantActor)
        if not actor.passive or not actor.actor_ref.is_alive():
            return False
        self.meter.passivations += 1
        self.forget(actor)
        return True

    def _activate(self, conversation_id: str, *, begun: bool = False) -> ConversationActor:
        urn = f"{ConversationActor.kind}:{conversation_id}"
        crashes = self._crashes.get(urn)
        if crashes is not None:
            recent = sum(at > trio.current_time() - RESTART_WINDOW for at in crashes)
            if 0 < self.limits.restarts_per_minute <= recent:
                raise ActorDied(f"{urn} crashed {recent} times within a minute")
        self.meter.activations += 1
        actor = self._make(conversation_id, begun=begun)
        self.conversations[conversation_id] = actor
        return actor

    def _make(self, conversation_id: str, *, begun: bool) -> ConversationActor:
        return ConversationActor(self, conversation_id, begun=begun)

    def _forget_crashes(self) -> None:
        oldest = trio.current_time() - RESTART_WINDOW
        for urn in [urn for urn, crashes in self._crashes.items() if crashes[-1] < oldest]:
            del self._crashes[urn]


async def _asked(ref: Callable[[], Ref[Any]], command: Command, scope: Scope) -> Any:
    """The outcome of a command; a refusal where no actor could take it."""
    try:
        return await ref().ask(command)
    except MailboxFull as full:
        facts = {"queue_size": full.waiting, "limit": full.limit}
        return Refusal(Code.QUEUE_FULL, facts, retry_after=full.retry_after, scope=scope)
    except ActorDied:
        return Refusal(Code.INTERNAL_ERROR, retry_after=1.0, scope="conversation")
