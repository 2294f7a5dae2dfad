"""Back to an older copy: what was said since is gone, and nobody takes the new log for the old one."""

from __future__ import annotations

from pathlib import Path

import trio

from salon.web.client import Conversation
from tests import processes
from tests.person import PATIENCE, Frame, guests
from tests.server import ServerProcess
from tests.traffic import keys


async def test_clients_drop_what_they_kept_when_a_backup_is_restored(
    own_server: ServerProcess, tmp_path: Path
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    copy = tmp_path / "copy.db"
    client = bob.client()
    async with client.conversation(conversation_id, 0, backoff=(0.05, 0.5)) as conversation:
        for number in range(3):
            await ada.say(conversation_id, f"{number}", client_message_id=f"k{number}")
        await processes.run_beside(["backup", copy, "--store", own_server.store])
        for number in range(3, 6):
            await ada.say(conversation_id, f"{number}", client_message_id=f"k{number}")
        before = await take(conversation, 7)
        assert keys(before) == [f"k{number}" for number in range(6)]
        epoch = conversation.epoch

        own_server.stop()
        await processes.run_beside(["restore", copy, "--store", own_server.store])
        own_server.start()

        notice, *after = await take(conversation, 5)
        assert notice == {
            "type": "epoch_changed",
            "epoch": conversation.epoch,
            "previous_epoch": epoch,
        }
        assert conversation.epoch != epoch
        assert after == before[:4] == await ada.history(conversation_id)
        # What is gone can be said again, under the same key.
        receipt = await ada.say(conversation_id, "5", client_message_id="k5")
        assert receipt["sequence_id"] == 5
        assert keys(await take(conversation, 1)) == ["k5"]


async def take(conversation: Conversation, number: int) -> list[Frame]:
    """So many events, as they come."""
    with trio.fail_after(2 * PATIENCE):
        return [await anext(conversation) for _ in range(number)]
