"""HTTP, where it says yes: what every route answers with."""

from __future__ import annotations

import pytest

from tests.person import Frame, Person, admin, agent, guest, guests
from tests.server import ServerProcess, api
from tests.shape import GUEST_ID, HASH, ID, RECOVERY_CODE, TIMESTAMP, Like, receipt


def numbers(frames: list[Frame]) -> list[int]:
    return [frame["sequence_id"] for frame in frames]


class TestCreate:
    async def test_the_caller_comes_first_and_the_address_of_the_socket_is_told(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        response = await ada.call(
            "POST", "/chat/create", {"title": "Lunch", "participants": [bob.entry()]}
        )
        assert response.status_code == 201
        body = response.json()
        assert body == {
            "conversation_id": ID,
            "title": "Lunch",
            "created_at": TIMESTAMP,
            "participants": [ada.shown(), bob.shown()],
            "websocket_url": f"/chat/ws/{body['conversation_id']}",
        }

    async def test_those_who_are_named_are_members_at_once_and_no_joining_is_recorded(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        created = (await bob.see(conversation_id))["created_at"]
        assert await bob.history(conversation_id) == [
            {
                "type": "conversation_created",
                "sequence_id": 1,
                "conversation_id": conversation_id,
                "title": "Lunch",
                "mode": "list",
                "participants": [
                    ada.shown() | {"role": "owner"},
                    bob.shown() | {"role": "member"},
                ],
                "sites": [],
                "enable_ai": False,
                "join": "open",
                "members_invite": True,
                "share_reads": False,
                "timestamp": created,
            }
        ]

    async def test_all_that_was_wished_for_is_kept(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        wished: Frame = {
            "mode": "generate",
            "sites": ["example.org", "example.com"],
            "enable_ai": True,
            "join": "invite",
            "members_invite": False,
            "share_reads": True,
            "metadata": {"colour": "grün", "depth": {"of": [1, 2.5, None, True]}},
        }
        conversation = await ada.see(await ada.create(**wished))
        assert {name: conversation[name] for name in wished} == wished

    async def test_ten_people_may_be_named_with_the_caller_whom_naming_again_changes_nothing(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        others = [{"user_id": f"user{number}"} for number in range(9)]
        body = {"title": "Ten", "participants": [*others, ada.entry(name="Somebody else")]}
        created = await ada.ask("POST", "/chat/create", body)
        assert [each["id"] for each in created["participants"]] == [
            ada.id,
            *(other["user_id"] for other in others),
        ]
        assert created["participants"][0] == ada.shown()
        assert created["participants"][1]["name"] == "user0"  # nobody said what they are called

    async def test_agents_are_shown_as_such(self, server: ServerProcess) -> None:
        ada, bot = await guest(server, "Ada"), agent(server)
        body = {"title": "Help", "participants": [bot.entry(type="agent")]}
        created = await ada.ask("POST", "/chat/create", body)
        assert created["participants"][1] == bot.shown("agent")

    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("  Lunch \t at\n noon ", "Lunch at noon"),
            ("Cafe\u0301", "Caf\u00e9"),
            ("Lu\u200bnch\u202e", "Lunch"),
            ("\N{FAMILY}" * 200, "\N{FAMILY}" * 200),
        ],
    )
    async def test_titles_and_names_are_kept_as_they_are_seen(
        self, server: ServerProcess, written: str, kept: str
    ) -> None:
        ada = await guest(server, written[:100])
        assert ada.name == kept[:100]
        body = {"title": written, "participants": [{"user_id": "bob", "name": written[:100]}]}
        created = await ada.ask("POST", "/chat/create", body)
        assert created["title"] == kept
        assert created["participants"][1]["name"] == kept[:100]


class TestMyConversations:
    async def test_a_newcomer_has_none(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        assert await ada.ask("GET", "/chat/my-conversations") == {
            "conversations": [],
            "total": 0,
            "limit": 20,
            "offset": 0,
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
                "last_message_preview": "x" * 99 + "…",
            },
            {
                "conversation_id": quiet,
                "title": "Quiet",
                "created_at": TIMESTAMP,
                "last_message_at": None,
                "participant_count": 1,
                "unread_count": 0,
                "last_message_preview": None,
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
            "unread_count": 2,
            "status": "active",
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
            assert response.json() == {"read_sequence_id": position, "unread_count": unread}

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
        assert answer == {"read_sequence_id": 2, "unread_count": 1}
        for who, unread in ((ada, 1), (bob, 2)):
            assert (await who.see(conversation_id))["unread_count"] == unread
            lines = (await who.ask("GET", "/chat/my-conversations"))["conversations"]
            assert lines[0]["unread_count"] == unread


class TestIdentity:
    async def test_a_guest_gets_a_session_a_cookie_and_a_way_back(
        self, server: ServerProcess
    ) -> None:
        response = await api(server, "POST", "/auth/guest", json={"name": "Ada"})
        assert response.status_code == 201
        body = response.json()
        assert body == {
            "token": Like(r"[\w-]+\.[\w-]+\.[\w-]+"),
            "participant": {"id": GUEST_ID, "name": "Ada", "type": "human"},
            "recovery_code": RECOVERY_CODE,
        }
        assert response.cookies["salon_session"] == body["token"]

    async def test_a_guest_without_a_name_gets_one(self, server: ServerProcess) -> None:
        response = await api(server, "POST", "/auth/guest")
        assert response.status_code == 201
        assert response.json()["participant"]["name"] == Like(r"Guest \d{4}")

    async def test_the_recovery_code_brings_the_same_person_back(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        body = {"recovery_code": ada.recovery_code}
        response = await api(server, "POST", "/auth/recover", json=body)
        assert response.status_code == 200
        answer = response.json()
        assert answer["participant"] == ada.shown()
        assert answer["recovery_code"] == ada.recovery_code
        again = Person(server, answer["token"], ada.id, ada.name)
        assert await again.ask("GET", "/auth/me") == await ada.ask("GET", "/auth/me")

    async def test_me_is_who_i_am(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        me = {"id": ada.id, "name": "Ada", "admin": False}
        assert await ada.ask("GET", "/auth/me") == me
        assert (await admin(server).ask("GET", "/auth/me"))["admin"] is True

    async def test_a_ticket_is_good_for_half_a_minute(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        assert await ada.ask("POST", "/auth/ticket") == {"ticket": ID, "expires_in": 30}

    async def test_logging_out_is_answered_with_nothing(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        response = await ada.call("POST", "/auth/logout")
        assert (response.status_code, response.content) == (204, b"")
        assert (await ada.call("GET", "/auth/me")).status_code == 401


async def test_answers_are_json_that_nobody_keeps_or_takes_for_something_else(
    server: ServerProcess,
) -> None:
    ada = await guest(server, "Ada")
    for response in (await ada.call("GET", "/auth/me"), await api(server, "GET", "/auth/me")):
        assert response.headers["Content-Type"] == "application/json"
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_the_hash_of_an_event_is_new_for_the_same_text(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    rooms = [await ada.create(), await ada.create()]
    first, second = [(await ada.say(room, "same", client_message_id="k")) for room in rooms]
    assert first == receipt(rooms[0], 2, "k")
    assert first["event_hash"] != second["event_hash"] == HASH
