"""The sockets of a conversation as its owner serves them: those here, and by way of other nodes those there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from salon.actors.attendance import Attendance
from salon.actors.audience import Audience
from salon.actors.signals import Presence, ReadMoved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from salon.actors.mailbox import Letter
    from salon.actors.messages import ReadMarked
    from salon.actors.model import State
    from salon.actors.signals import Signal
    from salon.actors.store import Record, Rewrite
    from salon.actors.subscriber import Subscriber

    from .branches import Branches
    from .wire import Pushed


class OwnedAudience(Audience):
    """The subscribers here, and those at other nodes."""

    branches: Branches
    tell_presence: Callable[[], None]

    def connected(self, participant_id: str) -> bool:
        """Whether a participant has a connection at any node."""
        return super().connected(participant_id) or self.branches.has(participant_id)

    def participants(self) -> Iterator[str]:
        """The ids of all connected participants."""
        return iter(dict.fromkeys((*super().participants(), *self.branches.people())))

    def of(self, participant_id: str) -> list[Subscriber]:
        """All connections of a participant; those at another node are one."""
        there: list[Any] = self.branches.persons(participant_id)
        return [*super().of(participant_id), *there]

    def here(self, participant_id: str) -> list[Subscriber]:
        """The connections of a participant at this node."""
        return super().of(participant_id)

    def rewrite(self, rewrites: Mapping[int, Rewrite]) -> None:
        """Replace remembered events, at the other nodes, too."""
        super().rewrite(rewrites)
        self.branches.rewrite(rewrites)

    def push(self, pushed: Pushed) -> None:
        """Give the sockets here what a former owner has for them."""
        id = pushed.participant_id
        for subscriber in tuple(self.live) if id is None else self.here(id):
            if subscriber.connection_id != pushed.but:
                subscriber.push(pushed.payload)

    async def deliver(self, records: Sequence[Record]) -> int:
        """Deliver committed events: to the other nodes first, which have the longer way."""
        self.branches.batch(records)
        return await super().deliver(records)

    def signal(self, signal: Signal, *, but: str | None = None) -> None:
        """Send a signal to all live subscribers; presence goes to other nodes as the list of those who are online."""
        if isinstance(signal, Presence):
            self.tell_presence()
        else:
            self.branches.signal(signal, but)
        super().signal(signal, but=but)

    def release(self) -> None:
        """Release the references of a stopped conversation."""
        super().release()
        del self.tell_presence


class OwnedAttendance(Attendance):
    """Who is here, and at other nodes."""

    audience_type = OwnedAudience
    audience: OwnedAudience

    def see_off(self, participant_id: str, *, removed: bool = False) -> None:
        """Close the connections of a participant who is no longer a member."""
        self.audience.branches.see_off(participant_id)
        super().see_off(participant_id, removed=removed)

    def see_all_off(self) -> None:
        """Close all connections: the conversation was deleted."""
        self.audience.branches.batch((), erased=True)
        super().see_all_off()

    def tell_read(self, state: State, marks: Iterable[tuple[Letter, ReadMarked]]) -> None:
        """Tell moved read positions to the readers' other connections, or to all, at every node."""
        for letter, mark in marks:
            self._tell_mark(state, letter, mark)

    def _tell_mark(self, state: State, letter: Letter, mark: ReadMarked) -> None:
        reader, branches = letter.message.sender.id, self.audience.branches
        share = state.share_reads and mark.root is None and not mark.forced
        thread_id = None if mark.root is None else f"{self._key}-{mark.root}"
        signal = ReadMoved(reader, mark.sequence, thread_id)
        if share:
            self._tell_others(letter, signal, tuple(self.audience.live), [*branches.of], None)
        else:
            self.tell_own(letter, signal)

    def tell_own(self, letter: Letter, signal: Signal) -> None:
        """Tell a signal to the sender's other connections."""
        sender, only_at = letter.message.sender.id, getattr(letter.reply_to, "only_at", "")
        persons = self.audience.branches.persons(sender)
        there = [each.node_id for each in persons if each.node_id != only_at]
        self._tell_others(letter, signal, self.audience.here(sender), there, sender)

    def _tell_others(
        self,
        letter: Letter,
        signal: Signal,
        here: Sequence[Subscriber],
        node_ids: Sequence[str],
        participant_id: str | None,
    ) -> None:
        """Tell all of these but the socket that has sent, and encode nothing for nobody."""
        here = [each for each in here if each is not letter.reply_to]
        if not here and not node_ids:
            return
        payload = self.audience.encode(signal)
        for subscriber in here:
            subscriber.deliver(payload)
        if node_ids:
            self.audience.branches.push(node_ids, participant_id, payload, _socket_of(letter))


def _socket_of(letter: Letter) -> str:
    return getattr(letter.reply_to, "connection_id", "")
