"""Who is here: a conversation's subscribers, how they come, catch up and go, and what they are shown of each other.

The conversation calls it with its committed state. What it tells is not stored: lists of members, presence, typing, read marks.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar

from .audience import RECENT_EVENTS, Audience
from .messages import Replay
from .presence import PresenceBoard, TypingBoard
from .rights import first_readable, may
from .roster import Roster
from .signals import Connected, ReadMoved, Typing
from .store import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .future import Future
    from .host import Host
    from .mailbox import Letter
    from .messages import ReadMarked, Timer
    from .model import State
    from .signals import MemberView, Resume, Signal
    from .store import Page
    from .subscriber import Subscriber

REPLAY_EVENTS = 200  # events of the log in one page for a reader that catches up


class Attendance:
    """The subscribers of the conversation `key`.

    `state` gives its committed state, None while that is not loaded; `so_far` what a subscriber that has just become live must
    know of the open runs. `tell` tells the conversation's actor; `schedule` sets one of its timers.
    """

    audience_type: ClassVar[type[Audience]] = Audience

    __slots__ = (
        "_host",
        "_key",
        "_roster",
        "_schedule",
        "_state",
        "_tell",
        "_typing",
        "audience",
        "presence",
    )

    def __init__(
        self,
        key: str,
        host: Host,
        *,
        state: Callable[[], State | None],
        so_far: Callable[[Subscriber], Iterable[Signal]],
        tell: Callable[[Replay], None],
        schedule: Callable[[Timer, float | None], None],
    ) -> None:
        self.audience = self.audience_type(
            host.codec, self._fetch, self._roster_body, so_far, self._oldest
        )
        self.presence = self._board(host)
        self._roster = Roster(host.codec, self.audience.participants, self.presence.online)
        self._typing = TypingBoard(host.limits.typing_timeout)
        self._key = key
        self._host = host
        self._state = state
        self._tell = tell
        self._schedule = schedule

    def _board(self, host: Host) -> PresenceBoard:
        return PresenceBoard(
            partial(is_there, host, self.audience),
            grace=host.limits.presence_grace,
            interval=host.limits.presence_interval,
        )

    # --- coming and going -------------------------------------------------------------------------------------------------

    def attach(
        self, state: State, subscriber: Subscriber, last_sequence: int | None, now: float
    ) -> bool:
        """Take in a subscriber that has everything up to `last_sequence`; False where it may not come in."""
        member = state.members.get(subscriber.participant.id)
        if member is None:
            subscriber.close(4503, "no longer a participant")  # left since the handshake
            return False
        subscriber.since = member.since
        after, resume = self._start(state, subscriber, last_sequence)
        self.audience.place(subscriber, after)
        connected = self._connected(state, subscriber, after + 1, resume)
        subscriber.push(self.audience.encode(connected, self._roster_body(subscriber)))
        self.audience.catch_up(subscriber)
        self.presence.touch(subscriber.participant.id, now)
        return True

    def resync(self, state: State, subscriber: Subscriber, last_sequence: int) -> None:
        """Send a subscriber that is here everything after `last_sequence` again."""
        if subscriber not in self.audience:
            return
        after, resume = self._start(state, subscriber, last_sequence)
        self.audience.place(subscriber, after)
        if resume == "reset":
            connected = self._connected(state, subscriber, after + 1, resume)
            subscriber.push(self.audience.encode(connected))
        self.audience.catch_up(subscriber)

    def detach(self, subscriber: Subscriber, now: float) -> bool:
        """Forget a subscriber that has closed; False where it is not here."""
        participant_id = subscriber.participant.id
        if not self.audience.remove(subscriber):
            return False
        self.presence.touch(participant_id, now)
        if not self.audience.connected(participant_id) and self._typing.stop(participant_id):
            self._tell_typing(Typing(participant_id, False))
        return True

    def see_off(self, participant_id: str, *, removed: bool = False) -> None:
        """Close the connections of a participant who is no longer a member."""
        for subscriber in self.audience.of(participant_id):
            self.audience.remove(subscriber)
            if removed:
                subscriber.close(4503, "no longer a participant")
            else:
                subscriber.close(1000, "Left conversation")
        self.presence.forget(participant_id)
        self._typing.forget(participant_id)

    def departed(self, state: State) -> list[str]:
        """Who has connections from a membership that is over, by a state whose last events were not seen one by one."""
        members = state.members
        gone = [id for id in self.audience.participants() if id not in members]
        here = (each for each in self.audience if each.participant.id in members)
        back = (each for each in here if members[each.participant.id].since != each.since)
        return [*gone, *dict.fromkeys(each.participant.id for each in back)]

    def see_all_off(self) -> None:
        """Close all connections: the conversation was deleted."""
        self.audience.recall(())
        for subscriber in tuple(self.audience):
            self.audience.remove(subscriber)
            subscriber.close(4503, "the conversation was deleted")

    def release(self) -> None:
        """Release the references of a stopped conversation, so that its memory is freed without the garbage collector."""
        self.audience.release()
        del self._state, self._tell, self._schedule

    def _start(
        self, state: State, subscriber: Subscriber, last_sequence: int | None
    ) -> tuple[int, Resume]:
        """The sequence after which a subscriber begins, and what becomes of its resume."""
        head, limit = state.head, self._host.limits.resume_limit
        resume: Resume = "complete"
        after = last_sequence or 0
        if last_sequence is None:
            resume, after = "fresh", max(0, head - RECENT_EVENTS)
        elif last_sequence > head:  # the client has a sequence that this log has lost
            resume, after = "reset", max(0, head - RECENT_EVENTS)
        elif limit and head - last_sequence > limit:
            resume, after = "reset", head - limit
        # A member may read only from there on, whatever they ask for.
        return max(
            after, first_readable(state, state.members[subscriber.participant.id]) - 1
        ), resume

    def _connected(
        self, state: State, subscriber: Subscriber, first: int, resume: Resume
    ) -> Connected:
        people = (m for m in state.members.values() if m.participant.type == "human")
        return Connected(
            self._key,
            subscriber.participant.id,
            subscriber.connection_id,
            next(people, None) is not None and next(people, None) is not None,
            state.head,
            first,
            self._host.store.epoch,
            resume,
            first_readable(state, state.members[subscriber.participant.id]),
        )

    # --- catching up ------------------------------------------------------------------------------------------------------

    def replay(self, page: Replay) -> bool:
        """Send a page of the log on to the subscriber that it was read for; False where the log has nothing there any more."""
        try:
            records = page.page.get().records
        except StoreError as error:
            self._host.report(error)
            page.subscriber.close(4002, "the log cannot be read now")
            return True
        if records:
            self.audience.replayed(page.subscriber, page.after, records)
        return bool(records)

    def shorten_replays(self, state: State) -> None:
        """Let readers that catch up begin where they may read from now on."""
        for subscriber, position in list(self.audience.behind.items()):
            member = state.members.get(subscriber.participant.id)
            if member is not None:
                oldest = first_readable(state, member)
                self.audience.place(subscriber, max(position.sequence, oldest - 1))

    def _fetch(self, subscriber: Subscriber, after: int) -> None:
        state = self._state()
        assert state is not None, "only a loaded conversation has anything to replay"
        page = self._page_after(state, after)
        tell = self._tell  # the conversation may have stopped when the page comes
        page.when_done(lambda: tell(Replay(subscriber, after, page)))

    def _page_after(self, state: State, after: int) -> Future[Page]:
        return self._host.store.read(state.number, after=after, limit=REPLAY_EVENTS)

    def _oldest(self, subscriber: Subscriber) -> int:
        """The sequence of the first message that a subscriber may read."""
        state = self._state()
        member = None if state is None else state.members.get(subscriber.participant.id)
        return 1 if state is None or member is None else first_readable(state, member)

    # --- what members are shown of each other -----------------------------------------------------------------------------

    def view(self, state: State) -> tuple[MemberView, ...]:
        """The members in the order of joining, as other members see them."""
        return self._roster.views(state.members.values())

    def tell_read(self, state: State, marks: Iterable[tuple[Letter, ReadMarked]]) -> None:
        """Tell moved read positions to the readers' other connections, and to all where the conversation shares them."""
        connections = self.audience.connections
        for letter, mark in marks:
            reader = letter.message.sender.id
            # Of threads, and of what somebody wants to read again, nobody else is told.
            share = state.share_reads and mark.root is None and not mark.forced
            told = tuple(self.audience.live if share else connections.get(reader, ()))
            if not told or (len(told) == 1 and told[0] is letter.reply_to):
                continue
            thread_id = None if mark.root is None else f"{self._key}-{mark.root}"
            payload = self.audience.encode(ReadMoved(reader, mark.sequence, thread_id))
            for subscriber in told:
                if subscriber is not letter.reply_to:
                    subscriber.deliver(payload)

    def tell_own(self, letter: Letter, signal: Signal) -> None:
        """Tell a signal to the sender's other connections."""
        payload = self.audience.encode(signal)
        for subscriber in self.audience.of(letter.message.sender.id):
            if subscriber is not letter.reply_to:
                subscriber.deliver(payload)

    def typing(self, typing: Typing, now: float) -> None:
        """Note that somebody is typing, or has stopped."""
        if self._typing.note(typing, now):
            self._tell_typing(typing)
        self._schedule("typing", self._typing.due())

    def spoke(self, participant_ids: Iterable[str]) -> None:
        """Note that somebody's messages have been delivered: they do not type them any more."""
        if not self._typing:
            return
        for participant_id in participant_ids:
            if self._typing.forget(participant_id):
                self._tell_typing(Typing(participant_id, False))

    def end_typing(self, now: float) -> None:
        """Tell whose typing has timed out."""
        for participant_id in self._typing.expire(now):
            self._tell_typing(Typing(participant_id, False))
        self._schedule("typing", self._typing.due())

    def tell_presence(self, now: float) -> None:
        """Tell who has come and gone, as far as it is time."""
        presence = self.presence.collect(now)
        if presence is not None:
            self.audience.signal(presence)
        self._schedule("presence", self.presence.due())

    def _tell_typing(self, typing: Typing) -> None:
        self.audience.signal(typing, but=typing.participant_id)

    def _roster_body(self, subscriber: Subscriber) -> bytes:
        state = self._state()
        assert state is not None, "only a loaded conversation has an audience that catches up"
        member = state.members.get(subscriber.participant.id)
        if member is None or not may(state, member, "read_members"):
            return self._roster.hidden(state)
        return self._roster.body(state)


def is_there(host: Host, audience: Audience, participant_id: str) -> bool:
    """Whether a participant has a connection, or is an agent that needs none."""
    hosted = host.agent_host.answering(participant_id) is not None
    return hosted or audience.connected(participant_id)
