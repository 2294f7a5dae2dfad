"""The subscribers of webhooks: backends in the simulated world that are down, refuse, stall or lose their answers."""

from __future__ import annotations

import json
from random import Random
from typing import TYPE_CHECKING

import httpx2
import trio
from standardwebhooks.webhooks import Webhook

from salon.web.settings import WebhookSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from ..checker import Recorder

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of nobody
SLOWEST = 0.5  # seconds of a request without faults, at most
STALL = 40.0  # seconds: longer than a delivery is waited for
READ_BEFORE = 1.0  # seconds between the reading of an event and its request, at most
REFUSALS = (500, 503, 429, 404)


class Backend:
    """One subscriber, which wants events of these types and conversations, None for all. Its faults last up to a time."""

    def __init__(
        self,
        number: int,
        events: tuple[str, ...] | None = None,
        conversations: tuple[str, ...] | None = None,
    ) -> None:
        self.name = f"backend-{number}"
        self.url = f"http://10.0.0.{number}/{self.name}"
        self.events, self.conversations = events, conversations
        self.taken: dict[str, int] = {}  # conversation -> the highest sequence
        self.down_until = self.refuses_until = self.stalls_until = self.loses_until = 0.0
        self.refused: str | None = None  # the conversation that is refused; None for all

    @property
    def settings(self) -> WebhookSettings:
        """The webhook in the server's configuration."""
        return WebhookSettings.model_validate(
            {
                "url": self.url,
                "secret": SECRET,
                "allow_private": True,
                "events": "*" if self.events is None else self.events,
                "conversations": self.conversations,
            }
        )

    def heal(self) -> None:
        """End all faults."""
        self.down_until = self.refuses_until = self.stalls_until = self.loses_until = 0.0


class Empty(httpx2.AsyncByteStream):
    """The body of every answer."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Nothing."""
        for piece in list[bytes]():
            yield piece


class Watched(httpx2.AsyncBaseTransport):
    """The network of one of several servers to the backends. `look` is called with each request."""

    def __init__(self, network: httpx2.AsyncBaseTransport, look: Callable[[], object]) -> None:
        self._network = network
        self._look = look

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry a request."""
        self._look()
        return await self._network.handle_async_request(request)


class Backends(httpx2.AsyncBaseTransport):
    """The network between a server's HTTP client and the backends. Each delivery that arrives is recorded.

    `problems` are the requests that are not as the documentation of webhooks has them.
    """

    def __init__(self, seed: int, backends: list[Backend], recorder: Recorder) -> None:
        self.problems: list[str] = []
        self._chance = Random(f"backends {seed}")
        self._backends = {each.url: each for each in backends}
        self._recorder = recorder
        for each in backends:
            recorder.subscriber(each.name, each.events, each.conversations)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry a request to its backend and the answer back."""
        since = trio.current_time() - READ_BEFORE
        backend, chance = self._backends[str(request.url)], self._chance
        await trio.sleep(SLOWEST * chance.random() ** 3)
        now = trio.current_time()
        if now < backend.down_until:
            raise httpx2.ConnectError("refused", request=request)
        stalls = now < backend.stalls_until
        if stalls and chance.random() < 0.5:
            await trio.sleep(STALL)
        status = self._answer(backend, request, since)
        await trio.sleep(STALL if stalls else SLOWEST * chance.random() ** 3)
        if trio.current_time() < backend.loses_until and chance.random() < 0.7:
            raise httpx2.ReadError("reset", request=request)
        wait = {"Retry-After": "2"} if status == 429 else {}
        return httpx2.Response(status, headers=wait, stream=Empty(), request=request)

    def _answer(self, backend: Backend, request: httpx2.Request, since: float) -> int:
        body = json.loads(request.content)
        frame, where = body["data"], body["conversation_id"]
        self._check(request, body)
        refuses = trio.current_time() < backend.refuses_until and backend.refused in (None, where)
        sequence = frame["sequence_id"]
        self._recorder.delivery(where, backend.name, since, frame, taken=not refuses)
        if refuses:
            return self._chance.choice(REFUSALS)
        backend.taken[where] = max(sequence, backend.taken.get(where, 0))
        return 204

    def _check(self, request: httpx2.Request, body: dict[str, object]) -> None:
        frame = body["data"]
        assert isinstance(frame, dict)
        Webhook(SECRET).verify(request.content, dict(request.headers))
        said = body["type"], body["sequence_id"]
        id = f"{body['conversation_id']}-{body['sequence_id']}"
        if said != (frame["type"], frame["sequence_id"]) or request.headers["webhook-id"] != id:
            self.problems.append(f"the envelope of {id} says otherwise than what is in it")
