"""A backend that is told of events: a real HTTP server of the test's, which verifies what comes and answers as the test says."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import h11
import trio
from standardwebhooks import Webhook

from tests.patience import PATIENCE

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
READ = 65_536


class Got(NamedTuple):
    """One request: its id, its body, and the secrets by which its signature is good."""

    id: str
    body: dict[str, Any]
    text: bytes
    headers: dict[str, str]

    def signed_by(self, secret: str) -> bool:
        """Whether this secret has signed it; by the library that subscribers use."""
        try:
            Webhook(secret).verify(self.text, self.headers)
        except Exception:
            return False
        return True


class Answer(NamedTuple):
    """What the backend answers."""

    status: int = 204
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


Behaviour = Callable[[Got], Awaitable[Answer]]


async def take(got: Got) -> Answer:
    """Take everything."""
    return Answer()


class Backend:
    """What has come, in order. `behave` decides each answer; only what was answered 2xx is in `taken`."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook"
        self.got: list[Got] = []
        self.taken: list[Got] = []
        self.behave: Behaviour = take
        self._came = trio.lowlevel.ParkingLot()

    @property
    def sequences(self) -> list[int]:
        """The sequences of the events that were taken."""
        return [each.body["sequence_id"] for each in self.taken]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what has come is so."""
        with trio.fail_after(4 * PATIENCE):
            while not condition():
                await self._came.park()

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Answer the requests of one connection."""
        peer = h11.Connection(h11.SERVER)
        try:
            while True:
                got = await self._request(peer, stream)
                if got is None:
                    return
                self.got.append(got)
                answer = await self.behave(got)
                head = h11.Response(
                    status_code=answer.status,
                    headers=[*answer.headers, ("Content-Length", str(len(answer.body)))],
                )
                if answer.status < 300:
                    self.taken.append(got)  # before the sender can know of it
                for event in (head, h11.Data(data=answer.body), h11.EndOfMessage()):
                    await stream.send_all(peer.send(event) or b"")
                self._came.unpark_all()
                peer.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            pass
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _request(self, peer: h11.Connection, stream: trio.abc.Stream) -> Got | None:
        headers: dict[str, str] = {}
        text = b""
        while True:
            event = peer.next_event()
            if event is h11.NEED_DATA:
                peer.receive_data(await stream.receive_some(READ))
            elif isinstance(event, h11.Request):
                headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                text += event.data
            elif isinstance(event, h11.EndOfMessage):
                return Got(headers["webhook-id"], json.loads(text), text, headers)
            else:
                return None


@asynccontextmanager
async def backend(tls: ssl.SSLContext | None = None) -> AsyncIterator[Backend]:
    """A backend that is reached over HTTP on this machine, or over TLS with this context."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        it = Backend(listener.socket.getsockname()[1])
        listeners: list[Any] = [listener]
        if tls is not None:
            listeners = [trio.SSLListener(listener, tls, https_compatible=True)]
        nursery.start_soon(trio.serve_listeners, it.serve, listeners)
        yield it
        nursery.cancel_scope.cancel()
