"""Coming in: by invites, by asking, and where two people talk alone."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from tests.person import Person, guest, guests
from tests.server import ServerProcess
from tests.shape import ID, TIMESTAMP, refusal


async def invite(who: Person, conversation_id: str, **fields: Any) -> dict[str, Any]:
    return await who.ask("POST", f"/chat/{conversation_id}/invites", fields)


class TestInvites:
    async def test_a_link_brings_somebody_in_where_one_comes_by_invitation_only(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(join="invite")
        made = await invite(ada, conversation_id, role="observer", max_uses=3, expires_in=60)
        assert made == {
            "invite_id": ID,
            "code": ID,
            "url": f"/invites/{made['code']}",
            "role": "observer",
            "by": ada.id,
            "created_at": TIMESTAMP,
            "expires_at": TIMESTAMP,
            "max_uses": 3,
            "uses": 0,
        }
        joined = await bob.ask("POST", made["url"])
        assert joined == {"success": True, "conversation": await bob.see(conversation_id)}
        event = (await ada.history(conversation_id))[-1]
        assert (event["participant"], event["role"], event["invited_by"], event["invite_id"]) == (
            *(bob.shown(), "observer", ada.id, made["invite_id"]),
        )
        (listed,) = (await ada.ask("GET", f"/chat/{conversation_id}/invites"))["invites"]
        assert listed == {**{k: v for k, v in made.items() if k not in ("code", "url")}, "uses": 1}

    async def test_the_code_is_in_no_event_and_in_no_list(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(bob)
        made = await invite(ada, conversation_id)
        for path in (f"/chat/{conversation_id}/messages", f"/chat/{conversation_id}/invites"):
            assert made["code"] not in (await ada.call("GET", path)).text
        refusal(await bob.call("POST", f"/invites/{made['invite_id']}"), 404, "NOT_FOUND")

    async def test_of_two_at_once_a_last_use_lets_one_in(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create(join="invite")
        made = await invite(ada, conversation_id, max_uses=2)
        statuses: list[int] = []

        async def come(who: Person) -> None:
            statuses.append((await who.call("POST", made["url"])).status_code)

        async with trio.open_nursery() as nursery:
            for who in await guests(server, *(f"Racer {number}" for number in range(6))):
                nursery.start_soon(come, who)
        assert sorted(statuses) == [200, 200, 410, 410, 410, 410]
        assert (await ada.see(conversation_id))["participant_count"] == 3

    @pytest.mark.parametrize("end", ["used up", "revoked by code", "revoked by id", "expired"])
    async def test_what_is_over_says_so_and_what_never_was_is_not_found(
        self, server: ServerProcess, end: str
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(join="invite")
        path = f"/chat/{conversation_id}/invites"
        fields = {"used up": {"max_uses": 1}, "expired": {"expires_in": 1}}.get(end, {})
        made = await invite(ada, conversation_id, **fields)
        match end:
            case "used up":
                await bob.ask("POST", made["url"])
            case "revoked by code":
                await ada.ask("DELETE", f"{path}/{made['code']}")
            case "revoked by id":
                await ada.ask("DELETE", f"{path}/{made['invite_id']}")
            case _:
                while (await ada.ask("GET", path))["invites"]:
                    pass
        refusal(await cleo.call("POST", made["url"]), 410, "INVITE_EXPIRED")
        refusal(await cleo.call("POST", "/invites/nothing"), 404, "NOT_FOUND")
        assert (await ada.ask("GET", path))["invites"] == []

    async def test_it_is_over_also_after_a_restart(self, own_server: ServerProcess) -> None:
        ada, bob = await guests(own_server, "Ada", "Bob")
        conversation_id = await ada.create(join="invite")
        over, still = [await invite(ada, conversation_id) for _ in range(2)]
        await ada.ask("DELETE", f"/chat/{conversation_id}/invites/{over['code']}")
        own_server.stop()
        own_server.start()
        refusal(await bob.call("POST", over["url"]), 410, "INVITE_EXPIRED")
        await bob.ask("POST", still["url"])

    async def test_members_list_and_revoke_their_own_and_moderators_all(
        self, server: ServerProcess
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        conversation_id = await ada.create(bob)
        body = {"participant": cleo.entry(role="moderator")}
        await ada.ask("POST", f"/chat/{conversation_id}/join", body)
        path = f"/chat/{conversation_id}/invites"
        made = {who.id: await invite(who, conversation_id) for who in (ada, bob)}
        listed = {
            who.id: [each["by"] for each in (await who.ask("GET", path))["invites"]]
            for who in (bob, cleo)
        }
        assert listed == {bob.id: [bob.id], cleo.id: [ada.id, bob.id]}
        other = f"{path}/{made[ada.id]['invite_id']}"
        refusal(await bob.call("DELETE", other), 403, "FORBIDDEN")
        await cleo.ask("DELETE", other)

    @pytest.mark.parametrize(
        "body",
        [
            {"expires_in": 0},
            {"expires_in": 1 << 40},
            {"max_uses": 0},
            {"max_uses": 10_001},
            {"role": "owner"},
            {"role": "king"},
        ],
    )
    async def test_an_invite_that_cannot_be_is_not_made(
        self, server: ServerProcess, body: dict[str, Any]
    ) -> None:
        ada = await guest(server, "Ada")
        response = await ada.call("POST", f"/chat/{await ada.create()}/invites", body)
        assert response.status_code == 400
        assert next(iter(body)) in response.json()["problem"]


class TestRequests:
    async def test_who_asks_is_seen_by_who_is_there_and_let_in_by_who_may_invite(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(join="invite")
        path = f"/chat/{conversation_id}/join-requests"
        async with ada.tab(conversation_id) as there:
            response = await bob.call("POST", path, {"reason": "I know you."})
            assert (response.status_code, response.json()) == (
                201,
                {"status": "pending", "conversation_id": conversation_id},
            )
            assert (await bob.call("POST", path)).status_code == 200
            asked = await there.until("join_requested")
            assert (asked["participant"], asked["reason"]) == (bob.shown(), "I know you.")
        (listed,) = (await ada.ask("GET", path))["join_requests"]
        assert listed == {
            "participant": bob.shown(),
            "requested_at": TIMESTAMP,
            "reason": "I know you.",
        }
        refusal(await bob.call("GET", path), 404, "NOT_FOUND")
        await ada.ask("POST", f"{path}/{bob.id}/approve")
        assert (await bob.see(conversation_id))["participant_count"] == 2
        assert (await ada.ask("GET", path))["join_requests"] == []

    async def test_who_is_denied_is_told_no_when_they_ask_again(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create(join="invite")
        path = f"/chat/{conversation_id}/join-requests"
        await bob.ask("POST", path)
        await ada.ask("POST", f"{path}/{bob.id}/deny", {"reason": "No."})
        refusal(await bob.call("POST", path), 403, "FORBIDDEN")
        refusal(await ada.call("POST", f"{path}/{bob.id}/approve"), 404, "NOT_FOUND")
        event = (await ada.history(conversation_id))[-1]
        assert (event["type"], event["participant_id"], event["reason"]) == (
            *("join_denied", bob.id, "No."),
        )


class TestDirect:
    async def test_two_people_have_one_conversation_whoever_opens_it_and_however_often(
        self, server: ServerProcess
    ) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        response = await ada.call("POST", "/chat/direct", {"user_id": bob.id, "name": "Bob"})
        opened = response.json()
        assert response.status_code == 201
        assert opened["participants"] == [ada.shown(), bob.shown()]
        again = await bob.call("POST", "/chat/direct", {"user_id": ada.id})
        assert (again.status_code, again.json()) == (200, opened)
        conversation_id = opened["conversation_id"]
        await bob.say(conversation_id, "hello")
        seen = await ada.see(conversation_id)
        assert (seen["direct"], seen["message_count"]) == (True, 1)

    async def test_both_at_once_get_the_same(self, server: ServerProcess) -> None:
        for _ in range(5):
            ada, bob = await guests(server, "Ada", "Bob")
            ids: set[str] = set()

            async def open_with(who: Person, other: Person, ids: set[str] = ids) -> None:
                found = await who.ask("POST", "/chat/direct", {"user_id": other.id})
                ids.add(found["conversation_id"])

            async with trio.open_nursery() as nursery:
                for _ in range(3):
                    nursery.start_soon(open_with, ada, bob)
                    nursery.start_soon(open_with, bob, ada)
            assert len(ids) == 1
            kinds = [event["type"] for event in await ada.history(ids.pop())]
            assert kinds.count("conversation_created") == 1

    async def test_it_is_the_same_after_a_restart(self, own_server: ServerProcess) -> None:
        ada, bob = await guests(own_server, "Ada", "Bob")
        before = await ada.ask("POST", "/chat/direct", {"user_id": bob.id})
        own_server.stop()
        own_server.start()
        assert await bob.ask("POST", "/chat/direct", {"user_id": ada.id}) == before

    async def test_nobody_comes_in_or_leaves_and_others_find_nothing(
        self, server: ServerProcess
    ) -> None:
        ada, bob, cleo = await guests(server, "Ada", "Bob", "Cleo")
        opened = await ada.ask("POST", "/chat/direct", {"user_id": bob.id})
        path = f"/chat/{opened['conversation_id']}"
        refusal(await ada.call("DELETE", f"{path}/leave"), 403, "DIRECT_CONVERSATION")
        body = {"participant": cleo.entry()}
        refusal(await ada.call("POST", f"{path}/join", body), 403, "DIRECT_CONVERSATION")
        refusal(await ada.call("POST", f"{path}/invites", {}), 403, "DIRECT_CONVERSATION")
        for method, end, sent in (
            ("POST", "/join", {}),
            ("POST", "/join-requests", {}),
            ("POST", "/messages", {"content": "a"}),
            ("POST", "/read", {"sequence_id": 1}),
            ("DELETE", "/leave", None),
            ("GET", "/messages", None),
            ("GET", f"/ws/{opened['conversation_id']}", None),
        ):
            response = await cleo.call(method, f"{path}{end}", sent)
            refusal(response, 404, "NOT_FOUND")

    async def test_with_oneself_nobody_talks(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        response = await ada.call("POST", "/chat/direct", {"user_id": ada.id})
        refusal(response, 400, "MALFORMED_REQUEST", problem=response.json()["problem"])
