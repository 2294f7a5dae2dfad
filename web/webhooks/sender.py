"""Sends one delivery over HTTP: signed, to a checked address, with bounds on time and on what is read of the answer."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import httpx2  # 40 ms and 5 MB: imported only where there is a webhook
import trio
from standardwebhooks.webhooks import Webhook

from .address import ForbiddenAddressError, checked_address

if TYPE_CHECKING:
    import ssl
    from collections.abc import Sequence

TIMEOUT = 15.0  # seconds for one delivery, from the look-up of the name to the answer's head
LARGEST = 65_536  # bytes of an answer that are read and dropped, so that the connection lives on
AGENT = "salon-webhooks"
GONE = 410  # the subscriber wants nothing more
LONGEST_WAIT = 3600.0  # seconds of a Retry-After that are honoured


class Outcome(NamedTuple):
    """What became of a delivery. `error` is None where it was taken; `status` None where no answer came."""

    status: int | None
    error: str | None
    milliseconds: int
    retry_after: float | None = None


@cache
def _usual_authorities() -> ssl.SSLContext:
    """One for all webhooks: to read the certificates of all authorities takes 70 ms, in which the server does nothing else."""
    return httpx2.create_ssl_context()


class Sender:
    """The HTTP client of one webhook. It follows no redirect and uses no proxy, which would resolve names by itself.

    `tls` names the authorities that are trusted, in place of the usual ones; `transport` carries the requests in place of the
    network.
    """

    def __init__(
        self,
        *,
        places: int,
        timeout: float | None = None,
        tls: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout = TIMEOUT if timeout is None else timeout
        self._client = httpx2.AsyncClient(
            verify=_usual_authorities() if tls is None else tls,
            timeout=self._timeout,
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            limits=httpx2.Limits(max_connections=places, max_keepalive_connections=places),
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def send(
        self,
        url: str,
        secrets: Sequence[str],
        delivery_id: str,
        body: str,
        *,
        allow_private: bool,
    ) -> Outcome:
        """Post a body and wait for the answer's head."""
        begun = trio.current_time()
        status, error, wait = None, None, None
        with trio.move_on_after(self._timeout) as scope:
            try:
                headers = _signed(secrets, delivery_id, body)
                request = await self._request(url, headers, body, allow_private=allow_private)
                status, wait = await self._post(request)
            except ForbiddenAddressError as forbidden:
                error = str(forbidden)
            except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as failure:
                error = f"no connection: {type(failure).__name__}"
        if status is None and scope.cancelled_caught:
            error = f"no answer within {self._timeout:g} s"
        if status is not None and not 200 <= status < 300:
            error = "it redirects, which is not followed" if 300 <= status < 400 else None
            error = f"it answered {status}" if error is None else f"{error} ({status})"
        return Outcome(status, error, round((trio.current_time() - begun) * 1000), wait)

    async def _request(
        self, url: str, headers: dict[str, str], body: str, *, allow_private: bool
    ) -> httpx2.Request:
        """The request to the address that was checked; the name is kept for TLS and for the server."""
        parsed = httpx2.URL(url)
        port = parsed.port or (443 if parsed.scheme == "https" else 80)
        address = await checked_address(parsed.host, port, allow_private=allow_private)
        return httpx2.Request(
            "POST",
            parsed.copy_with(host=address),
            headers={"Host": parsed.netloc.decode("ascii"), **headers},
            content=body.encode(),
            extensions={"sni_hostname": parsed.raw_host.decode("ascii")},
        )

    async def _post(self, request: httpx2.Request) -> tuple[int, float | None]:
        response = await self._client.send(request, stream=True)
        size = 0
        try:
            # A status is the answer, whatever becomes of the body.
            with suppress(httpx2.HTTPError), trio.move_on_after(1) as scope:
                async for chunk in response.aiter_raw():
                    size += len(chunk)
                    if size > LARGEST:
                        scope.cancel()  # `break` would leave the generators open until they are collected
        finally:
            with trio.CancelScope(shield=True):
                await response.aclose()
        return response.status_code, _seconds(response.headers.get("Retry-After"))


def _signed(secrets: Sequence[str], delivery_id: str, body: str) -> dict[str, str]:
    now = int(time.time())
    at = datetime.fromtimestamp(now, UTC)
    signatures = [Webhook(secret).sign(delivery_id, at, body) for secret in secrets]
    return {
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": AGENT,
        "webhook-id": delivery_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(signatures),
    }


def _seconds(text: str | None) -> float | None:
    """The seconds of a `Retry-After`; a date is left alone, since the backoff does as well."""
    if text is None or not (text.isascii() and text.isdecimal() and len(text) < 9):
        return None
    return min(float(text), LONGEST_WAIT)
