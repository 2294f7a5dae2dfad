"""Signing in where the provider, the network or somebody on the way is hostile: nobody comes in who is not who they say."""

from __future__ import annotations

import gzip
import json
import math
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from threading import Event
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
import trio

from tests.hostile_provider import (
    CLIENT_ID,
    EC,
    EDWARDS,
    OTHER,
    RSA,
    HostileProviders,
    Liar,
    by_hand,
    in_json,
    signed,
)
from tests.openid import SECRET, Browser
from tests.person import admin
from tests.server import ServerProcess, api
from tests.shape import refusal

COOKIE = "salon_sign_in"
ME = {"id": "liar:ada", "name": "Ada", "admin": False}

# What each says of itself, and what comes of it is the same: nothing.
BROKEN: dict[str, dict[str, Any]] = {
    "elsewhere": {"metadata": {"issuer": "https://elsewhere.example"}},
    "halved": {"metadata": {"token_endpoint": None}},
    "unsafe": {"metadata": {"token_endpoint": "http://elsewhere.example/token"}},
    "local": {"metadata": {"jwks_uri": "file:///etc/passwd"}},
    "failing": {"answers": {"/.well-known/openid-configuration": lambda: in_json({}, 500)}},
    "wordy": {"answers": {"/.well-known/openid-configuration": lambda: (200, {}, b"<html>")}},
    "deep": {"answers": {"/.well-known/openid-configuration": lambda: (200, {}, b"[" * 200_000)}},
    "huge": {
        "answers": {"/.well-known/openid-configuration": lambda: in_json({"x": "x" * 2_000_000})}
    },
    "packed": {
        "answers": {
            "/.well-known/openid-configuration": lambda: (
                200,
                {"Content-Encoding": "gzip"},
                gzip.compress(b" " * 20_000_000),
            )
        }
    },
}


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileProviders]:
    running = HostileProviders()
    running.new("liar")
    running.new("secretive")
    running.new(
        "poster", metadata={"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    )
    running.new("announcing", metadata={"authorization_response_iss_parameter_supported": True})
    for name, said in BROKEN.items():
        running.new(name, **said)
    target = f"{running.url}/liar/.well-known/openid-configuration"
    running.new("moved").answers["/.well-known/openid-configuration"] = lambda: (
        302,
        {"Location": target},
        b"",
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def salon(
    hostile: HostileProviders, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    names = ("liar", "announcing", "moved", *BROKEN)
    client = {"client_id": CLIENT_ID}
    providers: dict[str, Any] = {
        name: client | {"issuer": f"{hostile.url}/{name}"} for name in names
    }
    for name in ("secretive", "poster"):
        providers[name] = client | {"issuer": f"{hostile.url}/{name}", "client_secret": SECRET}
    providers["dead"] = client | {"issuer": "http://127.0.0.1:9"}
    providers["liar"]["admins"] = ["root", "chief@example.org"]
    server = ServerProcess(
        tmp_path_factory.mktemp("salon"),
        AUTH__PROVIDERS=json.dumps(providers),
        LOGGING__LEVEL="debug",
    )
    yield server
    assert server.stop() == 0, server.log
    for secret in (SECRET, "a-code-of-somebody", "an-access-token", "eyJ"):
        assert secret not in server.log
    assert "a request failed" not in server.log


@pytest.fixture
def liar(hostile: HostileProviders) -> Liar:
    """The provider that answers, honest again."""
    found, _ = hostile.find("/liar/")
    assert found is not None
    found.__init__(found.issuer)  # type: ignore[misc]
    return found


@pytest.fixture
async def browser(salon: ServerProcess) -> AsyncIterator[Browser]:
    async with Browser(salon) as opened:
        yield opened


async def leave(
    browser: Browser, name: str = "liar", return_to: str = "/c/there"
) -> dict[str, str]:
    """Go to the provider, as far as its door; what it is told there."""
    response = await browser.step(f"/auth/provider/{name}?{urlencode({'return_to': return_to})}")
    assert response.status_code == 303, response.text
    return dict(parse_qsl(urlsplit(response.headers["Location"]).query))


async def come_back(browser: Browser, name: str = "liar", **sent: str) -> str:
    """Come back from the provider with that; where one is sent."""
    query = urlencode({"code": "a-code-of-somebody", **sent})
    response = await browser.step(f"/auth/provider/{name}/callback?{query}")
    assert response.status_code == 303, response.text
    return response.headers["Location"]


async def go_through(browser: Browser, liar: Liar, name: str = "liar", **sent: str) -> str:
    asked = await leave(browser, name)
    liar.nonce = asked["nonce"]
    return await come_back(browser, name, **{"state": asked["state"]} | sent)


def reason(location: str) -> str:
    """Why somebody was sent back to the page they came from."""
    place = urlsplit(location)
    assert (place.scheme, place.netloc) == ("", "")
    told = dict(parse_qsl(place.query))
    assert len(told["id"]) == 22
    return told["sign_in"]


async def test_a_sub_that_no_id_could_hold_is_somebody_all_the_same(
    browser: Browser, liar: Liar
) -> None:
    liar.claims = {"sub": "ada/../\ud800 \n", "name": "Ada\ud800\u202e"}
    assert await go_through(browser, liar) == "/c/there"
    me = await browser.me()
    assert re.fullmatch(r"liar::[0-9a-f]{64}", me["id"])
    assert me["name"] == "Ada"


async def test_an_honest_one_lets_somebody_in(browser: Browser, liar: Liar) -> None:
    # Proves that the attacks below fail for the one reason that each of them is about.
    asked = await leave(browser)
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) == 43
    liar.nonce = asked["nonce"]
    assert await come_back(browser, state=asked["state"]) == "/c/there"
    assert await browser.me() == ME
    assert COOKIE not in browser.cookies
    assert liar.form["code_verifier"] not in asked.values()


class TestTokens:
    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda said: signed(said, EC, "ES256"), id="ES256"),
            pytest.param(lambda said: signed(said, RSA, "PS256"), id="PS256"),
            pytest.param(lambda said: signed(said, EDWARDS, "EdDSA"), id="EdDSA"),
            pytest.param(lambda said: signed(said, kid=None), id="no kid"),
            pytest.param(lambda said: signed(said | {"aud": [CLIENT_ID]}), id="a list of one"),
            pytest.param(
                lambda said: signed(said | {"aud": [CLIENT_ID, "b"], "azp": CLIENT_ID}), id="azp"
            ),
            pytest.param(lambda said: signed(said | {"exp": time.time() - 30}), id="a slow clock"),
        ],
    )
    async def test_what_an_honest_provider_may_send_is_taken(
        self, browser: Browser, liar: Liar, make: Callable[[Any], str]
    ) -> None:
        liar.token = make
        assert await go_through(browser, liar) == "/c/there"
        assert await browser.me() == ME

    @pytest.mark.parametrize(
        "make",
        [
            pytest.param(lambda said: signed(said | {"nonce": "other"}), id="wrong nonce"),
            pytest.param(lambda said: signed(said | {"nonce": None}), id="nonce null"),
            pytest.param(lambda said: signed(said | {"nonce": ["x"]}), id="nonce a list"),
            pytest.param(lambda said: signed(said | {"aud": "another"}), id="wrong audience"),
            pytest.param(lambda said: signed(said | {"aud": []}), id="no audience"),
            pytest.param(
                lambda said: signed(said | {"aud": [CLIENT_ID, "b"]}), id="two audiences, no azp"
            ),
            pytest.param(lambda said: signed(said | {"azp": "another"}), id="azp another"),
            pytest.param(lambda said: signed(said | {"iss": "https://evil.example"}), id="issuer"),
            pytest.param(lambda said: signed(said | {"iss": said["iss"] + "/"}), id="issuer near"),
            pytest.param(lambda said: signed(said | {"exp": time.time() - 90}), id="expired"),
            pytest.param(lambda said: signed(said | {"exp": None}), id="no expiry"),
            pytest.param(lambda said: signed(said | {"exp": "9999999999"}), id="expiry as text"),
            pytest.param(lambda said: signed(said | {"exp": True}), id="expiry true"),
            pytest.param(lambda said: signed(said | {"exp": math.nan}), id="expiry no number"),
            pytest.param(lambda said: signed(said | {"exp": math.inf}), id="no end"),
            pytest.param(lambda said: signed(said | {"nonce": "\ud800"}), id="nonce no text"),
            pytest.param(lambda said: signed(said | {"iat": time.time() + 90}), id="future"),
            pytest.param(lambda said: signed(said | {"nbf": time.time() + 90}), id="not yet"),
            pytest.param(lambda said: signed(said | {"sub": ""}), id="nobody"),
            pytest.param(lambda said: signed(said | {"sub": 5}), id="sub a number"),
            pytest.param(lambda said: signed(said | {"sub": "x" * 256}), id="sub too long"),
            pytest.param(lambda said: by_hand({"alg": "none"}, said), id="alg none"),
            pytest.param(lambda said: by_hand({"alg": "None"}, said), id="alg None"),
            pytest.param(lambda said: by_hand({"alg": "none", "kid": "rsa"}, said), id="none, kid"),
            pytest.param(
                lambda said: by_hand({"alg": "HS256"}, said, RSA.as_pem(private=False)),
                id="HS256 with the public key",
            ),
            pytest.param(
                lambda said: by_hand({"alg": "HS256", "kid": "rsa"}, said, RSA["n"].encode()),
                id="HS256 with the modulus",
            ),
            pytest.param(
                lambda said: by_hand({"alg": "RS256", "kid": "rsa"}, said, b"x"), id="RS256 by hand"
            ),
            pytest.param(lambda said: signed(said, OTHER, kid="rsa"), id="another key as ours"),
            pytest.param(lambda said: signed(said, OTHER, kid=None), id="another key, no kid"),
            pytest.param(
                lambda said: signed(said, OTHER, jwk=OTHER.as_dict(private=False), kid="rsa"),
                id="key in the header",
            ),
            pytest.param(lambda said: signed(said)[:-4], id="cut"),
            pytest.param(lambda said: signed(said).rpartition(".")[0] + ".", id="no signature"),
            pytest.param(lambda said: "..", id="dots"),
            pytest.param(lambda said: "x" * 100_000, id="long nonsense"),
            pytest.param(lambda said: signed(said | {"pad": "x" * 140_000}), id="huge"),
        ],
    )
    async def test_what_cannot_be_trusted_lets_nobody_in(
        self, browser: Browser, liar: Liar, make: Callable[[Any], str]
    ) -> None:
        liar.token = make
        location = await go_through(browser, liar)
        assert reason(location) == "failed"
        assert location.startswith("/c/there?")
        assert await browser.me() is None

    async def test_new_keys_are_looked_for_once_and_not_again_and_again(
        self, start_server: Callable[..., ServerProcess], hostile: HostileProviders
    ) -> None:
        turning = hostile.new("turning")
        one = {"issuer": turning.issuer, "client_id": CLIENT_ID}
        server = start_server(AUTH__PROVIDERS=json.dumps({"turning": one}))
        async with Browser(server) as browser:
            assert await go_through(browser, turning, "turning") == "/c/there"
            turning.token = lambda said: signed(said, OTHER)
            for _ in range(5):
                assert reason(await go_through(browser, turning, "turning")) == "failed"
        assert turning.asked.count("/keys") == 1, "no more often than every ten seconds"
        assert turning.asked.count("/.well-known/openid-configuration") == 1


class TestState:
    async def test_somebody_elses_answer_is_not_taken(
        self, browser: Browser, salon: ServerProcess, liar: Liar
    ) -> None:
        # The attacker begins, and gives the victim the link that would make them the attacker.
        async with Browser(salon) as victim:
            asked = await leave(browser)
            liar.nonce = asked["nonce"]
            assert reason(await come_back(victim, state=asked["state"])) == "lost"
            assert await victim.me() is None
            # Nor where the victim has begun one too, which it does not end.
            own = await leave(victim)
            assert reason(await come_back(victim, state=asked["state"])) == "lost"
            liar.nonce = own["nonce"]
            assert await come_back(victim, state=own["state"]) == "/c/there"

    @pytest.mark.parametrize("sent", [{}, {"state": ""}, {"state": "wrong"}, {"state": "ä\ud800"}])
    async def test_without_the_right_state_nothing_is_asked(
        self, browser: Browser, liar: Liar, sent: dict[str, str]
    ) -> None:
        await leave(browser)
        query = urlencode({"code": "a-code-of-somebody", **sent}, errors="replace")
        response = await browser.step(f"/auth/provider/liar/callback?{query}")
        assert reason(response.headers["Location"]) == "lost"
        assert "/token" not in liar.asked

    async def test_nothing_works_twice(
        self, browser: Browser, salon: ServerProcess, liar: Liar
    ) -> None:
        asked = await leave(browser)
        kept = {"Cookie": f"{COOKIE}={browser.cookies[COOKIE]}"}
        liar.nonce = asked["nonce"]
        assert await come_back(browser, state=asked["state"]) == "/c/there"
        assert reason(await come_back(browser, state=asked["state"])) == "lost"
        # Also for somebody who has kept the cookie.
        query = urlencode({"code": "a-code-of-somebody", "state": asked["state"]})
        path = f"/auth/provider/liar/callback?{query}"
        again = await api(salon, "GET", path, headers=kept)
        assert reason(again.headers["Location"]) == "lost"
        assert "salon_session" not in again.headers.get("Set-Cookie", "")

    async def test_a_cookie_that_was_made_up_is_none(
        self, browser: Browser, salon: ServerProcess, liar: Liar
    ) -> None:
        asked = await leave(browser)
        real = browser.cookies[COOKIE]
        session = (await api(salon, "POST", "/auth/guest")).json()["token"]
        made_up = json.dumps({"state": asked["state"], "provider": "liar"})
        for kept in (real[:-2], real + "x", session, made_up, "x" * 3000, ""):
            query = urlencode({"code": "c", "state": asked["state"]})
            path = f"/auth/provider/liar/callback?{query}"
            response = await api(salon, "GET", path, headers={"Cookie": f"{COOKIE}={kept}"})
            assert reason(response.headers["Location"]) == "lost"
        # And it is no session.
        response = await api(salon, "GET", "/auth/me", real)
        refusal(response, 401, "UNAUTHENTICATED")

    async def test_an_answer_for_one_provider_is_none_for_another(
        self, browser: Browser, liar: Liar
    ) -> None:
        asked = await leave(browser)
        assert reason(await come_back(browser, "announcing", state=asked["state"])) == "lost"

    async def test_the_sender_of_an_answer_is_looked_at(
        self, browser: Browser, hostile: HostileProviders
    ) -> None:
        announcing, _ = hostile.find("/announcing/")
        assert announcing is not None
        for sent in ({}, {"iss": "https://evil.example"}, {"iss": announcing.issuer + "/"}):
            assert reason(await go_through(browser, announcing, "announcing", **sent)) == "failed"
        assert "/token" not in announcing.asked
        right = {"iss": announcing.issuer}
        assert await go_through(browser, announcing, "announcing", **right) == "/c/there"

    async def test_a_sign_in_survives_a_restart_of_the_server(
        self, start_server: Callable[..., ServerProcess], liar: Liar
    ) -> None:
        one = {"liar": {"issuer": liar.issuer, "client_id": CLIENT_ID}}
        server = start_server(AUTH__PROVIDERS=json.dumps(one))
        async with Browser(server) as browser:
            asked = await leave(browser)
            server.restart()
            liar.nonce = asked["nonce"]
            assert await come_back(browser, state=asked["state"]) == "/c/there"
            assert await browser.me() == ME

    @pytest.mark.parametrize(
        ("sent", "expected"),
        [
            ({"error": "access_denied"}, "declined"),
            ({"error": "temporarily_unavailable"}, "unavailable"),
            ({"error": "<script>alert(1)</script>"}, "failed"),
            ({"code": ""}, "failed"),
            ({"code": "x" * 5000}, "failed"),
        ],
    )
    async def test_an_error_of_the_providers_is_told_in_our_words(
        self, browser: Browser, liar: Liar, sent: dict[str, str], expected: str
    ) -> None:
        location = await go_through(browser, liar, **sent)
        assert reason(location) == expected
        assert "script" not in location
        assert "/token" not in liar.asked

    async def test_a_parameter_that_comes_twice_is_not_taken(
        self, browser: Browser, liar: Liar
    ) -> None:
        asked = await leave(browser)
        query = urlencode({"state": asked["state"], "code": "a"}) + "&code=b"
        response = await browser.step(f"/auth/provider/liar/callback?{query}")
        assert reason(response.headers["Location"]) == "failed"
        assert "/token" not in liar.asked


class TestWayBack:
    @pytest.mark.parametrize(
        "path",
        [
            "//evil.example",
            "https://evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/c//evil.example",
            "evil.example",
            "javascript:alert(1)",
            "",
            " /",
            "/ä",
            "/x\r\nSet-Cookie: a=b",
            "/auth/provider/liar",
            "/" + "x" * 512,
        ],
    )
    async def test_it_leads_to_this_servers_pages_alone(self, browser: Browser, path: str) -> None:
        query = urlencode({"return_to": path})
        response = await browser.step(f"/auth/provider/liar?{query}")
        problem = response.json()["problem"]
        refusal(response, 400, "MALFORMED_REQUEST", problem=problem)
        assert problem.startswith("return_to")
        assert browser.cookies == {}

    @pytest.mark.parametrize(
        "path", ["/", "/c/AbC-_9", "/admin#/actors", "/c/x?a=b&c=%2F", "/%5Cx"]
    )
    async def test_it_leads_to_any_of_them(self, browser: Browser, liar: Liar, path: str) -> None:
        asked = await leave(browser, return_to=path)
        liar.nonce = asked["nonce"]
        assert await come_back(browser, state=asked["state"]) == path

    async def test_a_failure_keeps_where_somebody_was(self, browser: Browser) -> None:
        asked = await leave(browser, return_to="/admin?a=b#/actors")
        location = await come_back(browser, state=asked["state"], error="access_denied")
        place = urlsplit(location)
        assert (place.path, place.fragment) == ("/admin", "/actors")
        assert place.query.startswith("a=b&sign_in=declined&id=")

    async def test_a_host_that_somebody_made_up_is_given_to_no_provider(
        self, salon: ServerProcess
    ) -> None:
        for host in (
            "evil.example",
            "127.0.0.1@evil.example",
            "127.0.0.1.evil.example",
            "[::1",
            "127.0.0.1/x",
        ):
            response = await api(salon, "GET", "/auth/provider/liar", headers={"Host": host})
            assert reason(response.headers["Location"]) == "unavailable"
            assert "Set-Cookie" not in response.headers

    async def test_behind_a_proxy_that_ends_tls_everything_is_for_the_public_address(
        self, start_server: Callable[..., ServerProcess], liar: Liar
    ) -> None:
        one = {"liar": {"issuer": liar.issuer, "client_id": CLIENT_ID}}
        server = start_server(
            AUTH__PROVIDERS=json.dumps(one), SERVER__PUBLIC_URL="https://chat.example.org/"
        )
        response = await api(server, "GET", "/auth/provider/liar", headers={"Host": "inside:8000"})
        asked = dict(parse_qsl(urlsplit(response.headers["Location"]).query))
        assert asked["redirect_uri"] == "https://chat.example.org/auth/provider/liar/callback"
        name, _, attributes = response.headers["Set-Cookie"].partition("=")
        lowered = {each.strip().lower() for each in attributes.split(";")[1:]}
        assert name == "__Host-salon_sign_in"
        assert {"secure", "httponly", "samesite=lax", "path=/", "max-age=600"} <= lowered
        guest = await api(server, "POST", "/auth/guest", headers={"Host": "inside:8000"})
        assert "secure" in guest.headers["Set-Cookie"].lower()

    async def test_no_cache_keeps_what_passes(self, browser: Browser) -> None:
        response = await browser.step("/auth/provider/liar")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.content == b""


class TestBrokenProviders:
    @pytest.mark.parametrize("name", [*BROKEN, "moved", "dead"])
    async def test_one_that_publishes_nothing_usable_is_unavailable_and_says_why_to_operators(
        self, browser: Browser, salon: ServerProcess, name: str
    ) -> None:
        response = await browser.step(f"/auth/provider/{name}?return_to=/c/there")
        location = response.headers["Location"]
        assert reason(location) == "unavailable"
        assert COOKIE not in browser.cookies
        number = dict(parse_qsl(urlsplit(location).query))["id"]
        entry = await admin(salon).ask("GET", f"/admin/refusals/{number}")
        assert entry["code"] == "SIGN_IN_FAILED"
        assert "127.0.0.1" in json.dumps(entry)

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (lambda: in_json({"error": "invalid_grant"}, 400), "failed"),
            (lambda: in_json({"error": "server_error"}, 503), "unavailable"),
            (lambda: in_json({}), "failed"),
            (lambda: in_json({"id_token": 5}), "failed"),
            (lambda: in_json({"id_token": {"a": 1}, "error": ["b"]}), "failed"),
            (lambda: in_json([]), "unavailable"),
            (lambda: (200, {}, b"\xff\xfe"), "unavailable"),
            (lambda: (302, {"Location": "http://127.0.0.1:9/"}, b""), "unavailable"),
            (lambda: in_json({"id_token": "x" * 2_000_000}), "unavailable"),
        ],
    )
    async def test_one_whose_token_endpoint_breaks_lets_nobody_in(
        self, browser: Browser, liar: Liar, answer: Callable[[], Any], expected: str
    ) -> None:
        liar.answers["/token"] = answer
        assert reason(await go_through(browser, liar)) == expected
        assert await browser.me() is None

    async def test_one_that_is_not_configured_is_not_there(self, browser: Browser) -> None:
        for path in ("/auth/provider/other", "/auth/provider/other/callback?code=a&state=b"):
            refusal(await browser.step(path), 404, "NOT_FOUND")

    async def test_the_secret_goes_the_way_that_the_provider_wants(
        self, browser: Browser, hostile: HostileProviders
    ) -> None:
        for name in ("secretive", "poster"):
            one, _ = hostile.find(f"/{name}/")
            assert one is not None
            assert await go_through(browser, one, name) == "/c/there"
            assert (one.form.get("client_secret") == SECRET) is (name == "poster")
            assert one.authorization.startswith("Basic ") is (name == "secretive")


class TestRights:
    @pytest.mark.parametrize(
        ("said", "is_admin"),
        [
            ({"sub": "root"}, True),
            ({"sub": "ROOT"}, False),
            ({"email": "Chief@Example.org", "email_verified": True}, True),
            ({"email": "chief@example.org", "email_verified": "true"}, True),
            ({"email": "chief@example.org"}, False),
            ({"email": "chief@example.org", "email_verified": False}, False),
            ({"email": "chief@example.org", "email_verified": "false"}, False),
            ({"email": "chief@example.org", "email_verified": 1.5}, False),
            ({"sub": "chief@example.org"}, False),
            ({"admin": True, "type": "agent"}, False),
        ],
    )
    async def test_an_admin_is_whom_the_operator_names(
        self, browser: Browser, liar: Liar, said: dict[str, Any], is_admin: bool
    ) -> None:
        liar.claims = said
        assert await go_through(browser, liar) == "/c/there"
        assert (await browser.me())["admin"] is is_admin

    async def test_userinfo_about_somebody_else_is_not_taken(
        self, start_server: Callable[..., ServerProcess], hostile: HostileProviders
    ) -> None:
        mixed = hostile.new("mixed")
        mixed.metadata = {"userinfo_endpoint": f"{mixed.issuer}/userinfo"}
        one = {"issuer": mixed.issuer, "client_id": CLIENT_ID}
        server = start_server(AUTH__PROVIDERS=json.dumps({"mixed": one}))
        async with Browser(server) as browser:
            mixed.claims = {"name": None}
            mixed.answers["/userinfo"] = lambda: in_json({"sub": "eve", "name": "Eve"})
            assert reason(await go_through(browser, mixed, "mixed")) == "failed"
            mixed.answers["/userinfo"] = lambda: in_json({"sub": "ada", "name": "Ada of old"})
            assert await go_through(browser, mixed, "mixed") == "/c/there"
            assert (await browser.me())["name"] == "Ada of old"


async def test_while_one_provider_stalls_all_others_come_in(
    start_server: Callable[..., ServerProcess], hostile: HostileProviders, liar: Liar
) -> None:
    stalling = hostile.new("stalling")
    begun, over = Event(), Event()

    def stall() -> Any:
        begun.set()
        over.wait(60)
        return in_json({})

    stalling.answers["/.well-known/openid-configuration"] = stall
    providers = {
        name: {"issuer": each.issuer, "client_id": CLIENT_ID}
        for name, each in (("stalling", stalling), ("liar", liar))
    }
    server = start_server(AUTH__PROVIDERS=json.dumps(providers))
    stalled: list[str] = []

    async def wait_for_it() -> None:
        async with Browser(server) as browser:
            response = await browser.step("/auth/provider/stalling")
            stalled.append(reason(response.headers["Location"]))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait_for_it)
        assert await trio.to_thread.run_sync(begun.wait, 20)
        async with Browser(server) as browser:
            assert await go_through(browser, liar) == "/c/there"
            assert (await api(server, "POST", "/auth/guest")).status_code == 201
        assert stalled == []
        over.set()
    assert stalled == ["unavailable"] * 3
    assert len(stalling.asked) == 1, "who asks meanwhile, or right after, shares the answer"
