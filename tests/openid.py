"""A real OpenID Connect provider in a process of its own, and somebody who signs in with it as a browser would."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2

from tests.node import NODE, modules
from tests.patience import PATIENCE
from tests.server import NO_TLS, ServerProcess

FOLDER = Path(__file__).with_name("provider")
START_TIMEOUT = 30.0  # seconds: node has to be loaded, on a busy machine
SECRET = "a-secret-between-us-and-them/+%"
TOKEN = re.compile(r"eyJ[\w-]{8,}\.")  # a signed one, as nothing but a token begins
FORM = re.compile(r'<form[^>]* action="([^"]+)"')
PROMPT = re.compile(r'name="prompt" value="(\w+)"')


def client(name: str, method: str = "client_secret_basic", **more: Any) -> dict[str, Any]:
    """A client of that provider's which salon calls `name`; on this machine the port does not matter."""
    registered = {
        "client_id": f"salon-{name}",
        "token_endpoint_auth_method": method,
        "application_type": "native",
        "redirect_uris": [f"http://127.0.0.1/auth/provider/{name}/callback"],
    }
    return registered | ({} if method == "none" else {"client_secret": SECRET}) | more


class ProviderProcess:
    """The provider, with one client for each name; `settings` are what salon has to be told."""

    def __init__(self, *clients: dict[str, Any]) -> None:
        self._clients = [json.dumps(each) for each in clients]
        self._port = 0
        self.issuer = ""
        self.start()

    def start(self) -> None:
        """Start, and wait until it can be asked. Once more means on the same port, with nothing remembered."""
        command = [NODE, FOLDER / "provider.mjs", modules(FOLDER, "provider"), *self._clients]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"PORT": str(self._port)},
        )
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], START_TIMEOUT)
        self.issuer = self.process.stdout.readline().strip() if readable else ""
        assert self.issuer.startswith("http://"), "the provider did not start"
        self._port = int(self.issuer.rpartition(":")[2])

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def call(self, id: str, name: str) -> None:
        """Somebody has another name from now on."""
        with httpx2.Client(trust_env=False, verify=NO_TLS) as asking:
            asking.get(f"{self.issuer}/call", params={"id": id, "name": name}).raise_for_status()

    def settings(self, name: str, **more: Any) -> dict[str, Any]:
        """What stands under auth.providers.NAME."""
        known = next(json.loads(each) for each in self._clients if f'"salon-{name}"' in each)
        told = {key: known[key] for key in ("client_id", "client_secret") if key in known}
        return {"issuer": self.issuer, **told, **more}


class Browser:
    """Follows links and redirects and keeps cookies, as a browser does; `visited` are the addresses it came by."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.visited: list[str] = []
        self._client = httpx2.AsyncClient(
            base_url=server.url, trust_env=False, timeout=PATIENCE, verify=NO_TLS
        )

    async def __aenter__(self) -> Browser:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._client.__aexit__(*error)

    @property
    def cookies(self) -> dict[str, str]:
        return {each.name: each.value or "" for each in self._client.cookies.jar}

    @property
    def path(self) -> str:
        """Where it is now, on the server."""
        assert self.visited[-1].startswith(self.server.url), self.visited
        return self.visited[-1].removeprefix(self.server.url)

    async def step(self, url: str, method: str = "GET", **options: Any) -> httpx2.Response:
        """One request, and no redirect followed."""
        return await self._client.request(method, url, **options)

    async def open(self, url: str, method: str = "GET", **options: Any) -> httpx2.Response:
        """Go there, and on through redirects."""
        for _ in range(20):
            response = await self.step(url, method, **options)
            self.visited.append(str(response.url))
            if response.status_code not in (302, 303):
                return response
            url, method, options = (
                urljoin(str(response.url), response.headers["Location"]),
                "GET",
                {},
            )
        raise AssertionError(f"too many redirects: {self.visited}")

    async def sign_in(self, name: str, login: str, return_to: str = "/") -> httpx2.Response:
        """By the provider's forms, until it lets the browser go back."""
        response = await self.open(f"/auth/provider/{name}?return_to={return_to}")
        while (form := FORM.search(response.text)) and (prompt := PROMPT.search(response.text)):
            data = {"prompt": prompt[1], "login": login, "password": "any"}
            address = urljoin(str(response.url), unescape(form[1]))
            response = await self.open(address, "POST", data=data)
        return response

    async def me(self) -> Any:
        """Who the server says that this is; None where nobody."""
        response = await self.step("/auth/me")
        return response.json() if response.status_code == 200 else None
