"""A server that trusts hostile providers, for the tests of what they can do."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from tests.hostile_provider import BROKEN, CLIENT_ID, HostileProviders, Liar
from tests.openid import SECRET, TOKEN, Browser
from tests.server import ServerProcess


@pytest.fixture(scope="session")
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


@pytest.fixture(scope="session")
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
    for secret in (SECRET, "a-code-of-somebody", "an-access-token"):
        assert secret not in server.log
    assert not TOKEN.search(server.log)
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
