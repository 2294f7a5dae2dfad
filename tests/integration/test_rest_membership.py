"""Coming in, going out, and what is for members only."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.person import Person, admin, guest, guests
from tests.server import ServerProcess
from tests.shape import TIMESTAMP, refusal

SOMEWHERE = "A" * 22  # looks like a conversation's id and is none


class TestJoin:
    async def test_whoever_knows_the_id_may_come_in_and_gets_the_whole_conversation(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create()
        await ada.say(conversation_id, "anybody?")
        response = await bob.call("POST", f"/chat/{conversation_id}/join")  # no body at all
        assert response.status_code == 200
        assert response.json() == {"success": True, "conversation": await bob.see(conversation_id)}
        assert (await bob.history(conversation_id))[-1] == {
            "type": "participant_joined",
            "sequence_id": 3,
            "conversation_id": conversation_id,
            "participant": bob.shown(),
            "role": "member",
            "participant_count": 2,
            "timestamp": TIMESTAMP,
        }

    @pytest.mark.parametrize("names", [("user_id", "name"), ("participantId", "displayName")])
    async def test_a_member_may_bring_in_others_and_it_is_recorded_who_did(
        self, server: ServerProcess, names: tuple[str, str]
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(bob)
        body = {"participant": dict(zip(names, (cleo.id, cleo.name), strict=True))}
        await bob.ask("POST", f"/chat/{conversation_id}/join", body)
        joined = (await cleo.history(conversation_id))[-1]
        assert (joined["participant"], joined["invited_by"]) == (cleo.shown(), bob.id)

    async def test_the_owner_may_bring_in_others_where_members_may_not(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(join="invite", members_invite=False)
        await ada.join(conversation_id, bob)
        assert (await bob.see(conversation_id))["participant_count"] == 2

    async def test_after_leaving_one_may_come_back(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await bob.leave(conversation_id)
        await bob.join(conversation_id)
        kinds = [event["type"] for event in await bob.history(conversation_id)]
        assert kinds == ["conversation_created", "participant_left", "participant_joined"]


class TestLeave:
    async def test_whoever_leaves_is_told_how_many_remain(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        response = await bob.call("DELETE", f"/chat/{conversation_id}/leave")
        assert response.status_code == 200
        assert response.json() == {
            "success": True,
            "message": "Left conversation",
            "conversation_id": conversation_id,
            "remaining_participants": 1,
        }
        assert (await ada.history(conversation_id))[-1] == {
            "type": "participant_left",
            "sequence_id": 2,
            "conversation_id": conversation_id,
            "participant": bob.shown(),
            "participant_count": 1,
            "timestamp": TIMESTAMP,
        }

    async def test_where_the_owner_leaves_the_longest_standing_member_takes_over(
        self, server: ServerProcess
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(join="invite", members_invite=False)
        await ada.join(conversation_id, bob, cleo)
        await ada.leave(conversation_id)
        roles = {
            who["participantId"]: who["role"]
            for who in (await bob.see(conversation_id))["participants"]
        }
        assert roles == {bob.id: "owner", cleo.id: "member"}
        await bob.join(conversation_id, ada)

    async def test_the_last_one_out_archives_it_and_an_admin_can_still_read_it(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        await ada.say(conversation_id, "bye")
        assert (await ada.leave(conversation_id))["remaining_participants"] == 0
        archived = await admin(server).see(conversation_id)
        assert (archived["status"], archived["ended_at"]) == ("inactive", TIMESTAMP)
        assert archived["participants"] == []
        assert [message["content"] for message in archived["messages"]] == ["bye"]
        assert [event["sequence_id"] for event in await admin(server).history(conversation_id)] == [
            1,
            2,
            3,
        ]


class TestMembersOnly:
    @pytest.mark.parametrize("known", [True, False])
    async def test_what_one_may_not_see_and_what_is_not_look_alike(
        self, server: ServerProcess, known: bool
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create() if known else SOMEWHERE
        for path in (f"/chat/conversations/{conversation_id}", f"/chat/{conversation_id}/messages"):
            body = refusal(await bob.call("GET", path), 404, "NOT_FOUND")
            assert body["error"] == "There is nothing here that you may see."

    @pytest.mark.parametrize(("known", "code"), [(True, "NOT_PARTICIPANT"), (False, "NOT_FOUND")])
    async def test_who_is_no_member_can_do_nothing_there(
        self, server: ServerProcess, known: bool, code: str
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create() if known else SOMEWHERE
        path = f"/chat/{conversation_id}"
        refusal(await bob.call("DELETE", f"{path}/leave"), 404, code)
        refusal(await bob.call("POST", f"{path}/messages", {"content": "a"}), 404, code)
        refusal(await bob.call("POST", f"{path}/read", {"sequence_id": 1}), 404, code)

    async def test_an_admin_reads_everywhere_and_speaks_only_where_they_are_a_member(
        self, server: ServerProcess
    ) -> None:
        conversation_id = await (await guest(server, "Ada")).create()
        root = admin(server)
        assert (await root.see(conversation_id))["unread_count"] == 0
        response = await root.call("POST", f"/chat/{conversation_id}/messages", {"content": "a"})
        refusal(response, 404, "NOT_PARTICIPANT")


class TestComingIn:
    async def test_one_who_is_in_already_is_told_so(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        for who, named in ((bob, None), (bob, bob), (ada, bob)):
            response = await join(who, conversation_id, named)
            body = refusal(response, 409, "ALREADY_PARTICIPANT")
            assert body["error"].startswith("Already a participant")

    async def test_nobody_brings_themselves_into_what_is_by_invitation(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(join="invite")
        refusal(await join(bob, conversation_id, None), 403, "FORBIDDEN")
        refusal(await join(bob, conversation_id, bob), 403, "FORBIDDEN")

    async def test_members_bring_in_nobody_where_only_the_owner_may(
        self, server: ServerProcess
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(bob, members_invite=False)
        refusal(await join(bob, conversation_id, cleo), 403, "FORBIDDEN")
        assert (await join(cleo, conversation_id, None)).status_code == 200

    async def test_one_who_is_outside_can_bring_in_nobody(self, server: ServerProcess) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        refusal(await join(bob, await ada.create(), cleo), 404, "NOT_FOUND")
        refusal(await join(bob, SOMEWHERE, cleo), 404, "NOT_FOUND")
        refusal(await join(bob, SOMEWHERE, None), 404, "NOT_FOUND")

    async def test_what_is_archived_takes_nobody(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create()
        await ada.leave(conversation_id)
        for who in (ada, bob):
            refusal(await join(who, conversation_id, None), 404, "NOT_FOUND")
        refusal(await ada.call("DELETE", f"/chat/{conversation_id}/leave"), 404, "NOT_PARTICIPANT")
        refusal(await ada.call("GET", f"/chat/conversations/{conversation_id}"), 404, "NOT_FOUND")

    @pytest.mark.parametrize("who", [{}, {"name": "Bob"}, {"user_id": " "}, [], "bob"])
    async def test_somebody_has_to_be_named_by_an_id(self, server: ServerProcess, who: Any) -> None:
        ada = await guest(server, "Ada")
        path = f"/chat/{await ada.create()}/join"
        response = await ada.call("POST", path, {"participant": who})
        problem = response.json()["problem"]
        assert "participant" in problem
        refusal(response, 400, "MALFORMED_REQUEST", problem=problem)

    async def test_the_hundred_and_first_finds_no_place_until_somebody_leaves(
        self, server: ServerProcess
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(bob)
        for number in range(95):
            body = {"participant": {"user_id": f"user{number}"}}
            await ada.ask("POST", f"/chat/{conversation_id}/join", body)
        statuses: list[int] = []

        async def race(who: Person) -> None:
            statuses.append((await join(who, conversation_id, None)).status_code)

        async with trio.open_nursery() as nursery:
            for who in await guests(server, *(f"Racer {number}" for number in range(6))):
                nursery.start_soon(race, who)
        assert sorted(statuses) == [200, 200, 200, 429, 429, 429]
        for response in (
            await join(cleo, conversation_id, None),
            await join(ada, conversation_id, cleo),
        ):
            refusal(response, 429, "CAPACITY_EXCEEDED", limit=100)
        assert (await ada.see(conversation_id))["participant_count"] == 100
        await bob.leave(conversation_id)
        assert (await join(cleo, conversation_id, None)).status_code == 200


async def join(who: Person, conversation_id: str, named: Person | None) -> Any:
    body = {} if named is None else {"participant": named.entry()}
    return await who.call("POST", f"/chat/{conversation_id}/join", body)
