"""Signing in with a real OpenID Connect provider, as people do."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.openid import Browser, ProviderProcess, client
from tests.server import ServerProcess, api


@pytest.fixture(scope="module")
def provider() -> Iterator[ProviderProcess]:
    running = ProviderProcess(
        client("house"), client("office", "client_secret_post"), client("open", "none")
    )
    yield running
    running.stop()


@pytest.fixture(scope="module")
def salon(
    provider: ProviderProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    providers = {
        "house": provider.settings(
            "house", label="The House", admins=["boss", "chief@example.org"]
        ),
        "office": provider.settings("office", domains=["example.org"]),
        "open": provider.settings("open"),
    }
    server = ServerProcess(tmp_path_factory.mktemp("salon"), AUTH__PROVIDERS=json.dumps(providers))
    yield server
    assert server.stop() == 0, server.log


async def test_the_ways_in_name_the_providers_that_are_configured(salon: ServerProcess) -> None:
    ways = (await api(salon, "GET", "/auth/ways")).json()
    assert ways["guests"] is True
    assert ways["providers"] == [
        {"name": "house", "label": "The House", "url": "/auth/provider/house"},
        {"name": "office", "label": "Office", "url": "/auth/provider/office"},
        {"name": "open", "label": "Open", "url": "/auth/provider/open"},
    ]


@pytest.mark.parametrize("name", ["house", "office", "open"])
async def test_whoever_signs_in_is_back_where_they_came_from_as_themselves(
    salon: ServerProcess, provider: ProviderProcess, name: str
) -> None:
    provider.call("ada", "Ada Lovelace")
    async with Browser(salon) as browser:
        await browser.sign_in(name, "ada", "/c/somewhere")
        assert browser.path == "/c/somewhere", salon.log
        assert await browser.me() == {"id": f"{name}:ada", "name": "Ada Lovelace", "admin": False}
