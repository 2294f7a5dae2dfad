"""Reading over HTTP: one's own list, one conversation, and how far one has read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from salon.actors.rights import LEAST
from tests.person import Person, guest, guests
from tests.server import ServerProcess
from tests.shape import TIMESTAMP

USUAL = {"archived": False, "muted": False, "pinned": False}


class TestMyConversations:
    async def test_a_newcomer_has_none(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        assert await ada.ask("GET", "/chat/my-conversations") == {
            "conversations": [],
            "total": 0,
            "limit": 20,
            "offset": 0,
            "before": None,
        }

    async def test_each_line_tells_what_is_new_there(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        quiet = await ada.create(title="Quiet")
        busy = await ada.create(bob, title="Busy")
        await bob.say(busy, "first")
        last = await bob.say(busy, "x" * 101)
        lines = (await ada.ask("GET", "/chat/my-conversations"))["conversations"]
        assert lines == [
            {
                "conversation_id": busy,
                "title": "Busy",
                "created_at": TIMESTAMP,
                "last_message_at": last["timestamp"],
                "participant_count": 2,
                "unread_count": 2,
                "mention_count": 0,
                "last_message_preview": "x" * 99 + "…",
                **USUAL,
            },
            {
                "conversation_id": quiet,
                "title": "Quiet",
                "created_at": TIMESTAMP,
                "last_message_at": None,
                "participant_count": 1,
                "unread_count": 0,
                "mention_count": 0,
                "last_message_preview": None,
                **USUAL,
            },
        ]

    async def test_the_newest_activity_comes_first_page_by_page_and_the_total_is_of_all(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        ids = [await ada.create(bob, title=f"Room {number}") for number in range(7)]
        await bob.say(ids[2], "wake up")
        expected = [ids[2], ids[6], ids[5], ids[4], ids[3], ids[1], ids[0]]
        found: list[str] = []
        for offset in (0, 3, 6, 9):
            page = await ada.ask("GET", f"/chat/my-conversations?limit=3&offset={offset}")
            assert (page["total"], page["limit"], page["offset"]) == (7, 3, offset)
            found += [line["conversation_id"] for line in page["conversations"]]
        assert found == expected

    async def test_whoever_leaves_has_it_in_the_list_no_more(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await bob.leave(conversation_id)
        assert (await bob.ask("GET", "/chat/my-conversations"))["total"] == 0
        assert (await ada.ask("GET", "/chat/my-conversations"))["total"] == 1


class TestConversation:
    async def test_the_whole_of_it(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        said = await bob.say(
            conversation_id, "hello", client_message_id="k1", metadata={"mood": "good"}
        )
        answered = await ada.say(conversation_id, "hi", reply_to=said["message_id"])
        members = [
            {
                "participantId": who.id,
                "displayName": who.name,
                "type": "human",
                "role": role,
                "joinedAt": TIMESTAMP,
                "isOnline": False,
            }
            for who, role in ((ada, "owner"), (bob, "member"))
        ]
        message = {
            "conversation_id": conversation_id,
            "sender_type": "human",
            "message_type": "text",
        }
        assert await ada.see(conversation_id) == {
            "id": conversation_id,
            "title": "Lunch",
            "mode": "list",
            "sites": [],
            "enable_ai": False,
            "join": "open",
            "members_invite": True,
            "share_reads": False,
            "metadata": None,
            "participants": members,
            "messages": [
                message
                | {
                    "message_id": said["message_id"],
                    "sequence_id": 2,
                    "sender_id": bob.id,
                    "sender_name": "Bob",
                    "content": "hello",
                    "timestamp": said["timestamp"],
                    "client_message_id": "k1",
                    "metadata": {"mood": "good"},
                },
                message
                | {
                    "message_id": answered["message_id"],
                    "sequence_id": 3,
                    "sender_id": ada.id,
                    "sender_name": "Ada",
                    "content": "hi",
                    "timestamp": answered["timestamp"],
                    "reply_to": said["message_id"],
                },
            ],
            "head_sequence_id": 3,
            "created_at": TIMESTAMP,
            "updated_at": answered["timestamp"],
            "ended_at": None,
            "participant_count": 2,
            "message_count": 2,
            "unread_count": 0,
            "mention_count": 0,
            "status": "active",
            "pinned": [],
            "permissions": LEAST,
            "may": list(LEAST),
            "history": "all",
            "oldest_sequence_id": 1,
            "slow_mode": 0,
            "retention": {"days": 0},
            "direct": False,
            "me": USUAL,
        }

    async def test_it_shows_the_last_hundred_messages_ascending_and_whoever_is_connected(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as tab:
            for number in range(105):
                await tab.send("message", content=f"{number}")
            await tab.until_sequence(106)
            await ada.join(conversation_id, await guest(server, "Cleo"))  # joining is no message
            conversation = await bob.see(conversation_id)
        contents = [message["content"] for message in conversation["messages"]]
        assert contents == [f"{number}" for number in range(5, 105)]
        assert conversation["message_count"] == 105
        assert conversation["head_sequence_id"] == 107
        online = {who["participantId"]: who["isOnline"] for who in conversation["participants"]}
        assert online[ada.id]
        assert not online[bob.id]


class TestRead:
    async def test_the_position_moves_forward_and_never_back_nor_beyond_the_end(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        for number in range(4):
            await bob.say(conversation_id, f"{number}")
        for asked, position, unread in ((3, 3, 2), (2, 3, 2), ((1 << 53) - 1, 5, 0), (0, 5, 0)):
            response = await ada.call(
                "POST", f"/chat/{conversation_id}/read", {"sequence_id": asked}
            )
            assert response.status_code == 200
            assert response.json() == {
                "read_sequence_id": position,
                "unread_count": unread,
                "mention_count": 0,
            }

    async def test_only_messages_count_as_unread_and_each_reader_has_their_own_count(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await bob.say(conversation_id, "one")
        await ada.join(conversation_id, await guest(server, "Cleo"))
        await bob.say(conversation_id, "two")
        read = {"sequence_id": 2}
        answer = await ada.ask("POST", f"/chat/{conversation_id}/read", read)
        assert answer == {"read_sequence_id": 2, "unread_count": 1, "mention_count": 0}
        for who, unread in ((ada, 1), (bob, 0)):
            assert (await who.see(conversation_id))["unread_count"] == unread
            lines = (await who.ask("GET", "/chat/my-conversations"))["conversations"]
            assert lines[0]["unread_count"] == unread


class TestUnread:
    """What somebody has sent they have read; what was said before they came is not theirs to read."""

    @pytest.mark.parametrize("count", [5, 70])
    async def test_one_s_own_messages_are_not_unread_also_after_a_kill(
        self, start_server: Callable[..., ServerProcess], count: int
    ) -> None:
        server = start_server()
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await bob.say(conversation_id, "before")
        for number in range(count):
            await ada.say(conversation_id, f"{number}")
        for _ in range(2):
            assert await unread(ada, conversation_id) == 0
            assert await unread(bob, conversation_id) == count
            server.kill()
            server.start()
        await bob.say(conversation_id, "after")
        assert await unread(ada, conversation_id) == 1
        assert await unread(bob, conversation_id) == 0

    async def test_sending_is_told_to_one_s_other_devices_and_to_nobody_else(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as phone, bob.tab(conversation_id) as other:
            await ada.say(conversation_id, "from the laptop")
            told = await phone.until("read")
            assert told == {"type": "read", "participant_id": ada.id, "sequence_id": 2}
            await bob.say(conversation_id, "hello")
            await other.until("read", lambda frame: frame["participant_id"] == bob.id)
            assert not any(
                frame.get("participant_id") == ada.id
                for frame in other.frames
                if frame["type"] == "read"
            )

    async def test_what_was_said_before_somebody_came_is_not_unread(
        self, server: ServerProcess
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(bob)
        for number in range(3):
            await ada.say(conversation_id, f"{number}")
        assert await unread(bob, conversation_id) == 3
        await bob.leave(conversation_id)
        await ada.say(conversation_id, "while he was away")
        await bob.join(conversation_id)
        await ada.join(conversation_id, cleo)
        assert await unread(bob, conversation_id) == await unread(cleo, conversation_id) == 0
        await ada.say(conversation_id, "after")
        assert await unread(bob, conversation_id) == await unread(cleo, conversation_id) == 1


async def unread(who: Person, conversation_id: str) -> int:
    """How many messages somebody has not read, by both answers that say so."""
    seen = (await who.see(conversation_id))["unread_count"]
    lines = (await who.ask("GET", "/chat/my-conversations"))["conversations"]
    [line] = [each for each in lines if each["conversation_id"] == conversation_id]
    assert line["unread_count"] == seen
    return int(seen)
