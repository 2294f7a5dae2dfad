"""The roster: the list of a conversation's members, as sent to new subscribers."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from .signals import MemberView, ParticipantList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .model import Member, State
    from .subscriber import Codec

LISTED_MEMBERS = 100  # members in `participant_list`


class Roster:
    """Encodes `participant_list`, and again only when its content would differ.

    `connected` gives the ids of the connected participants, who are all members; `online` says whether a participant is shown
    as online.
    """

    __slots__ = ("_body", "_codec", "_connected", "_members", "_online", "_shown")

    def __init__(
        self,
        codec: Codec,
        connected: Callable[[], Iterator[str]],
        online: Callable[[str], bool],
    ) -> None:
        self._codec = codec
        self._connected = connected
        self._online = online
        self._members: dict[str, Member] | None = None
        self._shown: list[tuple[str, bool]] = []
        self._body = b""

    def views(self, members: Iterable[Member]) -> tuple[MemberView, ...]:
        """Members as other members see them."""
        return tuple([self._view(m) for m in members])

    def _view(self, member: Member) -> MemberView:
        who = member.participant
        view = MemberView(who, member.role, member.joined_at, self._online(who.id))
        if who.type == "human":
            return view
        return replace(
            view,
            trigger=member.trigger,
            agents_may_call=member.agents_may_call,
            steering=member.steering,
        )

    def body(self, state: State) -> bytes:
        """The signal as the codec encodes it."""
        members = state.members
        shown = [(id, self._online(id)) for id in self._listed(members)]
        # A changed membership is another object: see `State`.
        if members is not self._members or shown != self._shown:
            views = self.views(members[id] for id, _ in shown)
            self._body = self._codec.encode(ParticipantList(state.id, views, len(members)))
            self._members, self._shown = members, shown
        return self._body

    def hidden(self, state: State) -> bytes:
        """The signal for those who may not read who the members are: their number alone."""
        return self._codec.encode(ParticipantList(state.id, (), len(state.members)))

    def _listed(self, members: dict[str, Member]) -> list[str]:
        """All members in the order of joining; if there are too many, those online first, up to the limit."""
        if len(members) <= LISTED_MEMBERS:
            return list(members)
        listed = list(islice(self._connected(), LISTED_MEMBERS))
        if len(listed) < LISTED_MEMBERS:
            connected = set(listed)
            others = [id for id in members if id not in connected]
            others.sort(key=self._online, reverse=True)  # some left within the grace period
            listed += others[: LISTED_MEMBERS - len(listed)]
        return listed
