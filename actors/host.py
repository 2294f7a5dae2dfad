"""The services of the process that an actor may use, and its way to other actors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .agent_host import AgentHost
    from .files import FileHost
    from .limits import Limits
    from .meter import Meter
    from .moderation import Moderator
    from .people import Holds
    from .refusals import Refusal, RefusalBook
    from .runtime import Ref, System, TrioActor
    from .sources import Sources
    from .store import Store, StoreError
    from .subscriber import Codec
    from .watchers import Watchers


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

    def conversation(self, conversation_id: str) -> Ref[Any]:
        """The conversation's actor. Raises `ActorDied` where it crashed too often within a minute."""

    def begin(self, conversation_id: str) -> Ref[Any]:
        """An actor for a conversation that does not exist yet."""

    def active(self, conversation_id: str) -> TrioActor | None:
        """The actor if it is active."""

    def forget(self, actor: TrioActor) -> None:
        """Stop an actor and remove it."""

    def crashed(self, actor: TrioActor) -> None:
        """Remove an actor that crashed."""

    def report(self, error: StoreError) -> None:
        """Log a failure of the store for the operator."""

    def store_refusal(self, key: str | None = None) -> Refusal:
        """The refusal for a command that the store could not take."""
