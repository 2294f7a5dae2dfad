"""Signing in where a provider is down, broken or slow: it is told, and nobody else notices."""

from __future__ import annotations

import json
from collections.abc import Callable
from threading import Event, Semaphore
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import trio

from salon.web.identity.fetch import AT_ONCE
from tests.crossing import go_through, reason
from tests.hostile_provider import BROKEN, CLIENT_ID, HostileProviders, Liar, in_json
from tests.openid import SECRET, Browser
from tests.person import admin
from tests.server import ServerProcess, api
from tests.shape import refusal

COOKIE = "salon_sign_in"


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


async def test_however_many_wait_for_one_that_stalls_others_come_in(
    start_server: Callable[..., ServerProcess], hostile: HostileProviders, liar: Liar
) -> None:
    stuck = hostile.new("stuck")
    begun, over = Semaphore(0), Event()

    def stick() -> Any:
        begun.release()
        over.wait(60)
        return in_json({})

    stuck.answers["/token"] = stick
    providers = {
        name: {"issuer": each.issuer, "client_id": CLIENT_ID}
        for name, each in (("stuck", stuck), ("liar", liar))
    }
    server = start_server(AUTH__PROVIDERS=json.dumps(providers))

    async def wait_for_it() -> None:
        async with Browser(server) as browser:
            assert reason(await go_through(browser, stuck, "stuck")) in ("failed", "unavailable")

    async with trio.open_nursery() as nursery:
        for _ in range(AT_ONCE):
            nursery.start_soon(wait_for_it)
        for _ in range(AT_ONCE):
            assert await trio.to_thread.run_sync(begun.acquire, True, 20)
        async with Browser(server) as browser:
            assert await go_through(browser, liar) == "/c/there"
        over.set()


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
