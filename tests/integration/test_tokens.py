"""Tokens over HTTP: issuing, listing and revoking them, blocking people, and renewing the identity of an open socket."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx2

from tests.person import UPGRADE, Person, Tab, admin, guest, static
from tests.server import ServerProcess, api
from tests.shape import Like, refusal

Frame = dict[str, Any]


async def issued(server: ServerProcess, id: str, **fields: Any) -> tuple[Person, str]:
    """Somebody with a token that an operator has just issued, and its id."""
    body = {"id": id, "name": id.capitalize(), **fields}
    answer = await admin(server).call("POST", "/admin/tokens", body)
    assert answer.status_code == 201, answer.text
    given = answer.json()
    assert given.keys() == {"token", "token_id", "expires_at"}
    return static(server, given["token"], id, body["name"]), given["token_id"]


def seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def malformed(answer: httpx2.Response) -> None:
    refusal(answer, 400, "MALFORMED_REQUEST", problem=Like(r"(?s).+"))


async def is_out(who: Person) -> None:
    refusal(await who.call("GET", "/auth/me"), 401, "UNAUTHENTICATED")


class TestIssuing:
    async def test_a_token_is_somebodys_and_is_listed_without_itself(
        self, server: ServerProcess
    ) -> None:
        boss = admin(server)
        first, first_id = await issued(server, "tess")
        second, second_id = await issued(
            server, "tess", admin=True, agent=True, expires_in=90, name="Tess II"
        )
        me = {"id": "tess", "name": "Tess", "admin": False}
        assert await first.ask("GET", "/auth/me") == me | {"name": "Tess II"}  # one name at a time
        assert (await second.ask("GET", "/auth/me"))["admin"] is True
        page = await boss.ask("GET", "/admin/tokens?id=tess&limit=1")
        (newer,) = page["tokens"]
        assert newer["token_id"] == second_id
        assert (newer["admin"], newer["agent"], newer["issued_by"]) == (True, True, "admin")
        assert seconds(newer["issued_at"], newer["expires_at"]) == 90
        rest = await boss.ask("GET", f"/admin/tokens?id=tess&before={page['before']}")
        (older,) = rest["tokens"]
        assert older["token_id"] == first_id
        assert (older["revoked_at"], older["conversations"], rest["before"]) == (None, None, None)
        assert seconds(older["issued_at"], older["expires_at"]) == 30 * 86_400
        deeds = (await boss.ask("GET", "/admin/audit"))["deeds"]
        assert [each["outcome"] for each in deeds if each["target"] == "tess"][-1] == second_id
        assert first.token not in server.log

    async def test_a_limited_token_is_for_its_conversations(self, server: ServerProcess) -> None:
        boss = admin(server)
        one, other = await boss.create(title="One"), await boss.create(title="Other")
        for each in (one, other):
            await boss.ask("POST", f"/chat/{each}/join", {"participant": {"user_id": "lim"}})
        limited, _ = await issued(server, "lim", conversations=[one])
        assert (await limited.say(one, "x"))["sequence_id"]
        refusal(await limited.call("GET", f"/chat/conversations/{other}"), 404, "NOT_FOUND")
        listed = await limited.ask("GET", "/chat/my-conversations")
        assert [each["conversation_id"] for each in listed["conversations"]] == [one]
        # What is about all of a person is not for it.
        for method, path in (("GET", "/me/export"), ("DELETE", "/me"), ("GET", "/me/events")):
            refusal(await limited.call(method, path), 403, "FORBIDDEN")

    async def test_what_makes_no_sense_is_refused(self, server: ServerProcess) -> None:
        boss, ada = admin(server), await guest(server, "Ada")
        wrong: list[Any] = [
            {},
            {"id": "a b"},
            {"id": "x" * 129},
            {"id": "a", "name": " "},
            {"id": "a", "expires_in": 0},
            {"id": "a", "expires_in": 10**10},
            {"id": "a", "conversations": []},
            {"id": "a", "admin": True, "conversations": ["c"]},
        ]
        for body in wrong:
            malformed(await boss.call("POST", "/admin/tokens", body))
        refusal(await ada.call("POST", "/admin/tokens", {"id": "a"}), 403, "FORBIDDEN")
        refusal(await boss.call("DELETE", "/admin/tokens/none"), 404, "NOT_FOUND")
        malformed(await boss.call("DELETE", "/admin/tokens"))


class TestRevoking:
    async def test_one_token_ends_with_its_sockets_and_tickets_and_the_others_do_not(
        self, server: ServerProcess
    ) -> None:
        boss = admin(server)
        lost, lost_id = await issued(server, "rae")
        kept, _ = await issued(server, "rae")
        conversation_id = await lost.create()
        ticket = (await lost.ask("POST", "/auth/ticket"))["ticket"]
        async with lost.tab(conversation_id) as ended, kept.tab(conversation_id) as tab:
            assert (await boss.call("DELETE", f"/admin/tokens/{lost_id}")).status_code == 204
            assert await ended.closed() == (4500, "identity revoked")
            await tab.say("still here")
        await is_out(lost)
        path = f"/chat/ws/{conversation_id}"
        with_ticket = await api(server, "GET", f"{path}?ticket={ticket}", headers=UPGRADE)
        refusal(with_ticket, 401, "UNAUTHENTICATED")
        assert (await kept.call("GET", "/auth/me")).status_code == 200
        listed = (await boss.ask("GET", "/admin/tokens?id=rae"))["tokens"]
        assert [each["revoked_at"] is None for each in listed] == [True, False]

    async def test_all_of_a_person_end_and_a_new_one_holds_at_once(
        self, server: ServerProcess
    ) -> None:
        boss, visitor = admin(server), await guest(server, "Visitor")
        first, _ = await issued(server, visitor.id)
        conversation_id = await visitor.create()
        async with visitor.tab(conversation_id) as one, first.tab(conversation_id) as two:
            answer = await boss.call("DELETE", f"/admin/tokens?id={visitor.id}")
            assert answer.status_code == 204
            for tab in (one, two):
                assert await tab.closed() == (4500, "identity revoked")
        await is_out(visitor)
        await is_out(first)
        new, _ = await issued(server, visitor.id)
        async with new.tab(conversation_id) as tab:
            await tab.say("back")

    async def test_who_is_blocked_is_out_whatever_token_they_have_until_they_are_not(
        self, server: ServerProcess
    ) -> None:
        boss = admin(server)
        ben = static(server, "test_token_2", "test_user_2", "Ben")  # one that cannot be revoked
        path = f"/admin/people/{ben.id}/block"
        conversation_id = await ben.create()
        async with ben.tab(conversation_id) as tab:
            assert (await boss.call("PUT", path)).status_code == 204
            assert await tab.closed() == (4500, "identity revoked")
        await is_out(ben)
        people = (await boss.ask("GET", "/admin/blocked"))["people"]
        assert ben.id in [each["id"] for each in people]
        (alone,) = (await boss.ask("GET", f"/admin/blocked?id={ben.id}"))["people"]
        assert alone["id"] == ben.id
        malformed(await boss.call("POST", "/admin/tokens", {"id": ben.id}))
        assert (await boss.call("DELETE", path)).status_code == 204
        assert (await ben.call("GET", "/auth/me")).status_code == 200
        refusal(await boss.call("DELETE", path), 404, "NOT_FOUND")
        malformed(await boss.call("PUT", "/admin/people/admin/block"))

    async def test_it_outlives_a_restart_and_a_power_cut(self, own_server: ServerProcess) -> None:
        boss, gone = admin(own_server), await guest(own_server, "Gone")
        lost, lost_id = await issued(own_server, "rae")
        kept, _ = await issued(own_server, "kim")
        blocked, _ = await issued(own_server, "max")
        await boss.call("DELETE", f"/admin/tokens/{lost_id}")
        await boss.call("DELETE", f"/admin/tokens?id={gone.id}")
        await boss.call("PUT", "/admin/people/max/block")
        own_server.kill()
        own_server.start()
        for who in (lost, gone, blocked):
            await is_out(who)
        assert (await kept.call("GET", "/auth/me")).status_code == 200
        body = {"recovery_code": gone.recovery_code}
        back = await api(own_server, "POST", "/auth/recover", json=body)
        assert back.status_code == 200


class TestRenewing:
    async def test_a_socket_goes_on_with_a_new_token_or_ticket_and_ends_with_the_last(
        self, server: ServerProcess
    ) -> None:
        boss = admin(server)
        short, _ = await issued(server, "una", expires_in=30)
        long, long_id = await issued(server, "una", expires_in=3600)
        conversation_id = await short.create()
        async with short.tab(conversation_id) as tab:
            told = await tab.until("auth_expiring")
            await tab.send("auth", token=long.token)
            renewed = await tab.until("auth_ack")
            assert seconds(told["expires_at"], renewed["expires_at"]) > 3000
            ticket = (await long.ask("POST", "/auth/ticket"))["ticket"]
            await tab.send("auth", ticket=ticket)
            assert (await tab.until("auth_ack"))["expires_at"] == renewed["expires_at"]
            await tab.say("on the same socket")
            await boss.call("DELETE", f"/admin/tokens/{long_id}")
            assert await tab.closed() == (4500, "identity revoked")
        assert (await short.call("GET", "/auth/me")).status_code == 200

    async def test_a_token_that_is_wrong_or_somebody_elses_changes_nothing(
        self, server: ServerProcess
    ) -> None:
        una, _ = await issued(server, "una")
        other, _ = await issued(server, "other")
        conversation_id = await una.create()
        limited, _ = await issued(server, "una", conversations=["elsewhere"])
        ticket = (await una.ask("POST", "/auth/ticket"))["ticket"]
        async with una.tab(conversation_id) as tab:
            await tab.send("auth", ticket=ticket)
            await tab.until("auth_ack")
            for fields, code in (
                ({"token": "wrong"}, "UNAUTHENTICATED"),
                ({"ticket": ticket}, "UNAUTHENTICATED"),
                ({"token": other.token}, "FORBIDDEN"),
                ({"token": limited.token}, "NOT_FOUND"),
                ({}, "INVALID_FORMAT"),
                ({"token": una.token, "ticket": ticket}, "INVALID_FORMAT"),
                ({"token": 5}, "INVALID_FORMAT"),
            ):
                await refused(tab, code, **fields)
            assert (await tab.say("still here"))["sequence_id"]
        assert una.token not in server.log

    async def test_a_socket_without_a_new_token_ends_within_a_second(
        self, server: ServerProcess
    ) -> None:
        conversation_id = await admin(server).create(participants=[{"user_id": "una"}])
        una, _ = await issued(server, "una", expires_in=4)
        async with una.raw_tab(conversation_id) as tab:
            assert await tab.closed() == (4500, "identity expired")
        assert "auth_expiring" in [frame["type"] for frame in tab.frames]
        await is_out(una)


async def refused(tab: Tab, code: str, **fields: Any) -> None:
    await tab.send("auth", **fields)
    assert (await tab.until("error"))["code"] == code
