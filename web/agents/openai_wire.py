"""The wire of OpenAI and all who speak it, Azure among them: a stream of `/chat/completions`."""

from __future__ import annotations

import logging
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import openai
import trio

from .event_stream import FAULTS as STREAM_FAULTS
from .event_stream import events
from .openai_chunks import Chunk, Delta, Tokens, ToolCalls
from .pieces import REQUEST_AT_FAULT, UpstreamError
from .results import loads
from .retrying import BUSY, Passing, seconds_in

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from ..settings import AgentSettings
    from .pieces import Offer, Piece
    from .prompt import Prompt

CONNECT = 5.0  # seconds
REASON_LENGTH = 40  # characters of why it has ended: a word
LARGEST_EVENT = 1 << 20  # bytes of one event: more than a whole answer has
# What the SDK lets out of a stream that is not what it should be
FAULTS = (openai.OpenAIError, *STREAM_FAULTS)

logging.getLogger("openai").setLevel(logging.WARNING)  # its debug lines have what people said


class OpenAI:
    """One endpoint and model. The first stream opens the connection."""

    def __init__(self, agent: AgentSettings, credential: str | Path) -> None:
        """`credential` is a key, or the file with a token."""
        self._agent = agent
        azure = agent.kind == "azure_openai"
        token = partial(_token, credential) if isinstance(credential, Path) else None
        options: Any = {
            "azure_ad_token_provider" if azure and token else "api_key": token or credential,
            "max_retries": 0,  # the SDK would send the same again, also what was deleted since
            "timeout": httpx2.Timeout(agent.timeout, connect=CONNECT),
            # What people said goes to no address but the operator's
            "http_client": openai.DefaultAsyncHttpxClient(follow_redirects=False),
        }
        self._client: openai.AsyncOpenAI
        if azure:
            self._client = openai.AsyncAzureOpenAI(
                azure_endpoint=agent.endpoint or "",
                api_version=agent.api_version,
                **options,
            )
        else:
            self._client = openai.AsyncOpenAI(base_url=agent.endpoint, **options)

        # The SDK takes these from the environment and would send them to any endpoint
        self._client.organization = self._client.project = None
        self._client._custom_headers = {}  # nothing public leaves them out

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece]:
        """Yield the words, what they have used, and the tools to call. A stream that was cut raises `UpstreamError`."""
        finish: str | None = None
        used: Tokens | None = None
        calls = ToolCalls()
        async with self._open(prompt) as response, aclosing(_events(response)) as events:
            async for event in events:
                for choice in event.choices or ():
                    delta = choice.delta or Delta()
                    if isinstance(delta.content, str) and delta.content:
                        yield delta.content
                    calls.take(delta.tool_calls or ())
                    finish = (choice.finish_reason or "")[:REASON_LENGTH] or finish
                # Some count with every event, the whole each time
                used = event.usage or used
        if used is not None and used.prompt_tokens:
            yield {
                "model": self._agent.model,
                "finish_reason": finish,
                "input_tokens": used.prompt_tokens,
                "output_tokens": used.completion_tokens or 0,
            }
        if finish is None:
            raise UpstreamError("the stream was cut")
        for call in calls.whole():
            yield call

    @asynccontextmanager
    async def _open(self, prompt: Prompt) -> AsyncIterator[httpx2.Response]:
        """The answer to the request; all that may be wrong with it is one kind of error."""
        fields: dict[str, Any] = {
            "max_tokens": self._agent.limits.output_tokens,
            "stream_options": {"include_usage": True},
            **({"tools": [_tool(each) for each in prompt.tools]} if prompt.tools else {}),
            **self._agent.options,
        }
        create = self._client.chat.completions.with_streaming_response.create
        try:
            async with create(
                model=self._agent.model or "",
                messages=_messages(prompt),
                stream=True,
                extra_body={name: value for name, value in fields.items() if value is not None},
            ) as response:
                yield response.http_response
        except FAULTS as fault:
            raise _error(fault) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


def _messages(prompt: Prompt) -> list[Any]:
    messages: list[Any] = [
        {"role": "system", "content": prompt.system},
        *({"role": each.role, "content": each.text} for each in prompt.messages),
    ]
    for text, calls, results in prompt.rounds:
        made = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": call.arguments},
            }
            for call in calls
        ]
        messages.append({"role": "assistant", "content": text or None, "tool_calls": made})
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": result}
            for call, result in zip(calls, results, strict=True)
        ]
    return messages


def _tool(offer: Offer) -> dict[str, Any]:
    return {"type": "function", "function": offer._asdict()}


async def _events(response: httpx2.Response) -> AsyncGenerator[Chunk]:
    """The events of a stream until it says that it is done."""
    async with aclosing(events(response, LARGEST_EVENT)) as said:
        async for event in said:
            if event.data == "[DONE]":
                return
            chunk = Chunk.model_validate(loads(event.data))
            if chunk.error is not None:
                raise UpstreamError("the stream has an error")
            yield chunk


async def _token(file: Path) -> str:
    """The token that a file has now."""
    try:
        return (await trio.Path(file).read_text()).strip()
    except (OSError, ValueError) as error:
        raise UpstreamError(f"the token cannot be read: {type(error).__name__}") from None


def _error(fault: Exception) -> UpstreamError:
    what = type(fault).__name__
    if isinstance(fault, openai.APIStatusError):
        status = fault.status_code
        kind = Passing if status in BUSY or status >= 500 else UpstreamError
        wait = seconds_in(fault.response.headers.get("Retry-After", ""))
        return kind(f"{what} {status}", wait, of_request=status in REQUEST_AT_FAULT)
    return (Passing if isinstance(fault, openai.APIConnectionError) else UpstreamError)(what)
