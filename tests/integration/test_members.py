"""What people do to people, over a real server: removal, bans, mutes, roles, slow mode, and how it reaches their sockets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.patience import PATIENCE
from tests.person import Person, admin, guest, guests
from tests.server import ServerProcess
from tests.shape import TIMESTAMP, refusal, refusal_for_now

FAR = "2099-01-01T00:00:00.000Z"


def of(conversation_id: str, who: Person, what: str = "") -> str:
    return f"/chat/{conversation_id}/participants/{who.id}{what}"


class TestRemoval:
    async def test_who_is_removed_is_closed_off_and_the_others_are_told_by_whom_and_why(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with ada.tab(conversation_id) as there, bob.tab(conversation_id) as here:
            done = await ada.ask("DELETE", f"{of(conversation_id, bob)}?reason=Spam")
            assert await here.closed() == (4503, "no longer a participant")
            event = await there.until("participant_removed")
        assert event == {
            "type": "participant_removed",
            "sequence_id": done["sequence_id"],
            "conversation_id": conversation_id,
            "participant": bob.shown(),
            "participant_count": 1,
            "by": ada.id,
            "reason": "Spam",
            "timestamp": TIMESTAMP,
        }
        assert (await bob.ask("GET", "/chat/my-conversations"))["total"] == 0
        response = await bob.call("POST", f"/chat/{conversation_id}/messages", {"content": "a"})
        refusal(response, 404, "NOT_PARTICIPANT")
        await bob.join(conversation_id)  # it is open, and a removal is no ban

    async def test_a_reason_may_be_in_the_body_too(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await ada.ask("DELETE", of(conversation_id, bob), {"reason": "Spam"})
        assert (await ada.history(conversation_id))[-1]["reason"] == "Spam"

    async def test_who_is_banned_is_closed_off_and_may_not_connect_again(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with bob.tab(conversation_id) as here:
            await ada.ask("PUT", of(conversation_id, bob, "/ban"), {"until": FAR, "reason": "No."})
            assert (await here.closed())[0] == 4503
        response = await bob.call("POST", f"/chat/{conversation_id}/join")
        refusal(response, 403, "BANNED", lasting=f"until {FAR}", until=FAR)
        (ban,) = (await ada.ask("GET", f"/chat/{conversation_id}/bans"))["bans"]
        assert ban == {
            "participant": bob.shown(),
            "by": ada.id,
            "at": TIMESTAMP,
            "until": FAR,
            "reason": "No.",
        }
        await ada.ask("DELETE", of(conversation_id, bob, "/ban"))
        await bob.join(conversation_id)
        assert (await ada.ask("GET", f"/chat/{conversation_id}/bans"))["bans"] == []

    async def test_the_same_again_is_no_event(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        for what, body in (("/mute", {"reason": "a"}), ("/ban", {"until": FAR})):
            first = await ada.ask("PUT", of(conversation_id, bob, what), body)
            again = await ada.ask("PUT", of(conversation_id, bob, what), body)
            assert first["sequence_id"] is not None
            assert again == {**first, "sequence_id": None}


class TestMute:
    async def test_what_a_muted_member_says_is_refused_until_then_on_a_socket_too(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with bob.tab(conversation_id) as here:
            await ada.ask("PUT", of(conversation_id, bob, "/mute"), {"until": FAR})
            assert (await here.until("participant_muted"))["until"] == FAR
            await here.send("message", content="hello", client_message_id="k")
            error = await here.until("error")
            assert (error["code"], error["until"], error["client_message_id"]) == (
                *("MUTED", FAR, "k"),
            )
            await here.send("typing", is_typing=True)
            assert (await here.until("error"))["code"] == "MUTED"
            response = await bob.call("POST", f"/chat/{conversation_id}/messages", {"content": "a"})
            refusal(response, 403, "MUTED", lasting=f"until {FAR}", until=FAR)
            await ada.ask("DELETE", of(conversation_id, bob, "/mute"), {"reason": "Sorry."})
            assert (await here.until("participant_unmuted"))["reason"] == "Sorry."
            await here.say("hello", "k")

    async def test_who_is_muted_edits_and_reacts_no_more_and_may_still_take_back_what_they_said(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        mine = (await bob.say(conversation_id, "mine"))["message_id"]
        path = f"/chat/{conversation_id}/messages/{mine}"
        await bob.ask("PUT", f"{path}/reactions/👍")
        await ada.ask("PUT", of(conversation_id, bob, "/mute"), {})
        lasting = "until a moderator ends it"
        for method, end, body in (
            ("PATCH", "", {"content": "other"}),
            ("PUT", "/reactions/🎉", None),
        ):
            response = await bob.call(method, path + end, body)
            refusal(response, 403, "MUTED", lasting=lasting)
        await bob.ask("DELETE", f"{path}/reactions/👍")
        await bob.ask("DELETE", path)

    async def test_the_mute_is_there_after_a_restart(self, own_server: ServerProcess) -> None:
        ada, bob = await guests(own_server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        await ada.ask("PUT", of(conversation_id, bob, "/mute"), {})
        own_server.stop()
        own_server.start()
        response = await bob.call("POST", f"/chat/{conversation_id}/messages", {"content": "a"})
        refusal(response, 403, "MUTED", lasting="until a moderator ends it")

    @pytest.mark.parametrize(
        "body",
        [
            {"until": "2001-01-01T00:00:00Z"},
            {"until": "2099-01-01T00:00:00"},
            {"until": "soon"},
            {"until": "9999-12-31T23:59:59.999Z"},
            {"reason": "x" * 501},
            {"reason": 5},
        ],
    )
    async def test_a_time_or_a_reason_that_cannot_be_is_refused(
        self, server: ServerProcess, body: dict[str, object]
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        for what in ("/mute", "/ban"):
            response = await ada.call("PUT", of(conversation_id, bob, what), body)
            assert response.status_code == 400, response.text
            assert next(iter(body)) in response.json()["problem"]

    async def test_a_time_in_another_zone_is_the_same_moment(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        body = {"until": "2099-01-01T02:00:00+02:00"}
        await ada.ask("PUT", of(conversation_id, bob, "/mute"), body)
        assert (await ada.history(conversation_id))[-1]["until"] == FAR


class TestRoles:
    async def test_a_role_changes_what_one_may_do_on_a_socket_that_is_open(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        async with bob.tab(conversation_id) as here:
            await here.say("hello", "a")
            await ada.ask("POST", of(conversation_id, bob, "/role"), {"role": "observer"})
            event = await here.until("participant_role_changed")
            assert (event["participant_id"], event["role"], event["by"]) == (
                *(bob.id, "observer", ada.id),
            )
            await here.send("message", content="hello", client_message_id="b")
            assert (await here.until("error"))["code"] == "FORBIDDEN"

    async def test_the_last_owner_stays_and_a_second_may_take_over(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        down = {"role": "member"}
        refusal(await ada.call("POST", of(conversation_id, ada, "/role"), down), 409, "LAST_OWNER")
        await ada.ask("POST", of(conversation_id, bob, "/role"), {"role": "owner"})
        refusal(await bob.call("POST", of(conversation_id, ada, "/role"), down), 403, "FORBIDDEN")
        await ada.ask("POST", of(conversation_id, ada, "/role"), down)
        roles = {
            each["participantId"]: each["role"]
            for each in (await bob.see(conversation_id))["participants"]
        }
        assert roles == {ada.id: "member", bob.id: "owner"}

    async def test_who_may_not_read_the_members_sees_how_many_there_are_and_themselves(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob, permissions={"read_members": "moderator"})
        seen = await bob.see(conversation_id)
        assert [each["participantId"] for each in seen["participants"]] == [bob.id]
        assert seen["participant_count"] == 2
        async with bob.raw_tab(conversation_id) as here:
            listed = await here.until("participant_list")
            assert (listed["participants"], listed["participant_count"]) == ([], 2)
        assert len((await ada.see(conversation_id))["participants"]) == 2


class TestTheList:
    async def test_it_is_paged_in_the_order_of_joining_and_nobody_is_on_two_pages(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        people = await guests(server, *(f"Guest {number}" for number in range(5)))
        await ada.join(conversation_id, *people)
        path = f"/chat/{conversation_id}/participants?limit=2"
        first = await ada.ask("GET", path)
        await people[0].leave(conversation_id)  # who was on the first page
        await people[0].join(conversation_id)  # and comes back at the end
        second = await ada.ask("GET", f"{path}&after={first['after']}")
        third = await ada.ask("GET", f"{path}&after={second['after']}")
        pages = [
            [each["participantId"] for each in page["participants"]]
            for page in (first, second, third)
        ]
        ids = [ada.id, *(each.id for each in people)]
        assert pages == [ids[:2], ids[2:4], [ids[4], ids[5]]]
        fourth = await ada.ask("GET", f"{path}&after={third['after']}")
        assert [each["participantId"] for each in fourth["participants"]] == [people[0].id]
        assert (fourth["after"], fourth["participant_count"]) == (None, 6)

    async def test_it_is_for_those_who_may_read_it(self, server: ServerProcess) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(bob, permissions={"read_members": "moderator"})
        path = f"/chat/{conversation_id}/participants"
        refusal(await bob.call("GET", path), 403, "FORBIDDEN")
        refusal(await cleo.call("GET", path), 404, "NOT_FOUND")
        response = await ada.call("GET", f"{path}?after=nothing")
        problem = response.json()["problem"]
        refusal(response, 400, "MALFORMED_REQUEST", problem=problem)


class TestSlowMode:
    async def test_a_member_is_told_when_to_come_back_and_a_moderator_is_not_held(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob, slow_mode=3600)
        path = f"/chat/{conversation_id}/messages"
        await bob.say(conversation_id, "one")
        response = await bob.call("POST", path, {"content": "two"})
        body = refusal_for_now(response, 429, "SLOW_MODE", "participant", seconds=3600)
        assert 3600 - PATIENCE < body["retry_after"] <= 3600
        await ada.say(conversation_id, "one")
        await ada.say(conversation_id, "two")
        await ada.ask("PATCH", f"/chat/{conversation_id}", {"slow_mode": 0})
        assert (await bob.see(conversation_id))["slow_mode"] == 0
        await bob.say(conversation_id, "two")

    async def test_a_reaction_is_no_message_after_a_restart_either(
        self, own_server: ServerProcess
    ) -> None:
        ada, bob = await guests(own_server, "Ada", "Bob")
        conversation_id = await ada.create(bob, slow_mode=3600)
        sent = await ada.say(conversation_id, "one")
        path = f"/chat/{conversation_id}/messages/{sent['message_id']}/reactions/:tada:"
        await bob.ask("PUT", path)
        own_server.stop()
        own_server.start()
        await bob.say(conversation_id, "two")

    async def test_it_holds_over_a_restart(self, own_server: ServerProcess) -> None:
        ada, bob = await guests(own_server, "Ada", "Bob")
        conversation_id = await ada.create(bob, slow_mode=3600)
        await bob.say(conversation_id, "one")
        own_server.stop()
        own_server.start()
        path = f"/chat/{conversation_id}/messages"
        response = await bob.call("POST", path, {"content": "two"})
        refusal_for_now(response, 429, "SLOW_MODE", "participant", seconds=3600)


class TestAudit:
    async def test_what_members_do_to_members_is_in_the_audit_also_where_it_was_refused(
        self, server: ServerProcess
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(bob, cleo)
        await ada.ask("PUT", of(conversation_id, bob, "/mute"), {})
        refused = await bob.call("DELETE", of(conversation_id, cleo))
        refusal(refused, 403, "FORBIDDEN")
        await ada.ask("PUT", of(conversation_id, bob, "/ban"), {})
        deeds = (await admin(server).ask("GET", "/admin/audit"))["deeds"]
        mine = [
            (each["operator_id"], each["action"], each["target"], each["outcome"])
            for each in deeds
            if conversation_id in each["target"]
        ]
        assert mine == [
            (ada.id, "Mute", f"{bob.id} in {conversation_id}", "done"),
            (bob.id, "Remove", f"{cleo.id} in {conversation_id}", "FORBIDDEN"),
            (ada.id, "Ban", f"{bob.id} in {conversation_id}", "done"),
        ]


async def test_a_ban_that_ends_by_itself_lets_them_in_again(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    until = datetime.now(UTC) + timedelta(milliseconds=500)
    await ada.ask("PUT", of(conversation_id, bob, "/ban"), {"until": until.isoformat()})
    status = 403
    while status == 403:
        response = await bob.call("POST", f"/chat/{conversation_id}/join")
        status = response.status_code
    assert status == 200, response.text
    assert datetime.now(UTC) >= until


async def test_somebody_unknown_is_not_found(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    nobody = f"/chat/{conversation_id}/participants/no/body"
    for method, path, body in (
        ("DELETE", nobody, None),
        ("PUT", f"{nobody}/mute", {}),
        ("POST", f"{nobody}/role", {"role": "member"}),
    ):
        refusal(await ada.call(method, path, body), 404, "NOT_FOUND")
    await ada.ask("PUT", f"{nobody}/ban", {})
    (ban,) = (await ada.ask("GET", f"/chat/{conversation_id}/bans"))["bans"]
    assert ban["participant"]["id"] == "no/body"
