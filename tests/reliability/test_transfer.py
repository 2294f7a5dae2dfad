"""A store that was exported under load and imported elsewhere is the same conversation, and goes on."""

from __future__ import annotations

from pathlib import Path

from tests import processes
from tests.person import guests
from tests.server import ServerProcess


async def test_a_server_on_an_imported_store_goes_on_where_the_export_was_made(
    own_server: ServerProcess, tmp_path: Path
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    receipts = [
        await ada.say(conversation_id, f"{number}", client_message_id=f"k{number}")
        for number in range(20)
    ]
    before = await bob.history(conversation_id)
    lines, imported = tmp_path / "salon.ndjson", tmp_path / "imported.db"
    await salon("export", lines, own_server.store)
    await ada.say(conversation_id, "after the export", client_message_id="later")

    own_server.stop()
    await salon("import", lines, f"sqlite:///{imported}")
    imported.replace(own_server.path)  # drained, the former has no log beside it
    own_server.start()

    assert await bob.history(conversation_id) == before
    for number, receipt in enumerate(receipts):
        again = await ada.say(conversation_id, f"{number}", client_message_id=f"k{number}")
        assert again == receipt
    new = await ada.say(conversation_id, "goes on", client_message_id="later")
    assert new["sequence_id"] == before[-1]["sequence_id"] + 1


async def salon(command: str, file: Path, store: str) -> None:
    await processes.run_beside([command, file, "--store", store])
