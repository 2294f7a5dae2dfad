"""A backend that is told of events by webhooks: it refuses now and then, is slow, and loses answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import h11
import trio

if TYPE_CHECKING:
    from random import Random

    from ..checker import Recorder

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # of nobody
NAME = "backend"
READ = 65_536  # bytes
WAITED = 15.0  # seconds that a server waits for an answer: what comes was read no longer ago
REFUSED, LOST = 0.02, 0.04  # shares of the deliveries
SLOWEST = 0.2  # seconds of an answer, at most


class CrashBackend:
    """Takes deliveries at `url` once it runs. `taken` has the highest sequence of each conversation."""

    def __init__(self, recorder: Recorder, random: Random) -> None:
        self.url = ""
        self.deliveries = 0
        self.taken: dict[str, int] = {}
        self.calm = False
        self._recorder = recorder
        self._random = random
        self._news = trio.lowlevel.ParkingLot()
        recorder.subscriber(NAME, None, None)

    @property
    def environment(self) -> dict[str, str]:
        """What tells a server of it."""
        webhook = {"url": self.url, "secret": SECRET, "allow_private": True}
        return {"SALON_WEBHOOKS": json.dumps([webhook])}

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Answer until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/hook"
        task_status.started()
        await trio.serve_listeners(self._serve, listeners)

    async def wait_taken(self, conversation: str, sequence: int) -> None:
        """Wait until everything up to a sequence is taken."""
        while self.taken.get(conversation, 0) < sequence:
            await self._news.park()

    async def _serve(self, stream: trio.SocketStream) -> None:
        peer = h11.Connection(h11.SERVER)
        try:
            while (body := await self._request(peer, stream)) is not None:
                status = await self._answer(body)
                if status is None:
                    return
                head = h11.Response(status_code=status, headers=[("Content-Length", "0")])
                for event in (head, h11.EndOfMessage()):
                    await stream.send_all(peer.send(event) or b"")
                peer.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.ProtocolError):
            pass  # the server was killed
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _answer(self, body: dict[str, Any]) -> int | None:
        """The status of an answer; None loses it."""
        random, conversation = self._random, body["conversation_id"]
        refuses = not self.calm and random.random() < REFUSED
        since = self._recorder.clock() - WAITED
        self.deliveries += 1
        self._recorder.delivery(conversation, NAME, since, body["data"], taken=not refuses)
        if not refuses:
            sequence = int(body["sequence_id"])
            self.taken[conversation] = max(sequence, self.taken.get(conversation, 0))
            self._news.unpark_all()
        if self.calm:
            return 204
        await trio.sleep(SLOWEST * random.random() ** 6)
        if random.random() < LOST:
            return None
        return 503 if refuses else 204

    async def _request(
        self, peer: h11.Connection, stream: trio.SocketStream
    ) -> dict[str, Any] | None:
        text = b""
        while True:
            event = peer.next_event()
            if event is h11.NEED_DATA:
                peer.receive_data(await stream.receive_some(READ))
            elif isinstance(event, h11.Data):
                text += event.data
            elif isinstance(event, h11.EndOfMessage):
                return dict(json.loads(text))
            elif not isinstance(event, h11.Request):
                return None
