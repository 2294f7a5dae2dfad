"""The operator's HTTP endpoint that judges messages. It is asked as long as it answers, and left alone while it fails."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import httpx2  # 40 ms and 5 MB: imported only where an endpoint is configured
import trio

from salon.actors.blank import is_blank

from ..agents import Breaker
from ..settings import SettingsError
from .rules import EndpointError, Verdict

if TYPE_CHECKING:
    from ..settings import ModerationSettings

AT_ONCE = 64  # requests: more would only wait at the endpoint
LARGEST = 262_144  # bytes of an answer: the longest text in place of a message, escaped
FAILURES = 5  # in a row, after which it is left alone
PAUSE = 1.0  # seconds for which it is then, at first


class Endpoint:
    """The endpoint, used within `async with`. Raises `SettingsError` where its key is not in the environment."""

    def __init__(self, settings: ModerationSettings) -> None:
        assert settings.url is not None
        self._url = settings.url
        self._timeout = settings.timeout
        self._headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if settings.key_env is not None:
            key = os.environ.get(settings.key_env)
            if not key:
                raise SettingsError(
                    "moderation: the environment variable that its key_env names is not set"
                )
            self._headers["Authorization"] = f"Bearer {key}"
        self.breaker = Breaker(FAILURES, PAUSE)
        self._places = trio.CapacityLimiter(AT_ONCE)
        self._client = httpx2.AsyncClient(
            timeout=self._timeout, trust_env=self._url.startswith("https:")
        )

    async def close(self) -> None:
        """Close its connections."""
        await self._client.aclose()

    async def judge(self, question: dict[str, Any]) -> Verdict:
        """What it says of a message. Raises `EndpointError`."""
        if self.breaker.wait() is not None:
            raise EndpointError("it has failed and is left alone for now")
        try:
            with trio.move_on_after(self._timeout) as scope:
                async with self._places:
                    verdict = await self._ask(question)
            if scope.cancelled_caught:
                raise EndpointError(f"no answer within {self._timeout:g} s")
        except EndpointError:
            self.breaker.failed()
            raise
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            self.breaker.failed()
            raise EndpointError(type(error).__name__) from None
        except BaseException:
            self.breaker.unknown()
            raise
        self.breaker.worked()
        return verdict

    async def _ask(self, question: dict[str, Any]) -> Verdict:
        body = bytearray()
        async with self._client.stream(
            "POST", self._url, json=question, headers=self._headers
        ) as response:
            if response.status_code != 200:
                raise EndpointError(f"it answered {response.status_code}")
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LARGEST:
                    raise EndpointError(f"it sent more than {LARGEST} bytes")
        return _verdict(body)


def _verdict(body: bytearray) -> Verdict:
    try:
        said = json.loads(body)
        action, reason = said["action"], said.get("reason")
        content = said.get("content")
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        raise EndpointError("it answered without a JSON object that has an action") from None
    if action not in ("allow", "refuse", "hold", "replace"):
        raise EndpointError("its action is none of allow, refuse, hold, replace")
    if not (reason is None or isinstance(reason, str)):
        raise EndpointError("its reason is no text")
    if action == "replace" and (not isinstance(content, str) or is_blank(content)):
        raise EndpointError("it replaces without content")
    return Verdict(action, None if reason is None else reason[:500], content)
