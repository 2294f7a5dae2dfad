"""Identity under attack: tokens, guests, tickets, cookies, and what the server's log must never hold."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.person import UPGRADE, Person, admin, guest, guests, open_tab, static
from tests.server import ServerProcess, api
from tests.shape import refusal, refusal_for_now

COOKIE = "salon_session"
HEADER = {"alg": "HS256", "typ": "session+jwt"}


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server without guests, which looks every second who has no business here any more."""
    settings = {"AUTH__GUESTS": "false", "LIMITS__HEARTBEAT": "1"}
    server = ServerProcess(tmp_path_factory.mktemp("closed"), **settings)
    yield server
    assert server.stop() == 0, server.log


def folder(server: ServerProcess) -> Path:
    return Path(server.store.removeprefix("sqlite:///")).parent


def key_of(server: ServerProcess) -> bytes:
    return (folder(server) / "salon.db.key").read_bytes().strip()


def claims(**changed: Any) -> dict[str, Any]:
    """What a session says of somebody, an admin at that."""
    now = int(time.time())
    said = {"iss": "salon", "sub": "mallory", "name": "Mallory", "type": "human", "admin": True}
    return said | {"jti": "session-1", "iat": now, "exp": now + 3600} | changed


def forge(said: dict[str, Any], key: bytes, digest: str = "sha256", **header: Any) -> str:
    """A token made by hand, with no library's help or protection."""
    parts = [_encoded(json.dumps(each).encode()) for each in (HEADER | header, said)]
    signature = hmac.digest(key, ".".join(parts).encode(), digest)
    return ".".join([*parts, _encoded(signature)])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


async def status_of(server: ServerProcess, token: str) -> int:
    return (await api(server, "GET", "/auth/me", token)).status_code


class TestTokens:
    async def test_a_static_token_is_who_the_configuration_says(
        self, server: ServerProcess
    ) -> None:
        ada = static(server, "test_token_1", "test_user_1", "Ada")
        me = {"id": "test_user_1", "name": "Ada", "admin": False}
        assert await ada.ask("GET", "/auth/me") == me
        assert (await admin(server).ask("GET", "/auth/me"))["admin"] is True

    async def test_what_the_servers_own_key_signed_is_taken(self, server: ServerProcess) -> None:
        # Proves that the forgeries below fail for the one reason that each of them is about.
        token = forge(claims(), key_of(server))
        me = {"id": "mallory", "name": "Mallory", "admin": True}
        assert (await api(server, "GET", "/auth/me", token)).json() == me

    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda key: forge(claims(), b"x" * 32), id="wrong key"),
            pytest.param(lambda key: forge(claims(), b""), id="no key"),
            pytest.param(lambda key: forge(claims(), key, "sha512"), id="other hash"),
            pytest.param(lambda key: forge(claims(), key, "sha512", alg="HS512"), id="HS512"),
            pytest.param(lambda key: forge(claims(), key, alg="none"), id="alg none"),
            pytest.param(lambda key: forge(claims(), key, alg="None"), id="alg None"),
            pytest.param(lambda key: forge(claims(), key, alg="RS256"), id="alg RS256"),
            pytest.param(lambda key: forge(claims(), key, alg=None), id="alg null"),
            pytest.param(lambda key: forge(claims(), key, typ="JWT"), id="other type"),
            pytest.param(lambda key: forge(claims(), key, crit=["x"], x=1), id="critical"),
            pytest.param(lambda key: forge(claims(exp=int(time.time())), key), id="expired"),
            pytest.param(lambda key: forge(claims(exp=0), key), id="long expired"),
            pytest.param(lambda key: forge(claims(exp=None), key), id="never expires"),
            pytest.param(lambda key: forge(claims(exp="9999999999"), key), id="exp as text"),
            pytest.param(lambda key: forge(claims(iss="other"), key), id="other issuer"),
            pytest.param(lambda key: forge(claims(sub=5), key), id="id a number"),
            pytest.param(lambda key: forge(claims(sub=None), key), id="no id"),
            pytest.param(lambda key: forge(claims(type="god"), key), id="no such type"),
            pytest.param(lambda key: forge(claims(admin="yes"), key), id="admin as text"),
            pytest.param(lambda key: forge(claims(name="x" * 4000), key), id="too long"),
            pytest.param(
                lambda key: forge(claims(), key).rpartition(".")[0] + ".", id="no signature"
            ),
            pytest.param(lambda key: forge(claims(), key).rpartition(".")[0], id="two parts"),
            pytest.param(lambda key: forge(claims(), key)[:-2], id="cut signature"),
            pytest.param(lambda key: forge(claims(), key) + ".x", id="four parts"),
            pytest.param(lambda key: "..", id="dots"),
            pytest.param(lambda key: "x" * 5000, id="long nonsense"),
        ],
    )
    async def test_a_forged_token_is_nobodys(
        self, server: ServerProcess, make: Callable[[bytes], str]
    ) -> None:
        refusal(await api(server, "GET", "/auth/me", make(key_of(server))), 401, "UNAUTHENTICATED")

    async def test_a_token_whose_claims_were_changed_is_nobodys(
        self, server: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        head, said, signature = ada.token.split(".")
        padded = said + "=" * (-len(said) % 4)
        changed = json.loads(base64.urlsafe_b64decode(padded)) | {"admin": True}
        forged = ".".join([head, _encoded(json.dumps(changed).encode()), signature])
        assert await status_of(server, forged) == 401
        assert await status_of(server, ada.token) == 200

    async def test_a_static_token_has_to_be_exactly_it(self, server: ServerProcess) -> None:
        for near in ("test_token_", "test_token_11", "TEST_TOKEN_1", "test_token_1 x", "*"):
            assert await status_of(server, near) == 401

    async def test_a_guest_is_no_admin(self, server: ServerProcess) -> None:
        ada = await guest(server, "Admin")
        refusal(await ada.call("GET", "/admin/stats"), 403, "FORBIDDEN")

    async def test_another_servers_session_is_nobodys_here(
        self, server: ServerProcess, closed: ServerProcess
    ) -> None:
        ada = await guest(server, "Ada")
        assert await status_of(closed, ada.token) == 401

    def test_the_key_is_for_the_servers_user_alone(self, server: ServerProcess) -> None:
        assert (folder(server) / "salon.db.key").stat().st_mode & 0o777 == 0o600

    async def test_a_socket_ends_with_its_identity(self, closed: ServerProcess) -> None:
        soon = claims(exp=int(time.time()) + 3)
        mallory = static(closed, forge(soon, key_of(closed)), "mallory", "Mallory")
        async with mallory.tab(await mallory.create()) as tab:
            assert await tab.closed() == (4500, "identity expired")


class TestGuests:
    async def test_each_is_somebody_else_though_the_names_are_the_same(
        self, server: ServerProcess
    ) -> None:
        people = await guests(server, *["Ada"] * 20)
        assert len({who.id for who in people}) == 20
        assert len({who.token for who in people}) == 20
        assert len({who.recovery_code for who in people}) == 20

    async def test_where_they_are_not_allowed_nobody_becomes_one(
        self, closed: ServerProcess
    ) -> None:
        response = await api(closed, "POST", "/auth/guest", json={"name": "Ada"})
        refusal(response, 403, "GUESTS_NOT_ALLOWED")
        assert "Set-Cookie" not in response.headers
        assert await status_of(closed, "test_token_1") == 200

    async def test_so_many_an_hour_come_from_one_address(
        self, start_server: Callable[..., ServerProcess]
    ) -> None:
        server = start_server(LIMITS__GUESTS_PER_HOUR="3")
        people = await guests(server, "Ada", "Bob", "Cy")
        response = await api(server, "POST", "/auth/guest", json={"name": "Mallory"})
        unit = "guests an hour"
        body = refusal_for_now(response, 429, "RATE_LIMITED", "server", limit=3, unit=unit)
        assert "Set-Cookie" not in response.headers
        assert 1000 < body["retry_after"] <= 1200
        for who in people:
            assert await status_of(server, who.token) == 200

    @pytest.mark.parametrize(
        "written",
        [str.lower, lambda code: code.replace("-", ""), lambda code: f" {code.replace('-', ' ')} "],
    )
    async def test_a_recovery_code_may_be_written_as_people_do(
        self, server: ServerProcess, written: Callable[[str], str]
    ) -> None:
        ada = await guest(server, "Ada")
        body = {"recovery_code": written(ada.recovery_code)}
        response = await api(server, "POST", "/auth/recover", json=body)
        assert response.json()["participant"] == ada.shown()


class TestLogout:
    async def test_what_came_of_the_session_ends_with_it(self, server: ServerProcess) -> None:
        ada = await guest(server, "Ada")
        conversation_id = await ada.create()
        ticket = (await ada.ask("POST", "/auth/ticket"))["ticket"]
        await ada.call("POST", "/auth/logout")
        refusal(await ada.call("POST", "/auth/ticket"), 401, "UNAUTHENTICATED")
        refusal(await ada.call("POST", "/auth/logout"), 401, "UNAUTHENTICATED")
        with_cookie = {"Cookie": f"{COOKIE}={ada.token}"}
        assert (await api(server, "GET", "/auth/me", headers=with_cookie)).status_code == 401
        path = f"/chat/ws/{conversation_id}?ticket={ticket}"
        refusal(await api(server, "GET", path, headers=UPGRADE), 401, "UNAUTHENTICATED")

    async def test_a_static_token_ends_with_the_configuration_only(
        self, server: ServerProcess
    ) -> None:
        ada = static(server, "test_token_1", "test_user_1", "Ada")
        assert (await ada.call("POST", "/auth/logout")).status_code == 204
        assert await status_of(server, ada.token) == 200


async def test_sessions_logouts_and_codes_outlive_a_restart_and_a_power_cut(
    own_server: ServerProcess,
) -> None:
    ada, bob = await guests(own_server, "Ada", "Bob")
    conversation_id = await ada.create()
    assert (await ada.call("POST", "/auth/logout")).status_code == 204
    for end in (own_server.stop, own_server.kill):
        end()
        own_server.start()
        assert await status_of(own_server, bob.token) == 200
        assert await status_of(own_server, ada.token) == 401
        body = {"recovery_code": ada.recovery_code}
        response = await api(own_server, "POST", "/auth/recover", json=body)
        again = Person(own_server, response.json()["token"], ada.id, ada.name)
        assert (await again.see(conversation_id))["participant_count"] == 1


async def test_no_token_ticket_code_or_word_of_anybodys_is_in_the_log_or_a_refusal_nor_a_way_in_in_the_store(
    start_server: Callable[..., ServerProcess],
) -> None:
    server = start_server(LOGGING__LEVEL="debug")
    ada = await guest(server, "Ada")
    conversation_id = await ada.create(title="secret-title")
    ticket = (await ada.ask("POST", "/auth/ticket"))["ticket"]
    upgrade = f"/chat/ws/{conversation_id}"
    async with open_tab(f"{server.ws_url}{upgrade}?ticket={ticket}", {}) as tab:
        await tab.say("secret-message", "secret-key")
        await tab.send_text('{"type":"message","content":7,"metadata":"secret-metadata"}')
        await tab.until("error")
        await tab.stream.send_all(b"\x81\x02secret-bytes")
        await tab.closed()
    refused = [
        await api(server, "GET", f"/auth/me?token={ada.token}"),
        await api(server, "GET", f"/auth/me?ticket={ticket}", "secret-wrong-token"),
        await api(server, "GET", f"{upgrade}?token={ada.token}"),
        await ada.call("POST", "/auth/recover", {"recovery_code": ada.recovery_code[:-1]}),
        await ada.call("POST", "/chat/create", {"title": ["secret-title"]}),
        await ada.call("POST", f"/chat/{conversation_id}/messages", content=b"secret-message{"),
        await api(server, "GET", "/auth/me", headers={"Cookie": f"{COOKIE}={ada.token}x"}),
    ]
    assert all(response.status_code >= 400 for response in refused)
    await ada.call("POST", "/auth/recover", {"recovery_code": ada.recovery_code})
    await ada.call("POST", "/auth/logout")
    server.kill()
    server.start()
    assert server.stop() == 0
    secrets = [ada.token, ada.token.rpartition(".")[2], ticket, ada.recovery_code, "secret-"]
    secrets += ["test_token_1", "admin_token", key_of(server).decode()]
    held = b"".join(path.read_bytes() for path in folder(server).glob("salon.db-*"))
    held += (folder(server) / "salon.db").read_bytes()
    assert ada.id.encode() in held
    for secret in (*secrets[:4], ada.recovery_code.replace("-", "")):
        assert secret.encode() not in held
    for secret in secrets:
        assert secret not in server.log
        for response in refused:
            assert secret not in response.text
