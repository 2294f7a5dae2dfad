"""What people and agents rely on arrives at every node, once, though the network loses whatever it likes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio
from msgspec import Raw

from salon.actors.cluster.lasting import KEPT, LastingIn, LastingOut
from salon.actors.cluster.wire import Batch, Head, Heard, Lasting, Named, Renamed
from salon.actors.keeping_messages import SetPreferences
from salon.actors.member_messages import Remove
from salon.actors.messages import Join, MarkRead, Revoke, SetTyping
from salon.actors.model import Approval, Entrant, Participant
from salon.actors.run_messages import CancelRun, DecideApproval, SetRunState, StartRun
from salon.actors.signals import (
    ApprovalDecided,
    Cancel,
    HeldDecided,
    PreferencesMoved,
    ReadMoved,
    Typing,
)
from tests.unit.cluster_engine import EngineCluster, EngineNode, open_cluster
from tests.unit.engine import ADA, BEN, CLEO, Reader

BOT = Participant("bot", "Bot", "agent")


class Scene:
    """Ada, Ben, Cleo and an agent, of whom Ben has a second socket; all but the owner's own people are at other nodes."""

    def __init__(self, cluster: EngineCluster, id: str, owner: EngineNode) -> None:
        self.cluster = cluster
        self.id = id
        self.owner = owner
        self.agent: Reader
        self.again: Reader  # Ben's second one

    @classmethod
    async def of(cls, cluster: EngineCluster) -> Scene:
        id, _ = await cluster.talk(ADA, BEN, CLEO)
        owner, (first, second) = cluster.owner(id), cluster.others(id)
        scene = cls(cluster, id, owner)
        await owner.do(Join(id, ADA, Entrant(BOT)))
        scene.agent = await first.connect(id, BOT)
        scene.again = await second.connect(id, BEN)
        await trio.sleep(1.5)
        return scene

    async def run(self) -> None:
        await self.owner.do(StartRun(self.id, BOT, "run"))

    async def cancelled(self) -> None:
        await self.run()
        await self.owner.do(CancelRun(self.id, ADA, "run"))

    async def decided(self) -> None:
        await self.run()
        asked = Approval("a1", "tool", "{}")
        await self.owner.do(SetRunState(self.id, BOT, "run", "waiting_for_approval", "tool", asked))
        await self.owner.do(DecideApproval(self.id, ADA, "run", "a1", True))

    async def read(self) -> None:
        await self.owner.do(MarkRead(self.id, BEN, 2))

    async def kept(self) -> None:
        await self.owner.do(SetPreferences(self.id, BEN, archived=True))

    async def held(self) -> None:
        signal = HeldDecided(1, "approved")
        self.owner.directory.tell_participant(BEN.id, self.id, signal)


@pytest.mark.parametrize(
    ("happens", "told", "at"),
    [
        (Scene.cancelled, Cancel, "agent"),
        (Scene.decided, ApprovalDecided, "agent"),
        (Scene.read, ReadMoved, "again"),
        (Scene.kept, PreferencesMoved, "again"),
        (Scene.held, HeldDecided, "again"),
    ],
)
@pytest.mark.parametrize("lost", [Lasting, Heard])
async def test_what_is_told_once_arrives_once_though_it_or_its_confirmation_is_lost(
    lost: type, happens: Callable[[Scene], Any], told: type, at: str, autojump_clock: Any
) -> None:
    async with open_cluster() as cluster:
        scene = await Scene.of(cluster)
        cluster.lose(lost)
        await happens(scene)
        await trio.sleep(4)
        reader = getattr(scene, at)
        assert len(reader.of(told)) == (lost is Heard)
        cluster.lose()
        await trio.sleep(4)
        assert len(reader.of(told)) == 1


async def test_what_was_told_by_a_node_that_owns_the_conversation_no_more_still_arrives(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        scene = await Scene.of(cluster)
        cluster.lose(Lasting)
        await scene.read()
        await scene.owner.node.leave()
        cluster.lose()
        await trio.sleep(3)
        assert len(scene.again.of(ReadMoved)) == 1


async def test_who_was_removed_hears_nothing_more_though_the_removal_was_lost(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        scene = await Scene.of(cluster)
        cluster.lose(Batch, Head)
        await scene.owner.do(Remove(scene.id, ADA, BEN.id))
        await cluster.settle()
        assert scene.again.closed is None  # nothing has come yet
        await scene.owner.do(SetTyping(scene.id, CLEO, True))
        await cluster.settle()
        assert not scene.again.of(Typing)
        assert scene.again.closed is not None


async def test_a_new_name_and_a_revoked_token_reach_every_node_though_they_are_lost_at_first(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        scene = await Scene.of(cluster)
        scene.again.token_id = "t1"
        cluster.lose(Lasting)
        other = cluster.others(scene.id)[0]
        other.directory.revoke(BEN.id, Revoke("t1"))
        await other.directory.rename(ADA._replace(name="Ada L."))
        await trio.sleep(3)
        assert scene.again.closed is None
        cluster.lose()
        await trio.sleep(3)
        assert scene.again.closed == (4500, "identity revoked")
        state = scene.owner.conversation(scene.id).state
        assert state is not None
        assert state.members[ADA.id].participant.name == "Ada L."


def test_a_receiver_that_was_away_for_too_long_goes_on_with_what_is_kept() -> None:
    out, heard = LastingOut(), LastingIn()
    sent = [out.add("two", Renamed(Participant(f"p{n}", "P")), 0.0) for n in range(KEPT + 3)]
    assert heard.take("one", sent[0], 0.0)[0] == [Renamed(Participant("p0", "P"))]
    ready, missing = heard.take("one", sent[-1], 0.0)
    assert (ready, missing) == ([], Heard("Renamed", 3, True))  # 1 and 2 are not kept any more
    again = out.heard("two", missing, 1.0)
    found = [each for one in again for each in heard.take("one", one, 1.0)[0]]
    assert found[0] == Renamed(Participant("p3", "P"))
    assert len(found) == 1000  # the rest follows
    out.keep({"three"}, 59.0)
    assert list(out.due(59.0))
    out.keep({"three"}, 61.0)
    assert not list(out.due(99.0))
    later = out.add("two", Renamed(ADA), 99.0)  # after all, and it has had those before
    assert heard.take("one", later, 99.0)[0] == [Renamed(ADA)]


def test_a_message_that_cannot_be_read_holds_up_no_other() -> None:
    out, heard = LastingOut(), LastingIn()
    first, second = (out.add("two", Renamed(who), 0.0) for who in (ADA, BEN))
    unreadable = first._replace(one=Named("Renamed", Raw(b"\xc1")))
    assert heard.take("one", unreadable, 0.0)[0] == []
    assert heard.take("one", second, 0.0)[0] == [Renamed(BEN)]
