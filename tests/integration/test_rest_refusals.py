"""HTTP, where it says no: every route's refusals, each with what a client needs to go on."""

from __future__ import annotations

from typing import Any

import pytest

from tests.person import guest, guests
from tests.raw import open_line, request
from tests.server import ServerProcess, api
from tests.shape import refusal

SOMEWHERE = "A" * 22  # looks like a conversation's id and is none

ROUTES = [  # all that ask who one is
    ("POST", "/chat/create"),
    ("GET", "/chat/my-conversations"),
    ("GET", f"/chat/conversations/{SOMEWHERE}"),
    ("POST", f"/chat/{SOMEWHERE}/join"),
    ("DELETE", f"/chat/{SOMEWHERE}/leave"),
    ("POST", f"/chat/{SOMEWHERE}/messages"),
    ("GET", f"/chat/{SOMEWHERE}/messages"),
    ("POST", f"/chat/{SOMEWHERE}/read"),
    ("GET", "/auth/me"),
    ("POST", "/auth/session"),
    ("POST", "/auth/ticket"),
    ("POST", "/auth/logout"),
]

WITH_BODY = [
    "/chat/create",
    f"/chat/{SOMEWHERE}/join",
    f"/chat/{SOMEWHERE}/messages",
    f"/chat/{SOMEWHERE}/read",
    "/auth/guest",
    "/auth/recover",
]

NO_OBJECT: list[bytes] = [
    b"{",
    b"nonsense",
    b"[]",
    b'"text"',
    b"null",
    b'{"a":1}x',
    b"\xff\xfe",
    b'{"title":"\\ud800","content":"\\ud800","recovery_code":"\\ud800","name":"\\ud800"}',
]


class TestWithoutIdentity:
    @pytest.mark.parametrize(("method", "path"), ROUTES)
    @pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic dGVzdA==", "Bearer", ""])
    async def test_whoever_says_nothing_or_nothing_true_is_asked_who_they_are(
        self, server: ServerProcess, method: str, path: str, header: str | None
    ) -> None:
        headers = {} if header is None else {"Authorization": header}
        response = await api(server, method, path, headers=headers)
        refusal(response, 401, "UNAUTHENTICATED")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="salon"'

    @pytest.mark.parametrize(
        ("headers", "said"),
        [
            ({}, "send 'Authorization: Bearer TOKEN'"),
            ({"Authorization": "wrong"}, "send 'Authorization: Bearer TOKEN'"),
            (
                {"Authorization": "Bearer wrong"},
                "this token is not one of this server, or has ended",
            ),
            ({"Cookie": "salon_session=wrong"}, "this session is not one of this server, or has"),
        ],
    )
    async def test_they_are_told_what_was_wrong(
        self, server: ServerProcess, headers: dict[str, str], said: str
    ) -> None:
        body = refusal(
            await api(server, "GET", "/auth/me", headers=headers), 401, "UNAUTHENTICATED"
        )
        assert said in body["error"]

    async def test_a_wrong_recovery_code_brings_nobody_back(self, server: ServerProcess) -> None:
        for code in ("wrong", "-".join(["ABCD"] * 7)):
            response = await api(server, "POST", "/auth/recover", json={"recovery_code": code})
            body = refusal(response, 401, "UNAUTHENTICATED")
            assert "no guest has this recovery code" in body["error"]


class TestBodies:
    @pytest.mark.parametrize("path", WITH_BODY)
    @pytest.mark.parametrize("data", NO_OBJECT)
    async def test_what_is_no_json_object_is_refused(
        self, server: ServerProcess, path: str, data: bytes
    ) -> None:
        malformed(await (await guest(server, "Ada")).call("POST", path, content=data))

    @pytest.mark.parametrize("path", WITH_BODY)
    async def test_what_is_nested_too_deep_is_refused(
        self, server: ServerProcess, path: str
    ) -> None:
        deep = b'{"metadata":' + b"[" * 40 + b"]" * 40 + b"}"
        response = await (await guest(server, "Ada")).call("POST", path, content=deep)
        assert "deeper than 32" in malformed(response)

    @pytest.mark.parametrize("path", WITH_BODY)
    async def test_what_is_too_large_is_refused_before_it_is_read(
        self, server: ServerProcess, path: str
    ) -> None:
        ada = await guest(server, "Ada")
        response = await ada.call("POST", path, {"title": "x" * 300_000})
        refusal(response, 413, "BODY_TOO_LARGE", max_size=262_144)

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ({}, "title"),
            ({"title": None}, "title"),
            ({"title": 5}, "title"),
            ({"title": ""}, "title"),
            ({"title": " \t\n"}, "title"),
            ({"title": "\u200b\u2800"}, "title"),
            ({"title": "x" * 201}, "title"),
            ({"title": "a", "participants": {}}, "participants"),
            ({"title": "a", "participants": [{"name": "Bob"}]}, "user_id"),
            ({"title": "a", "participants": [{"user_id": ""}]}, "user_id"),
            ({"title": "a", "participants": [{"user_id": 7}]}, "user_id"),
            ({"title": "a", "participants": [{"user_id": "has space"}]}, "user_id"),
            ({"title": "a", "participants": [{"user_id": "x" * 129}]}, "user_id"),
            ({"title": "a", "participants": [{"user_id": "b", "name": " "}]}, "name"),
            ({"title": "a", "participants": [{"user_id": "b", "name": "x" * 101}]}, "name"),
            ({"title": "a", "participants": [{"user_id": "b", "type": "robot"}]}, "type"),
            ({"title": "a", "participants": [{"user_id": "b", "role": "owner"}]}, "role"),
            ({"title": "a", "participants": [{"user_id": f"u{n}"} for n in range(10)]}, "10"),
            ({"title": "a", "participants": [{"user_id": f"u{n}"} for n in range(11)]}, "10"),
            ({"title": "a", "mode": "shout"}, "mode"),
            ({"title": "a", "join": "nobody"}, "join"),
            ({"title": "a", "sites": ["x"] * 101}, "sites"),
            ({"title": "a", "members_invite": "yes"}, "members_invite"),
            ({"title": "a", "metadata": []}, "metadata"),
            ({"title": "a", "metadata": {"a": "x" * 5000}}, "4096"),
        ],
    )
    async def test_a_conversation_that_cannot_be_is_not_made(
        self, server: ServerProcess, body: Any, problem: str
    ) -> None:
        ada = await guest(server, "Ada")
        assert problem in malformed(await ada.call("POST", "/chat/create", body))
        assert (await ada.ask("GET", "/chat/my-conversations"))["total"] == 0

    @pytest.mark.parametrize(
        ("body", "problem"),
        [
            ({}, "content"),
            ({"content": 7}, "content"),
            ({"content": "a", "client_message_id": ""}, "client_message_id"),
            ({"content": "a", "client_message_id": "x" * 129}, "client_message_id"),
            ({"content": "a", "client_message_id": 5}, "client_message_id"),
            ({"content": "a", "reply_to": ""}, "reply_to"),
            ({"content": "a", "metadata": "x"}, "metadata"),
            ({"content": "a", "metadata": {"a": "x" * 5000}}, "4096"),
        ],
    )
    async def test_a_message_that_cannot_be_is_not_taken(
        self, server: ServerProcess, body: Any, problem: str
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        response = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
        assert problem in malformed(response)
        assert (await ada.see(conversation_id))["message_count"] == 0

    @pytest.mark.parametrize(
        "content", ["", " ", "\n", " \t\r\n\u2003", "\u200b\ufeff", "\0\x1b", "\u2800"]
    )
    async def test_a_message_that_shows_nothing_is_refused_as_blank(
        self, server: ServerProcess, content: str
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        for key in ({}, {"client_message_id": "k"}):
            body = {"content": content} | key
            response = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
            refusal(response, 400, "INVALID_FORMAT", problem="content: is blank", **key)
        assert (await ada.see(conversation_id))["message_count"] == 0

    @pytest.mark.parametrize("key", ["x" * 129, ""])
    async def test_a_key_in_the_header_has_the_same_bounds(
        self, server: ServerProcess, key: str
    ) -> None:
        ada = await guest(server, "Ada")
        path = f"/chat/{await ada.create()}/messages"
        response = await ada.call("POST", path, {"content": "a"}, headers={"Idempotency-Key": key})
        assert "Idempotency-Key" in malformed(response)

    async def test_a_header_and_a_field_that_name_different_keys_are_refused(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        path = f"/chat/{await ada.create()}/messages"
        body = {"content": "a", "client_message_id": "k1"}
        response = await ada.call("POST", path, body, headers={"Idempotency-Key": "k2"})
        assert "different keys" in malformed(response)

    async def test_so_are_the_two_names_of_a_key_where_they_differ(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        path = f"/chat/{await ada.create()}/messages"
        body = {"content": "a", "client_message_id": "k1", "message_id": "k2"}
        assert "different keys" in malformed(await ada.call("POST", path, body))
        response = await ada.call(
            "POST", path, {"content": "a", "message_id": "k1"}, headers={"Idempotency-Key": "k2"}
        )
        assert "different keys" in malformed(response)

    async def test_a_reply_to_who_came_and_who_went_is_refused(self, server: ServerProcess) -> None:
        ada, bob = await guests(server, "Ada", "Bob")
        conversation_id = await ada.create()
        await bob.call("POST", f"/chat/{conversation_id}/join")
        said = await bob.say(conversation_id, "hello")
        await bob.call("DELETE", f"/chat/{conversation_id}/leave")
        kinds = [event["type"] for event in await ada.history(conversation_id)]
        assert kinds[1:] == ["participant_joined", "message", "participant_left"]
        for sequence, kind in enumerate(kinds, 1):
            body = {"content": "a", "reply_to": f"{conversation_id}-{sequence}"}
            response = await ada.call("POST", f"/chat/{conversation_id}/messages", body)
            if kind == "message":
                assert response.status_code == 201
                assert body["reply_to"] == said["message_id"]
            else:
                problem = "reply_to names no message of this conversation"
                refusal(response, 400, "INVALID_FORMAT", problem=problem)

    @pytest.mark.parametrize("other", ["", "-1", "-2", "-99", "x-2", "é"])
    async def test_a_reply_has_to_name_a_message_of_the_same_conversation(
        self, server: ServerProcess, other: str
    ) -> None:
        ada = await guest(server, "Ada")
        here, there = await ada.create(), await ada.create()
        said = await ada.say(there, "elsewhere")
        names = {"": said["message_id"], "-1": f"{here}-1", "-2": f"{here}-2", "-99": f"{here}-99"}
        body = {"content": "a", "reply_to": names.get(other, other)}
        response = await ada.call("POST", f"/chat/{here}/messages", body)
        problem = "reply_to names no message of this conversation"
        refusal(response, 400, "INVALID_FORMAT", problem=problem)

    @pytest.mark.parametrize(
        "body", [{}, {"sequence_id": -1}, {"sequence_id": "5"}, {"sequence_id": 1 << 53}]
    )
    async def test_a_read_position_has_to_be_a_place(
        self, server: ServerProcess, body: Any
    ) -> None:
        ada = await guest(server, "Ada")
        response = await ada.call("POST", f"/chat/{await ada.create()}/read", body)
        assert "sequence_id" in malformed(response)

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "offset=-1", "offset=x"])
    async def test_a_page_of_the_list_has_to_be_one(
        self, server: ServerProcess, query: str
    ) -> None:
        ada = await guest(server, "Ada")
        response = await ada.call("GET", f"/chat/my-conversations?{query}")
        assert query.partition("=")[0] in malformed(response)

    @pytest.mark.parametrize("name", ["", " \n", "x" * 101, 5])
    async def test_a_guest_has_to_have_a_name_that_can_be_shown(
        self, server: ServerProcess, name: Any
    ) -> None:
        response = await api(server, "POST", "/auth/guest", json={"name": name})
        assert "name" in malformed(response)


class TestAddresses:
    @pytest.mark.parametrize("path", ["/nothing", "/chat", "/chat/create/more", "/auth"])
    async def test_what_is_nowhere_is_not_found(self, server: ServerProcess, path: str) -> None:
        refusal(await api(server, "GET", path), 404, "NOT_FOUND")

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "/chat/create"),
            ("PUT", "/chat/my-conversations"),
            ("PUT", f"/chat/{SOMEWHERE}/messages"),
            ("GET", "/auth/logout"),
        ],
    )
    async def test_another_method_is_refused(
        self, server: ServerProcess, method: str, path: str
    ) -> None:
        refusal(await api(server, method, path), 405, "METHOD_NOT_ALLOWED")


def malformed(response: Any) -> str:
    """What is said to be wrong with the request."""
    problem: str = response.json().get("problem", "")
    body = refusal(response, 400, "MALFORMED_REQUEST", problem=problem)
    assert problem in body["error"]
    return problem


class TestConnections:
    async def test_a_refused_body_that_comes_late_is_taken_and_the_connection_goes_on(
        self, server: ServerProcess
    ) -> None:
        asking = request(
            "POST", "/chat/create", Content_Type="application/json", Content_Length="2"
        )
        async with open_line(server.url) as line:
            await line.send(asking)
            # Meanwhile another request goes through, so that this one's head has been read for sure.
            assert (await api(server, "GET", "/health")).status_code == 200
            await line.send(b"{}")
            answer = await line.answer()
            assert (answer.status, "connection" in answer.headers) == (401, False)
            await line.send(request("GET", "/health"))
            assert (await line.answer()).status == 200

    async def test_where_it_does_not_come_the_client_is_told_that_the_connection_ends(
        self, server: ServerProcess
    ) -> None:
        async with open_line(server.url) as line:
            await line.send(request("POST", "/auth/logout", Content_Length="2"))
            answer = await line.answer()
            assert (answer.status, answer.headers["connection"]) == (401, "close")
            assert await line.end() == b""
