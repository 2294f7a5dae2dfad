"""The wire of OpenAI and all who speak it, Azure among them: a stream of `/chat/completions`."""

from __future__ import annotations

import json
import logging
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx2
import openai

from .upstream import UpstreamError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

    from ..settings import AgentSettings
    from .prompt import Prompt

RETRIES = 2  # of the SDK, before the first word, after 408, 409, 429, 5xx and lost connections; it obeys Retry-After
CONNECT = 5.0  # seconds
LONGEST_WAIT = 3600.0  # seconds of a Retry-After that are passed on
LARGEST_EVENT = 1 << 20  # bytes of one event: more than a whole answer has
# What the SDK lets out of a stream that is not what it should be
FAULTS = (openai.OpenAIError, httpx2.HTTPError, ValueError, TypeError, AttributeError, KeyError)

logging.getLogger("openai").setLevel(logging.WARNING)  # its debug lines have what people said


class OpenAI:
    """One endpoint and model. The first stream opens the connection."""

    def __init__(self, agent: AgentSettings, key: str) -> None:
        self._agent = agent
        options: Any = {
            "api_key": key,
            "max_retries": RETRIES,
            "timeout": httpx2.Timeout(agent.timeout, connect=CONNECT),
        }
        self._client: openai.AsyncOpenAI
        if agent.kind == "azure_openai":
            self._client = openai.AsyncAzureOpenAI(
                azure_endpoint=agent.endpoint or "",
                api_version=agent.api_version,
                **options,
            )
        else:
            self._client = openai.AsyncOpenAI(base_url=agent.endpoint, **options)
            # The SDK takes these from the environment and would send them to any endpoint
            self._client.organization = self._client.project = None

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str | dict[str, Any]]:
        """Yield the words, and what they have used. A stream without its last word was cut: `UpstreamError`."""
        finish: str | None = None
        async with self._open(prompt) as response, aclosing(_events(response)) as events:
            async for event in events:
                for choice in event.get("choices") or ():
                    text = (choice.get("delta") or {}).get("content")
                    if isinstance(text, str) and text:
                        yield text
                    finish = choice.get("finish_reason") or finish
                usage = event.get("usage")
                if usage is not None:
                    yield {
                        "model": self._agent.model,
                        "finish_reason": finish,
                        "input_tokens": int(usage.get("prompt_tokens") or 0),
                        "output_tokens": int(usage.get("completion_tokens") or 0),
                    }
        if finish is None:
            raise UpstreamError("the stream was cut")

    @asynccontextmanager
    async def _open(self, prompt: Prompt) -> AsyncIterator[httpx2.Response]:
        """The answer to the request; all that may be wrong with it is one kind of error."""
        messages: Iterable[Any] = [
            {"role": "system", "content": prompt.system},
            *({"role": each.role, "content": each.text} for each in prompt.messages),
        ]
        create = self._client.chat.completions.with_streaming_response.create
        try:
            async with create(
                model=self._agent.model or "",
                messages=messages,
                max_tokens=self._agent.limits.output_tokens,
                stream=True,
                stream_options={"include_usage": True},
            ) as response:
                yield response.http_response
        except FAULTS as fault:
            raise _error(fault) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


async def _events(response: httpx2.Response) -> AsyncGenerator[dict[str, Any]]:
    """The events of a stream until it says that it is done."""
    events = aiter(httpx2.EventSource(response, LARGEST_EVENT))
    try:
        async for event in events:
            if event.data == "[DONE]":
                return
            data = json.loads(event.data)
            if data.get("error") is not None:
                raise UpstreamError("the stream has an error")
            yield data
    finally:
        await response.aclose()
        with suppress(*FAULTS):
            async for _ in (
                events
            ):  # to its end, or the library's generators would be left to the garbage collector
                pass


def _error(fault: Exception) -> UpstreamError:
    what, wait = type(fault).__name__, None
    if isinstance(fault, openai.APIStatusError):
        what = f"{what} {fault.status_code}"
        try:
            wait = float(fault.response.headers.get("Retry-After", ""))
        except ValueError:
            wait = None
        if wait is not None and not 0 <= wait <= LONGEST_WAIT:
            wait = None
    return UpstreamError(what, wait)
