"""Simulated agents that answer in runs while the server is killed: one that comes back, and one that does not."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

import trio

from salon.web.client import Closed, Refused, Unreachable

from .user import BACKOFF

if TYPE_CHECKING:
    from random import Random

    from salon.web.client import Client

    from ..checker import RecordedClient

WORDS = 60  # of an answer, at most
PAUSE = 0.05  # seconds between two words, at most
KEPT = 1.0  # seconds: what was said longer ago than this outlives a kill


class CrashAgent:
    """An agent whose client goes on after each kill. `said` has the whole text of each run that it has completed."""

    def __init__(self, client: RecordedClient, conversation: str, random: Random) -> None:
        self.client = client
        self.conversation = conversation
        self.said: dict[str, str] = {}
        self.spoken = trio.Event()
        self._random = random

    async def live(self, end: trio.Event) -> None:
        """Answer one run after the other until `end`."""
        async with self.client.conversation(self.conversation, backoff=BACKOFF) as conversation:
            while not end.is_set():
                async with conversation.run() as run:
                    for number in range(self._random.randint(1, WORDS)):
                        await run.say(f"{number} of {run.run_id} ")
                        await trio.sleep(self._random.uniform(0, PAUSE))
                if run.result is not None and run.result["status"] == "complete":
                    self.said[run.run_id] = run.text
            self.spoken.set()
            await trio.sleep_forever()

    def wrong(self, contents: dict[str, str]) -> list[str]:
        """What is wrong with the messages of the runs, given by run id."""
        return [
            f"the message of {run_id} is not what was said in it"
            for run_id, text in self.said.items()
            if contents.get(run_id) != text
        ]


class LeavingAgent:
    """An agent without a socket, which speaks until the server is killed and never comes back to the run."""

    def __init__(self, client: Client, conversation: str) -> None:
        self.conversation = conversation
        self.runs = 0
        self._client = client
        # Of each run what was said in all, and when the server had confirmed how much of it.
        self._said: dict[str, str] = {}
        self._confirmed: dict[str, list[tuple[float, int]]] = {}
        self._killed_at: dict[str, float] = {}

    async def speak(self) -> None:
        """Speak in a new run until the server is gone or the task is cancelled; the run is left as it is."""
        run_id, text = uuid.uuid4().hex, ""
        confirmed = self._confirmed[run_id] = []
        with suppress(Unreachable, Refused, Closed):
            await self._client.start_run(self.conversation, run_id)
            self.runs += 1
            while True:
                word = f"{len(text)} of {run_id} "
                self._said[run_id] = text + word
                await self._client.extend_run(self.conversation, run_id, len(text), word)
                text += word
                confirmed.append((trio.current_time(), len(text)))
                await trio.sleep(PAUSE)

    def killed(self) -> None:
        """Note that the server has just been killed."""
        for run_id in self._confirmed:
            self._killed_at.setdefault(run_id, trio.current_time())

    def wrong(self, contents: dict[str, str]) -> list[str]:
        """What is wrong with the messages of the runs, given by run id: they lack at most the last second."""
        wrong = []
        for run_id, confirmed in self._confirmed.items():
            killed_at = self._killed_at.get(run_id, trio.current_time())
            due = max((size for at, size in confirmed if at < killed_at - KEPT), default=0)
            content = contents.get(run_id, "")
            if len(content) < due:
                wrong.append(
                    f"of {run_id} {len(content)} are left, {due} were said a second before"
                )
            if not self._said.get(run_id, "").startswith(content):
                wrong.append(f"the message of {run_id} is not what was said in it")
        return wrong
