"""The nodes that have sockets of a conversation, as its owner knows them: who is there, and what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .encoding import named
from .wire import Again, Batch, Pushed, Told, Work

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from salon.actors.model import Participant
    from salon.actors.signals import Signal
    from salon.actors.store import Record, Rewrite

    from .host import Cluster
    from .wire import Watch

LEASE = 3.0  # seconds after which a node that says nothing has no sockets any more
# The same where all that it sends comes: it speaks of each conversation every 20 seconds.
FORGOTTEN = 60.0


class Branch:
    """One node. `version` is that of its list of people, `online` the number of the list of presence that it has."""

    __slots__ = ("heard_at", "online", "people", "version")

    def __init__(self) -> None:
        self.people: dict[str, Participant] = {}
        self.version = 0
        self.online = 0
        self.heard_at = 0.0


class RemotePerson:
    """The sockets that somebody has at another node, as one that takes what is for all of them. It refuses nothing."""

    __slots__ = ("_branches", "node_id", "participant")

    def __init__(self, branches: Branches, node_id: str, participant: Participant) -> None:
        self._branches = branches
        self.node_id = node_id
        self.participant = participant

    def push(self, payload: bytes, but: str = "") -> None:
        """Send a payload to all of them but one."""
        self._branches.push((self.node_id,), self.participant.id, payload, but)


class Branches:
    """All such nodes. `life` is the name of this owner, `number` that of its last batch."""

    __slots__ = ("_cluster", "_key", "_pending", "life", "number", "of")

    def __init__(self, key: str, cluster: Cluster, life: str) -> None:
        self.of: dict[str, Branch] = {}
        self.life = life
        self.number = 0
        self._key = key
        self._cluster = cluster
        self._pending: tuple[Rewrite, ...] = ()  # sent with the events of the same turn

    def __bool__(self) -> bool:
        return bool(self.of)

    def has(self, participant_id: str) -> bool:
        """Whether somebody is connected at one of these nodes."""
        return any(participant_id in each.people for each in self.of.values())

    def people(self) -> Iterator[str]:
        """Everybody who is."""
        for each in self.of.values():
            yield from each.people

    def persons(self, participant_id: str) -> list[RemotePerson]:
        """Somebody's sockets, by node."""
        return [
            RemotePerson(self, node_id, each.people[participant_id])
            for node_id, each in self.of.items()
            if participant_id in each.people
        ]

    def watched(
        self, node_id: str, watch: Watch, members: Mapping[str, object], now: float
    ) -> set[str]:
        """Take what a node says; whoever has come or gone there."""
        branch = self.of.setdefault(node_id, Branch())
        branch.heard_at, branch.online = now, watch.online
        if watch.people is None or watch.version <= branch.version:
            return set()
        branch.version = watch.version
        before = branch.people
        branch.people = {who.id: who for who in watch.people if who.id in members}
        return before.keys() ^ branch.people.keys()

    def drop(self, node_id: str) -> set[str]:
        """Forget a node; whoever was connected there."""
        branch = self.of.pop(node_id, None)
        return set() if branch is None else set(branch.people)

    def silent(self, now: float) -> list[str]:
        """The nodes whose lease has ended."""
        return [
            id
            for id, each in self.of.items()
            if now - each.heard_at > LEASE and not self._speaks(id, each.heard_at, now)
        ]

    def _speaks(self, node_id: str, heard_at: float, now: float) -> bool:
        """Whether what a node has said of the conversation still holds: nothing of what it said since is missing."""
        at, since = self._cluster.heard(node_id)
        holds = heard_at >= since or now - since <= LEASE
        return holds and now - at <= LEASE and now - heard_at <= FORGOTTEN

    def see_off(self, participant_id: str) -> None:
        """Forget somebody who is no longer a member; their node learns it from the event."""
        for each in self.of.values():
            each.people.pop(participant_id, None)

    def ask_again(self) -> None:
        """Have all these nodes say anew who is there, and so be told how the conversation is."""
        if self.of:
            self._cluster.send_all(self.of, Again(self._key))

    # --- what they are told -----------------------------------------------------------------------------------------------

    def rewrite(self, rewrites: Mapping[int, Rewrite]) -> None:
        """Send other forms of earlier events, with the next events."""
        self._pending += tuple(rewrites.values())

    def batch(self, records: Sequence[Record], *, erased: bool = False) -> None:
        """Send committed events, encoded once for all nodes."""
        if self.of and (records or self._pending or erased):
            self.number += 1
            batch = Batch(self._key, self.life, self.number, tuple(records), self._pending, erased)
            self._cluster.send_all(self.of, batch)
        self._pending = ()

    def flush(self) -> None:
        """Send what no event has taken along."""
        if self._pending:
            self.batch(())

    def signal(self, signal: Signal, but: str | None) -> None:
        """Send a signal to all live readers."""
        if self.of:
            told = Told(self._key, self.life, self.number, named(signal), but)
            self._cluster.send_all(self.of, told)

    def work(self, agent_id: str, signal: Signal) -> None:
        """Tell the nodes at which a hosted agent is at work what has become of its run."""
        there = [each.node_id for each in self.persons(agent_id)]
        if there:
            self._cluster.send_all(there, Work(self._key, named(signal)))

    def push(
        self, node_ids: Sequence[str], participant_id: str | None, payload: bytes, but: str
    ) -> None:
        """Send a payload to the sockets of somebody, or of all."""
        pushed = Pushed(self._key, self.life, self.number, participant_id, but, payload)
        self._cluster.send_all(node_ids, pushed)
