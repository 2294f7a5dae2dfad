"""Signing in where somebody on the way is hostile: nobody comes in as another, nobody is led elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from tests.crossing import ME, come_back, go_through, leave, reason
from tests.hostile_provider import CLIENT_ID, HostileProviders, Liar
from tests.openid import Browser
from tests.server import ServerProcess, api
from tests.shape import refusal

COOKIE = "salon_sign_in"


def kept_by(browser: Browser) -> dict[str, str]:
    """The cookies of sign-ins that wait."""
    return {name: text for name, text in browser.cookies.items() if name.startswith(COOKIE)}


async def test_an_honest_one_lets_somebody_in(browser: Browser, liar: Liar) -> None:
    # Proves that the attacks below fail for the one reason that each of them is about.
    asked = await leave(browser)
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) == 43
    liar.nonce = asked["nonce"]
    assert await come_back(browser, state=asked["state"]) == "/c/there"
    assert await browser.me() == ME
    assert not kept_by(browser)
    assert liar.form["code_verifier"] not in asked.values()


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
        [(name, text)] = kept_by(browser).items()
        kept = {"Cookie": f"{name}={text}"}
        liar.nonce = asked["nonce"]
        assert await come_back(browser, state=asked["state"]) == "/c/there"
        assert reason(await come_back(browser, state=asked["state"])) == "lost"
        # Also for somebody who has kept the cookie.
        query = urlencode({"code": "a-code-of-somebody", "state": asked["state"]})
        path = f"/auth/provider/liar/callback?{query}"
        again = await api(salon, "GET", path, headers=kept)
        assert reason(again.headers["Location"]) == "lost"
        assert "salon_session" not in again.headers.get("Set-Cookie", "")

    async def test_tabs_sign_in_at_once_each_to_its_own_end(
        self, browser: Browser, liar: Liar
    ) -> None:
        begun = [await leave(browser, return_to=f"/c/{number}") for number in range(6)]
        assert len(kept_by(browser)) == 4, "the oldest are given up"
        for number in (4, 2, 5, 3):
            liar.nonce = begun[number]["nonce"]
            assert await come_back(browser, state=begun[number]["state"]) == f"/c/{number}"
        for number in (0, 1):
            assert reason(await come_back(browser, state=begun[number]["state"])) == "lost"
        assert not kept_by(browser)

    async def test_a_sign_in_that_an_earlier_version_has_begun_ends_well(
        self, browser: Browser, salon: ServerProcess, liar: Liar
    ) -> None:
        asked = await leave(browser)
        [text] = kept_by(browser).values()
        liar.nonce = asked["nonce"]
        query = urlencode({"code": "a-code-of-somebody", "state": asked["state"]})
        path = f"/auth/provider/liar/callback?{query}"
        answer = await api(salon, "GET", path, headers={"Cookie": f"{COOKIE}={text}"})
        assert answer.headers["Location"] == "/c/there"

    async def test_a_cookie_that_was_made_up_is_none(
        self, browser: Browser, salon: ServerProcess, liar: Liar
    ) -> None:
        asked = await leave(browser)
        [(name, real)] = kept_by(browser).items()
        session = (await api(salon, "POST", "/auth/guest")).json()["token"]
        made_up = json.dumps({"state": asked["state"], "provider": "liar"})
        for kept in (real[:-2], real + "x", session, made_up, "x" * 3000, ""):
            query = urlencode({"code": "c", "state": asked["state"]})
            path = f"/auth/provider/liar/callback?{query}"
            response = await api(salon, "GET", path, headers={"Cookie": f"{name}={kept}"})
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
        assert name.startswith("__Host-salon_sign_in_")
        assert {"secure", "httponly", "samesite=lax", "path=/", "max-age=600"} <= lowered
        guest = await api(server, "POST", "/auth/guest", headers={"Host": "inside:8000"})
        assert "secure" in guest.headers["Set-Cookie"].lower()

    async def test_no_cache_keeps_what_passes(self, browser: Browser) -> None:
        response = await browser.step("/auth/provider/liar")
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.content == b""
