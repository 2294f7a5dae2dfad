"""Tokens that a product's backend signs, under attack: whom they let in, and what wrong ones cost and tell."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trio
import trio.lowlevel
import trio.testing
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from trio.testing import MockClock

from salon.persistence import MemoryStore
from salon.web.identity.cached import AGAIN, LIFE
from salon.web.identity.fetch import JsonFetcher
from salon.web.identity.identity import IdentityBook
from salon.web.identity.provider_fault import Unreachable, Untrusted
from salon.web.identity.signed_token import KEYS_TRIED, signed_claims
from salon.web.identity.token_keys import WAITING, PublishedKeys
from salon.web.settings.model import AuthSettings
from salon.web.sources import system_sources
from tests.jwks import KeyServer
from tests.person import UPGRADE, Person, admin, static
from tests.raw import request
from tests.server import ServerProcess, api
from tests.shape import refusal, refusal_for_now

SECRET = "a-secret-that-the-two-backends-share-1"
SHOP, BANK, CLUB = "https://shop.example", "https://bank.example", "https://club.example"
AUDIENCE = "chat"
RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
LATER = RSAKey.generate_key(2048, {"kid": "later"})
PUBLIC = RSA.as_pem(private=False).decode()
Make = Callable[..., str]


def entry(issuer: str, *algorithms: str, **keys: str) -> dict[str, Any]:
    return {"issuer": issuer, "audience": AUDIENCE, "algorithms": algorithms, **keys}


@pytest.fixture(scope="module")
def house() -> Iterator[KeyServer]:
    running = KeyServer()
    running.keys = [key.as_dict(private=False) for key in (RSA, EC, ED)]
    yield running
    running.stop()


@pytest.fixture(scope="module")
def server(house: KeyServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("jwt")
    (folder / "bank.pem").write_text(PUBLIC)
    club = entry(CLUB, "RS256", "ES256", "EdDSA", jwks_url=f"{house.url}/keys")
    named = {"id": "uid", "name": "nick", "admin": "boss", "agent": "bot", "conversations": "rooms"}
    issuers = [
        entry(SHOP, "HS256", key_env="SALON_TEST_SECRET"),
        entry(BANK, "RS256", key_file=str(folder / "bank.pem")) | {"claims": named},
        club,
        *(
            entry(f"https://{name}.example", "RS256", jwks_url=f"{house.url}/{name}")
            for name in ("stalled", "huge", "broken")
        ),
    ]
    running = ServerProcess(
        folder, AUTH__JWT=json.dumps(issuers), TEST_SECRET=SECRET, LOGGING__FORMAT="json"
    )
    yield running
    assert running.stop() == 0, running.log
    assert "a request failed" not in running.log
    assert SECRET not in running.log


def said(issuer: str = SHOP, **changed: Any) -> dict[str, Any]:
    """The claims of Ada's token; None removes one."""
    now = int(time.time())
    claims = {"iss": issuer, "aud": AUDIENCE, "sub": "ada-7", "name": "Ada", "iat": now}
    claims |= {"exp": now + 600, **changed}
    return {name: value for name, value in claims.items() if value is not None}


def by_hand(header: dict[str, Any], claims: dict[str, Any], key: bytes = b"") -> str:
    """A token made with no library's help or protection."""
    first, second = (_encoded(json.dumps(each).encode()) for each in (header, claims))
    signature = hmac.digest(key, f"{first}.{second}".encode(), "sha256") if key else b""
    return f"{first}.{second}.{_encoded(signature)}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def shop(**changed: Any) -> str:
    return by_hand({"alg": "HS256"}, said(**changed), SECRET.encode())


def signed(key: Any, algorithm: str, issuer: str = CLUB, **changed: Any) -> str:
    header = {"alg": algorithm, "kid": changed.pop("kid", key.kid)}
    if header["kid"] is None:
        del header["kid"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)  # of the name EdDSA, which backends use
        return jwt.encode(header, said(issuer, **changed), key, [algorithm])


def reasons(server: ServerProcess) -> set[str]:
    lines = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    return {line["reason"] for line in lines if "reason" in line}


def holder(server: ServerProcess, token: str, id: str = "ada-7", name: str = "Ada") -> Person:
    return static(server, token, id, name)


async def test_whoever_the_backend_signs_for_is_somebody_at_once(server: ServerProcess) -> None:
    ada = holder(server, shop())
    assert await ada.ask("GET", "/auth/me") == {"id": "ada-7", "name": "Ada", "admin": False}
    conversation_id = await ada.create()
    async with ada.tab(conversation_id) as tab:
        await tab.say("hello")
        (member,) = (await ada.see(conversation_id))["participants"]
        assert (member["participantId"], member["displayName"]) == ("ada-7", "Ada")
        renamed = holder(server, shop(name="Ada Lovelace"))
        assert (await renamed.ask("GET", "/auth/me"))["name"] == "Ada Lovelace"
        updated = await tab.until("participant_updated")
        assert updated["participant"]["name"] == "Ada Lovelace"


async def test_the_claims_have_the_names_of_the_settings(server: ServerProcess) -> None:
    token = signed(RSA, "RS256", BANK, kid=None, uid="bea", nick="Bea", boss=True, sub="other")
    me = {"id": "bea", "name": "Bea", "admin": True}
    assert await holder(server, token).ask("GET", "/auth/me") == me
    bot = holder(server, signed(RSA, "RS256", BANK, uid="robot", bot=True), "robot", "robot")
    async with bot.tab(await bot.create()) as tab:
        assert (await tab.say("beep"))["sequence_id"]
    (message,) = [each for each in await bot.history(tab_of(bot, tab)) if each["type"] == "message"]
    assert message["message"]["sender_type"] == "agent"


def tab_of(who: Person, tab: Any) -> str:
    return str(tab.frames[0]["conversation_id"])


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")])
async def test_each_algorithm_is_verified_with_a_published_key(
    server: ServerProcess, key: Any, algorithm: str
) -> None:
    me = await holder(server, signed(key, algorithm)).ask("GET", "/auth/me")
    assert me["id"] == "ada-7"


NOW = time.time()


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda: by_hand({"alg": "none"}, said()), "algorithm", id="alg none"),
        pytest.param(lambda: by_hand({"alg": "NonE"}, said()), "algorithm", id="alg NonE"),
        pytest.param(
            lambda: by_hand({"alg": "HS256"}, said(BANK), PUBLIC.encode()),
            "algorithm",
            id="the public key as a secret",
        ),
        pytest.param(
            lambda: by_hand({"alg": "HS256", "kid": "rsa"}, said(CLUB), PUBLIC.encode()),
            "algorithm",
            id="a published key as a secret",
        ),
        pytest.param(
            lambda: by_hand({"alg": "RS256"}, said(), SECRET.encode()), "algorithm", id="RS for HS"
        ),
        pytest.param(lambda: signed(RSA, "RS256", SHOP), "algorithm", id="another issuer's key"),
        pytest.param(
            lambda: by_hand({"alg": "HS256"}, said(), b"x" * 32), "signature", id="wrong secret"
        ),
        pytest.param(
            lambda: signed(LATER, "RS256", BANK, uid="a"), "signature", id="wrong private key"
        ),
        pytest.param(
            lambda: signed(RSA, "RS256", kid="ec"), "unknown_key", id="key of another kind"
        ),
        pytest.param(lambda: shop()[:-4], "signature", id="cut signature"),
        pytest.param(
            lambda: by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, said(), SECRET.encode()),
            "signature",
            id="critical header",
        ),
        pytest.param(lambda: shop(aud="other"), "audience", id="wrong audience"),
        pytest.param(lambda: shop(aud=["a", "b"]), "audience", id="wrong audiences"),
        pytest.param(lambda: shop(aud=None), "audience", id="no audience"),
        pytest.param(lambda: shop(iss="https://evil.example"), "issuer", id="wrong issuer"),
        pytest.param(lambda: shop(iss=["https://shop.example"]), "issuer", id="issuer in a list"),
        pytest.param(lambda: shop(exp=int(NOW) - 90), "expired", id="expired"),
        pytest.param(lambda: shop(exp=None), "times", id="without an end"),
        pytest.param(lambda: shop(exp="9999999999"), "times", id="end as text"),
        pytest.param(lambda: shop(exp=True), "times", id="end as a flag"),
        pytest.param(lambda: shop(nbf=int(NOW) + 3600), "not_yet_valid", id="not yet valid"),
        pytest.param(lambda: shop(iat=int(NOW) + 3600), "not_yet_valid", id="from the future"),
        pytest.param(lambda: shop(sub=7), "claims", id="id a number"),
        pytest.param(lambda: shop(sub=None), "claims", id="no id"),
        pytest.param(lambda: shop(sub="a b"), "claims", id="id of two words"),
        pytest.param(lambda: shop(sub="guest_1"), "claims", id="a guest's id"),
        pytest.param(lambda: shop(admin="yes"), "claims", id="admin as text"),
        pytest.param(lambda: shop(agent=1), "claims", id="agent a number"),
        pytest.param(lambda: shop(conversations="c"), "claims", id="one conversation as text"),
        pytest.param(lambda: "a.b", "malformed", id="two parts"),
        pytest.param(lambda: shop() + ".x.y", "malformed", id="five parts"),
        pytest.param(lambda: by_hand({"alg": ["HS256"]}, said()), "malformed", id="alg a list"),
        pytest.param(
            lambda: by_hand({"alg": "HS256", "kid": 1}, said()), "malformed", id="kid a number"
        ),
        pytest.param(lambda: shop(typ="session+jwt", aud="x"), "audience", id="another type"),
        pytest.param(
            lambda: by_hand({"alg": "HS256", "typ": "session+jwt"}, said(), SECRET.encode()),
            "session",
            id="a session",
        ),
    ],
)
async def test_a_wrong_token_is_told_apart_in_the_log_and_not_to_the_caller(
    server: ServerProcess, make: Callable[[], str], reason: str
) -> None:
    token = make()
    answers = [
        await api(server, "GET", "/auth/me", token),
        await api(server, "POST", "/chat/c/messages", token, {"content": "x"}),
        await api(server, "GET", "/chat/ws/c", token, headers=UPGRADE),
    ]
    told = {refusal(each, 401, "UNAUTHENTICATED")["error"] for each in answers}
    assert told == {
        "Say who you are: this token is not one of this server, or has ended; get a new one."
    }
    assert reason in reasons(server)
    assert len(token) < 9 or token.partition(".")[2] not in server.log


@pytest.mark.parametrize("changed", [{"exp": -30}, {"nbf": 30}, {"iat": 30}])
async def test_clocks_may_differ_by_a_minute(
    server: ServerProcess, changed: dict[str, int]
) -> None:
    now = int(time.time())
    token = shop(**{name: now + by for name, by in changed.items()})
    assert (await api(server, "GET", "/auth/me", token)).status_code == 200


async def test_a_logged_out_token_is_over_and_another_of_the_same_person_is_not(
    server: ServerProcess,
) -> None:
    ada, other = holder(server, shop(jti="1")), holder(server, shop(jti="2"))
    conversation_id = await ada.create()
    async with ada.tab(conversation_id) as tab:
        assert (await ada.call("POST", "/auth/logout")).status_code == 204
        assert await tab.closed() == (4500, "identity revoked")
    refusal(await ada.call("GET", "/auth/me"), 401, "UNAUTHENTICATED")
    assert (await other.call("GET", "/auth/me")).status_code == 200


async def test_a_ticket_of_a_jwt_is_good_once(server: ServerProcess) -> None:
    ada = holder(server, shop())
    path = f"/chat/ws/{await ada.create()}"
    ticket = (await ada.ask("POST", "/auth/ticket"))["ticket"]
    first = await api(server, "GET", f"{path}?ticket={ticket}", headers=UPGRADE)
    assert first.status_code == 101
    replayed = await api(server, "GET", f"{path}?ticket={ticket}", headers=UPGRADE)
    refusal(replayed, 401, "UNAUTHENTICATED")


async def test_keys_change_while_tokens_are_in_use(
    house: KeyServer, mock_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The book of a server with the real key server; only time is the test's."""
    monkeypatch.setattr(house, "keys", [RSA.as_dict(private=False)])
    sources = system_sources()
    auth = AuthSettings.model_validate(
        {"jwt": [entry(CLUB, "RS256", jwks_url=f"{house.url}/keys")]}
    )
    book = IdentityBook(auth, b"k" * 32, MemoryStore(sources), sources)

    async def comes_in(key: RSAKey, **changed: Any) -> bool:
        token = signed(key, "RS256", **{"jti": secrets.token_hex(8), **changed})
        await book.prepare(token)
        return book.verify(token) is not None

    asked = house.asked.get("/keys", 0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(book.keep_fresh)
        in_use = signed(RSA, "RS256", jti="in use")
        await book.prepare(in_use)
        assert book.verify(in_use)
        house.keys.append(LATER.as_dict(private=False))
        assert not await comes_in(LATER)  # just fetched: not again yet
        assert house.asked["/keys"] == asked + 1
        mock_clock.jump(AGAIN)
        assert await comes_in(LATER)
        assert await comes_in(RSA)
        for number in range(20):  # names that are made up
            mock_clock.jump(AGAIN / 10)
            assert not await comes_in(LATER, kid=f"none-{number}")
        assert house.asked["/keys"] <= asked + 2 + 2
        del house.keys[0]
        mock_clock.jump(LIFE / 2 + 60)  # fetched again in the background: no token waits for it
        with trio.fail_after(60):
            while book.verify(signed(RSA, "RS256", jti=secrets.token_hex(8))):
                await trio.lowlevel.checkpoint()
        mock_clock.jump(LIFE / 2)
        assert await comes_in(LATER)
        assert not await comes_in(RSA)
        nursery.cancel_scope.cancel()


async def test_a_token_on_an_open_socket_waits_for_its_issuers_keys_and_the_socket_does_not(
    start_server: Callable[..., ServerProcess], house: KeyServer
) -> None:
    shop_and_club = [
        entry(SHOP, "HS256", key_env="SALON_TEST_SECRET"),
        entry(CLUB, "RS256", "ES256", jwks_url=f"{house.url}/keys"),
        entry(BANK, "RS256", jwks_url=f"{house.url}/broken"),
    ]
    server = start_server(AUTH__JWT=json.dumps(shop_and_club), TEST_SECRET=SECRET)
    ada = holder(server, shop())
    async with ada.tab(await ada.create()) as tab:
        await tab.send("auth", token=signed(EC, "ES256", exp=int(time.time()) + 7200))
        assert (await tab.until("auth_ack"))["expires_at"]
        await tab.send("auth", token=signed(RSA, "RS256", BANK))
        error = await tab.until("error")
        assert (error["code"], error["temporary"]) == ("KEYS_UNAVAILABLE", True)
        await tab.say("still here")


@pytest.mark.parametrize("name", ["huge", "broken"])
async def test_keys_that_cannot_be_had_make_a_token_neither_right_nor_wrong(
    server: ServerProcess, house: KeyServer, name: str
) -> None:
    token = signed(RSA, "RS256", f"https://{name}.example")
    asked = house.asked.get(f"/{name}", 0)
    for _ in range(3):
        answer = await api(server, "GET", "/auth/me", token)
        refusal_for_now(answer, 503, "KEYS_UNAVAILABLE", "server")
    assert house.asked[f"/{name}"] == asked + 1


async def test_an_issuer_that_stalls_is_asked_once_and_others_do_not_wait(
    server: ServerProcess, house: KeyServer
) -> None:
    ada = holder(server, shop())
    conversation_id = await ada.create()
    async with ada.tab(conversation_id) as tab, trio.open_nursery() as nursery:
        for number in range(20):
            token = signed(RSA, "RS256", "https://stalled.example", jti=str(number))
            nursery.start_soon(_is_put_off, server, token)
        await trio.to_thread.run_sync(house.heard.wait)
        await tab.say("not stalled")
        assert (await ada.call("GET", "/auth/me")).status_code == 200
        club = holder(server, signed(EC, "ES256"))
        assert (await club.call("GET", "/auth/me")).status_code == 200
    assert house.asked["/stalled"] == 1


async def test_so_many_tokens_wait_for_an_issuers_keys_and_more_are_refused_at_once() -> None:
    (silent,) = await trio.open_tcp_listeners(0, host="127.0.0.1")  # nobody accepts
    port = silent.socket.getsockname()[1]
    keys = PublishedKeys(f"http://127.0.0.1:{port}/keys", JsonFetcher())
    async with silent, trio.open_nursery() as nursery:
        for _ in range(WAITING):
            nursery.start_soon(keys.prepare, None)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(Unreachable, match="100 tokens wait"):
            await keys.prepare(None)
        nursery.cancel_scope.cancel()


def test_a_token_that_names_no_key_is_tried_with_so_many_keys() -> None:
    secrets_of = [f"{number:032}".encode() for number in range(KEYS_TRIED + 1)]
    keys = [OctKey.import_key(each) for each in secrets_of]
    tokens = [by_hand({"alg": "HS256"}, said(), each) for each in secrets_of]
    for token in tokens[:KEYS_TRIED]:
        assert signed_claims(token, keys, algorithms={"HS256"})["sub"] == "ada-7"
    with pytest.raises(Untrusted):
        signed_claims(tokens[KEYS_TRIED], keys, algorithms={"HS256"})


async def _is_put_off(server: ServerProcess, token: str) -> None:
    answer = await api(server, "GET", "/auth/me", token)
    refusal_for_now(answer, 503, "KEYS_UNAVAILABLE", "server")


FLOOD = 10_000  # wrong tokens in all
LINES = 5  # connections that send them, each from an address of its own: one alone is slowed down
ASKED = [
    ("GET", "/auth/me", b""),
    ("POST", "/chat/c/messages", b'{"content":"x"}'),
    ("GET", "/chat/my-conversations", b""),
    ("PATCH", "/chat/c/messages/c:2", b'{"content":"y"}'),
    ("GET", "/chat/c/events", b""),
    ("DELETE", "/admin/tokens/7", b""),
]
FLOODS: dict[str, Callable[[int], str]] = {
    "no token at all": lambda number: secrets.token_urlsafe(40),
    "alg=none": lambda number: by_hand({"alg": "none"}, said(jti=str(number))),
    "expired": lambda number: shop(exp=int(NOW) - 90, jti=str(number)),
    "forged, HS256": lambda number: by_hand({"alg": "HS256"}, said(jti=str(number)), b"x" * 32),
    "forged, RS256": lambda number: (
        by_hand({"alg": "RS256", "kid": "rsa"}, said(CLUB, jti=str(number)), b"x" * 32)[:-43]
        + _encoded(secrets.token_bytes(256))
    ),
    "with the name of no key": lambda number: by_hand(
        {"alg": "RS256", "kid": f"k{number}"}, said(CLUB), b"x" * 32
    ),
    "a forged session": lambda number: by_hand(
        {"alg": "HS256", "typ": "session+jwt"}, said(jti=str(number)), b"x" * 32
    ),
    "the same one again": lambda number: by_hand({"alg": "HS256"}, said(), b"y" * 32),
}


async def test_ten_thousand_wrong_tokens_cost_little(
    server: ServerProcess, house: KeyServer, tell: Callable[[str], None]
) -> None:
    """Prints what one costs: each token is another one, over several connections, on routes of all kinds."""
    await api(server, "GET", "/auth/me", signed(RSA, "RS256"))  # the published keys are there
    lines, asked = len(server.log.splitlines()), house.asked["/keys"]
    count = FLOOD // len(FLOODS)
    for name, make in FLOODS.items():
        tokens = [make(number) for number in range(count)]
        before = server.cpu_seconds
        async with trio.open_nursery() as nursery:
            for first in range(LINES):
                nursery.start_soon(_flood, server, tokens[first::LINES], f"127.0.1.{first + 1}")
        cost = (server.cpu_seconds - before) / count * 1e6
        tell(f"a wrong token ({name}), refused over HTTP: {cost:.0f} µs of CPU")
    assert len(server.log.splitlines()) - lines < FLOOD / 100
    assert house.asked["/keys"] <= asked + 1, "names that are made up fetch nothing"
    assert (await api(server, "GET", "/auth/me", shop())).status_code == 200


async def _flood(server: ServerProcess, tokens: list[str], address: str) -> None:
    host, _, port = server.url.rpartition("/")[2].partition(":")
    async with await trio.open_tcp_stream(host, int(port), local_address=address) as stream:
        for number, token in enumerate(tokens):
            method, path, body = ASKED[number % len(ASKED)]
            await stream.send_all(request(method, path, body, token))
            answer = b""
            while not answer.endswith(b"}"):
                answer += await stream.receive_some()
            assert answer.startswith(b"HTTP/1.1 401 ")


def test_a_key_that_cannot_be_used_is_refused_at_the_start(
    start_server: Callable[..., ServerProcess],
) -> None:
    short = [entry(SHOP, "HS256", key_env="SALON_TEST_SECRET")]
    with pytest.raises(AssertionError, match="32 random bytes or more"):
        start_server(AUTH__JWT=json.dumps(short), TEST_SECRET="short")


class TestLimitedTokens:
    async def test_a_token_for_some_conversations_reaches_these_alone(
        self, server: ServerProcess
    ) -> None:
        ada, boss = holder(server, shop()), admin(server)
        open_one, closed_one = await ada.create(title="Open"), await ada.create(title="Closed")
        await ada.say(open_one, "needle here")
        await ada.say(closed_one, "needle there")
        invite = await ada.ask("POST", f"/chat/{closed_one}/invites", {})
        limited = holder(server, shop(conversations=[open_one], admin=True))

        listed = await limited.ask("GET", "/chat/my-conversations")
        assert [each["conversation_id"] for each in listed["conversations"]] == [open_one]
        assert listed["total"] == 1
        found = await limited.ask("GET", "/chat/search?q=needle")
        assert [each["conversation_id"] for each in found["hits"]] == [open_one]
        assert (await limited.say(open_one, "x"))["sequence_id"]
        async with limited.tab(open_one) as tab:
            await tab.say("y")

        nothing = [
            ("GET", f"/chat/conversations/{closed_one}", None),
            ("GET", f"/chat/{closed_one}/messages", None),
            ("POST", f"/chat/{closed_one}/messages", {"content": "x"}),
            ("GET", f"/chat/search?q=needle&conversation_id={closed_one}", None),
            ("POST", f"/chat/{closed_one}/join", {}),
            ("DELETE", f"/chat/{closed_one}/leave", None),
            ("GET", f"/chat/{closed_one}/participants", None),
            ("POST", f"/chat/{closed_one}/files", {}),
            ("POST", f"/invites/{invite['code']}", None),
        ]
        for method, path, body in nothing:
            refusal(await limited.call(method, path, body), 404, "NOT_FOUND")
        no_right = [
            ("POST", "/chat/create", {"title": "New"}),
            ("POST", "/chat/direct", {"user_id": "ben"}),
            ("PATCH", "/auth/me", {"name": "New"}),
            ("GET", "/admin/stats", None),
        ]
        for method, path, body in no_right:
            refusal(await limited.call(method, path, body), 403, "FORBIDDEN")
        path = f"/chat/ws/{closed_one}"
        upgraded = await limited.call("GET", path, headers=UPGRADE)
        refusal(upgraded, 404, "NOT_FOUND")
        ticket = (await limited.ask("POST", "/auth/ticket"))["ticket"]
        with_ticket = await api(server, "GET", f"{path}?ticket={ticket}", headers=UPGRADE)
        refusal(with_ticket, 404, "NOT_FOUND")
        assert (await boss.see(closed_one))["participant_count"] == 1
