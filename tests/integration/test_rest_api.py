"""HTTP, where it says yes: what every route answers with."""

from __future__ import annotations

import pytest

from tests.person import Frame, Person, admin, guest, guests
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
            "mode": "list",
            "created_at": TIMESTAMP,
            "participants": [ada.shown(), bob.shown()],
            "websocket_url": f"/chat/ws/{body['conversation_id']}",
        }

    @pytest.mark.parametrize("word", ["single", "multi"])
    async def test_nlwebs_words_for_one_or_several_people_are_no_mode(
        self, server: ServerProcess, word: str
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        body = {"title": "Team", "mode": word, "participants": [bob.entry()]}
        created = await ada.ask("POST", "/chat/create", body)
        conversation_id = created["conversation_id"]
        assert created["mode"] == "list"
        assert (await bob.see(conversation_id))["mode"] == "list"
        assert (await bob.history(conversation_id))[0]["mode"] == "list"

    @pytest.mark.parametrize("mode", ["list", "summarize", "generate"])
    async def test_a_mode_is_kept_and_answered(self, server: ServerProcess, mode: str) -> None:
        ada = await guest(server, "Ada")
        created = await ada.ask("POST", "/chat/create", {"title": "Team", "mode": mode})
        assert created["mode"] == mode
        assert (await ada.see(created["conversation_id"]))["mode"] == mode

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
