"""Fetches JSON from other servers, with limits on time and size, since their answers are not trusted."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING, Any

import httpx2  # 40 ms and 5 MB with its first request: imported only where a provider is configured
import trio

from .provider_fault import Unreachable

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT = 8.0  # seconds for one request, from the name's look-up to the last byte
LARGEST = 262_144  # bytes of an answer: the keys of a large provider have 20,000
AT_ONCE = 32  # concurrent requests: more would only queue behind a server that does not answer


class JsonFetcher:
    """An HTTP client for other servers. It follows no redirects and keeps no cookies."""

    def __init__(self, *, timeout: float = TIMEOUT, largest: int = LARGEST) -> None:
        self._timeout = timeout
        self._largest = largest
        self._running = 0
        self._tls = (
            ssl.create_default_context()
        )  # reads all certificates (20 ms), so it is made once

    async def get(self, url: str, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        """The JSON object at a URL. Raises `Unreachable`."""
        status, found = await self._fetch("GET", url, headers=headers)
        if status != 200:
            raise Unreachable(f"{_place(url)} answered {status}")
        return found

    async def get_list(self, url: str, headers: Mapping[str, str] | None = None) -> list[Any]:
        """The JSON array at a URL. Raises `Unreachable`."""
        status, body = await self._fetched("GET", url, headers=headers)
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            found = None
        if status != 200 or not isinstance(found, list):
            raise Unreachable(f"{_place(url)} answered {status} without a JSON array")
        return found

    async def post(
        self, url: str, form: Mapping[str, str], headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON object of the answer to a form. Raises `Unreachable`."""
        return await self._fetch("POST", url, headers=headers, data=form)

    async def _fetch(self, method: str, url: str, **sent: Any) -> tuple[int, dict[str, Any]]:
        status, body = await self._fetched(method, url, **sent)
        return status, _object(body, f"{_place(url)} answered {status}")

    async def _fetched(self, method: str, url: str, **sent: Any) -> tuple[int, bytearray]:
        if self._running >= AT_ONCE:
            raise Unreachable(f"{self._running} requests wait for an answer already")
        self._running += 1
        body = bytearray()
        status = 0
        try:
            with trio.move_on_after(self._timeout) as scope:
                request = httpx2.Request(method, url, **sent)
                status = await self._read(request, body, scope)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise Unreachable(f"{_place(url)}: {type(error).__name__}") from None
        finally:
            self._running -= 1
        if len(body) > self._largest:
            raise Unreachable(f"{_place(url)} sent more than {self._largest} bytes")
        if scope.cancelled_caught:
            raise Unreachable(f"{_place(url)} took more than {self._timeout:g} s")
        return status, body

    async def _read(self, request: httpx2.Request, body: bytearray, scope: trio.CancelScope) -> int:
        """The status. The body is appended to `body`; reading stops soon after the size limit is exceeded."""
        request.headers["Accept"] = "application/json"
        # Compression would let a small answer expand to a huge one.
        request.headers["Accept-Encoding"] = "identity"
        # A proxy from the environment is used for https only: plain http is for servers on this machine.
        world = request.url.scheme == "https"
        async with httpx2.AsyncClient(
            verify=self._tls, trust_env=world, timeout=self._timeout
        ) as client:
            response = await client.send(request, stream=True)
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > self._largest:
                    scope.cancel()  # `break` would leave the generators open until they are collected
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
    """The URL without its query, for a log."""
    return url.partition("?")[0]
