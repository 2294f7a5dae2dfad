"""Asks other servers for JSON, bounded in time and size: what they answer is trusted with nothing else."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import httpx2  # 80 ms and 10 MB with its first client: imported only where a provider is configured
import trio

from .provider_fault import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT = 8.0  # seconds for one request, from the name's look-up to the last byte
LARGEST = 262_144  # bytes of an answer: the keys of a large provider have 20,000
AT_ONCE = 32  # requests: more would only pile up behind a server that does not answer


class Outbound:
    """A client of other servers. It follows no redirect and keeps no cookie."""

    def __init__(self, *, timeout: float = TIMEOUT, largest: int = LARGEST) -> None:
        self._timeout = timeout
        self._largest = largest
        self._running = 0
        self._tls = (
            ssl.create_default_context()
        )  # reads all certificates, 20 ms: not with each request

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at an address. Raises `Unreachable`."""
        status, found = await self._fetch("GET", url, headers or {}, None)
        if status != 200:
            raise Unreachable(f"{_place(url)} answered {status}")
        return found

    async def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON object that a form is answered with. Raises `Unreachable`."""
        return await self._fetch("POST", url, headers, form)

    async def _fetch(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> tuple[int, dict[str, Any]]:
        if self._running >= AT_ONCE:
            raise Unreachable(f"{self._running} requests wait for an answer already")
        self._running += 1
        body = bytearray()
        status = 0
        try:
            with trio.move_on_after(self._timeout) as scope:
                status = await self._read(method, url, headers, form, body, scope)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unreachable(f"{_place(url)}: {type(error).__name__}") from None
        finally:
            self._running -= 1
        if len(body) > self._largest:
            raise Unreachable(f"{_place(url)} sent more than {self._largest} bytes")
        if scope.cancelled_caught:
            raise Unreachable(f"{_place(url)} took more than {self._timeout:g} s")
        return status, _object(body, f"{_place(url)} answered {status}")

    async def _read(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None,
        body: bytearray,
        scope: trio.CancelScope,
    ) -> int:
        # Unpacking is left out: a small answer could become a huge one.
        plain = {"Accept": "application/json", "Accept-Encoding": "identity", **headers}
        # A proxy of the environment's is for the world, not for this machine.
        world = url.startswith("https:")
        content = dict(form) if form is not None else None
        async with (
            httpx2.AsyncClient(verify=self._tls, trust_env=world, timeout=self._timeout) as client,
            client.stream(method, url, headers=plain, data=content) as response,
        ):
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._largest:
                    scope.cancel()  # to break out would leave the generators behind it to the garbage
            return response.status_code


def _object(body: bytearray, answered: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Unreachable(f"{answered} without a JSON object")
    return found


def _place(url: str) -> str:
    """The address without its query, for a log."""
    return url.partition("?")[0]
