"""A store that the first version wrote opens, with nothing lost: every event, every key, every member, every guest."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from salon.persistence import resolve
from salon.persistence.transfer import move_store
from salon.web.socket.codec import JsonCodec
from tests.person import Person
from tests.server import ServerProcess, api
from tests.unit.history import sources
from tests.unit.stores import log_of

STORES = Path(__file__).parents[1] / "stores"
TOKENS = {
    f"tok{number}": {"id": f"u{number}", "name": name}
    for number, name in enumerate(("Ada", "Bob", "Cyn"))
}


@pytest.fixture
def expected() -> dict[str, Any]:
    """What the first version's interface answered."""
    whole: dict[str, Any] = json.loads(
        gzip.decompress((STORES / "first.expected.json.gz").read_bytes())
    )
    return whole


@pytest.fixture(params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServerProcess]:
    """This version's server on a copy of that store, or on a database that it was moved into."""
    path, key = tmp_path / "salon.db", tmp_path / "salon.db.key"
    path.write_bytes(gzip.decompress((STORES / "first.db.gz").read_bytes()))
    key.write_bytes((STORES / "first.db.key").read_bytes())
    key.chmod(0o600)
    settings = {"AUTH__STATIC_TOKENS": json.dumps(TOKENS), "AUTH__KEY_FILE": str(key)}
    with ExitStack() as stack:
        url = f"sqlite:///{path}"
        if request.param == "postgres":
            url = stack.enter_context(request.getfixturevalue("databases").one())
            move_store(f"sqlite:///{path}", url, sources(), lambda _: None)
        server = ServerProcess(tmp_path, store=url, **settings)
        yield server
        assert server.stop() == 0, server.log


def people(server: ServerProcess) -> dict[str, Person]:
    return {
        who["id"]: Person(server, token, who["id"], who["name"]) for token, who in TOKENS.items()
    }


def reader(conversation: dict[str, Any], known: dict[str, Person]) -> Person:
    members = (member["participantId"] for member in conversation["participants"])
    return next(known[member] for member in members if member in known)


async def test_every_event_is_there_as_it_was(
    server: ServerProcess, expected: dict[str, Any]
) -> None:
    for conversation in expected["conversations"]:
        who = reader(conversation, people(server))
        seen = await who.see(conversation["conversation_id"])
        assert seen["participants"] == conversation["participants"]
        assert seen["head_sequence_id"] == conversation["head"]
        assert await who.history(conversation["conversation_id"]) == conversation["events"]


async def test_every_event_is_written_again_as_the_same_bytes(
    server: ServerProcess, expected: dict[str, Any]
) -> None:
    """An event's hash is over its bytes."""
    server.stop()
    codec = JsonCodec(heartbeat=25, max_message_size=10_000)
    store = resolve(server.store, sources())
    try:
        for conversation in expected["conversations"]:
            log = await log_of(store, conversation["conversation_id"])
            assert len(log) == conversation["head"]
            for record in log:
                assert codec.encode(codec.decode(record)) == record.body
    finally:
        store.close()
        server.start()


async def test_every_key_stands_for_the_message_it_stood_for(
    server: ServerProcess, expected: dict[str, Any]
) -> None:
    known = people(server)
    repeated = 0
    for conversation in expected["conversations"]:
        members = {member["participantId"] for member in conversation["participants"]}
        messages = [each["message"] for each in conversation["events"] if each["type"] == "message"]
        for message in messages:
            who = known.get(message["sender_id"])
            if who is None or who.id not in members or "client_message_id" not in message:
                continue
            said = {
                name: message[name]
                for name in ("content", "client_message_id", "reply_to", "metadata")
                if name in message
            }
            path = f"/chat/{conversation['conversation_id']}/messages"
            answer = await who.call("POST", path, said)
            assert answer.status_code == 200, answer.text
            assert answer.json()["message_id"] == message["message_id"]
            repeated += 1
        seen = await reader(conversation, known).see(conversation["conversation_id"])
        assert seen["head_sequence_id"] == conversation["head"]
    assert repeated > 100


async def test_every_guest_comes_back(server: ServerProcess, expected: dict[str, Any]) -> None:
    for guest in expected["guests"]:
        code = {"recovery_code": guest["recovery_code"]}
        back = (await api(server, "POST", "/auth/recover", None, code)).json()
        assert (back["participant"]["id"], back["participant"]["name"]) == (
            guest["id"],
            guest["name"],
        )


async def test_what_somebody_had_sent_is_not_unread_for_them(
    server: ServerProcess, expected: dict[str, Any]
) -> None:
    for conversation in expected["conversations"]:
        who = reader(conversation, people(server))
        own = [
            each["sequence_id"]
            for each in conversation["events"]
            if each["type"] == "message" and each["message"]["sender_id"] == who.id
        ]
        after = [
            each
            for each in conversation["events"]
            if each["type"] == "message" and each["sequence_id"] > max(own, default=0)
        ]
        assert (await who.see(conversation["conversation_id"]))["unread_count"] <= len(after)
