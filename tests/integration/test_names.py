"""Who somebody is comes from their own identity: a name given by others ends when they come, and they may change their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest

from tests.person import Person, admin, agent, guest, guests, static
from tests.server import ServerProcess, api
from tests.shape import TIMESTAMP, refusal


async def kinds(person: Person, conversation_id: str) -> list[str]:
    return [event["type"] for event in await person.history(conversation_id)]


async def names(person: Person, conversation_id: str) -> dict[str, str]:
    shown = (await person.see(conversation_id))["participants"]
    return {each["participantId"]: each["displayName"] for each in shown}


class TestANameGivenByOthers:
    async def test_is_shown_until_its_bearer_opens_a_socket(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create()
        await ada.ask(
            "POST",
            f"/chat/{conversation_id}/join",
            {"participant": {"user_id": bob.id, "name": "Ada", "type": "agent"}},
        )
        assert (await names(ada, conversation_id))[bob.id] == "Ada"
        async with ada.tab(conversation_id) as told, bob.tab(conversation_id) as tab:
            event = await told.until("participant_updated")
            assert tab.events[-1] == event
        assert event == {
            "type": "participant_updated",
            "sequence_id": 3,
            "conversation_id": conversation_id,
            "participant": bob.shown(),
            "timestamp": TIMESTAMP,
        }
        assert (await names(ada, conversation_id))[bob.id] == "Bob"

    @pytest.mark.parametrize("how", ["create", "join"])
    async def test_ends_before_their_first_message_which_has_their_own(
        self, server: ServerProcess, how: str
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        entry = {"user_id": bob.id, "name": "Ada"}
        if how == "create":
            body = {"title": "Lunch", "participants": [entry]}
            conversation_id = (await ada.ask("POST", "/chat/create", body))["conversation_id"]
        else:
            conversation_id = await ada.create()
            await ada.ask("POST", f"/chat/{conversation_id}/join", {"participant": entry})
        await bob.say(conversation_id, "It is me")
        updated, message = (await ada.history(conversation_id))[-2:]
        assert updated["participant"] == bob.shown()
        assert message["message"]["sender_name"] == "Bob"

    async def test_ends_once(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create()
        body = {"participant": {"user_id": bob.id, "name": "Ada"}}
        await ada.ask("POST", f"/chat/{conversation_id}/join", body)
        for _ in range(2):
            async with bob.tab(conversation_id):
                pass
            await bob.say(conversation_id, "Hello")
        assert (await kinds(ada, conversation_id)).count("participant_updated") == 1

    async def test_that_is_their_own_needs_no_event(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await bob.say(conversation_id, "Hello")
        assert await kinds(ada, conversation_id) == ["conversation_created", "message"]

    async def test_ends_although_the_server_was_killed_meanwhile(
        self, start_server: Callable[..., ServerProcess]
    ) -> None:
        server = start_server()
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create()
        body = {"participant": {"user_id": bob.id, "name": "Ada"}}
        await ada.ask("POST", f"/chat/{conversation_id}/join", body)
        server.kill()
        server.start()
        await bob.say(conversation_id, "Hello")
        assert (await names(ada, conversation_id))[bob.id] == "Bob"
        server.kill()
        server.start()
        assert (await names(ada, conversation_id))[bob.id] == "Bob"
        await bob.say(conversation_id, "Hello")
        assert (await kinds(ada, conversation_id)).count("participant_updated") == 1


def signed_agent(server: ServerProcess) -> Person:
    """An agent whom the configuration does not name."""
    name = f"helper-{secrets.token_hex(4)}"
    return static(server, server.token(name, "--agent"), name, name)


class TestWhetherSomebodyIsAnAgent:
    async def test_is_not_for_members_to_say(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        bot = signed_agent(server)
        body = {"title": "Help", "participants": [bob.entry(type="agent")]}
        created = await ada.ask("POST", "/chat/create", body)
        assert created["participants"][1] == bob.shown("human")
        path = f"/chat/{created['conversation_id']}/join"
        await ada.ask("POST", path, {"participant": bot.entry(type="agent")})
        joined = (await ada.history(created["conversation_id"]))[-1]
        assert joined["participant"] == bot.shown("human")

    @pytest.mark.parametrize("word", ["agent", "ai"])  # as it is called here, and in NLWeb
    async def test_is_for_admins_to_say(self, server: ServerProcess, word: str) -> None:
        boss, bot = admin(server), agent(server)
        body = {"title": "Help", "participants": [bot.entry(type=word)]}
        created = await boss.ask("POST", "/chat/create", body)
        assert created["participants"][1] == bot.shown("agent")

    @pytest.mark.parametrize("word", ["agent", "human"])
    async def test_is_for_the_configuration_to_say_of_those_it_names(
        self, server: ServerProcess, word: str
    ) -> None:
        ada, bot = await guest(server, "Ada"), agent(server)
        body = {"title": "Help", "participants": [bot.entry(type=word)]}
        created = await ada.ask("POST", "/chat/create", body)
        assert created["participants"][1] == bot.shown("agent")

    async def test_their_own_token_says(self, server: ServerProcess) -> None:
        ada, bot = await guest(server, "Ada"), signed_agent(server)
        conversation_id = await ada.create(bot)
        await bot.say(conversation_id, "How can I help?")
        updated, message = (await ada.history(conversation_id))[-2:]
        assert updated["participant"] == bot.shown("agent")
        assert message["message"]["sender_type"] == "agent"


class TestOneSOwnName:
    async def test_is_changed_for_all_devices_and_told_to_all_conversations(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        code = {"recovery_code": bob.recovery_code}
        phone = (await api(server, "POST", "/auth/recover", None, code)).json()["token"]
        rooms = [await ada.create(bob, title=title) for title in ("One", "Two")]
        async with ada.tab(rooms[0]) as tab:
            answer = await bob.ask("PATCH", "/auth/me", {"name": "  Robert "})
            event = await tab.until("participant_updated")
        assert answer == {"id": bob.id, "name": "Robert", "admin": False}
        assert event["participant"] == {"id": bob.id, "name": "Robert", "type": "human"}
        assert (await api(server, "GET", "/auth/me", phone)).json()["name"] == "Robert"
        for room in rooms:
            assert (await names(ada, room))[bob.id] == "Robert"
        await bob.say(rooms[1], "Hello")
        assert (await ada.history(rooms[1]))[-1]["message"]["sender_name"] == "Robert"

    async def test_reaches_conversations_that_sleep_when_they_wake_and_survives_a_kill(
        self, start_server: Callable[..., ServerProcess]
    ) -> None:
        server = start_server()
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        server.restart()
        await bob.ask("PATCH", "/auth/me", {"name": "Robert"})
        server.kill()
        server.start()
        assert (await bob.ask("GET", "/auth/me"))["name"] == "Robert"
        async with ada.tab(conversation_id):
            assert (await names(ada, conversation_id))[bob.id] == "Robert"
        assert await kinds(ada, conversation_id) == ["conversation_created", "participant_updated"]

    async def test_comes_back_with_the_recovery_code(self, server: ServerProcess) -> None:
        bob = await guest(server, "Bob")
        await bob.ask("PATCH", "/auth/me", {"name": "Robert"})
        code = {"recovery_code": bob.recovery_code}
        back = (await api(server, "POST", "/auth/recover", None, code)).json()
        assert back["participant"]["name"] == "Robert"

    async def test_that_is_the_same_is_no_event(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await bob.ask("PATCH", "/auth/me", {"name": "Bob"})
        assert await kinds(ada, conversation_id) == ["conversation_created"]

    @pytest.mark.parametrize("name", [" \n", "\u200b", "x" * 101, 3, None])
    async def test_has_to_be_one(self, server: ServerProcess, name: object) -> None:
        bob = await guest(server, "Bob")
        response = await bob.call("PATCH", "/auth/me", {"name": name})
        refusal(response, 400, "MALFORMED_REQUEST", problem=response.json().get("problem"))
        assert (await bob.ask("GET", "/auth/me"))["name"] == "Bob"

    async def test_is_for_who_is_somebody(self, server: ServerProcess) -> None:
        refusal(await api(server, "PATCH", "/auth/me", None, {"name": "X"}), 401, "UNAUTHENTICATED")

    async def test_may_be_changed_twenty_times_an_hour(self, server: ServerProcess) -> None:
        bob = await guest(server, "Bob")
        for number in range(20):
            await bob.ask("PATCH", "/auth/me", {"name": f"Bob {number}"})
        response = await bob.call("PATCH", "/auth/me", {"name": "Robert"})
        assert (response.status_code, response.json()["code"]) == (429, "RATE_LIMITED")
        assert (await bob.ask("GET", "/auth/me"))["name"] == "Bob 19"
