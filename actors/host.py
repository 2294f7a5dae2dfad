"""The services of the process that an actor may use, and its way to other actors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .agent_host import AgentHost
    from .audience import Audience
    from .files import FileHost
    from .limits import Limits
    from .meter import Meter
    from .moderation import Moderator
    from .people import Holds
    from .refusals import Refusal, RefusalBook
    from .runtime import Ref, System, TrioActor
    from .sources import Sources
    from .store import Store, StoreError
    from .subscriber import Codec, Subscriber
    from .watchers import Watchers


class Attended(Protocol):
    """An actor that serves the sockets of a conversation."""

    @property
    def actor_ref(self) -> Ref[Any]:
        """The handle on the actor."""

    @property
    def audience(self) -> Audience:
        """Who listens."""

    def owes(self, subscriber: Subscriber) -> bool:
        """Whether committed events may still be undelivered to a subscriber."""


class Host(Protocol):
    """The directory as its actors see it."""

    system: System
    store: Store
    codec: Codec
    limits: Limits
    sources: Sources
    refusals: RefusalBook
    meter: Meter
    agent_host: AgentHost
    file_host: FileHost
    holds: Holds
    draining: Callable[[], float] | None
    moderator: Moderator | None
    watchers: Watchers

    @property
    def has_left(self) -> bool:
        """Whether commands are carried out by other servers, also while this one drains."""

    def conversation(self, conversation_id: str) -> Ref[Any]:
        """The conversation's actor. Raises `ActorDied` where it crashed too often within a minute."""

    def begin(self, conversation_id: str) -> Ref[Any]:
        """An actor for a conversation that does not exist yet."""

    def attended(self, conversation_id: str) -> Attended | None:
        """The actor that serves the conversation's sockets of this process, if it is active."""

    def forget(self, actor: TrioActor) -> None:
        """Stop an actor and remove it."""

    def crashed(self, actor: TrioActor) -> None:
        """Remove an actor that crashed."""

    def report(self, error: StoreError) -> None:
        """Log a failure of the store for the operator."""

    def store_refusal(self, key: str | None = None) -> Refusal:
        """The refusal for a command that the store could not take."""
