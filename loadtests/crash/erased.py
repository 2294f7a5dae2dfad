"""Somebody who speaks until an operator erases them, in the middle of which the server is killed."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import trio

from salon.web.client import Refused, Unreachable

if TYPE_CHECKING:
    from salon.web.client import Client, Frame

    from ..checker import RecordedClient, Recorder

AGAIN = 0.2  # seconds until a request is made again
NAME = "Xaver Zweig"  # nobody else has it, or says it


class ErasedUser:
    """The person, who has a client on a good line, and the operator `root`. `messages` were erased."""

    def __init__(
        self, client: RecordedClient, root: Client, conversation: str, recorder: Recorder
    ) -> None:
        self.client = client
        self.conversation = conversation
        self.messages = 0
        self.done = trio.Event()
        self._root = root
        self._recorder = recorder
        self._said = count(1)

    async def speak(self) -> None:
        """Speak, and reply to oneself in a thread, until cancelled or shut out."""
        root: str | None = None
        while True:
            number = next(self._said)
            key = f"{self.client.person} {number}"
            fields: Frame = {"content": f"{NAME} says {number}", "client_message_id": key}
            if root is not None:
                fields["thread_id"] = root
            try:
                receipt = await self.client.post_fields(self.conversation, fields)
            except Unreachable:
                await trio.sleep(AGAIN)
            except Refused as refused:
                if not refused.temporary:
                    return
                await trio.sleep(AGAIN)
            else:
                root = receipt["message_id"] if root is None else None

    async def erase(self) -> None:
        """Have the person be erased, and see that it is done, whatever is killed meanwhile."""
        person = self.client.person
        self._recorder.ending(person, None, "asked")
        path = f"/admin/people/{person}/erasure"
        erasure = await self._insist("POST", path)
        self._recorder.ending(person, None, "told")
        path = f"/erasures/{erasure['erasure_id']}"
        while erasure["state"] != "done":
            await trio.sleep(AGAIN)
            erasure = await self._insist("GET", path)
        self._recorder.erased(person, [NAME])
        self.messages = erasure["messages"]
        self.done.set()

    async def _insist(self, method: str, path: str) -> Frame:
        while True:
            try:
                return await self._root.request(method, path)
            except Unreachable:
                pass
            except Refused as refused:
                if not refused.temporary:
                    raise
            await trio.sleep(AGAIN)
