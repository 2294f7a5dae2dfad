"""What an actor may ask of the process it lives in: the parts they share, and the way to other actors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from .limits import Limits
    from .meter import Meter
    from .refusals import Refusal, RefusalBook
    from .runtime import Ref, System, TrioActor
    from .sources import Sources
    from .store import Store, StoreError
    from .subscriber import Codec


class Host(Protocol):
    """The directory, as the actors see it that it makes."""

    system: System
    store: Store
    codec: Codec
    limits: Limits
    sources: Sources
    refusals: RefusalBook
    meter: Meter
    draining: Callable[[], float] | None

    def conversation(self, conversation_id: str) -> Ref[Any]:
        """The conversation's actor. Raises `ActorDied` where it crashed too often within a minute."""

    def begin(self, conversation_id: str) -> Ref[Any]:
        """An actor for a conversation that does not exist yet."""

    def active(self, conversation_id: str) -> TrioActor | None:
        """The actor if it is active."""

    def forget(self, actor: TrioActor) -> None:
        """Stop an actor and lose it."""

    def crashed(self, actor: TrioActor) -> None:
        """An actor has died of an error."""

    def report(self, error: StoreError) -> None:
        """Tell the operator that the store could not do something."""

    def store_refusal(self, key: str | None = None) -> Refusal:
        """What a caller hears whose command the store could not take."""
