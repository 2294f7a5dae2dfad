"""The handshake of a WebSocket: who is refused before the upgrade, and how."""

from __future__ import annotations

from collections.abc import Iterator

import httpx2
import pytest
import trio

from salon.web.client import Refused
from tests.person import PATIENCE, UPGRADE, Person, admin, agent, guest, guests, open_tab
from tests.server import ServerProcess, api
from tests.shape import ID, refusal, refusal_for_now

SOMEWHERE = "A" * 22


@pytest.fixture(scope="module")
def choosy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that lets in pages of one more origin, and two sockets of each person, five from one address."""
    settings = {
        "SERVER__ALLOWED_ORIGINS": "https://chat.example",
        "LIMITS__CONNECTIONS_PER_PERSON": "2",
        "LIMITS__CONNECTIONS_PER_ADDRESS": "5",
    }
    server = ServerProcess(tmp_path_factory.mktemp("choosy"), **settings)
    yield server
    assert server.stop() == 0, server.log


async def knock(
    server: ServerProcess, conversation_id: str, query: str = "", **headers: str
) -> httpx2.Response:
    """A handshake by hand, which has to be refused: the answer is then an ordinary one."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    path = f"/chat/ws/{conversation_id}{query}"
    return await api(server, "GET", path, headers=UPGRADE | headers)


def bearer(who: Person) -> str:
    return f"Bearer {who.token}"


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic dGVzdA==", "Bearer"])
async def test_whoever_does_not_say_who_they_are_is_refused(
    server: ServerProcess, header: str | None
) -> None:
    conversation_id = await (await guest(server, "Ada")).create()
    headers = {} if header is None else {"Authorization": header}
    refusal(await knock(server, conversation_id, **headers), 401, "UNAUTHENTICATED")
    refusal(await knock(server, SOMEWHERE, **headers), 401, "UNAUTHENTICATED")


async def test_a_conversation_that_is_not_is_refused(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    for conversation_id in (SOMEWHERE, "x", "-"):
        response = await knock(server, conversation_id, Authorization=bearer(ada))
        refusal(response, 404, "NOT_FOUND")


async def test_whoever_is_no_member_is_refused_even_an_admin(server: ServerProcess) -> None:
    ada, bob = await guests(server, "Ada", "Bob")
    conversation_id = await ada.create(bob)
    await bob.leave(conversation_id)
    for who in (bob, await guest(server, "Cleo"), admin(server)):
        response = await knock(server, conversation_id, Authorization=bearer(who))
        refusal(response, 403, "FORBIDDEN")


@pytest.mark.parametrize("given", ["-1", "x", "", "1.0", "9007199254740992", "٣", "9" * 400])
async def test_a_place_to_resume_from_has_to_be_one(server: ServerProcess, given: str) -> None:
    ada = await guest(server, "Ada")
    query = f"?last_sequence_id={given}"
    response = await knock(server, await ada.create(), query, Authorization=bearer(ada))
    problem = "last_sequence_id has to be a whole number, 0 or more"
    refusal(response, 400, "MALFORMED_REQUEST", problem=problem)


@pytest.mark.parametrize("name", ["token", "access_token", "Token", "jwt", "authorization"])
async def test_a_token_in_the_address_is_refused_though_it_is_good(
    server: ServerProcess, name: str
) -> None:
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    query = f"?{name}={ada.token}"
    refusal(await knock(server, conversation_id, query), 401, "UNAUTHENTICATED")
    response = await knock(server, conversation_id, query, Authorization=bearer(ada))
    assert "send it in a header" in refusal(response, 401, "UNAUTHENTICATED")["error"]


class TestOrigins:
    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "", "http://127.0.0.1", "http://localhost:1"]
    )
    async def test_a_page_from_elsewhere_is_refused(
        self, server: ServerProcess, origin: str
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        response = await knock(server, conversation_id, Origin=origin, Authorization=bearer(ada))
        refusal(response, 403, "ORIGIN_NOT_ALLOWED")
        cookie = f"salon_session={ada.token}"
        response = await knock(server, conversation_id, Origin=origin, Cookie=cookie)
        refusal(response, 403, "ORIGIN_NOT_ALLOWED")

    async def test_a_page_of_the_server_itself_is_let_in_by_its_cookie(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        url = ada.socket_url(await ada.create())
        headers = {"Origin": server.url, "Cookie": f"salon_session={ada.token}"}
        async with open_tab(url, headers) as tab:
            assert (await tab.next())["participant_id"] == ada.id

    async def test_pages_of_other_origins_are_let_in_where_the_operator_says_so(
        self, choosy: ServerProcess
    ) -> None:
        ada = await guest(choosy, "Ada")
        conversation_id = await ada.create()
        url, headers = ada.socket_url(conversation_id), {"Authorization": bearer(ada)}
        async with open_tab(url, headers | {"Origin": "https://chat.example"}) as tab:
            assert (await tab.next())["type"] == "connected"
        response = await knock(
            choosy, conversation_id, Origin="https://chat.example.evil", Authorization=bearer(ada)
        )
        refusal(response, 403, "ORIGIN_NOT_ALLOWED")


class TestTickets:
    async def test_a_ticket_lets_in_whoever_it_was_given_to_once(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        ticket = (await ada.ask("POST", "/auth/ticket"))["ticket"]
        url = f"{ada.socket_url(conversation_id)}?ticket={ticket}"
        async with open_tab(url, {"Origin": server.url}) as tab:
            assert (await tab.next())["participant_id"] == ada.id
        refusal(await knock(server, conversation_id, f"?ticket={ticket}"), 401, "UNAUTHENTICATED")
        for wrong in ("", "x", "A" * 22, ada.token):
            response = await knock(server, conversation_id, f"?ticket={wrong}")
            body = refusal(response, 401, "UNAUTHENTICATED")
            assert "get a new one from POST /auth/ticket" in body["error"]

    async def test_a_ticket_goes_with_a_place_to_resume_from(self, server: ServerProcess) -> None:
        bot = agent(server)
        conversation_id = await bot.create()
        ticket = (await bot.ask("POST", "/auth/ticket"))["ticket"]
        url = f"{bot.socket_url(conversation_id, 1)}&ticket={ticket}"
        async with open_tab(url, {}) as tab:
            assert (await tab.next())["resume"] == "complete"


class TestTooMany:
    async def test_one_person_has_so_many_sockets_and_no_more(self, choosy: ServerProcess) -> None:
        ada, bob = await guests(choosy, "Ada", "Bob")
        here, there = await ada.create(bob), await ada.create()
        async with ada.tab(here) as one, ada.tab(there) as two:
            response = await knock(choosy, here, Authorization=bearer(ada))
            refusal_for_now(response, 429, "TOO_MANY_CONNECTIONS", "participant", limit=2)
            async with bob.tab(here):  # each person has their own count
                pass
            assert await one.settle() == await two.settle() == []  # who was there stays
        async with ada.tab(here), ada.tab(there):  # closing gives the places back
            pass

    async def test_one_address_has_so_many_sockets_and_no_more(self, choosy: ServerProcess) -> None:
        ada, bob, cleo = await guests(choosy, "Ada", "Bob", "Cleo")
        room = await ada.create(bob, cleo)
        async with (
            ada.tab(room),
            ada.tab(room),
            bob.tab(room),
            bob.tab(room) as last,
            cleo.tab(room),
        ):
            response = await knock(choosy, room, Authorization=bearer(cleo))
            refusal_for_now(response, 429, "TOO_MANY_CONNECTIONS", "server", limit=5)
            await last.stream.aclose()  # not even a goodbye
            await ada.say(room, "let the server see that")
        async with cleo.tab(room), cleo.tab(room):
            pass


async def test_what_a_client_sends_before_it_is_answered_is_not_lost(
    server: ServerProcess,
) -> None:
    ada = await guest(server, "Ada")
    conversation_id = await ada.create()
    host = server.url.removeprefix("http://")
    lines = [f"GET /chat/ws/{conversation_id} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in UPGRADE.items()]
    head = "\r\n".join([*lines, f"Authorization: {bearer(ada)}", "", ""]).encode()
    text = b'{"type":"message","content":"early","client_message_id":"k1"}'
    frame = bytes((0x81, 0x80 | len(text), 0, 0, 0, 0)) + text  # masked, with zeros
    received = b""
    address, _, port = host.rpartition(":")
    with trio.fail_after(PATIENCE):
        async with await trio.open_tcp_stream(address, int(port)) as stream:
            await stream.send_all(head + frame[:20])
            await stream.send_all(frame[20:])
            while b'"message_ack"' not in received:
                data = await stream.receive_some()
                assert data, received
                received += data
    assert received.startswith(b"HTTP/1.1 101 ")
    assert b'"k1"' in received
    assert (await ada.see(conversation_id))["message_count"] == 1


async def test_no_compression_is_agreed_on(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    offer = {"Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits"}
    url = ada.socket_url(await ada.create())
    async with open_tab(url, offer | {"Authorization": bearer(ada)}) as tab:
        await tab.until("caught_up")
        names = {name.lower() for name, _ in tab.socket.handshake_headers}
        assert b"sec-websocket-extensions" not in names


async def test_an_upgrade_where_there_is_no_socket_is_refused(server: ServerProcess) -> None:
    response = await api(server, "GET", "/health", headers=UPGRADE)
    assert response.status_code in (400, 404)
    ada = await guest(server, "Ada")
    response = await ada.call("GET", f"/chat/ws/{await ada.create()}")
    problem = "a WebSocket is at this address: ask for one with 'Upgrade: websocket'"
    refusal(response, 400, "MALFORMED_REQUEST", problem=problem)


async def test_our_own_client_learns_the_refusal_too(server: ServerProcess) -> None:
    ada = await guest(server, "Ada")
    with pytest.raises(Refused) as caught:
        async with ada.client().socket(SOMEWHERE):
            pass
    assert (caught.value.status, caught.value.code) == (404, "NOT_FOUND")
    assert caught.value.id == ID
