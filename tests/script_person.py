"""Somebody who uses salon.js as the server serves it, in a node process of their own."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import httpx2

from tests.node import NODE
from tests.patience import PATIENCE

DRIVER = Path(__file__).with_name("person.mjs")
LOOK = 0.05  # seconds until a condition that asks is asked again: it may have heard while it asked

Heard = dict[str, Any]


class ScriptPerson:
    """Tells node what to do, and waits for what salon.js tells. What was heard stays in `heard`."""

    def __init__(self, folder: Path, url: str, token: str = "") -> None:
        script = folder / "salon.mjs"
        if not script.exists():
            script.write_text(httpx2.get(f"{url}/salon.js").text)
        self.heard: list[Heard] = []
        self._lines: queue.Queue[Heard | None] = queue.Queue()
        self._errors = (folder / "node.log").open("a+")
        self._process = subprocess.Popen(
            [NODE, "--no-warnings", DRIVER, script, url, token],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin: IO[str] = self._process.stdin
        self._reader = threading.Thread(target=self._read, args=(self._process.stdout,))
        self._reader.start()

    def call(self, name: str, *arguments: Any) -> Any:
        """What a method of `Salon` answers."""
        return self._ask("answer", "call", name, *arguments)

    def refused(self, name: str, *arguments: Any) -> str:
        """The code with which a method of `Salon` is refused."""
        try:
            answer = self.call(name, *arguments)
        except ScriptError as error:
            code: str = error.args[0]["refusal"]["code"]
            return code
        raise AssertionError(f"{name} was answered with {answer}")

    def upload(self, conversation_id: str, text: str, name: str) -> Any:
        """Bring a file of this text and name to a conversation, and hear of the progress."""
        return self._ask("answer", "upload", conversation_id, text, name)

    def downloaded(self, conversation_id: str, file_id: str) -> str:
        """The text of a file."""
        text: str = self._ask("answer", "download", conversation_id, file_id)
        return text

    def open(self, conversation_id: str, **options: Any) -> None:
        """Open a conversation; from then on its signals are heard."""
        self._ask("opened", "open", conversation_id, options)

    def do(self, name: str, *arguments: Any) -> Any:
        """What a method of the open conversation answers."""
        return self._ask("done", "do", name, *arguments)

    def get(self, name: str) -> Any:
        """A property of the open conversation."""
        return self._ask("got", "get", name)

    def stored(self) -> dict[str, str]:
        """What its localStorage holds."""
        answer: dict[str, str] = self._ask("stored", "stored")
        return answer

    def store(self, name: str, text: str) -> None:
        """Put something into its localStorage."""
        self._ask("kept", "store", name, text)

    def wait(self, what: str, condition: Callable[[], bool]) -> None:
        """Until what was heard fulfils the condition."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"never {what}; heard {self.heard[-12:]}")
            with suppress(queue.Empty):
                self._hear(self._lines.get(timeout=LOOK))

    def wait_state(self, status: str) -> Heard:
        """Until the last state that was told is this one; the state."""
        self.wait(f"was {status}", lambda: self.state.get("status") == status)
        return self.state

    @property
    def state(self) -> Heard:
        """The last state that was told."""
        return next((it["value"] for it in reversed(self.heard) if it["signal"] == "state"), {})

    def values(self, signal: str) -> list[Any]:
        """All that was told by this name."""
        return [it["value"] for it in self.heard if it["signal"] == signal]

    @property
    def contents(self) -> list[str]:
        """The messages that were told, in that order."""
        events = self.values("event")
        return [it["message"]["content"] for it in events if it["type"] == "message"]

    @property
    def sequence(self) -> list[int]:
        """The events that were told, by their numbers, in that order."""
        return [it["sequence_id"] for it in self.values("event")]

    def close(self) -> None:
        """End the process."""
        self._stdin.close()
        self._process.kill()
        self._process.wait()
        self._reader.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def _ask(self, answer: str, *command: Any) -> Any:
        self._stdin.write(json.dumps(command) + "\n")
        self._stdin.flush()
        start = len(self.heard)
        self.wait(
            f"answered {command}",
            lambda: any(it["signal"] in (answer, "failed") for it in self.heard[start:]),
        )
        heard = next(it for it in self.heard[start:] if it["signal"] in (answer, "failed"))
        if heard["signal"] == "failed":
            raise ScriptError(heard["value"])
        return heard["value"]

    def _hear(self, heard: Heard | None) -> None:
        if heard is None:
            self._errors.seek(0)
            raise AssertionError(f"node has ended: {self._errors.read()[-3000:]}")
        self.heard.append(heard)

    def _read(self, stdout: IO[str]) -> None:
        for line in stdout:
            if line.endswith("\n"):  # not the half of one that the end of the process has cut off
                self._lines.put(json.loads(line))
        self._lines.put(None)


class ScriptError(Exception):
    """What salon.js has thrown: `name`, `text`, `refusal`, `status`."""

    def __init__(self, thrown: Heard) -> None:
        super().__init__(thrown)
        self.thrown = thrown
