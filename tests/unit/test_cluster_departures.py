"""What a node does about people and conversations that have gone while it was told nothing."""

from __future__ import annotations

from typing import Any

import trio

from salon.actors.cluster.wire import Batch, Head
from salon.actors.keeping_messages import DeleteConversation
from salon.actors.messages import Join, Leave
from salon.actors.model import Entrant
from tests.unit.cluster_engine import open_cluster
from tests.unit.engine import ADA, BEN, CLEO


async def test_who_leaves_and_comes_back_unseen_needs_another_connection(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        owner = cluster.owner(conversation_id)
        away = next(each for each in readers if each._engine is not owner)
        who = away.participant
        cluster.lose(Batch, Head)
        await owner.do(Leave(conversation_id, who))
        await owner.post(conversation_id, ADA if who is not ADA else BEN, "hidden")
        await owner.do(Join(conversation_id, who, Entrant(who)))
        await away._engine.directory.look(conversation_id)  # as each handshake does
        again = await away._engine.connect(conversation_id, who)
        cluster.lose()
        await trio.sleep(3)
        assert away.closed == (1000, "Left conversation")
        assert away.contents == []
        assert again.closed is None


async def test_a_reader_who_catches_up_with_a_deleted_conversation_is_sent_away(
    autojump_clock: Any,
) -> None:
    async with open_cluster() as cluster:
        conversation_id, readers = await cluster.talk(ADA, BEN, CLEO)
        owner = cluster.owner(conversation_id)
        for number in range(60):  # more than is kept in memory
            await owner.post(conversation_id, ADA, f"m{number}")
        other = cluster.others(conversation_id)[0]
        await cluster.settle()
        cluster.lose(Batch, Head)
        cluster.store.hold("read")
        late = await other.connect(conversation_id, readers[0].participant, 0)
        await owner.do(DeleteConversation(conversation_id, ADA))
        reads = cluster.store.calls.count("read")
        cluster.store.let_go()
        await cluster.settle()
        assert late.closed == (4503, "the conversation was deleted")
        assert late.contents == []
        assert cluster.store.calls.count("read") <= reads + 1, "it does not ask over and over"
