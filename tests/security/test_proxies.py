"""Addresses behind proxies on a real server: limits count clients, and no client chooses its own address."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.hostile_provider import CLIENT_ID, HostileProviders
from tests.person import UPGRADE, admin, open_tab
from tests.raw import open_line
from tests.server import ServerProcess, api
from tests.shape import refusal, refusal_for_now


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, hostile: HostileProviders
) -> Iterator[ServerProcess]:
    """A server that takes the tests' own machine for a proxy."""
    liar = {"client_id": CLIENT_ID, "issuer": f"{hostile.url}/liar"}
    running = ServerProcess(
        tmp_path_factory.mktemp("proxies"),
        AUTH__PROVIDERS=json.dumps({"liar": liar}),
        SERVER__TRUSTED_PROXIES="127.0.0.0/8, 10.0.0.0/8",
        LIMITS__GUESTS_PER_HOUR="1",
        LIMITS__CONNECTIONS_PER_ADDRESS="1",
    )
    yield running
    assert running.stop() == 0, running.log


async def enter(server: ServerProcess, **headers: str) -> int:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await api(server, "POST", "/auth/guest", json={}, headers=sent)
    return answer.status_code


async def test_each_client_has_its_own_limit_and_cannot_take_anothers(
    server: ServerProcess,
) -> None:
    assert await enter(server, x_forwarded_for="203.0.113.1") == 201
    assert await enter(server, x_forwarded_for="203.0.113.1") == 429
    assert await enter(server, x_forwarded_for="198.51.100.9, 203.0.113.1, 10.0.0.2") == 429
    assert await enter(server, forwarded="for=203.0.113.1;proto=https") == 429
    assert await enter(server, forwarded="for=203.0.113.2") == 201
    assert await enter(server, x_forwarded_for="203.0.113.2") == 429


@pytest.mark.parametrize("lane", ["fast", "usual"])
async def test_sockets_are_counted_by_the_clients_address(server: ServerProcess, lane: str) -> None:
    boss = admin(server)
    conversation_id = await boss.create()
    headers = {"Authorization": f"Bearer {boss.token}", "X-Forwarded-For": f"{lane}, 203.0.113.3"}
    if lane == "usual":  # a repeated header is nothing for the fast lane
        headers |= {"Sec-WebSocket-Protocol": "x"}
    path = f"/chat/ws/{conversation_id}"
    async with open_tab(f"{server.ws_url}{path}", headers) as tab:
        await tab.until("caught_up")
        ((row),) = (await boss.ask("GET", "/admin/connections"))["connections"]
        assert row["address"] == "203.0.113.3"
        second = await api(server, "GET", path, headers=UPGRADE | headers)
        refusal_for_now(second, 429, "TOO_MANY_CONNECTIONS", "server", limit=1)
        other = UPGRADE | headers | {"X-Forwarded-For": "203.0.113.4"}
        assert (await api(server, "GET", path, headers=other)).status_code == 101


async def test_without_the_setting_nobody_is_believed(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(LIMITS__GUESTS_PER_HOUR="1")
    assert await enter(server, x_forwarded_for="203.0.113.1") == 201
    assert await enter(server, x_forwarded_for="203.0.113.2") == 429


HTTPS: list[dict[str, str]] = [{"X-Forwarded-Proto": "https"}, {"Forwarded": "proto=https"}]
BROWSER = ["localhost", "http://localhost", "https://localhost"]  # a host, and pages of it


@pytest.mark.parametrize("said", HTTPS, ids=["proto", "forwarded"])
async def test_a_trusted_proxy_says_of_which_scheme_cookies_addresses_and_pages_are(
    server: ServerProcess, hostile: HostileProviders, said: dict[str, str]
) -> None:
    host, plain, secure = BROWSER
    token = {"Authorization": f"Bearer {admin(server).token}"}
    for origin, expected in ((secure, 200), (plain, 403)):
        headers = {"Host": host, "Origin": origin} | said
        set_cookie = await api(server, "POST", "/auth/session", headers=headers | token)
        assert set_cookie.status_code == expected
        if expected == 403:
            refusal(set_cookie, 403, "ORIGIN_NOT_ALLOWED")
            continue
        name, _, session = set_cookie.headers["Set-Cookie"].partition(";")[0].partition("=")
        assert name == "__Host-salon_session"
        assert "Secure" in set_cookie.headers["Set-Cookie"]
        cookie = {"Cookie": f"{name}={session}"}
    for odd in ({}, {"Sec-WebSocket-Protocol": "x"}):  # the lane, and Hypercorn
        for origin, expected in ((secure, 404), (plain, 403)):
            headers = UPGRADE | odd | cookie | said | {"Host": host, "Origin": origin}
            opened = await api(server, "GET", "/chat/ws/nowhere", headers=headers)
            assert opened.status_code == expected
    for origin, expected in ((secure, 404), (plain, 403)):
        headers = cookie | said | {"Host": host, "Origin": origin}
        opened = await api(server, "GET", "/chat/nowhere/events", headers=headers)
        assert opened.status_code == expected
    sent = await api(server, "GET", "/auth/provider/liar", headers=said | {"Host": host})
    asked = parse_qs(urlsplit(sent.headers["Location"]).query)
    assert asked["redirect_uri"] == [f"{secure}/auth/provider/liar/callback"]
    assert await socket_protocol(server, said) == "wss"


@pytest.mark.parametrize("said", HTTPS, ids=["proto", "forwarded"])
async def test_the_scheme_that_a_stranger_claims_is_not_believed(
    start_server: Callable[..., ServerProcess], said: dict[str, str]
) -> None:
    server = start_server(SERVER__TRUSTED_PROXIES="10.0.0.0/8")
    host, plain, _ = BROWSER
    token = {"Authorization": f"Bearer {admin(server).token}"}
    headers = {"Host": host, "Origin": plain} | said | token
    set_cookie = await api(server, "POST", "/auth/session", headers=headers)
    assert set_cookie.status_code == 200
    assert set_cookie.headers["Set-Cookie"].startswith("salon_session=")
    assert "Secure" not in set_cookie.headers["Set-Cookie"]
    assert await socket_protocol(server, said) == "ws"


async def socket_protocol(server: ServerProcess, headers: dict[str, str]) -> str:
    """As the AsyncAPI document gives it."""
    described = (await api(server, "GET", "/asyncapi.json", headers=headers)).json()
    return str(described["servers"]["salon"]["protocol"])


SPACES = " " * 16_000
QUOTES = '"' + '\\"' * 7_900
POST, SOCKET = "POST /chat/c/messages HTTP/1.1", "GET /chat/ws/c HTTP/1.1"


@pytest.mark.parametrize("start", [POST, SOCKET])
@pytest.mark.parametrize(
    "header",
    [
        f"X-A: {SPACES}\x01",
        f"X-A:{SPACES}x",
        f"X-A: a{SPACES}b",
        f"Authorization: Bearer{SPACES}\x7f",
        f"Cookie: {';' * 16_000}",
        f"Forwarded: for={QUOTES}",
        f"Forwarded: {';for=' * 3_000}",
        f"X-Forwarded-For: {',' * 16_000}",
    ],
    ids=range(8),
)
async def test_no_head_is_read_again_and_again(
    server: ServerProcess, start: str, header: str
) -> None:
    """Patterns that can match the same bytes in many ways try them all: a single head would keep the server for hours."""
    named = [f"{name}: {value}" for name, value in UPGRADE.items()] if start is SOCKET else []
    lines = [start, "Host: salon", *named, header, "Content-Length: 0" if not named else "X: y"]
    async with open_line(server.url) as line:
        await line.send("\r\n".join([*lines, "", ""]).encode("latin-1"))
        assert (await line.answer()).status in (400, 401)
